//! Documents, the journal, what waits beside it, and who drives.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{closed, content, examined, examined_by_nobody, project};
use crate::cli::{ends, live, replace, run};

const FLAG_FILE: &str = "here: { backend: { flagd: { path: flags.json } } }";

fn records(dir: &Path) -> i64 {
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    journal.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_fresh_project_is_well_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    project(dir, &[], &[FLAG_FILE]);
    let before = content(dir);
    let found = examined(dir, &[], 0);
    assert!(found.said.contains("documents: 1 files, 1 documents ("), "-v does not tell: {}", found.said);
    found.is("documents", "findings", "ok", "1 file, 1 document, nothing is wrong");
    found.is("journal", "file", "ok", "none yet").is("journal", "writable", "ok", "could be made");
    found.is("spool", "waiting", "ok", "nothing waits").leaves_out("driver", "driver");
    found.is("backend here", "file", "ok", "none yet");
    assert_eq!(content(dir), before, "something was made");
    // an empty file is no journal, and is not made one
    fs::create_dir(dir.join(".flagstaff")).unwrap();
    fs::write(dir.join(".flagstaff/journal.db"), "").unwrap();
    let before = content(dir);
    examined(dir, &[], 0).is("journal", "file", "ok", "none yet");
    assert_eq!(content(dir), before);
    // nor is a database of somebody else's
    let theirs = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(theirs);
    let before = content(dir);
    examined(dir, &[], 5).is("journal", "file", "failed", "a database, and no journal");
    assert_eq!(content(dir), before);
    let wrong = run(dir, &["doctor", "-e", "nope"]);
    assert_eq!(wrong.code, 64, "{}", wrong.both());
    assert!(wrong.err.contains("environments: here"), "{}", wrong.err);
}

#[test]
fn a_journal_cannot_be_made_where_nothing_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, flags) = (folder.path(), tempfile::tempdir().unwrap());
    project(dir, &[], &[&FLAG_FILE.replace("flags.json", &flags.path().join("flags.json").display().to_string())]);
    closed(dir, true);
    let found = examined_by_nobody(dir, 5);
    closed(dir, false);
    found.is("journal", "writable", "failed", "ermission").is("backend here", "writable", "ok", "could be replaced");
}

#[test]
fn a_journal_is_named_counted_locked_or_damaged() {
    let (folder, _page) = live();
    let dir = folder.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    let id: String = journal.query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| row.get(0)).unwrap();
    let (count, before) = (records(dir), content(dir));
    let found = examined(dir, &[], 0);
    found.is("journal", "file", "ok", &format!("journal {id}, records: {count}"));
    found.is("journal", "writable", "ok", "").is("journal", "chain", "ok", "follows the one before");
    assert_eq!((records(dir), content(dir)), (count, before), "something was recorded or written");

    journal.execute_batch("BEGIN IMMEDIATE").unwrap();
    let found = examined(dir, &[], 5);
    journal.execute_batch("ROLLBACK").unwrap();
    found.is("journal", "writable", "failed", "another process holds its lock").is("journal", "chain", "ok", "");

    journal.execute_batch("DROP TRIGGER records_are_never_changed; UPDATE records SET at = at + 1").unwrap();
    let found = examined(dir, &[], 5);
    found.is("journal", "chain", "failed", "record 1").leaves_out("driver", "driver");
    drop(journal);
    for left in ["journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(dir.join(".flagstaff").join(left));
    }
    fs::write(dir.join(".flagstaff/journal.db"), "no journal").unwrap();
    let found = examined(dir, &[], 5);
    found.is("journal", "file", "failed", "no SQLite database").leaves_out("journal", "chain");
}

#[test]
fn what_waits_beside_the_journal_is_told_and_stays_there() {
    let (folder, _page) = live();
    let dir = folder.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    ends(dir, &["freeze", "-e", "production", "--for", "4h"], 0);
    holder.execute_batch("ROLLBACK").unwrap();
    let before = content(dir);
    let found = examined(dir, &[], 0);
    found.is("spool", "waiting", "warning", "1 act waits").advises("spool", "waiting", "flagstaff run");
    assert_eq!(content(dir), before, "it was taken in");
    fs::write(dir.join(".flagstaff/spool/9.json"), "{").unwrap();
    let found = examined(dir, &[], 5);
    found.is("spool", "waiting", "failed", "cannot be read").is("journal", "chain", "ok", "");
}

