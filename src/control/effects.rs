//! Carrying out what states ask for at their backends, and recording what was read back.
//!
//! All rollouts at once: one backend that hangs must not keep another flag from being switched off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{join, join_all, join3};

use super::error::ControlError;
use super::pass::{BACKEND_PATIENCE, look};
use super::record::Step;
use super::site::Site;
use super::spooled::{self, SpooledAct, SpooledTicks};
use super::store::{Batch, Stop, is_conflict};
use super::under_way::{Ended, is_same};
use crate::backend::{Backend, BackendError, Expose, Switch};
use crate::clock::{Clock, within};
use crate::engine::input::{Observation, Observed, Outcome};
use crate::engine::{Effect, EffectKind, Input, Plan, Span, State, Timestamp};

/// How often effects are looked for again within one pass: what came of one may ask for another.
const TRIES: usize = 3;
/// How long a pass of many waits for stops that it sent: one that takes longer goes on under the next passes.
const SHORT: Span = Span::seconds(1);
/// How long an address that the rollout has left is waited for.
pub(super) const FORMER_PATIENCE: Span = Span::seconds(3);
/// How often a record is judged again because others appended meanwhile.
const CONFLICTS: usize = 50;

/// How long stops are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Other rollouts are to be judged: each stop is sent once, and goes on without us.
    Short,
    /// Nobody comes after us: each stop is waited for, and sent again.
    ToTheEnd,
}

/// One open effect and where it goes: all that a request needs while the store stands still.
pub(super) struct Errand {
    pub(super) id: String,
    plan: Arc<Plan>,
    /// As it is with the decision that led here.
    pub(super) state: State,
    pub(super) effect: Effect,
    /// At the plan's address.
    backend: Arc<dyn Backend>,
    /// At the present project's address, where that is another one and this is a stop.
    other: Option<Arc<dyn Backend>>,
    /// At addresses that earlier plans of the rollout named, where this is a stop.
    former: Vec<Arc<dyn Backend>>,
    /// The revision that a growth was decided on.
    decided_on: Option<String>,
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
    /// A stop, from the request to the read-back, at every address. Why not, where a reduction could not even look.
    pub(super) async fn stop(&self, clock: &dyn Clock) -> Result<Input, String> {
        let elsewhere = async {
            match &self.other {
                Some(other) => self.left_at(&**other, clock).await,
                None => None,
            }
        };
        let behind = join_all(self.former.iter().map(|backend| self.left_behind(&**backend, clock)));
        let (stopped, left, behind) = join3(self.stop_at(&*self.backend, clock), elsewhere, behind).await;
        let left = left.or_else(|| behind.into_iter().flatten().next());
        let (backend, sent) = stopped?;
        match left {
            None => Ok(self.outcome(backend, sent, clock).1),
            // off at one of two addresses is not off
            Some(why) => {
                let sent = Sent { trouble: Some(why.clone()), ..sent };
                Ok(self.outcome(Observation::Unreadable(why), sent, clock).1)
            }
        }
    }

    async fn stop_at(&self, backend: &dyn Backend, clock: &dyn Clock) -> Result<(Observation, Sent), String> {
        let Errand { plan, effect, .. } = self;
        let sent = if effect.kind == EffectKind::Off {
            Sent::new(within(clock, BACKEND_PATIENCE, backend.switch_off(&plan.flag)).await, backend)
        } else {
            let seen = match look(backend, plan, clock).await {
                Observation::Seen(seen) => seen,
                Observation::Unreadable(why) => return Err(why),
                Observation::NotRead => return Err(format!("{} was not read", backend.place())),
            };
            if seen.shown().within(&effect.to) {
                // no more than is asked for: writing it would enlarge what another hand made smaller
                return Ok((Observation::Seen(seen), Sent::fine()));
            }
            self.send(backend, &seen, clock).await
        };
        let sent = Sent { settled: true, ..sent };
        Ok((self.look_after(backend, &sent, clock).await, sent))
    }

    /// Stops at an address that the plan does not name; what is still to be stopped there.
    async fn left_at(&self, backend: &dyn Backend, clock: &dyn Clock) -> Option<String> {
        // where the flag never came to, it serves nobody
        if matches!(look(backend, &self.plan, clock).await, Observation::Seen(seen) if seen.is_missing()) {
            return None;
        }
        match self.stop_at(backend, clock).await {
            Ok((Observation::Seen(Observed { unserved: Some(why), .. }), _)) => Some(why),
            Ok((Observation::Seen(seen), _)) if seen.shown().within(&self.effect.to) && !seen.reaches_by_foreign() => {
                None
            }
            Ok((Observation::Seen(_), sent)) => {
                Some(sent.trouble.unwrap_or_else(|| format!("{} still shows it", backend.place())))
            }
            Ok((Observation::Unreadable(why), _)) | Err(why) => Some(why),
            Ok((Observation::NotRead, _)) => Some(format!("{} cannot be read", backend.place())),
        }
    }

