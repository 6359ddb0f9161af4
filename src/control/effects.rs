//! Carrying out what a state asks for at its backend, and recording what was read back.

use super::error::ControlError;
use super::pass::BACKEND_PATIENCE;
use super::record::Step;
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::backend::{Backend, BackendError, Expose, Switch};
use crate::engine::input::{Observation, Observed, Outcome};
use crate::engine::{Effect, EffectKind, Input, Plan, State};

/// How often a stop is tried within one pass; the next pass goes on.
const TRIES: usize = 3;
/// How often a record is judged again because others appended meanwhile.
const CONFLICTS: usize = 50;

/// What came of one request.
struct Sent {
    /// Whether it cannot be under way any more.
    settled: bool,
    /// What went wrong.
    trouble: Option<String>,
    /// Whether what is served is still something else than what was written.
    written_not_served: bool,
}

impl Sent {
    fn fine() -> Sent {
        Sent { settled: true, trouble: None, written_not_served: false }
    }

    fn not_sent() -> Sent {
        Sent { settled: true, trouble: Some("it was not sent".to_owned()), written_not_served: false }
    }

    fn new(answer: Result<Result<(), BackendError>, tokio::time::error::Elapsed>, backend: &dyn Backend) -> Sent {
        let told = |settled, trouble: String| Sent { settled, trouble: Some(trouble), written_not_served: false };
        match answer {
            Ok(Ok(())) => Sent::fine(),
            // it may still be applied later
            Ok(Err(error @ BackendError::Unreachable { .. })) => told(false, error.to_string()),
            Ok(Err(error @ BackendError::NotEffective { .. })) => {
                Sent { written_not_served: true, ..told(true, error.to_string()) }
            }
            Ok(Err(error)) => told(true, error.to_string()),
            Err(_) => told(false, format!("{} does not answer", backend.place())),
        }
    }
}

impl Site {
    /// Carries out a rollout's open effect. A growth is sent once, by the process that intended it, before it expires; a
    /// stop is sent until it is read back.
    ///
    /// # Errors
    /// The journal's.
    pub async fn carry_out(&mut self, id: &str) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        for _ in 0..TRIES {
            let Some(rollout) = self.store.rollout(id) else { break };
            let Some(effect) = rollout.state.effect.clone() else { break };
            let newest = self.store.newest(&rollout.plan.release, &rollout.plan.environment);
            if newest.is_some_and(|newest| newest.id != id) {
                // a newer rollout has the flag: what this one still wanted would hit that one
                break;
            }
            match effect.kind {
                EffectKind::Grow => {
                    if !self.mine.remove(&(id.to_owned(), effect.id)) {
                        break;
                    }
                    steps.extend(self.grow(id, &effect).await?);
                }
                EffectKind::Shrink | EffectKind::Off => steps.extend(self.shrink(id, &effect).await?),
            }
        }
        Ok(steps)
    }

    async fn grow(&mut self, id: &str, effect: &Effect) -> Result<Vec<(String, Step)>, ControlError> {
        let before = self.read_backend(id).await;
        let mut steps = self.record(id, Input::Seen { at: self.now(), backend: before.clone() })?;
        let Some(rollout) = self.store.rollout(id) else { return Ok(steps) };
        let (plan, state) = (rollout.plan.clone(), rollout.state.clone());
        let still_wanted = state.effect.as_ref().is_some_and(|open| open.id == effect.id);
        let expired = effect.expires.is_some_and(|expires| self.now() >= expires);
        // what another hand did since the tick looked is not overwritten by what the tick decided
        let as_decided = effect.by_person
            || matches!(&before, Observation::Seen(seen)
                if seen.shown() == state.allowed && !seen.reaches_by_foreign());
        let (Observation::Seen(seen), Some(backend), true, false) =
            (&before, self.backend_of(&plan), still_wanted && as_decided, expired)
        else {
            // not sent, so nothing is under way: what is there is the result
            steps.extend(self.settle(id, effect, Sent::not_sent()).await?);
            return Ok(steps);
        };
        let request = expose(&plan, &state, effect, seen);
        let sent = tokio::time::timeout(BACKEND_PATIENCE, backend.expose(&request)).await;
        let sent = Sent::new(sent, &*backend);
        steps.extend(self.settle(id, effect, sent).await?);
        Ok(steps)
    }

    async fn shrink(&mut self, id: &str, effect: &Effect) -> Result<Vec<(String, Step)>, ControlError> {
        let Some(rollout) = self.store.rollout(id) else { return Ok(Vec::new()) };
        let (plan, state) = (rollout.plan.clone(), rollout.state.clone());
        let Some(backend) = self.backend_of(&plan) else { return Ok(Vec::new()) };
        let sent = if effect.kind == EffectKind::Off {
            tokio::time::timeout(BACKEND_PATIENCE, backend.switch_off(&plan.flag)).await
        } else {
            let Observation::Seen(seen) = self.read_backend(id).await else { return Ok(Vec::new()) };
            if seen.shown().within(&effect.to) {
                // no more than is asked for: writing it would enlarge what another hand made smaller
                return self.settle(id, effect, Sent::fine()).await;
            }
            let request = expose(&plan, &state, effect, &seen);
            tokio::time::timeout(BACKEND_PATIENCE, backend.expose(&request)).await
        };
        let sent = Sent { settled: true, ..Sent::new(sent, &*backend) };
        self.settle(id, effect, sent).await
    }

    /// Reads back and records the outcome. Whoever appended meanwhile is heard first: the outcome is a fact, and is
    /// folded onto whatever the state is now.
    async fn settle(&mut self, id: &str, effect: &Effect, sent: Sent) -> Result<Vec<(String, Step)>, ControlError> {
        let Sent { settled, trouble, written_not_served } = sent;
        let backend = match (&trouble, self.read_backend(id).await) {
            // what is written is not what is served: it must not count as read back
            (Some(detail), Observation::Seen(_)) if written_not_served => Observation::Unreadable(detail.clone()),
            (_, backend) => backend,
        };
        self.record(id, Input::Outcome(Outcome { effect: effect.id, at: self.now(), backend, settled, trouble }))
    }

    /// Records a fact, judging again as often as others append meanwhile.
    pub(super) fn record(&mut self, id: &str, input: Input) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        for _ in 0..CONFLICTS {
            let mut batch = Batch::default();
            self.fold_fact(&mut batch, id, input.clone());
            match self.store.commit(self.now(), batch) {
                Ok(more) => {
                    steps.extend(more);
                    return Ok(steps);
                }
                Err(error) if is_conflict(&error) => steps.extend(self.store.refresh()?),
                Err(error) => return Err(error),
            }
        }
        Err(ControlError::Failed("the journal is written faster than it can be read".to_owned()))
    }
}

fn expose(plan: &Plan, state: &State, effect: &Effect, seen: &Observed) -> Expose {
    Expose {
        flag: plan.flag.clone(),
        exposure: effect.to.clone(),
        audiences: plan.audiences.clone(),
        stickiness: plan.stickiness.clone(),
        stamp: state.stamp.clone(),
        switch: if effect.switch_on { Switch::TurnOn } else { Switch::Keep },
        revision: seen.revision.clone(),
        take_over: effect.take_over,
    }
}
