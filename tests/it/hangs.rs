//! What hangs in one place delays no stop in another, and what is slow is stopped all the same. By a clock that stands still
//! while anybody works, so that what takes time is what was waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flagstaff::backend::flagd::Flagd;
use flagstaff::backend::{Backend as _, Expose, Switch};
use flagstaff::clock::SystemClock;
use flagstaff::control::StartOptions;
use flagstaff::control::drive::Until;
use flagstaff::engine::{Command, Span, Timestamp};

use crate::cli::replace;
use crate::support::model::{BEGIN, Two, Virtual, two};

fn seconds(after: u64) -> Timestamp {
    BEGIN.plus(Span::seconds(after))
}

/// Both are started, and driven until an instant.
fn driven(clock: &Virtual, mut world: Two, until: Timestamp) -> Two {
    let site = &mut world.site;
    let both = async {
        for (release, environment) in [("r", "fast"), ("s", "slow")] {
            site.start(release, environment, &StartOptions::default()).await.unwrap();
        }
        let ids: BTreeSet<String> = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
        site.drive(&ids, Until::NobodyIsExposed, &mut |_| {}).await.unwrap();
    };
    clock.run(until, both);
    world
}

/// `r` breaks from this tick on; with `for: 30s` its second bad one, asked a second later, shuts it down.
const BROKEN: u64 = 240;
const DUE: u64 = BROKEN + 30 + 1;

#[test]
fn a_rules_stop_waits_for_no_other_backends_reads_or_stops() {
    // which of the other one's calls hang, whether it is to be stopped itself, and for how long at most that may be felt
    for (reads, stops, stopping) in [(true, false, false), (true, true, true), (false, true, true)] {
        // the breach falls into whatever the passes before it are still busy with
        for since in [100, 180, 205, 215, 235, 269] {
            let clock = Virtual::at(BEGIN);
            let world = two(clock.clone());
            {
                let mut slow = world.slow.ways.lock().unwrap();
                slow.reads_hang_from = reads.then(|| seconds(since));
                slow.stops_hang_from = stops.then(|| seconds(since));
            }
            world.other.lock().unwrap().bad_from = stopping.then(|| seconds(since));
            world.app.lock().unwrap().bad_from = Some(seconds(BROKEN));
            let world = driven(&clock, world, seconds(DUE + 100));
            let off = world.fast.log.all("off");
            let felt = off.first().map(|off| off.since(seconds(DUE)));
            let case = format!("reads {reads}, stops {stops}, stopping {stopping}, from {since} s: {felt:?}");
            assert!(felt.is_some_and(|felt| felt <= Span::seconds(4)), "{case}");
            assert_eq!(off.len(), 1, "{case}");
            if stopping && stops {
                assert!(world.slow.log.all("stop").len() > 2, "nobody keeps trying: {case}");
                assert!(world.site.store.newest("s", "slow").unwrap().state.is_stopping(), "{case}");
            }
        }
    }
}

#[test]
fn a_rules_stop_waits_for_no_other_source() {
    let clock = Virtual::at(BEGIN);
    let world = two(clock.clone());
    world.other.lock().unwrap().hangs_from = Some(seconds(100));
    world.app.lock().unwrap().bad_from = Some(seconds(BROKEN));
    let world = driven(&clock, world, seconds(DUE + 100));
    let off = world.fast.log.all("off");
    assert!(off.first().is_some_and(|off| off.since(seconds(DUE)) <= Span::seconds(1)), "{off:?}");
    // whose answers were not there is judged all the same, once it is known that they do not come
    let ticks = &world.site.store.newest("s", "slow").unwrap().ticks;
    assert!(ticks.contains_key(&seconds(BROKEN + 30)), "{:?}", ticks.keys().collect::<Vec<_>>());
}

