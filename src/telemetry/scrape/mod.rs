//! Source: `/metrics` pages that flagstaff reads itself. Needs no metrics server; knows only what it saw.

mod examine;
pub mod exposition;
pub mod forms;
pub mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use self::history::History;
use super::{Answered, Behind, Source, histogram, metrics, needed_metrics};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::plan::{Form, Query};
use crate::engine::{Decimal, Span, Timestamp};
use crate::http::{Client, Reply, bounded, client, fetch, shown};

/// What is kept beyond the longest window, for ticks that are asked late.
const KEPT_BEYOND: Span = Span::minutes(10);

/// Pages, and what they said.
#[derive(Clone)]
pub struct Scrape {
    targets: Vec<String>,
    every: Span,
    client: Result<Client, String>,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
    tell: Option<Tell>,
}

/// Who is told of every page that was read: its address without a user part, how many samples it has or why it could not be
/// read, and when reading it began.
pub type Tell = Arc<dyn Fn(&str, Result<usize, &str>, Timestamp) + Send + Sync>;

#[derive(Default)]
struct Seen {
    targets: BTreeMap<String, History>,
    wanted: BTreeSet<String>,
    longest: Span,
}

impl Scrape {
    /// Pages that are read every `every`, once [`Scrape::keep_reading`] runs.
    pub fn new(targets: Vec<String>, every: Span, clock: Arc<dyn Clock>) -> Scrape {
        let timeout = Duration::from_millis(every.0.clamp(500, 10_000));
        let histories = targets.iter().map(|target| (target.clone(), History::default())).collect();
        Scrape {
            targets,
            every,
            client: client(timeout),
            clock,
            seen: Arc::new(Mutex::new(Seen { targets: histories, ..Seen::default() })),
            tell: None,
        }
    }

    /// Tells of every page that is read.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Scrape {
        Scrape { tell: Some(tell), ..self }
    }

    /// Tells which metrics must be kept. What nobody asked for is read over, so that memory is bounded by the queries.
    pub fn watch(&self, queries: &[Query]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for query in queries {
            seen.longest = seen.longest.max(query.window).max(query.every);
            seen.wanted.extend(metrics(query));
        }
    }

    /// Whether all pages were read with success less than `every` ago, and all metrics of the queries kept.
    fn has_just_read(&self, queries: &[Query]) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let fresh = |history: &History| {
            let newest = history.scrape_at(now).filter(|scrape| scrape.trouble.is_none());
            newest.is_some_and(|newest| now.since(newest.at) < self.every)
        };
        let watched = |query: &Query| {
            seen.longest >= query.window.max(query.every)
                && metrics(query).iter().all(|metric| seen.targets.values().any(|history| history.has_metric(metric)))
        };
        seen.targets.values().all(fresh) && queries.iter().all(watched)
    }

    /// Reads all pages once.
    pub async fn poll(&self) {
        // side by side: a page that hangs must not make the others stale
        join_all(self.targets.iter().map(|target| self.read(target))).await;
    }

    async fn read(&self, target: &String) {
        let began = self.clock.now();
        let page = match &self.client {
            Ok(client) => fetch(client.get(target)).await.map_err(String::from),
            Err(error) => Err(error.clone()),
        };
        let samples = page.and_then(|Reply { status, text, .. }| match status {
            200 => exposition::parse(&text).map_err(|error| format!("not a metrics page: {error}")),
            _ => Err(format!("status {status}: {}", bounded(&text))),
        });
        if let Some(tell) = &self.tell {
            tell(&shown(target), samples.as_ref().map(Vec::len).map_err(String::as_str), began);
        }
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { targets, wanted, longest } = &mut *seen;
        let Some(history) = targets.get_mut(target) else { return };
        match samples {
            Ok(samples) => history.take(now, samples, wanted),
            Err(trouble) => history.fail(now, trouble),
        }
        history.forget(now, Span(longest.0 + KEPT_BEYOND.0));
    }

    /// Reads all pages every `every`, for as long as it is polled. It touches no backend.
    pub async fn keep_reading(&self) {
        loop {
            let next = self.clock.now().floor_to(self.every).plus(self.every);
            self.poll().await;
            self.clock.sleep_until(next).await;
        }
    }

    fn answer(&self, query: &Query, at: Timestamp) -> Answered {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        forms::answer(&seen.targets, query, at, self.every)
    }

    /// What a query needs and the newest pages do not have, or what keeps them from being read.
    fn check(&self, queries: &[Query], at: Timestamp) -> Vec<Result<(), String>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let check = |query: &Query| {
            for (target, history) in &seen.targets {
                let newest = history.scrape_at(self.clock.now().max(at));
                if let Some(trouble) = newest.and_then(|scrape| scrape.trouble.clone()) {
                    return Err(format!("{target}: {trouble}"));
                }
            }
            if let Form::Raw { .. } = query.form {
                return Err("pages have no query language; use a form".to_owned());
            }
            let missing = |metric: &String| !seen.targets.values().any(|history| history.has_metric(metric));
            match needed_metrics(query).into_iter().find(missing) {
                Some(metric) => Err(format!(
                    "no page has the metric `{metric}`; if it begins with its first event, write `born_later: true` \
                         at the metric"
                )),
                None => Ok(()),
            }
        };
        queries.iter().map(check).collect()
    }
}

impl Source for Scrape {
    fn place(&self) -> String {
        self.targets.iter().map(|target| shown(target)).collect::<Vec<_>>().join(", ")
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move { queries.iter().map(|query| self.answer(query, at)).collect() })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            let mut rows = Vec::new();
            let mut at = from;
            while at <= to && every.0 > 0 {
                rows.push((at, queries.iter().map(|query| self.answer(query, at)).collect()));
                at = at.plus(every);
            }
            rows
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move {
            if !self.has_just_read(queries) {
                self.watch(queries);
                self.poll().await;
            }
            self.check(queries, at)
        })
    }

    fn trouble<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Option<String>>> {
        // whoever only looks has read no page yet: what one reading says is what can be said
        Box::pin(async move { self.exists(queries, at).await.into_iter().map(Result::err).collect() })
    }

    fn behind<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Behind>> {
        Box::pin(async move {
            // the pages are read for it, and how many samples a window has is known: `every` says it
            self.exists(queries, at).await;
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let bounds = |query: &Query| -> BTreeSet<Decimal> {
                let Some(of) = histogram(query) else { return BTreeSet::new() };
                let histories = seen.targets.values();
                histories.flat_map(|history| history.bounds(&of.metric)).collect()
            };
            let behind = |query| Behind { bounds: bounds(query).into_iter().collect(), samples: None };
            queries.iter().map(behind).collect()
        })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(self.checks())
    }
}
