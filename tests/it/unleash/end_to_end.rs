//! The real binary with a project on the live server: what is typed, and what the server then serves.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::server::{CLIENT_TOKEN, TOKEN, environment, server};
use crate::support::page::Page;

/// What must never be seen anywhere.
const CANARY: &str = "canary-4f1c9a7d2e";

/// A project on the live server; it looks for the canary in everything that is said and kept.
pub(super) struct Shop {
    folder: tempfile::TempDir,
    page: Page,
    flag: String,
}

impl Shop {
    pub(super) fn new(flag: &str) -> Shop {
        let shop = Shop { folder: tempfile::tempdir().unwrap(), page: Page::serve(&[flag]), flag: flag.to_owned() };
        let text = format!(
            r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: shop }}
spec:
  stickiness: userId
  sources:
    app:
      scrape: {{ targets: ["{page}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    production:
      backend: {{ unleash: {{ url: "{url}", environment: production, token_env: SHOP_TOKEN }} }}
---
apiVersion: flagstaff/v1
kind: Audience
metadata: {{ name: staff }}
spec: {{ any: [ {{ attribute: email, ends_with: "@acme.example" }} ] }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: quick }}
spec:
  stages:
    - {{ name: internal, audiences: [staff], bake: 1s }}
    - {{ name: half, percentage: 50%, bake: HALF }}
    - {{ name: everyone, percentage: 100%, bake: 1s }}
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
metadata: {{ name: {flag} }}
spec: {{}}
"#,
            page = shop.page.url,
            url = server().url,
        );
        fs::write(shop.dir().join("flagstaff.yaml"), text.replace("HALF", "10m")).unwrap();
        shop
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn replace(&self, old: &str, new: &str) {
        let path = self.dir().join("flagstaff.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old}");
        fs::write(path, text.replace(old, new)).unwrap();
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command
            .arg("-C")
            .arg(self.dir())
            .args(args)
            .env("SHOP_TOKEN", TOKEN)
            .env("FLAGSTAFF_ACTOR", "ana@acme.example");
        command
    }

    pub(super) fn run(&self, args: &[&str], code: i32) -> String {
        told(self.command(args).output().unwrap(), code, args)
    }

    /// Starts a `run` and waits for an event.
    fn running(&self, until: &str) -> Running {
        let mut command = self.command(&["run", &self.flag, "-e", "production", "-o", "jsonl"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains(until) {
            assert!(out.read_line(&mut said).unwrap() > 0, "run ended before `{until}`: {said}");
        }
        Running { child, out, said }
    }

    /// What the server shows in its administration.
    pub(super) fn shown(&self) -> Value {
        server().ours("GET", &environment(&self.flag), None)
    }

    /// What a backend's SDK is served; the server looks for changes once a second.
    pub(super) fn served(&self) -> Option<Value> {
        let path = format!("/api/client/features/{}", self.flag);
        let (status, flag) = server().call("GET", &path, CLIENT_TOKEN, None);
        (status == 200 && flag["enabled"] == true).then_some(flag)
    }

    fn no_canary(&self) {
        for file in files_below(self.dir()) {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
            assert!(!found, "the token is in {}", file.display());
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.no_canary();
        }
    }
}

struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    said: String,
}

impl Running {
    fn ends(mut self, code: i32) -> String {
        self.out.read_to_string(&mut self.said).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stdout = self.said.into_bytes();
        told(output, code, &["run"])
    }
}

pub(super) fn told(output: Output, code: i32, args: &[&str]) -> String {
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(!text.contains(CANARY), "{args:?} shows the token: {text}");
    text
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_release_goes_through_its_stages_and_completes() {
    let shop = Shop::new("completes");
    shop.replace("10m", "1s");
    let plan = shop.run(&["plan", "completes", "-e", "production", "-o", "yaml"], 0);
    assert!(plan.contains("unleash") && !plan.contains("SHOP_TOKEN"), "{plan}");
    let mut running = shop.running("internal is effective");
    let shown = shop.shown();
    assert_eq!(shown["enabled"], true);
    running.said.clear();
    let said = running.ends(0);
    assert!(said.contains("half is effective") && said.contains("everyone is effective"), "{said}");
    let shown = shop.shown();
    let enabled: Vec<&Value> =
        shown["strategies"].as_array().unwrap().iter().filter(|strategy| strategy["disabled"] == false).collect();
    assert_eq!((shown["enabled"].clone(), enabled.len()), (true.into(), 1));
    assert_eq!(enabled[0]["parameters"]["rollout"], "100");
    shop.run(&["audit", "replay"], 0);
    shop.run(&["audit", "log"], 0);
    shop.run(&["status", "-o", "json"], 0);
    assert!(shop.run(&["doctor", "-v"], 0).contains("an admin token, admin"));
    shop.run(&["doctor", "-o", "json"], 0);
    // completed: an abort still switches off
    shop.run(&["abort", "completes"], 0);
    assert_eq!(shop.shown()["enabled"], false);
    shop.run(&["start", "completes", "-e", "production", "--again", "--at", "half"], 0);
    assert_eq!(shop.shown()["enabled"], true);
    assert!(
        shop.served().is_some() || {
            std::thread::sleep(std::time::Duration::from_secs(2));
            shop.served().is_some()
        }
    );
    shop.run(&["abort", "completes"], 0);
}

#[test]
fn a_breach_shuts_down() {
    let shop = Shop::new("breaks");
    let running = shop.running("half is effective");
    shop.page.failing.store(true, Ordering::SeqCst);
    let said = running.ends(6);
    assert!(said.contains("error_rate > 5%"), "{said}");
    assert_eq!(shop.shown()["enabled"], false);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(shop.served(), None);
}

#[test]
fn an_environment_that_is_taken_from_the_documents_under_a_driver_is_stopped_with_the_token_it_had() {
    let shop = Shop::new("renamed");
    let running = shop.running("half is effective");
    shop.replace("    production:\n      backend", "    elsewhere:\n      backend");
    shop.replace("token_env: SHOP_TOKEN", "token_env: OTHER_TOKEN");
    std::thread::sleep(std::time::Duration::from_secs(2));
    shop.page.failing.store(true, Ordering::SeqCst);
    let said = running.ends(6);
    assert!(said.contains("error_rate > 5%"), "{said}");
    assert_eq!(shop.shown()["enabled"], false);
}

#[test]
fn an_abort_elsewhere_is_off_when_it_returns_and_a_pause_says_what_stays() {
    let shop = Shop::new("aborted");
    let running = shop.running("half is effective");
    let paused = shop.run(&["pause", "aborted"], 0);
    assert!(paused.contains("still ON for staff + 50%"), "{paused}");
    running.ends(7);
    shop.run(&["resume", "aborted", "-e", "production"], 0);
    let running = shop.running("");
    let aborted = shop.run(&["abort", "aborted"], 0);
    assert_eq!(shop.shown()["enabled"], false);
    assert!(aborted.contains("OFF  (was staff + 50%)"), "{aborted}");
    running.ends(6);
    assert_eq!(shop.shown()["enabled"], false);
    // with the journal gone, and by the flag's key alone
    server().person("POST", &format!("{}/on", environment("aborted")), None);
    fs::remove_dir_all(shop.dir().join(".flagstaff")).unwrap();
    shop.run(&["abort", "aborted"], 0);
    assert_eq!(shop.shown()["enabled"], false);
    shop.run(&["abort", "no-such-flag-here"], 1);
}

#[test]
fn a_persons_change_is_seen_within_a_tick_and_pauses() {
    let shop = Shop::new("overridden");
    let running = shop.running("half is effective");
    let shown = shop.shown();
    let share = shown["strategies"].as_array().unwrap().iter().find(|found| found["parameters"]["rollout"] == "50");
    let path = format!("{}/strategies/{}", environment("overridden"), share.unwrap()["id"].as_str().unwrap());
    let patch = json!([{ "op": "replace", "path": "/parameters/rollout", "value": "80" }]);
    let changed = std::time::Instant::now();
    server().person("PATCH", &path, Some(&patch));
    let said = running.ends(7);
    assert!(changed.elapsed() < std::time::Duration::from_secs(5), "{:?}", changed.elapsed());
    assert!(said.contains("80%"), "{said}");
    assert_eq!(shop.shown()["enabled"], true, "a person's change is left alone");
    let explain = shop.run(&["explain", "overridden"], 0);
    assert!(explain.contains("drift"), "{explain}");
    shop.run(&["abort", "overridden"], 0);

    // smaller is accepted, and not undone
    let shop = Shop::new("switched");
    let running = shop.running("half is effective");
    server().person("POST", &format!("{}/off", environment("switched")), None);
    running.ends(7);
    assert_eq!(shop.shown()["enabled"], false);
}

#[test]
fn a_token_that_does_not_do_is_told_with_exit_4_and_never_shown() {
    let shop = Shop::new("locked-out");
    let tokens = [CANARY, "default:production.canary-4f1c9a7d2e", CLIENT_TOKEN];
    let start = ["start", "locked-out", "-e", "production"];
    for token in tokens {
        let text = told(shop.command(&start).env("SHOP_TOKEN", token).output().unwrap(), 4, &start);
        assert!(text.contains("does not let us"), "{text}");
    }
    let text = told(shop.command(&start).env_remove("SHOP_TOKEN").output().unwrap(), 4, &start);
    assert!(text.contains("SHOP_TOKEN is not set"), "{text}");
    let abort = ["abort", "locked-out", "--timeout", "1s"];
    for token in tokens {
        let text = told(shop.command(&abort).env("SHOP_TOKEN", token).output().unwrap(), 4, &abort);
        assert!(text.contains("NOT OFF"), "{text}");
    }
    shop.replace("token_env: SHOP_TOKEN", "token_command: [sh, -c, 'echo $SHOP_TOKEN >&2; exit 3']");
    let text = shop.run(&abort, 4);
    assert!(text.contains("the command `sh` failed"), "{text}");
}

#[test]
fn a_broken_project_document_keeps_nobody_from_switching_off() {
    let shop = Shop::new("torn");
    shop.run(&["start", "torn", "-e", "production"], 0);
    std::fs::write(shop.dir().join("flagstaff.yaml"), "apiVersion: flagstaff/v1\nkind: [Project\n").unwrap();
    let args = ["abort", "torn", "--timeout", "1s"];
    let text = told(shop.command(&args).env_remove("FLAGSTAFF_UNLEASH_TOKEN").output().unwrap(), 4, &args);
    assert!(text.contains("NOT OFF") && text.contains("FLAGSTAFF_UNLEASH_TOKEN"), "{text}");
    assert_eq!(shop.shown()["enabled"], true);
    told(shop.command(&args).env("FLAGSTAFF_UNLEASH_TOKEN", TOKEN).output().unwrap(), 0, &args);
    assert_eq!(shop.shown()["enabled"], false);
}

#[test]
fn a_stop_goes_to_the_pinned_address_and_to_the_new_one() {
    let shop = Shop::new("moved");
    shop.run(&["start", "moved", "-e", "production"], 0);
    assert_eq!(shop.shown()["enabled"], true);
    shop.replace(&server().url, "http://127.0.0.1:9");
    let told = shop.run(&["abort", "moved", "--timeout", "1s"], 5);
    assert!(told.contains("NOT OFF") && told.contains("127.0.0.1:9"), "{told}");
    assert_eq!(shop.shown()["enabled"], false);
}

#[test]
fn loopback_is_reached_past_any_proxy() {
    let shop = Shop::new("proxied");
    shop.run(&["start", "proxied", "-e", "production"], 0);
    let args = ["abort", "proxied"];
    let mut command = shop.command(&args);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    told(command.output().unwrap(), 0, &args);
    assert_eq!(shop.shown()["enabled"], false);
}
