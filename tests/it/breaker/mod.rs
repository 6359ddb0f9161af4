//! The blast-radius breaker over many rollouts: with the real control loop, journal and engine, by a clock that stands still
//! while anybody works.

mod typed;
mod world;

use std::collections::BTreeSet;

use flagstaff::engine::breaker::Shared;
use flagstaff::engine::plan::Action;
use flagstaff::engine::{Command, Event, Phase, Signal, Span};

use self::world::{BREACH, FIRES, World, on, seconds};

const TRIPS: &str = "breaker: { share: 30%, least: 5 }";

/// All that happened so far, of this kind, over all rollouts.
fn count(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    let rollouts = world.site.store.all_rollouts();
    rollouts.flat_map(|rollout| &rollout.steps).flat_map(|(_, step)| &step.events).filter(|event| of(event)).count()
}

fn held_back(world: &World) -> usize {
    count(world, |event| matches!(event, Event::HeldBack { .. }))
}

#[test]
fn without_the_key_every_rule_shuts_down() {
    let mut world = World::of("", 8, 2);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    assert_eq!((world.are(Phase::Stopped, "r"), world.are(Phase::Running, "q")), (8, 2));
    assert_eq!(world.backend.log.all("off").len(), 8);
}

#[test]
fn one_query_above_the_share_pauses_all_of_its_rollouts_and_no_other() {
    let mut world = World::of(TRIPS, 6, 10);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 600);
    assert_eq!((world.are(Phase::Paused, "r"), world.are(Phase::Running, "q")), (6, 10));
    assert_eq!(world.backend.log.all("stop").len(), 0, "nothing is sent");
    assert_eq!(held_back(&world), 6, "each says so once");
    let rollout = world.site.store.newest("r0", "here").unwrap();
    let trip = &rollout.state.held_back["shared"].trip;
    assert_eq!((trip.would, trip.of), (6, 16));
    assert_eq!(trip.shared, Shared::Query { source: "app".to_owned(), series: "lost".to_owned() });
    world.replays();
}

#[test]
fn at_the_share_or_below_the_least_nothing_is_held_back() {
    // 6 of 20 are 30%, which is not more
    for (breaker, sharing, others) in [(TRIPS, 6, 14), (TRIPS, 4, 0), ("breaker: { share: 30% }", 4, 0)] {
        let mut world = World::of(breaker, sharing, others);
        world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
        world.drive(FIRES + 60);
        assert_eq!(world.are(Phase::Stopped, "r"), sharing, "{breaker}, {sharing} and {others}");
        assert_eq!(held_back(&world), 0);
    }
}

#[test]
fn rules_on_series_of_their_own_flag_are_never_held_back() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().sick = (0..8).map(|index| format!("r{index}")).collect();
    world.drive(FIRES + 60);
    assert_eq!(world.are(Phase::Stopped, "r"), 8);
    // and go on to work where the shared one was
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    world.truth.lock().unwrap().sick.insert("r3".to_owned());
    world.drive(FIRES + 150);
    assert_eq!((world.are(Phase::Stopped, "r"), world.are(Phase::Paused, "r")), (1, 7));
    assert_eq!(world.phase("r3"), Phase::Stopped);
    world.replays();
}

#[test]
fn a_person_who_stops_some_shuts_down_no_other() {
    let mut world = World::of(TRIPS, 8, 10);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    // 2 of 12 are below the share and the least
    for index in 0..6 {
        world.command(&format!("r{index}"), Command::Abort);
    }
    world.drive(FIRES + 300);
    assert_eq!((world.are(Phase::Stopped, "r"), world.are(Phase::Paused, "r")), (6, 2));
    // whoever is let go while the others still wait for a person is held back with them; alone it is shut down
    world.command("r6", Command::Resume);
    world.drive(FIRES + 450);
    assert_eq!(world.phase("r6"), Phase::Stopped, "it shares with one other only");
    world.replays();
}

#[test]
fn who_is_resumed_while_others_are_held_back_is_held_back_again() {
    let mut world = World::of(TRIPS, 8, 10);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    world.command("r0", Command::Resume);
    assert_eq!(world.phase("r0"), Phase::Running);
    world.drive(FIRES + 300);
    assert_eq!(world.are(Phase::Paused, "r"), 8);
    let again = &world.site.store.newest("r0", "here").unwrap().state.held_back["shared"];
    assert_eq!((again.trip.would, again.trip.of), (8, 18));
}

#[test]
fn what_another_driver_holds_back_counts_for_this_one() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 10);
    world.command("r0", Command::Resume);
    let others = ["r1", "r2", "r3", "r4", "r5", "r6", "r7"];
    for tick in 1..10 {
        world.drive_only(&others, FIRES + 30 * tick + 10);
        world.drive_only(&["r0"], FIRES + 30 * tick + 20);
    }
    assert_eq!((world.phase("r0"), held_back(&world)), (Phase::Paused, 9));
    // what nobody looks at any more says nothing of the present
    world.command("r0", Command::Resume);
    world.drive_only(&["r0"], FIRES + 600);
    assert_eq!(world.phase("r0"), Phase::Stopped);
    world.replays();
}

#[test]
fn a_signal_shuts_down_what_the_breaker_holds_back() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    let at = seconds(FIRES + 61);
    let signal = Signal { name: "shared".to_owned(), at, then: Action::Shutdown, detail: String::new(), origin: None };
    world.signal("r5", signal);
    world.drive(FIRES + 90);
    assert_eq!((world.phase("r5"), world.are(Phase::Paused, "r")), (Phase::Stopped, 7));
}

