//! One pass of a driver: take in what is new, ask what is due, fold, record in one commit, then act.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::breaker::Trips;
use super::effects::Patience;
use super::error::ControlError;
use super::gather::Gathered;
use super::late::behind_run;
use super::questions::{Answers, Questions};
use super::record::Step;
use super::rollout::Rollout;
use super::site::Site;
use super::store::{Batch, is_conflict};
use super::ticks::{Due, behind, due, next_due};
use crate::backend::Backend;
use crate::clock::{Answer, Clock, within};
use crate::engine::input::{Gates, Observation, Outcome, Tick};
use crate::engine::plan::Query;
use crate::engine::state::REQUEST_TIMEOUT;
use crate::engine::{EffectKind, Event, Input, Phase, Plan, Reading, Span, Timestamp};

/// How long a read of a backend may take.
pub(super) const BACKEND_PATIENCE: Span = REQUEST_TIMEOUT;
/// How long a stopped rollout is read at every pass, in case a late write of ours brings it back.
const WATCHED_AFTER_STOP: Span = Span::minutes(10);
/// How often it is read after that.
const WATCHED_LATER: Span = Span::hours(1);

/// What a pass did.
#[derive(Debug, Default)]
pub struct Passed {
    /// Everything that was folded, by this process or another, in the journal's order.
    pub steps: Vec<(String, Step)>,
    /// When the next tick falls due.
    pub next: Option<Timestamp>,
    /// Whether others appended while this pass judged, so that nothing of it was recorded.
    pub overtaken: bool,
}

/// What one rollout needs of this pass.
pub(super) struct Need {
    pub(super) id: String,
    what: What,
    pub(super) series: Vec<Query>,
}

#[derive(Clone, Copy)]
enum What {
    /// Its due ticks, and a look at the backend.
    Ticks(Due),
    /// The clock went back: this tick, which can only stop, and a look at the backend.
    Behind(Timestamp),
    /// A look at the backend.
    Look,
}

impl Site {
    /// One pass of many over the rollouts whose ids are given: a stop without an end goes on at the next one.
    ///
    /// # Errors
    /// The journal's. A source or backend that fails is a reading or observation, not an error.
    pub async fn pass(&mut self, ids: &BTreeSet<String>) -> Result<Passed, ControlError> {
        self.pass_with(ids, Patience::Short).await
    }

    /// As [`Site::pass`], for so much patience with stops.
    pub(super) async fn pass_with(
        &mut self,
        ids: &BTreeSet<String>,
        patience: Patience,
    ) -> Result<Passed, ControlError> {
        let mut passed = Passed::default();
        self.reread();
        // a journal that cannot be used keeps nothing from being judged, and stopped
        let mut deaf = self.hear_into(&mut passed).err();
        let now = self.now();
        self.recall_looks(ids, now);
        let mut needs = self.needs(ids, now);
        let gathered = self.gather(&needs, ids).await;
        // what a source has yet to answer is judged at the next pass: an answer that is late is not none
        needs.retain(|need| gathered.is_answered(need));
        let Gathered { answers, observed, .. } = gathered;
        // whoever appended while we were asking is heard before anything is folded
        deaf = self.hear_into(&mut passed).err().or(deaf);
        let mut batch = Batch::default();
        let mut decided = BTreeMap::new();
        for need in &needs {
            let events = self.fold_due(&mut batch, need, &answers, &observed, &Trips::default());
            decided.insert(need.id.clone(), events);
        }
        let stops = self.store.stops_in(&batch);
        let trips = self.trips(&stops, &needs, &answers);
        for need in needs.iter().filter(|need| trips.concerns(&need.id)) {
            batch.forget(&need.id);
            decided.insert(need.id.clone(), self.fold_due(&mut batch, need, &answers, &observed, &trips));
        }
        match deaf.map_or_else(|| self.store.commit(self.now(), batch), Err) {
            Ok(steps) => {
                passed.steps.extend(steps);
                // it was held back, so that its next stop hurries anew
                self.hurried.retain(|(id, _)| !trips.concerns(id));
                let is_look = |need: &&Need| matches!(need.what, What::Look) && observed.contains_key(&need.id);
                let looks = needs.iter().filter(is_look);
                self.looked.extend(looks.map(|need| (need.id.clone(), now)));
                for (id, events) in decided {
                    self.put_aside.remove(&id);
                    self.own(&id, &events, observed.get(&id).unwrap_or(&Observation::NotRead));
                }
            }
            // judged again at the next pass, on what is there then
            Err(error) if is_conflict(&error) => passed.overtaken = true,
            Err(error) => {
                // what the breaker says is nothing unless it is recorded: these are all stops, as if there were none
                self.stop_unrecorded(stops, patience).await;
                // stops that are recorded already are sent until they are read back; nothing grows
                let _ = self.carry_out(ids, patience).await;
                return Err(error);
            }
        }
        // what was decided to stop is stopped before anything else is asked
        passed.steps.extend(self.carry_out(ids, patience).await?);
        let late = self.ask_again(ids).await?;
        if !late.is_empty() {
            passed.steps.extend(late);
            passed.steps.extend(self.carry_out(ids, patience).await?);
        }
        passed.next = self.next_due(ids);
        Ok(passed)
    }

