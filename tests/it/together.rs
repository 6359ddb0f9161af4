//! Two processes on one project: `run` in one terminal, people in another.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::support::page::Page;

fn project(dir: &Path, page: &Page) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: together }}
spec:
  sources:
    app:
      scrape: {{ targets: ["{}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {{ flagd: {{ path: flags.json }} }} }}
---
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
spec: {{}}
"#,
        page.url
    );
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("-C").arg(dir).args(args).output().unwrap()
}

fn served(dir: &Path) -> Value {
    let text = fs::read_to_string(dir.join("flags.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["flags"]["r"].clone()
}

fn is_off(flag: &Value) -> bool {
    flag["state"] == "ENABLED" && flag["defaultVariant"] == "off" && flag.get("targeting").is_none()
}

/// Starts a `run` and waits for its first event of a kind.
fn running(dir: &Path, until: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flagstaff"))
        .arg("-C")
        .arg(dir)
        .args(["run", "r", "-e", "here", "-o", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(until) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "run ended before `{until}`");
    }
    (child, out)
}

#[test]
fn an_abort_elsewhere_is_off_at_once_and_the_driver_ends() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let (mut run, _out) = running(folder.path(), "half is effective");
    assert!(!is_off(&served(folder.path())));
    // every other document breaks just then
    fs::write(folder.path().join("broken.flagstaff.yaml"), "}}").unwrap();
    let abort = flagstaff(folder.path(), &["abort", "r"]);
    assert!(abort.status.success(), "{abort:?}");
    assert!(is_off(&served(folder.path())), "when abort returns 0 it is off");
    assert!(String::from_utf8_lossy(&abort.stdout).contains("OFF  (was 50%)"), "{abort:?}");
    assert!(String::from_utf8_lossy(&abort.stderr).contains("start r -e here --again --at half"), "{abort:?}");
    assert_eq!(run.wait().unwrap().code(), Some(6));
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_off(&served(folder.path())), "and it stays off");
    let again = flagstaff(folder.path(), &["start", "r", "-e", "here"]);
    assert_eq!(again.status.code(), Some(3), "nothing grows on broken documents: {again:?}");
    fs::remove_file(folder.path().join("broken.flagstaff.yaml")).unwrap();
    assert_eq!(flagstaff(folder.path(), &["start", "r", "-e", "here"]).status.code(), Some(6));
}

#[test]
fn a_pause_elsewhere_ends_the_driver_and_says_what_stays_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let (mut run, _out) = running(folder.path(), "half is effective");
    let pause = flagstaff(folder.path(), &["pause", "r"]);
    let told = String::from_utf8_lossy(&pause.stdout).into_owned();
    assert!(pause.status.success() && told.contains("paused, still ON for 50%"), "{pause:?}");
    assert_eq!(run.wait().unwrap().code(), Some(7));
    assert!(!is_off(&served(folder.path())), "a pause leaves exposure as it is");
    assert_eq!(flagstaff(folder.path(), &["wait", "r", "--until", "paused"]).status.code(), Some(0));
    assert_eq!(flagstaff(folder.path(), &["wait", "r", "--until", "complete"]).status.code(), Some(7));
    let explain = flagstaff(folder.path(), &["explain", "r"]);
    assert!(String::from_utf8_lossy(&explain.stdout).contains("paused by person ("), "{explain:?}");
}

#[test]
fn a_breach_shuts_down_and_the_audit_log_has_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let (mut run, _out) = running(folder.path(), "half is effective");
    page.failing.store(true, Ordering::SeqCst);
    assert_eq!(run.wait().unwrap().code(), Some(6));
    assert!(is_off(&served(folder.path())));
    let log = String::from_utf8(flagstaff(folder.path(), &["audit", "log", "r"]).stdout).unwrap();
    for part in ["shut down", "error_rate > 5%", "rate(http_request_duration_seconds_count", "since"] {
        assert!(log.contains(part), "`{part}` is not in:\n{log}");
    }
    assert!(flagstaff(folder.path(), &["audit", "replay"]).status.success());
}

#[test]
fn an_interrupted_run_leaves_the_rollout_intact_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let (run, _out) = running(folder.path(), "half is effective");
    let interrupt = Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let done = run.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&done.stderr).contains("go on with: flagstaff run r"), "{done:?}");
    let status = flagstaff(folder.path(), &["status", "-o", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["rollouts"][0]["state"], &status["rollouts"][0]["stage"]), (&"running".into(), &"half".into()));
    assert_eq!(flagstaff(folder.path(), &["wait", "r", "--timeout", "1m"]).status.code(), Some(5), "nobody drives");
}

#[test]
fn a_stop_works_with_the_journal_locked_or_gone_and_is_merged_later() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let (mut run, _out) = running(folder.path(), "tenth is effective");
    run.kill().unwrap();
    run.wait().unwrap();
    let journal = folder.path().join(".flagstaff/journal.db");
    let holder = rusqlite::Connection::open(&journal).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let abort = flagstaff(folder.path(), &["abort", "r"]);
    assert!(abort.status.success() && is_off(&served(folder.path())), "{abort:?}");
    assert!(String::from_utf8_lossy(&abort.stderr).contains("kept beside it"), "{abort:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    // whoever comes next takes it in before anything grows
    let resume = flagstaff(folder.path(), &["resume", "r", "-e", "here"]);
    assert!(String::from_utf8_lossy(&resume.stderr).contains("changed after what you saw"), "{resume:?}");
    assert_eq!(flagstaff(folder.path(), &["resume", "r", "-e", "here"]).status.code(), Some(6));
    let log = String::from_utf8(flagstaff(folder.path(), &["audit", "log"]).stdout).unwrap();
    assert!(log.contains("shut down"), "{log}");

    fs::remove_dir_all(folder.path().join(".flagstaff")).unwrap();
    let bare = flagstaff(folder.path(), &["abort", "r"]);
    assert!(bare.status.success() && is_off(&served(folder.path())), "{bare:?}");
    assert_eq!(flagstaff(folder.path(), &["abort", "no-such-flag"]).status.code(), Some(1));
}
