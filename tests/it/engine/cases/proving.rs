//! Lines of `healthy` that are to be proven: what counts, what starts anew, and that silence proves nothing.

use flagstaff::engine::detector::Counts;
use flagstaff::engine::event::Missing;
use flagstaff::engine::plan::{Action, Arm, HealthLine, Unit};
use flagstaff::engine::proof::{Proof, Tally};
use flagstaff::engine::{Command, Decimal, Plan, Reading, Unknown};

use super::super::kit::*;

const FAILED: usize = 5;
const TOTAL: usize = 6;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn proof() -> Proof {
    Proof::new(decimal("0.01"), decimal("0.05"), Counts { failed: FAILED, total: TOTAL }).unwrap()
}

/// `error_rate < 1% at 95% confidence`
fn proven_line() -> HealthLine {
    HealthLine { proof: Some(proof()), ..line(below(ERRORS, "0.01")) }
}

/// Two ticks of bake, and a proof beside other lines.
fn plan_with(lines: Vec<HealthLine>) -> Plan {
    let mut plan = plan();
    plan.series.push(series("error_rate.failed", Arm::Exposed, Unit::Count));
    plan.series.push(series("error_rate.total", Arm::Exposed, Unit::Count));
    plan.healthy = lines.into_iter().chain([proven_line()]).collect();
    plan
}

fn read(window: Vec<Reading>, failed: i64, total: i64) -> Vec<Reading> {
    let whole = |number| Reading::Value(Decimal::whole(number));
    window.into_iter().chain([failed, total].map(whole)).collect()
}

fn count(failed: i64, total: i64) -> Vec<Reading> {
    read(healthy(), failed, total)
}

/// Settled at the first stage, with nothing counted.
fn settled(lines: Vec<HealthLine>) -> Timeline {
    let mut timeline = Timeline::started(plan_with(lines));
    timeline.ticks(2, &count(0, 1000));
    assert!(timeline.state.proofs.is_empty(), "settling ticks earn nothing");
    timeline
}

fn tally(timeline: &Timeline) -> (String, String) {
    let tally = timeline.state.proofs.values().next().copied().unwrap_or_default();
    (tally.failed.to_string(), tally.total.to_string())
}

fn is_unproven(missing: &Missing) -> bool {
    matches!(missing, Missing::Unproven(_))
}

fn one_percent() -> HealthLine {
    line(below(ERRORS, "0.01"))
}

/// 483 requests without a failure: the least that proves "below 1%" at 95%, with five alternatives.
#[test]
fn a_stage_is_left_once_enough_was_counted() {
    for lines in [vec![one_percent()], Vec::new()] {
        let mut timeline = settled(lines);
        timeline.ticks(4, &count(0, 100));
        timeline.running(0).baked(4).lacks(is_unproven);
        assert_eq!(tally(&timeline), ("0".to_owned(), "400".to_owned()));
        timeline.tick(count(0, 82));
        timeline.running(0).lacks(is_unproven);
        timeline.tick(count(0, 1));
        timeline.running(1).baked(0);
        assert!(timeline.state.proofs.is_empty(), "another stage, another proof");
    }
}

#[test]
fn silence_proves_nothing() {
    let mut timeline = settled(vec![one_percent()]);
    timeline.ticks(3000, &count(0, 0));
    // nor does it bake, where the stage does not say so
    timeline.running(0).baked(0).lacks(is_unproven);
    let mut blind = settled(vec![one_percent()]);
    for reason in [Unknown::Idle, Unknown::NoAnswer, Unknown::Error, Unknown::Unobserved] {
        for series in [FAILED, TOTAL] {
            let mut readings = count(0, 1_000_000);
            readings[series] = Reading::Unknown(reason);
            blind.ticks(50, &readings);
            blind.running(0).baked(0).lacks(is_unproven);
        }
    }
    assert!(blind.state.proofs.is_empty());
}

#[test]
fn what_is_worse_than_the_limit_keeps_the_stage_and_restarts_nothing() {
    let mut timeline = settled(vec![one_percent()]);
    timeline.ticks(200, &count(2, 100));
    timeline.running(0).baked(200).lacks(is_unproven);
    // it is a matter of all that was counted: much that is good makes up for it
    timeline.ticks(2000, &count(0, 100));
    assert!(timeline.state.stage > 0);
}

