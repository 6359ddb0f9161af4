//! Commands: what they need, what they clear, what they may not do.

use flagstaff::engine::decide::RefusalKind;
use flagstaff::engine::event::Missing;
use flagstaff::engine::input::HoldKind;
use flagstaff::engine::plan::{Action, Audience};
use flagstaff::engine::{Cause, Command, Event, Exposure, Observation, Plan};

use super::super::kit::*;

#[test]
fn a4_a_stopped_release_starts_again_only_by_start_again() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.command(Command::Abort).unwrap();
    let changed =
        Command::Start { stage: 0, stamp: stamp("r2"), plan: "other".to_owned(), again: false, take_over: false };
    let refusal = timeline.command(changed).unwrap_err();
    assert_eq!((refusal.kind, refusal.instead.as_deref()), (RefusalKind::Stopped, Some("start --again")));
    timeline.command(start_again("r2", 0)).unwrap();
    timeline.running(0);
}

#[test]
fn a6_ticks_older_than_a_command_that_can_grow_earn_nothing() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.pause();
    let paused_at = timeline.now;
    timeline.now = paused_at.plus(flagstaff::engine::Span(EVERY.0 * 10));
    timeline.resume();
    timeline.now = paused_at;
    for _ in 0..10 {
        timeline.caught_up(healthy());
    }
    timeline.running(0).baked(0).lacks(|missing| *missing == Missing::OlderThanCommand);
}

#[test]
fn a6_also_where_the_command_changes_no_exposure() {
    let mut timeline = Timeline::at(plan(), 0);
    let then = timeline.now;
    timeline.now = then.plus(flagstaff::engine::Span(EVERY.0 * 10));
    timeline.mute("errors", 1);
    timeline.now = then;
    for _ in 0..10 {
        timeline.caught_up(healthy());
    }
    timeline.running(0).baked(0).lacks(|missing| *missing == Missing::OlderThanCommand);
    timeline.healthy(1);
    timeline.baked(1);
}

#[test]
fn a6_but_they_can_stop() {
    let mut timeline = Timeline::at(plan(), 0);
    let then = timeline.now;
    timeline.now = then.plus(flagstaff::engine::Span(EVERY.0 * 10));
    timeline.mute("no_data", 1);
    timeline.now = then;
    for _ in 0..3 {
        timeline.caught_up(errors(50));
    }
    timeline.paused(0, &[by_rule("errors")]);
}

#[test]
fn a6_a_mute_covers_ticks_by_their_own_time() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.mute("errors", 2);
    for _ in 0..4 {
        timeline.caught_up(errors(50));
    }
    timeline.running(0);
    timeline.caught_up(errors(50));
    timeline.paused(0, &[by_rule("errors")]);
}

#[test]
fn c6_approval_is_last_and_for_leaving() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&["ana", "bo", "cy"], 2);
    let mut timeline = Timeline::at(plan, 0);
    timeline.holds = vec![hold(HoldKind::Window)];
    timeline.healthy(3);
    assert!(timeline.command(Command::Approve).is_err(), "the window is shut");
    timeline.holds.clear();
    timeline.healthy(1);
    timeline.lacks(|missing| *missing == Missing::Approval { have: 0, need: 2 });
    let refusal = timeline.command_by("mallory", Command::Approve).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotAuthorised, "not in the group");
    assert!(timeline.state.waits_for_approval(&timeline.plan));
    timeline.command_by("ana", Command::Approve).unwrap();
    assert!(timeline.command_by("ana", Command::Approve).is_err(), "distinct people");
    timeline.healthy(1);
    timeline.running(0).lacks(|missing| *missing == Missing::Approval { have: 1, need: 2 });
    assert!(timeline.state.waits_for_approval(&timeline.plan), "one is not enough");
    timeline.command_by("bo", Command::Approve).unwrap();
    timeline.running(0);
    assert!(!timeline.state.waits_for_approval(&timeline.plan), "nobody is needed until the next tick");
    timeline.healthy(1);
    timeline.running(1);
}

#[test]
fn c6_a_group_without_members_lets_nobody_approve() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&["ana"], 1);
    plan.stages[0].approval.as_mut().unwrap().people.clear();
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(3);
    let refusal = timeline.command_by("mallory", Command::Approve).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NotAuthorised);
    timeline.healthy(1);
    timeline.running(0);
}

