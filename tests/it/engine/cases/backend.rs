//! Effects, late writes, drift and stamps.

use flagstaff::engine::event::Missing;
use flagstaff::engine::input::{NO_PLACE, Observed, Stamp};
use flagstaff::engine::plan::Action;
use flagstaff::engine::state::EffectKind;
use flagstaff::engine::{Cause, Command, Event, Exposure, Input, Observation, Phase, Span};

use super::super::kit::*;

fn growing() -> Timeline {
    // internal is over, 10% is decided, and its write is under way
    let mut timeline = Timeline::at(plan(), 0);
    timeline.healthy(1);
    timeline.obedient = false;
    timeline.healthy(1);
    assert!(timeline.state.is_growing());
    timeline
}

#[test]
fn a2_a_late_write_is_set_back() {
    let mut timeline = growing();
    let growth = timeline.state.effect.clone().unwrap();
    timeline.read_back(growth.id, true);
    assert_eq!(timeline.state.effect, None);
    timeline.running(0);
    timeline.signal(Action::Pause);
    // the timed-out write arrives after all
    timeline.land(&growth.to);
    timeline.tick(healthy());
    timeline.paused(0, &[Cause::Signal("pager".to_owned())]).allows(&audience(&["employees"], 0));
    let back = timeline.state.effect.clone().unwrap();
    assert_eq!((back.kind, back.to), (EffectKind::Shrink, audience(&["employees"], 0)));
    assert_eq!(timeline.count(|event| matches!(event, Event::LateWrite { .. })), 1);
}

#[test]
fn a2_what_another_hand_recorded_is_no_late_write() {
    let mut timeline = growing();
    let growth = timeline.state.effect.clone().unwrap();
    timeline.read_back(growth.id, true);
    timeline.hand(growth.to);
    timeline.seen();
    timeline.paused(0, &[Cause::Drift]);
    assert_eq!(timeline.state.effect, None);
    assert!(timeline.state.drift.is_some());
}

#[test]
fn a3_a_stopped_rollout_is_still_read() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.command(Command::Abort).unwrap();
    timeline.land(&audience(&["employees"], 10));
    timeline.obedient = false;
    timeline.tick(healthy());
    timeline.stopped();
    assert!(timeline.state.is_stopping(), "our own late write is switched off again");
    timeline.obey();
    timeline.stopped();
    timeline.hand(percent(3));
    timeline.tick(healthy());
    timeline.tick(healthy());
    timeline.stopped();
    assert_eq!(timeline.state.effect, None, "a person's is only reported");
    assert_eq!(timeline.count(|event| matches!(event, Event::Drifted { .. })), 1);
}

#[test]
fn a3_a_late_write_beside_foreign_strategies_is_switched_off_too() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.command(Command::Abort).unwrap();
    timeline.land(&audience(&["employees"], 10));
    timeline.backend.foreign = Some("a second strategy".to_owned());
    timeline.obedient = false;
    timeline.seen();
    assert!(timeline.stopped().state.is_stopping());
}

#[test]
fn a5_a_growth_expires_when_the_next_tick_falls_due() {
    let timeline = growing();
    let effect = timeline.state.effect.clone().unwrap();
    assert_eq!(effect.expires, Some(timeline.now.plus(EVERY).plus(DELAY)));
}

#[test]
fn a5_an_expired_growth_of_unknown_outcome_is_settled_by_reading() {
    let mut timeline = growing();
    let effect = timeline.state.effect.clone().unwrap();
    timeline.tick_with(healthy(), Observation::Unreadable("timed out".to_owned()), true);
    assert_eq!(timeline.state.effect, Some(effect.clone()), "not guessed");
    timeline.lacks(|missing| *missing == Missing::EffectOpen);
    timeline.tick(healthy());
    let again = timeline.state.effect.clone().unwrap();
    assert!(again.id > effect.id, "not applied, and decided anew at the present tick");
    timeline.running(0);
}

#[test]
fn a5_only_the_present_tick_advances() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.caught_up(healthy());
    timeline.caught_up(healthy());
    timeline.caught_up(healthy());
    timeline.running(0).baked(3).lacks(|missing| *missing == Missing::NotPresent);
    timeline.tick(errors(15));
    timeline.running(0).baked(0);
}

