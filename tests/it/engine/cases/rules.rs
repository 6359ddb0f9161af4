//! Safeguards, `no_data`, mutes, signals and late runs.

use flagstaff::engine::condition::Comparison;
use flagstaff::engine::input::{Gates, Tick};
use flagstaff::engine::plan::Action;
use flagstaff::engine::{
    Cause, Command, Condition, Event, Fired, Input, Observation, Phase, Plan, Reading, Span, Term, Unknown,
};

use super::super::kit::*;

fn rules(rules: Vec<flagstaff::engine::plan::Rule>, stage: usize) -> Timeline {
    Timeline::at(with_rules(rules), stage)
}

fn notified(timeline: &Timeline) -> usize {
    timeline.count(|event| matches!(event, Event::Notified(_)))
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

#[test]
fn a16_late_a_clock_that_was_ahead_does_not_blind_the_safeguards() {
    let mut timeline = Timeline::at(plan(), 1);
    let now = timeline.now;
    timeline.now = now.plus(flagstaff::engine::Span::hours(87_600));
    timeline.tick(healthy());
    timeline.now = now;
    timeline.now = timeline.now.plus(EVERY).plus(EVERY).plus(EVERY);
    timeline.late(&[(2, false, errors(50)), (1, false, errors(50)), (0, true, errors(50))]);
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn b1_a_rule_on_the_control_group_does_not_apply_where_there_is_none() {
    let blame = || rule("blame", above_control(), 1, Action::Pause);
    for (stage, applies) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut bad = rules(vec![blame()], stage);
        bad.tick(errors(9));
        assert_eq!(bad.state.phase == flagstaff::engine::Phase::Paused, applies, "stage {stage}");
        let mut plan = with_rules(vec![blame()]);
        plan.no_data = no_data(2, Action::Pause);
        let mut silent = Timeline::at(plan, stage);
        silent.ticks(2, &unknown(CONTROL, Unknown::NoAnswer));
        assert_eq!(silent.state.phase == flagstaff::engine::Phase::Paused, applies, "stage {stage} without control");
    }
}

#[test]
fn b2_a_rollback_does_not_cascade() {
    let mut timeline = rules(vec![rule("back", above(ERRORS, "0.02"), 3, previous())], 3);
    timeline.ticks(20, &errors(50));
    timeline.paused(2, &[by_rule("back")]);
    timeline.resume();
    timeline.ticks(2, &errors(50));
    timeline.running(2);
    timeline.ticks(1, &errors(50));
    timeline.paused(1, &[by_rule("back")]);
}

#[test]
fn b3_a_named_stage_that_is_not_below_only_pauses() {
    for stage in [1, 2] {
        let mut timeline = rules(vec![rule("back", above(ERRORS, "0.02"), 1, back_to("half"))], stage);
        timeline.tick(errors(50));
        timeline.paused(stage, &[by_rule("back")]);
    }
}

#[test]
fn b4_no_traffic_only_holds() {
    let mut timeline = Timeline::at(Plan { no_data: no_data(3, Action::Pause), ..plan() }, 0);
    timeline.ticks(10, &all_unknown(Unknown::Idle));
    timeline.running(0).baked(0);
}

#[test]
fn b7_unobserved_ticks_earn_nothing_reset_nothing_and_count_for_nothing() {
    let mut timeline = Timeline::at(Plan { no_data: no_data(3, Action::Pause), ..plan() }, 0);
    timeline.healthy(1);
    for _ in 0..50 {
        timeline.caught_up(all_unknown(Unknown::Unobserved));
    }
    timeline.running(0).baked(1);
    timeline.ticks(2, &all_unknown(Unknown::Error));
    timeline.caught_up(all_unknown(Unknown::Unobserved));
    timeline.caught_up(unknown(ERRORS, Unknown::Unobserved));
    timeline.running(0);
    timeline.ticks(1, &all_unknown(Unknown::Error));
    timeline.paused(0, &[by_rule("no_data")]);
}

#[test]
fn b8_for_does_not_join_two_breaches_over_a_night() {
    let need = 5;
    for (blind, fires) in [(0, true), (4, true), (5, false), (900, false)] {
        let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), need, Action::Pause)], 1);
        timeline.ticks(4, &errors(50));
        timeline.ticks(blind, &all_unknown(Unknown::Error));
        timeline.ticks(1, &errors(50));
        let paused = timeline.state.phase == flagstaff::engine::Phase::Paused;
        assert_eq!(paused, fires, "{blind} unknown ticks between");
    }
}