#[test]
fn c6_approvals_lapse_when_the_bake_restarts_or_a_pause_begins() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&[], 2);
    let ready = || {
        let mut timeline = Timeline::at(plan.clone(), 0);
        timeline.healthy(2);
        timeline.command(Command::Approve).unwrap();
        timeline
    };
    let mut restarted = ready();
    restarted.tick(errors(15));
    assert!(restarted.state.approvals.is_empty());
    let mut paused = ready();
    paused.pause();
    assert!(paused.state.approvals.is_empty());
    let mut frozen = ready();
    frozen.tick(all_unknown(flagstaff::engine::Unknown::Error));
    assert_eq!(frozen.state.approvals.len(), 1);
    assert!(frozen.command_by("bo", Command::Approve).is_err(), "evidence is missing again");
}

#[test]
fn c6_what_holds_growth_since_the_tick_makes_an_approval_void() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&[], 1);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(2);
    timeline.holds = vec![hold(HoldKind::Dependency)];
    assert!(timeline.command(Command::Approve).is_err());
    timeline.holds.clear();
    timeline.backend.on = false;
    assert_eq!(timeline.command(Command::Approve).unwrap_err().kind, RefusalKind::Changed);
}

#[test]
fn c7_a_persons_pause_freezes_the_bake_and_every_other_restarts_it() {
    let mut person = Timeline::at(bake_of(5), 0);
    person.healthy(3);
    person.pause();
    person.healthy(4);
    person.paused(0, &[Cause::Person]).baked(3);
    person.resume();
    person.baked(3);
    person.healthy(2);
    person.baked(3).lacks(|missing| matches!(missing, Missing::Settling { .. }));
    person.healthy(1);
    person.running(0).baked(4);

    let mut signal = Timeline::at(bake_of(5), 0);
    signal.healthy(3);
    signal.signal(Action::Pause);
    signal.baked(0);

    let mut rule = Timeline::at(bake_of(5), 0);
    rule.healthy(3);
    rule.pause();
    rule.ticks(3, &errors(50));
    rule.paused(0, &[Cause::Person, by_rule("errors")]).baked(0);
}

fn bake_of(ticks: u32) -> Plan {
    let mut plan = plan();
    plan.stages[0] = stage("internal", audience(&["employees"], 0), ticks);
    plan
}

#[test]
fn c9_force_up_skips_what_lies_between_and_starts_anew() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&[], 3);
    let mut timeline = Timeline::started(plan);
    timeline.pause();
    timeline.command(Command::Force { stage: 2 }).unwrap();
    timeline.running(2).baked(0).allows(&audience(&["employees"], 50));
    timeline.ticks(3, &errors(50));
    timeline.paused(2, &[by_rule("errors")]);
}

#[test]
fn c9_force_down_is_a_rollback_and_asks_nothing() {
    let mut timeline = Timeline::at(plan(), 2);
    timeline.holds = vec![freeze("black-friday"), hold(HoldKind::AddressChanged)];
    let mut issued = timeline.issued("ana", Command::Force { stage: 0 });
    issued.saw = None;
    issued.backend = Observation::NotRead;
    timeline.issue(issued).unwrap();
    timeline.paused(0, &[Cause::Person]).allows(&audience(&["employees"], 0));
}

#[test]
fn c10_completed_is_not_watched_but_can_be_taken_back() {
    let mut timeline = Timeline::at(plan(), 3);
    timeline.healthy(2);
    timeline.is(flagstaff::engine::Phase::Completed, 3);
    timeline.ticks(9, &errors(900));
    timeline.hand(percent(1));
    timeline.seen();
    timeline.is(flagstaff::engine::Phase::Completed, 3);
    timeline.command(Command::Rollback { stage: Some(1) }).unwrap();
    timeline.paused(1, &[Cause::Person]).allows(&audience(&["employees"], 10));
    timeline.command(Command::Abort).unwrap();
    timeline.stopped();
}

#[test]
fn c11_abort_works_in_every_state_and_reads_nothing() {
    for stage in [None, Some(0), Some(2)] {
        let mut timeline = stage.map_or_else(|| Timeline::new(plan()), |stage| Timeline::at(plan(), stage));
        timeline.holds = vec![freeze("all"), hold(HoldKind::AddressChanged), hold(HoldKind::DocumentGone)];
        let mut issued = timeline.issued("ana", Command::Abort);
        (issued.saw, issued.backend) = (None, Observation::Unreadable("down".to_owned()));
        timeline.issue(issued).unwrap();
        timeline.stopped();
    }
}

