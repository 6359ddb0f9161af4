//! Carrying out what states ask for at their backends, and recording what was read back.
//!
//! All rollouts at once: one backend that hangs must not keep another flag from being switched off.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::error::ControlError;
use super::pass::{BACKEND_PATIENCE, look};
use super::record::Step;
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::backend::{Backend, BackendError, Expose, Switch};
use crate::clock::{Clock, within};
use crate::engine::input::{Observation, Observed, Outcome};
use crate::engine::{Effect, EffectKind, Input, Plan, State};

/// How often a stop is tried within one pass; the next pass goes on.
const TRIES: usize = 3;
/// How often a record is judged again because others appended meanwhile.
const CONFLICTS: usize = 50;

/// One open effect and where it goes: all that a request needs while the store stands still.
struct Errand {
    id: String,
    plan: Arc<Plan>,
    state: State,
    effect: Effect,
    backend: Arc<dyn Backend>,
}

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

    fn new(answer: Option<Result<(), BackendError>>, backend: &dyn Backend) -> Sent {
        let told = |settled, trouble: String| Sent { settled, trouble: Some(trouble), written_not_served: false };
        match answer {
            Some(Ok(())) => Sent::fine(),
            // it may still be applied later
            Some(Err(error @ BackendError::Unreachable { .. })) => told(false, error.to_string()),
            Some(Err(error @ BackendError::NotEffective { .. })) => {
                Sent { written_not_served: true, ..told(true, error.to_string()) }
            }
            Some(Err(error)) => told(true, error.to_string()),
            None => told(false, format!("{} does not answer", backend.place())),
        }
    }
}

impl Errand {
    /// A stop, from the request to the read-back. Nothing where a reduction could not even look.
    async fn stop(&self, clock: &dyn Clock) -> Option<(String, Input)> {
        let Errand { plan, effect, backend, .. } = self;
        let sent = if effect.kind == EffectKind::Off {
            Sent::new(within(clock, BACKEND_PATIENCE, backend.switch_off(&plan.flag)).await, &**backend)
        } else {
            let Observation::Seen(seen) = look(&**backend, plan, clock).await else { return None };
            if seen.shown().within(&effect.to) {
                // no more than is asked for: writing it would enlarge what another hand made smaller
                return Some(self.outcome(Observation::Seen(seen), Sent::fine(), clock));
            }
            self.send(&seen, clock).await
        };
        Some(self.read_back(Sent { settled: true, ..sent }, clock).await)
    }

    /// A growth, whose look has been recorded and agrees.
    async fn grow(&self, seen: Option<&Observed>, clock: &dyn Clock) -> (String, Input) {
        let sent = match seen {
            Some(seen) => self.send(seen, clock).await,
            // not sent, so nothing is under way: what is there is the result
            None => Sent::not_sent(),
        };
        self.read_back(sent, clock).await
    }

    async fn send(&self, seen: &Observed, clock: &dyn Clock) -> Sent {
        let request = self.request(seen);
        Sent::new(within(clock, BACKEND_PATIENCE, self.backend.expose(&request)).await, &*self.backend)
    }

    async fn read_back(&self, sent: Sent, clock: &dyn Clock) -> (String, Input) {
        let backend = match (&sent.trouble, look(&*self.backend, &self.plan, clock).await) {
            // what is written is not what is served: it must not count as read back
            (Some(detail), Observation::Seen(_)) if sent.written_not_served => Observation::Unreadable(detail.clone()),
            (_, backend) => backend,
        };
        self.outcome(backend, sent, clock)
    }

    fn outcome(&self, backend: Observation, sent: Sent, clock: &dyn Clock) -> (String, Input) {
        let Sent { settled, trouble, .. } = sent;
        let outcome = Outcome { effect: self.effect.id, at: clock.now(), backend, settled, trouble };
        (self.id.clone(), Input::Outcome(outcome))
    }

