//! Writers that overlap, are stopped between two steps for as long as one likes, or die there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::{Place, percent};
use crate::backend::{BackendError, Switch};
use crate::engine::Exposure;

type Result = std::result::Result<(), BackendError>;

/// What an actor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// A rule that grows (or shrinks) flag `f` to so many percent.
    Rule(u32),
    /// A person who starts or resumes flag `f` at so many percent, having seen it as it was at the beginning.
    Start(u32),
    /// A rule of flag `g`.
    OtherRule(u32),
    /// A person who switches off flag `f`.
    Off,
    /// A person who switches off flag `g`.
    OtherOff,
}

/// Somebody who works in a thread of his own, a step at a time.
struct Actor {
    go: Sender<()>,
    at: Receiver<Option<&'static str>>,
    thread: JoinHandle<Result>,
    done: bool,
}

impl Actor {
    fn new(place: &Place, deed: Deed) -> Actor {
        let (go, wait) = channel::<()>();
        let (tell, at) = channel();
        let told = tell.clone();
        let wait = std::sync::Mutex::new(wait);
        let backend = place.hooked(move |step| {
            let _ = told.send(Some(step));
            // who is never told to go on has died here
            assert!(wait.lock().unwrap().recv().is_ok(), "killed at: {step}");
        });
        let request = match deed {
            Deed::Rule(to) => Some(place.request("f", percent(to), Switch::Keep)),
            Deed::Start(to) => Some(place.request("f", percent(to), Switch::TurnOn)),
            Deed::OtherRule(to) => Some(place.request("g", percent(to), Switch::Keep)),
            Deed::Off | Deed::OtherOff => None,
        };
        let thread = std::thread::spawn(move || {
            backend.at("begin");
            let result = match (&request, deed) {
                (Some(request), _) => backend.set(request),
                (None, Deed::Off) => backend.off("f"),
                (None, _) => backend.off("g"),
            };
            let _ = tell.send(None);
            result
        });
        let mut actor = Actor { go, at, thread, done: false };
        actor.arrive();
        actor
    }

    fn arrive(&mut self) -> Option<&'static str> {
        let step = self.at.recv().ok().flatten();
        self.done = step.is_none();
        step
    }

    /// One step; the name of the next one, `None` at the end.
    fn step(&mut self) -> Option<&'static str> {
        self.go.send(()).unwrap();
        self.arrive()
    }

    fn finish(mut self) -> Result {
        while !self.done {
            self.step();
        }
        self.thread.join().unwrap()
    }

    fn kill(self) {
        drop(self.go);
        let _ = self.thread.join();
    }
}

/// A world at its beginning: which flags serve whom, and whether `f` carries an off-marker.
#[derive(Debug, Clone, Copy)]
enum World {
    /// No file at all.
    Nothing,
    /// `f` and `g` at 10%.
    Both,
    /// `f` switched off with a marker, `g` at 10%.
    Marked,
}

fn world(world: World) -> Place {
    let place = Place::in_memory();
    if !matches!(world, World::Nothing) {
        place.start("f", percent(10)).unwrap();
        place.start("g", percent(10)).unwrap();
    }
    if matches!(world, World::Marked) {
        place.backend().off("f").unwrap();
    }
    place
}

fn served(place: &Place, flag: &str) -> Exposure {
    if place.path().exists() { place.served(flag) } else { Exposure::nobody() }
}

/// Runs the actors in the order that `choose` says (by number, among those not done), checking after each step that
/// whoever was told "it is off" is not contradicted, and that nobody who finished a shrink finds it undone.
fn run(at: World, deeds: &[Deed], mut choose: impl FnMut(usize, &[usize]) -> usize) -> String {
    let place = world(at);
    let mut actors: Vec<Actor> = deeds.iter().map(|deed| Actor::new(&place, *deed)).collect();
    let mut story = Vec::new();
    let mut last = 0;
    loop {
        let able: Vec<usize> = (0..actors.len()).filter(|index| !actors[*index].done).collect();
        if able.is_empty() {
            break;
        }
        last = choose(last, &able);
        let step = actors[last].step();
        story.push(format!("{last}:{}", step.unwrap_or("done")));
        for (actor, deed) in actors.iter().zip(deeds).filter(|(actor, _)| actor.done) {
            let flag = match deed {
                Deed::Off => "f",
                Deed::OtherOff => "g",
                _ => continue,
            };
            let (served, _) = (served(&place, flag), actor);
            assert!(served.is_nobody(), "{flag} serves {served} after it was switched off: {at:?} {deeds:?} {story:?}");
        }
    }
    let results: Vec<Result> = actors.into_iter().map(|actor| actor.thread.join().unwrap()).collect();
    let story = format!("{at:?} {deeds:?} {story:?} {results:?}");
    for (deed, result) in deeds.iter().zip(&results) {
        let alone = |deed: &Deed| {
            deeds.iter().filter(|other| std::mem::discriminant(*other) == std::mem::discriminant(deed)).count() == 1
        };
        match (deed, result) {
            (Deed::Off | Deed::OtherOff, result) => assert!(result.is_ok(), "a shutdown failed: {story}"),
            (Deed::OtherRule(to), Ok(())) if alone(deed) && !deeds.contains(&Deed::OtherOff) => {
                assert_eq!(served(&place, "g"), percent(*to), "a write that succeeded was undone: {story}");
            }
            _ => {}
        }
    }
    if deeds.contains(&Deed::Off) {
        assert!(place.is_marked(), "the marker is gone: {story}");
        assert!(served(&place, "f").is_nobody(), "{story}");
    }
    let litter = place.files().into_iter().filter(|name| name.contains(".flagstaff-") || name.contains("removing"));
    assert_eq!(litter.count(), 0, "something was left behind: {story}");
    story
}

