//! Each edge once and in order, whatever ends and whoever is away.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::engine::{Span, Timestamp};
use flagstaff::journal::Sequence;
use flagstaff::notify::{Notifier, Tell, Told};
use flagstaff::spec::notifications::Notifications;
use tokio::sync::watch;

use super::kit::{Delivery, Receiver, done, page, telling, until_half};
use crate::serve::kit::{Serve, flagstaff, until, until_state};

fn words(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(Delivery::told).collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.headers["webhook-id"].clone()).collect()
}

fn abort(dir: &Path, release: &str) {
    let output = flagstaff(dir, &["abort", release]);
    assert!(matches!(output.status.code(), Some(0 | 6)), "{output:?}");
}

const ALL: [&str; 6] =
    ["r@here started", "r@here advanced", "r@here paused", "r@here resumed", "r@here stopping", "r@here stopped"];

#[test]
fn nothing_is_lost_and_nothing_repeated_where_the_receiver_is_away_and_serve_dies() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(503));
    telling(dir, &page, &receiver, "");
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    until_half(dir, "r");
    until("it is tried again", || (receiver.came().len() >= 2).then_some(()));
    let lines: Vec<_> = serve.log().into_iter().filter(|line| line["event"] == "notification").collect();
    assert_eq!(lines.len(), 1, "a failure is told once: {lines:?}");
    assert_eq!((&lines[0]["why"], &lines[0]["result"]), (&"status 503".into(), &"tried-again".into()));
    serve.signal("-KILL");
    drop(serve);
    // while nobody drives
    done(dir, &["pause", "r", "--reason", "wait"]);
    let serve = Serve::start(dir, &[]);
    done(dir, &["resume", "r", "-e", "here", "--reason", "go on"]);
    receiver.answer(204);
    let told = receiver.until_told("r@here resumed");
    assert_eq!(told, ALL[..4], "in order");
    // what came before it was taken was the same, under the same id
    let (came, taken) = (receiver.came(), receiver.taken());
    let all: BTreeSet<String> = ids(&came).into_iter().collect();
    assert_eq!(all.len(), 4);
    assert_eq!(ids(&taken).len(), 4);
    for delivery in &came {
        let same = taken.iter().find(|taken| taken.headers["webhook-id"] == delivery.headers["webhook-id"]).unwrap();
        assert_eq!(same.body, delivery.body);
    }
    assert_eq!(serve.end("-TERM"), Some(0));
    abort(dir, "r");
    let serve = Serve::start(dir, &[]);
    assert_eq!(receiver.until_told("r@here stopped"), ALL);
    assert_eq!(serve.end("-TERM"), Some(0));
    // and whoever comes next has nothing to tell
    let serve = Serve::start(dir, &[]);
    until("it looked", || serve.metric("flagstaff_notifications_waiting{notification=\"pager\"}"));
    assert_eq!(serve.end("-INT"), Some(130));
    assert_eq!(words(&receiver.taken()), ALL);
}

#[test]
fn two_processes_tell_once_and_one_takes_over_from_one_that_died() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    telling(dir, &page, &receiver, "");
    let first = Serve::start(dir, &[]);
    let waiting = "flagstaff_notifications_waiting{notification=\"pager\"}";
    until("the first has it", || first.metric(waiting));
    let second = Serve::start(dir, &[]);
    for release in ["r", "s"] {
        done(dir, &["start", release, "-e", "here"]);
        until_half(dir, release);
    }
    until("both are told", || (receiver.taken().len() == 4).then_some(()));
    assert_eq!(second.metric(waiting), None, "it tells nobody");
    first.signal("-KILL");
    drop(first);
    abort(dir, "r");
    until_state(dir, "r", "stopped");
    until("the second takes over", || (receiver.taken().len() == 6).then_some(()));
    assert_eq!(second.end("-TERM"), Some(0));
    let mut told = words(&receiver.taken());
    assert_eq!(told[4..], ["r@here stopping", "r@here stopped"]);
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 6);
}

#[test]
fn one_pass_tells_at_its_end_and_who_is_new_begins_now() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    telling(dir, &page, &receiver, "");
    done(dir, &["start", "s", "-e", "here"]);
    let run = flagstaff(dir, &["run", "r", "--once"]);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(words(&receiver.taken()), ["r@here started"], "what was before is not told: {run:?}");
    abort(dir, "s");
    // another one is new now; the first goes on where it was
    let more = format!(
        "    new: {{ webhook: {{ url: \"{}/new\", secret_file: secret }}, environments: [here] }}\n",
        receiver.url
    );
    telling(dir, &page, &receiver, &more);
    done(dir, &["run", "--once"]);
    abort(dir, "r");
    done(dir, &["run", "--once"]);
    let at = |path: &str| -> Vec<String> {
        let there = receiver.taken().into_iter().filter(|delivery| delivery.path == path);
        there.map(|delivery| delivery.told()).collect()
    };
    assert_eq!(at("/new"), ["r@here stopping", "r@here stopped"]);
    let expected = ["r@here started", "s@here stopping", "s@here stopped", "r@here stopping", "r@here stopped"];
    assert_eq!(at("/pager"), expected);
}