#[test]
fn a7_another_stamp_holds_and_pauses() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.backend.stamp = Some(Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() });
    timeline.healthy(2);
    timeline.paused(1, &[Cause::Drift]);
    assert!(timeline.command(Command::Resume).is_err());
    assert!(timeline.command(Command::Force { stage: 2 }).is_err());
    timeline.command(Command::Abort).unwrap();
    timeline.stopped();
    // what was seen there is over where nobody gets it any more
    assert!(timeline.state.drift.is_some());
    timeline.backend.on = false;
    let seen = Input::Seen { at: timeline.now, backend: Observation::Seen(timeline.backend.clone()) };
    timeline.feed(seen.clone()).unwrap();
    timeline.feed(seen).unwrap();
    assert_eq!(timeline.state.drift, None);
}

#[test]
fn a7_start_refuses_another_journals_flag_unless_taken_over_with_a_reason() {
    let mut timeline = Timeline::new(plan());
    timeline.backend.stamp = Some(Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() });
    assert!(timeline.start().is_err());
    let take_over =
        Command::Start { stage: 0, stamp: stamp("r1"), plan: "hash".to_owned(), again: false, take_over: true };
    assert!(timeline.command(take_over.clone()).is_err(), "no reason");
    let mut issued = timeline.issued("ana", take_over);
    issued.reason = Some("the old runner is gone".to_owned());
    timeline.issue(issued).unwrap();
    timeline.running(0).allows(&audience(&["employees"], 0));
}

#[test]
fn a7_under_another_stamp_nobody_is_exposed_again_by_a_resume() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.backend =
        observed(false, Exposure::nobody(), Some(Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() }));
    timeline.healthy(1);
    timeline.paused(1, &[Cause::Drift]).allows(&Exposure::nobody());
    assert!(timeline.command(Command::Resume).is_err());
}

#[test]
fn a7_a_taken_over_start_that_did_not_land_can_be_resumed() {
    let mut timeline = Timeline::new(plan());
    timeline.backend.stamp = Some(Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() });
    timeline.obedient = false;
    let take_over =
        Command::Start { stage: 0, stamp: stamp("r1"), plan: "hash".to_owned(), again: false, take_over: true };
    let mut issued = timeline.issued("ana", take_over);
    issued.reason = Some("the old runner is gone".to_owned());
    timeline.issue(issued).unwrap();
    timeline.read_back(1, true);
    timeline.paused(0, &[Cause::NotApplied]);
    timeline.resume();
    assert!(timeline.state.effect.clone().unwrap().take_over);
    timeline.obey();
    timeline.running(0).allows(&audience(&["employees"], 0));
}

#[test]
fn a7_an_open_shrink_is_dropped_where_another_stamp_shows_nobody() {
    let mut timeline = Timeline::at(plan(), 2);
    timeline.obedient = false;
    timeline.command(Command::Rollback { stage: None }).unwrap();
    timeline.backend =
        observed(false, Exposure::nobody(), Some(Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() }));
    timeline.seen();
    assert_eq!(timeline.state.effect, None, "setting 10% would enlarge now");
    timeline.allows(&Exposure::nobody());
}

#[test]
fn a12_start_refuses_a_flag_that_reaches_somebody() {
    for (on, foreign, refused) in [(true, None, true), (true, Some("another strategy"), true), (false, None, false)] {
        let mut timeline = Timeline::new(plan());
        timeline.backend = observed(on, percent(50), None);
        timeline.backend.foreign = foreign.map(str::to_owned);
        assert_eq!(timeline.start().is_err(), refused, "{on} {foreign:?}");
    }
}

#[test]
fn a12_only_start_and_resume_switch_on() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.healthy(2);
    timeline.signal(Action::Pause);
    timeline.resume();
    timeline.command(Command::Force { stage: 2 }).unwrap();
    let switches: Vec<bool> = timeline
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Intended(effect) => Some(effect.switch_on),
            _ => None,
        })
        .collect();
    assert_eq!(switches, [true, false, true, false], "start, advance, resume, force");
}