    fn hear_into(&mut self, passed: &mut Passed) -> Result<(), ControlError> {
        passed.steps.extend(self.hear()?);
        Ok(())
    }

    pub(super) fn next_due(&self, ids: &BTreeSet<String>) -> Option<Timestamp> {
        let now = self.now();
        let live = ids.iter().filter_map(|id| self.store.rollout(id)).filter(|rollout| rollout.state.is_live());
        live.map(|rollout| next_due(&rollout.plan, now)).min()
    }

    fn needs(&self, ids: &BTreeSet<String>, now: Timestamp) -> Vec<Need> {
        let mut needs = Vec::new();
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            let Rollout { plan, state, .. } = rollout;
            let what = match state.phase {
                Phase::Running | Phase::Paused => {
                    let behind = || behind(plan, state, rollout.judged_late, now).map(What::Behind);
                    due(plan, state, now).map(What::Ticks).or_else(behind)
                }
                Phase::Stopped => self.watches_stopped(&rollout.id, now).then_some(What::Look),
                Phase::None | Phase::Completed => None,
            };
            if let Some(what) = what {
                let series = plan.series.iter().map(|series| series.query.clone()).collect();
                needs.push(Need { id: rollout.id.clone(), what, series });
            }
        }
        needs
    }

    /// Only the newest rollout of a flag: an older one has no say about it any more.
    fn watches_stopped(&self, id: &str, now: Timestamp) -> bool {
        let Some(rollout) = self.store.rollout(id) else { return false };
        let stopped = rollout.steps.back().map_or(now, |(_, step)| step.at);
        // counted from the stop, not by the clock on the wall: whoever comes round sees what fell due since the last look
        let due = |at: Timestamp| at.since(stopped).0 / WATCHED_LATER.0;
        let is_due = self.looked.get(id).is_none_or(|looked| *looked < stopped || due(now) > due(*looked));
        (now.since(stopped) < WATCHED_AFTER_STOP || is_due) && self.store.superseding(rollout).is_none()
    }

    /// When the stopped rollouts were looked at before this process: a driver that comes from time to time begins without a
    /// memory of its own, and whoever drove last has looked at what was due then. Nothing of it is recorded, since most
    /// looks find what they should.
    fn recall_looks(&mut self, ids: &BTreeSet<String>, now: Timestamp) {
        let known = |id: &String| self.store.rollout(id).filter(|rollout| rollout.state.phase == Phase::Stopped);
        let stopped = ids.iter().filter(|id| !self.looked.contains_key(*id)).filter_map(known);
        let addresses: Vec<(String, String)> = stopped.map(|rollout| (rollout.id.clone(), rollout.address())).collect();
        if addresses.is_empty() {
            return;
        }
        let drivers = self.store.journal().drivers().unwrap_or_default();
        for (id, address) in addresses {
            let drove = drivers.iter().filter(|driver| driver.alive <= now && driver.drives.contains(&address));
            if let Some(last) = drove.map(|driver| driver.alive).max() {
                self.looked.insert(id, last);
            }
        }
    }

    pub(super) fn questions(&self, needs: &[Need]) -> Questions {
        let mut questions = Questions::default();
        for need in needs {
            match need.what {
                What::Ticks(due) => {
                    questions.instant(due.present, &need.series);
                    if let Some((from, to)) = due.missed {
                        questions.range(from, to, &need.series);
                    }
                }
                What::Behind(at) => questions.instant(at, &need.series),
                What::Look => {}
            }
        }
        questions
    }

    /// Reads a rollout's flag at its backend.
    pub(super) async fn read_backend(&self, id: &str) -> Observation {
        self.reading(id).await.1
    }

    /// The same, for whoever goes on with the site meanwhile.
    pub(super) fn reading(&self, id: &str) -> Answer<'static, (String, Observation)> {
        let known = self.store.rollout(id);
        // off at one of two addresses is not off: only who stops at both can tell
        let is_told = |rollout: &&Rollout| !is_reducing(rollout) || self.other_backend_of(&rollout.plan).is_none();
        let read = known.filter(is_told).map(|rollout| self.look_at(rollout));
        let id = id.to_owned();
        Box::pin(async move {
            match read {
                Some(read) => (id, read.await),
                None => (id, Observation::NotRead),
            }
        })
    }

    /// Looks at what the backend of a rollout's plan shows.
    pub(super) fn look_at(&self, rollout: &Rollout) -> Answer<'static, Observation> {
        let withheld = self.withheld(&rollout.plan).filter(|_| !is_reducing(rollout));
        let (backend, plan, clock) =
            (self.backend_of(&rollout.plan), Arc::clone(&rollout.plan), Arc::clone(&self.clock));
        Box::pin(async move {
            match withheld {
                Some(why) => Observation::Unreadable(why),
                None => look(&*backend, &plan, &*clock).await,
            }
        })
    }

    pub(super) fn fold_due(
        &self,
        batch: &mut Batch,
        need: &Need,
        answers: &Answers,
        observed: &BTreeMap<String, Observation>,
        trips: &Trips,
    ) -> Vec<Event> {
        let now = self.now();
        let Some(rollout) = self.store.rollout(&need.id) else { return Vec::new() };
        let unread = || Observation::Unreadable("it had not answered when this was judged".to_owned());
        let seen = observed.get(&need.id).cloned().unwrap_or_else(unread);
        match need.what {
            What::Ticks(_) => {}
            What::Look => return self.fold_fact(batch, &need.id, Input::Seen { at: now, backend: seen }),
            What::Behind(at) => {
                let mut events = self.fold_fact(batch, &need.id, Input::Seen { at: now, backend: seen });
                let late = behind_run(rollout, at, need.readings(answers, at), now);
                events.extend(self.fold_fact(batch, &need.id, Input::Late(late)));
                return events;
            }
        }
        let mut ticks = self.ticks(need, answers);
        let Some(newest) = ticks.pop() else { return Vec::new() };
        for mut tick in ticks {
            tick.gates.breaker = trips.at(&need.id, tick.at);
            self.fold_fact(batch, &need.id, Input::Tick(tick));
        }
        self.settle_ended(batch, &need.id, &seen);
        let (holds, breaker) = (self.holds_at(&rollout.plan, newest.at), trips.at(&need.id, newest.at));
        self.fold_fact(batch, &need.id, Input::Tick(Tick { gates: Gates { backend: seen, holds, breaker }, ..newest }))
    }

    /// The ticks that a rollout is due, ascending, without what gates say of them.
    pub(super) fn ticks(&self, need: &Need, answers: &Answers) -> Vec<Tick> {
        let now = self.now();
        let (What::Ticks(asked), Some(rollout)) = (need.what, self.store.rollout(&need.id)) else { return Vec::new() };
        // another process may have recorded these ticks meanwhile
        let Some(open) = due(&rollout.plan, &rollout.state, now).filter(|open| open.present >= asked.present) else {
            return Vec::new();
        };
        let tick = |at: Timestamp, present: bool| {
            let (readings, gates) = (need.readings(answers, at), Gates::default());
            Tick { at, evaluated: now, present, readings, gates }
        };
        let mut ticks = Vec::new();
        if let Some((from, to)) = asked.missed {
            let mut at = open.missed.map_or(to.plus(rollout.plan.every), |(first, _)| first.max(from));
            while at <= to {
                ticks.push(tick(at, false));
                at = at.plus(rollout.plan.every);
            }
        }
        // asking may have taken so long that a newer tick is due: then this one grows nothing
        ticks.push(tick(asked.present, open.present == asked.present));
        ticks
    }

    /// A growth of ours that was not read back, and whose request is over: it had until now to land. Others wait until it
    /// must have timed out.
    fn settle_ended(&self, batch: &mut Batch, id: &str, seen: &Observation) {
        let now = self.now();
        let Some(effect) = self.store.state(batch, id).and_then(|state| state.effect.as_ref()) else { return };
        let expired = effect.expires.is_some_and(|expires| now >= expires);
        if expired && self.ended.contains(&(id.to_owned(), effect.id)) {
            let (effect, backend) = (effect.id, seen.clone());
            let outcome = Outcome { effect, at: now, backend, settled: true, trouble: None };
            self.fold_fact(batch, id, Input::Outcome(outcome));
        }
    }

    /// Folds an input that cannot be refused: only commands are.
    pub(super) fn fold_fact(&self, batch: &mut Batch, id: &str, input: Input) -> Vec<Event> {
        self.store.fold(batch, id, self.now(), input).unwrap_or_default()
    }
}

impl Need {
    /// What was answered at an instant.
    pub(super) fn readings(&self, answers: &Answers, at: Timestamp) -> Vec<Reading> {
        self.series.iter().map(|query| answers.get(at, query)).collect()
    }
}

/// Whether something is still to be taken away at the backend.
fn is_reducing(rollout: &Rollout) -> bool {
    rollout.state.effect.as_ref().is_some_and(|effect| effect.kind != EffectKind::Grow)
}

/// Reads a plan's flag at a backend.
pub(super) async fn look(backend: &dyn Backend, plan: &Plan, clock: &dyn Clock) -> Observation {
    match within(clock, BACKEND_PATIENCE, backend.read(&plan.flag, &plan.audiences)).await {
        Some(Ok(seen)) => Observation::Seen(seen),
        Some(Err(error)) => Observation::Unreadable(error.to_string()),
        None => Observation::Unreadable(format!("{} does not answer", backend.place())),
    }
}