#[test]
fn what_was_missed_is_held_back_as_it_would_have_been_in_its_time() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, BREACH + 120));
    world.drive(BREACH - 10);
    // nobody drives during all of it, and then it is over
    world.away_until(FIRES + 600);
    world.drive(FIRES + 700);
    assert_eq!(world.are(Phase::Paused, "r"), 8);
    let held = &world.site.store.newest("r0", "here").unwrap().state.held_back["shared"];
    assert_eq!(held.at, seconds(FIRES - 1), "at the tick at which it would have fired");
    world.replays();
}

#[test]
fn another_process_that_drives_one_of_them_leaves_it_held_back() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 10);
    world.again();
    world.drive_only(&["r0"], FIRES + 300);
    assert_eq!(world.phase("r0"), Phase::Paused);
    world.replays();
}

#[test]
fn a_source_that_answers_nothing_is_shared_by_all_who_ask_it() {
    let mut world = World::with("no_data: { after: 60s, then: shutdown }", TRIPS, 8, 0);
    world.truth.lock().unwrap().errs = Some((BREACH, u64::MAX));
    world.drive(BREACH + 300);
    assert_eq!(world.are(Phase::Paused, "r"), 8);
    let trip = &world.site.store.newest("r0", "here").unwrap().state.held_back["no_data"].trip;
    assert_eq!(trip.shared, Shared::Source("app".to_owned()));
    world.replays();
    // what is missing of one flag is its own
    let mut world = World::with("no_data: { after: 60s, then: shutdown }", TRIPS, 8, 0);
    world.truth.lock().unwrap().unheard = (0..7).map(|index| format!("r{index}")).collect();
    world.drive(BREACH + 300);
    assert_eq!((world.are(Phase::Stopped, "r"), world.phase("r7")), (7, Phase::Running));
}

#[test]
fn ticks_that_are_answered_late_are_held_back_together() {
    let mut world = World::of(TRIPS, 8, 0);
    {
        // nothing is answered while it is bad, and when it is over all of it is told
        let mut truth = world.truth.lock().unwrap();
        truth.lost = Some((BREACH, BREACH + 120));
        truth.errs = Some((BREACH, BREACH + 150));
        truth.remembers = true;
    }
    world.drive(BREACH + 600);
    assert_eq!((world.are(Phase::Paused, "r"), world.backend.log.all("stop").len()), (8, 0));
    world.replays();
    // as many as that is nothing that the breaker minds
    let mut world = World::of(TRIPS, 4, 0);
    {
        let mut truth = world.truth.lock().unwrap();
        (truth.lost, truth.errs) = (Some((BREACH, BREACH + 120)), Some((BREACH, BREACH + 150)));
        truth.remembers = true;
    }
    world.drive(BREACH + 600);
    assert_eq!(world.are(Phase::Stopped, "r"), 4);
}

#[test]
fn one_missing_answer_in_a_breach_lets_no_late_tick_shut_down_what_is_held_back() {
    let mut world = World::of(TRIPS, 8, 0);
    {
        let mut truth = world.truth.lock().unwrap();
        truth.lost = Some((BREACH, u64::MAX));
        truth.errs = Some((FIRES + 20, FIRES + 200));
        truth.remembers = true;
    }
    world.drive(FIRES + 600);
    assert_eq!((world.are(Phase::Paused, "r"), world.backend.log.all("stop").len()), (8, 0));
    world.replays();
}

#[test]
fn a_trip_that_cannot_be_recorded_holds_nothing_back() {
    let mut world = World::of(TRIPS, 8, 0);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(BREACH + 5);
    world.full.store(true, std::sync::atomic::Ordering::SeqCst);
    world.drive_badly(FIRES + 20);
    assert_eq!(world.backend.log.all("off").len(), 8);
    world.full.store(false, std::sync::atomic::Ordering::SeqCst);
    world.drive(FIRES + 90);
    assert_eq!(world.are(Phase::Stopped, "r"), 8);
    world.replays();
}

#[test]
fn the_breaker_is_what_the_documents_say_by_now() {
    // what cannot be read is none, and then rules shut down
    for (before, after, phase) in [
        (TRIPS, "breaker: { share: 30, least: 5 }", Phase::Stopped),
        (TRIPS, "breaker: { share: 30%, least: 1 }", Phase::Stopped),
        (TRIPS, "stickiness: userId", Phase::Stopped),
        ("stickiness: userId", TRIPS, Phase::Paused),
    ] {
        let mut world = World::of(before, 6, 0);
        world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
        world.drive(BREACH + 5);
        crate::cli::replace(&world.dir.path().join("flagstaff.yaml"), before, after);
        world.again();
        world.drive(FIRES + 60);
        assert_eq!(world.are(phase, "r"), 6, "{after}");
    }
}

#[test]
fn rollouts_of_all_environments_are_counted() {
    let mut world = World::of(TRIPS, 6, 6);
    // six of twelve are more than 30%; fourteen more elsewhere, and they are not
    world.elsewhere(14);
    world.truth.lock().unwrap().lost = Some((BREACH, u64::MAX));
    world.drive(FIRES + 60);
    assert_eq!(world.are(Phase::Stopped, "r"), 6);
}

#[test]
fn a_stop_waits_no_longer_for_other_sources_and_what_is_there_is_counted() {
    let mut world = World::of(TRIPS, 8, 0);
    {
        let mut truth = world.truth.lock().unwrap();
        truth.sick = BTreeSet::from(["r0".to_owned()]);
        truth.other_hangs = true;
    }
    world.declare_elsewhere();
    world.drive(FIRES + 60);
    let off = world.backend.log.all("off");
    assert!(off.first().is_some_and(|off| off.since(seconds(FIRES)) <= Span::seconds(2)), "{off:?}");
    assert_eq!(off.len(), 1);
    assert!(on(&world.site, "r1"));
}
