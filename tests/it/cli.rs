//! The real binary in a throwaway project: what is typed, what is answered, and with which code it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;

const POLICIES: &str = r#"apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 5s
  window: 15s
  metrics:
    requests: { count: app_requests_total }
    error_rate: { ratio: { of: app_failed_total, over: app_requests_total } }
  healthy: [ "error_rate < 1%" ]
  safeguards:
    - { name: errors, when: "error_rate > 2%", for: 10s, then: pause }
"#;

pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// As a person at a terminal sees it.
    pub(crate) fn both(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

pub(crate) fn run(dir: &Path, args: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_flagstaff"))
        .args(args)
        .current_dir(dir)
        .env_remove("FLAGSTAFF_DIR")
        .env("FLAGSTAFF_ACTOR", "ana@acme.example")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs and insists on the code.
pub(crate) fn ends(dir: &Path, args: &[&str], code: i32) -> Answer {
    let answer = run(dir, args);
    assert_eq!(answer.code, code, "{args:?}\nstdout: {}\nstderr: {}", answer.out, answer.err);
    answer
}

pub(crate) fn json(dir: &Path, args: &[&str], code: i32) -> Value {
    let answer = ends(dir, &[args, &["-o", "json"]].concat(), code);
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{args:?}: {error}\n{}", answer.out))
}

pub(crate) fn starter() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    ends(dir.path(), &["init"], 0);
    dir
}

pub(crate) fn replace(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(old), "{old} is not in {}", path.display());
    fs::write(path, text.replace(old, new)).unwrap();
}

/// A page with counters that rise at every look. Ends with the value.
pub(crate) struct Page {
    address: String,
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Page {
    fn serve() -> Page {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ended = Arc::new(AtomicBool::new(false));
        let (seen, count) = (ended.clone(), AtomicU64::new(0));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 4096]);
                let requests = count.fetch_add(100, Ordering::SeqCst);
                let mut body = String::new();
                for name in ["app_requests_total", "app_failed_total"] {
                    body.push_str(&format!("# TYPE {name} counter\n"));
                    for variant in ["on", "off"] {
                        let value = if name == "app_requests_total" { requests } else { 0 };
                        body.push_str(&format!("{name}{{flag=\"my-feature\",variant=\"{variant}\"}} {value}\n"));
                    }
                }
                let kind = "text/plain; version=0.0.4";
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
                let _ = write!(stream, "{head}Connection: close\r\n\r\n{body}");
            }
        });
        Page { address, ended, thread: Some(thread) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A starter project whose page answers.
pub(crate) fn live() -> (TempDir, Page) {
    let (dir, page) = (starter(), Page::serve());
    replace(&dir.path().join("flagstaff.yaml"), "127.0.0.1:8080", &page.address);
    replace(&dir.path().join("flagstaff.yaml"), "every: 5s", "every: 1s");
    fs::write(dir.path().join("flagstaff/policies.yaml"), POLICIES).unwrap();
    let flags = r#"{"flags":{"other":{"state":"ENABLED","variants":{"a":1,"b":2},"defaultVariant":"a"}}}"#;
    fs::write(dir.path().join("flags.flagd.json"), flags).unwrap();
    (dir, page)
}

pub(crate) fn flag(dir: &Path, key: &str) -> Value {
    let file: Value = serde_json::from_str(&fs::read_to_string(dir.join("flags.flagd.json")).unwrap()).unwrap();
    file["flags"][key].clone()
}

#[test]
fn wrong_usage_is_64_and_help_is_not_wrong() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["bogus"][..], &["abort"], &["resume", "--all"], &["status", "--output", "xml"], &["help", "bogus"]] {
        ends(dir.path(), args, 64);
    }
    for args in [&["--help"][..], &["--version"], &["help", "exit-codes"], &["help", "start"], &["completions", "fish"]]
    {
        assert!(!ends(dir.path(), args, 0).out.is_empty(), "{args:?}");
    }
    let none = ends(dir.path(), &["abort", "my-feature"], 3);
    assert!(none.err.contains("flagstaff init"), "{}", none.err);
}

