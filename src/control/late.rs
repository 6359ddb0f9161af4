//! Late runs: ticks that a source failed to answer, asked again once it answers, and ticks behind recorded ones, where
//! the clock went back. They can stop and do nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ControlError;
use super::questions::{Answers, Questions};
use super::record::Step;
use super::site::Site;
use super::store::{Batch, Rollout, is_conflict};
use crate::engine::input::{Late, LateTick};
use crate::engine::{Input, Plan, Reading, Span, Timestamp, Unknown};

impl Site {
    /// Asks again for all rollouts at once, and folds what came late.
    pub(super) async fn ask_again(&mut self, ids: &BTreeSet<String>) -> Result<Vec<(String, Step)>, ControlError> {
        let mut questions = Questions::default();
        let mut again = Vec::new();
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            let Some((first, last)) = unanswered(rollout) else { continue };
            let queries: Vec<_> = rollout.plan.series.iter().map(|series| series.query.clone()).collect();
            questions.range(first, last, &queries);
            again.push(rollout.id.clone());
        }
        if again.is_empty() {
            return Ok(Vec::new());
        }
        let answers = questions.ask(&self.sources, &*self.clock).await;
        let mut steps = self.hear()?;
        let mut batch = Batch::default();
        for id in again {
            let late = self.store.rollout(&id).and_then(|rollout| late_run(rollout, &answers, self.now()));
            if let Some(late) = late {
                self.fold_fact(&mut batch, &id, Input::Late(late));
            }
        }
        match self.store.commit(self.now(), batch) {
            Ok(more) => steps.extend(more),
            // asked again at the next pass
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(steps)
    }
}

fn is_error(reading: &Reading) -> bool {
    reading.unknown() == Some(Unknown::Error)
}

/// From which tick to which a live rollout has not been answered, if its newest tick tells that its sources are back.
fn unanswered(rollout: &Rollout) -> Option<(Timestamp, Timestamp)> {
    let (first, last) = (*rollout.unanswered.first()?, *rollout.unanswered.last()?);
    let (_, newest) = rollout.ticks.last_key_value()?;
    (rollout.state.is_live() && !newest.iter().any(is_error)).then_some((first, last))
}

fn late_run(rollout: &Rollout, answers: &Answers, now: Timestamp) -> Option<Late> {
    let (first, last) = unanswered(rollout)?;
    let plan = &rollout.plan;
    if plan.series.iter().any(|series| answers.is_silent(&series.query.source)) {
        return None;
    }
    let from = earliest(plan, first);
    let mut ticks = Vec::new();
    for (at, recorded) in rollout.ticks.range(from..=last) {
        let mut readings = recorded.clone();
        let late = rollout.unanswered.contains(at);
        for (reading, series) in readings.iter_mut().zip(&plan.series).filter(|(reading, _)| late && is_error(reading))
        {
            *reading = match answers.get(*at, &series.query) {
                // what is still an error has had its second chance: nobody will ever know
                answer if is_error(&answer) => Reading::Unknown(Unknown::Unobserved),
                answer => answer,
            };
        }
        ticks.push(LateTick { at: *at, late, readings });
    }
    Some(Late { evaluated: now, ticks })
}

/// From where a run must begin so that no rule's `for` is cut off before `first`.
fn earliest(plan: &Plan, first: Timestamp) -> Timestamp {
    let longest = plan.rules.iter().map(|rule| plan.rule_ticks(rule.hold_for)).max().unwrap_or(1);
    first.minus(Span(plan.every.0.saturating_mul(u64::from(longest))))
}

/// A tick that the clock went back to, after what is recorded of the ticks before it.
pub(super) fn behind_run(rollout: &Rollout, at: Timestamp, readings: Vec<Reading>, now: Timestamp) -> Late {
    let from = earliest(&rollout.plan, at);
    let mut before: BTreeMap<_, _> = rollout.ticks.range(from..at).collect();
    before.extend(rollout.behind.range(from..at));
    let before = before.into_iter().map(|(at, readings)| LateTick { at: *at, late: false, readings: readings.clone() });
    let ticks = before.chain([LateTick { at, late: true, readings }]).collect();
    Late { evaluated: now, ticks }
}
