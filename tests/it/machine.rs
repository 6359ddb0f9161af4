//! Every command with a machine format: one document, and what its published schema says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::page::Page;
use crate::support::schema::check;

fn project(dir: &Path, page: &Page) {
    let text = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: machine }
spec:
  sources:
    app:
      scrape: { targets: ["PAGE"], every: 200ms }
      arms: { flag: flag, variant: variant }
  environments:
    here: { backend: { flagd: { path: flags.json } } }
---
apiVersion: flagstaff/v1
kind: Audience
metadata: { name: employees }
spec: { any: [ { attribute: email, ends_with: "@acme.example" } ] }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: steps }
spec:
  stages:
    - { name: tenth, audiences: [employees], percentage: 10%, bake: 1s, samples: 1, approval: { count: 1 } }
    - { name: half, percentage: 50%, bake: 10m }
    - { name: everyone, percentage: 100%, bake: 10m }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 800ms
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "error_rate < 1%", { when: "p99 < 10s or missing(p99)", for: 2s } ]
  safeguards:
    - { name: errors, when: "error_rate > 5%", for: 1s, then: shutdown }
    - { name: worse, when: "not error_rate < 1.5 * baseline(error_rate) and exposure > 99%", then: { rollback: previous } }
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: s }
spec: {}
"#;
    fs::write(dir.join("flagstaff.yaml"), text.replace("PAGE", &page.url)).unwrap();
}

fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").env("FLAGSTAFF_ACTOR", "ana@acme.example");
    command.stdin(std::process::Stdio::null()).output().unwrap()
}

/// The one document of a command with `-o json`; insists on one of some names and exit codes.
fn any(dir: &Path, args: &[&str], expected: &[(&str, i32)]) -> Value {
    let done = flagstaff(dir, &[args, &["-o", "json"]].concat());
    let out = String::from_utf8(done.stdout).unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}\n{out}\n{err}"));
    let (name, code) = (check(&answer), done.status.code().unwrap());
    assert!(expected.contains(&(name.as_str(), code)), "{args:?} ends with {code}\n{answer:#}\n{err}");
    if name == "error" {
        assert_eq!(answer["exit"], code, "{args:?}");
        assert!(!err.is_empty(), "{args:?}: people are told too");
    }
    answer
}

fn answer(dir: &Path, args: &[&str], name: &str, code: i32) -> Value {
    any(dir, args, &[(name, code)])
}

#[test]
fn every_command_answers_with_one_document_of_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), Page::serve(&["r", "s"]));
    project(dir, &page);
    let asked = |args: &[&str], name: &str, code: i32| answer(dir, args, name, code);

    assert_eq!(asked(&["validate"], "findings", 0)["documents"], 6);
    assert_eq!(asked(&["plan", "r"], "plan", 0)["plans"][0]["address"], "r@here");
    asked(&["plan", "nope"], "error", 1);
    assert_eq!(asked(&["create", "t", "--dry-run", "--snippet", "go"], "create", 0)["written"], "no");
    asked(&["create", "r"], "error", 1);
    assert_eq!(asked(&["plan", "--detailed-exitcode"], "proposal", 2)["flags"][0]["action"], "create");
    asked(&["plan", "--drift"], "proposal", 0);
    asked(&["apply"], "error", 64);
    assert_eq!(asked(&["apply", "--yes"], "apply", 0)["rows"][1]["action"], "created");
    assert_eq!(asked(&["plan", "--detailed-exitcode"], "proposal", 0)["unchanged"], 2);
    assert_eq!(asked(&["status"], "status", 0)["rollouts"], Value::Array(Vec::new()));
    assert_eq!(asked(&["stale"], "stale", 0)["flags"][0]["verdict"], "keep");
    assert_eq!(asked(&["doctor"], "doctor", 0)["things"][0]["kind"], "documents");
    asked(&["explain", "r"], "error", 1);
    asked(&["pause", "r"], "error", 1);
    asked(&["abort", "nope"], "error", 1);
    asked(&["audit", "replay"], "audit-replay", 0);

    let started = asked(&["start", "r", "s", "-e", "here"], "command", 0);
    assert_eq!(
        (&started["rollouts"][0]["changed"], &started["rollouts"][1]["address"]),
        (&true.into(), &"s@here".into())
    );
    let driven = asked(&["run", "r", "-e", "here"], "progress", 7);
    assert_eq!((&driven["end"], &driven["rollouts"][0]["state"]), (&"done".into(), &"waiting_for_approval".into()));
    asked(&["watch", "r"], "progress", 7);
    assert_eq!(asked(&["wait", "r", "--until", "tenth"], "wait", 0)["outcome"], "reached");
    assert_eq!(asked(&["wait", "r"], "wait", 7)["outcome"], "ended");
    assert_eq!(asked(&["wait", "s", "--timeout", "1ms"], "wait", 8)["outcome"], "timed_out");
    asked(&["explain", "r"], "explain", 0);
    // a page knows only what a process saw: whether something is missing depends on whether a tick fell due meanwhile
    let approved = any(dir, &["approve", "r"], &[("command", 0), ("error", 1)]);
    assert!(approved["schema"] == "flagstaff/error/v1" || approved["rollouts"][0]["state"] == "running");
    assert_eq!(any(dir, &["run", "r", "--once"], &[("progress", 0), ("progress", 7)])["end"], "once");
    asked(&["mute", "r", "errors", "--for", "1h"], "command", 0);
    assert_eq!(asked(&["force", "r", "--to", "half"], "command", 0)["rollouts"][0]["exposure"], "employees + 50%");
    assert_eq!(asked(&["rollback", "r"], "command", 0)["rollouts"][0]["state"], "paused");
    let paused = asked(&["pause", "s"], "stop", 0);
    assert_eq!(
        (&paused["stops"][0]["outcome"], &paused["stops"][0]["recorded"]),
        (&"paused".into(), &"journal".into())
    );
    asked(&["resume", "s"], "command", 0);
    asked(&["resume", "--all", "--cause", "person", "-e", "here"], "command", 0);
    let some = asked(&["start", "s", "nope", "-e", "here"], "command", 1);
    assert_eq!((&some["rollouts"][0]["changed"], &some["errors"][0]["exit"]), (&false.into(), &1.into()));

    let frozen = asked(&["freeze", "r", "--for", "4h", "--reason", "launch"], "freeze", 0);
    assert_eq!(asked(&["freeze"], "freeze", 0), frozen);
    assert_eq!(asked(&["status"], "status", 0)["freezes"], frozen["freezes"]);
    assert_eq!(asked(&["freeze", "r", "--lift"], "freeze", 0)["freezes"][0]["lifted"], true);

    page.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let shut_down = asked(&["run", "s"], "progress", 6);
    assert_eq!(shut_down["rollouts"][0]["state"], "stopped");
    assert!(shut_down["events"].as_array().unwrap().iter().any(|row| row["event"].get("stopped").is_some()));
    assert_eq!(asked(&["abort", "r"], "stop", 0)["stops"][0]["outcome"], "off");
    let log = asked(&["audit", "log"], "audit-log", 0);
    let evidence = |entry: &Value| !entry["evidence"].as_array().unwrap().is_empty();
    assert!(log["entries"].as_array().unwrap().iter().any(evidence), "no rule fired: {log:#}");
    let head = asked(&["audit", "verify"], "audit-verify", 0)["head"].as_str().unwrap().to_owned();
    asked(&["audit", "verify", "--anchor", &head], "audit-verify", 0);
    assert_eq!(asked(&["audit", "verify", "--anchor", "9999:00"], "audit-verify", 9)["intact"], false);
    assert_eq!(asked(&["audit", "replay"], "audit-replay", 0)["same"], true);

    for args in
        [&["bogus"][..], &["status", "--nope"], &["abort"], &["help"], &["completions", "bash"], &["schema", "x"]]
    {
        asked(args, "error", 64);
    }
    streams(dir);
    yaml(dir);
}