#[test]
fn b8_nor_over_ticks_that_nobody_fed() {
    for (skipped, fires) in [(0, true), (4, true), (5, false), (20_000, false)] {
        let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), 5, Action::Pause)], 1);
        timeline.ticks(4, &errors(50));
        timeline.now = timeline.now.plus(flagstaff::engine::Span(EVERY.0 * skipped));
        let events = timeline.tick(errors(50));
        let paused = timeline.state.phase == flagstaff::engine::Phase::Paused;
        assert_eq!(paused, fires, "{skipped} ticks skipped");
        assert!(events.len() < 10);
    }
}

#[test]
fn b7_an_unobserved_tick_earns_nothing_whatever_is_asked_of_it() {
    let healthy = vec![line(Condition::Not(Box::new(Condition::Missing(P99)))), line(below(ERRORS, "0.01"))];
    let mut timeline = Timeline::at(Plan { healthy, ..with_rules(Vec::new()) }, 1);
    for _ in 0..5 {
        timeline.caught_up(unknown(P99, Unknown::Unobserved));
    }
    timeline.running(1).baked(0);
    timeline.healthy(1);
    timeline.baked(1);
}

#[test]
fn a16_a_tick_not_newer_than_the_last_can_stop_and_nothing_else() {
    let mut timeline = rules(vec![rule("off", above(ERRORS, "0.02"), 1, Action::Shutdown)], 0);
    let now = timeline.now;
    timeline.now = now.plus(flagstaff::engine::Span::hours(87_600));
    timeline.tick(errors(15));
    timeline.now = now;
    let before = timeline.state.clone();
    timeline.healthy(9);
    assert_eq!(timeline.state, before);
    timeline.tick(errors(50));
    timeline.stopped();
}

#[test]
fn b8_two_unknown_ticks_never_start_a_short_for_anew() {
    for (blind, fires) in [(2, true), (3, false)] {
        let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), 2, Action::Pause)], 1);
        timeline.ticks(1, &errors(50));
        timeline.ticks(blind, &all_unknown(Unknown::Stale));
        timeline.ticks(1, &errors(50));
        assert_eq!(timeline.state.phase == flagstaff::engine::Phase::Paused, fires, "{blind}");
    }
}

#[test]
fn b9_a_muted_rule_stops_nothing_holds_nothing_and_starts_anew() {
    let mut timeline = Timeline::at(with_rules(vec![rule("latency", above(P99, "1"), 3, Action::Shutdown)]), 0);
    timeline.ticks(2, &with(P99, value("2")));
    timeline.mute("latency", 2);
    timeline.tick(with(P99, value("2")));
    timeline.tick(with(P99, value("2")));
    timeline.running(1);
    timeline.ticks(2, &with(P99, value("2")));
    timeline.running(1);
    timeline.ticks(1, &with(P99, value("2")));
    timeline.stopped();
}

#[test]
fn b9_a_muted_rules_missing_metric_is_not_needed_and_no_data_can_be_muted() {
    let plan = Plan {
        no_data: no_data(2, Action::Pause),
        ..with_rules(vec![rule("latency", above(P99, "1"), 1, Action::Pause)])
    };
    let mut muted_rule = Timeline::at(plan.clone(), 0);
    muted_rule.mute("latency", 5);
    muted_rule.ticks(2, &unknown(P99, Unknown::Error));
    muted_rule.running(1);
    let mut muted_no_data = Timeline::at(plan, 0);
    muted_no_data.mute("no_data", 3);
    muted_no_data.ticks(3, &all_unknown(Unknown::Error));
    muted_no_data.ticks(1, &all_unknown(Unknown::Error));
    muted_no_data.running(0);
    muted_no_data.ticks(1, &all_unknown(Unknown::Error));
    muted_no_data.paused(0, &[by_rule("no_data")]);
}

