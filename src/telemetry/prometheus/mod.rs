//! Source: a Prometheus-compatible server.
//!
//! Protocol: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Every query carries an explicit time; an answer
//! counts only if it is one fresh number without warnings, from a server whose clock agrees with ours.

pub mod answer;
mod asking;
mod batch;
mod behind;
pub mod body;
mod company;
mod examine;
pub mod lanes;
mod past;
mod present;
pub mod promql;

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;

use self::answer::{idle, unknown};
pub use self::asking::Failed;
use self::asking::{Told, When};
use self::batch::{Aspect, Sheet};
use self::body::Body;
use self::company::Company;
use self::lanes::{Lanes, Until};
use self::past::Part;
use super::{Answered, Behind, Source};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::plan::{Form, Query};
use crate::engine::{Span, Timestamp, Unknown};
use crate::http::{self, Access, Client, Gate, NoReply, Reply, RequestBuilder, client_for, fetch, shown};

/// No request may take longer; more than any lane has patience for, so that the lanes see what hangs.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A connection may take so long.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The longest that a server is left alone when it asks for that, in milliseconds: longer, and it would blind the rules.
const ALONE_AT_MOST: i64 = 30_000;
/// All queries of one instant or range together may take so long; what arrived by then counts. Less than whoever asks
/// has patience for.
const ALL_TOGETHER: Span = Span::seconds(9);
/// Whether the server knew of anything at all.
const ANYTHING: &str = "count(up)";

/// A Prometheus-compatible server.
#[derive(Clone)]
pub struct Prometheus {
    url: String,
    gate: Arc<Gate>,
    scrape_every: Span,
    /// Made when it is first needed: reading the system's certificates takes longer than most commands.
    client: Arc<OnceLock<Result<Client, String>>>,
    /// Until when the server wants to be left alone, in milliseconds since the Unix epoch.
    alone_until: Arc<AtomicI64>,
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
    pub fn new(url: &str, access: Access, scrape_every: Span, clock: Arc<dyn Clock>) -> Prometheus {
        Prometheus {
            url: url.trim_end_matches('/').to_owned(),
            gate: Arc::new(Gate::new(access)),
            scrape_every,
            client: Arc::default(),
            alone_until: Arc::default(),
            clock,
            lanes: Lanes::default(),
            company: Company::default(),
            turn: Arc::default(),
        }
    }

    fn client(&self) -> Result<&Client, String> {
        let made = || client_for(&self.url, CONNECT_WITHIN, TIMEOUT, self.gate.certificates());
        self.client.get_or_init(made).as_ref().map_err(Clone::clone)
    }

    async fn send(&self, path: &str, form: &[(&str, String)]) -> Result<Heard, Failed> {
        let asked = self.clock.now();
        let alone = Timestamp(self.alone_until.load(Ordering::Relaxed)).since(asked);
        // longer than we would ever wait: our clock went back
        if alone > Span(0) && alone <= Span(ALONE_AT_MOST.unsigned_abs()) {
            let detail = format!("asked too often, it wants to be left alone for {} s more", alone.0.div_ceil(1000));
            return Err(Failed::Other(detail));
        }
        let client = self.client().map_err(Failed::Other)?;
        let request = || client.post(format!("{}{path}", self.url)).form(form);
        let Reply { status, text, date, retry_after, .. } = self.show(request).await?;
        let heard = self.clock.now();
        if let (429 | 503, Some(wait)) = (status, retry_after) {
            let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).min(ALONE_AT_MOST);
            self.alone_until.store(heard.0.saturating_add(wait), Ordering::Relaxed);
        }
        let body = Body::read(status, &text)?;
        // their clock was read at some moment between, whatever time the answer took
        let skew = date
            .and_then(|date| http::date(&date))
            .map(Timestamp)
            .map(|theirs| asked.since(theirs).max(theirs.since(heard)));
        Ok(Heard { body, skew })
    }

    /// Sends a request that shows who we are; once more where that is refused and may be said anew.
    async fn show(&self, request: impl Fn() -> RequestBuilder) -> Result<Reply, Failed> {
        let pass = self.gate.pass(self.clock.now().0).await.map_err(Failed::Other)?;
        let failed = |why: NoReply| match why.too_large {
            true => Failed::Refused(why.detail),
            false => Failed::Other(why.detail),
        };
        let reply = fetch(pass.on(request()).map_err(Failed::Other)?).await.map_err(failed)?;
        if reply.status != 401 {
            return Ok(reply);
        }
        match self.gate.instead(&pass, self.clock.now().0).await {
            Some(newer) => fetch(newer.on(request()).map_err(Failed::Other)?).await.map_err(failed),
            None => Ok(reply),
        }
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

    fn behind<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Behind>> {
        Box::pin(async move { join_all(queries.iter().map(|query| self.look_behind(query, at))).await })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(self.checks())
    }
}

/// Where NaN means that nothing happened.
fn is_share(query: &Query) -> bool {
    matches!(query.form, Form::Ratio { .. } | Form::Quantile { .. } | Form::Slow { .. })
}

fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000))
}
