//! Rules with a promise: what their number takes in, what starts it anew, when it fires, and what it holds.

use flagstaff::engine::detector::{Against, Counts, Detector, threshold};
use flagstaff::engine::event::{Mark, Missing};
use flagstaff::engine::plan::{Action, Arm, Rule, Unit};
use flagstaff::engine::{Cause, Command, Decimal, Event, Fired, Phase, Plan, Reading, Span, Unknown};

use super::super::kit::*;

/// Indices of the counts, behind the kit's series.
const FAILED: usize = 5;
const TOTAL: usize = 6;
const THEIR_FAILED: usize = 7;
const THEIR_TOTAL: usize = 8;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn detector(against: Against, cluster: u32) -> Detector {
    let (max, per) = (decimal("0.05"), Span::hours(24));
    let counts = Counts { failed: FAILED, total: TOTAL };
    Detector { max, per, cluster, threshold: threshold(max, per, EVERY, cluster).unwrap(), counts, against }
}

/// `error_rate > 2%`, of which 5% must be caught.
fn errors_rule(then: Action) -> Rule {
    let against = Against::share(decimal("0.02"), decimal("0.05")).unwrap();
    Rule { detector: Some(detector(against, 1)), ..rule("errors", above(ERRORS, "0.02"), 1, then) }
}

/// `error_rate > 1.5 * baseline(error_rate)`, of which three times must be caught.
fn blame_rule(then: Action) -> Rule {
    let control = Counts { failed: THEIR_FAILED, total: THEIR_TOTAL };
    let against = Against::baseline(decimal("1.5"), decimal("3"), control).unwrap();
    Rule { detector: Some(detector(against, 1)), ..rule("blame", above_control(), 1, then) }
}

fn counting(rules: Vec<Rule>) -> Plan {
    let mut plan = with_rules(rules);
    // no stage is left unless a test says so
    plan.stages.iter_mut().for_each(|stage| stage.bake = bake(10_000));
    for (name, arm) in [
        ("error_rate.failed", Arm::Exposed),
        ("error_rate.total", Arm::Exposed),
        ("baseline(error_rate.failed)", Arm::Control),
        ("baseline(error_rate.total)", Arm::Control),
    ] {
        plan.series.push(series(name, arm, Unit::Count));
    }
    plan
}

/// Healthy by the window, and these counts: of the exposed group, and of the control group.
fn counts(failed: i64, total: i64, theirs: i64, their_total: i64) -> Vec<Reading> {
    let whole = |number| Reading::Value(Decimal::whole(number));
    healthy().into_iter().chain([failed, total, theirs, their_total].map(whole)).collect()
}

/// The exposed group's counts alone.
fn count(failed: i64, total: i64) -> Vec<Reading> {
    counts(failed, total, 1, 1000)
}

fn blind(series: usize, reason: Unknown) -> Vec<Reading> {
    let mut readings = count(0, 0);
    readings[series] = Reading::Unknown(reason);
    readings
}

/// At a stage, settled, with nothing counted.
fn at(rules: Vec<Rule>, stage: usize) -> Timeline {
    let mut timeline = Timeline::started(counting(rules));
    if stage > 0 {
        timeline.command(Command::Force { stage }).unwrap();
    }
    timeline.ticks(2, &count(0, 0));
    timeline
}

fn number(timeline: &Timeline) -> f64 {
    timeline.state.rules[0].weight.to_string().parse().unwrap()
}

#[track_caller]
fn near(number: f64, expected: f64) {
    assert!((number - expected).abs() < 1e-9, "{number} is not {expected}");
}

fn because(timeline: &Timeline) -> Vec<Fired> {
    let asked = |event: &Event| match event {
        Event::Paused { because, .. } | Event::RolledBack { because, .. } | Event::Stopped { because, .. } => {
            Some(because.clone())
        }
        _ => None,
    };
    timeline.events.iter().filter_map(asked).next_back().expect("something was decided")
}

/// What ten failures of a hundred add.
fn ten_of_a_hundred() -> f64 {
    10.0 * (0.05_f64 / 0.02).ln() + 90.0 * (0.95_f64 / 0.98).ln()
}

