//! One pass of a driver: take in what is new, ask what is due, fold, record in one commit, then act.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};

use super::error::ControlError;
use super::questions::{Answers, Questions};
use super::record::Step;
use super::site::Site;
use super::store::{Batch, is_conflict};
use super::ticks::{Due, due, next_due};
use crate::backend::Backend;
use crate::clock::{Clock, within};
use crate::engine::input::{Gates, Observation, Tick};
use crate::engine::plan::Query;
use crate::engine::{Event, Input, Phase, Plan, Reading, Span, Timestamp};

/// How long a read of a backend may take.
pub(super) const BACKEND_PATIENCE: Span = Span::seconds(10);
/// How long a stopped rollout is read at every tick, in case a late write of ours brings it back; then hourly.
const WATCHED_AFTER_STOP: Span = Span::minutes(10);

/// What a pass did.
#[derive(Debug, Default)]
pub struct Passed {
    /// Everything that was folded, by this process or another, in the journal's order.
    pub steps: Vec<(String, Step)>,
    /// When the next tick falls due.
    pub next: Option<Timestamp>,
}

/// What one rollout needs of this pass.
struct Need {
    id: String,
    due: Option<Due>,
    series: Vec<Query>,
}

impl Site {
    /// One pass over the rollouts whose ids are given.
    ///
    /// # Errors
    /// The journal's. A source or backend that fails is a reading or observation, not an error.
    pub async fn pass(&mut self, ids: &BTreeSet<String>) -> Result<Passed, ControlError> {
        let mut passed = Passed { steps: self.hear()?, next: None };
        let now = self.now();
        let needs = self.needs(ids, now);
        let asked = self.questions(&needs).ask(&self.sources, &*self.clock);
        let (answers, observed) = join(asked, self.read_backends(&needs)).await;
        // whoever appended while we were asking is heard before anything is folded
        passed.steps.extend(self.hear()?);
        let mut batch = Batch::default();
        let mut decided = Vec::new();
        for need in &needs {
            decided.push((need.id.clone(), self.fold_due(&mut batch, need, &answers, &observed)));
        }
        match self.store.commit(self.now(), batch) {
            Ok(steps) => {
                passed.steps.extend(steps);
                for (id, events) in decided {
                    self.own(&id, &events);
                }
            }
            // judged again at the next pass, on what is there then
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
        // what was decided to stop is stopped before anything else is asked
        passed.steps.extend(self.carry_out(ids).await?);
        let late = self.ask_again(ids).await?;
        if !late.is_empty() {
            passed.steps.extend(late);
            passed.steps.extend(self.carry_out(ids).await?);
        }
        passed.next = self.next_due(ids);
        Ok(passed)
    }

    fn next_due(&self, ids: &BTreeSet<String>) -> Option<Timestamp> {
        let now = self.now();
        let live = ids.iter().filter_map(|id| self.store.rollout(id)).filter(|rollout| rollout.state.is_live());
        live.map(|rollout| next_due(&rollout.plan, now)).min()
    }

    fn needs(&self, ids: &BTreeSet<String>, now: Timestamp) -> Vec<Need> {
        let mut needs = Vec::new();
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            let due = match rollout.state.phase {
                Phase::Running | Phase::Paused => due(&rollout.plan, &rollout.state, now),
                Phase::Stopped if self.watches_stopped(&rollout.id, now) => None,
                _ => continue,
            };
            if due.is_some() || rollout.state.phase == Phase::Stopped {
                let series = rollout.plan.series.iter().map(|series| series.query.clone()).collect();
                needs.push(Need { id: rollout.id.clone(), due, series });
            }
        }
        needs
    }

    /// Only the newest rollout of a flag: an older one has no say about it any more.
    fn watches_stopped(&self, id: &str, now: Timestamp) -> bool {
        let Some(rollout) = self.store.rollout(id) else { return false };
        let newest = self.store.newest(&rollout.plan.release, &rollout.plan.environment);
        let stopped = rollout.steps.back().map_or(now, |(_, step)| step.at);
        let hourly = now.floor_to(Span::hours(1)) > now.minus(rollout.plan.every).floor_to(Span::hours(1));
        newest.is_some_and(|newest| newest.id == id) && (now.since(stopped) < WATCHED_AFTER_STOP || hourly)
    }

    fn questions(&self, needs: &[Need]) -> Questions {
        let mut questions = Questions::default();
        for need in needs {
            let Some(due) = need.due else { continue };
            questions.instant(due.present, &need.series);
            if let Some((from, to)) = due.missed {
                questions.range(from, to, &need.series);
            }
        }
        questions
    }

    async fn read_backends(&self, needs: &[Need]) -> BTreeMap<String, Observation> {
        let reads = needs.iter().map(async |need| (need.id.clone(), self.read_backend(&need.id).await));
        join_all(reads).await.into_iter().collect()
    }

    /// Reads a rollout's flag at its backend.
    pub(super) async fn read_backend(&self, id: &str) -> Observation {
        let Some(rollout) = self.store.rollout(id) else { return Observation::NotRead };
        let plan = rollout.plan.clone();
        let Some(backend) = self.backend_of(&plan) else {
            return Observation::Unreadable(format!("environment `{}` has no backend", plan.environment));
        };
        look(&*backend, &plan, &*self.clock).await
    }

    fn fold_due(
        &self,
        batch: &mut Batch,
        need: &Need,
        answers: &Answers,
        observed: &BTreeMap<String, Observation>,
    ) -> Vec<Event> {
        let now = self.now();
        let Some(rollout) = self.store.rollout(&need.id) else { return Vec::new() };
        let seen = observed.get(&need.id).cloned().unwrap_or_default();
        let Some(asked) = need.due else {
            return self.fold_fact(batch, &need.id, Input::Seen { at: now, backend: seen });
        };
        // another process may have recorded these ticks meanwhile
        let Some(open) = due(&rollout.plan, &rollout.state, now).filter(|open| open.present >= asked.present) else {
            return Vec::new();
        };
        let readings =
            |at: Timestamp| -> Vec<Reading> { need.series.iter().map(|query| answers.get(at, query)).collect() };
        if let Some((from, to)) = asked.missed {
            let mut at = open.missed.map_or(to.plus(rollout.plan.every), |(first, _)| first.max(from));
            while at <= to {
                let tick = Tick { at, evaluated: now, present: false, readings: readings(at), gates: Gates::default() };
                self.fold_fact(batch, &need.id, Input::Tick(tick));
                at = at.plus(rollout.plan.every);
            }
        }
        let tick = Tick {
            at: asked.present,
            evaluated: now,
            // asking may have taken so long that a newer tick is due: then this one grows nothing
            present: open.present == asked.present,
            readings: readings(asked.present),
            gates: Gates { backend: seen, holds: self.holds(&rollout.plan) },
        };
        self.fold_fact(batch, &need.id, Input::Tick(tick))
    }

    /// Folds an input that cannot be refused: only commands are.
    pub(super) fn fold_fact(&self, batch: &mut Batch, id: &str, input: Input) -> Vec<Event> {
        self.store.fold(batch, id, self.now(), input).unwrap_or_default()
    }
}

/// Reads a plan's flag at a backend.
pub(super) async fn look(backend: &dyn Backend, plan: &Plan, clock: &dyn Clock) -> Observation {
    match within(clock, BACKEND_PATIENCE, backend.read(&plan.flag, &plan.audiences)).await {
        Some(Ok(seen)) => Observation::Seen(seen),
        Some(Err(error)) => Observation::Unreadable(error.to_string()),
        None => Observation::Unreadable(format!("{} does not answer", backend.place())),
    }
}
