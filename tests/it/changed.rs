//! What changed after somebody looked: documents under a running driver, a rollout under an open prompt, who may.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::cli::{ends, json, replace, run};
use crate::stops::{Driver, HERE, MOVED, is_off, project, started, within};

fn exposure(dir: &Path, file: &str) -> Value {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_default();
    let file: Value = serde_json::from_str(&text).unwrap_or_default();
    file["flags"]["r"]["metadata"]["percentage"].clone()
}

fn ticks(dir: &Path) -> i64 {
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    journal.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap_or(0)
}

/// Waits until a driver has judged a few more ticks.
fn some_ticks(dir: &Path) {
    let before = ticks(dir);
    within(40, "ticks are judged", || ticks(dir) > before + 4);
}

#[test]
fn a_running_driver_holds_growth_once_the_release_or_its_address_is_another() {
    type Edit = fn(&Path, &crate::support::page::Page);
    let edits: [(&str, Edit); 3] = [
        ("no document declares", |dir, _| {
            replace(
                &dir.join("flagstaff.yaml"),
                "kind: Release\nmetadata: { name: r }",
                "kind: Release\nmetadata: { name: q }",
            )
        }),
        ("another backend", |dir, page| project(dir, page, MOVED)),
        ("cannot be read", |dir, _| fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap()),
    ];
    for (what, edit) in edits {
        let (dir, page) = (tempfile::tempdir().unwrap(), crate::support::page::Page::serve(&["r"]));
        let dir = dir.path();
        project(dir, &page, HERE);
        // long enough to change documents in, short enough to be over soon
        replace(&dir.join("flagstaff.yaml"), "percentage: 10%, bake: 10m", "percentage: 10%, bake: 4s");
        ends(dir, &["start", "r"], 0);
        let _driver = Driver::run(dir);
        within(40, "ticks are judged", || ticks(dir) > 4);
        let before = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
        edit(dir, &page);
        assert_eq!(exposure(dir, "here.json"), 10_000, "{what}: it grew before the documents were changed");
        std::thread::sleep(Duration::from_secs(8));
        assert_eq!(exposure(dir, "here.json"), 10_000, "{what}: it grew");
        // and goes on once they are as they were
        fs::write(dir.join("flagstaff.yaml"), before).unwrap();
        within(40, "it grows again", || exposure(dir, "here.json") == 100_000);
        drop(page);
    }
}

#[test]
fn a_running_drivers_stop_goes_to_an_address_that_documents_name_since() {
    let (dir, page) = started();
    let dir = dir.path();
    let _driver = Driver::run(dir);
    some_ticks(dir);
    fs::copy(dir.join("here.json"), dir.join("moved.json")).unwrap();
    project(dir, &page, MOVED);
    some_ticks(dir);
    page.failing.store(true, Ordering::SeqCst);
    within(40, "both are off", || is_off(dir, "here.json") && is_off(dir, "moved.json"));
}

#[test]
fn watch_and_wait_end_where_a_rollout_is_held_for_good() {
    let (dir, _page) = started();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "kind: Release\nmetadata: { name: r }",
        "kind: Release\nmetadata: { name: q }",
    );
    ends(dir, &["watch", "r"], 7);
    let waited = ends(dir, &["wait", "r", "--timeout", "20s"], 7);
    assert!(waited.err.contains("held: no document declares"), "{}", waited.err);
}

#[test]
fn nothing_starts_before_a_stop_is_confirmed_unless_a_person_vouches_for_it() {
    let (dir, page) = started();
    let dir = dir.path();
    fs::create_dir(dir.join("away")).unwrap();
    fs::rename(dir.join("here.json"), dir.join("away/here.json")).unwrap();
    ends(dir, &["abort", "r", "--timeout", "1s"], 5);
    project(dir, &page, MOVED);
    let refused = ends(dir, &["start", "r", "--again"], 1);
    assert!(
        refused.err.contains("not off yet at here.json") && refused.err.contains("flagstaff abort r"),
        "{}",
        refused.err
    );
    assert!(!dir.join("moved.json").exists());
    // the old address is still tried
    fs::rename(dir.join("away/here.json"), dir.join("here.json")).unwrap();
    ends(dir, &["abort", "r"], 0);
    assert!(is_off(dir, "here.json"));
    ends(dir, &["start", "r", "--again"], 0);
    assert_eq!(exposure(dir, "moved.json"), 10_000);
}

