use std::sync::Arc;

use super::super::rollout::KEPT;
use super::*;
use crate::engine::decide::fold;
use crate::engine::input::{Gates, Tick};
use crate::engine::{Cause, Decimal, Event, Observation, Phase};
use crate::journal::Sequence;

const LOST: usize = 0;
const ERRORS: usize = 1;

/// A running rollout whose errors above 2% for two minutes, five ticks, pause it.
struct Desk {
    rollout: Rollout,
    now: u64,
}

fn rate(per_mille: i128) -> Reading {
    Reading::Value(Decimal::new(per_mille, -3))
}

fn healthy() -> Vec<Reading> {
    vec![rate(1), rate(1), rate(1), rate(100), Reading::Value(Decimal::whole(50))]
}

fn breach() -> Vec<Reading> {
    with(ERRORS, rate(50))
}

fn with(series: usize, reading: Reading) -> Vec<Reading> {
    let mut readings = healthy();
    readings[series] = reading;
    readings
}

fn silence() -> Vec<Reading> {
    vec![Reading::Unknown(Unknown::Error); 5]
}

impl Desk {
    fn new() -> Desk {
        let plan: Plan = serde_json::from_str(include_str!("../../../tests/fixtures/plan.json")).unwrap();
        let mut rollout = Rollout::new("r#1", Sequence(1), Arc::new(plan), String::new());
        (rollout.state.phase, rollout.state.started) = (Phase::Running, Timestamp(0));
        Desk { rollout, now: 0 }
    }

    fn at(&self, tick: u64) -> Timestamp {
        Timestamp(0).plus(Span(self.rollout.plan.every.0 * tick))
    }

    fn take(&mut self, input: Input) {
        let rollout = &mut self.rollout;
        let events = fold(&rollout.plan, &mut rollout.state, &input).unwrap();
        rollout.keep(Sequence(1), &Step { at: Timestamp(0), input, events }, KEPT);
    }

    fn tick(&mut self, readings: Vec<Reading>) {
        self.now += 1;
        let at = self.at(self.now);
        let gates = Gates { backend: Observation::NotRead, holds: Vec::new(), breaker: Vec::new() };
        self.take(Input::Tick(Tick { at, evaluated: at, present: true, readings, gates }));
    }

    /// What a pass does after its ticks: the sources know this of the past.
    fn ask_again(&mut self, known: impl Fn(u64) -> Vec<Reading>) {
        let answers = (1..=self.now).flat_map(|tick| {
            let series = self.rollout.plan.series.iter().zip(known(tick));
            series.map(move |(series, reading)| (tick, series.query.clone(), reading)).collect::<Vec<_>>()
        });
        let answers = Answers::of(answers.map(|(tick, query, reading)| (self.at(tick), query, reading)));
        for LateRun { late, answered } in late_runs(&self.rollout, &answers, self.at(self.now)) {
            let mut state = self.rollout.state.clone();
            let fires = !fold(&self.rollout.plan, &mut state, &Input::Late(late.clone())).unwrap().is_empty();
            if answered || fires {
                self.take(Input::Late(late));
            } else {
                self.rollout.judge_unfinished(&late);
            }
        }
    }

    fn resume(&mut self) {
        let at = self.at(self.now);
        let resumed = Event::Resumed { at, by: desk_actor() };
        let seen = Input::Seen { at, backend: Observation::NotRead };
        self.rollout.state.apply(&resumed);
        self.rollout.keep(Sequence(1), &Step { at, input: seen, events: vec![resumed] }, KEPT);
    }

    fn paused(&self) -> bool {
        self.rollout.state.causes.contains(&Cause::Rule("errors".to_owned()))
    }
}

#[test]
fn a_breach_whose_last_tick_was_answered_in_time_is_found() {
    let mut desk = Desk::new();
    (0..4).for_each(|_| desk.tick(silence()));
    desk.tick(breach());
    assert!(!desk.paused());
    desk.ask_again(|_| breach());
    assert!(desk.paused());
}

#[test]
fn a_run_that_touches_late_ticks_goes_on_with_the_next_ones() {
    let mut desk = Desk::new();
    (0..2).for_each(|_| desk.tick(silence()));
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert_eq!(desk.rollout.unfinished.len(), 2);
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(!desk.paused(), "four of five");
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(desk.paused(), "one breach over five ticks, two of them answered late");
}

