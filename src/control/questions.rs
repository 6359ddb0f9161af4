//! What a pass asks of its sources: the distinct queries of all rollouts, each source asked once per instant or range.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::clock::{Clock, within};
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

    /// Whether a source did not answer in time.
    pub(super) fn is_silent(&self, source: &str) -> bool {
        self.silent.contains(source)
    }
}

/// One source's rows, or none where it did not answer in time.
type Rows = (String, Vec<Query>, Option<Vec<(Timestamp, Vec<Answered>)>>);

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

    /// Asks all sources at once: one that hangs must not keep the others' answers from stopping anything.
    pub(super) async fn ask(self, sources: &Sources, clock: &dyn Clock) -> Answers {
        let instants = self.instants.into_iter().filter_map(|((name, at), queries)| {
            let source = sources.get(&name)?;
            Some(async move {
                let queries: Vec<Query> = queries.into_iter().collect();
                let answered = within(clock, PATIENCE, source.instant(&queries, at)).await;
                (name, queries, answered.map(|row| vec![(at, row)]))
            })
        });
        let ranges = self.ranges.into_iter().filter_map(|((name, from, to, every), queries)| {
            let source = sources.get(&name)?;
            Some(async move {
                let queries: Vec<Query> = queries.into_iter().collect();
                let answered = within(clock, PATIENCE, source.range(&queries, from, to, every)).await;
                (name, queries, answered)
            })
        });
        let (instants, ranges) = futures_util::future::join(join_all(instants), join_all(ranges)).await;
        let mut answers = Answers::default();
        for (name, queries, rows) in instants.into_iter().chain(ranges) {
            answers.take((name, queries, rows));
        }
        answers
    }
}

impl Answers {
    fn take(&mut self, (name, queries, rows): Rows) {
        let Some(rows) = rows else {
            self.silent.insert(name);
            return;
        };
        for (at, row) in rows {
            let readings = queries.iter().cloned().zip(row).map(|(query, answered)| ((at, query), answered.reading));
            self.readings.extend(readings);
        }
    }
}