#[test]
fn abort_all_stops_what_is_in_progress_however_long_the_journal_is() {
    let (dir, _page) = started();
    let dir = dir.path();
    // a journal that takes longer to read than a stop waits for one
    lengthen(dir, 30_000);
    let aborted = ends(dir, &["abort", "--all"], 0);
    assert!(aborted.out.contains("r@here") && aborted.out.contains("OFF"), "{}", aborted.both());
    assert!(is_off(dir, "here.json"));
    ends(dir, &["abort", "--all", "-e", "her"], 64);
}

/// Freezes of the past, as a long life leaves them: the chain goes on as the journal's own writer makes it.
pub(crate) fn lengthen(dir: &Path, records: usize) {
    use flagstaff::control::record::{FREEZE, FREEZES, Freeze, record};
    use flagstaff::engine::{Actor, Timestamp};
    use flagstaff::journal::Journal as _;
    let mut journal = flagstaff::journal::sqlite::SqliteJournal::open(&dir.join(".flagstaff/journal.db")).unwrap();
    let at = Timestamp(1);
    let by = Actor { name: "ana".to_owned(), known_by: "--as".to_owned() };
    let reason = Some("a".repeat(500));
    let freeze =
        Freeze { name: "past".to_owned(), environment: None, release: None, until: at, at, by, reason, spooled: None };
    let many = vec![record(at, FREEZES, FREEZE, &freeze); records];
    let head = journal.head().unwrap();
    journal.append(head.sequence, &many).unwrap();
}

#[test]
fn a_freeze_does_not_wait_for_a_long_journal_and_takes_a_flags_key() {
    let (dir, _page) = started();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "metadata: { name: r }\nspec: {}",
        "metadata: { name: r }\nspec: { flag: r }\n---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: s }\nspec: { flag: key-of-s }",
    );
    let frozen = ends(dir, &["freeze", "key-of-s", "--for", "1h"], 0);
    assert!(frozen.out.contains('s') && !frozen.out.contains("key-of-s"), "{}", frozen.both());
    lengthen(dir, 30_000);
    ends(dir, &["freeze", "-e", "here", "--for", "1h"], 0);
    // recorded or waiting, it holds
    let refused = ends(dir, &["force", "r", "--to", "everyone"], 1);
    assert!(refused.err.contains("frozen"), "{}", refused.err);
}

#[test]
fn an_environment_is_protected_once_the_project_says_so_or_means_to() {
    for protected in ["protected: true", "protected: ture"] {
        let (dir, page) = started();
        let dir = dir.path();
        project(dir, &page, &HERE.replace("{ backend", &format!("{{ {protected}, backend")));
        let asked = ends(dir, &["force", "r", "--to", "everyone"], 64);
        assert!(asked.err.contains("protected"), "{protected}: {}", asked.err);
        ends(dir, &["freeze", "-e", "here", "--for", "1h"], 0);
        let asked = ends(dir, &["freeze", "-e", "here", "--lift"], 64);
        assert!(asked.err.contains("protected"), "{protected}: {}", asked.err);
    }
}

#[test]
fn a_start_is_refused_where_somebody_started_and_stopped_meanwhile() {
    let (dir, page) = started();
    let dir = dir.path();
    project(dir, &page, &HERE.replace("{ backend", "{ protected: true, backend"));
    ends(dir, &["abort", "r"], 0);
    let mut typed = crate::support::terminal::Session::start(dir, (100, 24), "start r --again --reason late");
    std::thread::sleep(Duration::from_secs(2));
    ends(dir, &["start", "r", "--again", "--reason", "first", "--confirm", "r"], 0);
    ends(dir, &["abort", "r", "--reason", "do not start"], 0);
    typed.types(b"r\r");
    let (_, sent) = typed.ends();
    assert!(sent.contains("started and ended since you looked"), "{sent}");
    assert!(is_off(dir, "here.json"));
}

#[test]
fn names_that_are_nobodys_are_told() {
    let (dir, _page) = started();
    let dir = dir.path();
    for args in [
        &["status", "-e", "typo"][..],
        &["run", "-e", "typo"],
        &["resume", "--all", "--cause", "drift", "-e", "typo"],
        &["abort", "--all", "-e", "typo"],
        &["explain", "r", "-e", "typo"],
    ] {
        let told = ends(dir, args, 64);
        assert!(told.err.contains("no environment `typo`") && told.err.contains("here"), "{args:?}: {}", told.err);
    }
    assert!(ends(dir, &["status", "typo"], 1).err.contains("no release `typo`"));
    assert!(run(dir, &["audit", "log", "typo"]).err.contains("nothing is recorded about `typo`"));
}