#[test]
fn a12_a_force_under_an_off_switch_names_the_resume_that_it_needs() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.hand(Exposure::nobody());
    timeline.seen();
    timeline.paused(1, &[Cause::Drift]).allows(&Exposure::nobody());
    let refusal = timeline.command(Command::Force { stage: 2 }).unwrap_err();
    assert_eq!(refusal.instead.as_deref(), Some("resume"));
    timeline.resume();
    timeline.command(Command::Force { stage: 2 }).unwrap();
    timeline.running(2).allows(&audience(&["employees"], 50));
}

#[test]
fn a13_resume_does_not_switch_on_what_somebody_switched_off_unseen() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.pause();
    timeline.backend.on = false;
    let refusal = timeline.command(Command::Resume).unwrap_err();
    assert_eq!(refusal.kind, flagstaff::engine::decide::RefusalKind::Changed);
    // once it was read, the person sees it, and may
    timeline.seen();
    timeline.paused(1, &[Cause::Person, Cause::Drift]).allows(&Exposure::nobody());
    timeline.resume();
    timeline.running(1).allows(&audience(&["employees"], 10));
}

#[test]
fn a18_an_open_intent_is_its_process_until_its_deadline() {
    let mut timeline = growing();
    let effect = timeline.state.effect.clone().unwrap();
    timeline.seen();
    assert_eq!(timeline.state.effect, Some(effect.clone()), "another process reads the old value: nothing is settled");
    timeline.read_back(effect.id, false);
    assert_eq!(timeline.state.effect, Some(effect), "a request may still be under way");
}

/// It may have been sent right before it expired.
#[test]
fn a18_after_its_deadline_others_wait_until_its_request_must_have_timed_out() {
    let mut timeline = growing();
    let effect = timeline.state.effect.clone().unwrap();
    let expires = effect.expires.unwrap();
    let read = |at| Input::Seen { at, backend: Observation::Seen(timeline.backend.clone()) };
    let (early, late) = (read(expires.plus(Span(9_999))), read(expires.plus(Span(10_000))));
    timeline.feed(early).unwrap();
    assert_eq!(timeline.state.effect, Some(effect.clone()));
    // its own process knows when the request has ended
    let mut own = timeline.clone();
    own.read_back(effect.id, true);
    assert_eq!(own.state.effect, None);
    timeline.feed(late).unwrap();
    assert_eq!(timeline.state.effect, None);
    timeline.running(0);
}

#[test]
fn a18_a_start_that_is_slow_to_land_is_no_failed_one() {
    let mut timeline = Timeline::new(plan());
    timeline.obedient = false;
    timeline.start().unwrap();
    let effect = timeline.state.effect.clone().unwrap();
    timeline.tick(healthy());
    timeline.running(0).lacks(|missing| *missing == Missing::EffectOpen);
    timeline.land(&effect.to);
    timeline.seen();
    timeline.running(0).allows(&audience(&["employees"], 0));
    assert_eq!(timeline.count(|event| matches!(event, Event::Paused { .. } | Event::LateWrite { .. })), 0);
}

#[test]
fn e2_a_growth_that_did_not_happen_resets_nothing() {
    let mut plan = plan();
    plan.rules[0] = rule("errors", above(ERRORS, "0.02"), 4, Action::Pause);
    let mut timeline = Timeline::at(plan, 0);
    timeline.healthy(1);
    timeline.obedient = false;
    timeline.healthy(1);
    assert!(timeline.state.is_growing());
    timeline.ticks(2, &errors(30));
    assert_eq!(timeline.state.rules[0].run, 2);
    timeline.ticks(2, &errors(30));
    timeline.paused(0, &[by_rule("errors")]);
}

#[test]
fn e2_a_failed_growth_keeps_the_bake_and_is_decided_anew() {
    let mut timeline = growing();
    let first = timeline.state.effect.clone().unwrap();
    timeline.read_back(first.id, true);
    timeline.running(0).baked(2);
    timeline.tick(healthy());
    assert!(timeline.state.effect.clone().unwrap().id > first.id);
}

