//! One pass of a driver: take in what is new, ask what is due, fold, record in one commit, then act.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::ControlError;
use super::record::Step;
use super::site::Site;
use super::store::{Batch, is_conflict};
use super::ticks::{Due, due, next_due};
use crate::engine::input::{Gates, Late, LateTick, Observation, Tick};
use crate::engine::plan::Query;
use crate::engine::{Event, Input, Phase, Reading, Span, Timestamp, Unknown};

/// How long a pass waits for one source; a tick that is not answered by then is unknown, and asked again.
const SOURCE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a read of a backend may take.
pub(super) const BACKEND_PATIENCE: Duration = Duration::from_secs(10);
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

type Answers = BTreeMap<(Timestamp, Query), Reading>;

impl Site {
    /// One pass over the rollouts whose ids are given.
    ///
    /// # Errors
    /// The journal's. A source or backend that fails is a reading or observation, not an error.
    pub async fn pass(&mut self, ids: &BTreeSet<String>) -> Result<Passed, ControlError> {
        let mut passed = Passed { steps: self.store.refresh()?, next: None };
        passed.steps.extend(self.merge_spool()?);
        let now = self.now();
        let needs = self.needs(ids, now);
        let answers = self.ask(&needs).await;
        let observed = self.read_backends(&needs).await;
        // whoever appended while we were asking is heard before anything is folded
        passed.steps.extend(self.store.refresh()?);
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
        self.ask_again(ids, &mut passed).await?;
        for id in ids {
            passed.steps.extend(self.carry_out(id).await?);
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

    /// Asks every source once per instant for the distinct queries of all rollouts.
    async fn ask(&self, needs: &[Need]) -> Answers {
        let mut instants: BTreeMap<(String, Timestamp), BTreeSet<Query>> = BTreeMap::new();
        let mut ranges: BTreeMap<(String, Timestamp, Timestamp, Span), BTreeSet<Query>> = BTreeMap::new();
        for need in needs {
            let Some(due) = need.due else { continue };
            for query in &need.series {
                instants.entry((query.source.clone(), due.present)).or_default().insert(query.clone());
                if let Some((from, to)) = due.missed {
                    ranges.entry((query.source.clone(), from, to, query.every)).or_default().insert(query.clone());
                }
            }
        }
        let mut answers = Answers::new();
        for ((source, at), queries) in instants {
            let queries: Vec<Query> = queries.into_iter().collect();
            let Some(source) = self.sources.get(&source) else { continue };
            let Ok(answered) = tokio::time::timeout(SOURCE_PATIENCE, source.instant(&queries, at)).await else {
                continue;
            };
            answers.extend(queries.into_iter().zip(answered).map(|(query, answered)| ((at, query), answered.reading)));
        }
        for ((source, from, to, every), queries) in ranges {
            let queries: Vec<Query> = queries.into_iter().collect();
            let Some(source) = self.sources.get(&source) else { continue };
            let asked = source.range(&queries, from, to, every);
            let Ok(rows) = tokio::time::timeout(SOURCE_PATIENCE, asked).await else { continue };
            for (at, row) in rows {
                answers
                    .extend(queries.iter().cloned().zip(row).map(|(query, answered)| ((at, query), answered.reading)));
            }
        }
        answers
    }

    async fn read_backends(&self, needs: &[Need]) -> BTreeMap<String, Observation> {
        let mut observed = BTreeMap::new();
        for need in needs {
            observed.insert(need.id.clone(), self.read_backend(&need.id).await);
        }
        observed
    }

    /// Reads a rollout's flag at its backend.
    pub(super) async fn read_backend(&self, id: &str) -> Observation {
        let Some(rollout) = self.store.rollout(id) else { return Observation::NotRead };
        let plan = rollout.plan.clone();
        let Some(backend) = self.backend_of(&plan) else {
            return Observation::Unreadable(format!("environment `{}` has no backend", plan.environment));
        };
        match tokio::time::timeout(BACKEND_PATIENCE, backend.read(&plan.flag, &plan.audiences)).await {
            Ok(Ok(seen)) => Observation::Seen(seen),
            Ok(Err(error)) => Observation::Unreadable(error.to_string()),
            Err(_) => Observation::Unreadable(format!("{} does not answer", backend.place())),
        }
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
        let readings = |at: Timestamp| -> Vec<Reading> {
            let read =
                |query: &Query| answers.get(&(at, query.clone())).cloned().unwrap_or(Reading::Unknown(Unknown::Error));
            need.series.iter().map(read).collect()
        };
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

    /// Ticks that a source failed to answer are asked again once it answers: they can stop and do nothing else.
    async fn ask_again(&mut self, ids: &BTreeSet<String>, passed: &mut Passed) -> Result<(), ControlError> {
        let mut batch = Batch::default();
        for id in ids {
            if let Some(late) = self.late_run(id).await {
                self.fold_fact(&mut batch, id, Input::Late(late));
            }
        }
        match self.store.commit(self.now(), batch) {
            Ok(steps) => passed.steps.extend(steps),
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn late_run(&self, id: &str) -> Option<Late> {
        let rollout = self.store.rollout(id).filter(|rollout| rollout.state.is_live())?;
        let (first, last) = (*rollout.unanswered.first()?, *rollout.unanswered.last()?);
        let is_error = |reading: &Reading| reading.unknown() == Some(Unknown::Error);
        // the newest tick tells whether the source is back
        if rollout.ticks.last_key_value().is_none_or(|(_, readings)| readings.iter().any(is_error)) {
            return None;
        }
        let plan = &rollout.plan;
        let mut answers = Answers::new();
        for (name, source) in &self.sources {
            let queries: BTreeSet<Query> =
                plan.series.iter().map(|series| series.query.clone()).filter(|query| query.source == *name).collect();
            let queries: Vec<Query> = queries.into_iter().collect();
            if queries.is_empty() {
                continue;
            }
            let asked = source.range(&queries, first, last, plan.every);
            for (at, row) in tokio::time::timeout(SOURCE_PATIENCE, asked).await.ok()? {
                answers
                    .extend(queries.iter().cloned().zip(row).map(|(query, answered)| ((at, query), answered.reading)));
            }
        }
        let longest = plan.rules.iter().map(|rule| plan.rule_ticks(rule.hold_for)).max().unwrap_or(1);
        let from = first.minus(Span(plan.every.0.saturating_mul(u64::from(longest))));
        let mut ticks = Vec::new();
        for (at, recorded) in rollout.ticks.range(from..=last) {
            let mut readings = recorded.clone();
            let late = rollout.unanswered.contains(at);
            if late {
                for (reading, series) in readings.iter_mut().zip(&plan.series) {
                    if is_error(reading) {
                        let answer = answers.get(&(*at, series.query.clone())).cloned();
                        // what is still an error has had its second chance: nobody will ever know
                        *reading =
                            answer.filter(|answer| !is_error(answer)).unwrap_or(Reading::Unknown(Unknown::Unobserved));
                    }
                }
            }
            ticks.push(LateTick { at: *at, late, readings });
        }
        Some(Late { evaluated: self.now(), ticks })
    }
}