    fn request(&self, seen: &Observed) -> Expose {
        let Errand { plan, state, effect, .. } = self;
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
}

impl Site {
    /// Carries out the open effects of rollouts. A growth is sent once, by the process that intended it, before it
    /// expires; a stop is sent until it is read back. Outcomes are facts: whoever appended meanwhile is heard first, and
    /// they are folded onto whatever the state is then.
    ///
    /// # Errors
    /// The journal's.
    pub async fn carry_out(&mut self, ids: &BTreeSet<String>) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        for _ in 0..TRIES {
            let (growths, stops) = self.errands(ids);
            if growths.is_empty() && stops.is_empty() {
                break;
            }
            let clock = Arc::clone(&self.clock);
            let stopping = join_all(stops.iter().map(|errand| errand.stop(&*clock)));
            let looking = join_all(growths.iter().map(|errand| look(&*errand.backend, &errand.plan, &*clock)));
            let (stopped, looked) = join(stopping, looking).await;
            let at = self.now();
            let seen = growths.iter().zip(&looked);
            let seen = seen.map(|(errand, look)| (errand.id.clone(), Input::Seen { at, backend: look.clone() }));
            let facts: Vec<_> = stopped.into_iter().flatten().chain(seen).collect();
            steps.extend(self.hear()?);
            steps.extend(self.record(&facts)?);
            let mut growing = Vec::new();
            for (errand, look) in growths.iter().zip(&looked) {
                growing.push(errand.grow(self.may_grow(errand, look), &*clock));
            }
            let grown = join_all(growing).await;
            for errand in &growths {
                self.ended.insert((errand.id.clone(), errand.effect.id));
            }
            steps.extend(self.record(&grown)?);
        }
        self.forget_settled();
        Ok(steps)
    }

    /// Of the growths whose requests are over, those are kept that still wait to be read.
    fn forget_settled(&mut self) {
        let store = &self.store;
        self.ended.retain(|(id, effect)| {
            store.rollout(id).and_then(|rollout| rollout.state.effect.as_ref()).is_some_and(|open| open.id == *effect)
        });
    }

    /// The open effects that are this process' to carry out: growths, and stops.
    fn errands(&mut self, ids: &BTreeSet<String>) -> (Vec<Errand>, Vec<Errand>) {
        let (mut growths, mut stops) = (Vec::new(), Vec::new());
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            let Some(effect) = rollout.state.effect.clone() else { continue };
            if self.store.superseding(rollout).is_some() {
                // a newer rollout has the flag: what this one still wanted would hit that one
                continue;
            }
            let is_growth = effect.kind == EffectKind::Grow;
            if is_growth && !self.mine.remove(&(rollout.id.clone(), effect.id)) {
                continue;
            }
            let Some(backend) = self.backend_of(&rollout.plan) else { continue };
            let (plan, state) = (rollout.plan.clone(), rollout.state.clone());
            let errand = Errand { id: rollout.id.clone(), plan, state, effect, backend };
            if is_growth { growths.push(errand) } else { stops.push(errand) }
        }
        (growths, stops)
    }

    /// What a growth may be written over, if it still may be written.
    fn may_grow<'o>(&self, errand: &Errand, look: &'o Observation) -> Option<&'o Observed> {
        let state = &self.store.rollout(&errand.id)?.state;
        let Observation::Seen(seen) = look else { return None };
        let wanted = state.effect.as_ref().is_some_and(|open| open.id == errand.effect.id);
        let expired = errand.effect.expires.is_some_and(|expires| self.now() >= expires);
        // what another hand did since the tick looked is not overwritten by what the tick decided
        let as_decided = errand.effect.by_person || (seen.shown() == state.allowed && !seen.reaches_by_foreign());
        (wanted && as_decided && !expired).then_some(seen)
    }

    /// Records facts in one commit, judging again as often as others append meanwhile.
    pub(super) fn record(&mut self, facts: &[(String, Input)]) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        for _ in 0..CONFLICTS {
            let mut batch = Batch::default();
            for (id, input) in facts {
                self.fold_fact(&mut batch, id, input.clone());
            }
            match self.store.commit(self.now(), batch) {
                Ok(more) => {
                    steps.extend(more);
                    return Ok(steps);
                }
                Err(error) if is_conflict(&error) => steps.extend(self.hear()?),
                Err(error) => return Err(error),
            }
        }
        Err(ControlError::Failed("the journal is written faster than it can be read".to_owned()))
    }
}