#[test]
fn the_audit_log_tells_what_a_growth_was_decided_on() {
    let (dir, page) = (tempfile::tempdir().unwrap(), crate::support::page::Page::serve(&["r"]));
    let dir = dir.path();
    project(dir, &page, HERE);
    replace(&dir.join("flagstaff.yaml"), "percentage: 10%, bake: 10m", "percentage: 10%, bake: 1s");
    ends(dir, &["start", "r"], 0);
    {
        let _driver = Driver::run(dir);
        within(40, "it grows", || exposure(dir, "here.json") == 100_000);
    }
    let log = json(dir, &["audit", "log", "r"], 0);
    let grown = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["what"].as_str().unwrap().contains("advancing"))
        .unwrap();
    let evidence = &grown["evidence"][0];
    assert_eq!((&evidence["rule"], &evidence["threshold"]), (&"healthy".into(), &"error_rate < 1%".into()));
    let series = &evidence["series"][0];
    assert!(
        series["value"].as_str().unwrap().contains('%') && !series["query"].as_str().unwrap().is_empty(),
        "{series}"
    );
    let read = log["entries"].as_array().unwrap().iter().find(|entry| entry["who"] == "as read at the backend");
    assert!(read.is_some(), "{log:#}");
}

#[test]
fn what_an_address_that_changed_asks_for_is_what_can_be_typed() {
    let (dir, page) = started();
    let dir = dir.path();
    fs::copy(dir.join("here.json"), dir.join("moved.json")).unwrap();
    project(dir, &page, MOVED);
    let refused = ends(dir, &["force", "r", "--to", "everyone"], 1);
    assert!(refused.err.contains("flagstaff apply --adopt -e here"), "{}", refused.err);
    assert!(ends(dir, &["explain", "r"], 0).out.contains("flagstaff apply --adopt -e here"));
    let mut adopt = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    adopt.args(["apply", "--adopt", "-e", "here", "--yes"]).current_dir(dir).stdin(Stdio::null());
    let adopted = adopt.output().unwrap();
    assert!(adopted.status.success(), "{}", String::from_utf8_lossy(&adopted.stderr));
    ends(dir, &["force", "r", "--to", "everyone"], 0);
    assert_eq!(exposure(dir, "moved.json"), 100_000);
    // what was left behind there is not forgotten
    assert_eq!(exposure(dir, "here.json"), 10_000);
    ends(dir, &["abort", "r"], 0);
    assert!(is_off(dir, "moved.json") && is_off(dir, "here.json"));
}

#[test]
fn a_stop_goes_to_addresses_that_a_rollout_has_left_and_waits_for_none_that_is_gone() {
    let adopted = || {
        let (dir, page) = started();
        fs::copy(dir.path().join("here.json"), dir.path().join("moved.json")).unwrap();
        project(dir.path(), &page, MOVED);
        ends(dir.path(), &["apply", "--adopt", "-e", "here", "--yes"], 0);
        (dir, page)
    };
    // by a rule
    let (dir, page) = adopted();
    page.failing.store(true, Ordering::SeqCst);
    {
        let _driver = Driver::run(dir.path());
        within(40, "both are off", || is_off(dir.path(), "here.json") && is_off(dir.path(), "moved.json"));
    }
    // by a person, with the old place gone: it is off where it lives, and what nobody knows is said
    let (dir, _page) = adopted();
    fs::remove_file(dir.path().join("here.json")).unwrap();
    let told = ends(dir.path(), &["abort", "r"], 0).both();
    assert!(told.contains("OFF") && told.contains("named here.json, and nobody knows"), "{told}");
    assert!(is_off(dir.path(), "moved.json"));
    // a broken neighbour there: written, and nobody knows whether it is served
    let (dir, _page) = adopted();
    let mut file: Value = serde_json::from_str(&fs::read_to_string(dir.path().join("here.json")).unwrap()).unwrap();
    file["flags"]["theirs"] = serde_json::json!({ "state": "ENABLED" });
    fs::write(dir.path().join("here.json"), file.to_string()).unwrap();
    let told = ends(dir.path(), &["abort", "r"], 0).both();
    assert!(told.contains("named here.json, and nobody knows"), "{told}");
    assert!(is_off(dir.path(), "moved.json") && is_off(dir.path(), "here.json"));
}

/// Puts a flag on for everybody, as a tired hand would.
fn by_hand(dir: &Path) {
    let mut file: Value = serde_json::from_str(&fs::read_to_string(dir.join("here.json")).unwrap()).unwrap();
    file["flags"]["r"]["defaultVariant"] = "on".into();
    file["flags"]["r"].as_object_mut().unwrap().remove("targeting");
    fs::write(dir.join("here.json"), file.to_string()).unwrap();
}