#[test]
fn b10_resume_does_not_pause_again_at_once() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.ticks(3, &errors(50));
    timeline.resume();
    timeline.ticks(2, &errors(50));
    timeline.running(1);
    timeline.ticks(1, &errors(50));
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn a_read_back_that_changes_nothing_resets_no_timer() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    timeline.obedient = false;
    timeline.resume();
    timeline.tick_with(errors(50), flagstaff::engine::Observation::NotRead, true);
    timeline.ticks(2, &errors(50));
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn c1_a_duration_counts_both_ends() {
    let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), 1, Action::Pause)], 1);
    timeline.plan.rules[0].hold_for = Some(flagstaff::engine::Span::minutes(2));
    timeline.ticks(4, &errors(50));
    timeline.running(1);
    timeline.ticks(1, &errors(50));
    timeline.paused(1, &[by_rule("errors")]);
    assert_eq!(because(&timeline)[0].since, timeline.now.minus(flagstaff::engine::Span::minutes(2)));
}

#[test]
fn c1_an_uneven_duration_is_rounded_up() {
    let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), 1, Action::Pause)], 1);
    timeline.plan.rules[0].hold_for = Some(flagstaff::engine::Span::seconds(31));
    timeline.ticks(2, &errors(50));
    timeline.running(1);
    timeline.ticks(1, &errors(50));
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn c5_a_breach_read_later_stops_and_the_record_carries_both_times() {
    let mut timeline = Timeline::at(plan(), 1);
    for reading in [errors(50), errors(50), errors(50)] {
        timeline.now = timeline.now.plus(EVERY);
        let tick = flagstaff::engine::Tick {
            at: timeline.now,
            evaluated: timeline.now.plus(flagstaff::engine::Span::hours(6)),
            present: false,
            readings: reading,
            gates: flagstaff::engine::Gates::default(),
        };
        timeline.feed(flagstaff::engine::Input::Tick(tick)).unwrap();
    }
    timeline.paused(1, &[by_rule("errors")]);
    let decided = timeline.events.iter().find_map(|event| match event {
        Event::Paused { at, .. } => Some(*at),
        _ => None,
    });
    assert_eq!(decided, Some(timeline.now.plus(flagstaff::engine::Span::hours(6))));
    assert_eq!(because(&timeline)[0].at, timeline.now);
}

#[test]
fn c8_unknown_of_notify_or_a_muted_rule_freezes_nothing_of_a_stopping_one_does() {
    for (then, frozen) in [(Action::Notify, false), (Action::Pause, true), (Action::Hold, true)] {
        let mut timeline = rules(vec![rule("latency", above(P99, "1"), 2, then.clone())], 0);
        timeline.tick(unknown(P99, Unknown::Error));
        timeline.baked(u32::from(!frozen));
        timeline.mute("latency", 1);
        timeline.tick(unknown(P99, Unknown::Error));
        assert_eq!(timeline.state.stage, usize::from(!frozen), "{then:?}");
    }
}

#[test]
fn c8_a_volume_guard_settles_what_is_unknown() {
    let guarded = Condition::All(vec![above(P99, "1"), above(REQUESTS, "50")]);
    let mut timeline = rules(vec![rule("latency", guarded, 1, Action::Shutdown)], 0);
    let mut readings = unknown(P99, Unknown::NotANumber);
    readings[REQUESTS] = value("3");
    timeline.tick(readings);
    timeline.running(0).baked(1);
}

