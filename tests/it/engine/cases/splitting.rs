//! The sample ratio: what is found, what it holds, when it is over, and what starts it anew.

use flagstaff::engine::event::Missing;
use flagstaff::engine::plan::{Action, Arm, Unit};
use flagstaff::engine::split::{Counted, Direction, SampleRatio};
use flagstaff::engine::{Command, Decimal, Event, Exposure, Percentage, Phase, Plan, Reading, Span, Unknown};

use super::super::kit::*;

/// Index of what the control group requested, behind the kit's series.
const THEIRS: usize = 5;
const STAGES: [&str; 4] = ["internal", "ten", "half", "everyone"];

/// internal (employees) → 10% → 50% → 100%, with audiences at percentages or without, and stages that nothing leaves.
fn splitting(audiences: &[&str], cluster: u32) -> Plan {
    let mut plan = plan();
    let exposures = [audience(&["employees"], 0), audience(audiences, 10), audience(audiences, 50), percent(100)];
    plan.stages = STAGES.iter().zip(&exposures).map(|(name, exposure)| stage(name, exposure.clone(), 1000)).collect();
    plan.series.push(series("baseline(requests)", Arm::Control, Unit::Count));
    plan.sample_ratio = check(cluster, &exposures);
    plan
}

fn check(cluster: u32, exposures: &[Exposure]) -> Option<SampleRatio> {
    let alarms = (Decimal::new(1, -2), Span::hours(24));
    SampleRatio::new(Percentage::whole(20), alarms, cluster, EVERY, (REQUESTS, THEIRS), exposures)
}

/// Healthy, with so many requests of the exposed and of the control group.
fn requests(ours: i64, theirs: i64) -> Vec<Reading> {
    let mut readings = with(REQUESTS, Reading::Value(Decimal::whole(ours)));
    readings.push(Reading::Value(Decimal::whole(theirs)));
    readings
}

/// At a stage, settled, with nothing counted.
fn at(plan: Plan, stage: usize) -> Timeline {
    let mut timeline = Timeline::started(plan);
    if stage > 0 {
        timeline.command(Command::Force { stage }).unwrap();
    }
    timeline.ticks(2, &requests(0, 0));
    assert_eq!(counted(&timeline), Counted::default());
    timeline
}

fn counted(timeline: &Timeline) -> Counted {
    timeline.state.split.as_deref().cloned().unwrap_or_default()
}

fn mismatch(timeline: &Timeline) -> Option<Direction> {
    let found = timeline.state.missing.iter().find_map(|missing| match missing {
        Missing::SampleRatio(found) => Some(found.direction),
        _ => None,
    });
    assert_eq!(found, counted(timeline).stands);
    found
}

/// How many ticks of these requests it takes until it is found.
fn found_after(timeline: &mut Timeline, ours: i64, theirs: i64) -> u32 {
    for ticks in 1..200 {
        timeline.tick(requests(ours, theirs));
        if mismatch(timeline).is_some() {
            return ticks;
        }
    }
    panic!("not found: {:?}", counted(timeline));
}

#[test]
fn a_split_in_either_direction_holds_growth_says_so_once_and_stops_nothing() {
    for (ours, theirs, direction) in [(400, 600, Direction::Many), (0, 1000, Direction::Few)] {
        let mut timeline = at(splitting(&[], 1), 1);
        found_after(&mut timeline, ours, theirs);
        assert_eq!(mismatch(&timeline), Some(direction));
        let baked = timeline.state.baked;
        timeline.ticks(50, &requests(ours, theirs));
        timeline.running(1).baked(baked).allows(&percent(10));
        let said = timeline.events.iter().filter_map(|event| match event {
            Event::Notified(fired) => Some(fired),
            _ => None,
        });
        let [said] = said.collect::<Vec<_>>()[..] else { panic!("said once") };
        assert_eq!((said.rule.as_str(), &said.then), ("sample_ratio", &Action::Hold));
        let found = said.mismatch.as_ref().unwrap();
        assert_eq!((found.direction, found.configured), (direction, Percentage::whole(10)));
        let names: Vec<&str> = said.evidence.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["requests", "baseline(requests)"]);
        let weighed = said.weighed.unwrap();
        assert!(weighed.before < weighed.threshold && weighed.number == weighed.threshold, "{weighed:?}");
    }
}

#[test]
fn a_split_as_configured_and_one_within_the_tolerance_are_none() {
    for (stage, splits) in [(1, [(100, 900), (115, 885), (87, 913)]), (2, [(500, 500), (540, 460), (460, 540)])] {
        for (ours, theirs) in splits {
            let mut timeline = at(splitting(&[], 1), stage);
            timeline.ticks(300, &requests(ours, theirs));
            assert_eq!(mismatch(&timeline), None, "{ours} and {theirs}");
            timeline.baked(300);
        }
    }
}

#[test]
fn it_is_over_once_as_much_speaks_against_it_and_growth_goes_on() {
    let mut timeline = at(splitting(&[], 1), 1);
    found_after(&mut timeline, 200, 800);
    // it lacks nothing else
    timeline.plan.stages[1].bake = bake(1);
    timeline.ticks(100, &requests(200, 800));
    timeline.running(1);
    let mut ticks = 0;
    while mismatch(&timeline).is_some() {
        timeline.running(1);
        timeline.tick(requests(100, 900));
        ticks += 1;
        // what it stood for does not make it last: the number had stopped at its threshold
        assert!(ticks < 30, "{:?}", counted(&timeline));
    }
    assert!(ticks > 1, "one tick is no proof");
    timeline.running(2);
}

