//! Stops reach everything that serves the flag, whatever became of documents, journals and addresses meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::cli::{ends, run};
use crate::support::page::Page;

fn project(dir: &Path, page: &Page, environments: &str) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: stops }}
spec:
  sources:
    app:
      scrape: {{ targets: ["{}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
{environments}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: slow }}
spec:
  stages:
    - {{ name: tenth, percentage: 10%, bake: 10m }}
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

const HERE: &str = "    here: { backend: { flagd: { path: here.json } } }";
const MOVED: &str = "    here: { backend: { flagd: { path: moved.json } } }";
const RENAMED: &str = "    there: { backend: { flagd: { path: here.json } } }";

fn is_off(dir: &Path, file: &str) -> bool {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    file["flags"]["r"]["defaultVariant"] == "off" && file["flags"]["r"].get("targeting").is_none_or(|it| it.is_null())
}

fn started() -> (tempfile::TempDir, Page) {
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    project(dir.path(), &page, HERE);
    ends(dir.path(), &["start", "r"], 0);
    assert!(!is_off(dir.path(), "here.json"));
    (dir, page)
}

/// A driver in the background; killed when the test is over.
struct Driver(std::process::Child);

impl Driver {
    fn run(dir: &Path) -> Driver {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command.args(["run", "r", "--stay"]).current_dir(dir).env_remove("FLAGSTAFF_DIR");
        Driver(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within(patience: u64, what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..patience * 20 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within {patience} s: {what}");
}

#[test]
fn a_rules_stop_is_sent_while_the_journal_is_locked_and_told_when_it_is_back() {
    let (dir, page) = started();
    let dir = dir.path();
    let _driver = Driver::run(dir);
    within(20, "ticks are recorded", || {
        let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
        journal.query_row("SELECT count(*) > 5 FROM records", [], |row| row.get(0)).unwrap_or(false)
    });
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    within(10, "the lock is had", || holder.execute_batch("BEGIN IMMEDIATE").is_ok());
    page.failing.store(true, Ordering::SeqCst);
    within(40, "it is off while nothing can be recorded", || is_off(dir, "here.json"));
    holder.execute_batch("ROLLBACK").unwrap();
    page.failing.store(false, Ordering::SeqCst);
    within(40, "it is told", || ends_with(dir, "errors"));
    assert_eq!(run(dir, &["status", "r"]).code, 6, "it is not recorded as stopped");
    ends(dir, &["audit", "verify"], 0);
    ends(dir, &["audit", "replay"], 0);
}

fn ends_with(dir: &Path, rule: &str) -> bool {
    let log = run(dir, &["audit", "log", "r"]).out;
    log.contains("shut down") && log.contains(&format!("rule {rule}"))
}

#[test]
fn a_rules_stop_goes_to_the_pinned_and_to_the_present_address() {
    let (dir, page) = started();
    let dir = dir.path();
    fs::copy(dir.join("here.json"), dir.join("moved.json")).unwrap();
    project(dir, &page, MOVED);
    page.failing.store(true, Ordering::SeqCst);
    let _driver = Driver::run(dir);
    within(40, "both are off", || is_off(dir, "here.json") && is_off(dir, "moved.json"));
}

#[test]
fn an_environment_that_is_gone_from_the_documents_is_stopped_by_rules_and_by_people() {
    let (dir, page) = started();
    let dir = dir.path();
    project(dir, &page, RENAMED);
    {
        page.failing.store(true, Ordering::SeqCst);
        let _driver = Driver::run(dir);
        within(40, "it is off", || is_off(dir, "here.json"));
    }
    let (dir, page) = started();
    let dir = dir.path();
    project(dir, &page, RENAMED);
    let answer = ends(dir, &["abort", "r"], 0);
    assert!(answer.out.contains("r@here") && is_off(dir, "here.json"), "{}", answer.both());
}

#[test]
fn an_abort_needs_no_project_document_where_a_plan_is_pinned() {
    let (dir, _page) = started();
    let dir = dir.path();
    fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap();
    let paused = ends(dir, &["pause", "r"], 0).both();
    assert!(paused.contains("still ON for 10%"), "{paused}");
    let answer = ends(dir, &["abort", "r"], 0);
    assert!(is_off(dir, "here.json") && answer.err.contains("pinned plans"), "{}", answer.both());
    assert_eq!(run(dir, &["abort", "nothing-of-this-name"]).code, 1);
    fs::remove_dir_all(dir.join(".flagstaff")).unwrap();
    let neither = ends(dir, &["abort", "r"], 3).err;
    assert!(neither.contains("at the flag backend"), "{neither}");
}

#[test]
fn off_at_one_of_two_addresses_is_not_off() {
    let (dir, page) = started();
    let dir = dir.path();
    project(dir, &page, "    here: { backend: { flagd: { path: gone/moved.json } } }");
    let answer = ends(dir, &["abort", "r", "--timeout", "1s"], 5);
    assert!(answer.out.contains("NOT OFF"), "{}", answer.both());
    let status = run(dir, &["status", "r"]);
    assert!(status.out.contains("stopping"), "{}", status.both());
}

#[test]
fn a_stop_from_a_subdirectory_finds_the_project_above() {
    let (dir, _page) = started();
    let below = dir.path().join("src/deep");
    fs::create_dir_all(&below).unwrap();
    ends(&below, &["abort", "r"], 0);
    assert!(is_off(dir.path(), "here.json"));
}

#[test]
fn a_stop_that_waits_is_found_under_every_name_of_the_journal_and_not_gone_past() {
    let (dir, _page) = started();
    let dir = dir.path();
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    // a spool folder that cannot be made: a file stands in its place
    fs::write(dir.join(".flagstaff/spool"), "").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut paused = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    paused.arg("-C").arg(dir).args(["pause", "r"]).env("TMPDIR", elsewhere.path()).env_remove("FLAGSTAFF_DIR");
    assert!(paused.output().unwrap().status.success());
    holder.execute_batch("ROLLBACK").unwrap();
    fs::remove_file(dir.join(".flagstaff/spool")).unwrap();
    ends(dir, &["status", "r"], 7);

    fs::create_dir_all(dir.join(".flagstaff/spool")).unwrap();
    fs::write(dir.join(".flagstaff/spool/stop.json"), "{").unwrap();
    let once = ends(dir, &["run", "r", "--once"], 5);
    assert!(once.err.contains("stop.json"), "{}", once.both());
    assert_eq!(run(dir, &["resume", "r"]).code, 5, "it went past what may be a stop");
    ends(dir, &["abort", "r"], 0);
    assert!(is_off(dir, "here.json"));
}

#[test]
fn a_broken_chain_is_no_ground_to_grow_on_and_no_hindrance_to_stop() {
    let (dir, _page) = started();
    let dir = dir.path();
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    journal
        .execute_batch("INSERT INTO records SELECT -3, at, stream, kind, body, hash FROM records WHERE sequence = 1")
        .unwrap();
    drop(journal);
    ends(dir, &["audit", "verify"], 9);
    let once = ends(dir, &["run", "r", "--once"], 5);
    assert!(once.err.contains("audit verify"), "{}", once.both());
    ends(dir, &["abort", "r"], 0);
    assert!(is_off(dir, "here.json"));
}

#[test]
fn what_was_switched_off_before_it_began_does_not_start_by_itself() {
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    project(dir.path(), &page, HERE);
    let answer = ends(dir.path(), &["abort", "r"], 0);
    assert!(answer.out.contains("OFF"), "{}", answer.both());
    ends(dir.path(), &["start", "r"], 6);
    ends(dir.path(), &["run", "r", "--once"], 6);
    assert!(!dir.path().join("here.json").exists() || is_off(dir.path(), "here.json"));
    ends(dir.path(), &["start", "r", "--again"], 0);
}

#[test]
fn a_long_journal_is_not_waited_for() {
    let (dir, _page) = started();
    let dir = dir.path();
    {
        // a plan that nobody knows any more, long enough to take seconds
        let mut journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
        let (id, from): (String, i64) = journal
            .query_row("SELECT (SELECT value FROM meta WHERE key = 'id'), max(sequence) FROM records", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        let mut hash: String =
            journal.query_row("SELECT hash FROM records ORDER BY sequence DESC LIMIT 1", [], |row| row.get(0)).unwrap();
        let transaction = journal.transaction().unwrap();
        let body = format!(r#"{{"steps":[],"x":"{id}"}}"#);
        for sequence in from + 1..from + 150_000 {
            let new = flagstaff::journal::NewRecord {
                at: flagstaff::engine::Timestamp(0),
                stream: "gone".to_owned(),
                kind: "fold".to_owned(),
                body: body.clone(),
            };
            let position = flagstaff::journal::Sequence(sequence.unsigned_abs());
            hash = flagstaff::journal::chain::chain_hash(&hash, position, &new);
            transaction
                .execute(
                    "INSERT INTO records VALUES (?1, 0, 'gone', 'fold', ?2, ?3)",
                    rusqlite::params![sequence, body, hash],
                )
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    let mut abort = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    abort.args(["abort", "r"]).current_dir(dir).env_remove("FLAGSTAFF_DIR").stdout(Stdio::piped());
    let mut abort = abort.spawn().unwrap();
    let mut off_while_reading = false;
    while abort.try_wait().unwrap().is_none() {
        off_while_reading |= is_off(dir, "here.json");
        std::thread::sleep(Duration::from_millis(5));
    }
    let answer = abort.wait_with_output().unwrap();
    assert!(answer.status.success());
    let told = String::from_utf8_lossy(&answer.stdout);
    assert!(told.contains("OFF  (was 10%)"), "what it switched off in haste is not what was before: {told}");
    assert!(off_while_reading, "it was off only when the process was over");
    ends(dir, &["status", "r"], 6);
}

#[test]
fn the_undo_of_an_abort_at_everybody_can_be_typed() {
    let (dir, _page) = started();
    let dir = dir.path();
    within(30, "it can be forced", || run(dir, &["force", "r", "--to", "everyone"]).code == 0);
    let answer = ends(dir, &["abort", "r"], 0).both();
    let undo = answer.lines().find_map(|line| line.split_once("flagstaff start")).expect(&answer).1.trim();
    assert_eq!(undo, "r -e here --again --at tenth", "{answer}");
    ends(dir, &[&["start"], &undo.split_whitespace().collect::<Vec<_>>()[..]].concat(), 0);
    assert!(ends(dir, &["status", "r"], 0).out.contains("10%"));
}

#[test]
fn a_flag_file_that_is_gone_is_not_off_and_is_off_when_it_is_back() {
    let (dir, page) = started();
    let dir = dir.path();
    let kept = fs::read(dir.join("here.json")).unwrap();
    fs::remove_file(dir.join("here.json")).unwrap();
    let gone = ends(dir, &["abort", "r", "--timeout", "1s"], 5).both();
    assert!(gone.contains("NOT OFF") && gone.contains("keep serving what they read before"), "{gone}");
    assert!(run(dir, &["status", "r"]).out.contains("stopping"));
    fs::write(dir.join("here.json"), kept).unwrap();
    let _driver = Driver::run(dir);
    within(20, "it is off in the file that was put back", || is_off(dir, "here.json"));
    drop(page);
}