#[test]
fn c20_missing_is_true_for_no_answer_error_and_stale_and_never_unknown() {
    use Unknown::*;
    let all = [Idle, NoAnswer, Error, Stale, NotANumber, Infinite, SeveralSeries, Warnings, Clock, Unobserved];
    for reason in all {
        let mut timeline = rules(vec![rule("gone", Condition::Missing(P99), 1, Action::Pause)], 1);
        timeline.tick(unknown(P99, reason));
        let fired = timeline.state.phase == flagstaff::engine::Phase::Paused;
        assert_eq!(fired, matches!(reason, NoAnswer | Error | Stale), "{reason:?}");
    }
}

#[test]
fn no_data_counts_every_reason_but_idle_and_unobserved() {
    use Unknown::*;
    for reason in [NoAnswer, Error, Stale, NotANumber, Infinite, SeveralSeries, Warnings, Clock, Idle, Unobserved] {
        let mut timeline = Timeline::at(Plan { no_data: no_data(3, Action::Pause), ..plan() }, 1);
        timeline.ticks(3, &unknown(ERRORS, reason));
        let fired = timeline.state.phase == flagstaff::engine::Phase::Paused;
        assert_eq!(fired, !matches!(reason, Idle | Unobserved), "{reason:?}");
    }
}

#[test]
fn no_data_counts_settling_ticks_and_only_of_metrics_that_are_needed() {
    let mut settling = Timeline::started(Plan { no_data: no_data(2, Action::Pause), ..plan() });
    settling.ticks(2, &unknown(ERRORS, Unknown::NoAnswer));
    settling.paused(0, &[by_rule("no_data")]);
    let mut not_needed = Timeline::at(Plan { no_data: no_data(2, Action::Pause), ..plan() }, 0);
    not_needed.ticks(4, &unknown(SERVICE, Unknown::NoAnswer));
    assert!(not_needed.state.causes.is_empty());
}

#[test]
fn no_data_counts_paused_ticks_only_if_it_would_shut_down() {
    for (then, stops) in [(Action::Shutdown, true), (Action::Pause, false), (previous(), false)] {
        let mut timeline = Timeline::at(Plan { no_data: no_data(4, then.clone()), ..plan() }, 1);
        timeline.pause();
        timeline.ticks(10, &all_unknown(Unknown::NoAnswer));
        assert_eq!(timeline.state.phase == flagstaff::engine::Phase::Stopped, stops, "{then:?}");
        assert_eq!(timeline.state.stage, 1);
    }
}

#[test]
fn no_data_starts_anew_with_a_known_tick_and_with_a_stage() {
    let mut timeline = Timeline::at(Plan { no_data: no_data(3, Action::Pause), ..plan() }, 1);
    timeline.ticks(2, &all_unknown(Unknown::Error));
    timeline.healthy(1);
    timeline.ticks(2, &all_unknown(Unknown::Error));
    timeline.running(1);
    timeline.command(flagstaff::engine::Command::Force { stage: 2 }).unwrap();
    timeline.ticks(2, &all_unknown(Unknown::Error));
    timeline.running(2);
    timeline.ticks(1, &all_unknown(Unknown::Error));
    timeline.paused(2, &[by_rule("no_data")]);
}

#[test]
fn d0_a_breach_answered_late_stops_and_does_nothing_else() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.ticks(5, &all_unknown(Unknown::Error));
    timeline.healthy(1);
    let before = timeline.state.clone();
    timeline.late(&[(5, true, healthy()), (4, true, healthy()), (3, true, healthy())]);
    assert_eq!(timeline.state, before, "no bake, no step");
    timeline.late(&[(5, true, errors(50)), (4, true, errors(50)), (3, true, errors(50))]);
    timeline.paused(0, &[by_rule("errors")]);
}

#[test]
fn d0_late_ticks_do_not_touch_the_timers_of_the_present() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.ticks(3, &all_unknown(Unknown::Error));
    timeline.ticks(1, &errors(50));
    timeline.late(&[(3, true, errors(50)), (2, true, healthy()), (1, true, errors(50))]);
    timeline.ticks(1, &errors(50));
    timeline.running(1);
    assert_eq!(timeline.state.rules[0].run, 2);
}

