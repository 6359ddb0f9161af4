//! No rollout waits for a receiver, and none hears of what is wrong with one.

use std::fs;
use std::sync::atomic::Ordering;

use super::kit::{Receiver, done, page, telling, until_half};
use crate::serve::kit::{Serve, flagstaff, is_off, until, until_state};

#[test]
fn a_receiver_that_hangs_for_ever_delays_no_stop_and_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, hanging, working) = (page(), Receiver::answering(0), Receiver::answering(200));
    let more = format!("    works: {{ webhook: {{ url: \"{}\", secret_file: secret }} }}\n", working.url);
    telling(dir, &page, &hanging, &more);
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    until_half(dir, "r");
    until("it hangs", || (!hanging.came().is_empty()).then_some(()));
    page.failing.store(true, Ordering::SeqCst);
    until_state(dir, "r", "stopped");
    assert!(is_off(dir, "r"));
    assert_eq!(working.until_told("r@here stopped").len(), 4, "others are told meanwhile");
    let ready = serve.get("/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(serve.end("-TERM"), Some(0));
    // nor one pass, which says what it could not tell
    let once = flagstaff(dir, &["run", "--once"]);
    assert!(once.status.success(), "{once:?}");
    // what hung is told once it does not
    hanging.answer(200);
    let serve = Serve::start(dir, &[]);
    assert_eq!(hanging.until_told("r@here stopped").len(), 4);
    drop(serve);
}

#[test]
fn what_cannot_be_kept_is_said_and_harms_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    telling(dir, &page, &receiver, "");
    fs::create_dir_all(dir.join(".flagstaff/journal.db.notifications")).unwrap();
    let serve = Serve::start(dir, &[]);
    let line = serve.told("notifications");
    assert!(line["why"].as_str().unwrap().contains("journal.db.notifications"), "{line}");
    done(dir, &["start", "r", "-e", "here"]);
    until_half(dir, "r");
    page.failing.store(true, Ordering::SeqCst);
    until_state(dir, "r", "stopped");
    assert!(is_off(dir, "r"));
    let told = serve.log().into_iter().filter(|line| line["event"] == "notifications").count();
    assert_eq!(told, 1, "it is said once");
    assert!(receiver.came().is_empty());
    // it is tried again: what happens from now on is told
    fs::remove_dir(dir.join(".flagstaff/journal.db.notifications")).unwrap();
    until("it is said", || serve.log().into_iter().find(|line| line["what"] == "others are told again"));
    assert_eq!(serve.end("-TERM"), Some(0));
}

#[test]
fn a_slip_of_the_pen_loses_nothing_and_what_is_taken_out_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(503));
    telling(dir, &page, &receiver, "");
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    until_half(dir, "r");
    until("it is tried", || (!receiver.came().is_empty()).then_some(()));
    let written = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
    assert_eq!(serve.end("-TERM"), Some(0));
    fs::write(dir.join("flagstaff.yaml"), written.replace("pager:", "pagerr:").replace("secret_file", "secrit_file"))
        .unwrap();
    receiver.answer(200);
    done(dir, &["run", "--once"]);
    assert!(receiver.taken().is_empty(), "nobody knows what is meant");
    fs::write(dir.join("flagstaff.yaml"), &written).unwrap();
    done(dir, &["run", "--once"]);
    assert_eq!(receiver.taken().len(), 2, "it waited");
    receiver.answer(503);
    done(dir, &["pause", "r", "--reason", "x"]);
    let once = flagstaff(dir, &["run", "--once"]);
    assert!(once.status.success(), "{once:?}");
    let told = String::from_utf8_lossy(&once.stderr).into_owned();
    assert!(told.contains("not told to others: notification pager") && told.contains("status 503"), "{told}");
    // taken out, and put in again
    fs::write(dir.join("flagstaff.yaml"), written.replace("pager:", "other:")).unwrap();
    done(dir, &["run", "--once"]);
    fs::write(dir.join("flagstaff.yaml"), &written).unwrap();
    receiver.answer(200);
    done(dir, &["run", "--once"]);
    done(dir, &["resume", "r", "-e", "here", "--reason", "y"]);
    done(dir, &["run", "--once"]);
    assert_eq!(receiver.until_told("r@here resumed").len(), 3, "what waited then is not told any more");
}