#[test]
fn beside_audiences_only_too_few_can_be_wrong() {
    let mut timeline = at(splitting(&["employees"], 1), 1);
    timeline.ticks(200, &requests(900, 100));
    assert_eq!((mismatch(&timeline), counted(&timeline)), (None, Counted::default()));
    found_after(&mut timeline, 0, 1000);
    assert_eq!(mismatch(&timeline), Some(Direction::Few));
}

#[test]
fn without_a_random_control_group_there_is_no_check() {
    for stage in [0, 3] {
        let mut timeline = at(splitting(&[], 1), stage);
        for split in [(0, 1000), (1000, 0)] {
            timeline.ticks(100, &requests(split.0, split.1));
        }
        assert_eq!((mismatch(&timeline), timeline.state.split.as_deref()), (None, None));
        timeline.running(stage).baked(200);
    }
}

#[test]
fn a_cluster_divides_every_count() {
    let ticks = |cluster: u32, times: i64| found_after(&mut at(splitting(&[], cluster), 1), 40 * times, 160 * times);
    assert_eq!(ticks(10, 10), ticks(1, 1));
    assert!(ticks(10, 1) > 8 * ticks(1, 1));
}

#[test]
fn unknown_counts_and_no_traffic_add_nothing_and_hold_nothing() {
    let mut timeline = at(splitting(&[], 1), 1);
    timeline.tick(requests(60, 140));
    let before = counted(&timeline);
    assert!(before.many.number > Decimal::ZERO && before.stands.is_none());
    timeline.tick(requests(0, 0));
    for reason in [Unknown::NoAnswer, Unknown::Error, Unknown::Idle, Unknown::Stale] {
        let mut blind = requests(60, 0);
        blind[THEIRS] = Reading::Unknown(reason);
        timeline.tick(blind);
    }
    assert_eq!(counted(&timeline), before);
    timeline.baked(6);
    // nor do they end what has been found
    found_after(&mut timeline, 60, 140);
    let mut blind = requests(0, 0);
    blind[THEIRS] = Reading::Unknown(Unknown::NoAnswer);
    timeline.ticks(5, &blind);
    assert_eq!(mismatch(&timeline), Some(Direction::Many));
}

#[test]
fn it_starts_anew_with_timers_and_counts_no_settling_tick() {
    let found = || {
        let mut timeline = at(splitting(&[], 1), 1);
        found_after(&mut timeline, 400, 600);
        timeline
    };
    let mut timeline = found();
    timeline.command(Command::Force { stage: 2 }).unwrap();
    assert_eq!(counted(&timeline), Counted::default());
    // the clients have yet to hear of it
    timeline.ticks(2, &requests(100, 900));
    assert_eq!(counted(&timeline), Counted::default());
    timeline.tick(requests(100, 900));
    assert!(counted(&timeline).few.number > Decimal::ZERO);

    let mut timeline = found();
    timeline.pause();
    timeline.tick(requests(400, 600));
    assert!(mismatch(&timeline).is_some(), "a pause changes nothing of it");
    timeline.resume();
    assert_eq!(counted(&timeline), Counted::default());

    let mut timeline = found();
    let mut other = splitting(&[], 3);
    other.rules.clear();
    timeline.adopt(other).unwrap();
    assert_eq!(counted(&timeline), Counted::default());
}

#[test]
fn what_a_person_reduced_is_no_split_that_was_configured() {
    let mut timeline = at(splitting(&[], 1), 2);
    timeline.tick(requests(500, 500));
    timeline.hand(percent(10));
    timeline.ticks(60, &requests(100, 900));
    timeline.is(Phase::Paused, 2);
    assert_eq!(counted(&timeline), Counted::default());
}

#[test]
fn a_mute_ends_it_and_it_begins_anew_behind_the_mute() {
    let mut timeline = at(splitting(&[], 1), 1);
    found_after(&mut timeline, 400, 600);
    timeline.mute("sample_ratio", 3);
    let baked = timeline.state.baked;
    timeline.ticks(3, &requests(400, 600));
    assert_eq!(counted(&timeline), Counted::default());
    timeline.baked(baked + 3);
    timeline.tick(requests(400, 600));
    assert!(counted(&timeline).many.number > Decimal::ZERO);
    // where nobody asks for the check there is nothing to mute
    let mut without = Timeline::at(plan(), 1);
    let until = without.now.plus(Span::hours(1));
    let refused = without.command(Command::Mute { rule: "sample_ratio".to_owned(), until }).unwrap_err();
    assert!(refused.to_string().contains("rules: errors, no_data"), "{refused}");
}

#[test]
fn only_observed_it_is_recorded_and_holds_nothing() {
    let mut plan = splitting(&[], 1);
    plan.sample_ratio.iter_mut().for_each(|ratio| ratio.observe = true);
    let mut timeline = at(plan, 1);
    timeline.ticks(100, &requests(400, 600));
    timeline.baked(100);
    assert!(!timeline.state.missing.iter().any(|missing| matches!(missing, Missing::SampleRatio(_))));
    assert_eq!(timeline.count(|event| matches!(event, Event::WouldAct(_))), 1);
    assert_eq!(timeline.count(|event| matches!(event, Event::Notified(_))), 0);
}
