//! Source: a Prometheus-compatible server.
//!
//! Protocol: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Every query carries an explicit time; an answer
//! counts only if it is one fresh number without warnings, from a server whose clock agrees with ours.

pub mod answer;
mod examine;
pub mod lanes;
mod present;
pub mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use self::answer::{Rows, judge, judge_age};
use self::lanes::{Lanes, Until};
use super::{Answered, Source};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::plan::{Form, Query};
use crate::engine::{Reading, Span, Timestamp, Unknown};
use crate::http::{self, Client, Reply, Secret, bounded, client, fetch, shown};

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
    /// Who is asked first changes from time to time, so that a server that is too slow for all is too slow for each.
    turn: Arc<AtomicUsize>,
}

/// A server's answer, and how far its clock is from ours.
struct Heard {
    body: Value,
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
            turn: Arc::default(),
        }
    }

    async fn send(&self, path: &str, form: &[(&str, String)]) -> Result<Heard, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let mut request = client.post(format!("{}{path}", self.url)).form(form);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.text());
        }
        let asked = self.clock.now();
        let Reply { status, text, date, .. } = fetch(request).await?;
        let heard = self.clock.now();
        let body: Value =
            serde_json::from_str(&text).map_err(|_| format!("status {status}, no JSON: {}", bounded(&text)))?;
        if status != 200 || body.get("status").and_then(Value::as_str) != Some("success") {
            let error = body.get("error").and_then(Value::as_str).unwrap_or_default();
            return Err(format!("status {status}: {}", bounded(error)));
        }
        // their clock was read at some moment between, whatever time the answer took
        let skew = date
            .and_then(|date| http::date(&date))
            .map(Timestamp)
            .map(|theirs| asked.since(theirs).max(theirs.since(heard)));
        Ok(Heard { body, skew })
    }

    async fn post(&self, path: &str, form: &[(&str, String)], until: Until) -> Result<Heard, String> {
        let name = format!("{path} {}", form.first().map(|(_, text)| text.as_str()).unwrap_or_default());
        let heard = self.lanes.ask(&*self.clock, &name, until, self.send(path, form)).await;
        heard.unwrap_or_else(|| Err("no answer in time".to_owned()))
    }

    fn until(&self, queries: &[Query]) -> Until {
        let every = queries.iter().map(|query| query.every).min().unwrap_or(ALL_TOGETHER);
        Until { end: self.clock.now().plus(ALL_TOGETHER), again: Span((every.0 / 2).max(250)) }
    }

    async fn query(&self, text: &str, at: Timestamp, until: Until) -> Result<Heard, String> {
        self.post("/api/v1/query", &[("query", text.to_owned()), ("time", seconds(at))], until).await
    }

    async fn query_range(&self, text: &str, part: Part, until: Until) -> Result<Past, String> {
        let (from, to, step) = (seconds(part.from), seconds(part.to), format!("{}ms", part.every.0));
        let form = [("query", text.to_owned()), ("start", from), ("end", to), ("step", step)];
        let heard = self.post("/api/v1/query_range", &form, until).await?;
        Ok(Past { skew: heard.skew, rows: Rows::new(heard.body) })
    }

    /// All requests at once, as far as the lanes have room; each by its key.
    async fn each<K: Ord, T>(&self, mut requests: Vec<(K, impl Future<Output = T>)>) -> BTreeMap<K, T> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.wrapping_mul(7) % requests.len().max(1);
        requests.rotate_left(first);
        let requests = requests.into_iter().map(async |(key, request)| (key, request.await));
        join_all(requests).await.into_iter().collect()
    }

    /// What an answer and the age behind it are worth.
    fn worth(&self, query: &Query, skew: Option<Span>, body: &Value, age: Option<Result<&Value, &String>>) -> Answered {
        if skew.is_some_and(|skew| skew > query.every && skew > Span::seconds(2)) {
            return unknown(Unknown::Clock, "the server's clock is far from ours".to_owned());
        }
        let answered = judge(body, is_share(query));
        match age {
            None => answered,
            Some(_) if answered.reading.unknown() == Some(Unknown::NoAnswer) => answered,
            Some(Ok(age)) => judge_age(age, self.scrape_every, answered),
            Some(Err(detail)) => unknown(Unknown::Error, detail.clone()),
        }
    }

    async fn at_once(&self, queries: &[Query], at: Timestamp) -> Vec<Answered> {
        let until = self.until(queries);
        let texts = texts(queries);
        let asked = texts.iter().map(|text| (text.as_str(), self.query(text, at, until))).collect();
        let heard = self.each(asked).await;
        let answer = |query: &Query| match heard.get(promql::text(query).as_str()) {
            Some(Ok(Heard { body, skew })) => {
                let age = promql::age(query).and_then(|age| heard.get(age.as_str()));
                self.worth(query, *skew, body, age.map(|age| age.as_ref().map(|age| &age.body)))
            }
            Some(Err(detail)) => unknown(Unknown::Error, detail.clone()),
            None => unknown(Unknown::Error, "it was not asked".to_owned()),
        };
        queries.iter().map(answer).collect()
    }

    async fn past(&self, queries: &[Query], whole: Part) -> Vec<(Timestamp, Vec<Answered>)> {
        let until = self.until(queries);
        let (parts, texts) = (whole.parts(), texts(queries));
        let mut asked = Vec::new();
        for part in &parts {
            asked.extend(texts.iter().map(|text| ((part.from, text.as_str()), self.query_range(text, *part, until))));
        }
        let heard = self.each(asked).await;
        let mut rows = Vec::new();
        for part in &parts {
            let written: Vec<_> =
                queries.iter().map(|query| (query, promql::text(query), promql::age(query))).collect();
            for at in part.instants() {
                let answer = |(query, text, age): &(&Query, String, Option<String>)| match heard
                    .get(&(part.from, text.as_str()))
                {
                    Some(Ok(past)) => {
                        let age = age.as_ref().and_then(|age| heard.get(&(part.from, age.as_str())));
                        let age = age.map(|age| age.as_ref().map(|age| age.rows.row(at)));
                        self.worth(
                            query,
                            past.skew,
                            &past.rows.row(at),
                            age.as_ref().map(|age| age.as_ref().map_err(|detail| *detail)),
                        )
                    }
                    Some(Err(detail)) => unknown(Unknown::Error, detail.clone()),
                    None => unknown(Unknown::Error, "it was not asked".to_owned()),
                };
                rows.push((at, written.iter().map(answer).collect()));
            }
        }
        self.forgotten(&mut rows, &parts, until).await;
        rows
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
        match self.query(ANYTHING, now, until).await {
            Ok(heard) if answer::number(&heard.body).is_ok() => {}
            _ => return,
        }
        let asked = doubtful.iter().map(|part| (part.from, self.query_range(ANYTHING, *part, until))).collect();
        let known = self.each(asked).await;
        for part in &doubtful {
            let Some(Ok(known)) = known.get(&part.from) else { continue };
            for (at, row) in rows.iter_mut().filter(|(at, _)| (part.from..=part.to).contains(at)) {
                for answered in row.iter_mut().filter(|answered| silent(answered) && !known.rows.has(*at)) {
                    *answered = unknown(Unknown::Unobserved, "the server has no data of then".to_owned());
                }
            }
        }
    }
}

/// A range answer, and how far the server's clock is from ours.
struct Past {
    rows: Rows,
    skew: Option<Span>,
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

    fn instants(self) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(Some(self.from), move |at| Some(at.plus(self.every))).take_while(move |at| *at <= self.to)
    }
}

/// What is sent for some queries, each text once.
fn texts(queries: &[Query]) -> BTreeSet<String> {
    queries.iter().flat_map(|query| std::iter::once(promql::text(query)).chain(promql::age(query))).collect()
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
    matches!(query.form, Form::Ratio { .. } | Form::Quantile { .. } | Form::Slow { .. })
}

fn unknown(reason: Unknown, detail: String) -> Answered {
    Answered { reading: Reading::Unknown(reason), detail: Some(detail) }
}

fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000))
}
