//! Late runs: ticks that a source failed to answer, asked again once it answers, and ticks behind recorded ones, where
//! the clock went back. They can stop and do nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::effects::Patience;
use super::error::ControlError;
use super::questions::{Answers, Questions};
use super::record::Step;
use super::rollout::Rollout;
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::engine::input::{Late, LateTick};
use crate::engine::{Input, Plan, Reading, Span, Timestamp, Unknown};

impl Site {
    /// Asks again for all rollouts at once, and folds what came late.
    pub(super) async fn ask_again(&mut self, ids: &BTreeSet<String>) -> Result<Vec<(String, Step)>, ControlError> {
        let mut questions = Questions::default();
        let mut due = Vec::new();
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            if let Some(Again { series, first, last }) = again(rollout) {
                let queries = series.iter().filter_map(|index| rollout.plan.series.get(*index));
                let queries: Vec<_> = queries.map(|series| series.query.clone()).collect();
                questions.range(first, last, &queries);
                due.push(rollout.id.clone());
            } else if rollout.state.is_live() && !rollout.unfinished.is_empty() {
                due.push(rollout.id.clone());
            }
        }
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let answers = questions.ask(&self.sources, &*self.clock).await;
        let mut steps = self.hear()?;
        let mut runs = Vec::new();
        for id in due {
            let found = self.store.rollout(&id).map(|rollout| late_runs(rollout, &answers, self.now()));
            runs.extend(found.unwrap_or_default().into_iter().map(|run| (id.clone(), run)));
        }
        let (mut batch, mut open) = self.fold_late(&runs);
        // what would be stopped if nothing were held back: what the breaker says is nothing unless it is recorded
        let stops = self.store.stops_in(&batch);
        if !stops.is_empty() && self.trip_late(&mut runs) {
            (batch, open) = self.fold_late(&runs);
        }
        for (id, late) in open {
            self.store.judged_unfinished(&id, &late);
        }
        match self.store.commit(self.now(), batch) {
            Ok(more) => steps.extend(more),
            // asked again at the next pass
            Err(error) if is_conflict(&error) => {}
            Err(error) => {
                // a journal that cannot be written keeps no rule from stopping, late as it is
                self.stop_unrecorded(stops, Patience::Short).await;
                return Err(error);
            }
        }
        Ok(steps)
    }
}

impl Site {
    /// What is to be recorded of late runs, and those that only go on: they are recorded when they stop something.
    fn fold_late(&self, runs: &[(String, LateRun)]) -> (Batch, Vec<(String, Late)>) {
        let (mut batch, mut open) = (Batch::default(), Vec::new());
        for (id, LateRun { late, answered }) in runs {
            let mut alone = Batch::default();
            if *answered || !self.fold_fact(&mut alone, id, Input::Late(late.clone())).is_empty() {
                self.fold_fact(&mut batch, id, Input::Late(late.clone()));
            } else {
                open.push((id.clone(), late.clone()));
            }
        }
        (batch, open)
    }
}

fn is_error(reading: &Reading) -> bool {
    reading.unknown() == Some(Unknown::Error)
}

/// What a rollout asks again.
struct Again {
    /// The series whose sources are back: the newest tick has an answer of them, and older ones have none.
    series: Vec<usize>,
    first: Timestamp,
    last: Timestamp,
}

/// What of a live rollout's unanswered ticks can be asked again. A series that still errs keeps no other from being heard.
fn again(rollout: &Rollout) -> Option<Again> {
    let (_, newest) = rollout.ticks.last_key_value().filter(|_| rollout.state.is_live())?;
    let mut series = BTreeSet::new();
    let mut span: Option<(Timestamp, Timestamp)> = None;
    for at in &rollout.unanswered {
        let Some(readings) = rollout.ticks.get(at) else { continue };
        let back = |(reading, now): (&Reading, &Reading)| is_error(reading) && !is_error(now);
        let found = readings.iter().zip(newest).enumerate().filter(|(_, pair)| back(*pair)).map(|(index, _)| index);
        let found: Vec<usize> = found.collect();
        if !found.is_empty() {
            span = Some((span.map_or(*at, |(first, _)| first), *at));
        }
        series.extend(found);
    }
    let (first, last) = span?;
    Some(Again { series: series.into_iter().collect(), first, last })
}

