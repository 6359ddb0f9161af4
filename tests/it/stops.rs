//! Stops reach everything that serves the flag, whatever became of documents, journals and addresses meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use std::sync::Arc;

use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::control::Site;
use flagstaff::control::drive::Until;
use flagstaff::engine::{Actor, Span, Timestamp};
use serde_json::Value;

use crate::cli::{ends, run};
use crate::support::page::Page;

pub(crate) fn project(dir: &Path, page: &Page, environments: &str) {
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

pub(crate) const HERE: &str = "    here: { backend: { flagd: { path: here.json } } }";
pub(crate) const MOVED: &str = "    here: { backend: { flagd: { path: moved.json } } }";
const RENAMED: &str = "    there: { backend: { flagd: { path: here.json } } }";

pub(crate) fn is_off(dir: &Path, file: &str) -> bool {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    file["flags"]["r"]["defaultVariant"] == "off" && file["flags"]["r"].get("targeting").is_none_or(|it| it.is_null())
}

pub(crate) fn started() -> (tempfile::TempDir, Page) {
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    project(dir.path(), &page, HERE);
    ends(dir.path(), &["start", "r"], 0);
    assert!(!is_off(dir.path(), "here.json"));
    (dir, page)
}

/// A driver in the background; killed when the test is over.
pub(crate) struct Driver(std::process::Child);

impl Driver {
    pub(crate) fn run(dir: &Path) -> Driver {
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

pub(crate) fn within(patience: u64, what: &str, mut holds: impl FnMut() -> bool) {
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
    let explained = run(dir, &["explain", "r"]).out;
    assert!(explained.contains("flagstaff abort r -e") && !explained.contains("--again"), "{explained}");
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

/// Another team's flag that every evaluator takes, and one that keeps them from taking the file.
const SOUND: &str = r#"{ "state": "ENABLED", "variants": { "x": "1", "y": "2" }, "defaultVariant": "x" }"#;
const BROKEN: &str = r#"{ "state": "ENABLED", "variants": { "x": "1", "y": "2" }, "defaultVariant": "z" }"#;

/// Writes another team's flag into the flag file, beside ours.
fn others(dir: &Path, body: &str) {
    let text = fs::read_to_string(dir.join("here.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    file["flags"]["theirs"] = serde_json::from_str(body).unwrap();
    fs::write(dir.join("here.json"), file.to_string()).unwrap();
}

fn log(dir: &Path) -> String {
    run(dir, &["audit", "log", "r"]).out
}

/// Evaluates what is due, past the next tick.
fn one_pass(dir: &Path) {
    std::thread::sleep(Duration::from_millis(1300));
    run(dir, &["run", "r", "--once"]);
}

/// What `status` and `explain` say, and that both say this.
fn all_say(dir: &Path, what: &str) {
    for command in ["status", "explain"] {
        let said = run(dir, &[command, "r"]).both();
        // a table breaks its lines
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let json = run(dir, &[command, "r", "-o", "json"]).out;
        assert!(words(&said).contains(what) || json.contains(what), "{command} does not say `{what}`: {said}{json}");
        assert!(json.contains(what), "{command} -o json does not say `{what}`: {json}");
    }
}

#[test]
fn a_driver_confirms_no_off_in_a_file_that_is_gone() {
    let (dir, _page) = started();
    let dir = dir.path();
    let kept = fs::read(dir.join("here.json")).unwrap();
    fs::remove_file(dir.join("here.json")).unwrap();
    ends(dir, &["abort", "r", "--timeout", "1s"], 5);
    for _ in 0..2 {
        one_pass(dir);
        assert!(!log(dir).contains("read back at the backend"), "{}", log(dir));
        assert!(run(dir, &["status", "r"]).out.contains("stopping"));
        all_say(dir, "put the file back");
        // a person who asks again gets the same answer
        let again = ends(dir, &["abort", "r", "--timeout", "1s"], 5).both();
        assert!(again.contains("NOT OFF") && again.contains("put the file back"), "{again}");
    }
    fs::write(dir.join("here.json"), kept).unwrap();
    one_pass(dir);
    assert!(is_off(dir, "here.json") && log(dir).contains("read back at the backend"), "{}", log(dir));
    ends(dir, &["status", "r"], 6);
    // what was read back as off is not doubted for a file that goes away later
    fs::remove_file(dir.join("here.json")).unwrap();
    ends(dir, &["abort", "r", "--timeout", "1s"], 0);
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn a_driver_confirms_no_off_beside_a_broken_flag() {
    let (dir, _page) = started();
    let dir = dir.path();
    others(dir, BROKEN);
    let aborted = ends(dir, &["abort", "r", "--timeout", "1s"], 5).both();
    assert!(aborted.contains("not effective") && is_off(dir, "here.json"), "{aborted}");
    one_pass(dir);
    assert!(!log(dir).contains("read back at the backend"), "{}", log(dir));
    assert!(run(dir, &["status", "r"]).out.contains("stopping"));
    all_say(dir, "flag `theirs`");
    others(dir, SOUND);
    one_pass(dir);
    assert!(log(dir).contains("read back at the backend"), "{}", log(dir));
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn a_rules_stop_beside_a_broken_flag_is_not_confirmed_and_says_why() {
    let (dir, page) = started();
    let dir = dir.path();
    others(dir, BROKEN);
    page.failing.store(true, Ordering::SeqCst);
    let _driver = Driver::run(dir);
    within(40, "it is off in the file", || is_off(dir, "here.json"));
    std::thread::sleep(Duration::from_secs(3));
    let told = log(dir);
    assert!(told.contains("rule errors") && !told.contains("read back at the backend"), "{told}");
    assert!(run(dir, &["status", "r"]).out.contains("stopping"));
    all_say(dir, "flag `theirs`");
    others(dir, SOUND);
    within(20, "it is read back", || log(dir).contains("read back at the backend"));
}

#[test]
fn a_flag_file_that_is_gone_is_no_reduction_and_nobody_makes_it_anew() {
    let (dir, page) = started();
    let dir = dir.path();
    others(dir, SOUND);
    let kept = fs::read(dir.join("here.json")).unwrap();
    fs::remove_file(dir.join("here.json")).unwrap();
    one_pass(dir);
    assert!(!log(dir).contains("reduced by hand"), "{}", log(dir));
    let status = run(dir, &["status", "r"]).out;
    assert!(status.contains("running") && status.contains("10%"), "{status}");
    all_say(dir, "put the file back");
    // nothing grows into a file of its own, by whatever name it is asked
    ends(dir, &["pause", "r"], 0);
    let resumed = run(dir, &["resume", "r"]);
    assert!(resumed.code != 0 && resumed.both().contains("put the file back"), "{}", resumed.both());
    let applied = run(dir, &["apply"]);
    assert!(applied.code != 0 && applied.both().contains("put the file back"), "{}", applied.both());
    assert!(!dir.join("here.json").exists());
    // rules stop it all the same
    page.failing.store(true, Ordering::SeqCst);
    {
        let _driver = Driver::run(dir);
        within(40, "a rule stops it", || ends_with(dir, "errors"));
    }
    page.failing.store(false, Ordering::SeqCst);
    let again = run(dir, &["start", "r", "--again"]);
    assert!(again.code != 0 && again.both().contains("not off yet at here.json"), "{}", again.both());
    assert!(!dir.join("here.json").exists());
    fs::write(dir.join("here.json"), kept).unwrap();
    one_pass(dir);
    assert!(is_off(dir, "here.json"));
    ends(dir, &["start", "r", "--again"], 0);
    let file = fs::read_to_string(dir.join("here.json")).unwrap();
    assert!(file.contains("theirs") && !is_off(dir, "here.json"), "{file}");
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn a_first_start_that_was_stopped_before_there_was_a_file_is_off() {
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    project(dir.path(), &page, HERE);
    let dir = dir.path();
    // the folder of the flag file is there, and no file: nobody was ever exposed
    ends(dir, &["abort", "r"], 0);
    ends(dir, &["start", "r", "--again"], 0);
    assert!(!is_off(dir, "here.json"));
}

/// The machine's clock, so many minutes ahead.
struct Ahead(u64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Span::minutes(self.0))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move { SystemClock.sleep_until(instant.minus(Span::minutes(self.0))).await })
    }
}

/// As `run --once` of a process of its own, so many minutes from now.
async fn once_in(minutes: u64, dir: &Path) {
    let actor = Actor { name: "cron".to_owned(), known_by: "test".to_owned() };
    let mut site = Site::open(dir, actor, Arc::new(Ahead(minutes))).unwrap();
    let ids = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
    site.declare_driver("run --once", &format!("host-{minutes}"));
    site.drive(&ids, Until::Once, &mut |_| {}).await.unwrap();
}

#[tokio::test]
async fn a_stopped_rollout_is_looked_at_every_hour_at_whatever_minute_somebody_comes_round() {
    let (dir, _page) = started();
    let dir = dir.path();
    let late = fs::read(dir.join("here.json")).unwrap();
    ends(dir, &["abort", "r"], 0);
    let land = || fs::write(dir.join("here.json"), &late).unwrap();
    // switching it off again is a record of its own, from which the hours count
    let mut newest = 0;
    for (minutes, due) in [(5, true), (37, false), (52, false), (74, true), (41, false), (66, true)] {
        land();
        once_in(newest + minutes, dir).await;
        assert_eq!(is_off(dir, "here.json"), due, "{minutes} minutes after the newest record");
        newest += if due { minutes } else { 0 };
    }
    // a look that finds what it should is not recorded, and counts
    once_in(newest + 70, dir).await;
    for (minutes, due) in [(97, false), (118, false), (140, true)] {
        land();
        once_in(newest + minutes, dir).await;
        assert_eq!(is_off(dir, "here.json"), due, "{minutes} minutes after the newest record");
    }
    newest += 140;
    // nobody is known to have come round at all
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    journal.execute_batch("DELETE FROM drivers").unwrap();
    land();
    once_in(newest + 20, dir).await;
    assert!(is_off(dir, "here.json"));
}

#[tokio::test]
async fn credentials_of_one_server_go_to_another_for_stops_only() {
    use crate::support::server::{Fake, Reply};
    let refuse = || Fake::serve(|_| Reply { status: 401, ..Reply::with("{}") });
    let (old, new) = (refuse(), refuse());
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    let dir = dir.path();
    let at = |server: &Fake| {
        let unleash = "project: default, environment: production, token_file: token";
        format!("    here: {{ backend: {{ unleash: {{ url: \"{}\", {unleash} }} }} }}", server.url)
    };
    fs::write(dir.join("token"), "the-token-of-now").unwrap();
    project(dir, &page, &at(&old));
    let open = || Site::open(dir, Actor { name: "ana".to_owned(), known_by: "test".to_owned() }, Arc::new(SystemClock));
    {
        // started while the old server was another one in truth, of which nothing is asked here
        let mut site = open().unwrap();
        let file = flagstaff::backend::flagd::Flagd::new(dir, "here.json");
        site.backends.insert("here".to_owned(), Arc::new(file));
        site.start("r", "here", &flagstaff::control::StartOptions::default()).await.unwrap();
        // the address changes under this process: what it knew of the old one is still for the old one
        project(dir, &page, &at(&new));
        let ids = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
        std::thread::sleep(Duration::from_millis(1300));
        site.drive(&ids, Until::Once, &mut |_| {}).await.unwrap();
        assert!(asks(&old, "the-token-of-now"), "what was named for the old server goes there");
    }
    old.asked.lock().unwrap().clear();
    let mut site = open().unwrap();
    let ids = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
    std::thread::sleep(Duration::from_millis(1300));
    site.drive(&ids, Until::Once, &mut |_| {}).await.unwrap();
    let drift = site.drift(None).await;
    let told = drift.first().map(|drift| drift.served.to_string()).unwrap_or_default();
    assert!(told.contains(&old.url) && told.contains("stops only"), "{told}");
    assert!(old.asked.lock().unwrap().is_empty(), "a look took the new server's token to the old one");
    let rollback = flagstaff::engine::Command::Rollback { stage: None };
    site.command("r", "here", rollback, None, None).await.unwrap();
    assert!(asks(&old, "the-token-of-now") && asks(&new, "the-token-of-now"), "a stop goes to both");
}

fn asks(server: &crate::support::server::Fake, token: &str) -> bool {
    server.asked.lock().unwrap().iter().any(|asked| asked.headers.contains(token))
}

/// What a person does to the flag in the file.
fn by_hand(dir: &Path, edit: impl FnOnce(&mut Value)) {
    let path = dir.join("here.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut file["flags"]["r"]);
    fs::write(path, file.to_string()).unwrap();
}

#[test]
fn a_pause_says_what_is_served_and_keeps_to_its_environment() {
    let (dir, _page) = started();
    let dir = dir.path();
    by_hand(dir, |flag| {
        flag["defaultVariant"] = "on".into();
        flag["targeting"] = Value::Null;
    });
    let told = ends(dir, &["pause", "r"], 0).both();
    assert!(told.contains("still ON for somebody: it is not as flagstaff wrote it"), "{told}");
    assert!(told.contains("flagstaff abort r -e here"), "{told}");
}

#[test]
fn abort_all_names_what_is_on_against_a_stop() {
    let (dir, _page) = started();
    let dir = dir.path();
    ends(dir, &["abort", "r"], 0);
    by_hand(dir, |flag| flag["defaultVariant"] = "on".into());
    let told = ends(dir, &["abort", "--all"], 1).err;
    assert!(told.contains("r@here was stopped and is ON, by another hand: flagstaff abort r -e here"), "{told}");
    let once = ends(dir, &["run", "--once"], 1).err;
    assert!(once.contains("r@here serves others"), "{once}");
    ends(dir, &["abort", "r"], 0);
    ends(dir, &["abort", "--all"], 0);
}

#[test]
fn a_single_pass_says_what_it_could_not_read_and_what_is_not_off_yet() {
    let (dir, _page) = started();
    let dir = dir.path();
    let kept = fs::read(dir.join("here.json")).unwrap();
    fs::write(dir.join("here.json"), "{").unwrap();
    let told = ends(dir, &["run", "--once"], 5).err;
    assert!(told.contains("r@here serves nobody knows whom"), "{told}");
    ends(dir, &["abort", "r", "--timeout", "1s"], 5);
    for args in [&["run", "--once"][..], &["run", "--once", "r"]] {
        ends(dir, args, 5);
    }
    fs::write(dir.join("here.json"), kept).unwrap();
    ends(dir, &["run", "--once"], 0);
    assert!(is_off(dir, "here.json"));
}

#[test]
fn an_abort_of_what_is_off_has_no_undo() {
    let (dir, _page) = started();
    let dir = dir.path();
    by_hand(dir, |flag| flag["targeting"] = Value::Null);
    let _driver = Driver::run(dir);
    within(20, "it is noticed", || run(dir, &["status", "r"]).out.contains("paused"));
    let told = ends(dir, &["abort", "r"], 0).both();
    assert!(told.contains("OFF") && !told.contains("start r"), "{told}");
}
