//! A client written by hand: one message a line.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::page::Page;

/// An answer that does not come is a fault; this says when to stop waiting for one, and nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which era of the protocol a session speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// With a handshake.
    Legacy,
    /// Without: every request says who asks.
    Modern,
}

pub(super) const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];

/// A session with `flagstaff mcp`.
pub(super) struct Session {
    era: Era,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
}

/// How a session ended.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) log: String,
}

impl Session {
    /// Begins a session, with its handshake where the era has one.
    pub(super) fn begin(dir: &Path, era: Era, args: &[&str]) -> Session {
        let mut session = Session::without_handshake(dir, era, args);
        if era == Era::Legacy {
            let params = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "by-hand", "version": "1.2" },
            });
            let result = session.ask("initialize", params);
            assert_eq!(result["result"]["protocolVersion"], "2025-11-25", "{result:#}");
            session.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        }
        session
    }

    pub(super) fn without_handshake(dir: &Path, era: Era, args: &[&str]) -> Session {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command.arg("mcp").args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR");
        command.env("FLAGSTAFF_ACTOR", "ana@acme.example");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (send, lines) = channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Session { era, input: child.stdin.take(), child, lines, next: 0 }
    }

    /// Writes a line as it is.
    pub(super) fn write(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a request without waiting; its id.
    pub(super) fn send(&mut self, method: &str, mut params: Value) -> u64 {
        self.next += 1;
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "by-hand", "version": "1.2" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let request = json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
        self.write(&request.to_string());
        self.next
    }

    /// The next message. Whatever is on stdout must be one.
    pub(super) fn read(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).unwrap();
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no message: {error}\n{line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    /// Sends a request and waits for its answer.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let message = self.read();
        assert_eq!(message["id"], id, "{message:#}");
        message
    }

    /// Calls a tool; the result.
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let message = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert!(message["error"].is_null(), "{tool}: {message:#}");
        message["result"].clone()
    }

    /// Calls a tool that must answer; its document.
    pub(super) fn given(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{tool}: {result:#}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "{tool}: the text says something else");
        text
    }

    /// Calls a tool that must refuse; the error's document.
    pub(super) fn refused(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{tool}: {result:#}");
        assert!(result["structuredContent"].is_null(), "{tool}: it is not the document that the tool promises");
        let error: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(error["schema"], "flagstaff/error/v1", "{tool}");
        error
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads whatever comes before its output ends.
    pub(super) fn drain(&mut self) {
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
    }

    /// Closes its input.
    pub(super) fn hang_up(&mut self) {
        drop(self.input.take());
    }

    /// Closes its input, and waits for its end.
    pub(super) fn end(mut self) -> Ended {
        self.hang_up();
        self.wait()
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> Ended {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let code = self.child.wait().unwrap().code();
        // nothing may come after what was asked for
        assert!(self.lines.try_iter().next().is_none(), "more on stdout than was asked for");
        Ended { code, log }
    }
}

/// A project with two environments on flag files; `r` goes to both of them, `s` to the first.
pub(super) fn project(dir: &Path, [here, there]: &[Page; 2]) {
    let text = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: shop }
spec:
  sources:
    app:
      scrape: { targets: ["HERE"], every: 200ms }
      arms: { flag: flag, variant: variant }
    other:
      scrape: { targets: ["THERE"], every: 200ms }
      arms: { flag: flag, variant: variant }
  environments:
    here: { backend: { flagd: { path: here.json } }, source: app }
    there: { backend: { flagd: { path: there.json } }, source: other }
"#;
    let rest = r#"apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: steps }
spec:
  stages:
    - { name: tenth, percentage: 10%, bake: 10m, approval: { count: 1 } }
    - { name: everyone, percentage: 100%, bake: 10m }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 800ms
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "error_rate < 1%" ]
  safeguards:
    - { name: errors, when: "error_rate > 5%", for: 1s, then: shutdown }
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Flag
metadata: { name: r }
spec: { key: r, type: release, description: "The new checkout with one page", owner: payments }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: s }
spec: { environments: [here] }
"#;
    fs::create_dir_all(dir.join("flagstaff")).unwrap();
    fs::write(dir.join("flagstaff.yaml"), text.replace("THERE", &there.url).replace("HERE", &here.url)).unwrap();
    fs::write(dir.join("flagstaff/releases.yaml"), rest).unwrap();
}

/// The project, with `r` started in both environments.
pub(super) fn started(dir: &Path) -> [Page; 2] {
    let pages = pages();
    project(dir, &pages);
    for environment in ["here", "there"] {
        let done = flagstaff(dir, &["start", "r", "-e", environment]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    pages
}

/// A page for each environment.
pub(super) fn pages() -> [Page; 2] {
    [Page::serve(&["r", "s"]), Page::serve(&["r", "s"])]
}

/// Runs a command.
pub(super) fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").env("FLAGSTAFF_ACTOR", "ana@acme.example");
    command.stdin(Stdio::null()).output().unwrap()
}

/// What a command answers machines.
pub(super) fn answer(dir: &Path, args: &[&str]) -> Value {
    let done = flagstaff(dir, &[args, &["-o", "json"]].concat());
    serde_json::from_slice(&done.stdout).unwrap()
}