#[test]
fn e4_a_growth_that_lands_after_a_pause_rollback_or_stop_is_set_back() {
    type Stop = fn(&mut Timeline);
    let stops: [(Stop, Phase); 3] = [
        (|t| t.pause(), Phase::Paused),
        (|t| drop(t.command(Command::Rollback { stage: None }).unwrap()), Phase::Paused),
        (|t| drop(t.command(Command::Abort).unwrap()), Phase::Stopped),
    ];
    for (stop, phase) in stops {
        let mut timeline = Timeline::at(plan(), 1);
        timeline.healthy(1);
        timeline.obedient = false;
        timeline.healthy(1);
        let growth = timeline.state.effect.clone().unwrap();
        assert!(timeline.state.is_growing());
        stop(&mut timeline);
        assert!(!timeline.state.is_growing(), "withdrawn");
        timeline.obey();
        let allowed = timeline.state.allowed.clone();
        timeline.land(&growth.to);
        timeline.read_back(growth.id, true);
        assert_eq!(timeline.state.phase, phase);
        let back = timeline.state.effect.clone().expect("set back");
        assert_eq!(back.to, allowed);
        timeline.obey();
        assert_eq!((timeline.state.effect.clone(), timeline.backend.shown()), (None, allowed));
    }
}

#[test]
fn e5_a_start_resume_or_force_that_was_not_read_back_leaves_it_paused() {
    let mut start = Timeline::new(plan());
    start.obedient = false;
    start.start().unwrap();
    start.read_back(1, true);
    start.paused(0, &[Cause::NotApplied]).allows(&Exposure::nobody());
    start.resume();
    start.obey();
    start.running(0).allows(&audience(&["employees"], 0));

    let mut force = Timeline::at(plan(), 1);
    force.obedient = false;
    force.command(Command::Force { stage: 2 }).unwrap();
    let effect = force.state.effect.clone().unwrap();
    force.read_back(effect.id, true);
    force.paused(2, &[Cause::NotApplied]).allows(&audience(&["employees"], 10));
}

#[test]
fn e10_another_audience_is_larger() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.hand(audience(&["partners"], 0));
    timeline.tick(healthy());
    timeline.paused(1, &[Cause::Drift]).allows(&audience(&["employees"], 10));
    assert!(timeline.state.drift.is_some());
    timeline.hand(audience(&["employees"], 10));
    timeline.tick(healthy());
    assert!(timeline.state.drift.is_none());
    timeline.paused(1, &[Cause::Drift]);
}

#[test]
fn e12_a_tick_whose_backend_read_failed_earns_but_does_not_advance() {
    let mut timeline = Timeline::at(plan(), 0);
    let blind = || Observation::Unreadable("refused".to_owned());
    timeline.tick_with(healthy(), blind(), true);
    timeline.tick_with(healthy(), blind(), true);
    timeline.running(0).baked(2).lacks(|missing| matches!(missing, Missing::Backend { .. }));
    timeline.tick(healthy());
    timeline.running(1);
}

#[test]
fn e12_nor_does_it_keep_what_it_earned_if_exposure_changed() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.caught_up(healthy());
    timeline.caught_up(healthy());
    timeline.backend.on = false;
    timeline.tick(healthy());
    timeline.paused(0, &[Cause::Drift]).baked(0);
}

#[test]
fn c4_another_hand_during_an_absence_restarts_the_bake() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.caught_up(healthy());
    timeline.caught_up(healthy());
    timeline.backend.other_hand = Some("maria".to_owned());
    timeline.tick(healthy());
    timeline.running(1).baked(1);
    timeline.tick(healthy());
    timeline.running(2);
    // the same hand again, after a write of ours
    timeline.settle();
    timeline.caught_up(healthy());
    timeline.backend.other_hand = Some("maria".to_owned());
    timeline.tick(healthy());
    timeline.running(2).baked(1);
}

#[test]
fn drift_smaller_is_accepted_and_pauses() {
    let mut timeline = Timeline::at(plan(), 2);
    timeline.hand(audience(&["employees"], 20));
    timeline.tick(healthy());
    timeline.paused(2, &[Cause::Drift]).allows(&audience(&["employees"], 20)).baked(0);
    timeline.resume();
    timeline.running(2).allows(&audience(&["employees"], 50));
}

