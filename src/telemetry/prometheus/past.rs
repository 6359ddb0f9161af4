//! What was missed: in ranges, and the newest instants one at a time.

use futures_util::future::join_all;

use super::answer::{Said, unknown};
use super::asking::When;
use super::lanes::Until;
use super::{ANYTHING, Prometheus};
use crate::engine::plan::Query;
use crate::engine::{Span, Timestamp, Unknown};
use crate::telemetry::Answered;

/// Points asked for in one range query: servers refuse more than 11,000, and parts that arrive count alone.
const POINTS_AT_MOST: u64 = 2_000;
/// Instants this close to now are asked for one at a time: in a range VictoriaMetrics repeats a number of before for the
/// last half minute, whatever it is asked, and for as long as one step more.
const RECENT: Span = Span::minutes(1);

impl Prometheus {
    pub(super) async fn past(&self, queries: &[Query], whole: Part) -> Vec<(Timestamp, Vec<Answered>)> {
        let until = self.until(queries);
        let whens = whole.whens(self.clock.now().minus(RECENT));
        let asked = whens.iter().map(|when| self.readings(queries, *when, until));
        let mut rows: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        self.forgotten(&mut rows, &whens, until).await;
        rows
    }

    /// Where the server knew of nothing at all, it cannot know any more: that is not the metric's silence.
    async fn forgotten(&self, rows: &mut [(Timestamp, Vec<Answered>)], whens: &[When], until: Until) {
        let silent = |answered: &Answered| answered.reading.unknown() == Some(Unknown::NoAnswer);
        let is_silent = |when: &&When| rows.iter().any(|(at, row)| when.is_about(*at) && row.iter().any(silent));
        let doubtful: Vec<When> = whens.iter().filter(is_silent).copied().collect();
        if doubtful.is_empty() {
            return;
        }
        let now = self.clock.now();
        // a server that nothing scrapes for has no `up`, and its absence says nothing
        let anything = self.query(ANYTHING.to_owned(), now, until, None).await;
        if !anything.is_ok_and(|heard| Said::all(heard.body, None).number(now).is_ok()) {
            return;
        }
        let asked = doubtful.iter().map(async |when| match when {
            When::At(at) => self.query(ANYTHING.to_owned(), *at, until, None).await,
            When::Over(part) => self.query_range(ANYTHING.to_owned(), *part, until, None).await,
        });
        for (when, known) in doubtful.iter().zip(join_all(asked).await) {
            let Ok(known) = known else { continue };
            let known = Said::all(known.body, None);
            for (at, row) in rows.iter_mut().filter(|(at, _)| when.is_about(*at)) {
                if known.number(*at) != Err(Unknown::NoAnswer) {
                    continue;
                }
                for answered in row.iter_mut().filter(|answered| silent(answered)) {
                    *answered = unknown(Unknown::Unobserved, "the server has no data of then".to_owned());
                }
            }
        }
    }
}

/// Instants that are asked for together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) every: Span,
}

impl Part {
    /// The instants up to one in ranges, and each later one by itself.
    fn whens(self, recent: Timestamp) -> Vec<When> {
        let mut whens = Vec::new();
        let mut from = self.from;
        while from <= self.to.min(recent) && self.every.0 > 0 {
            let most = from.plus(Span(self.every.0.saturating_mul(POINTS_AT_MOST - 1)));
            let last = most.min(self.to).min(recent);
            let to = from.plus(Span(last.since(from).0 / self.every.0 * self.every.0));
            whens.push(When::Over(Part { from, to, every: self.every }));
            from = to.plus(self.every);
        }
        whens.extend(When::Over(Part { from, ..self }).instants().map(When::At));
        whens
    }
}