#[test]
fn it_ends_where_the_condition_does_and_where_timers_start_anew() {
    let mut desk = Desk::new();
    (0..2).for_each(|_| desk.tick(silence()));
    desk.tick(breach());
    desk.ask_again(|_| breach());
    desk.tick(healthy());
    desk.ask_again(|_| breach());
    assert!(desk.rollout.unfinished.is_empty());

    let mut desk = Desk::new();
    (0..2).for_each(|_| desk.tick(silence()));
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(!desk.rollout.unfinished.is_empty());
    desk.resume();
    assert!(desk.rollout.unfinished.is_empty());
}

#[test]
fn what_was_before_a_resume_completes_nothing_after_it() {
    // three of five before, one late and one in time after
    let mut desk = Desk::new();
    (0..3).for_each(|_| desk.tick(breach()));
    desk.resume();
    desk.tick(silence());
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(!desk.paused(), "two of five since it was let go");
    (0..2).for_each(|_| desk.tick(breach()));
    desk.ask_again(|_| breach());
    assert!(!desk.paused(), "four of five");
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(desk.paused(), "five since it was let go");
}

#[test]
fn late_ticks_on_both_sides_of_a_resume_are_two_runs() {
    let mut desk = Desk::new();
    (0..3).for_each(|_| desk.tick(silence()));
    desk.resume();
    (0..2).for_each(|_| desk.tick(silence()));
    desk.tick(healthy());
    desk.ask_again(|_| breach());
    assert!(!desk.paused(), "three, and two");
    assert!(desk.rollout.unanswered.is_empty(), "all of them are answered");
    // what the sources remember of before can still stop
    let mut desk = Desk::new();
    (0..5).for_each(|_| desk.tick(silence()));
    desk.resume();
    desk.tick(healthy());
    desk.ask_again(|_| breach());
    assert!(desk.paused(), "five before it was let go, and nobody had seen them");
}

fn desk_actor() -> crate::engine::Actor {
    crate::engine::Actor { name: "ana".to_owned(), known_by: "--as".to_owned() }
}

#[test]
fn one_broken_query_keeps_no_other_from_being_heard() {
    let broken = |mut readings: Vec<Reading>| {
        readings[LOST] = Reading::Unknown(Unknown::Error);
        readings
    };
    let mut desk = Desk::new();
    (0..5).for_each(|_| desk.tick(silence()));
    desk.tick(broken(healthy()));
    desk.ask_again(|_| broken(breach()));
    assert!(desk.paused());
    let kept = &desk.rollout.ticks[&desk.at(1)];
    assert!(is_error(&kept[LOST]), "asked again when that one is back");
    assert!(!is_error(&kept[ERRORS]));
    assert!(desk.rollout.unanswered.contains(&desk.at(1)));
    desk.tick(healthy());
    desk.ask_again(|_| healthy());
    assert_eq!(desk.rollout.unanswered.len(), 0);
}

#[test]
fn what_errs_again_is_given_up_and_fires_nothing() {
    let mut desk = Desk::new();
    (0..4).for_each(|_| desk.tick(breach()));
    desk.tick(silence());
    desk.tick(healthy());
    desk.ask_again(|_| silence());
    assert!(!desk.paused());
    assert!(desk.rollout.unanswered.is_empty());
    assert_eq!(desk.rollout.ticks[&desk.at(5)][ERRORS], Reading::Unknown(Unknown::Unobserved));
}

#[test]
fn as_many_ticks_are_kept_as_the_longest_for_needs() {
    let mut desk = Desk::new();
    let mut plan = (*desk.rollout.plan).clone();
    plan.rules[0].hold_for = Some(Span::hours(3));
    desk.rollout.plan = Arc::new(plan);
    let need = u64::from(desk.rollout.plan.longest_run());
    for _ in 1..need - 1 {
        desk.tick(breach());
    }
    desk.tick(silence());
    desk.tick(breach());
    desk.ask_again(|_| breach());
    assert!(desk.paused(), "{need} ticks, one of them late");
}
