//! Burn rates: an ordinary rule over two windows, as documents resolve it.

use flagstaff::engine::plan::{Action, Arm, Unit};
use flagstaff::engine::{Condition, Event, Plan, Reading, Unknown};

use super::super::kit::*;

/// Indices of the share over each window, behind the kit's series.
const LONG: usize = 5;
const SHORT: usize = 6;

/// `burn_rate(error_rate, 99.9%) > 14.4`, over two windows.
fn burning(ticks: u32, then: Action) -> Plan {
    let both = Condition::All(vec![above(LONG, "0.0144"), above(SHORT, "0.0144")]);
    let mut plan = with_rules(vec![rule("budget", both, ticks, then)]);
    for name in ["error_rate over 1h", "error_rate over 5m"] {
        plan.series.push(series(name, Arm::Exposed, Unit::Ratio));
    }
    plan.stages.iter_mut().for_each(|stage| stage.bake = bake(100));
    plan
}

/// Healthy by the policy's window, and these shares over the long and the short one.
fn shares(long: &str, short: &str) -> Vec<Reading> {
    healthy().into_iter().chain([value(long), value(short)]).collect()
}

fn at(plan: Plan, stage: usize) -> Timeline {
    let mut timeline = Timeline::started(plan);
    timeline.command(flagstaff::engine::Command::Force { stage }).unwrap();
    timeline.ticks(2, &shares("0", "0"));
    timeline
}

#[test]
fn it_fires_only_while_both_windows_burn() {
    let mut timeline = at(burning(1, Action::Shutdown), 1);
    // a spike that the budget bears, a breach that is over, and exactly the limit
    for (long, short) in [("0.001", "0.5"), ("0.2", "0.001"), ("0.0144", "0.2"), ("0.2", "0.0144")] {
        timeline.tick(shares(long, short));
        timeline.running(1);
    }
    timeline.tick(shares("0.01441", "0.01441"));
    timeline.stopped();
    let because = timeline.events.iter().find_map(|event| match event {
        Event::Stopped { because, .. } => because.first().cloned(),
        _ => None,
    });
    let evidence = because.expect("a rule").evidence;
    let names: Vec<&str> = evidence.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["error_rate over 1h", "error_rate over 5m"]);
}

#[test]
fn it_is_over_once_the_short_window_recovers() {
    let mut timeline = at(burning(3, Action::Pause), 1);
    timeline.ticks(2, &shares("0.2", "0.2"));
    timeline.lacks(|missing| matches!(missing, flagstaff::engine::event::Missing::RuleTrue { have: 2, need: 3, .. }));
    timeline.tick(shares("0.2", "0.001"));
    timeline.running(1).baked(1);
    // what the long window remembers neither fires nor keeps the bake back
    timeline.ticks(2, &shares("0.2", "0.001"));
    timeline.baked(3);
    timeline.ticks(3, &shares("0.2", "0.2"));
    timeline.paused(1, &[by_rule("budget")]);
}

#[test]
fn it_is_armed_while_a_stage_settles() {
    let mut timeline = Timeline::started(burning(1, Action::Shutdown));
    timeline.tick(shares("0.2", "0.2"));
    timeline.stopped();
}

#[test]
fn one_window_that_is_known_to_be_well_settles_it_and_one_that_is_not_holds() {
    let mut timeline = at(burning(1, Action::Pause), 1);
    let mut unseen = shares("0", "0.001");
    // pages that were read for less than the long window
    unseen[LONG] = Reading::Unknown(Unknown::Unobserved);
    timeline.tick(unseen.clone());
    timeline.running(1).baked(1);
    unseen[SHORT] = value("0.2");
    timeline.tick(unseen);
    timeline.running(1).baked(1);
}