    /// Stops at an address that the rollout has left. What answers must be off; one that is gone for good is not waited for.
    async fn left_behind(&self, backend: &dyn Backend, clock: &dyn Clock) -> Option<String> {
        match within(clock, FORMER_PATIENCE, self.stop_at(backend, clock)).await {
            Some(Ok((Observation::Seen(seen), sent)))
                if !seen.shown().within(&self.effect.to) || seen.reaches_by_foreign() =>
            {
                Some(sent.trouble.unwrap_or_else(|| format!("{} still shows it", backend.place())))
            }
            _ => None,
        }
    }

    /// A growth, whose look has been recorded and agrees.
    async fn grow(&self, seen: Option<&Observed>, clock: &dyn Clock) -> (String, Input) {
        let sent = match seen {
            Some(seen) => self.send(&*self.backend, seen, clock).await,
            // not sent, so nothing is under way: what is there is the result
            None => Sent::not_sent(),
        };
        let backend = self.look_after(&*self.backend, &sent, clock).await;
        self.outcome(backend, sent, clock)
    }

    async fn send(&self, backend: &dyn Backend, seen: &Observed, clock: &dyn Clock) -> Sent {
        let request = self.request(seen);
        Sent::new(within(clock, BACKEND_PATIENCE, backend.expose(&request)).await, backend)
    }

    async fn look_after(&self, backend: &dyn Backend, sent: &Sent, clock: &dyn Clock) -> Observation {
        match (&sent.trouble, look(backend, &self.plan, clock).await) {
            // what is written is not what is served: it must not count as read back
            (Some(detail), Observation::Seen(seen)) if sent.written_not_served && seen.unserved.is_none() => {
                Observation::Seen(Observed { unserved: Some(detail.clone()), ..seen })
            }
            (_, seen) => seen,
        }
    }

    fn outcome(&self, backend: Observation, sent: Sent, clock: &dyn Clock) -> (String, Input) {
        let Sent { settled, trouble, .. } = sent;
        // what was sent without trouble, or needed no sending, may still not be served
        let doubt = match &backend {
            Observation::Seen(seen) => self.state.doubt(seen).map(str::to_owned),
            _ => None,
        };
        let trouble = trouble.or(doubt);
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
    pub(super) async fn carry_out(
        &mut self,
        ids: &BTreeSet<String>,
        patience: Patience,
    ) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        let mut tried = BTreeSet::new();
        for _ in 0..TRIES {
            let (growths, mut stops) = self.errands(ids);
            stops.retain(|errand| {
                patience == Patience::ToTheEnd || !tried.contains(&(errand.id.clone(), errand.effect.id))
            });
            if growths.is_empty() && stops.is_empty() && !self.under_way.has_ended() {
                break;
            }
            tried.extend(stops.iter().map(|errand| (errand.id.clone(), errand.effect.id)));
            let at_most = self.send_stops(stops, patience);
            let clock = Arc::clone(&self.clock);
            let looking = join_all(growths.iter().map(|errand| look(&*errand.backend, &errand.plan, &*clock)));
            let ((), looked) = join(self.under_way.wait(&*clock, at_most), looking).await;
            let at = self.now();
            let seen = growths.iter().zip(&looked);
            let seen = seen.map(|(errand, look)| (errand.id.clone(), Input::Seen { at, backend: look.clone() }));
            let stops = self.stopped();
            self.note_troubles(&stops);
            let facts: Vec<_> = stops.into_iter().chain(seen).collect();
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
            self.note_troubles(&grown);
            steps.extend(self.record(&grown)?);
        }
        self.forget_settled();
        Ok(steps)
    }

    /// Sends stops that are not under way. How long to wait for what is: where nothing new was sent, no time at all.
    fn send_stops(&mut self, stops: Vec<Errand>, patience: Patience) -> Option<Span> {
        let mut at_most = Span(0);
        for errand in stops {
            if !self.under_way.has(&errand.id, &errand.effect) {
                let clock = Arc::clone(&self.clock);
                let (id, effect) = (errand.id.clone(), errand.effect.clone());
                self.under_way.send(&id, effect, async move { errand.stop(&*clock).await });
                at_most = SHORT;
            }
        }
        (patience == Patience::Short).then_some(at_most)
    }

    /// What came of stops that have ended and are still wanted. What was read for another one is not read now.
    fn stopped(&mut self) -> Vec<(String, Input)> {
        let mut facts = Vec::new();
        for Ended { id, effect, result } in self.under_way.take() {
            let open = self.store.rollout(&id).and_then(|rollout| rollout.state.effect.as_ref());
            match result {
                _ if !open.is_some_and(|open| is_same(open, &effect)) => {}
                Ok(outcome) => facts.push((id, outcome)),
                Err(why) => _ = self.troubles.insert(id, why),
            }
        }
        facts
    }

    /// Waits for a moment, and goes on with stops meanwhile. What came of one is worth a pass.
    pub(super) async fn rest(&mut self, until: Timestamp) {
        let clock = Arc::clone(&self.clock);
        let mut asleep = clock.sleep_until(until);
        std::future::poll_fn(|context| {
            let _ = self.under_way.poll(context);
            if self.under_way.has_ended() { Poll::Ready(()) } else { asleep.as_mut().poll(context) }
        })
        .await;
    }