#[test]
fn e6_a_breach_across_an_outages_edge_is_found() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.ticks(2, &errors(50));
    timeline.ticks(4, &all_unknown(Unknown::Error));
    timeline.late(&[
        (5, false, errors(50)),
        (4, false, errors(50)),
        (3, true, errors(50)),
        (2, true, healthy()),
        (1, true, healthy()),
        (0, true, healthy()),
    ]);
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn e6_a_run_of_recorded_ticks_alone_has_had_its_say() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.ticks(3, &errors(50));
    timeline.resume();
    timeline.late(&[(3, false, errors(50)), (2, false, errors(50)), (1, false, errors(50)), (0, true, healthy())]);
    timeline.running(1);
}

#[test]
fn e6_a_late_tick_before_the_run_is_not_part_of_it() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.ticks(1, &all_unknown(Unknown::Error));
    timeline.ticks(3, &errors(50));
    timeline.resume();
    timeline.late(&[(3, true, healthy()), (2, false, errors(50)), (1, false, errors(50)), (0, false, errors(50))]);
    timeline.running(1);
}

#[test]
fn e8_late_ticks_of_an_older_rollout_are_not_its() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.command(flagstaff::engine::Command::Abort).unwrap();
    timeline.command(start_again("r2", 0)).unwrap();
    timeline.late(&[(3, true, errors(50)), (2, true, errors(50)), (1, true, errors(50)), (0, true, errors(50))]);
    timeline.running(0);
    let started = timeline.state.started;
    timeline.tick_at(started, errors(50), flagstaff::engine::Observation::NotRead, false);
    assert_eq!(timeline.state.last_tick, None, "nor is a tick at its start");
}