/// Every schedule of the actors with at most so many switches from one who could have gone on to another.
fn all_schedules(at: World, deeds: &[Deed], switches_at_most: usize) -> usize {
    // a schedule is the list of choices made, each out of so many
    let mut prefix: Vec<usize> = Vec::new();
    let mut count = 0;
    loop {
        let mut trace: Vec<(usize, usize)> = Vec::new();
        let mut switches = 0;
        run(at, deeds, |last, able| {
            // the one who works goes first in the list; when no switch is left he is the only choice
            let mut options: Vec<usize> = able.to_vec();
            options.sort_by_key(|index| (*index != last, *index));
            let free = !able.contains(&last) || trace.is_empty();
            if !free && switches >= switches_at_most {
                options.truncate(1);
            }
            let choice = prefix.get(trace.len()).copied().unwrap_or(0);
            trace.push((choice, options.len()));
            if !free && choice > 0 {
                switches += 1;
            }
            options[choice]
        });
        count += 1;
        let Some(next) = trace.iter().rposition(|(choice, options)| choice + 1 < *options) else { return count };
        prefix = trace[..next].iter().map(|(choice, _)| *choice).collect();
        prefix.push(trace[next].0 + 1);
    }
}

#[test]
fn a_shutdown_holds_against_a_writer_in_every_order_of_their_steps() {
    for (at, deed) in [
        (World::Both, Deed::Rule(50)),
        (World::Both, Deed::Rule(5)),
        (World::Both, Deed::Start(50)),
        (World::Marked, Deed::Start(10)),
        (World::Marked, Deed::Rule(10)),
        (World::Nothing, Deed::Start(10)),
        (World::Both, Deed::OtherRule(50)),
        (World::Both, Deed::OtherRule(5)),
        (World::Both, Deed::OtherOff),
        (World::Both, Deed::Off),
    ] {
        let count = all_schedules(at, &[deed, Deed::Off], 3);
        assert!(count > 40, "{at:?} {deed:?}: only {count} schedules");
    }
}

#[test]
fn two_shutdowns_hold_against_each_other_and_a_writer() {
    for deed in [Deed::Rule(50), Deed::OtherRule(50), Deed::Start(50)] {
        let count = all_schedules(World::Both, &[deed, Deed::Off, Deed::OtherOff], 1);
        assert!(count > 50, "{deed:?}: only {count} schedules");
    }
}

#[test]
fn nobody_undoes_a_write_that_succeeded() {
    // the lock leaves few orders: one is refused as soon as they meet
    let count = all_schedules(World::Both, &[Deed::OtherRule(5), Deed::Rule(50)], 3);
    assert!(count > 10, "only {count} schedules");
    // a shutdown does not wait for the lock
    let count = all_schedules(World::Both, &[Deed::OtherRule(5), Deed::Off], 4);
    assert!(count > 100, "only {count} schedules");
}

#[test]
fn random_orders_of_four_hold_too() {
    // a generator of our own: the same orders on every machine
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..150 {
        run(World::Both, &[Deed::Rule(50), Deed::Off, Deed::OtherOff, Deed::OtherRule(90)], |_, able| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            able[usize::try_from(state >> 33).unwrap() % able.len()]
        });
    }
}

/// The steps of a deed when nobody is in its way.
fn steps(at: World, deed: Deed) -> usize {
    let place = world(at);
    let mut actor = Actor::new(&place, deed);
    let mut count = 0;
    while actor.step().is_some() {
        count += 1;
    }
    actor.finish().unwrap();
    count
}

#[test]
fn a_writer_that_dies_anywhere_leaves_what_was_or_what_was_asked_and_nobody_is_stuck() {
    for (at, deed, allowed) in [
        (World::Both, Deed::Rule(50), [percent(10), percent(50)]),
        (World::Both, Deed::Rule(0), [percent(10), percent(0)]),
        (World::Marked, Deed::Start(20), [percent(0), percent(20)]),
        (World::Nothing, Deed::Start(20), [percent(0), percent(20)]),
        (World::Both, Deed::Off, [percent(10), percent(0)]),
    ] {
        for step in 0..=steps(at, deed) {
            let place = world(at);
            let mut actor = Actor::new(&place, deed);
            let reached = (0..step).map(|_| actor.step()).last().flatten();
            actor.kill();
            let now = served(&place, "f");
            assert!(allowed.contains(&now), "{deed:?} died at {reached:?}: {now}");
            // whoever comes next can work: first a shutdown, then a start
            place.backend().off("f").unwrap();
            assert!(served(&place, "f").is_nobody());
            place.start("f", percent(30)).unwrap();
            assert_eq!(served(&place, "f"), percent(30));
            assert!(!place.is_marked());
            assert_eq!(place.files().len(), 2, "litter after {deed:?} died at {reached:?}: {:?}", place.files());
        }
    }
}