    /// What went wrong with requests: what comes to nothing is not worth a record, and people want to know why.
    fn note_troubles(&mut self, outcomes: &[(String, Input)]) {
        for (id, input) in outcomes {
            let Input::Outcome(outcome) = input else { continue };
            match &outcome.trouble {
                Some(trouble) => _ = self.troubles.insert(id.clone(), trouble.clone()),
                None => _ = self.troubles.remove(id),
            }
        }
    }

    /// Of the growths whose requests are over, those are kept that still wait to be read.
    fn forget_settled(&mut self) {
        let store = &self.store;
        self.ended.retain(|(id, effect)| {
            store.rollout(id).and_then(|rollout| rollout.state.effect.as_ref()).is_some_and(|open| open.id == *effect)
        });
        self.hurried.retain(|(id, _)| store.rollout(id).is_some_and(|rollout| rollout.state.is_live()));
    }

    /// The open effects that are this process' to carry out: growths, and stops.
    fn errands(&mut self, ids: &BTreeSet<String>) -> (Vec<Errand>, Vec<Errand>) {
        let (mut growths, mut stops) = (Vec::new(), Vec::new());
        let store = &self.store;
        self.under_way.keep(|id| store.rollout(id).is_some_and(|rollout| store.superseding(rollout).is_none()));
        for rollout in ids.iter().filter_map(|id| self.store.rollout(id)) {
            let Some(effect) = rollout.state.effect.clone() else { continue };
            if self.store.superseding(rollout).is_some() {
                // a newer rollout has the flag: what this one still wanted would hit that one
                continue;
            }
            let is_growth = effect.kind == EffectKind::Grow;
            let mine = is_growth.then(|| self.mine.remove(&(rollout.id.clone(), effect.id)));
            let decided_on = match mine {
                Some(None) => continue,
                Some(Some(revision)) => revision,
                None => None,
            };
            let (id, plan, state) = (rollout.id.clone(), rollout.plan.clone(), rollout.state.clone());
            let errand = self.errand(id, plan, state, effect, decided_on);
            if is_growth { growths.push(errand) } else { stops.push(errand) }
        }
        (growths, stops)
    }

    /// What is to be stopped at backends, of some rollouts.
    pub(super) fn stops_of(&mut self, ids: &BTreeSet<String>) -> Vec<Errand> {
        self.errands(ids).1
    }

    /// Stops that could not be recorded, of rollouts that have their flags.
    pub(super) fn errands_of(&self, stops: Vec<Stop>) -> Vec<Errand> {
        stops
            .into_iter()
            .filter(|stop| self.store.rollout(&stop.id).is_some_and(|known| self.store.superseding(known).is_none()))
            .map(|Stop { id, plan, state, effect, .. }| self.errand(id, plan, state, effect, None))
            .collect()
    }

    fn errand(&self, id: String, plan: Arc<Plan>, state: State, effect: Effect, decided_on: Option<String>) -> Errand {
        let is_stop = effect.kind != EffectKind::Grow;
        let other = self.other_backend_of(&plan).filter(|_| is_stop);
        let former = if is_stop { self.former_backends_of(&id) } else { Vec::new() };
        Errand { backend: self.backend_of(&plan), other, former, id, plan, state, effect, decided_on }
    }

    /// Carries out stops that cannot be recorded, and puts the ticks that led there aside until they can.
    pub(super) async fn stop_unrecorded(&mut self, stops: Vec<Stop>, patience: Patience) {
        let now = self.now();
        for stop in &stops {
            // a late run is asked again, and decides the same, for as long as it is not recorded
            if !stop.ticks.is_empty() && self.put_aside.insert(stop.id.clone()) {
                let ticks = SpooledTicks { rollout: stop.id.clone(), ticks: stop.ticks.clone() };
                if spooled::put_aside(&self.spool, now, "ticks", &SpooledAct::Ticks(ticks)).is_err() {
                    // tried again at the next pass
                    self.put_aside.remove(&stop.id);
                }
            }
        }
        let errands = self.errands_of(stops);
        let at_most = self.send_stops(errands, patience);
        let clock = Arc::clone(&self.clock);
        self.under_way.wait(&*clock, at_most).await;
    }

    /// What a growth may be written over, if it still may be written.
    fn may_grow<'o>(&self, errand: &Errand, look: &'o Observation) -> Option<&'o Observed> {
        let state = &self.store.rollout(&errand.id)?.state;
        let Observation::Seen(seen) = look else { return None };
        let wanted = state.effect.as_ref().is_some_and(|open| open.id == errand.effect.id);
        let expired = errand.effect.expires.is_some_and(|expires| self.now() >= expires);
        // what another hand did since the tick looked is not overwritten by what the tick decided
        let as_decided = match errand.effect.by_person {
            // a person decided on what was read then, whatever is allowed
            true => errand.decided_on.as_ref() == Some(&seen.revision),
            false => seen.shown() == state.allowed && !seen.reaches_by_foreign() && self.holds(&errand.plan).is_empty(),
        };
        let is_served = state.doubt(seen).is_none() && !self.is_gone(&errand.plan, seen);
        (wanted && as_decided && is_served && !expired).then_some(seen)
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