#[test]
fn the_number_is_the_written_sum_and_never_below_zero() {
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.tick(count(10, 100));
    near(number(&timeline), ten_of_a_hundred());
    timeline.tick(count(0, 50));
    near(number(&timeline), ten_of_a_hundred() + 50.0 * (0.95_f64 / 0.98).ln());
    timeline.tick(count(0, 10_000));
    assert_eq!(timeline.state.rules[0].weight, Decimal::ZERO);
    timeline.tick(count(0, 0));
    timeline.running(1);
}

#[test]
fn it_fires_at_its_threshold_and_says_on_what() {
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    let first = timeline.now.plus(EVERY);
    timeline.tick(count(10, 100));
    timeline.running(1);
    timeline.tick(count(10, 100));
    timeline.paused(1, &[by_rule("errors")]);
    let fired = because(&timeline).remove(0);
    assert_eq!((fired.rule.as_str(), fired.since, fired.at), ("errors", first, timeline.now));
    let weighed = fired.weighed.expect("the number");
    assert_eq!(weighed.threshold.to_string(), "10.9612778467");
    near(weighed.before.to_string().parse().unwrap(), ten_of_a_hundred());
    near(weighed.number.to_string().parse().unwrap(), 2.0 * ten_of_a_hundred());
    let whole = |number| Reading::Value(Decimal::whole(number));
    let expected = [("error_rate.failed".to_owned(), whole(10)), ("error_rate.total".to_owned(), whole(100))];
    assert_eq!(fired.evidence, expected);
    // the same again, from what was recorded
    let detector = timeline.plan.rules[0].detector.clone().unwrap();
    let mut readings = count(0, 0);
    for (name, reading) in &fired.evidence {
        let index = timeline.plan.series.iter().position(|series| series.name == *name).unwrap();
        readings[index] = reading.clone();
    }
    assert_eq!(detector.weigh(weighed.before, &readings), Some(weighed.number));
}

#[test]
fn what_fires_holds_growth_like_any_stopping_rule_and_what_is_half_way_does_not() {
    let mut timeline = at(vec![errors_rule(Action::Hold)], 1);
    timeline.tick(count(10, 100));
    timeline.baked(1);
    timeline.tick(count(10, 100));
    timeline.baked(0).lacks(|missing| matches!(missing, Missing::RuleTrue { rule: 0, weighed: Some(_), .. }));
    timeline.running(1);
    timeline.tick(count(0, 1000));
    timeline.baked(1);
}

/// C12: a tick adds only if its counts are known; unknown holds, and neither adds nor resets, however long.
#[test]
fn c12_unknown_freezes_the_number_for_as_long_as_it_lasts() {
    for series in [FAILED, TOTAL] {
        for reason in [Unknown::Error, Unknown::Unobserved, Unknown::Stale] {
            let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
            timeline.tick(count(10, 100));
            timeline.baked(1);
            timeline.ticks(900, &blind(series, reason));
            near(number(&timeline), ten_of_a_hundred());
            timeline.baked(1).running(1).lacks(
                |missing| matches!(missing, Missing::Unknown { series: index, reason: why } if (*index, *why) == (series, reason)),
            );
            timeline.tick(count(10, 100));
            timeline.paused(1, &[by_rule("errors")]);
        }
    }
}

#[test]
fn ticks_that_nobody_fed_leave_the_number_alone() {
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.tick(count(10, 100));
    timeline.now = timeline.now.plus(Span(EVERY.0 * 5000));
    timeline.tick(count(1, 100));
    near(number(&timeline), ten_of_a_hundred() + (0.05_f64 / 0.02).ln() + 99.0 * (0.95_f64 / 0.98).ln());
}