#[test]
fn who_drives_is_told_and_that_nobody_does() {
    let (folder, _page) = live();
    let dir = folder.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    let found = examined(dir, &[], 0);
    found.is("driver", "driver", "warning", "nobody drives my-feature@production");
    found.advises("driver", "driver", "flagstaff run");
    let mut driver = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    let driver = driver.args(["run", "my-feature"]).current_dir(dir).env_remove("FLAGSTAFF_DIR");
    let mut driver = driver.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let journal = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    let count = "SELECT count(*) FROM drivers WHERE body LIKE '%my-feature@production%'";
    let driven = (0..80).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(250));
        journal.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap() > 0
    });
    let found = examined(dir, &[], 0);
    driver.kill().unwrap();
    driver.wait().unwrap();
    assert!(driven, "{:#}", found.answer);
    found.is("driver", "driver", "ok", "1 rollout under way, driven by run@");
    // who died drives no more once it should have been back; paused, its safeguards are still armed for those who have it
    ends(dir, &["pause", "my-feature"], 0);
    journal.execute("DELETE FROM drivers", []).unwrap();
    let found = examined(dir, &[], 0);
    found.is("driver", "driver", "warning", "nobody drives my-feature@production");
    ends(dir, &["abort", "my-feature"], 0);
    examined(dir, &[], 0).is("driver", "driver", "ok", "no rollout is under way");
}

#[test]
fn other_environments_are_left_out() {
    let (folder, _page) = live();
    let dir = folder.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "\n    production:\n",
        "\n    away: { backend: { flagd: { path: none/flags.json } }, match: { env: away } }\n    production:\n      match: \
         { env: production }\n",
    );
    ends(dir, &["start", "my-feature", "-e", "production", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    let everything = run(dir, &["doctor"]);
    assert_eq!(everything.code, 5, "{}", everything.both());
    // in the documents' order
    let at = |text: &str| everything.out.find(text).unwrap_or_else(|| panic!("no {text}: {}", everything.out));
    assert!(at("documents") < at("journal") && at("driver") < at("backend away"), "{}", everything.out);
    assert!(at("backend away") < at("backend production") && at("backend production") < at("source"));
    let found = examined(dir, &["-e", "production"], 0);
    found.leaves_out("backend away", "file").is("backend production", "file", "ok", "flags in it: 2");
    found.is("driver", "driver", "warning", "nobody drives");
    examined(dir, &["-e", "away"], 5).is("driver", "driver", "ok", "no rollout is under way");
}

#[test]
fn broken_documents_keep_nothing_else_from_being_looked_at() {
    let (folder, page) = live();
    let dir = folder.path();
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    fs::write(dir.join("flagstaff/releases.yaml"), "kind: [").unwrap();
    let found = examined(dir, &[], 3);
    found.is("documents", "findings", "failed", "1 error").advises("documents", "findings", "flagstaff validate");
    found.is("backend production", "flags", "ok", "").is("source app", "page", "ok", " series, read in ");
    // something that is worse than broken documents there is not; what is as bad is told beside it
    drop(page);
    examined(dir, &[], 3).is("source app", "page", "failed", "");

    // of one environment nothing can be told
    project(dir, &[], &[FLAG_FILE, "there: { backend: { flagd: {} }, match: { env: there } }"]);
    let found = examined(dir, &[], 3);
    found.is("backend here", "file", "ok", "none yet").is("backend there", "findings", "failed", "do not say where");

    // without the Project document only what was recorded is left
    fs::write(dir.join("flagstaff.yaml"), "kind: Project\nspec: [").unwrap();
    let found = examined(dir, &[], 3);
    found.is("journal", "chain", "ok", "").is("driver", "driver", "warning", "my-feature@production");
    found.leaves_out("backend", "file").leaves_out("source", "page");
}

#[test]
fn documents_with_warnings_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    project(dir, &[], &[FLAG_FILE]);
    fs::write(
        dir.join("unused.flagstaff.yaml"),
        "apiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: { name: unused }\nspec:\n  metrics: \
         { requests: { count: requests_total } }\n  healthy: [ \"requests > 0\" ]\n  safeguards: [ { name: few, when: \
         \"requests < 1\", for: 5m, then: pause } ]\n",
    )
    .unwrap();
    let validated = run(dir, &["validate"]);
    assert!(validated.code == 0 && validated.out.contains("1 warning"), "{}", validated.both());
    let found = examined(dir, &[], 0);
    found.is("documents", "findings", "warning", "0 errors, 1 warning").advises("documents", "findings", "validate");
}
