//! A journal that takes long to read: what the documents name is stopped meanwhile, and what only the journal knows is
//! stopped all the same. A stop that had nowhere to go is no success.

use std::fs;
use std::path::Path;

use crate::changed::lengthen;
use crate::cli::{Answer, ends, run};
use crate::stops::{HERE, is_off, project, started};
use crate::support::page::Page;

const ELSEWHERE: &str = "    elsewhere: { backend: { flagd: { path: elsewhere.json } } }";

/// A rollout in `here`, and a journal that is still being read when a stop begins.
fn slow() -> (tempfile::TempDir, Page) {
    let (dir, page) = started();
    lengthen(dir.path(), 25_000);
    (dir, page)
}

/// A stop of a journal that really was slow.
fn stops(dir: &Path, args: &[&str], code: i32) -> Answer {
    let answer = ends(dir, args, code);
    assert!(answer.err.contains("takes long to read"), "{}", answer.both());
    answer
}

fn nothing_waits(dir: &Path) {
    let waiting = fs::read_dir(dir.join(".flagstaff/spool")).into_iter().flatten().count();
    assert_eq!(waiting, 0, "what is in the journal waits beside it, too");
}

#[test]
fn a_broken_project_document_and_a_slow_journal_keep_nobody_from_switching_off() {
    let (dir, _page) = slow();
    let dir = dir.path();
    fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap();
    let answer = stops(dir, &["abort", "r", "--timeout", "2m"], 0);
    assert!(answer.out.contains("r@here") && answer.out.contains("OFF  (was 10%)"), "{}", answer.both());
    assert!(is_off(dir, "here.json"));
}

#[test]
fn an_environment_that_only_a_slow_journal_knows_is_stopped() {
    let (dir, page) = slow();
    let dir = dir.path();
    project(dir, &page, ELSEWHERE);
    let answer = stops(dir, &["pause", "r"], 0);
    assert!(answer.out.contains("r@here") && answer.out.contains("still ON for 10%"), "{}", answer.both());
    assert!(!answer.out.contains("elsewhere"), "{}", answer.both());
    ends(dir, &["status", "r"], 7);
    nothing_waits(dir);
    let answer = stops(dir, &["abort", "r", "--timeout", "2m"], 0);
    assert!(answer.out.contains("r@here") && answer.out.contains("OFF  (was 10%)"), "{}", answer.both());
    assert!(is_off(dir, "here.json"));
    ends(dir, &["status", "r"], 6);
    nothing_waits(dir);
}

#[test]
fn abort_all_stops_what_only_a_slow_journal_knows() {
    let (dir, page) = slow();
    let dir = dir.path();
    project(dir, &page, ELSEWHERE);
    let answer = ends(dir, &["abort", "--all", "--timeout", "2m"], 0);
    assert!(answer.out.contains("r@here") && is_off(dir, "here.json"), "{}", answer.both());
    assert!(ends(dir, &["abort", "--all", "--timeout", "2m"], 0).err.contains("nothing is in progress"));
}

#[test]
fn a_stop_in_a_slow_journal_is_recorded_once() {
    let (dir, _page) = slow();
    let dir = dir.path();
    stops(dir, &["pause", "r", "-e", "here"], 0);
    // it did not wait, and is taken in by whoever comes next
    ends(dir, &["status", "r"], 7);
    stops(dir, &["abort", "r", "--timeout", "2m"], 0);
    nothing_waits(dir);
    let log = run(dir, &["audit", "log", "r"]).out;
    assert_eq!(log.matches("shut down: by").count(), 1);
    ends(dir, &["audit", "replay"], 0);
}

#[test]
fn without_the_project_document_a_journal_that_knows_nothing_is_no_ground_to_say_done() {
    let (dir, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    let dir = dir.path();
    project(dir, &page, HERE);
    ends(dir, &["freeze", "-e", "here", "--for", "1h"], 0);
    fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap();
    for args in [&["abort", "r"][..], &["abort", "--all"], &["pause", "r"], &["abort", "r", "-e", "here"]] {
        let answer = ends(dir, args, 3);
        assert!(answer.err.contains("NOTHING WAS STOPPED"), "{args:?}: {}", answer.both());
        assert!(answer.err.contains("at the flag backend"), "{args:?}: {}", answer.both());
    }
}

#[test]
fn an_environment_whose_backend_cannot_be_read_is_not_off() {
    let (dir, page) = started();
    let dir = dir.path();
    let broken = "    there: { backend: { flagdd: { path: there.json } } }";
    project(dir, &page, &format!("{HERE}\n{broken}"));
    let answer = ends(dir, &["abort", "r"], 5);
    assert!(answer.out.contains("r@here  OFF") && answer.out.contains("r@there  NOT OFF"), "{}", answer.both());
    assert!(answer.both().contains("flagstaff validate") && is_off(dir, "here.json"), "{}", answer.both());
    assert!(ends(dir, &["abort", "r", "-e", "there"], 5).out.contains("r@there  NOT OFF"));
    // where a plan says where it lives, that is where it goes
    project(dir, &page, "    here: { backend: { flagdd: { path: here.json } } }");
    ends(dir, &["abort", "r"], 0);
}

#[test]
fn what_the_journal_knows_is_switched_off_without_a_look() {
    let (dir, _page) = started();
    let answer = ends(dir.path(), &["abort", "r", "-v"], 0);
    let off = answer.err.find("switched r off").expect(&answer.err);
    let before = &answer.err[..off];
    assert!(!before.contains("read r"), "{}", answer.err);
    assert!(answer.out.contains("was 10%"), "{}", answer.out);
}

#[test]
fn a_journal_that_does_not_come_in_time_is_told_and_what_waits_is_taken_in() {
    let (dir, _page) = slow();
    let dir = dir.path();
    let answer = stops(dir, &["abort", "r", "--timeout", "100ms"], 0);
    assert!(answer.out.contains("OFF  (was 10%)") && is_off(dir, "here.json"), "{}", answer.both());
    assert!(answer.err.contains("was not read in time"), "{}", answer.both());
    assert!(answer.both().contains("kept beside it"), "{}", answer.both());
    ends(dir, &["status", "r"], 6);
    nothing_waits(dir);
    // neither documents nor journal say where it is
    fs::write(dir.join("flagstaff.yaml"), "kind: [").unwrap();
    for args in [["abort", "r", "--timeout", "100ms"], ["abort", "--all", "--timeout", "100ms"]] {
        let answer = ends(dir, &args, 5);
        assert!(answer.err.contains("NOTHING WAS STOPPED"), "{args:?}: {}", answer.both());
    }
}
