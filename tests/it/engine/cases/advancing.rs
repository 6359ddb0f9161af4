//! What it takes to leave a stage.

use flagstaff::engine::condition::Comparison;
use flagstaff::engine::event::Missing;
use flagstaff::engine::explain::explain;
use flagstaff::engine::input::{Hold, HoldKind};
use flagstaff::engine::plan::Action;
use flagstaff::engine::{Command, Condition, Decimal, Observation, Phase, Plan, Span, Term, Unknown};

use super::super::kit::*;

#[test]
fn a15_health_that_reads_nothing_of_the_exposed_group_earns_nothing() {
    let mut plan = plan();
    for healthy in [vec![], vec![line(below(SERVICE, "5"))], vec![line(below(CONTROL, "0.01"))]] {
        plan.healthy = healthy;
        plan.rules.clear();
        let mut timeline = Timeline::at(plan.clone(), 1);
        timeline.healthy(9);
        timeline.running(1).baked(0).lacks(|missing| *missing == Missing::NoEvidence);
    }
}

/// That something answers, or how many are exposed, says nothing of how they fare.
#[test]
fn a15_health_is_measured_not_merely_answered() {
    let present = || Condition::Not(Box::new(Condition::Missing(ERRORS)));
    let small =
        || Condition::Compare { left: Term::Exposure, op: Comparison::AtMost, right: Term::Number(Decimal::whole(1)) };
    let measured = || below(ERRORS, "0.01");
    let timers = [
        present(),
        small(),
        Condition::All(vec![present(), small()]),
        Condition::Any(vec![present(), measured()]),
        Condition::Not(Box::new(Condition::All(vec![Condition::Missing(ERRORS), above(ERRORS, "0.01")]))),
    ];
    for timer in timers {
        let mut timeline = Timeline::at(Plan { healthy: vec![line(timer)], rules: Vec::new(), ..plan() }, 1);
        timeline.ticks(9, &errors(1000));
        timeline.healthy(3);
        timeline.running(1).baked(0).lacks(|missing| *missing == Missing::NoEvidence);
    }
    for health in [measured(), Condition::All(vec![present(), measured()])] {
        let mut timeline = Timeline::at(Plan { healthy: vec![line(health)], ..plan() }, 1);
        timeline.healthy(1);
        timeline.baked(1);
    }
}

#[test]
fn a15_a_line_on_the_control_group_alone_proves_nothing_where_it_does_not_apply() {
    let mut plan = plan();
    plan.healthy = vec![line(Condition::Not(Box::new(above_control())))];
    plan.rules.clear();
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(9);
    timeline.running(0).baked(0).lacks(|missing| *missing == Missing::NoEvidence);
}

#[test]
fn b5_evidence_counts_from_settle_on() {
    let mut timeline = Timeline::started(plan());
    timeline.healthy(2);
    timeline.running(0).baked(0).lacks(|missing| matches!(missing, Missing::Settling { .. }));
    timeline.healthy(1);
    timeline.baked(1);
}

#[test]
fn c2_the_first_tick_is_at_or_after_effective_plus_settle() {
    for (settle, first) in [(24_000, 1), (24_001, 2), (0, 1)] {
        // effective 6s after a tick, so 24s later is the next tick exactly
        let mut timeline = Timeline::started(Plan { settle: Span(settle), ..plan() });
        let mut ticks = 0;
        while timeline.state.baked == 0 {
            timeline.healthy(1);
            ticks += 1;
        }
        assert_eq!(ticks, first, "settle {settle}ms");
    }
}

