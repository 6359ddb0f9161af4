//! Stops that were sent and have no end yet. They outlast the pass that sent them: a backend that hangs keeps nothing else
//! from being judged, and one that is slow is switched off all the same.
//!
//! Nothing of it is spawned: it goes on while its process passes or rests, and ends with it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;

use crate::clock::{Answer, Clock};
use crate::engine::{Effect, Input, Span};

/// What came of a stop.
pub(super) struct Ended {
    /// The rollout.
    pub(super) id: String,
    /// What it was to do.
    pub(super) effect: Effect,
    /// What was read back, or why nothing could be.
    pub(super) result: Result<Input, String>,
}

/// Whether both do the same. One that cannot be recorded is decided anew at each pass, and is the same one.
pub(super) fn is_same(one: &Effect, other: &Effect) -> bool {
    let what = |effect: &Effect| (effect.id, effect.kind, effect.to.clone(), effect.stage);
    what(one) == what(other)
}

/// Stops under way, one per rollout.
#[derive(Default)]
pub(super) struct UnderWay {
    /// A lock for `Sync` alone: whoever polls has it to itself.
    running: Mutex<FuturesUnordered<Answer<'static, Option<Ended>>>>,
    sent: BTreeMap<String, (Effect, AbortHandle)>,
    ended: Vec<Ended>,
}

impl UnderWay {
    /// Whether this effect is under way.
    pub(super) fn has(&self, id: &str, effect: &Effect) -> bool {
        self.sent.get(id).is_some_and(|(sent, _)| is_same(sent, effect))
    }

    /// Begins a stop, in the place of what was under way for this rollout: that is dropped where it stands, as if its
    /// process had died.
    pub(super) fn send(
        &mut self,
        id: &str,
        effect: Effect,
        stop: impl Future<Output = Result<Input, String>> + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        if let Some((_, older)) = self.sent.insert(id.to_owned(), (effect.clone(), handle)) {
            older.abort();
        }
        let (stop, id) = (Abortable::new(stop, registration), id.to_owned());
        let ended = async move { stop.await.ok().map(|result| Ended { id, effect, result }) };
        self.running().push(Box::pin(ended));
    }

    /// Drops what nobody wants any more.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.sent.retain(|id, (_, handle)| {
            let kept = is_wanted(id);
            if !kept {
                handle.abort();
            }
            kept
        });
    }

    /// Goes on with all of it. Ready once nothing is under way.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.running().poll_next_unpin(context) {
                Poll::Ready(Some(Some(ended))) => {
                    if self.has(&ended.id, &ended.effect) {
                        self.sent.remove(&ended.id);
                    }
                    self.ended.push(ended);
                }
                // it was dropped
                Poll::Ready(Some(None)) => {}
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Goes on with all of it until nothing is under way, at most so long.
    pub(super) async fn wait(&mut self, clock: &dyn Clock, at_most: Option<Span>) {
        let mut patience = at_most.map(|span| clock.sleep_until(clock.now().plus(span)));
        poll_fn(|context| match (self.poll(context), &mut patience) {
            (Poll::Pending, Some(patience)) => patience.as_mut().poll(context),
            (under_way, _) => under_way,
        })
        .await;
    }

    /// Whether something has ended that nobody took.
    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Takes what has ended.
    pub(super) fn take(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    fn running(&mut self) -> &mut FuturesUnordered<Answer<'static, Option<Ended>>> {
        self.running.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EffectKind, Exposure, Timestamp};

    fn off(at: i64) -> Effect {
        Effect {
            id: 7,
            kind: EffectKind::Off,
            to: Exposure::nobody(),
            stage: 1,
            switch_on: false,
            by_person: false,
            expires: None,
            take_over: false,
            at: Timestamp(at),
        }
    }

    #[test]
    fn a_stop_that_is_decided_anew_at_each_pass_is_the_one_that_is_under_way() {
        let mut under_way = UnderWay::default();
        under_way.send("r", off(1), std::future::pending());
        assert!(under_way.has("r", &off(2)), "it would begin anew at every pass, and never arrive");
        assert!(!under_way.has("r", &Effect { kind: EffectKind::Shrink, ..off(2) }));
        assert!(!under_way.has("q", &off(1)));
    }
}