#[test]
fn a_starter_project_validates_and_is_never_overwritten() {
    let dir = starter();
    assert_eq!(json(dir.path(), &["validate"], 0)["findings"], serde_json::json!([]));
    fs::write(dir.path().join("flagstaff/releases.yaml"), "# mine\n").unwrap();
    ends(dir.path(), &["init"], 1);
    assert_eq!(fs::read_to_string(dir.path().join("flagstaff/releases.yaml")).unwrap(), "# mine\n");
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let dir = starter();
    let wrong =
        "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: my-feature }\nspec: { flga: \"\u{1b}[2Jx\" }\n";
    fs::write(dir.path().join("flagstaff/releases.yaml"), wrong.replace('\u{1b}', "\\e")).unwrap();
    replace(&dir.path().join("flagstaff/policies.yaml"), "kind: ThresholdPolicy", "kind: ThresholdPolcy");
    let answer = json(dir.path(), &["validate"], 3);
    let findings = answer["findings"].as_array().unwrap();
    let place = |file: &str| {
        let of_file = |finding: &&Value| finding["file"] == file;
        let finding = findings.iter().find(of_file).unwrap_or_else(|| panic!("nothing about {file}: {answer:#}"));
        (finding["line"].as_u64().unwrap(), finding["column"].as_u64().unwrap())
    };
    assert_eq!(answer["schema"], "flagstaff/findings/v1");
    assert_eq!(place("flagstaff/releases.yaml"), (4, 9));
    assert_eq!(place("flagstaff/policies.yaml").0, 3);
    let people = ends(dir.path(), &["validate"], 3);
    let text = people.out + &people.err;
    assert!(text.contains("releases.yaml:4:9") && text.contains("did you mean `flag`?"), "{text}");
    assert!(!text.contains('\u{1b}'), "an escape got through: {text:?}");
}

#[test]
fn growing_in_a_protected_environment_needs_a_reason_and_the_key() {
    let (dir, _page) = live();
    for missing in [
        &["start", "my-feature"][..],
        &["start", "my-feature", "--reason", "PAY-1"],
        &["start", "my-feature", "--reason", "PAY-1", "--confirm", "other"],
        &["start", "my-feature", "--confirm", "my-feature"],
    ] {
        ends(dir.path(), missing, 64);
        assert_eq!(flag(dir.path(), "my-feature"), Value::Null, "{missing:?} wrote the flag");
    }
}

#[test]
fn from_start_to_abort_with_an_audit_trail() {
    let (dir, _page) = live();
    let dir = dir.path();
    let started = json(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    assert!(started["schema"].as_str().unwrap().starts_with("flagstaff/"), "{started:#}");
    assert_ne!(flag(dir, "my-feature"), Value::Null);
    assert_eq!(flag(dir, "other")["defaultVariant"], "a", "another team's flag was changed");
    for args in [&["status"][..], &["explain", "my-feature"]] {
        let text = ends(dir, args, 0).out;
        assert!(text.contains("my-feature@production") && text.contains("running"), "{args:?}: {text}");
        assert!(json(dir, args, 0)["schema"].as_str().unwrap().starts_with("flagstaff/"), "{args:?}");
    }
    let before = flag(dir, "my-feature");
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    assert_eq!(flag(dir, "my-feature"), before, "a start of what runs changes nothing");
    ends(dir, &["run", "my-feature", "--once"], 0);

    for columns in ["40", "80", "200"] {
        let mut status = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        let output = status.arg("status").current_dir(dir).env("COLUMNS", columns).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns.parse().unwrap(), "{columns}:\n{text}");
        assert!(text.contains("my-feature@production") && text.contains("employees"), "{columns}:\n{text}");
    }

    let paused = ends(dir, &["pause", "my-feature"], 0).both();
    assert!(paused.contains("still ON for") && paused.contains("flagstaff abort my-feature"), "{paused}");
    ends(dir, &["status", "my-feature"], 7);
    ends(dir, &["wait", "my-feature", "--until", "paused"], 0);
    ends(dir, &["wait", "my-feature"], 7);
    ends(dir, &["resume", "my-feature"], 64);

    let aborted = ends(dir, &["abort", "my-feature"], 0).both();
    assert!(aborted.contains("my-feature@production") && aborted.contains("OFF"), "{aborted}");
    assert!(aborted.contains("flagstaff start my-feature") && aborted.contains("--again"), "no undo: {aborted}");
    ends(dir, &["status", "my-feature"], 6);
    ends(dir, &["abort", "my-feature"], 0);
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 6);

    let log = ends(dir, &["audit", "log", "my-feature"], 0).out;
    assert!(log.contains("ana@acme.example") && log.contains("PAY-1"), "{log}");
    let head = ends(dir, &["audit", "verify"], 0).out;
    let head = head.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned();
    ends(dir, &["audit", "verify", "--anchor", &head], 0);
    ends(dir, &["audit", "verify", "--anchor", "9999:00"], 9);
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn an_abort_needs_neither_documents_nor_a_rollout() {
    let (dir, _page) = live();
    let dir = dir.path();
    let on = r#"{"flags":{"old-flag":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on"}}}"#;
    fs::write(dir.join("flags.flagd.json"), on).unwrap();
    fs::write(dir.join("flagstaff/policies.yaml"), "kind: [").unwrap();
    fs::write(dir.join("flagstaff/releases.yaml"), "\u{0}").unwrap();
    fs::create_dir_all(dir.join(".flagstaff")).unwrap();
    fs::write(dir.join(".flagstaff/journal.db"), "no journal").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let answer = ends(elsewhere.path(), &["-C", dir.to_str().unwrap(), "abort", "old-flag"], 0);
    assert!(answer.out.contains("old-flag@production") && answer.out.contains("OFF"), "{}", answer.out);
    let off = flag(dir, "old-flag");
    assert!(off["state"] == "DISABLED" || off["defaultVariant"] == "off", "{off:#}");
}

