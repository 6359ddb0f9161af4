//! Source: a Prometheus-compatible server.
//!
//! Protocol: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Every query carries an explicit time; an answer
//! counts only if it is one fresh number without warnings, from a server whose clock agrees with ours.

pub mod answer;
mod asking;
mod batch;
pub mod body;
mod company;
mod examine;
pub mod lanes;
mod present;
pub mod promql;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use self::answer::{Said, idle, unknown};
pub use self::asking::Failed;
use self::asking::{Told, When};
use self::batch::{Aspect, Sheet};
use self::body::Body;
use self::company::Company;
use self::lanes::{Lanes, Until};
use super::{Answered, Source};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::plan::{Form, Query};
use crate::engine::{Span, Timestamp, Unknown};
use crate::http::{self, Client, Reply, Secret, client, fetch, shown};

/// No request may take longer; more than any lane has patience for, so that the lanes see what hangs.
const TIMEOUT: Duration = Duration::from_secs(10);
/// All queries of one instant or range together may take so long; what arrived by then counts. Less than whoever asks
/// has patience for.
const ALL_TOGETHER: Span = Span::seconds(9);
/// Points asked for in one range query: servers refuse more than 11,000, and parts that arrive count alone.
const POINTS_AT_MOST: u64 = 2_000;
/// Whether the server knew of anything at all.
const ANYTHING: &str = "count(up)";

/// A Prometheus-compatible server.
#[derive(Clone)]
pub struct Prometheus {
    url: String,
    token: Option<Secret>,
    scrape_every: Span,
    client: Result<Client, String>,
    clock: Arc<dyn Clock>,
    lanes: Lanes,
    company: Company,
    /// Who is asked first changes from time to time, so that a server that is too slow for all is too slow for each.
    turn: Arc<AtomicUsize>,
}

/// A server's answer, and how far its clock is from ours.
#[derive(Debug, Clone)]
struct Heard {
    body: Body,
    skew: Option<Span>,
}

impl Prometheus {
    /// A server at an address, a path prefix included.
    pub fn new(url: &str, token: Option<String>, scrape_every: Span, clock: Arc<dyn Clock>) -> Prometheus {
        Prometheus {
            url: url.trim_end_matches('/').to_owned(),
            token: token.map(Secret::new),
            scrape_every,
            client: client(TIMEOUT),
            clock,
            lanes: Lanes::default(),
            company: Company::default(),
            turn: Arc::default(),
        }
    }

