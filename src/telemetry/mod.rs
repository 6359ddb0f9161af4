//! Port: readings of queries at instants.
//!
//! Sources know the engine's plain types and nothing of rollouts. They answer each query as if it had been asked
//! alone; a failure is a reading with a reason, never an error that hides the others.

use crate::clock::Answer;
use crate::engine::plan::Query;
use crate::engine::{Reading, Span, Timestamp};

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
}
