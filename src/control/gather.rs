//! What a pass needs to know: sources and backends asked at once. What lets something be stopped is not kept waiting by what
//! hangs elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::breaker::Trips;
use super::pass::Need;
use super::questions::{Answers, Rows};
use super::site::Site;
use super::store::Batch;
use crate::engine::input::Observation;
use crate::engine::{Span, Timestamp};

/// Once some rollout is to be stopped, everything else is waited for no longer than this.
const SOON: Span = Span(500);
/// Once all readings are there and other ticks fall due, reads of backends are waited for no longer than this.
const SLOW: Span = Span::seconds(3);

/// What was learned.
pub(super) struct Gathered {
    pub(super) answers: Answers,
    /// By rollout.
    pub(super) observed: BTreeMap<String, Observation>,
    /// Questions without an answer, by source.
    waits: BTreeMap<String, usize>,
}

impl Gathered {
    /// Whether everything that was asked for this rollout was answered, or will not be.
    pub(super) fn is_answered(&self, need: &Need) -> bool {
        need.series.iter().all(|query| !self.waits.contains_key(&query.source))
    }

    fn take(&mut self, rows: Rows) {
        if let Some(waits) = self.waits.get_mut(rows.source()) {
            *waits = waits.saturating_sub(1);
        }
        self.waits.retain(|_, waits| *waits > 0);
        self.answers.take(rows);
    }
}

enum News {
    Rows(Rows),
    All,
    OutOfPatience,
}

impl Site {
    /// Asks sources and reads backends. A need that is not answered when this returns is to be left to the next pass; a read
    /// that is missing is none.
    pub(super) async fn gather(&mut self, needs: &[Need], ids: &BTreeSet<String>) -> Gathered {
        let (clock, sources) = (Arc::clone(&self.clock), self.sources.clone());
        let mut asks: FuturesUnordered<_> = self.questions(needs).asked(&sources, &*clock).into_iter().collect();
        let mut reads: FuturesUnordered<_> = needs.iter().map(|need| self.reading(&need.id)).collect();
        let waits = self.questions(needs).by_source();
        let mut gathered = Gathered { answers: Answers::default(), observed: BTreeMap::new(), waits };
        let mut judged = BTreeSet::new();
        let mut until = asks.is_empty().then(|| self.not_beyond(ids)).flatten();
        let mut patience = until.map(|until| clock.sleep_until(until));
        loop {
            let news = poll_fn(|context| {
                // what was sent earlier goes on meanwhile
                let _ = self.under_way.poll(context);
                while let Poll::Ready(Some((id, seen))) = reads.poll_next_unpin(context) {
                    gathered.observed.insert(id, seen);
                }
                if let Poll::Ready(Some(rows)) = asks.poll_next_unpin(context) {
                    return Poll::Ready(News::Rows(rows));
                }
                match &mut patience {
                    _ if asks.is_empty() && reads.is_empty() => Poll::Ready(News::All),
                    Some(patience) => patience.as_mut().poll(context).map(|()| News::OutOfPatience),
                    None => Poll::Pending,
                }
            });
            match news.await {
                News::Rows(rows) => gathered.take(rows),
                News::All | News::OutOfPatience => return gathered,
            }
            if asks.is_empty() && reads.is_empty() {
                return gathered;
            }
            let hurries = self.stops_something(needs, &gathered, &mut judged).then(|| self.now().plus(SOON));
            let bound = if asks.is_empty() { self.not_beyond(ids) } else { None };
            let sooner = hurries.into_iter().chain(bound).min();
            if let Some(sooner) = sooner.filter(|sooner| until.is_none_or(|until| *sooner < until)) {
                until = Some(sooner);
                patience = Some(clock.sleep_until(sooner));
            }
        }
    }

    /// Until when backends are waited for: other ticks than those in hand fall due. None where nothing is live.
    fn not_beyond(&self, ids: &BTreeSet<String>) -> Option<Timestamp> {
        self.next_due(ids).map(|next| next.max(self.now().plus(SLOW)))
    }

    /// Whether readings that came since the last look stop something. Each stop hurries once: one that cannot be recorded is
    /// decided at every pass, and must not keep a slow source from ever being heard.
    fn stops_something(&mut self, needs: &[Need], gathered: &Gathered, judged: &mut BTreeSet<String>) -> bool {
        let mut batch = Batch::default();
        for need in needs.iter().filter(|need| gathered.is_answered(need)) {
            if judged.insert(need.id.clone()) {
                // as if nothing were held back: whether the breaker trips is known when everything is there
                let none = Trips::default();
                self.fold_due(&mut batch, need, &gathered.answers, &gathered.observed, &none);
            }
        }
        let stops = self.store.stops_in(&batch);
        let known = self.hurried.len();
        self.hurried.extend(stops.into_iter().map(|stop| (stop.id, stop.effect.id)));
        self.hurried.len() > known
    }
}