#[test]
fn a_freeze_is_listed_until_it_is_lifted() {
    let dir = starter();
    let dir = dir.path();
    ends(dir, &["freeze", "-e", "production", "--for", "4h"], 0);
    assert!(ends(dir, &["freeze"], 0).out.contains("production"));
    ends(dir, &["freeze", "-e", "production", "--lift"], 64);
    ends(dir, &["freeze", "-e", "production", "--lift", "--reason", "over", "--confirm", "production"], 0);
    assert!(!ends(dir, &["freeze"], 0).out.contains("production"));
}

#[test]
fn the_audit_log_has_freezes_and_is_narrowed_by_environment() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    ends(dir, &["freeze", "-e", "production", "--for", "4h", "--reason", "launch"], 0);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains("PAY-1"), "the start is not in the log");
    assert!(log.contains("freeze-environment-production"), "the freeze is not in the log");
    assert!(ends(dir, &["audit", "log", "-e", "staging"], 0).out.is_empty());
    // a tail that is cut off shows against a head from before only
    let verified = ends(dir, &["audit", "verify"], 0);
    assert!(verified.err.contains("--anchor"), "{}", verified.both());
    let head = verified.out.lines().find_map(|line| line.strip_prefix("head: ")).unwrap();
    assert!(!ends(dir, &["audit", "verify", "--anchor", head], 0).err.contains("--anchor"));
}

#[test]
fn nothing_in_a_document_reaches_the_terminal_raw() {
    let dir = starter();
    let text = "kind: Release # \u{1b}[2J \u{9b}2J \u{202e}\nspec: { flga: a } # \u{202e}\u{200b}\n";
    fs::write(dir.path().join("flagstaff/releases.yaml"), text).unwrap();
    let answer = ends(dir.path(), &["validate"], 3).both();
    let raw = answer.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{200b}' | '\u{202e}'));
    assert_eq!(raw, None, "{answer:?}");
}

#[test]
fn a_freeze_never_ends_another_one_sooner() {
    let dir = starter();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "    production:",
        "    staging:\n      backend: { flagd: { path: s.json } }\n    production:",
    );
    ends(dir, &["freeze", "my-feature", "-e", "production", "--for", "4h"], 0);
    ends(dir, &["freeze", "my-feature", "-e", "production", "--for", "1ms"], 0);
    ends(dir, &["freeze", "my-feature", "-e", "staging", "--for", "1ms"], 0);
    assert!(ends(dir, &["freeze"], 0).out.contains("my-feature@production"));
}

#[test]
fn a_freeze_of_less_leaves_the_freeze_of_more_alone() {
    let dir = starter();
    let dir = dir.path();
    for name in ["all", "production"] {
        let text = format!(
            "apiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{ environments: [production] }}\n"
        );
        fs::write(dir.join(format!("flagstaff/{name}.yaml")), text).unwrap();
    }
    ends(dir, &["freeze", "--for", "4h"], 0);
    ends(dir, &["freeze", "-e", "production", "--for", "4h"], 0);
    ends(dir, &["freeze", "all", "--for", "1ms"], 0);
    ends(dir, &["freeze", "production", "--for", "1ms"], 0);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let held = ends(dir, &["freeze"], 0).out;
    assert!(held.contains("freeze-all until") && held.contains("freeze-environment-production until"), "{held}");
}

#[test]
fn a_freeze_of_no_length_lifts_nothing() {
    let dir = starter();
    let dir = dir.path();
    ends(dir, &["freeze", "-e", "production", "--for", "4h"], 0);
    let none = ends(dir, &["freeze", "-e", "production", "--for", "0s"], 64).err;
    assert!(none.contains("NOT FROZEN") && none.contains("--lift"), "{none}");
    assert!(ends(dir, &["freeze"], 0).out.contains("freeze-environment-production until"));
}