#[test]
fn e1_a_running_for_holds_growth_and_earns_nothing() {
    let mut plan = with_rules(vec![rule("latency", above(P99, "1"), 4, Action::Pause)]);
    plan.healthy = vec![line(below(ERRORS, "0.5"))];
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(1);
    timeline.ticks(3, &with(P99, value("2")));
    timeline.running(0).baked(1);
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn the_smallest_exposure_wins() {
    let all = |stage| {
        rules(
            vec![
                rule("pause", above(ERRORS, "0.02"), 1, Action::Pause),
                rule("back", above(ERRORS, "0.03"), 1, previous()),
                rule("far", above(ERRORS, "0.04"), 1, back_to("internal")),
                rule("off", above(ERRORS, "0.05"), 1, Action::Shutdown),
            ],
            stage,
        )
    };
    let mut pause = all(3);
    pause.tick(errors(25));
    pause.paused(3, &[by_rule("pause")]);
    let mut back = all(3);
    back.tick(errors(35));
    back.paused(2, &[by_rule("back"), by_rule("pause")]);
    let mut far = all(3);
    far.tick(errors(45));
    far.is(flagstaff::engine::Phase::Paused, 0);
    let mut off = all(3);
    off.tick(errors(60));
    assert_eq!(because(off.stopped()).len(), 4, "the record names all who asked");
}

#[test]
fn rules_are_armed_while_settling_and_while_paused() {
    let mut settling = Timeline::started(plan());
    settling.ticks(3, &errors(50));
    settling.paused(0, &[by_rule("errors")]);
    let mut paused = rules(vec![rule("off", above(ERRORS, "0.02"), 2, Action::Shutdown)], 1);
    paused.pause();
    paused.ticks(2, &errors(50));
    paused.stopped();
}

#[test]
fn notify_fires_once_per_edge() {
    let mut timeline = rules(vec![rule("look", above(P99, "1"), 2, Action::Notify)], 1);
    timeline.pause();
    let slow = with(P99, value("2"));
    timeline.ticks(1, &slow);
    assert_eq!(notified(&timeline), 0);
    timeline.ticks(1, &slow);
    timeline.ticks(2, &unknown(P99, Unknown::Error));
    timeline.ticks(2, &slow);
    assert_eq!(notified(&timeline), 1);
    timeline.healthy(1);
    timeline.ticks(4, &slow);
    assert_eq!(notified(&timeline), 2);
}

#[test]
fn notify_holds_nothing() {
    let mut timeline = rules(vec![rule("look", above(P99, "1"), 1, Action::Notify)], 0);
    timeline.ticks(2, &with(P99, value("2")));
    timeline.running(1);
}

#[test]
fn hold_counts_as_unhealthy_while_it_is_true() {
    let mut timeline = rules(vec![rule("busy", above(P99, "1"), 2, Action::Hold)], 0);
    timeline.healthy(1);
    timeline.tick(with(P99, value("2")));
    timeline.running(0).baked(1);
    timeline.tick(with(P99, value("2")));
    timeline.running(0).baked(0);
    timeline.healthy(2);
    timeline.running(1);
}

#[test]
fn a_rolled_back_rule_may_roll_back_again_after_a_force() {
    let mut timeline = rules(vec![rule("back", above(ERRORS, "0.02"), 1, previous())], 2);
    timeline.tick(errors(50));
    timeline.command(flagstaff::engine::Command::Force { stage: 2 }).unwrap();
    timeline.tick(errors(50));
    timeline.paused(1, &[by_rule("back")]);
}

#[test]
fn each_rule_has_its_own_rollback_and_a_signal_takes_none_of_them() {
    let mut timeline = rules(
        vec![rule("pager", above(ERRORS, "0.02"), 1, previous()), rule("latency", above(P99, "1"), 1, previous())],
        3,
    );
    timeline.signal(previous());
    timeline.paused(2, &[Cause::Signal("pager".to_owned())]);
    timeline.signal(previous());
    assert_eq!(timeline.state.stage, 2, "an alert that is sent again");
    timeline.tick(errors(50));
    assert_eq!(timeline.state.stage, 1);
    timeline.tick(with(P99, value("2")));
    assert_eq!(timeline.state.stage, 0);
}

#[test]
fn a_signal_never_grows_and_is_ignored_where_nothing_lives() {
    for then in [Action::Notify, Action::Hold] {
        let mut timeline = Timeline::at(plan(), 1);
        timeline.signal(then);
        timeline.running(1).allows(&audience(&["employees"], 10));
    }
    let mut new = Timeline::new(plan());
    assert_eq!(new.signal(Action::Shutdown), []);
}

#[test]
fn d3_numbers_compare_as_written() {
    let mut timeline = rules(vec![rule("errors", above(ERRORS, "0.02"), 1, Action::Pause)], 1);
    timeline.tick(with(ERRORS, value("0.020000000000000004")));
    timeline.running(1);
    timeline.tick(with(ERRORS, value("0.0200000000001")));
    timeline.paused(1, &[by_rule("errors")]);
}

#[test]
fn exposure_in_a_condition_is_what_is_allowed() {
    let wide = Condition::Compare {
        left: Term::Exposure,
        op: Comparison::AtLeast,
        right: Term::Number("0.1".parse().unwrap()),
    };
    let condition = Condition::All(vec![above(ERRORS, "0.02"), wide]);
    for (stage, fires) in [(0, false), (1, true)] {
        let mut timeline = rules(vec![rule("errors", condition.clone(), 1, Action::Pause)], stage);
        timeline.tick(errors(50));
        assert_eq!(timeline.state.phase == flagstaff::engine::Phase::Paused, fires);
    }
}

#[test]
fn a_tick_with_too_few_readings_is_unknown_not_a_panic() {
    let mut timeline = Timeline::at(Plan { no_data: no_data(2, Action::Pause), ..plan() }, 1);
    timeline.ticks(2, &[] as &[Reading]);
    timeline.paused(1, &[by_rule("no_data")]);
}

#[test]
fn a_mute_that_covers_no_tick_starts_its_rule_anew_all_the_same() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.ticks(2, &errors(50));
    let until = timeline.later().plus(Span(1));
    timeline.command(Command::Mute { rule: "errors".to_owned(), until }).unwrap();
    timeline.ticks(2, &errors(50));
    timeline.running(0);
    timeline.tick(errors(50));
    timeline.paused(0, &[by_rule("errors")]);

    let mut blind = Timeline::at(Plan { no_data: no_data(3, Action::Pause), ..plan() }, 0);
    blind.ticks(2, &all_unknown(Unknown::Error));
    let until = blind.later().plus(Span(1));
    blind.command(Command::Mute { rule: "no_data".to_owned(), until }).unwrap();
    blind.ticks(2, &all_unknown(Unknown::Error));
    blind.running(0);
    blind.tick(all_unknown(Unknown::Error));
    blind.paused(0, &[by_rule("no_data")]);
}