/// C12 and B9: anew at an exposure change, a resume, an adopt and the end of a mute.
#[test]
fn c12_what_starts_the_number_anew_and_what_does_not() {
    let begun = || {
        let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
        timeline.tick(count(10, 100));
        near(number(&timeline), ten_of_a_hundred());
        timeline
    };
    let mut paused = begun();
    paused.pause();
    near(number(&paused), ten_of_a_hundred());
    paused.tick(count(10, 100));
    paused.paused(1, &[Cause::Person, by_rule("errors")]);
    paused.resume();
    near(number(&paused), 0.0);
    paused.tick(count(10, 100));
    paused.running(1);

    let mut frozen = begun();
    frozen.holds.push(freeze("freeze-all"));
    frozen.tick(count(0, 0));
    near(number(&frozen), ten_of_a_hundred());

    let mut adopted = begun();
    let plan = adopted.plan.clone();
    adopted.adopt(plan).unwrap();
    near(number(&adopted), 0.0);

    let mut forced = begun();
    forced.command(Command::Force { stage: 2 }).unwrap();
    near(number(&forced), 0.0);

    let mut grown = begun();
    grown.plan.stages[1].bake = bake(2);
    grown.tick(count(0, 0));
    grown.running(2);
    near(number(&grown), 0.0);

    let mut back = begun();
    back.command(Command::Rollback { stage: None }).unwrap();
    near(number(&back), 0.0);
}

#[test]
fn b9_a_muted_rule_counts_nothing_and_starts_anew_when_the_mute_ends() {
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.tick(count(10, 100));
    timeline.mute("errors", 3);
    near(number(&timeline), 0.0);
    timeline.tick(count(50, 100));
    timeline.tick(count(50, 100));
    assert_eq!(timeline.state.rules[0].weight, Decimal::ZERO);
    timeline.tick(blind(FAILED, Unknown::Error));
    timeline.lacks(|missing| !matches!(missing, Missing::Unknown { .. }));
    timeline.tick(count(10, 100));
    near(number(&timeline), ten_of_a_hundred());
    timeline.running(1);
}

#[test]
fn counts_that_cannot_be_are_cut_down_to_what_can() {
    let all = 100.0 * (0.05_f64 / 0.02).ln();
    for (failed, total, expected) in [(500, 100, all), (5, 0, 0.0), (-7, 100, 0.0), (3, -100, 0.0)] {
        let mut timeline = at(vec![errors_rule(Action::Notify)], 1);
        timeline.tick(count(failed, total));
        near(number(&timeline), expected);
    }
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.tick(healthy());
    timeline.running(1).lacks(|missing| matches!(missing, Missing::Unknown { series: FAILED, .. }));
}

#[test]
fn a_counting_notice_is_said_once_per_edge() {
    let mut timeline = at(vec![errors_rule(Action::Notify)], 1);
    let said = |timeline: &Timeline| timeline.count(|event| matches!(event, Event::Notified(_)));
    timeline.ticks(4, &count(10, 100));
    assert_eq!(said(&timeline), 1);
    timeline.tick(count(0, 10_000));
    timeline.ticks(3, &count(10, 100));
    assert_eq!(said(&timeline), 2);
}

#[test]
fn no_data_counts_the_counts_of_an_armed_rule() {
    let mut plan = counting(vec![errors_rule(Action::Shutdown)]);
    plan.no_data = no_data(3, Action::Pause);
    let mut timeline = Timeline::started(plan);
    timeline.ticks(2, &blind(TOTAL, Unknown::NoAnswer));
    timeline.running(0);
    timeline.tick(blind(TOTAL, Unknown::NoAnswer));
    timeline.paused(0, &[by_rule("no_data")]);
}

#[test]
fn clusters_are_a_threshold_so_much_higher() {
    let against = Against::share(decimal("0.02"), decimal("0.05")).unwrap();
    let five = Rule { detector: Some(detector(against, 5)), ..errors_rule(Action::Pause) };
    let mut timeline = at(vec![five], 1);
    let ticks = (5.0 * 10.9612778467 / ten_of_a_hundred()).ceil() as u32;
    timeline.pause();
    timeline.ticks(ticks - 1, &count(10, 100));
    timeline.paused(1, &[Cause::Person]);
    timeline.tick(count(10, 100));
    timeline.paused(1, &[Cause::Person, by_rule("errors")]);
}

/// A late run counts for itself, from zero: it can stop, and leaves the number of the present alone.
#[test]
fn late_ticks_are_counted_for_themselves_and_can_only_stop() {
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.ticks(3, &blind(FAILED, Unknown::Error));
    let before = timeline.state.clone();
    timeline.late(&[(2, true, count(10, 100)), (1, true, count(0, 100)), (0, true, count(10, 100))]);
    assert_eq!(timeline.state, before);
    timeline.late(&[(2, true, count(10, 100)), (1, true, count(0, 0)), (0, true, count(10, 100))]);
    timeline.paused(1, &[by_rule("errors")]);
    let weighed = because(&timeline)[0].weighed.expect("the number");
    near(weighed.number.to_string().parse().unwrap(), 2.0 * ten_of_a_hundred());
}