#[test]
fn who_may_not_approve_ends_with_4_and_a_refusal_names_what_can_be_typed() {
    let (dir, _page) = live();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff/templates.yaml"),
        "idle: bake }",
        "idle: bake, approval: { from: [release-managers] } }",
    );
    // nobody could ever approve
    let nobody = ends(dir, &["validate"], 3).both();
    assert!(nobody.contains("nobody is in `release-managers`"), "{nobody}");
    replace(&dir.join("flagstaff.yaml"), "release-managers: []", "release-managers: [ana@acme.example]");
    let sure = ["--reason", "PAY-1", "--confirm", "my-feature"];
    ends(dir, &[&["start", "my-feature"][..], &sure].concat(), 0);
    let refused = ends(dir, &[&["approve", "my-feature", "--as", "mallory"][..], &sure].concat(), 4).err;
    assert!(refused.contains("mallory is not in release-managers"), "{refused}");

    ends(dir, &["pause", "my-feature"], 0);
    ends(dir, &["pause", "my-feature", "--as", "bo", "--reason", "INC-7"], 0);
    for args in [&["explain", "my-feature"][..], &["status"], &["audit", "log", "my-feature"]] {
        let told = run(dir, args).out;
        assert!(told.contains("INC-7"), "{args:?}: {told}");
    }
    let refused = ends(dir, &[&["start", "my-feature"][..], &sure].concat(), 1).err;
    assert!(refused.contains("flagstaff resume my-feature -e production"), "{refused}");
    ends(dir, &["freeze", "--for", "1h"], 0);
    let refused = ends(dir, &[&["resume", "my-feature"][..], &sure].concat(), 1).err;
    assert!(refused.contains("flagstaff freeze --lift") && !refused.contains("--lift my"), "{refused}");
}

#[test]
fn what_is_muted_is_told_until_it_ends() {
    let (dir, _page) = live();
    let dir = dir.path();
    let sure = ["--reason", "PAY-1", "--confirm", "my-feature"];
    ends(dir, &[&["start", "my-feature"][..], &sure].concat(), 0);
    assert_eq!(json(dir, &["explain", "my-feature"], 0)["mutes"], serde_json::json!([]));
    ends(dir, &[&["mute", "my-feature", "errors", "--for", "1h"][..], &sure].concat(), 0);
    for command in [&["status"][..], &["explain", "my-feature"]] {
        let told = ends(dir, command, 0).out;
        assert!(told.contains("muted: errors") && told.contains("until 20"), "{told}");
    }
    let muted = json(dir, &["explain", "my-feature"], 0)["mutes"].clone();
    assert_eq!(muted[0]["rule"], "errors");
    assert_eq!(json(dir, &["status"], 0)["rollouts"][0]["mutes"], muted);
    ends(dir, &[&["mute", "my-feature", "errors", "--for", "2s"][..], &sure].concat(), 0);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(!ends(dir, &["status"], 0).out.contains("muted"));
    assert!(!ends(dir, &["explain", "my-feature"], 0).out.contains("muted"));
}

#[test]
fn who_rolled_back_and_why_is_told_and_older_journals_replay() {
    use flagstaff::control::replay::replay;
    use flagstaff::journal::{Journal as _, Sequence, sqlite::SqliteJournal};
    let (dir, _page) = live();
    let dir = dir.path();
    let sure = ["--reason", "PAY-1", "--confirm", "my-feature"];
    ends(dir, &[&["start", "my-feature"][..], &sure].concat(), 0);
    let force = [&["force", "my-feature", "--to", "everyone"][..], &sure].concat();
    assert!((0..20).any(|_| run(dir, &force).code == 0), "{}", run(dir, &force).both());
    ends(dir, &["rollback", "my-feature", "--as", "bo", "--reason", "INC-7"], 0);
    for args in [&["explain", "my-feature"][..], &["status"], &["audit", "log", "my-feature"]] {
        let told = run(dir, args).out;
        assert!(told.contains("bo") && told.contains("INC-7"), "{args:?}: {told}");
    }
    ends(dir, &["audit", "replay"], 0);

    let path = dir.join(".flagstaff/journal.db");
    let mut journal = SqliteJournal::open(&path).unwrap();
    let mut records = journal.load(Sequence(0), usize::MAX).unwrap();
    let mut told = 0;
    for record in &mut records {
        // as it was recorded before: the command has what was said, the event does not
        let body = record.new.body.replace(r#""reason":"INC-7","stage""#, r#""stage""#);
        told += usize::from(body != record.new.body);
        record.new.body = body;
    }
    assert_eq!(told, 1, "the event says why");
    replay(&records).unwrap();
}

#[test]
fn a_wait_that_is_told_to_end_answers() {
    use rustix::process::{Pid, Signal, kill_process};
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    for signal in [Signal::TERM, Signal::INT] {
        let mut wait = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        wait.args(["wait", "my-feature", "-o", "json"]).current_dir(dir).env_remove("FLAGSTAFF_DIR");
        let wait = wait.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // nobody drives, which it takes some seconds to believe
        std::thread::sleep(std::time::Duration::from_secs(2));
        kill_process(Pid::from_child(&wait), signal).unwrap();
        let answer = wait.wait_with_output().unwrap();
        assert_eq!(answer.status.code(), Some(130), "{signal:?}");
        let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
        assert_eq!(answer["outcome"], "interrupted");
    }
}