/// With `-o jsonl` every line is a document; the last one is the answer.
fn streams(dir: &Path) {
    let lines = |args: &[&str]| -> Vec<Value> {
        let done = flagstaff(dir, &[args, &["-o", "jsonl"]].concat());
        let out = String::from_utf8(done.stdout).unwrap();
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error}\n{out}")))
            .collect()
    };
    for (args, names) in [
        (&["audit", "log"][..], &["audit-entry"][..]),
        (&["start", "r", "--again", "-e", "here"], &["command"]),
        (&["run", "r", "--once"], &["event", "progress"]),
        (&["status"], &["status"]),
        (&["wait", "r", "--timeout", "1ms"], &["wait"]),
        (&["nope"], &["error"]),
    ] {
        let lines = lines(args);
        let found: Vec<String> = lines.iter().map(check).collect();
        let distinct: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert!(distinct.iter().all(|name| names.contains(name)), "{args:?}: {found:?}");
        assert_eq!(found.last().map(String::as_str), names.last().copied(), "{args:?}: {found:?}");
    }
}

/// YAML says the same as JSON.
fn yaml(dir: &Path) {
    for args in
        [&["plan", "r"][..], &["status"], &["audit", "log"], &["audit", "verify"], &["freeze"], &["plan", "nope"]]
    {
        let text = flagstaff(dir, &[args, &["-o", "yaml"]].concat()).stdout;
        let text = String::from_utf8(text).unwrap();
        let yaml: Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}\n{text}"));
        let json = flagstaff(dir, &[args, &["-o", "json"]].concat()).stdout;
        assert_eq!(yaml, serde_json::from_slice::<Value>(&json).unwrap(), "{args:?}\n{text}");
    }
}

#[test]
fn findings_and_files_that_were_made_have_schemas_too() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    answer(dir, &["status"], "error", 3);
    assert_eq!(answer(dir, &["init"], "init", 0)["files"].as_array().unwrap().len(), 6);
    answer(dir, &["init"], "error", 1);
    fs::write(dir.join("flagstaff/releases.yaml"), "kind: Release\nspec: { a: \u{202e} }\n").unwrap();
    let found = answer(dir, &["validate"], "findings", 3);
    assert!(found["findings"][0]["line"].is_number());
    // what turns a terminal around is escaped, and still the same text
    let raw = flagstaff(dir, &["validate", "-o", "yaml"]).stdout;
    assert!(!String::from_utf8(raw).unwrap().contains('\u{202e}'));
    let refused = answer(dir, &["start", "my-feature", "-e", "production"], "error", 3);
    assert!(!refused["findings"].as_array().unwrap().is_empty(), "{refused:#}");
}
