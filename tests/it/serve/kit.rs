//! A `serve` on a free port, its log, and what is asked of it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::page::Page;

/// A process; killed by its own id where it has not ended.
pub(crate) struct Serve {
    child: Child,
    pub(crate) address: String,
    lines: Arc<Mutex<Vec<Value>>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// The flags of the project's releases, for the page.
pub(crate) const FLAGS: &[&str] = &["r", "flag-of-s", "q"];

/// The project: releases of one page, `r`, `s` and `q`, which is over soon, with more lines for the project's `spec`.
pub(crate) fn project(dir: &Path, page: &Page, backend: &str, more: &str) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: served }}
spec:
  sources:
    app:
      scrape: {{ targets: ["{}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {backend} }}
{more}---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: slow }}
spec:
  stages:
    - {{ name: tenth, percentage: 10%, bake: 1s }}
    - {{ name: half, percentage: 50%, bake: 10m }}
    - {{ name: everyone, percentage: 100%, bake: 10m }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: quick }}
spec:
  stages: [ {{ name: half, percentage: 50%, bake: 1s }} ]
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 1s
  window: 800ms
  presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code="500"' }} }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {{ name: errors, when: "error_rate > 5%", for: 1s, then: shutdown }} ]
  no_data: {{ after: 1h, then: pause }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: r }}
spec: {{ template: slow }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: s }}
spec: {{ flag: flag-of-s, template: slow }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: q }}
spec: {{ template: quick }}
"#,
        page.url
    );
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

pub(crate) const FLAG_FILE: &str = "{ flagd: { path: flags.json } }";

/// A command of the same project.
pub(crate) fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("-C").arg(dir).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Where a rollout is.
pub(crate) fn status(dir: &Path, release: &str) -> Value {
    let output = flagstaff(dir, &["status", "-o", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let rows = status["rollouts"].as_array().unwrap().clone();
    rows.into_iter().find(|row| row["release"] == release).unwrap_or_default()
}

/// Waits for something; it is looked for often and given up late.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("looked 600 times: {what}")
}

pub(crate) fn until_state(dir: &Path, release: &str, state: &str) -> Value {
    until(&format!("{release} is {state}"), || {
        let row = status(dir, release);
        (row["state"] == state).then_some(row)
    })
}

/// The flag as it is served from the file.
pub(crate) fn is_off(dir: &Path, flag: &str) -> bool {
    let text = fs::read_to_string(dir.join("flags.json")).unwrap();
    let flag = serde_json::from_str::<Value>(&text).unwrap()["flags"][flag].clone();
    flag["defaultVariant"] == "off" && flag.get("targeting").is_none()
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Serve {
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Serve {
        Serve::start_with(dir, args, &[])
    }

    pub(crate) fn start_with(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Serve {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flagstaff"))
            .arg("-C")
            .arg(dir)
            .args(["serve", "--listen", "127.0.0.1:0", "-o", "json"])
            .args(args)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (heard, out) = (Arc::clone(&lines), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // every line of the log is JSON by itself
                let line = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line));
                heard.lock().unwrap().push(line);
            }
        });
        let mut serve = Serve { child, address: String::new(), lines };
        serve.address = serve.told("listening")["address"].as_str().unwrap().to_owned();
        serve
    }

    /// The first line of a kind, once it is there.
    pub(crate) fn told(&self, event: &str) -> Value {
        until(&format!("a line `{event}` in {:?}", self.lines.lock().unwrap()), || {
            self.log().into_iter().find(|line| line["event"] == event)
        })
    }

    pub(crate) fn log(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), &[])
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n");
        self.ask(&head, body)
    }

    fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // who is refused early is not read to the end
        let _ = stream.write_all(body);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Answer { status, body }
    }

    /// The value of a metric, labels as on the page.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let page = self.get("/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    pub(crate) fn signal(&self, which: &str) {
        assert!(Command::new("kill").args([which, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Tells it to end and returns its exit code.
    pub(crate) fn end(mut self, which: &str) -> Option<i32> {
        self.signal(which);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