#[test]
fn c1_a_bake_of_nothing_is_one_healthy_tick() {
    let mut plan = plan();
    plan.stages[0].bake = Span(0);
    let mut timeline = Timeline::at(plan, 0);
    timeline.tick(errors(15));
    timeline.running(0);
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn b6_a_line_with_for_freezes_until_it_has_lasted() {
    let mut plan = plan();
    plan.stages[0].bake = bake(9);
    plan.healthy[0].hold_for = lasting(3);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(3);
    timeline.ticks(2, &errors(15));
    timeline.baked(3).lacks(|missing| matches!(missing, Missing::Unhealthy { line: 0 }));
    timeline.healthy(1);
    timeline.ticks(2, &errors(15));
    timeline.baked(4);
    timeline.ticks(1, &errors(15));
    timeline.baked(0);
}

#[test]
fn c3_false_restarts_whatever_else_is_unknown() {
    let mut plan = plan();
    plan.stages[0].bake = bake(9);
    plan.healthy.push(line(below(P99, "1")));
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(3);
    timeline.tick(unknown(P99, Unknown::Error));
    timeline.baked(3);
    let mut readings = unknown(P99, Unknown::Error);
    readings[ERRORS] = value("0.015");
    timeline.tick(readings);
    timeline.baked(0);
}

#[test]
fn samples_count_over_the_ticks_that_earned() {
    let mut plan = plan();
    plan.stages[0].samples = samples(300);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(2);
    timeline.tick(unknown(ERRORS, Unknown::Error));
    timeline.running(0).lacks(|missing| matches!(missing, Missing::Samples { need: 300, .. }));
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn samples_restart_with_the_bake_and_are_needed_at_every_growth() {
    let mut plan = plan();
    plan.stages[0].samples = samples(250);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(2);
    timeline.tick(errors(15));
    timeline.healthy(2);
    timeline.running(0);
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn a_negative_or_missing_count_adds_nothing() {
    let mut plan = plan();
    plan.stages[0].samples = samples(1);
    let mut timeline = Timeline::at(plan, 0);
    timeline.tick(with(REQUESTS, value("-5")));
    timeline.tick(unknown(REQUESTS, Unknown::Error));
    timeline.running(0).baked(2).lacks(|missing| matches!(missing, Missing::Samples { .. }));
    assert!(!timeline.state.samples.is_negative());
}

#[test]
fn idle_bakes_where_the_stage_says_so_and_samples_are_still_needed() {
    let mut plan = plan();
    plan.stages[0].samples = samples(100);
    plan.stages[0].idle_bakes = true;
    let mut timeline = Timeline::at(plan, 0);
    timeline.ticks(5, &all_unknown(Unknown::Idle));
    timeline.running(0).baked(5).lacks(|missing| matches!(missing, Missing::Samples { .. }));
    timeline.ticks(1, &all_unknown(Unknown::Error));
    timeline.baked(5);
    timeline.healthy(1);
    timeline.running(1);
    timeline.settle();
    timeline.ticks(5, &all_unknown(Unknown::Idle));
    timeline.running(1).baked(0);
}

#[test]
fn the_present_tick_must_itself_be_healthy() {
    let mut timeline = Timeline::at(plan(), 0);
    for _ in 0..5 {
        timeline.caught_up(healthy());
    }
    for readings in [unknown(ERRORS, Unknown::Error), unknown(ERRORS, Unknown::Idle)] {
        timeline.tick(readings);
        timeline.running(0).baked(5);
    }
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn a_tick_that_read_another_exposure_does_not_advance() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.healthy(1);
    timeline.tick_with(healthy(), Observation::NotRead, true);
    timeline.running(0).baked(2).lacks(|missing| matches!(missing, Missing::Backend { .. }));
}

#[test]
fn a_tick_is_taken_once_and_in_order() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.healthy(1);
    let at = timeline.now;
    for before in [0, 1, 5] {
        let backend = Observation::Seen(timeline.backend.clone());
        let events = timeline.tick_at(at.minus(Span(EVERY.0 * before)), healthy(), backend, true);
        assert_eq!(events, []);
    }
    timeline.running(0).baked(1);
}

#[test]
fn everything_that_is_missing_is_listed() {
    let mut plan = plan();
    plan.stages[0].samples = samples(1000);
    plan.stages[0].approval = approval(&[], 1);
    plan.rules.push(rule("latency", above(P99, "1"), 5, Action::Pause));
    let mut timeline = Timeline::at(plan, 0);
    timeline.holds = vec![hold(flagstaff::engine::input::HoldKind::Window)];
    let mut readings = errors(15);
    readings[P99] = value("2");
    timeline.tick_with(readings, Observation::Unreadable("down".to_owned()), false);
    assert_eq!(timeline.state.missing.len(), 8, "{:?}", timeline.state.missing);
}

#[test]
fn a_line_of_both_groups_needs_both() {
    let mut plan = plan();
    plan.healthy = vec![line(Condition::Not(Box::new(above_control())))];
    let mut timeline = Timeline::at(plan, 1);
    timeline.tick(unknown(CONTROL, Unknown::NoAnswer));
    timeline.running(1).baked(0);
    timeline.healthy(2);
    timeline.running(2);
}

#[test]
fn all_stages_then_completed() {
    let mut timeline = Timeline::started(plan());
    for stage in 0..4 {
        timeline.running(stage).allows(&timeline.plan.stages[stage].exposure);
        timeline.settle();
        timeline.healthy(2);
    }
    timeline.is(Phase::Completed, 3);
    assert_eq!(timeline.backend.shown(), audience(&["employees"], 100));
}

#[test]
fn explain_names_the_next_tick_and_the_earliest_advance() {
    let plan = plan();
    let mut timeline = Timeline::started(plan.clone());
    let said = |timeline: &Timeline| explain(&plan, &timeline.state, None, timeline.later());
    // effective 6s after a tick, settled at the third tick, two healthy ones needed
    let start = timeline.now;
    let after = |ticks: u64| Some(start.plus(Span(EVERY.0 * ticks)));
    // a tick is asked `delay` after its instant: before that nothing goes on
    let asked = |ticks: u64| after(ticks).map(|at| at.plus(plan.delay));
    assert_eq!((said(&timeline).next_tick, said(&timeline).earliest), (after(1), asked(4)));
    timeline.healthy(3);
    assert_eq!((said(&timeline).next_tick, said(&timeline).earliest), (after(4), asked(4)));
    assert_eq!(said(&timeline).missing, timeline.state.missing);
    timeline.pause();
    assert_eq!((said(&timeline).next_tick, said(&timeline).earliest), (after(4), None));
    timeline.command(flagstaff::engine::Command::Abort).expect("always");
    assert_eq!((said(&timeline).next_tick, said(&timeline).earliest), (None, None));
}

fn missing_now(timeline: &Timeline) -> Vec<Missing> {
    explain(&timeline.plan, &timeline.state, None, timeline.later()).missing
}

#[test]
fn explain_knows_what_is_missing_before_any_tick_of_a_stage() {
    let mut plan = plan();
    plan.stages[0].samples = samples(10);
    plan.stages[0].approval = approval(&["ana", "bo"], 2);
    let mut timeline = Timeline::new(plan);
    timeline.obedient = false;
    timeline.start().unwrap();
    let bake = |have| Missing::Bake { have, need: 2 };
    let measured = Missing::Samples { have: Decimal::ZERO, need: 10 };
    let approval = Missing::Approval { have: 0, need: 2 };
    let opening = [Missing::EffectOpen, Missing::NotEffective, bake(0), measured.clone(), approval.clone()];
    assert_eq!(missing_now(&timeline), opening);
    timeline.obey();
    let settling = Missing::Settling { until: timeline.later().plus(SETTLE) };
    assert_eq!(missing_now(&timeline), [settling.clone(), bake(0), measured.clone(), approval.clone()]);

    // of an older stage nothing is told, nor of a pause that is over
    let mut timeline = Timeline::at(self::plan(), 0);
    timeline.tick(errors(15));
    assert_eq!(missing_now(&timeline), [Missing::Unhealthy { line: 0 }, bake(0)]);
    timeline.command(Command::Force { stage: 1 }).unwrap();
    let settling = Missing::Settling { until: timeline.later().plus(SETTLE) };
    assert_eq!(missing_now(&timeline), [settling.clone(), bake(0)]);
    timeline.pause();
    timeline.healthy(3);
    assert_eq!(missing_now(&timeline), [Missing::Paused, bake(0)]);
    timeline.resume();
    let settling = Missing::Settling { until: timeline.later().plus(SETTLE) };
    assert_eq!(missing_now(&timeline), [settling, bake(0)]);
    // an advance was decided, and is under way
    timeline.healthy(3);
    timeline.obedient = false;
    timeline.healthy(1);
    assert!(timeline.state.is_growing());
    assert_eq!(missing_now(&timeline), [Missing::EffectOpen]);
    timeline.obey();
    assert!(missing_now(&timeline).contains(&bake(0)), "{:?}", missing_now(&timeline));
}

#[test]
fn there_is_no_earliest_step_where_a_person_is_needed_and_a_freeze_has_an_end() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&["ana"], 1);
    let mut timeline = Timeline::at(plan, 0);
    let earliest = |timeline: &Timeline, holds: &[Hold]| {
        explain(&timeline.plan, &timeline.state, Some(holds), timeline.later()).earliest
    };
    let next = |timeline: &Timeline, ticks: u64| Some(timeline.now.plus(Span(EVERY.0 * ticks)));
    let asked = |timeline: &Timeline, ticks: u64| next(timeline, ticks).map(|at| at.plus(timeline.plan.delay));
    assert_eq!(earliest(&timeline, &[]), asked(&timeline, 2), "then people may approve");
    for kind in [HoldKind::AddressChanged, HoldKind::DocumentGone] {
        assert_eq!(earliest(&timeline, &[hold(kind)]), None, "{kind:?}");
    }
    let frozen = |ticks: u64| Hold { until: next(&timeline, ticks).map(|at| at.plus(Span(1))), ..freeze("sale") };
    assert_eq!(earliest(&timeline, &[frozen(9)]), asked(&timeline, 9), "the tick that is asked when it is over");
    assert_eq!(earliest(&timeline, &[frozen(1)]), asked(&timeline, 2), "over before the bake is");
    timeline.healthy(2);
    assert_eq!(earliest(&timeline, &[]), None, "only a person can go on");
    timeline.command(Command::Approve).unwrap();
    assert_eq!(earliest(&timeline, &[]), asked(&timeline, 1));
    assert_eq!(missing_now(&timeline), []);
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn the_earliest_advance_is_when_it_really_advances() {
    for ticks in 0..5 {
        let mut timeline = Timeline::started(plan());
        timeline.healthy(ticks);
        let stage = timeline.state.stage;
        let earliest = explain(&timeline.plan, &timeline.state, None, timeline.later()).earliest;
        while timeline.state.stage == stage {
            timeline.healthy(1);
        }
        assert_eq!(Some(timeline.now.plus(timeline.plan.delay)), earliest, "after {ticks} ticks");
    }
}

#[test]
fn comparisons_mean_what_they_say() {
    for (op, at_limit) in [
        (Comparison::Less, false),
        (Comparison::AtMost, true),
        (Comparison::Greater, false),
        (Comparison::AtLeast, true),
    ] {
        let mut plan = plan();
        plan.healthy = vec![line(compare(ERRORS, op, "0.005"))];
        let mut timeline = Timeline::at(plan, 0);
        timeline.healthy(1);
        assert_eq!(timeline.state.baked == 1, at_limit, "{op:?}");
    }
}