/// E6: half of the evidence before an outage of the source, half of it in the outage.
#[test]
fn e6_evidence_across_an_outages_edge_is_found() {
    let run = |late: [bool; 3]| {
        let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
        timeline.tick(count(10, 100));
        timeline.ticks(2, &blind(FAILED, Unknown::Error));
        timeline.late(&[(2, late[0], count(10, 100)), (1, late[1], count(0, 1)), (0, late[2], count(10, 100))]);
        timeline.state.phase
    };
    assert_eq!(run([false, true, true]), Phase::Paused);
    assert_eq!(run([false, false, false]), Phase::Running, "what was judged in its time has had its say");
    // evidence that was paid back before the late tick is no part of it
    let mut timeline = at(vec![errors_rule(Action::Pause)], 1);
    timeline.ticks(4, &count(0, 0));
    timeline.late(&[
        (3, true, count(10, 100)),
        (2, false, count(0, 1000)),
        (1, false, count(20, 100)),
        (0, false, count(0, 0)),
    ]);
    timeline.running(1);
}

#[test]
fn a_late_run_goes_back_over_sixty_ticks_of_a_rule_that_counts() {
    assert_eq!(counting(vec![errors_rule(Action::Pause)]).longest_run(), 60);
    assert_eq!(counting(vec![rule("plain", above(ERRORS, "0.02"), 3, Action::Pause)]).longest_run(), 3);
}

#[test]
fn late_evidence_that_has_not_fired_yet_is_unfinished() {
    use flagstaff::engine::input::LateTick;
    let timeline = at(vec![errors_rule(Action::Pause)], 1);
    let tick = |ahead: u64, late, readings| LateTick { at: timeline.now.plus(Span(EVERY.0 * ahead)), late, readings };
    let open = |ticks: &[LateTick]| flagstaff::engine::decide::unfinished(&timeline.plan, &timeline.state, ticks);
    let first = tick(1, true, count(10, 100));
    assert_eq!(open(std::slice::from_ref(&first)), [first.at].into());
    assert!(open(&[first.clone(), tick(2, false, count(0, 1000))]).is_empty(), "paid back");
    assert!(open(&[first, tick(2, false, count(10, 100))]).is_empty(), "it has fired");
}

#[test]
fn observed_rules_record_what_they_would_have_done_and_stop_and_hold_nothing() {
    for then in [Action::Pause, Action::Hold, Action::Shutdown, previous(), Action::Notify] {
        let counted = Rule { observe: true, ..errors_rule(then.clone()) };
        let plain = Rule { observe: true, ..rule("window", above(ERRORS, "0.004"), 2, then.clone()) };
        let mut timeline = at(vec![counted, plain], 1);
        timeline.plan.stages[1].bake = bake(2);
        timeline.tick(blind(FAILED, Unknown::Error));
        timeline.baked(1);
        timeline.tick(count(30, 100));
        let would = |timeline: &Timeline| -> Vec<Fired> {
            let said = |event: &Event| match event {
                Event::WouldAct(fired) => Some(fired.clone()),
                _ => None,
            };
            timeline.events.iter().filter_map(said).collect()
        };
        let said = would(&timeline);
        let names: Vec<&str> = said.iter().map(|fired| fired.rule.as_str()).collect();
        // the window's rule held at the settling ticks of both stages already
        assert_eq!(names, ["window", "errors"], "{then:?}");
        assert!(said.iter().all(|fired| fired.then == then) && said[1].weighed.is_some());
        timeline.running(2);
        assert_eq!(timeline.count(|event| matches!(event, Event::Notified(_))), 0);
    }
}