#[test]
fn only_ticks_that_earn_count_and_what_restarts_the_bake_restarts_the_proof() {
    let mut plan = plan_with(vec![one_percent()]);
    plan.rules = vec![rule("errors", above(P99, "0.5"), 9, Action::Pause)];
    let mut timeline = Timeline::started(plan);
    timeline.ticks(2, &count(0, 0));
    timeline.ticks(4, &count(0, 100));
    assert_eq!(tally(&timeline).1, "400");
    timeline.tick(read(with(P99, value("0.6")), 0, 10_000));
    timeline.tick(read(unknown(ERRORS, Unknown::Error), 0, 10_000));
    timeline.running(0).baked(4);
    assert_eq!(tally(&timeline).1, "400", "frozen ticks count for nothing");
    timeline.tick(read(with(P99, value("0.6")), 3, 10_000));
    assert_eq!(tally(&timeline), ("3".to_owned(), "403".to_owned()), "but what failed at bad ones counts");
    timeline.caught_up(count(0, 10));
    assert_eq!(tally(&timeline).1, "413", "a missed tick that earns counts");
    timeline.pause();
    timeline.tick(count(0, 10_000));
    assert_eq!(tally(&timeline).1, "413", "a person's pause freezes");
    timeline.resume();
    assert_eq!(tally(&timeline).1, "413");
    timeline.ticks(2, &count(0, 0));
    timeline.tick(read(errors(50), 0, 10_000));
    timeline.running(0).baked(0);
    assert!(timeline.state.proofs.is_empty(), "an unhealthy tick restarts it");
    timeline.lacks(|missing| matches!(missing, Missing::Unproven(unproven) if unproven.tally == Tally::default()));
}

#[test]
fn adopting_and_forcing_start_a_proof_anew() {
    let begun = || {
        let mut timeline = settled(vec![one_percent()]);
        timeline.ticks(3, &count(0, 100));
        assert_eq!(tally(&timeline).1, "300");
        timeline
    };
    let mut adopted = begun();
    let plan = adopted.plan.clone();
    adopted.adopt(plan).unwrap();
    assert!(adopted.state.proofs.is_empty());
    let mut forced = begun();
    forced.command(Command::Force { stage: 1 }).unwrap();
    assert!(forced.state.proofs.is_empty());
}

#[test]
fn counts_of_a_proof_are_needed_like_any_metric_of_healthy() {
    let mut plan = plan_with(Vec::new());
    plan.no_data = no_data(3, Action::Pause);
    let mut timeline = Timeline::started(plan);
    let mut readings = count(0, 10);
    readings[TOTAL] = Reading::Unknown(Unknown::NoAnswer);
    timeline.ticks(3, &readings);
    timeline.paused(0, &[by_rule("no_data")]);
}

/// What the words say: for each alternative the failures and the successes with their logarithms, and the largest.
#[test]
fn the_evidence_is_the_written_sum() {
    let evidence = |failed: f64, total: f64| {
        let of = |share: f64| failed * (share / 0.01_f64).ln() + (total - failed) * ((1.0 - share) / 0.99).ln();
        [0.009, 0.0075, 0.005, 0.0025, 0.0005].map(of).into_iter().fold(0.0, f64::max)
    };
    for (failed, total) in [(0, 0), (0, 100), (1, 800), (5, 2000), (40, 5000), (90, 10_000), (3, 3)] {
        let tally = Tally { failed: Decimal::whole(failed), total: Decimal::whole(total) };
        let number: f64 = proof().evidence(tally).to_string().parse().unwrap();
        assert!((number - evidence(failed as f64, total as f64)).abs() < 1e-6, "{failed} of {total}: {number}");
        assert_eq!(proof().holds(tally), number >= (5.0_f64 / 0.05).ln());
    }
    for (limit, risk) in [("0", "0.05"), ("1", "0.05"), ("0.01", "1"), ("0.01", "0")] {
        assert_eq!(Proof::new(decimal(limit), decimal(risk), Counts { failed: 0, total: 1 }), None);
    }
}
