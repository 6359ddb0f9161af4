//! What people type, and what they are told.

use std::fs;
use std::path::Path;

use flagstaff::engine::{Span, Timestamp};

use super::desk::project;
use crate::cli::{ends, json, replace};

fn now() -> Timestamp {
    use flagstaff::clock::Clock as _;
    flagstaff::clock::SystemClock.now()
}

/// A minute of the day, so far from now.
fn clock(away: Span) -> String {
    now().plus(away).to_string()[11..16].to_owned()
}

/// A date with a time, so far from now, in UTC.
fn date(at: Timestamp) -> String {
    at.to_string()[..16].to_owned()
}

fn freezes() -> String {
    let (from, to) = (now().minus(Span::hours(2)), now().plus(Span::hours(2)));
    let later = now().plus(Span::hours(48));
    format!(
        "  freezes:\n    - {{ name: sale, from: \"{}\", to: \"{}\", zone: UTC, environments: [here], reason: black friday }}\n    \
         - {{ name: later, from: \"{}\", to: \"{}\", zone: UTC, releases: [q] }}",
        date(from),
        date(to),
        date(later),
        date(later.plus(Span::hours(1)))
    )
}

fn written(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("flagstaff.yaml"), text).unwrap();
    dir
}

#[test]
fn plan_shows_windows_and_what_is_waited_for_with_their_places() {
    let of_r = "window: [ \"Mon-Fri 09:00-16:00 Europe/Madrid\", \"Sun 22:00-24:00 UTC\" ], after: { release: q, reached: half }";
    let dir = written(&project("", of_r, ""));
    let told = ends(dir.path(), &["plan", "r"], 0).out;
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "rules grow it in Mon-Fri 09:00-16:00 Europe/Madrid, or in Sun 22:00-24:00 UTC",
        "after q@here at half",
        "windows flagstaff.yaml:36",
        "after[0] flagstaff.yaml:36",
    ] {
        assert!(flat.contains(line), "`{line}`: {told}");
    }
    let plan = json(dir.path(), &["plan", "r"], 0)["plans"][0]["plan"].clone();
    assert_eq!(plan["windows"][1]["days"], serde_json::json!(["sun"]));
    assert_eq!((plan["windows"][0]["from"].as_u64(), plan["windows"][0]["to"].as_u64()), (Some(540), Some(960)));
    ends(dir.path(), &["validate"], 0);
}

#[test]
fn freezes_by_date_are_listed_and_are_not_lifted() {
    let dir = written(&project(&freezes(), "", ""));
    let dir = dir.path();
    let told = ends(dir, &["freeze"], 0).out;
    assert!(told.contains("freeze-sale until ") && told.contains("(here; flagstaff.yaml:12): black friday"), "{told}");
    assert!(told.contains("freeze-later from "), "{told}");
    let rows = json(dir, &["freeze"], 0)["dated"].clone();
    assert_eq!((rows[0]["holds"].as_bool(), rows[1]["holds"].as_bool()), (Some(true), Some(false)));
    assert_eq!(rows[1]["releases"], serde_json::json!(["q"]));
    // nobody is asked for a key where nothing can be lifted
    replace(&dir.join("flagstaff.yaml"), "here.json } }", "here.json } }, protected: true");
    for args in [&["freeze", "--lift"][..], &["freeze", "-e", "here", "--lift"], &["freeze", "sale", "--lift"]] {
        let told = ends(dir, args, 1).err;
        assert!(told.contains("stands in flagstaff.yaml:12: change it there"), "{args:?}: {told}");
    }
    replace(&dir.join("flagstaff.yaml"), ", protected: true", "");
    // a typed one beside it is lifted, and what still holds is told
    ends(dir, &["freeze", "-e", "here", "--for", "1h"], 0);
    let told = ends(dir, &["freeze", "-e", "here", "--lift"], 0).out;
    assert!(told.contains("freeze-environment-here lifted") && told.contains("freeze-sale until"), "{told}");
    let told = ends(dir, &["status"], 0).out;
    assert!(told.contains("frozen: freeze-sale until") && !told.contains("freeze-later"), "{told}");
    assert_eq!(json(dir, &["status"], 0)["dated"][0]["place"], "flagstaff.yaml:12");
}

#[test]
fn what_cannot_be_read_of_freezes_is_told_by_the_list() {
    let dir = written(&project(&freezes().replace("zone: UTC, releases", "zone: UCT, releases"), "", ""));
    let told = ends(dir.path(), &["freeze"], 0);
    assert!(told.out.contains("freeze-sale"), "{}", told.out);
    assert!(told.err.contains("a freeze in the documents cannot be read (flagstaff.yaml:11)"), "{}", told.err);
    ends(dir.path(), &["validate"], 3);
}

/// The page that the example's metrics are read from.
fn served(dir: &Path, page: &crate::support::page::Page) {
    replace(&dir.join("flagstaff.yaml"), "http://127.0.0.1:1/metrics", &page.url);
    replace(
        &dir.join("flagstaff.yaml"),
        "http: prometheus",
        "http: { duration: http_request_duration_seconds, failed: 'code=\"500\"' }",
    );
}

#[test]
fn explain_says_what_holds_and_until_when() {
    let page = crate::support::page::Page::serve(&["r", "q"]);
    let window = format!("window: \"daily {}-{} UTC\"", clock(Span::hours(3)), clock(Span::hours(5)));
    let dir = written(&project(&freezes(), &format!("{window}, after: {{ release: q, completed: true }}"), ""));
    let dir = dir.path();
    served(dir, &page);
    let refused = ends(dir, &["start", "r"], 1).err;
    assert!(refused.contains("`freeze-sale`") && !refused.contains("freeze --lift"), "{refused}");
    ends(dir, &["start", "r", "--reason", "freeze-sale"], 0);
    let told = ends(dir, &["explain", "r"], 0).out;
    for line in [
        "held: freeze-sale until",
        "held: outside of the window `daily",
        "held: waits for q@here completed: it has not started",
    ] {
        assert!(told.contains(line), "`{line}`: {told}");
    }
    assert!(told.contains("it goes no further until a person acts"), "{told}");
    ends(dir, &["abort", "r"], 0);
}