#[test]
fn status_and_explain_say_what_is_served_also_where_nobody_drives() {
    let (dir, _page) = started();
    let dir = dir.path();
    assert_eq!(json(dir, &["status"], 0)["rollouts"][0]["serves"], Value::Null);
    by_hand(dir);
    let status = ends(dir, &["status"], 0).out;
    assert!(status.contains('!') && status.contains("others") && status.contains("10% allowed"), "{status}");
    let explain = ends(dir, &["explain", "r"], 0).out;
    assert!(explain.contains("on for others") && explain.contains("10% allowed"), "{explain}");
    assert!(json(dir, &["explain", "r"], 0)["serves"].as_str().unwrap().contains("defaultVariant"));
    // what could not be done says why
    let force = run(dir, &["force", "r", "--to", "everyone"]);
    assert!(force.code != 0 && !force.err.is_empty(), "{}", force.both());
    fs::write(dir.join("here.json"), "not JSON").unwrap();
    let explain = ends(dir, &["explain", "r"], 0).out;
    assert!(explain.contains("nobody knows whom"), "{explain}");
}

#[test]
fn a_change_that_was_not_read_back_says_why() {
    let (dir, _page) = started();
    let dir = dir.path();
    ends(dir, &["force", "r", "--to", "everyone"], 0);
    fs::write(dir.join("here.json"), "not JSON").unwrap();
    let rollback = ends(dir, &["rollback", "r"], 5);
    assert!(rollback.err.contains("valid JSON"), "{}", rollback.both());
}

#[test]
fn an_address_may_be_typed_where_a_release_is() {
    let (dir, _page) = started();
    let dir = dir.path();
    assert!(ends(dir, &["explain", "r@here"], 0).out.contains("r@here"));
    ends(dir, &["abort", "r@there"], 64);
    ends(dir, &["abort", "r@here", "-e", "there"], 64);
    ends(dir, &["abort", "r@here"], 0);
    assert!(is_off(dir, "here.json"));
}

#[test]
fn a_resume_for_a_cause_leaves_other_causes_alone() {
    let (dir, _page) = started();
    let dir = dir.path();
    ends(dir, &["pause", "r", "--reason", "incident 7"], 0);
    let refused = ends(dir, &["resume", "r", "--cause", "no_data"], 1);
    assert!(refused.err.contains("paused by person"), "{}", refused.err);
    assert!(ends(dir, &["resume", "--all", "--cause", "no_data", "-e", "here"], 0).err.contains("nothing is paused"));
    assert_eq!(json(dir, &["status"], 0)["rollouts"][0]["state"], "paused");
    ends(dir, &["resume", "r", "--cause", "person"], 0);
    ends(dir, &["status", "--as", ""], 64);
}

#[test]
fn nobody_who_died_is_said_to_drive() {
    let (dir, _page) = started();
    let dir = dir.path();
    {
        let _driver = Driver::run(dir);
        within(40, "it drives", || ends(dir, &["status"], 0).out.contains("driven by run@"));
    }
    assert!(ends(dir, &["status"], 0).out.contains("nobody drives it"));
    fs::remove_file(dir.join("here.json")).unwrap();
    let told = ends(dir, &["abort", "r", "--timeout", "1s"], 5).both();
    assert!(told.contains("nobody else keeps trying"), "{told}");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let (dir, _page) = started();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut status = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    let done = status.args(["status"]).current_dir(dir.path()).stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn status_tells_what_the_journal_knows_while_the_project_document_is_broken() {
    let (dir, page) = (tempfile::tempdir().unwrap(), crate::support::page::Page::serve(&["r"]));
    let dir = dir.path();
    project(dir, &page, HERE);
    ends(dir, &["start", "r"], 0);
    fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap();
    let told = ends(dir, &["status"], 3);
    assert!(told.out.contains("r@here") && told.out.contains("running"), "{}", told.both());
    assert!(told.err.contains("yaml-syntax"), "{}", told.err);
    assert!(!ends(dir, &["status", "-e", "staging"], 3).out.contains("r@here"));
}

#[test]
fn a_name_that_nobody_has_is_told_with_the_one_that_may_be_meant() {
    let (dir, page) = (tempfile::tempdir().unwrap(), crate::support::page::Page::serve(&["r"]));
    let dir = dir.path();
    project(dir, &page, HERE);
    replace(
        &dir.join("flagstaff.yaml"),
        "kind: Release\nmetadata: { name: r }",
        "kind: Release\nmetadata: { name: menu }",
    );
    for command in ["status", "start", "plan", "explain", "run"] {
        let told = ends(dir, &[command, "mneu"], 1);
        assert!(told.err.contains("there is no release `mneu`; did you mean `menu`?"), "{command}: {}", told.err);
    }
    let status = ends(dir, &["status", "menu"], 0).out;
    assert!(status.contains("no rollout of it yet"), "{status}");
}
