//! Whoever takes in signals in a process that also drives: with a journal's connection of its own, so that a pass that
//! waits for a source or a backend keeps no signal waiting, and no flood of signals a pass.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Delivery, SignalRow, SignalWord};
use crate::control::effects::Errand;
use crate::control::site::Site;
use crate::engine::input::{Observation, Outcome};
use crate::engine::{EffectKind, Input, Span, Timestamp};
use crate::spec::documents::SignalDoc;
use crate::spec::notifications::Notifications;

/// So many deliveries are taken in one commit.
const AT_ONCE: usize = 256;
/// A sender is answered after this long, done or not: senders give up after ten seconds and more.
const ANSWER_WITHIN: Span = Span::seconds(5);
/// How often documents and what others recorded are taken in while nothing comes.
const LOOK: Span = Span::seconds(1);
/// How often an effect is tried here; whoever drives goes on.
const TRIES: usize = 3;

/// A delivery, and who waits for what comes of it.
pub struct Waiting {
    /// The delivery.
    pub delivery: Delivery,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Vec<SignalRow>>,
}

/// What one effect came to.
struct Landed {
    errand: Errand,
    tries: usize,
    /// Whether its intent is in the journal.
    recorded: bool,
    fact: Result<Input, String>,
}

/// What tells an effect from others: its rollout, its number, and what it does. Of those that cannot be recorded several have one
/// number.
type Flight = (String, u64, String);

fn flight(errand: &Errand) -> Flight {
    let effect = &errand.effect;
    (errand.id.clone(), effect.id, format!("{:?} {}", effect.kind, effect.to))
}

type Flying = FuturesUnordered<Pin<Box<dyn Future<Output = Landed> + Send>>>;

/// An answer that waits for effects.
struct Pending {
    rows: Vec<SignalRow>,
    /// Effects that are under way.
    open: BTreeSet<Flight>,
    /// Rollouts whose effects came to nothing here, and why.
    failed: BTreeMap<String, String>,
    give_up: Timestamp,
    answer: Option<oneshot::Sender<Vec<SignalRow>>>,
}

/// Whoever takes in signals.
pub struct Desk {
    site: Site,
    declared: watch::Sender<Vec<SignalDoc>>,
    notifications: watch::Sender<Notifications>,
    pending: Vec<Pending>,
    flying: Flying,
    /// The effects that fly.
    sent: BTreeSet<Flight>,
}

impl Desk {
    /// With a site of its own. Whoever listens to `declared` hears which signals the documents declare.
    pub fn new(site: Site) -> (Desk, watch::Receiver<Vec<SignalDoc>>) {
        let signals = site.loaded.project().map(|project| project.signals.clone()).unwrap_or_default();
        let (declared, heard) = watch::channel(signals);
        let (notifications, _) = watch::channel(Notifications::of(&site.loaded).unwrap_or_default());
        let (flying, sent) = (Flying::new(), BTreeSet::new());
        (Desk { site, declared, notifications, pending: Vec::new(), flying, sent }, heard)
    }

    /// What the documents say of notifications, and from then on when they say something else.
    pub fn notifications(&self) -> watch::Receiver<Notifications> {
        self.notifications.subscribe()
    }

    /// Takes in what comes until `end` says so; then what is at hand is finished, within the time of an answer.
    pub async fn take_in(mut self, mut incoming: mpsc::Receiver<Waiting>, mut end: watch::Receiver<bool>) {
        let clock = Arc::clone(&self.site.clock);
        let (mut look, mut leave) = (clock.now().plus(LOOK), None);
        loop {
            let next = self.pending.iter().map(|pending| pending.give_up).chain(leave).min().unwrap_or(look).min(look);
            tokio::select! {
                first = incoming.recv() => match first {
                    Some(first) => {
                        let mut all = vec![first];
                        while all.len() < AT_ONCE && let Ok(more) = incoming.try_recv() {
                            all.push(more);
                        }
                        self.take(all);
                    }
                    None if self.flying.is_empty() => return,
                    None => self.land_next().await,
                },
                Some(landed) = self.flying.next(), if !self.flying.is_empty() => self.land(landed),
                () = clock.sleep_until(next) => {}
                _ = end.changed(), if leave.is_none() => {
                    incoming.close();
                    leave = Some(clock.now().plus(ANSWER_WITHIN));
                }
            }
            let now = clock.now();
            self.give_up(now);
            if now >= look {
                self.look_around();
                look = clock.now().plus(LOOK);
            }
            if leave.is_some_and(|leave| now >= leave) {
                return;
            }
        }
    }

    async fn land_next(&mut self) {
        let wait = self.site.clock.sleep_until(self.site.now().plus(ANSWER_WITHIN));
        let landed = tokio::select! {
            landed = self.flying.next() => landed,
            () = wait => None,
        };
        if let Some(landed) = landed {
            self.land(landed);
        } else {
            self.flying.clear();
            self.sent.clear();
        }
    }

    /// Documents, and what others recorded: neither is waited for when a signal comes.
    fn look_around(&mut self) {
        self.site.reread();
        // what cannot be read now is tried again when a signal comes
        let _ = self.site.store.refresh();
        self.notifications.send_if_modified(|known| match Notifications::of(&self.site.loaded) {
            Some(said) if *known != said => {
                *known = said;
                true
            }
            _ => false,
        });
        let signals = self.site.loaded.project().map(|project| &project.signals);
        self.declared.send_if_modified(|known| match signals {
            Some(signals) if *known != *signals => {
                known.clone_from(signals);
                true
            }
            _ => false,
        });
    }

