//! The journal locked, broken, deleted or unwritable: what a person needs in an incident works all the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{Page, ends, flag, json, live, run};

fn journal(dir: &Path) -> PathBuf {
    dir.join(".flagstaff/journal.db")
}

fn started() -> (tempfile::TempDir, Page) {
    let (dir, page) = live();
    ends(dir.path(), &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    (dir, page)
}

fn lock(dir: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(journal(dir)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

#[test]
fn a_freeze_waits_for_no_lock_and_holds_from_when_the_journal_is_back() {
    let (dir, _page) = started();
    let dir = dir.path();
    let holder = lock(dir);
    let frozen = ends(dir, &["freeze", "-e", "production", "--for", "4h", "--reason", "incident"], 0);
    assert!(frozen.out.contains("production until"), "{}", frozen.out);
    assert!(frozen.err.contains("waits beside the journal"), "{}", frozen.err);
    assert!(ends(dir, &["freeze"], 0).out.contains("freeze-environment-production"), "what waits is not listed");
    holder.execute_batch("ROLLBACK").unwrap();

    // whoever comes next takes it in before anything grows, and a growth must name it
    let approve = run(dir, &["force", "my-feature", "--to", "everyone", "--reason", "x", "--confirm", "my-feature"]);
    assert_eq!(approve.code, 1, "{}", approve.both());
    assert!(approve.err.contains("freeze-environment-production"), "{}", approve.err);
    assert!(fs::read_dir(dir.join(".flagstaff/spool")).unwrap().next().is_none(), "it was not merged");
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains("freeze-environment-production until") && log.contains("incident"), "{log}");
    ends(dir, &["audit", "verify"], 0);

    ends(dir, &["freeze", "-e", "production", "--lift", "--reason", "over", "--confirm", "production"], 0);
    assert!(ends(dir, &["freeze"], 0).out.contains("nothing is frozen"));
}

#[test]
fn a_merged_freeze_ends_no_standing_one_sooner_and_comes_back_from_no_lift() {
    let (dir, _page) = started();
    let dir = dir.path();
    ends(dir, &["freeze", "-e", "production", "--for", "8h"], 0);
    let until = ends(dir, &["freeze"], 0).out;
    let holder = lock(dir);
    ends(dir, &["freeze", "-e", "production", "--for", "1h"], 0);
    holder.execute_batch("ROLLBACK").unwrap();
    let spool = dir.join(".flagstaff/spool");
    let waits = fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let copy = fs::read(&waits).unwrap();
    ends(dir, &["run", "my-feature", "--once"], 0);
    assert!(!waits.exists(), "it was not merged");
    assert_eq!(ends(dir, &["freeze"], 0).out, until);

    // a process that died between the merge and the removal of the file
    ends(dir, &["freeze", "-e", "production", "--lift", "--reason", "over", "--confirm", "production"], 0);
    fs::write(&waits, copy).unwrap();
    ends(dir, &["run", "my-feature", "--once"], 0);
    assert!(!waits.exists());
    assert!(ends(dir, &["freeze"], 0).out.contains("nothing is frozen"), "a merged freeze came back");
}

#[test]
fn a_journal_that_is_none_hides_no_stop_and_no_exposure() {
    let (dir, _page) = started();
    let dir = dir.path();
    fs::write(dir.join("flagstaff/policies.yaml"), "kind: [").unwrap();
    fs::write(journal(dir), "no journal").unwrap();
    let _ = fs::remove_file(dir.join(".flagstaff/journal.db-wal"));

    let status = ends(dir, &["status"], 5);
    assert!(status.out.contains("what the backends serve"), "{}", status.both());
    assert!(status.out.contains("! my-feature@production  on for"), "{}", status.both());
    let machine = json(dir, &["status"], 5);
    assert_eq!(machine["served"][0]["flag"], "my-feature", "{machine:#}");
    assert!(machine["journal"].as_str().unwrap().contains("no SQLite database"), "{machine:#}");

    assert!(ends(dir, &["freeze", "--for", "1h"], 0).err.contains("waits beside"), "a freeze needs no journal");
    assert!(ends(dir, &["freeze"], 5).out.contains("freeze-all"));
    let all = ends(dir, &["abort", "--all"], 5);
    assert!(all.err.contains("NOTHING WAS STOPPED") && all.err.contains("flagstaff abort my-feature"), "{}", all.err);
    let paused = ends(dir, &["pause", "my-feature"], 0).both();
    assert!(paused.contains("still ON for"), "{paused}");
    ends(dir, &["abort", "my-feature"], 0);
    assert_eq!(flag(dir, "my-feature")["defaultVariant"], "off");
    assert!(ends(dir, &["status"], 5).out.contains("my-feature@production  off"));
}

#[test]
fn a_journal_that_was_deleted_is_not_made_anew_by_a_look() {
    let (dir, _page) = started();
    let dir = dir.path();
    fs::remove_dir_all(dir.join(".flagstaff")).unwrap();
    let status = ends(dir, &["status"], 5);
    assert!(status.out.contains("! my-feature@production  on for"), "{}", status.both());
    assert!(status.err.contains("there is none at"), "{}", status.err);
    assert!(!journal(dir).exists(), "a look made a journal");
    ends(dir, &["abort", "my-feature"], 0);
    assert_eq!(flag(dir, "my-feature")["defaultVariant"], "off");
}

#[test]
fn a_flag_that_no_rollout_drives_is_switched_off_on_the_record() {
    let (dir, _page) = started();
    let dir = dir.path();
    let other = r#"{"flags":{"other":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on"}}}"#;
    fs::write(dir.join("flags.flagd.json"), other).unwrap();
    let holder = lock(dir);
    ends(dir, &["abort", "other", "--reason", "spooled"], 0);
    holder.execute_batch("ROLLBACK").unwrap();
    // a driver: whoever comes next takes it in
    run(dir, &["run", "my-feature", "--once"]);
    ends(dir, &["abort", "other", "--reason", "at once"], 0);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains("other is to be off in production"), "{log}");
    assert!(log.contains("\"spooled\"") && log.contains("\"at once\""), "{log}");
    assert!(log.contains("recorded before it was sent") && log.contains("it is off, as read back"), "{log}");
    // what did not happen is not said to have
    fs::write(dir.join("flags.flagd.json"), other.replace("\"on\"}}}", "\"on\"}}")).unwrap();
    ends(dir, &["abort", "other", "--timeout", "1s"], 5);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains("it was NOT read back as off"), "{log}");
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn a_new_journal_in_the_place_of_a_lost_one_is_told_from_it() {
    let (dir, _page) = started();
    let dir = dir.path();
    fs::remove_dir_all(dir.join(".flagstaff")).unwrap();
    // deleted, or made anew by whatever came first
    let paused = ends(dir, &["pause", "my-feature"], 0);
    assert!(paused.both().contains("still ON for employees"), "{}", paused.both());
    ends(dir, &["freeze", "-e", "production", "--for", "1h"], 0);
    assert!(journal(dir).exists());
    let status = ends(dir, &["status"], 5);
    assert!(
        status.out.contains("! my-feature@production") && status.err.contains("another one was lost"),
        "{}",
        status.both()
    );
    let paused = ends(dir, &["pause", "my-feature"], 0);
    assert!(paused.both().contains("still ON for employees"), "{}", paused.both());
    let all = ends(dir, &["abort", "--all"], 5);
    assert!(
        all.err.contains("NOTHING WAS STOPPED") && all.err.contains("abort my-feature -e production"),
        "{}",
        all.err
    );
    let run = ends(dir, &["run"], 5);
    assert!(run.err.contains("another journal"), "{}", run.err);
    ends(dir, &["abort", "my-feature"], 0);
    assert_eq!(flag(dir, "my-feature").get("targeting"), None);
    // off, there is nothing left to be told
    ends(dir, &["status"], 0);
    assert!(ends(dir, &["abort", "--all"], 0).err.contains("nothing is in progress"));
}
