//! Port: readings of queries at instants.
//!
//! Sources know the engine's plain types and nothing of rollouts. They answer each query as if it had been asked
//! alone; a failure is a reading with a reason, never an error that hides the others.

use crate::checkup::Check;
use crate::clock::Answer;
use crate::engine::plan::{Form, Query, Selector};
use crate::engine::{Decimal, Reading, Span, Timestamp};

pub mod prometheus;
pub mod scrape;

/// What a source said to one query at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The value, or unknown with the reason.
    pub reading: Reading,
    /// For people, where it is unknown: the source's own words, bounded.
    pub detail: Option<String>,
}

/// What is behind a query, for whoever checks documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behind {
    /// The bounds of its histogram in seconds, ascending; empty where it has none, or none is known.
    pub bounds: Vec<Decimal>,
    /// How many samples its window has; none where that is not known, or nothing is older than the window.
    pub samples: Option<u64>,
}

/// A telemetry source. Object-safe: projects mix several.
pub trait Source: Send + Sync {
    /// For people: `http://127.0.0.1:9090`.
    fn place(&self) -> String;

    /// Answers all queries at one instant (a tick, in the past by at least the plan's delay), in their order.
    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>>;

    /// Answers all queries at every multiple of `every` in `from ..= to`: one row per instant, ascending, and in it
    /// one answer per query. Instants that the source cannot know any more are `Unobserved`; a source that does not
    /// answer now gives `Error`, to be asked again.
    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>>;

    /// Whether each query names something that exists at the source now, for `start`: `Ok` if it does, else what is
    /// missing, for people. Idle is fine.
    fn exists<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Result<(), String>>>;

    /// Why each query has no value at an instant, in the source's own words, for people; none where it has one.
    fn trouble<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Option<String>>> {
        Box::pin(async move { self.instant(queries, at).await.into_iter().map(|answered| answered.detail).collect() })
    }

    /// What is behind each query at an instant. What cannot be told is left out.
    fn behind<'a>(&'a self, queries: &'a [Query], _at: Timestamp) -> Answer<'a, Vec<Behind>> {
        Box::pin(async move { vec![Behind::default(); queries.len()] })
    }

    /// Looks whether it is there and answers as what it is taken for, whatever the queries. What cannot be looked at because
    /// something before it failed is left out.
    fn examine(&self) -> Answer<'_, Vec<Check>>;
}

/// The names of the series that a query reads.
pub fn metrics(query: &Query) -> Vec<String> {
    match &query.form {
        Form::Ratio { of, over } | Form::RatioCount { of, over } => vec![of.metric.clone(), over.metric.clone()],
        Form::Count { of } => vec![of.metric.clone()],
        Form::Quantile { of, .. } | Form::Slow { of, .. } | Form::SlowCount { of, .. } => {
            vec![format!("{}_bucket", of.metric)]
        }
        Form::Raw { .. } => Vec::new(),
    }
}

/// The histogram that a query reads; none where it reads none.
pub fn histogram(query: &Query) -> Option<&Selector> {
    match &query.form {
        Form::Quantile { of, .. } | Form::Slow { of, .. } | Form::SlowCount { of, .. } => Some(of),
        _ => None,
    }
}

/// Those that must be there before anybody is exposed. A numerator that is not there reads 0, healthy for ever: it must
/// be there too, unless it is written that its first event bears it.
pub fn needed_metrics(query: &Query) -> Vec<String> {
    let mut needed = match &query.form {
        Form::Ratio { over, .. } | Form::RatioCount { over, .. } if query.born_later => vec![over.metric.clone()],
        _ if query.born_later => Vec::new(),
        _ => metrics(query),
    };
    needed.dedup();
    needed
}