    fn take(&mut self, waiting: Vec<Waiting>) {
        let (deliveries, answers): (Vec<Delivery>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.delivery, waiting.answer)).unzip();
        let taken = self.site.take_signals(&deliveries);
        let give_up = self.site.now().plus(ANSWER_WITHIN);
        for (rows, answer) in taken.rows.into_iter().zip(answers) {
            let sent = |id: String| taken.errands.iter().filter(move |errand| errand.id == id).map(flight);
            let acted = rows.iter().filter(|row| matches!(row.result, SignalWord::ShutDown | SignalWord::RolledBack));
            let open = acted.filter_map(|row| row.rollout.clone()).flat_map(sent).collect();
            self.pending.push(Pending { rows, open, failed: BTreeMap::new(), give_up, answer: Some(answer) });
        }
        for errand in taken.errands {
            // what is under way is not sent once more because somebody asks again
            if self.sent.insert(flight(&errand)) {
                self.send(errand, 1, taken.recorded, Span(0));
            }
        }
        self.answer_what_is_done();
    }

    fn send(&mut self, errand: Errand, tries: usize, recorded: bool, after: Span) {
        let clock = Arc::clone(&self.site.clock);
        self.flying.push(Box::pin(async move {
            if after.0 > 0 {
                clock.sleep_until(clock.now().plus(after)).await;
            }
            let fact = errand.stop(&*clock).await;
            Landed { errand, tries, recorded, fact }
        }));
    }

    /// Records what came of an effect, and tells those who wait for it.
    fn land(&mut self, landed: Landed) {
        let Landed { errand, tries, recorded, fact } = landed;
        let (trouble, agrees) = match &fact {
            Ok(Input::Outcome(outcome)) => (outcome.trouble.clone(), agrees(&errand, outcome)),
            Ok(_) => (None, false),
            Err(why) => (Some(why.clone()), false),
        };
        let mut done = agrees;
        if let (true, Ok(fact)) = (recorded, fact) {
            let _ = self.site.record(&[(errand.id.clone(), fact)]);
            let open = self.site.store.rollout(&errand.id).and_then(|rollout| rollout.state.effect.as_ref());
            done = agrees && open.is_none_or(|open| open.id != errand.effect.id);
        }
        if !done && !self.is_over(&errand, recorded, tries) {
            // what nobody can read in the journal is nobody else's to try
            let after = if tries < TRIES { Span(200) } else { Span::seconds(1) };
            return self.send(errand, tries + 1, recorded, after);
        }
        let flight = flight(&errand);
        self.sent.remove(&flight);
        let why = trouble.unwrap_or_else(|| "it was sent, and is still to be read back".to_owned());
        for pending in &mut self.pending {
            if pending.open.remove(&flight) && !done {
                pending.failed.insert(errand.id.clone(), why.clone());
            }
        }
        self.answer_what_is_done();
    }

    /// Whether an effect is not to be tried here any more: something else is to be done by now, or whoever drives goes on.
    fn is_over(&self, errand: &Errand, recorded: bool, tries: usize) -> bool {
        let off = |(id, _, what): &Flight| *id == errand.id && what.starts_with("Off");
        if errand.effect.kind != EffectKind::Off && self.sent.iter().any(off) {
            return true;
        }
        let state = self.site.store.rollout(&errand.id).map(|rollout| &rollout.state);
        let open = state.and_then(|state| state.effect.as_ref()).is_some_and(|open| open.id == errand.effect.id);
        match recorded {
            true => !open || tries >= TRIES,
            // taken in from beside the journal: whoever drives goes on, and a person may have let go since
            false => state.is_none_or(|state| state.version >= errand.state.version),
        }
    }

    fn answer_what_is_done(&mut self) {
        for pending in self.pending.iter_mut().filter(|pending| pending.open.is_empty()) {
            pending.send();
        }
        self.pending.retain(|pending| pending.answer.is_some());
    }

    fn give_up(&mut self, now: Timestamp) {
        for pending in self.pending.iter_mut().filter(|pending| now >= pending.give_up) {
            pending.send();
        }
        self.pending.retain(|pending| pending.answer.is_some());
    }
}

impl Pending {
    fn send(&mut self) {
        if let Some(answer) = self.answer.take() {
            for row in &mut self.rows {
                let Some(id) = &row.rollout else { continue };
                let is_open = self
                    .open
                    .iter()
                    .any(|(open, ..)| open == id)
                    .then(|| "it was sent, and is still to be read back".to_owned());
                let acted = matches!(row.result, SignalWord::ShutDown | SignalWord::RolledBack);
                if let Some(why) = self.failed.get(id).cloned().or(is_open).filter(|_| acted) {
                    row.result = SignalWord::CarryingOut;
                    row.detail = Some(format!("{why}; whoever drives keeps trying"));
                }
            }
            // who does not wait any more finds it in the journal
            let _ = answer.send(std::mem::take(&mut self.rows));
        }
    }
}

/// Whether what was read back is no more than was to be left.
fn agrees(errand: &Errand, outcome: &Outcome) -> bool {
    match &outcome.backend {
        Observation::Seen(seen) => {
            seen.shown().within(&errand.effect.to) && !seen.reaches_by_foreign() && outcome.trouble.is_none()
        }
        Observation::NotRead | Observation::Unreadable(_) => false,
    }
}