#[test]
fn an_observed_rule_says_it_once_per_edge_and_is_silent_while_muted() {
    let observed = || Rule { observe: true, ..errors_rule(Action::Pause) };
    let said = |timeline: &Timeline| timeline.count(|event| matches!(event, Event::WouldAct(_)));
    let mut timeline = at(vec![observed()], 1);
    timeline.pause();
    timeline.ticks(5, &count(10, 100));
    assert_eq!(said(&timeline), 1);
    timeline.tick(count(0, 10_000));
    timeline.ticks(2, &count(10, 100));
    assert_eq!(said(&timeline), 2);
    let mut muted = at(vec![observed()], 1);
    muted.pause();
    muted.mute("errors", 6);
    muted.ticks(5, &count(50, 100));
    assert_eq!(said(&muted), 0);
    let mut late = at(vec![observed()], 1);
    late.late(&[(1, true, count(50, 100)), (0, true, count(50, 100))]);
    assert_eq!(said(&late), 0, "what comes late can stop, and this does not");
}

#[test]
fn an_observed_no_data_stops_nothing_and_says_so() {
    let mut plan = plan();
    plan.no_data = no_data(3, Action::Shutdown);
    plan.no_data.iter_mut().for_each(|rule| rule.observe = true);
    let mut timeline = Timeline::at(plan, 1);
    timeline.ticks(10, &all_unknown(Unknown::NoAnswer));
    timeline.running(1);
    assert_eq!(timeline.count(|event| matches!(event, Event::WouldAct(fired) if fired.rule == "no_data")), 1);
}

#[test]
fn against_the_control_group_the_number_is_the_split_of_failures() {
    let mut timeline = at(vec![blame_rule(Action::Pause)], 1);
    timeline.tick(counts(6, 100, 9, 900));
    let split = ((100.0 * 1.5 + 900.0) / (100.0 * 3.0 + 900.0_f64)).ln();
    near(number(&timeline), 6.0 * 2_f64.ln() + 15.0 * split);
    timeline.tick(counts(0, 100, 0, 900));
    near(number(&timeline), 6.0 * 2_f64.ln() + 15.0 * split);
    timeline.pause();
    timeline.ticks(6, &counts(6, 100, 9, 900));
    timeline.paused(1, &[Cause::Person, by_rule("blame")]);
    assert_eq!(because(&timeline)[0].evidence.len(), 4);
}

/// B1: no random control group at audiences and at 100%: nothing is counted, nothing is needed.
#[test]
fn b1_against_the_control_group_nothing_is_counted_where_there_is_none() {
    for (stage, applies) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut timeline = at(vec![blame_rule(Action::Pause)], stage);
        timeline.tick(blind(THEIR_TOTAL, Unknown::NoAnswer));
        let held = timeline.state.missing.iter().any(|missing| matches!(missing, Missing::Unknown { .. }));
        assert_eq!(held, applies, "stage {stage}");
        timeline.pause();
        timeline.ticks(5, &counts(50, 100, 9, 900));
        assert_eq!(timeline.state.causes.contains(&by_rule("blame")), applies, "stage {stage}");
        if !applies {
            assert_eq!(timeline.state.rules[0].weight, Decimal::ZERO);
        }
    }
}

#[test]
fn a_shared_outage_is_nobodys_fault_and_an_empty_control_group_accuses_nobody() {
    let mut shared = at(vec![blame_rule(Action::Shutdown)], 1);
    shared.pause();
    shared.ticks(100, &counts(50, 100, 450, 900));
    shared.paused(1, &[Cause::Person]);
    assert_eq!(shared.state.rules[0].weight, Decimal::ZERO);
    for readings in [counts(50, 100, 0, 0), counts(0, 0, 50, 100), counts(0, 0, 0, 0), counts(5, 0, 5, 0)] {
        let mut timeline = at(vec![blame_rule(Action::Shutdown)], 1);
        timeline.pause();
        timeline.ticks(200, &readings);
        timeline.paused(1, &[Cause::Person]);
    }
}

#[test]
fn a_judgement_without_counts_is_recorded_as_ever() {
    let mut timeline = Timeline::at(plan(), 1);
    let events = timeline.tick(healthy());
    let Some(Event::Ticked(judged)) = events.first() else { panic!("a tick") };
    assert_eq!(judged.rules, [Mark::False]);
    let text = flagstaff::canonical::to_string(judged).unwrap();
    assert!(!text.contains("weights"), "{text}");
    let plan = flagstaff::canonical::to_string(&plan()).unwrap();
    assert!(!plan.contains("detector") && !plan.contains("observe"), "{plan}");
}