#[test]
fn after_a_shutdown_that_died_no_rule_grows() {
    // from its first step on, the marker, the shutdown has happened as far as rules are concerned
    for step in 1..=steps(World::Both, Deed::Off) {
        let place = world(World::Both);
        let mut actor = Actor::new(&place, Deed::Off);
        for _ in 0..step {
            actor.step();
        }
        actor.kill();
        let grown = place.grow("f", percent(50));
        assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "died after {step} steps: {grown:?}");
    }
}

#[test]
fn a_writer_stopped_before_its_rename_wakes_up_to_find_that_it_cannot() {
    let place = world(World::Both);
    let mut slow = Actor::new(&place, Deed::Rule(50));
    while slow.step() != Some("looked") {}
    place.backend().off("f").unwrap();
    assert!(place.served("f").is_nobody());
    assert!(matches!(slow.finish(), Err(BackendError::SwitchedOff { .. })));
    assert!(place.served("f").is_nobody());
}

#[test]
fn a_marker_made_while_an_older_one_is_removed_stays() {
    for step in ["before unmarking", "unmarked", "filled"] {
        let place = world(World::Marked);
        let mut starter = Actor::new(&place, Deed::Start(20));
        while starter.step() != Some(step) {}
        place.backend().off("f").unwrap();
        assert!(matches!(starter.finish(), Err(BackendError::SwitchedOff { .. })), "{step}");
        assert!(place.is_marked() && place.served("f").is_nobody(), "{step}");
    }
}

#[test]
fn a_lock_that_is_kept_for_ever_stops_growth_and_no_shutdown() {
    let place = world(World::Both);
    let target = place.backend().target().unwrap();
    let _kept = target.lock(std::time::Duration::ZERO).unwrap().unwrap();
    assert!(matches!(place.grow("f", percent(50)), Err(BackendError::Unreachable { .. })));
    place.backend().off("f").unwrap();
    assert!(place.served("f").is_nobody());
}

#[test]
fn an_editor_that_knows_of_no_lock_is_not_written_over() {
    let place = world(World::Both);
    let mut writer = Actor::new(&place, Deed::Rule(50));
    while writer.step() != Some("checked") {}
    let edited = place.text().replacen("\"flags\"", "\"metadata\": { \"edited\": true },\n  \"flags\"", 1);
    place.write(&edited);
    assert!(matches!(writer.finish(), Err(BackendError::Conflict { .. })));
    assert_eq!(place.text(), edited);
    // a shutdown begins anew instead
    let mut off = Actor::new(&place, Deed::Off);
    while off.step() != Some("off: read") {}
    let edited = place.text().replacen("true", "false", 1);
    place.write(&edited);
    off.finish().unwrap();
    assert!(place.served("f").is_nobody());
    assert_eq!(place.json()["metadata"]["edited"], false);
}

#[test]
fn a_killed_actor_is_a_dead_one() {
    // the tests above rest on this: a panic between two steps runs nothing of what would have come
    let place = world(World::Both);
    let backend = place.hooked(|step| assert_ne!(step, "looked"));
    let request = place.request("f", percent(50), Switch::Keep);
    assert!(catch_unwind(AssertUnwindSafe(|| backend.set(&request))).is_err());
    assert_eq!(place.served("f"), percent(10));
    assert_eq!(place.files().iter().filter(|name| name.contains(".flagstaff-")).count(), 1);
}

#[test]
fn a_marker_alone_stops_a_growth_that_is_under_way() {
    // the shutdown died right after its marker: it withdrew nothing and wrote nothing
    for (at, deed) in [(World::Both, Deed::Rule(50)), (World::Both, Deed::Start(50)), (World::Marked, Deed::Start(20))]
    {
        for step in 1..=steps(at, deed) {
            let place = world(at);
            let before = served(&place, "f");
            let mut slow = Actor::new(&place, deed);
            let reached = (0..step).map(|_| slow.step()).last().flatten();
            let mut off = Actor::new(&place, Deed::Off);
            assert_eq!(off.step(), Some("marked"));
            off.kill();
            // with a look still before it, it does not even come to the rename
            while !matches!(reached, Some("looked" | "renamed")) && !slow.done {
                slow.step();
                assert!(served(&place, "f").within(&before), "{deed:?} from {reached:?} on: {}", place.text());
            }
            let result = slow.finish();
            assert!(matches!(result, Err(BackendError::SwitchedOff { .. })), "{deed:?} at {reached:?}: {result:?}");
            assert!(served(&place, "f").within(&before), "{deed:?} at {reached:?}: {}", place.text());
            assert!(place.is_marked());
        }
    }
}