#[test]
fn drift_larger_is_left_alone_and_said_once() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.hand(audience(&["employees"], 60));
    timeline.healthy(3);
    timeline.paused(1, &[Cause::Drift]).allows(&audience(&["employees"], 10));
    assert_eq!(timeline.state.effect, None);
    assert_eq!(timeline.count(|event| matches!(event, Event::Drifted { .. })), 1);
}

#[test]
fn foreign_strategies_are_drift_even_if_ours_is_as_it_was() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.backend.foreign = Some("a second strategy".to_owned());
    timeline.healthy(1);
    timeline.paused(1, &[Cause::Drift]);
    assert!(timeline.command(Command::Resume).is_err(), "it would still reach them");
}

#[test]
fn a_stop_is_confirmed_by_reading_only() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.obedient = false;
    timeline.command(Command::Abort).unwrap();
    let off = timeline.state.effect.clone().unwrap();
    timeline.read_back(off.id, true);
    assert!(timeline.stopped().state.is_stopping(), "it still shows 10%");
    timeline.tick_with(healthy(), Observation::Unreadable("refused".to_owned()), true);
    assert!(timeline.stopped().state.is_stopping());
    timeline.backend.on = false;
    timeline.tick(healthy());
    assert!(!timeline.stopped().state.is_stopping());
}

#[test]
fn an_answer_to_an_effect_of_an_older_rollout_settles_nothing() {
    let mut timeline = Timeline::at(plan(), 0);
    timeline.command(Command::Abort).unwrap();
    timeline.obedient = false;
    timeline.command(start_again("r2", 0)).unwrap();
    let effect = timeline.state.effect.clone().unwrap();
    timeline.read_back(1, true);
    assert_eq!(timeline.state.effect, Some(effect));
}

#[test]
fn a_growth_under_no_stamp_is_not_ours() {
    let mut timeline = growing();
    let effect = timeline.state.effect.clone().unwrap();
    timeline.backend = observed(true, effect.to.clone(), None);
    timeline.read_back(effect.id, true);
    timeline.allows(&audience(&["employees"], 0));
    assert_eq!(timeline.state.phase, Phase::Paused);
}

const BROKEN: &str = "flags.json: flag `theirs` is broken: mend it";
const GONE: &str = "flags.json: it is not there: put the file back";

impl Timeline {
    /// What is read is not what is served.
    fn unserved(&mut self) {
        self.backend.unserved = Some(BROKEN.to_owned());
    }

    /// The file that the flag stands in is removed.
    fn remove(&mut self) {
        self.backend = observed(false, Exposure::nobody(), None);
        self.backend.revision = NO_PLACE.to_owned();
        self.backend.unserved = Some(GONE.to_owned());
    }

    fn unserved_said(&self) -> usize {
        self.count(|event| matches!(event, Event::Unserved { .. }))
    }
}

#[test]
fn a_stop_is_not_confirmed_by_what_is_not_served() {
    for is_gone in [false, true] {
        let mut timeline = Timeline::at(plan(), 1);
        timeline.obedient = false;
        timeline.command(Command::Abort).unwrap();
        let off = timeline.state.effect.clone().unwrap();
        timeline.land(&Exposure::nobody());
        if is_gone {
            timeline.remove()
        } else {
            timeline.unserved()
        }
        timeline.read_back(off.id, true);
        timeline.seen();
        timeline.healthy(2);
        assert!(timeline.stopped().state.is_stopping());
        assert_eq!((timeline.unserved_said(), timeline.state.unserved.is_some()), (1, true), "said once");
        timeline.land(&Exposure::nobody());
        timeline.seen();
        assert!(!timeline.stopped().state.is_stopping());
        assert_eq!(timeline.state.unserved, None);
        // what was read back is off, whatever becomes of the file
        timeline.remove();
        timeline.command(Command::Abort).unwrap();
        timeline.seen();
        assert!(!timeline.stopped().state.is_stopping());
    }
}

