//! What waits beside the journal: whoever could write there must not be able to do more than stop.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use flagstaff::control::record::Freeze;
use flagstaff::control::spooled::{SpooledAct, SpooledStop, SpooledTicks};
use flagstaff::engine::input::{Actor, Gates, Issued, Observation, Tick};
use flagstaff::engine::{Command, Decimal, Reading, Span, Timestamp};
use flagstaff::journal::spool::{Spool, Spooled};
use serde_json::json;

use crate::cli::{Page, ends, json, live, run};

const ROLLOUT: &str = "my-feature@production#1";

fn started() -> (tempfile::TempDir, Page) {
    let (dir, page) = live();
    ends(dir.path(), &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    (dir, page)
}

fn now() -> Timestamp {
    use flagstaff::clock::{Clock as _, SystemClock};
    SystemClock.now()
}

fn put(dir: &Path, id: &str, act: &SpooledAct) -> PathBuf {
    let spool = Spool::beside(&dir.join(".flagstaff/journal.db"));
    spool.put(&Spooled { id: id.to_owned(), at: now(), body: serde_json::to_value(act).unwrap() }).unwrap()
}

fn somebody() -> Actor {
    Actor { name: "mallory".to_owned(), known_by: "--as".to_owned() }
}

fn stop(rollout: &str, command: Command) -> SpooledAct {
    let (actor, at, backend) = (somebody(), now(), Observation::NotRead);
    let issued = Issued { command, actor, at, reason: None, saw: None, holds: Vec::new(), backend };
    let flag = rollout.split('@').next().unwrap().to_owned();
    let rollout = Some(rollout.to_owned());
    SpooledAct::Stop(Box::new(SpooledStop { rollout, flag, environment: "production".to_owned(), issued }))
}

/// What can grow ends with 5 and names the file; what stops goes on.
fn held(dir: &Path, path: &Path, why: &str) {
    let sure = ["--reason", "x", "--confirm", "my-feature"];
    let refused = ends(dir, &[&["force", "my-feature", "--to", "everyone"][..], &sure].concat(), 5).err;
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(refused.contains(&*name) && refused.contains(why), "{refused}");
    let driven = run(dir, &["run", "my-feature", "--once"]);
    assert_eq!(driven.code, 5, "{}", driven.both());
    ends(dir, &["pause", "my-feature", "--reason", "while it waits"], 0);
    assert!(ends(dir, &["doctor"], 5).both().contains(why));
    assert_eq!(json(dir, &["status"], 0)["spooled"], 1);
}

#[test]
fn what_waits_lifts_no_freeze_and_issues_no_command_but_stops() {
    let (dir, _page) = started();
    let dir = dir.path();
    ends(dir, &["freeze", "-e", "production", "--for", "4h"], 0);
    let lift = Freeze {
        name: "freeze-environment-production".to_owned(),
        environment: Some("production".to_owned()),
        release: None,
        until: Timestamp(0),
        at: now(),
        by: somebody(),
        reason: None,
        spooled: None,
    };
    let mute = Command::Mute { rule: "errors".to_owned(), until: now().plus(Span::hours(9)) };
    for (act, why) in [
        (SpooledAct::Freeze(lift), "lifts a freeze"),
        (stop(ROLLOUT, mute), "asks for `mute`"),
        (stop(ROLLOUT, Command::Resume), "asks for `resume`"),
        (stop(ROLLOUT, Command::Force { stage: 1 }), "asks for `force`"),
    ] {
        let path = put(dir, "forged", &act);
        held(dir, &path, why);
        assert!(ends(dir, &["freeze"], 0).out.contains("freeze-environment-production until"));
        fs::remove_file(path).unwrap();
    }
    let explained = ends(dir, &["explain", "my-feature"], 0).out;
    assert!(explained.contains("paused"), "{explained}");
    assert!(!ends(dir, &["audit", "log"], 0).out.contains("mallory"));
}

#[test]
fn what_is_refused_keeps_no_other_stop_from_being_taken_in() {
    let (dir, _page) = started();
    let dir = dir.path();
    let forged = put(dir, "a-forged", &stop(ROLLOUT, Command::Resume));
    let paused = put(dir, "b-stop", &stop(ROLLOUT, Command::Pause));
    ends(dir, &["status", "my-feature"], 7);
    assert!(forged.exists() && !paused.exists());
}

#[test]
fn ticks_that_wait_stop_or_do_nothing() {
    let (dir, _page) = started();
    let dir = dir.path();
    let before = json(dir, &["status"], 0)["rollouts"][0].clone();
    let value = |per_mille| Reading::Value(Decimal::new(per_mille, -3));
    let series = 2;
    let ticks = |count: i64, reading: Reading| {
        let first = now().floor_to(Span::seconds(5)).plus(Span::seconds(5)).0;
        let tick = |index: i64| {
            // some that came after the start, and are past by the time they are told
            let at = Timestamp(first + index * 5000);
            let readings = vec![reading.clone(); series];
            Tick { at, evaluated: at, present: true, readings, gates: Gates::default() }
        };
        SpooledAct::Ticks(SpooledTicks { rollout: ROLLOUT.to_owned(), ticks: (0..count).map(tick).collect() })
    };
    let ahead = put(dir, "ahead", &ticks(2000, value(1)));
    held(dir, &ahead, "yet to come");
    fs::remove_file(ahead).unwrap();

    let healthy = ticks(2, value(1));
    let breach = ticks(3, value(500));
    std::thread::sleep(std::time::Duration::from_secs(16));
    let path = put(dir, "healthy", &healthy);
    let after = json(dir, &["status"], 0)["rollouts"][0].clone();
    assert!(!path.exists(), "it was not taken in");
    assert_eq!((&after["baked"], &after["stage"]), (&before["baked"], &before["stage"]));
    put(dir, "breach", &breach);
    let after = json(dir, &["status"], 0)["rollouts"][0].clone();
    assert!(
        after["causes"].as_array().unwrap().iter().any(|cause| cause == "rule errors" || cause == "errors"),
        "{after:#}"
    );
    ends(dir, &["audit", "replay"], 0);
    ends(dir, &["audit", "verify"], 0);
}

#[test]
fn only_files_and_folders_that_nobody_else_can_write_are_taken_in() {
    let (dir, _page) = started();
    let dir = dir.path();
    let path = put(dir, "stop", &stop(ROLLOUT, Command::Abort));
    let folder = path.parent().unwrap().to_owned();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
    let set = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    set(&path, 0o666);
    held(dir, &path, "others can write it");
    set(&path, 0o600);
    set(&folder, 0o777);
    held(dir, &folder, "others can write it");
    set(&folder, 0o700);
    // a link leads to what somebody else may change
    let elsewhere = dir.join("elsewhere.txt");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    held(dir, &path, "no regular file");
    fs::remove_file(&path).unwrap();
    // a pipe never ends
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    held(dir, &path, "no regular file");
    fs::remove_file(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    // only root can give a file away
    if chown(&path, Some(12345), None).is_ok() {
        held(dir, &path, "it belongs to user 12345");
        chown(&path, Some(0), None).unwrap();
        chown(&folder, Some(12345), None).unwrap();
        held(dir, &folder, "it belongs to user 12345");
        // in a sticky folder of root's, whose a file is tells who put it there
        chown(&folder, Some(0), None).unwrap();
        set(&folder, 0o1777);
    }
    ends(dir, &["status", "my-feature"], 6);
    assert!(!path.exists(), "it was not taken in");
}

#[test]
fn a_folder_that_is_not_ours_is_not_written_and_an_open_one_of_ours_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::beside(&dir.path().join("journal.db"));
    let folder = spool.folders()[0].clone();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    // empty, it says nothing
    assert!(spool.pending().unwrap().is_empty());
    let record = Spooled { id: "one".to_owned(), at: Timestamp(1), body: json!({}) };
    assert!(spool.put(&record).unwrap().starts_with(&folder));
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o7777, 0o700);
    if chown(&folder, Some(12345), None).is_ok() {
        let path = spool.put(&record).unwrap();
        assert!(path.starts_with("/var/tmp"), "{}", path.display());
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}

#[test]
fn a_stop_for_an_unknown_rollout_is_kept_and_told() {
    let (dir, _page) = started();
    let dir = dir.path();
    let path = put(dir, "stop", &stop("other@production#7", Command::Pause));
    let told = ends(dir, &["status"], 0).err;
    assert!(told.contains("does not know") && told.contains(".orphan"), "{told}");
    let orphan = path.with_extension("orphan");
    assert!(orphan.exists() && !path.exists());
    // and again, until somebody has looked
    assert!(ends(dir, &["status"], 0).err.contains("look at it, and remove it"));
    let listed = json(dir, &["status"], 0)["orphans"].clone();
    assert!(listed[0].as_str().unwrap().ends_with(".orphan"), "{listed}");
    let doctor = run(dir, &["doctor"]).both();
    assert!(doctor.contains("orphans") && doctor.contains("no rollout"), "{doctor}");
    fs::remove_file(orphan).unwrap();
    assert!(!ends(dir, &["status"], 0).err.contains("remove it"));
}