/// A late run that is due.
pub(super) struct LateRun {
    pub(super) late: Late,
    /// Whether ticks of it are answered only now.
    answered: bool,
}

/// The late runs that a rollout is due: ticks answered now, and those answered late before whose runs are unfinished, with
/// the recorded ones from before them up to the newest. Where timers started anew a run ends, and another one begins: what
/// was true before a resume and what is true after it are no one breach.
fn late_runs(rollout: &Rollout, answers: &Answers, now: Timestamp) -> Vec<LateRun> {
    let plan = &rollout.plan;
    let mut answered: BTreeMap<Timestamp, Vec<Reading>> = BTreeMap::new();
    if let Some(Again { series, first, last }) = again(rollout) {
        let asked = series.iter().filter_map(|index| Some((*index, plan.series.get(*index)?)));
        let asked: Vec<_> = asked.filter(|(_, series)| !answers.is_silent(&series.query.source)).collect();
        for at in rollout.unanswered.range(first..=last) {
            let Some(recorded) = rollout.ticks.get(at) else { continue };
            let mut readings = recorded.clone();
            for (index, series) in &asked {
                let Some(reading) = readings.get_mut(*index).filter(|reading| is_error(reading)) else { continue };
                *reading = match answers.get(*at, &series.query) {
                    // what is still an error has had its second chance: nobody will ever know
                    answer if is_error(&answer) => Reading::Unknown(Unknown::Unobserved),
                    answer => answer,
                };
            }
            if readings != *recorded {
                answered.insert(*at, readings);
            }
        }
    }
    let goes_on = rollout.ticks.last_key_value().is_some_and(|(newest, _)| *newest > rollout.judged_to);
    let run = |within: (Bound<Timestamp>, Bound<Timestamp>)| {
        let unfinished = rollout.unfinished.range(within).next().filter(|_| goes_on);
        let first = *answered.range(within).map(|(at, _)| at).next().into_iter().chain(unfinished).min()?;
        let ticks =
            rollout.ticks.range(within).skip_while(|(at, _)| **at < earliest(plan, first)).map(|(at, recorded)| {
                let late = answered.contains_key(at) || rollout.unfinished.contains(at);
                LateTick { at: *at, late, readings: answered.get(at).unwrap_or(recorded).clone() }
            });
        let ticks = ticks.collect();
        Some(LateRun {
            late: Late { evaluated: now, ticks, breaker: Vec::new() },
            answered: answered.range(within).next().is_some(),
        })
    };
    // the older one first: what the newer one leaves unfinished goes on
    let before = (Bound::Unbounded, Bound::Included(rollout.anew));
    let after = (Bound::Excluded(rollout.anew), Bound::Unbounded);
    [run(before), run(after)].into_iter().flatten().collect()
}

/// From where a run must begin so that no rule's `for` is cut off before `first`.
fn earliest(plan: &Plan, first: Timestamp) -> Timestamp {
    let longest = plan.longest_run();
    first.minus(Span(plan.every.0.saturating_mul(u64::from(longest))))
}

/// A tick that the clock went back to, after what is recorded of the ticks before it.
pub(super) fn behind_run(rollout: &Rollout, at: Timestamp, readings: Vec<Reading>, now: Timestamp) -> Late {
    let mut from = earliest(&rollout.plan, at);
    if at > rollout.anew {
        from = from.max(Timestamp(rollout.anew.0.saturating_add(1)));
    }
    let mut before: BTreeMap<_, _> = rollout.ticks.range(from..at).collect();
    before.extend(rollout.behind.range(from..at));
    let before = before.into_iter().map(|(at, readings)| LateTick { at: *at, late: false, readings: readings.clone() });
    let ticks = before.chain([LateTick { at, late: true, readings }]).collect();
    Late { evaluated: now, ticks, breaker: Vec::new() }
}

#[cfg(test)]
mod tests;