#[test]
fn c13_adopt_keeps_stage_and_exposure_or_is_refused() {
    let mut same = Timeline::at(plan(), 1);
    same.healthy(1);
    let mut other = plan();
    other.stages.insert(0, stage("one-person", audience(&[], 0), 1));
    other.rules.push(rule("latency", above(P99, "1"), 1, Action::Pause));
    same.adopt(other).unwrap();
    same.running(2).baked(0).allows(&audience(&["employees"], 10));
    assert_eq!(same.state.plan, same.hash(&same.plan.clone()));
    same.tick(with(P99, value("2")));
    same.paused(2, &[by_rule("latency")]);

    let refused: [fn(&mut Plan); 6] = [
        |plan| plan.stages[1].name = "renamed".to_owned(),
        |plan| plan.stages[1].exposure = audience(&["employees"], 20),
        |plan| plan.flag = "another".to_owned(),
        |plan| plan.environment = "staging".to_owned(),
        |plan| drop(plan.audiences.insert("employees".to_owned(), anybody())),
        |plan| plan.stickiness = "sessionId".to_owned(),
    ];
    for (index, change) in refused.iter().enumerate() {
        let mut timeline = Timeline::at(plan(), 1);
        let mut other = plan();
        change(&mut other);
        assert!(timeline.adopt(other).is_err(), "change {index}");
    }
}

fn anybody() -> Audience {
    use flagstaff::engine::plan::{AttributeTest, Constraint};
    let is = AttributeTest::StartsWith(String::new());
    Audience { any: vec![Constraint { attribute: "userId".to_owned(), is }] }
}

#[test]
fn c15_one_change_by_rule_per_tick_and_a_person_at_any_moment() {
    let mut timeline = Timeline::at(
        with_rules(vec![
            rule("back", above(ERRORS, "0.02"), 1, previous()),
            rule("far", above(ERRORS, "0.03"), 1, back_to("internal")),
            rule("pause", above(ERRORS, "0.02"), 1, Action::Pause),
        ]),
        3,
    );
    let events = timeline.tick(errors(25));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Intended(_))).count(), 1);
    timeline.paused(2, &[by_rule("back"), by_rule("pause")]);
    timeline.command(Command::Abort).unwrap();
    timeline.stopped();
}

#[test]
fn e7_an_approval_needs_the_last_tick_of_now() {
    let mut plan = plan();
    plan.stages[0].approval = approval(&[], 1);
    plan.stages[1].approval = approval(&[], 1);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(2);
    timeline.command(Command::Force { stage: 1 }).unwrap();
    assert!(timeline.command(Command::Approve).is_err());
}

#[test]
fn e9_a_command_that_can_grow_needs_to_have_seen_the_state() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    let seen = timeline.issued("ana", Command::Resume);
    timeline.signal(Action::Pause);
    assert_eq!(timeline.issue(seen).unwrap_err().kind, RefusalKind::Changed);
    timeline.paused(1, &[Cause::Person, Cause::Signal("pager".to_owned())]);
    let seen = timeline.issued("ana", Command::Resume);
    timeline.hand(percent(90));
    timeline.seen();
    assert_eq!(timeline.issue(seen).unwrap_err().kind, RefusalKind::Changed);
}

#[test]
fn e11_an_unhealthy_tick_during_a_persons_pause_restarts_the_bake() {
    let mut timeline = Timeline::at(bake_of(5), 0);
    timeline.healthy(3);
    timeline.pause();
    timeline.tick(errors(15));
    timeline.paused(0, &[Cause::Person]).baked(0);
}

#[test]
fn e3_a_rollback_never_enlarges() {
    let plan = with_rules(vec![rule("back", above(ERRORS, "0.02"), 1, back_to("ten"))]);
    let mut timeline = Timeline::at(plan, 2);
    timeline.hand(audience(&["employees"], 0));
    timeline.tick(healthy());
    timeline.tick(errors(50));
    timeline.paused(1, &[Cause::Drift, by_rule("back")]).allows(&audience(&["employees"], 0));
    timeline.command(Command::Rollback { stage: None }).unwrap();
    timeline.allows(&audience(&["employees"], 0));
}

#[test]
fn a_rollback_writes_what_both_allow() {
    let mut plan = plan();
    plan.stages[0].exposure = audience(&["partners"], 5);
    plan.stages[1].exposure = audience(&["partners", "employees"], 10);
    let mut timeline = Timeline::at(plan, 1);
    timeline.hand(audience(&["employees"], 7));
    timeline.seen();
    timeline.command(Command::Rollback { stage: None }).unwrap();
    timeline.allows(&percent(5));
}

#[test]
fn a_freeze_needs_a_reason_that_names_it() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    timeline.holds = vec![freeze("sale")];
    for (reason, goes) in [(None, false), (Some("wholesale changes"), false), (Some("hotfix in spite of `sale`"), true)]
    {
        let mut attempt = timeline.clone();
        let mut issued = attempt.issued("ana", Command::Resume);
        issued.reason = reason.map(str::to_owned);
        assert_eq!(attempt.issue(issued).is_ok(), goes, "{reason:?}");
    }
    timeline.command(Command::Pause).unwrap();
}