#[test]
fn no_data_that_would_shut_down_counts_while_paused_also_as_a_rollback_from_the_first_stage() {
    for (stage, then, stops) in
        [(0, previous(), true), (0, Action::Shutdown, true), (1, previous(), false), (0, Action::Pause, false)]
    {
        let mut timeline = Timeline::at(Plan { no_data: no_data(3, then.clone()), ..plan() }, stage);
        timeline.pause();
        timeline.ticks(3, &all_unknown(Unknown::Error));
        assert_eq!(timeline.state.phase == Phase::Stopped, stops, "{then:?} at stage {stage}");
    }
}

#[test]
fn e6_a_late_tick_that_is_still_unknown_makes_no_old_run_a_late_one() {
    let plan = with_rules(vec![rule("errors", above(ERRORS, "0.02"), 3, Action::Pause)]);
    let mut timeline = Timeline::at(plan, 0);
    timeline.ticks(4, &all_unknown(Unknown::Idle));
    let given_up = || unknown(ERRORS, Unknown::Unobserved);
    timeline.late(&[(3, false, errors(50)), (2, true, given_up()), (1, false, errors(50)), (0, false, errors(50))]);
    timeline.running(0);
    timeline.late(&[(3, false, errors(50)), (2, true, errors(50)), (1, false, given_up()), (0, false, errors(50))]);
    timeline.paused(0, &[by_rule("errors")]);
}

#[test]
fn ticks_that_could_not_be_recorded_stop_as_they_did_or_do_nothing() {
    let aside = |timeline: &Timeline, ticks: &[Vec<Reading>]| {
        let tick = |(index, readings): (usize, &Vec<Reading>)| {
            let at = timeline.now.plus(Span(EVERY.0 * (index as u64 + 1)));
            let backend = Observation::Seen(timeline.backend.clone());
            let gates = Gates { backend, holds: Vec::new(), breaker: Vec::new() };
            Tick { at, evaluated: at.plus(DELAY), present: true, readings: readings.clone(), gates }
        };
        Input::Aside(ticks.iter().enumerate().map(tick).collect())
    };
    let mut timeline = Timeline::at(plan(), 1);
    let before = timeline.state.clone();
    // enough for the bake, and to advance
    let healthy = aside(&timeline, &vec![healthy(); 50]);
    assert_eq!(timeline.feed(healthy).unwrap(), []);
    assert_eq!(timeline.state, before, "no bake, no samples, not even their time");
    // a run that began before goes on in them
    let need = timeline.plan.rule_ticks(timeline.plan.rules[0].hold_for);
    timeline.tick(errors(50));
    let rest = aside(&timeline, &vec![errors(50); need as usize - 1]);
    let baked = timeline.state.baked;
    timeline.feed(rest.clone()).unwrap();
    timeline.paused(1, &[by_rule("errors")]);
    assert!(timeline.state.baked <= baked && !timeline.state.approvable);
    assert_eq!(timeline.feed(rest).unwrap(), [], "once");

    // a pause on the way keeps no stop after it from being what it was
    let rules = vec![
        rule("errors", above(ERRORS, "0.02"), 1, Action::Pause),
        rule("worse", above(ERRORS, "0.02"), 3, Action::Shutdown),
    ];
    let mut timeline = Timeline::at(with_rules(rules), 1);
    let run = aside(&timeline, &vec![errors(50); 3]);
    timeline.feed(run).unwrap();
    assert_eq!(timeline.state.phase, Phase::Stopped);
}
