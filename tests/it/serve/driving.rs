//! Driving, being asked how it is, and ending.

use std::sync::atomic::Ordering;

use super::kit::{FLAG_FILE, FLAGS, Serve, flagstaff, is_off, project, status, until, until_state};
use crate::support::page::Page;

#[test]
fn it_drives_what_others_start_later_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(FLAGS);
    project(folder.path(), &page, FLAG_FILE, "");
    let serve = Serve::start(folder.path(), &[]);
    assert_eq!((serve.get("/healthz").status, serve.get("/nothing").status), (200, 404));
    assert_eq!(serve.post("/readyz", &[], b"{}").status, 405, "nothing is taken in where nothing is declared");
    until("nothing to drive is ready, too", || (serve.get("/readyz").status == 200).then_some(()));
    for release in ["r", "s"] {
        let start = flagstaff(folder.path(), &["start", release, "-e", "here"]);
        assert!(start.status.success(), "{start:?}");
    }
    until("both reached half", || {
        let at = |release| status(folder.path(), release)["stage"] == "half";
        (at("r") && at("s")).then_some(())
    });
    assert_eq!(serve.metric("flagstaff_rollouts{state=\"running\"}"), Some(2.0));
    assert!(serve.metric("flagstaff_ticks_total").unwrap() >= 4.0);
    assert!(serve.metric("flagstaff_decisions_total{decision=\"advance\",by=\"rule\"}").unwrap() >= 2.0);
    assert_eq!(serve.metric("flagstaff_ready"), Some(1.0));
    assert!(serve.log().iter().any(|line| line["event"] == "step" && line["rollout"] == "s@here"), "{:?}", serve.log());
    let told = flagstaff(folder.path(), &["status"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("serve@"), "who drives is said: {told:?}");
    // a breach is acted on like by `run`
    page.failing.store(true, Ordering::SeqCst);
    until_state(folder.path(), "r", "stopped");
    until_state(folder.path(), "s", "stopped");
    assert!(is_off(folder.path(), "r") && is_off(folder.path(), "flag-of-s"));
    assert_eq!(serve.end("-TERM"), Some(0));
    let told = flagstaff(folder.path(), &["status"]);
    assert!(!String::from_utf8_lossy(&told.stdout).contains("serve@"), "nobody drives any more: {told:?}");
    assert!(flagstaff(folder.path(), &["audit", "replay"]).status.success());
}

#[test]
fn it_works_beside_a_run_and_an_interrupt_is_130() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(FLAGS);
    project(folder.path(), &page, FLAG_FILE, "");
    assert!(flagstaff(folder.path(), &["start", "r", "-e", "here"]).status.success());
    let serve = Serve::start(folder.path(), &[]);
    // both of them may advance it: one does
    let run = flagstaff(folder.path(), &["run", "r", "--once"]);
    assert!(run.status.success(), "{run:?}");
    until("half", || (status(folder.path(), "r")["stage"] == "half").then_some(()));
    assert_eq!(serve.end("-INT"), Some(130));
    let replay = flagstaff(folder.path(), &["audit", "replay"]);
    assert!(replay.status.success(), "{replay:?}");
    let log = String::from_utf8(flagstaff(folder.path(), &["audit", "log", "r"]).stdout).unwrap();
    assert_eq!(log.matches("half is effective").count(), 1, "it grew once:\n{log}");
}

#[test]
fn a_locked_journal_is_no_ready_one_and_stops_are_sent_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(FLAGS);
    project(folder.path(), &page, FLAG_FILE, "");
    let serve = Serve::start(folder.path(), &[]);
    assert!(flagstaff(folder.path(), &["start", "r", "-e", "here"]).status.success());
    until("half", || (status(folder.path(), "r")["stage"] == "half").then_some(()));
    let holder = rusqlite::Connection::open(folder.path().join(".flagstaff/journal.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    page.failing.store(true, Ordering::SeqCst);
    let told = until("it is not ready", || {
        let ready = serve.get("/readyz");
        (ready.status == 503 && ready.body.contains("the journal: ")).then_some(ready.body)
    });
    assert!(told.contains("another process holds its lock"), "{told}");
    assert_eq!(serve.get("/healthz").status, 200, "it lives");
    until("the breach is acted on", || is_off(folder.path(), "r").then_some(()));
    assert!(serve.metric("flagstaff_passes_total{result=\"failed\"}").unwrap() >= 1.0);
    holder.execute_batch("ROLLBACK").unwrap();
    until_state(folder.path(), "r", "stopped");
    until("it is ready again", || (serve.get("/readyz").status == 200).then_some(()));
    assert_eq!(serve.told("journal")["level"], "error");
    assert_eq!(serve.end("-TERM"), Some(0));
}

#[test]
fn an_address_that_is_taken_is_said_and_nothing_is_driven() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page, FLAG_FILE, "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let second = flagstaff(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("--listen"), "{second:?}");
}