#[test]
fn every_hold_holds_growth_and_stops_nothing() {
    for kind in
        [HoldKind::Freeze, HoldKind::Window, HoldKind::Dependency, HoldKind::AddressChanged, HoldKind::DocumentGone]
    {
        let mut timeline = Timeline::at(plan(), 1);
        timeline.holds = vec![hold(kind)];
        timeline.healthy(5);
        timeline
            .running(1)
            .baked(5)
            .lacks(|missing| matches!(missing, Missing::Held { kind: held, .. } if *held == kind));
        timeline.ticks(3, &errors(50));
        timeline.paused(1, &[by_rule("errors")]);
    }
}

#[test]
fn commands_that_grow_fail_closed_without_a_backend() {
    for (backend, kind) in [
        (Observation::NotRead, RefusalKind::NotReady),
        (Observation::Unreadable("down".to_owned()), RefusalKind::Unreachable),
    ] {
        let mut timeline = Timeline::at(plan(), 1);
        timeline.pause();
        for command in [Command::Resume, Command::Force { stage: 2 }] {
            let mut issued = timeline.issued("ana", command);
            issued.backend = backend.clone();
            assert_eq!(timeline.issue(issued).unwrap_err().kind, kind);
        }
        let mut asks = plan();
        asks.stages[1].approval = approval(&[], 1);
        let mut ready = Timeline::at(asks, 1);
        ready.healthy(2);
        let mut issued = ready.issued("ana", Command::Approve);
        issued.backend = backend.clone();
        assert_eq!(ready.issue(issued).unwrap_err().kind, kind);
        ready.command(Command::Approve).unwrap();
        let mut new = Timeline::new(plan());
        let mut issued = new.issued("ana", start());
        issued.backend = backend;
        assert!(new.issue(issued).is_err());
    }
}

#[test]
fn no_release_starts_at_everybody_without_a_written_reason() {
    let mut plan = plan();
    plan.stages.drain(..3);
    assert!(Timeline::new(plan.clone()).start().is_err());
    plan.full_start_reason = Some("a text fix".to_owned());
    Timeline::new(plan).start().unwrap();
    let mut again = Timeline::at(self::plan(), 0);
    again.command(Command::Abort).unwrap();
    assert!(again.command(start_again("r2", 3)).is_err());
    let mut elsewhere = Timeline::new(self::plan());
    let start =
        Command::Start { stage: 2, stamp: stamp("r1"), plan: "hash".to_owned(), again: false, take_over: false };
    assert!(elsewhere.command(start).is_err(), "a first start is at the first stage");
}

#[test]
fn a_changed_address_is_adopted_first() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    timeline.holds = vec![hold(HoldKind::AddressChanged)];
    assert!(timeline.command(Command::Resume).is_err());
    timeline.adopt(Plan { policy: "moved".to_owned(), ..plan() }).unwrap();
    timeline.holds.clear();
    timeline.resume();
    timeline.running(1);
}

#[test]
fn a_second_pause_adds_its_reason_and_must_have_been_seen_by_whoever_resumes() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.healthy(1);
    timeline.pause();
    let resume = timeline.issued("ana", Command::Resume);
    let mut second = timeline.issued("bo", Command::Pause);
    second.reason = Some("do not resume".to_owned());
    timeline.issue(second).unwrap();
    timeline.paused(1, &[Cause::Person]).baked(1);
    let said: Vec<_> = timeline.state.pauses.iter().map(|said| (said.by.as_str(), said.reason.as_deref())).collect();
    assert_eq!(said, [("ana", None), ("bo", Some("do not resume"))]);
    assert_eq!(timeline.issue(resume).unwrap_err().kind, RefusalKind::Changed);
    timeline.resume();
    assert!(timeline.state.pauses.is_empty());
}

#[test]
fn mute_needs_a_rule_and_an_end_to_come() {
    let mut timeline = Timeline::at(plan(), 1);
    let until = timeline.later();
    for (rule, until) in [("healthy", until.plus(EVERY)), ("typo", until.plus(EVERY)), ("errors", until)] {
        assert!(timeline.command(Command::Mute { rule: rule.to_owned(), until }).is_err(), "{rule}");
    }
}

#[test]
fn a_person_can_stop_what_another_let_go_and_a_resume_clears_all_causes() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    timeline.signal(Action::Pause);
    timeline.ticks(3, &errors(50));
    assert_eq!(timeline.state.causes.len(), 3);
    timeline.resume();
    timeline.running(1);
    assert!(timeline.state.causes.is_empty());
    timeline.command_by("bo", Command::Abort).unwrap();
    timeline.stopped().allows(&Exposure::nobody());
}