    async fn send(&self, path: &str, form: &[(&str, String)]) -> Result<Heard, Failed> {
        let client = self.client.as_ref().map_err(|why| Failed::Other(why.clone()))?;
        let mut request = client.post(format!("{}{path}", self.url)).form(form);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.text());
        }
        let asked = self.clock.now();
        let Reply { status, text, date, .. } = fetch(request).await.map_err(|why| match why.too_large {
            true => Failed::Refused(why.detail),
            false => Failed::Other(why.detail),
        })?;
        let heard = self.clock.now();
        let body = Body::read(status, &text)?;
        // their clock was read at some moment between, whatever time the answer took
        let skew = date
            .and_then(|date| http::date(&date))
            .map(Timestamp)
            .map(|theirs| asked.since(theirs).max(theirs.since(heard)));
        Ok(Heard { body, skew })
    }

    fn until(&self, queries: &[Query]) -> Until {
        let every = queries.iter().map(|query| query.every).min().unwrap_or(ALL_TOGETHER);
        Until { end: self.clock.now().plus(ALL_TOGETHER), again: Span((every.0 / 2).max(250)) }
    }

    /// Who is asked first changes from time to time.
    fn take_turns<T>(&self, requests: &mut [T]) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.wrapping_mul(7) % requests.len().max(1);
        requests.rotate_left(first);
    }

    /// What an answer about an instant and the age behind it are worth.
    fn worth(&self, query: &Query, at: Timestamp, value: Option<&Told>, age: Option<&Told>) -> Answered {
        let said = match value {
            Some(Ok(said)) => said,
            Some(Err(detail)) => return unknown(Unknown::Error, detail.clone()),
            None => return unknown(Unknown::Error, "it was not asked".to_owned()),
        };
        if said.skew.is_some_and(|skew| skew > query.every && skew > Span::seconds(2)) {
            return unknown(Unknown::Clock, "the server's clock is far from ours".to_owned());
        }
        let answered = said.judge(at, is_share(query));
        match age {
            None => answered,
            Some(_) if answered.reading.unknown() == Some(Unknown::NoAnswer) => answered,
            Some(Ok(age)) => age.judge_age(at, self.scrape_every, answered),
            Some(Err(detail)) => unknown(Unknown::Error, detail.clone()),
        }
    }

    async fn at_once(&self, queries: &[Query], at: Timestamp) -> Vec<Answered> {
        let until = self.until(queries);
        let mut rows = self.readings(queries, When::At(at), until).await;
        rows.pop().map(|(_, row)| row).unwrap_or_default()
    }

    async fn past(&self, queries: &[Query], whole: Part) -> Vec<(Timestamp, Vec<Answered>)> {
        let until = self.until(queries);
        let parts = whole.parts();
        let asked = parts.iter().map(|part| self.readings(queries, When::Over(*part), until));
        let mut rows: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        self.forgotten(&mut rows, &parts, until).await;
        rows
    }

    /// The answers to all queries at one or many instants.
    async fn readings(&self, queries: &[Query], when: When, until: Until) -> Vec<(Timestamp, Vec<Answered>)> {
        let sheet = Sheet::new(queries.iter().enumerate(), &[Aspect::Value, Aspect::Age]);
        let told = self.ask(&sheet, when, until).await;
        let said = |index: usize, aspect: Aspect| sheet.place(index, aspect).and_then(|place| told.get(place));
        let mut rows: Vec<(Timestamp, Vec<Answered>)> = Vec::new();
        for at in when.instants() {
            let worth = |(index, query)| self.worth(query, at, said(index, Aspect::Value), said(index, Aspect::Age));
            rows.push((at, queries.iter().enumerate().map(worth).collect()));
        }
        let is_fresh = |index: usize, at: Timestamp| match said(index, Aspect::Age) {
            Some(Ok(age)) => age.judge_age(at, self.scrape_every, idle()) == idle(),
            _ => false,
        };
        self.look_again(queries, when, until, &mut rows, is_fresh).await;
        rows
    }

    /// A share that is not there while what it is a share of is fresh: nothing may have happened, and the server leaves out
    /// what is not a number, as VictoriaMetrics does. Then the volume is there, and zero.
    async fn look_again(
        &self,
        queries: &[Query],
        when: When,
        until: Until,
        rows: &mut [(Timestamp, Vec<Answered>)],
        is_fresh: impl Fn(usize, Timestamp) -> bool,
    ) {
        let is_doubtful = |index: usize, at: Timestamp, row: &[Answered]| {
            let silent = row.get(index).is_some_and(|answered| answered.reading.unknown() == Some(Unknown::NoAnswer));
            silent && queries.get(index).is_some_and(is_share) && is_fresh(index, at)
        };
        let doubtful: Vec<(usize, &Query)> = queries
            .iter()
            .enumerate()
            .filter(|(index, _)| rows.iter().any(|(at, row)| is_doubtful(*index, *at, row)))
            .collect();
        if doubtful.is_empty() {
            return;
        }
        let sheet = Sheet::new(doubtful.iter().copied(), &[Aspect::Volume]);
        let told = self.ask(&sheet, when, until).await;
        for (index, _) in doubtful {
            let Some(Ok(volume)) = sheet.place(index, Aspect::Volume).and_then(|place| told.get(place)) else {
                continue;
            };
            for (at, row) in rows.iter_mut().filter(|(at, _)| volume.is_zero(*at)) {
                if is_doubtful(index, *at, row) {
                    row[index] = idle();
                }
            }
        }
    }

    /// Where the server knew of nothing at all, it cannot know any more: that is not the metric's silence.
    async fn forgotten(&self, rows: &mut [(Timestamp, Vec<Answered>)], parts: &[Part], until: Until) {
        let silent = |answered: &Answered| answered.reading.unknown() == Some(Unknown::NoAnswer);
        let is_silent =
            |part: &&Part| rows.iter().any(|(at, row)| (part.from..=part.to).contains(at) && row.iter().any(silent));
        let doubtful: Vec<Part> = parts.iter().filter(is_silent).copied().collect();
        if doubtful.is_empty() {
            return;
        }
        let now = self.clock.now();
        // a server that nothing scrapes for has no `up`, and its absence says nothing
        let anything = self.query(ANYTHING.to_owned(), now, until, None).await;
        if !anything.is_ok_and(|heard| Said::all(heard.body, None).number(now).is_ok()) {
            return;
        }
        let asked = doubtful.iter().map(|part| self.query_range(ANYTHING.to_owned(), *part, until, None));
        for (part, known) in doubtful.iter().zip(join_all(asked).await) {
            let Ok(known) = known else { continue };
            let is_known = |at: Timestamp| known.body.series.iter().any(|series| series.at(at).is_some());
            for (at, row) in rows.iter_mut().filter(|(at, _)| (part.from..=part.to).contains(at)) {
                for answered in row.iter_mut().filter(|answered| silent(answered) && !is_known(*at)) {
                    *answered = unknown(Unknown::Unobserved, "the server has no data of then".to_owned());
                }
            }
        }
    }
}

/// Instants that are asked for together.
#[derive(Debug, Clone, Copy)]
struct Part {
    from: Timestamp,
    to: Timestamp,
    every: Span,
}

impl Part {
    fn parts(self) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut from = self.from;
        while from <= self.to && self.every.0 > 0 {
            let to = from.plus(Span(self.every.0.saturating_mul(POINTS_AT_MOST - 1))).min(self.to);
            parts.push(Part { from, to, every: self.every });
            from = to.plus(self.every);
        }
        parts
    }
}

impl Source for Prometheus {
    fn place(&self) -> String {
        shown(&self.url)
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(self.at_once(queries, at))
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(self.past(queries, Part { from, to, every }))
    }

    fn exists<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move { join_all(queries.iter().map(|query| self.is_there(query, at))).await })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(self.checks())
    }
}

/// Where NaN means that nothing happened.
fn is_share(query: &Query) -> bool {
    !matches!(query.form, Form::Count { .. } | Form::Raw { .. })
}

fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000))
}
