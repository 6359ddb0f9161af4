//! Signals on bad days: a flood, a locked journal, a backend that is gone, a process that dies, and people in between.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use flagstaff::control::store::{Batch, Store};
use flagstaff::engine::input::Signal;
use flagstaff::engine::plan::Action;
use flagstaff::engine::{Input, Phase, Timestamp};
use flagstaff::journal::sqlite::SqliteJournal;
use serde_json::json;

use super::kit::{Serve, flagstaff, is_off, status, until, until_state};
use super::signals::{alert, at_half, bearer, body};

#[test]
fn ten_thousand_signals_keep_no_tick_waiting_and_the_first_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let before = serve.metric("flagstaff_ticks_total").unwrap();
    let flood = |sender: usize, address: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
        let (name, token) = bearer();
        let mut requests = Vec::new();
        for number in 0..1250 {
            // half of them the same one, half of them each another one
            let since = if number % 2 == 0 { "t1".to_owned() } else { format!("{sender}-{number}") };
            let body = body(&[alert("r", &since, "firing")]);
            let close = if number == 1249 { "Connection: close\r\n" } else { "" };
            let head = format!("POST /signals/pager HTTP/1.1\r\nHost: x\r\n{close}Content-Length: {}\r\n", body.len());
            requests.extend(format!("{head}{name}: {token}\r\n\r\n{body}").into_bytes());
        }
        let mut read = stream.try_clone().unwrap();
        let answers = std::thread::spawn(move || {
            let mut answers = Vec::new();
            let _ = read.read_to_end(&mut answers);
            String::from_utf8_lossy(&answers).into_owned()
        });
        let _ = stream.write_all(&requests);
        answers.join().unwrap()
    };
    let answers: Vec<String> = std::thread::scope(|scope| {
        let (flood, address) = (&flood, serve.address.as_str());
        let senders: Vec<_> = (0..8).map(|sender| scope.spawn(move || flood(sender, address))).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    });
    let all = answers.concat();
    let count = |status: &str| all.matches(&format!("HTTP/1.1 {status}")).count();
    assert!(count("200") >= 1 && count("503") > 1000, "{} taken in, {} told to come again", count("200"), count("503"));
    assert_eq!(count("200") + count("503"), all.matches("HTTP/1.1 ").count(), "nothing else is answered");
    assert_eq!(status(dir, "r")["state"], "paused");
    assert_eq!(status(dir, "s")["state"], "running", "who is not named goes on");
    until("ticks go on", || (serve.metric("flagstaff_ticks_total").unwrap() > before + 4.0).then_some(()));
    let ready = serve.get("/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    assert!(!serve.log().iter().any(|line| line["event"] == "overdue"), "no tick was late");
    // what changes nothing is recorded so many times and no more
    let records = fs::metadata(dir.join(".flagstaff/journal.db")).unwrap().len();
    assert!(records < 20_000_000, "{records} bytes");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

#[test]
fn with_the_journal_locked_it_is_off_at_once_and_recorded_later() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let post = |signal: &str| {
        let body = body(&[alert("r", "t1", "firing")]);
        serve.post(&format!("/signals/{signal}"), &[bearer()], body.as_bytes())
    };
    let answer = post("halt");
    assert!(is_off(dir, "r"), "{answer:?}");
    let item = answer.json()["items"][0].clone();
    assert_eq!((answer.status, &item["result"], &item["recorded"]), (202, &json!("shut-down"), &json!("spool")));
    assert!(item["detail"].as_str().unwrap().contains("another process holds its lock"), "{item}");
    assert_eq!(post("halt").json()["items"][0]["result"], "known", "it waits beside the journal");
    // by a script too
    let script = flagstaff(dir, &["signal", "halt", "--release", "s"]);
    assert!(script.status.success() && is_off(dir, "flag-of-s"), "{script:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    for release in ["r", "s"] {
        until_state(dir, release, "stopped");
    }
    assert_eq!(post("halt").json()["items"][0]["result"], "known");
    let log = String::from_utf8(flagstaff(dir, &["audit", "log", "r"]).stdout).unwrap();
    assert!(log.contains("signal halt (alertmanager)"), "{log}");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

#[test]
fn a_backend_that_is_gone_is_told_and_tried_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let (file, aside) = (dir.join("flags.json"), dir.join("aside.json"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    let answer = serve.post("/signals/halt", &[bearer()], body(&[alert("r", "t1", "firing")]).as_bytes());
    let item = answer.json()["items"][0].clone();
    assert_eq!((answer.status, &item["result"], &item["recorded"]), (202, &json!("carrying-out"), &json!("journal")));
    assert!(item["detail"].as_str().unwrap().contains("keeps trying"), "{item}");
    assert_eq!(status(dir, "r")["state"], "stopping");
    assert_eq!(flagstaff(dir, &["signal", "halt", "--release", "s"]).status.code(), Some(5));
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    for (release, flag) in [("r", "r"), ("s", "flag-of-s")] {
        until_state(dir, release, "stopped");
        assert!(is_off(dir, flag));
    }
}

#[test]
fn what_neither_the_journal_nor_the_backend_takes_is_tried_until_it_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (file, aside) = (dir.join("flags.json"), dir.join("aside.json"));
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    let post = || serve.post("/signals/halt", &[bearer()], body(&[alert("r", "t1", "firing")]).as_bytes());
    let item = post().json()["items"][0].clone();
    assert_eq!((&item["result"], &item["recorded"]), (&json!("carrying-out"), &json!("spool")), "{item}");
    // longer than an effect is tried that whoever drives can read of
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(post().json()["items"][0]["result"], "known", "it is asked for once more, to no effect");
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    until("it is off, unrecorded as it is", || is_off(dir, "r").then_some(()));
    holder.execute_batch("ROLLBACK").unwrap();
    until_state(dir, "r", "stopped");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

#[test]
fn what_a_process_decided_before_it_died_is_carried_out_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    serve.signal("-KILL");
    drop(serve);
    // the intent as it is recorded, and nothing after it: there it died
    let journal = SqliteJournal::open(&dir.join(".flagstaff/journal.db")).unwrap();
    let mut store = Store::load(Box::new(journal)).unwrap();
    let at = Timestamp(now());
    let signal = Signal { name: "halt".to_owned(), at, then: Action::Shutdown, detail: String::new(), origin: None };
    let mut batch = Batch::default();
    store.fold(&mut batch, "r@here#1", at, Input::Signal(signal)).unwrap();
    store.commit(at, batch).unwrap();
    assert_eq!(store.rollout("r@here#1").unwrap().state.phase, Phase::Stopped);
    assert!(!is_off(dir, "r"));
    let serve = Serve::start(dir, &[]);
    until_state(dir, "r", "stopped");
    assert!(is_off(dir, "r"));
    assert_eq!(serve.end("-TERM"), Some(0));
}

#[test]
fn killed_at_any_moment_of_a_signal_it_is_off_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, mut serve) = at_half(dir);
    for moment in 0..6_u64 {
        let address = serve.address.clone();
        let (name, token) = bearer();
        let body = body(&[alert("r", "t1", "firing")]);
        let head = format!("POST /signals/halt HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{head}{name}: {token}\r\n\r\n{body}").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(moment * 3));
        serve.signal("-KILL");
        drop(serve);
        serve = Serve::start(dir, &[]);
    }
    // the sender comes again until it has an answer
    let answer = serve.post("/signals/halt", &[bearer()], body(&[alert("r", "t1", "firing")]).as_bytes());
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    until_state(dir, "r", "stopped");
    assert!(is_off(dir, "r") && !is_off(dir, "flag-of-s"));
    let log = String::from_utf8(flagstaff(dir, &["audit", "log", "r"]).stdout).unwrap();
    assert_eq!(log.matches("shut down").count(), 1, "once:\n{log}");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

#[test]
fn signals_and_people_at_once_end_in_a_state_that_the_record_explains() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    std::thread::scope(|scope| {
        for sender in 0..3 {
            let serve = &serve;
            scope.spawn(move || {
                for number in 0..6 {
                    let alerts = [alert("r", &format!("{sender}-{number}"), "firing")];
                    let answer = serve.post("/signals/pager", &[bearer()], body(&alerts).as_bytes());
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
        for _ in 0..4 {
            // refused where a signal came after what the person saw, and never half done
            let resume = flagstaff(dir, &["resume", "r", "-e", "here"]);
            assert!([Some(0), Some(1), Some(7)].contains(&resume.status.code()), "{resume:?}");
        }
    });
    let last = serve.post("/signals/pager", &[bearer()], body(&[alert("r", "last", "firing")]).as_bytes());
    assert_eq!(last.status, 200, "{last:?}");
    assert_eq!(status(dir, "r")["state"], "paused", "nobody resumed after the last one");
    assert_eq!(status(dir, "r")["stage"], "half");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

fn now() -> i64 {
    use flagstaff::clock::Clock as _;
    flagstaff::clock::SystemClock.now().0
}