#[test]
fn what_a_receiver_refuses_is_not_sent_again_and_no_redirect_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver, elsewhere) = (page(), Receiver::answering(400), Receiver::answering(200));
    telling(dir, &page, &receiver, "");
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    let refused = |count: f64| {
        let metric = "flagstaff_notifications_total{notification=\"pager\",result=\"refused\"}";
        until("it is refused", || serve.metric(metric).filter(|found| *found == count))
    };
    until_half(dir, "r");
    refused(2.0);
    receiver.with_headers(&format!("location: {}/\r\n", elsewhere.url));
    receiver.answer(307);
    done(dir, &["pause", "r", "--reason", "x"]);
    refused(3.0);
    receiver.answer(429);
    receiver.with_headers("retry-after: 0\r\n");
    done(dir, &["resume", "r", "-e", "here", "--reason", "y"]);
    until("it waits", || {
        let waits = serve.metric("flagstaff_notifications_waiting{notification=\"pager\"}");
        (waits == Some(1.0) && receiver.came().iter().any(|delivery| delivery.answered == 429)).then_some(())
    });
    receiver.answer(200);
    assert_eq!(receiver.until_told("r@here resumed"), ["r@here resumed"]);
    assert!(elsewhere.came().is_empty());
    let all = ids(&receiver.came());
    assert_eq!(all[..3].iter().collect::<BTreeSet<_>>().len(), 3, "each refused one came once");
    let lines = serve.log().into_iter().filter(|line| line["result"] == "refused");
    let why: Vec<String> = lines.map(|line| line["why"].as_str().unwrap().to_owned()).collect();
    assert_eq!(why, ["status 400", "status 400", "status 307: no redirect is followed"]);
}

/// The machine's clock, a day and an hour ahead.
struct Ahead;

const AHEAD: Span = Span::hours(25);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(AHEAD)
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move { SystemClock.sleep_until(instant.minus(AHEAD)).await })
    }
}

#[test]
fn what_fails_for_a_day_is_given_up_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(503));
    telling(dir, &page, &receiver, "");
    let run = flagstaff(dir, &["run", "r", "--once"]);
    assert!(run.status.success(), "{run:?}");
    done(dir, &["pause", "r", "--reason", "x"]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let tell: Tell = Box::new(move |told| match told {
        Told::GaveUp(name, count, why) => heard.lock().unwrap().push(format!("{name} {count} {why}")),
        Told::Waiting(waiting) => heard.lock().unwrap().push(format!("{waiting:?}")),
        _ => {}
    });
    let loaded = flagstaff::spec::load(dir);
    let (_, declared) = watch::channel(Notifications::of(&loaded).unwrap());
    let journal = dir.join(".flagstaff/journal.db");
    let notifier = Notifier::new(dir, &journal, Sequence(0), declared, Arc::new(Ahead), tell);
    let (leave, leaving) = watch::channel(None);
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(notifier.run(leaving));
    });
    // both of them by one attempt: there is no point in trying each
    until("both are given up", || {
        let told = told.lock().unwrap().clone();
        let given_up = told.iter().any(|line| line == "pager 2 older than 1d: status 503");
        (given_up && told.last().is_some_and(|line| line == "{\"pager\": 0}")).then_some(())
    });
    drop(leave);
    assert!(receiver.taken().is_empty());
}

#[test]
fn what_was_delivered_and_cannot_be_kept_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(503));
    telling(dir, &page, &receiver, "");
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    until("it is tried", || (!receiver.came().is_empty()).then_some(()));
    let holder = rusqlite::Connection::open(dir.join(".flagstaff/journal.db.notifications")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    receiver.answer(200);
    until("it is said", || serve.log().into_iter().find(|line| line["event"] == "notifications"));
    until("it is tried to keep it", || (receiver.taken().len() == 1).then_some(()));
    // meanwhile rollouts go on
    until_half(dir, "r");
    abort(dir, "r");
    until_state(dir, "r", "stopped");
    assert_eq!(words(&receiver.taken()), ["r@here started"]);
    holder.execute_batch("ROLLBACK").unwrap();
    let told = receiver.until_told("r@here stopped");
    assert!(told.starts_with(&["r@here started".to_owned(), "r@here advanced".to_owned()]), "{told:?}");
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}");
}

#[test]
fn another_journal_begins_anew_and_a_restored_one_does_not_repeat_ids() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    telling(dir, &page, &receiver, "");
    let journal = dir.join(".flagstaff/journal.db");
    done(dir, &["run", "q"]);
    let before = receiver.taken().len();
    assert_eq!(words(&receiver.taken()), ["q@here started", "q@here completed"]);
    for more in ["", "-wal", "-shm"] {
        let _ = fs::copy(format!("{}{more}", journal.display()), dir.join(format!("copy{more}")));
    }
    done(dir, &["run", "r", "--once"]);
    abort(dir, "r");
    done(dir, &["run", "--once"]);
    assert_eq!(receiver.taken().len(), before + 3);
    // an older copy in its place goes on with the same numbers
    for more in ["", "-wal", "-shm"] {
        let place = format!("{}{more}", journal.display());
        let _ = fs::remove_file(&place);
        let _ = fs::copy(dir.join(format!("copy{more}")), &place);
    }
    let serve = Serve::start(dir, &[]);
    let line = serve.told("notifications");
    assert!(line["why"].as_str().unwrap().contains("another journal"), "{line}");
    done(dir, &["start", "s", "-e", "here"]);
    receiver.until_told("s@here started");
    assert_eq!(serve.end("-TERM"), Some(0));
    let all = ids(&receiver.taken());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}