#[test]
fn a_stop_needs_no_read_of_its_own_backend_and_is_recorded_with_why() {
    let clock = Virtual::at(BEGIN);
    let world = two(clock.clone());
    world.fast.ways.lock().unwrap().reads_hang_from = Some(seconds(100));
    world.app.lock().unwrap().bad_from = Some(seconds(BROKEN));
    let world = driven(&clock, world, seconds(DUE + 100));
    let off = world.fast.log.all("off");
    assert!(off.first().is_some_and(|off| off.since(seconds(DUE)) <= Span::seconds(4)), "{off:?}");
    assert!(world.site.store.newest("r", "fast").unwrap().state.is_stopping(), "nobody could read it back");
}

#[test]
fn a_stop_at_a_slow_backend_outlasts_the_pass_that_sent_it() {
    let clock = Virtual::at(BEGIN);
    let world = two(clock.clone());
    world.fast.ways.lock().unwrap().takes = Span::seconds(4);
    world.app.lock().unwrap().bad_from = Some(seconds(BROKEN));
    let world = driven(&clock, world, seconds(DUE + 100));
    let state = &world.site.store.newest("r", "fast").unwrap().state;
    assert!(!state.is_live() && !state.is_stopping(), "{state:?}");
    let (sent, off) = (world.fast.log.all("stop"), world.fast.log.all("off"));
    assert_eq!(sent.len(), 1, "it was cut off, and sent again: {sent:?}");
    assert!(off.first().is_some_and(|off| off.since(seconds(DUE)) <= Span::seconds(10)), "{off:?}");
    // what takes its time is read all the same
    let ticks = &world.site.store.newest("s", "slow").unwrap().ticks;
    assert!(ticks.contains_key(&seconds(BROKEN + 60)));
}

#[test]
fn a_stop_that_fails_is_sent_again_and_delays_no_other() {
    let clock = Virtual::at(BEGIN);
    let world = two(clock.clone());
    world.slow.ways.lock().unwrap().off = Some(world.slow.unreachable());
    world.other.lock().unwrap().bad_from = Some(seconds(60));
    world.app.lock().unwrap().bad_from = Some(seconds(BROKEN));
    let world = driven(&clock, world, seconds(DUE + 100));
    assert_eq!(world.fast.log.all("off").len(), 1);
    assert!(world.slow.log.all("stop").len() > 2);
}

#[tokio::test]
async fn off_at_one_of_two_addresses_is_not_off_for_whoever_reads_that_one() {
    let mut world = two(Arc::new(SystemClock));
    world.site.backends.insert("fast".to_owned(), Arc::new(Flagd::new(world.dir.path(), "fast.json")));
    let id = world.site.start("r", "fast", &StartOptions::default()).await.unwrap().rollout;
    replace(&world.dir.path().join("flagstaff.yaml"), "path: fast.json", "path: moved.json");
    let mut world = world.again();
    // it is on at both, and where it moved to it cannot be switched off
    let known = world.site.store.rollout(&id).unwrap();
    let request = Expose {
        flag: "r".to_owned(),
        exposure: known.state.allowed.clone(),
        audiences: BTreeMap::new(),
        stickiness: "userId".to_owned(),
        stamp: known.state.stamp.clone(),
        switch: Switch::TurnOn,
        revision: "missing".to_owned(),
        take_over: false,
    };
    world.fast.expose(&request).await.unwrap();
    world.fast.ways.lock().unwrap().off = Some(world.fast.unreachable());
    world.site.command("r", "fast", Command::Rollback { stage: None }, None, None).await.unwrap();
    let ids = BTreeSet::from([id.clone()]);
    world.site.drive(&ids, Until::Once, &mut |_| {}).await.unwrap();
    assert!(world.site.store.rollout(&id).unwrap().state.is_stopping(), "it is still on where it moved to");
    world.fast.ways.lock().unwrap().off = None;
    world.site.drive(&ids, Until::Once, &mut |_| {}).await.unwrap();
    assert!(!world.site.store.rollout(&id).unwrap().state.is_stopping());
    assert_eq!(world.fast.log.all("off").len(), 1);
}
