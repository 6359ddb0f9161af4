//! What a pass asks of its sources: the distinct queries of all rollouts, each source asked once per instant or range.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::clock::{Answer, Clock, within};
use crate::engine::plan::Query;
use crate::engine::{Reading, Span, Timestamp, Unknown};
use crate::telemetry::{Answered, Source};

/// How long one source is waited for; a tick that is not answered by then is unknown, and asked again.
const PATIENCE: Span = Span::seconds(10);

/// Sources by name.
pub(super) type Sources = BTreeMap<String, Arc<dyn Source>>;

/// Queries by source, and by the instant or range they are asked for.
#[derive(Debug, Default)]
pub(super) struct Questions {
    instants: BTreeMap<(String, Timestamp), BTreeSet<Query>>,
    ranges: BTreeMap<(String, Timestamp, Timestamp, Span), BTreeSet<Query>>,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    readings: BTreeMap<(Timestamp, Query), Reading>,
    /// Sources that did not answer in time.
    silent: BTreeSet<String>,
}

#[cfg(test)]
impl Answers {
    /// One source's answers.
    pub(super) fn of(readings: impl IntoIterator<Item = (Timestamp, Query, Reading)>) -> Answers {
        let readings = readings.into_iter().map(|(at, query, reading)| ((at, query), reading)).collect();
        Answers { readings, silent: BTreeSet::new() }
    }
}

impl Answers {
    /// What was answered; a source that said nothing failed to answer.
    pub(super) fn get(&self, at: Timestamp, query: &Query) -> Reading {
        self.readings.get(&(at, query.clone())).cloned().unwrap_or(Reading::Unknown(Unknown::Error))
    }

    /// Whether there was an answer that says something, if only that nothing happened.
    pub(super) fn told(&self, at: Timestamp, query: &Query) -> bool {
        self.readings.get(&(at, query.clone())).is_some_and(|reading| !reading.is_no_data())
    }

    /// Whether a source did not answer in time.
    pub(super) fn is_silent(&self, source: &str) -> bool {
        self.silent.contains(source)
    }
}

/// What came of one question: one source's rows, or none where it did not answer in time.
pub(super) struct Rows {
    source: String,
    queries: Vec<Query>,
    rows: Option<Vec<(Timestamp, Vec<Answered>)>>,
}

impl Rows {
    /// Whose they are.
    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

impl Questions {
    pub(super) fn instant(&mut self, at: Timestamp, queries: &[Query]) {
        for query in queries {
            self.instants.entry((query.source.clone(), at)).or_default().insert(query.clone());
        }
    }

    pub(super) fn range(&mut self, from: Timestamp, to: Timestamp, queries: &[Query]) {
        for query in queries {
            self.ranges.entry((query.source.clone(), from, to, query.every)).or_default().insert(query.clone());
        }
    }

    /// How many questions each source is asked.
    pub(super) fn by_source(&self) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for name in self.instants.keys().map(|(name, _)| name).chain(self.ranges.keys().map(|(name, ..)| name)) {
            *counted.entry(name.clone()).or_default() += 1;
        }
        counted
    }

    /// Asks all sources at once: one that hangs must not keep the others' answers from stopping anything.
    pub(super) async fn ask(self, sources: &Sources, clock: &dyn Clock) -> Answers {
        let mut answers = Answers::default();
        for rows in join_all(self.asked(sources, clock)).await {
            answers.take(rows);
        }
        answers
    }

    /// Every question under way, each with its own patience.
    pub(super) fn asked<'s>(self, sources: &'s Sources, clock: &'s dyn Clock) -> Vec<Answer<'s, Rows>> {
        let mut asked: Vec<Answer<'s, Rows>> = Vec::new();
        for ((source, at), queries) in self.instants {
            let port = sources.get(&source);
            let queries: Vec<Query> = queries.into_iter().collect();
            asked.push(Box::pin(async move {
                let rows = match port {
                    Some(port) => within(clock, PATIENCE, port.instant(&queries, at)).await.map(|row| vec![(at, row)]),
                    // it is not there, which is no silence
                    None => Some(Vec::new()),
                };
                Rows { source, queries, rows }
            }));
        }
        for ((source, from, to, every), queries) in self.ranges {
            let port = sources.get(&source);
            let queries: Vec<Query> = queries.into_iter().collect();
            asked.push(Box::pin(async move {
                let rows = match port {
                    Some(port) => within(clock, PATIENCE, port.range(&queries, from, to, every)).await,
                    None => Some(Vec::new()),
                };
                Rows { source, queries, rows }
            }));
        }
        asked
    }
}

impl Answers {
    pub(super) fn take(&mut self, Rows { source, queries, rows }: Rows) {
        let Some(rows) = rows else {
            self.silent.insert(source);
            return;
        };
        for (at, row) in rows {
            let readings = queries.iter().cloned().zip(row).map(|(query, answered)| ((at, query), answered.reading));
            self.readings.extend(readings);
        }
    }
}
