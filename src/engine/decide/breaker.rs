//! Shutdowns that the blast-radius breaker holds back: they pause instead. Rules only; people and signals never pass here.

use super::late::asked_late;
use super::tick::cause_of_rule;
use super::{Asked, Destination, Folding};
use crate::engine::breaker::{HeldBack, Trip};
use crate::engine::event::{Event, Fired};
use crate::engine::input::{Late, Tick};
use crate::engine::judge::{NO_DATA, judge};
use crate::engine::plan::{Action, Plan};
use crate::engine::state::State;
use crate::engine::time::Timestamp;

/// A rule that would shut a rollout down at a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// Its name, or `no_data`.
    pub rule: String,
    /// What it is judged on, by index into the plan's series; of `no_data`, what is missing.
    pub series: Vec<usize>,
    /// Whether the breaker holds it back already.
    pub held: bool,
}

/// Every rule that fires at a tick and would shut the rollout down, if nothing held it back. Changes nothing.
pub fn shutdowns(plan: &Plan, state: &State, tick: &Tick) -> Vec<Shutdown> {
    let last = state.last_tick.map_or(state.started, |last| last.max(state.started));
    if !state.is_live() || tick.at <= last {
        return Vec::new();
    }
    let mut state = state.clone();
    let mut folding = Folding { plan, state: &mut state, events: Vec::new() };
    folding.skipped(tick);
    let judged = judge(plan, folding.state, tick);
    let asked = folding.judged(tick, judged);
    folding.told(asked, Folding::holds_run)
}

/// The same of late ticks.
pub fn late_shutdowns(plan: &Plan, state: &State, late: &Late) -> Vec<Shutdown> {
    if !state.is_live() {
        return Vec::new();
    }
    let mut state = state.clone();
    let folding = Folding { plan, state: &mut state, events: Vec::new() };
    let asked = asked_late(&folding, late);
    folding.told(asked, Folding::holds_late)
}

impl Folding<'_> {
    /// At a tick, the run that was held back stays so until it ends: that others were paused or stopped meanwhile is no
    /// reason to shut down.
    pub(super) fn holds_run(&self, fired: &Fired) -> bool {
        self.held(fired).is_some_and(|held| held.holds(fired.since))
    }

    /// Late ticks are judged with fresh timers: those of the run that was held back, or of the time while it lasts, are of what
    /// people look at already. A breach that began after it is another one.
    pub(super) fn holds_late(&self, fired: &Fired) -> bool {
        let lasts = || self.runs_since(&fired.rule);
        self.held(fired).is_some_and(|held| held.holds(fired.since) || lasts().is_some_and(|since| held.holds(since)))
    }

    /// Since when a rule's condition has held, by its own timer.
    fn runs_since(&self, rule: &str) -> Option<Timestamp> {
        let timer = if rule == NO_DATA {
            &self.state.no_data
        } else {
            self.state.rules.get(self.plan.rules.iter().position(|known| known.name == rule)?)?
        };
        timer.since.filter(|_| timer.run > 0)
    }

    fn held(&self, fired: &Fired) -> Option<&HeldBack> {
        self.state.held_back.get(&fired.rule)
    }

    fn shuts_down(&self, fired: &Fired) -> bool {
        match &fired.then {
            Action::Shutdown => true,
            Action::Rollback(to) => {
                !self.state.rolled_back.contains(&cause_of_rule(&fired.rule))
                    && matches!(self.destination(to), Destination::Off)
            }
            Action::Notify | Action::Hold | Action::Pause => false,
        }
    }

    /// Turns what the breaker holds back into a pause. Where anything else shuts down all the same, all of it stays as it was
    /// asked for.
    pub(super) fn hold_back(
        &mut self,
        at: Timestamp,
        asked: Asked,
        trips: &[Trip],
        is_held: impl Fn(&Self, &Fired) -> bool,
    ) -> Asked {
        let trip = |fired: &Fired| trips.iter().find(|trip| trip.rule == fired.rule);
        let mut off = asked.shutdown.iter().chain(&asked.rollback).filter(|fired| self.shuts_down(fired)).peekable();
        if off.peek().is_none() || off.any(|fired| trip(fired).is_none() && !is_held(self, fired)) {
            return asked;
        }
        let mut left = Asked { pause: asked.pause, ..Asked::default() };
        for fired in asked.shutdown.into_iter().chain(asked.rollback) {
            if !self.shuts_down(&fired) {
                left.add(fired);
                continue;
            }
            // what was held back before has paused it already
            if let Some(trip) = trip(&fired).filter(|_| !is_held(self, &fired)) {
                self.emit(Event::HeldBack { at, fired: fired.clone(), trip: trip.clone() });
                left.pause.push(fired);
            }
        }
        left
    }

    /// What of all that is asked for would shut down.
    fn told(&self, asked: Asked, is_held: impl Fn(&Self, &Fired) -> bool) -> Vec<Shutdown> {
        let off = asked.shutdown.into_iter().chain(asked.rollback).filter(|fired| self.shuts_down(fired));
        let told = |fired: Fired| {
            let mut series = Vec::new();
            match self.plan.rules.iter().find(|rule| rule.name == fired.rule) {
                Some(rule) => rule.each_series(&mut |index| series.push(index)),
                // of `no_data` the evidence is what is missing
                None => series.extend(fired.evidence.iter().filter_map(|(name, _)| {
                    self.plan.series.iter().position(|series| fired.rule == NO_DATA && series.name == *name)
                })),
            }
            Shutdown { held: is_held(self, &fired), rule: fired.rule, series }
        };
        off.map(told).collect()
    }
}
