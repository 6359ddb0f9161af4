//! Windows, freezes by date and releases that wait for others: what they hold, and what they never hold.

mod desk;
mod typed;

use flagstaff::control::ControlError;
use flagstaff::control::replay::replay;
use flagstaff::engine::input::HoldKind;
use flagstaff::engine::{Command, Span};
use flagstaff::journal::Sequence;

use desk::{Desk, EVERY, at, project};

const MORNING: &str = r#"window: "daily 09:00-10:00 Europe/Madrid""#;

fn refused(done: Result<flagstaff::control::CommandReport, ControlError>) -> String {
    match done.expect_err("it is refused") {
        ControlError::Refused(refusal) => refusal.reason,
        other => other.to_string(),
    }
}

#[tokio::test]
async fn rules_grow_within_the_window_alone() {
    // clocks go on at 01:00Z: 09:00 in Madrid is 08:00Z on the 28th and 07:00Z on the 29th
    let mut desk = Desk::open(&project("", MORNING, ""), "2026-03-29T06:00:00Z");
    desk.start("r", None).await.expect("a window holds no person");
    desk.ticks_to("2026-03-29T06:30:00Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.served("r")), ("tenth", 10));
    let (kind, why) = desk.held("r").remove(0);
    assert_eq!(kind, HoldKind::Window);
    assert_eq!(why, "outside of the window `daily 09:00-10:00 Europe/Madrid`, open next at 2026-03-29T07:00:00.000Z");
    assert_eq!(desk.earliest("r").as_deref(), Some("2026-03-29T07:00:05"));
    desk.ticks_to("2026-03-29T06:59:30Z").await;
    // asked 5 s late, at 06:59:59.999Z by no means in the window
    assert_eq!(desk.stage("r"), "tenth");
    desk.ticks_to("2026-03-29T07:00:00Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.served("r")), ("half", 50), "the bake was earned meanwhile");
    desk.ticks_to("2026-03-29T07:30:00Z").await;
    assert_eq!(desk.stage("r"), "completed");
    let records = desk.site.store.journal().load(Sequence(0), 10_000).unwrap();
    replay(&records).expect("what the window said is recorded");
}

#[tokio::test]
async fn a_tick_that_is_asked_once_the_window_is_over_grows_nothing() {
    let mut desk = Desk::open(&project("", MORNING, ""), "2026-07-01T07:00:00Z");
    desk.start("r", None).await.unwrap();
    // nobody drives until the last tick of the window is judged after its end
    desk.set(at("2026-07-01T08:00:02Z"));
    desk.pass().await;
    assert_eq!(desk.state("r").last_tick, Some(at("2026-07-01T07:59:30Z")));
    assert_eq!(desk.stage("r"), "tenth");
    assert!(desk.held("r")[0].1.ends_with("open next at 2026-07-02T07:00:00.000Z"), "{:?}", desk.held("r"));
    assert_eq!(desk.earliest("r").as_deref(), Some("2026-07-02T07:00:05"));
}

#[tokio::test]
async fn the_earliest_step_is_within_the_window() {
    let mut desk = Desk::open(&project("", MORNING, ""), "2026-07-01T07:58:30Z");
    desk.start("r", None).await.unwrap();
    desk.ticks_to("2026-07-01T07:59:00Z").await;
    assert!(desk.held("r").is_empty(), "it is open, and is over before the bake is");
    assert_eq!(desk.earliest("r").as_deref(), Some("2026-07-02T07:00:05"));
}

#[tokio::test]
async fn no_window_delays_a_stop() {
    let mut desk = Desk::open(&project("", MORNING, ""), "2026-07-01T00:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.ticks_to("2026-07-01T00:05:00Z").await;
    desk.fail();
    desk.ticks_to("2026-07-01T00:05:30Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.served("r")), ("stopped", 0));
}

#[tokio::test]
async fn windows_hold_no_person_but_an_approval() {
    let documents = project("", MORNING, "").replace("50%, bake: 1m", "50%, bake: 1m, approval: { count: 1 }");
    let mut desk = Desk::open(&documents, "2026-07-01T03:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.command("r", Command::Pause, None).await.unwrap();
    desk.command("r", Command::Resume, None).await.unwrap();
    desk.command("r", Command::Force { stage: 1 }, None).await.unwrap();
    assert_eq!((desk.stage("r").as_str(), desk.served("r")), ("half", 50));
    desk.ticks_to("2026-07-01T03:10:00Z").await;
    let why = refused(desk.command("r", Command::Approve, None).await);
    assert!(why.contains("something else is still missing"), "{why}");
    desk.set(at("2026-07-01T07:58:30Z"));
    desk.ticks_to("2026-07-01T07:59:30Z").await;
    // the last tick lacked nothing else, and the window is over since
    desk.set(at("2026-07-01T08:00:01Z"));
    let why = refused(desk.command("r", Command::Approve, None).await);
    assert!(why.contains("growth is held since the last tick: outside of the window"), "{why}");
    desk.set(at("2026-07-02T07:09:30Z"));
    desk.ticks_to("2026-07-02T07:10:00Z").await;
    desk.command("r", Command::Approve, None).await.unwrap();
    desk.ticks_to("2026-07-02T07:10:30Z").await;
    assert_eq!(desk.stage("r"), "everyone");
}

#[tokio::test]
async fn another_window_in_the_documents_moves_no_rollout_that_runs() {
    let mut desk = Desk::open(&project("", MORNING, ""), "2026-07-01T03:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.ticks_to("2026-07-01T03:01:00Z").await;
    desk.write(&project("", r#"window: "daily 00:00-24:00 UTC""#, ""));
    desk.ticks_to("2026-07-01T03:10:00Z").await;
    assert_eq!(desk.stage("r"), "tenth");
    assert_eq!(desk.held("r")[0].0, HoldKind::Window);
    let resolved = desk.site.loaded.plan("r", "here").unwrap_or_else(|_| panic!("a plan"));
    let adopt = Command::Adopt { plan: Box::new(resolved.plan), hash: resolved.hash };
    desk.command("r", adopt, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:15:00Z").await;
    assert_ne!(desk.stage("r"), "tenth", "an adopted one counts");
}

fn christmas(more: &str) -> String {
    format!(
        "  freezes: [ {{ name: christmas, from: \"2026-12-24T18:00\", to: \"2026-12-26\", zone: Europe/Madrid{more} }} ]"
    )
}

#[tokio::test]
async fn a_freeze_by_date_holds_from_its_first_to_its_last_instant() {
    let mut desk = Desk::open(&project(&christmas(""), "", ""), "2026-12-24T16:59:00Z");
    desk.start("r", None).await.expect("it is not frozen yet");
    // the bake would be over while it is frozen
    assert_eq!(desk.earliest("r").as_deref(), Some("2026-12-26T23:00:05"));
    desk.ticks_to("2026-12-24T17:05:00Z").await;
    assert_eq!(desk.stage("r"), "tenth");
    assert_eq!(
        desk.held("r"),
        [(HoldKind::Freeze, "freeze-christmas until 2026-12-26T23:00:00.000Z (flagstaff.yaml:11)".to_owned())]
    );
    let why = refused(desk.start("q", Some("because")).await);
    assert!(why.contains("a reason that names `freeze-christmas` goes past it"), "{why}");
    let why = desk.start("q", None).await.expect_err("frozen");
    assert!(matches!(&why, ControlError::Refused(refusal) if refusal.instead.is_none()), "nobody can lift it: {why:?}");
    desk.start("q", Some("goes past freeze-christmas")).await.unwrap();
    let lift = desk.site.lift(None, None, None, None).expect_err("it stands in the documents").to_string();
    assert!(lift.contains("`freeze-christmas` holds until") && lift.contains("stands in flagstaff.yaml:11"), "{lift}");
    desk.fail();
    desk.ticks_to("2026-12-24T17:06:00Z").await;
    assert_eq!(desk.stage("r"), "stopped", "no freeze delays a stop");
}

#[tokio::test]
async fn a_freeze_by_date_ends_by_itself() {
    let mut desk = Desk::open(&project(&christmas(", releases: [r]"), "", ""), "2026-12-26T22:50:00Z");
    desk.start("r", Some("freeze-christmas")).await.unwrap();
    desk.start("q", None).await.expect("another release");
    desk.ticks_to("2026-12-26T22:59:30Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.stage("q").as_str()), ("tenth", "completed"));
    desk.ticks_to("2026-12-26T23:00:00Z").await;
    assert_eq!(desk.stage("r"), "half");
}

#[tokio::test]
async fn a_freeze_that_is_written_or_cannot_be_read_holds_at_once() {
    for (freeze, kind, says) in [
        (christmas(", environments: [here]").replace("2026-12-24T18:00", "2026-01-01"), HoldKind::Freeze, "christmas"),
        (
            christmas("").replace("2026-12-26", "26.12.2026"),
            HoldKind::DocumentGone,
            "cannot be read (flagstaff.yaml:11)",
        ),
        (christmas("").replace("Europe/Madrid", "Europe/Madird"), HoldKind::DocumentGone, "cannot be read"),
        ("  freezes: soon".to_owned(), HoldKind::DocumentGone, "cannot be read"),
        // what names nobody may have been meant for anybody, and people name it too
        ("  freezes: soon".to_owned(), HoldKind::Freeze, "freeze-unreadable"),
        (
            christmas(", environments: [heer]").replace("2026-12-24T18:00", "2026-01-01"),
            HoldKind::Freeze,
            "freeze-christmas",
        ),
        (christmas(", releases: [rr]").replace("2026-12-24T18:00", "2026-01-01"), HoldKind::Freeze, "freeze-christmas"),
    ] {
        let mut desk = Desk::open(&project("", "", ""), "2026-07-01T03:00:00Z");
        desk.start("r", None).await.unwrap();
        desk.ticks_to("2026-07-01T03:00:30Z").await;
        desk.write(&project(&freeze, "", ""));
        desk.ticks_to("2026-07-01T03:10:00Z").await;
        assert_eq!(desk.stage("r"), "tenth", "{freeze}");
        let held = desk.held("r");
        assert!(held.iter().any(|(of, why)| *of == kind && why.contains(says)), "{freeze}: {held:?}");
        if kind == HoldKind::Freeze {
            let forced = desk.command("r", Command::Force { stage: 1 }, None).await.expect_err("frozen");
            assert!(format!("{forced:?}").contains("Frozen"), "{freeze}: {forced:?}");
        }
        desk.fail();
        desk.ticks_to("2026-07-01T03:10:30Z").await;
        assert_eq!(desk.stage("r"), "stopped", "{freeze}");
    }
}

#[tokio::test]
async fn a_release_waits_until_another_one_has_reached_a_stage() {
    let mut desk = Desk::open(&project("", "after: { release: q, reached: half }", ""), "2026-07-01T03:00:00Z");
    desk.start("r", None).await.expect("it begins at the first stage");
    desk.ticks_to("2026-07-01T03:10:00Z").await;
    let waits = |why: &str| vec![(HoldKind::Dependency, format!("waits for q@here at half: {why}"))];
    assert_eq!((desk.stage("r").as_str(), desk.held("r")), ("tenth", waits("it has not started")));
    assert_eq!(desk.earliest("r"), None, "nobody knows when");
    desk.start("q", None).await.unwrap();
    desk.ticks_to("2026-07-01T03:10:30Z").await;
    assert_eq!(desk.held("r"), waits("it is at tenth"));
    desk.command("q", Command::Pause, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:11:00Z").await;
    assert_eq!(desk.held("r"), waits("it is paused at tenth"));
    desk.command("q", Command::Force { stage: 1 }, None).await.unwrap();
    // paused again: everybody of the stage has it all the same
    desk.command("q", Command::Pause, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:11:30Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.held("r")), ("half", Vec::new()));
    // it went back
    desk.command("q", Command::Rollback { stage: None }, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:20:00Z").await;
    assert_eq!((desk.stage("r").as_str(), desk.held("r")), ("half", waits("it is paused at tenth")));
    desk.command("q", Command::Abort, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:20:30Z").await;
    assert_eq!(desk.held("r"), waits("it was stopped"));
    desk.fail();
    desk.ticks_to("2026-07-01T03:21:00Z").await;
    assert_eq!(desk.stage("r"), "stopped", "what it waits for delays no stop");
}

#[tokio::test]
async fn a_release_waits_until_another_one_is_completed() {
    let mut desk = Desk::open(&project("", "after: [ { release: q, completed: true } ]", ""), "2026-07-01T03:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.start("q", None).await.unwrap();
    while desk.stage("q") != "completed" {
        assert_eq!(desk.stage("r"), "tenth", "q is at {}", desk.stage("q"));
        let next = desk.site.now().plus(EVERY);
        desk.set(next);
        desk.pass().await;
    }
    desk.set(desk.site.now().plus(EVERY));
    desk.pass().await;
    assert_eq!((desk.stage("r").as_str(), desk.stage("q").as_str()), ("half", "completed"));
    // taken back after it was completed
    desk.command("q", Command::Rollback { stage: Some(0) }, None).await.unwrap();
    desk.set(desk.site.now().plus(EVERY));
    for _ in 0..20 {
        desk.set(desk.site.now().plus(EVERY));
        desk.pass().await;
    }
    assert_eq!(desk.stage("r"), "half");
    assert_eq!(
        desk.held("r"),
        [(HoldKind::Dependency, "waits for q@here completed: it is paused at tenth".to_owned())]
    );
}

#[tokio::test]
async fn a_stage_that_a_hand_took_away_is_not_reached() {
    let mut desk = Desk::open(&project("", "after: { release: q, reached: half }", ""), "2026-07-01T03:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.start("q", None).await.unwrap();
    let path = desk.dir().join("here.json");
    let tenth = std::fs::read(&path).unwrap();
    desk.command("q", Command::Force { stage: 1 }, None).await.unwrap();
    assert_eq!(desk.served("q"), 50);
    std::fs::write(&path, tenth).unwrap();
    desk.ticks_to("2026-07-01T03:10:00Z").await;
    assert_eq!((desk.stage("q").as_str(), desk.served("q"), desk.stage("r").as_str()), ("paused at half", 10, "tenth"));
    let why = "waits for q@here at half: it is on for 10% only, as far as was read back".to_owned();
    assert_eq!(desk.held("r"), [(HoldKind::Dependency, why)]);
}

#[tokio::test]
async fn what_was_stopped_or_has_no_such_stage_any_more_is_waited_for() {
    let mut desk = Desk::open(&project("", "after: { release: q, reached: tenth }", ""), "2026-07-01T03:00:00Z");
    desk.start("r", None).await.unwrap();
    desk.start("q", None).await.unwrap();
    desk.command("q", Command::Abort, None).await.unwrap();
    desk.ticks_to("2026-07-01T03:10:00Z").await;
    assert_eq!(desk.held("r")[0].1, "waits for q@here at tenth: it was stopped");
    // a new rollout of another plan, which has no such stage
    desk.write(&project("", "after: { release: q, reached: tenth }", "").replace("name: tenth", "name: first"));
    desk.site.reread();
    assert!(desk.site.loaded.has_errors(), "validate says so too");
    let fixed = project("", "", "").replace("name: tenth", "name: first");
    desk.write(&fixed);
    desk.set(desk.site.now().plus(Span::seconds(1)));
    desk.site.reread();
    let again = flagstaff::control::StartOptions { again: true, ..flagstaff::control::StartOptions::default() };
    desk.site.start("q", "here", &again).await.unwrap();
    desk.ticks_to("2026-07-01T03:11:00Z").await;
    assert_eq!(desk.held("r")[0].1, "waits for q@here at tenth: the plan that it runs has no such stage");
    // completed is beyond every stage
    desk.ticks_to("2026-07-01T03:20:00Z").await;
    assert_eq!(desk.stage("q"), "completed");
    assert_ne!(desk.stage("r"), "tenth");
}