#[test]
fn a_reduction_is_not_confirmed_by_what_is_not_served() {
    let mut timeline = Timeline::at(plan(), 2);
    timeline.obedient = false;
    timeline.command(Command::Rollback { stage: None }).unwrap();
    let back = timeline.state.effect.clone().unwrap();
    timeline.land(&back.to);
    timeline.unserved();
    timeline.read_back(back.id, true);
    assert!(timeline.state.effect.is_some());
    timeline.backend.unserved = None;
    timeline.seen();
    assert_eq!(timeline.state.effect, None);
}

#[test]
fn a_growth_is_not_effective_until_it_is_served() {
    let mut timeline = growing();
    let growth = timeline.state.effect.clone().unwrap();
    timeline.land(&growth.to);
    timeline.unserved();
    timeline.read_back(growth.id, true);
    timeline.healthy(3);
    timeline.running(0).allows(&audience(&["employees"], 0));
    assert!(timeline.state.is_growing(), "it is written: neither effective nor not applied");
    timeline.backend.unserved = None;
    timeline.tick(healthy());
    timeline.running(1).allows(&growth.to);
}

#[test]
fn a_file_that_is_gone_holds_growth_and_is_no_reduction() {
    let mut timeline = Timeline::at(plan(), 1);
    let there = timeline.backend.clone();
    timeline.remove();
    timeline.healthy(4);
    timeline.running(1).allows(&audience(&["employees"], 10));
    let held = Missing::Backend { detail: GONE.to_owned() };
    assert!(timeline.state.missing.contains(&held), "{:?}", timeline.state.missing);
    assert!(timeline.command(Command::Force { stage: 2 }).is_err());
    timeline.pause();
    let refused = timeline.command(Command::Resume).unwrap_err();
    assert!(refused.reason.contains("put the file back"), "{}", refused.reason);
    // safeguards stay armed
    timeline.signal(Action::Shutdown);
    timeline.stopped();
    let mut back = Timeline::at(plan(), 1);
    back.remove();
    back.healthy(1);
    back.backend = there;
    back.healthy(1);
    back.running(2);
}

#[test]
fn what_is_not_served_can_still_be_too_much() {
    let mut timeline = Timeline::at(plan(), 1);
    timeline.hand(audience(&["employees"], 60));
    timeline.unserved();
    timeline.healthy(1);
    timeline.paused(1, &[Cause::Drift]);
    // what is smaller is not accepted before anybody is served it
    let mut timeline = Timeline::at(plan(), 2);
    timeline.hand(audience(&["employees"], 20));
    timeline.unserved();
    timeline.healthy(1);
    timeline.running(2).allows(&audience(&["employees"], 50));
    timeline.backend.unserved = None;
    timeline.healthy(1);
    timeline.paused(2, &[Cause::Drift]).allows(&audience(&["employees"], 20));
}

#[test]
fn nobody_was_exposed_in_a_file_that_never_was() {
    // a start whose write did not land
    let mut timeline = Timeline::new(plan());
    timeline.remove();
    timeline.obedient = false;
    timeline.start().unwrap();
    let growth = timeline.state.effect.clone().unwrap();
    timeline.read_back(growth.id, true);
    timeline.paused(0, &[Cause::NotApplied]);
    timeline.command(Command::Resume).unwrap();
    let growth = timeline.state.effect.clone().unwrap();
    timeline.read_back(growth.id, true);
    timeline.command(Command::Abort).unwrap();
    timeline.seen();
    assert!(!timeline.stopped().state.is_stopping());
    // one whose write may have landed
    let mut timeline = Timeline::new(plan());
    timeline.remove();
    timeline.obedient = false;
    timeline.start().unwrap();
    timeline.command(Command::Abort).unwrap();
    timeline.seen();
    assert!(timeline.stopped().state.is_stopping());
}

#[test]
fn what_an_older_journal_holds_reads_and_writes_as_before() {
    let old = r#"{"exposure":{"audiences":[],"percentage":10000},"foreign":null,"on":true,"other_hand":null,"revision":"7","stamp":null}"#;
    let seen: Observed = serde_json::from_str(old).unwrap();
    assert_eq!(seen.unserved, None);
    assert_eq!(flagstaff::canonical::to_string(&seen).unwrap(), old);
}
