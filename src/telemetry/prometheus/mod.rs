//! Source: a Prometheus-compatible server.
//!
//! Protocol: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Every query carries an explicit time; an answer
//! counts only if it is one fresh number without warnings, from a server whose clock agrees with ours.

pub mod answer;
pub mod promql;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::answer::{judge, judge_age, number};
use super::{Answered, Source};
use crate::clock::{Answer, Clock};
use crate::engine::plan::{Form, Query};
use crate::engine::{Reading, Span, Timestamp, Unknown};
use crate::http::{Client, Reply, Secret, bounded, client, fetch};

/// One query may take so long.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Points asked for in one range query; servers refuse more than 11,000.
const POINTS_AT_MOST: u64 = 10_000;

/// A Prometheus-compatible server.
#[derive(Clone)]
pub struct Prometheus {
    url: String,
    token: Option<Secret>,
    scrape_every: Span,
    client: Result<Client, String>,
    clock: Arc<dyn Clock>,
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
        }
    }

    async fn post(&self, path: &str, form: &[(&str, String)]) -> Result<Heard, String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let mut request = client.post(format!("{}{path}", self.url)).form(form);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.text());
        }
        let Reply { status, text, date, .. } = fetch(request).await?;
        let body: Value =
            serde_json::from_str(&text).map_err(|_| format!("status {status}, no JSON: {}", bounded(&text)))?;
        if status != 200 || body.get("status").and_then(Value::as_str) != Some("success") {
            let error = body.get("error").and_then(Value::as_str).unwrap_or_default();
            return Err(format!("status {status}: {}", bounded(error)));
        }
        let skew = date.and_then(|date| http_date(&date)).map(|theirs| {
            let ours = self.clock.now();
            Span(ours.since(theirs).0.max(theirs.since(ours).0))
        });
        Ok(Heard { body, skew })
    }

    async fn query(&self, text: String, at: Timestamp) -> Result<Heard, String> {
        self.post("/api/v1/query", &[("query", text), ("time", seconds(at))]).await
    }

    async fn one(&self, query: &Query, at: Timestamp) -> Answered {
        let heard = match self.query(promql::text(query), at).await {
            Ok(heard) => heard,
            Err(detail) => return unknown(Unknown::Error, detail),
        };
        if heard.skew.is_some_and(|skew| skew > query.every && skew > Span::seconds(2)) {
            return unknown(Unknown::Clock, "the server's clock is far from ours".to_owned());
        }
        let answered = judge(&heard.body, is_share(query));
        let Some(age) = promql::age(query).filter(|_| answered.reading.unknown() != Some(Unknown::NoAnswer)) else {
            return answered;
        };
        match self.query(age, at).await {
            Ok(heard) => judge_age(&heard.body, self.scrape_every, answered),
            Err(detail) => unknown(Unknown::Error, detail),
        }
    }

    async fn past(&self, query: &Query, from: Timestamp, to: Timestamp, every: Span) -> BTreeMap<Timestamp, Answered> {
        let mut rows = BTreeMap::new();
        let mut start = from;
        while start <= to && every.0 > 0 {
            let end = start.plus(Span(every.0.saturating_mul(POINTS_AT_MOST - 1))).min(to);
            let range = [("start", seconds(start)), ("end", seconds(end)), ("step", format!("{}ms", every.0))];
            let ask = |text: String| {
                let mut form = vec![("query", text)];
                form.extend(range.iter().map(|(name, value)| (*name, value.clone())));
                form
            };
            let heard = self.post("/api/v1/query_range", &ask(promql::text(query))).await;
            let ages = match promql::age(query) {
                Some(age) => Some(self.post("/api/v1/query_range", &ask(age)).await),
                None => None,
            };
            let mut at = start;
            while at <= end {
                let answered = match (&heard, &ages) {
                    (Err(detail), _) | (_, Some(Err(detail))) => unknown(Unknown::Error, detail.clone()),
                    (Ok(heard), ages) => {
                        let answered = judge(&answer::row(&heard.body, at), is_share(query));
                        match ages {
                            Some(Ok(ages)) if answered.reading.unknown() != Some(Unknown::NoAnswer) => {
                                judge_age(&answer::row(&ages.body, at), self.scrape_every, answered)
                            }
                            _ => answered,
                        }
                    }
                };
                rows.insert(at, answered);
                at = at.plus(every);
            }
            start = end.plus(every);
        }
        rows
    }
}

impl Source for Prometheus {
    fn place(&self) -> String {
        // a user part in an address is a credential
        match self.url.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
            None => self.url.clone(),
        }
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for query in queries {
                answers.push(self.one(query, at).await);
            }
            answers
        })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            let mut rows: BTreeMap<Timestamp, Vec<Answered>> = BTreeMap::new();
            for query in queries {
                for (at, answered) in self.past(query, from, to, every).await {
                    rows.entry(at).or_default().push(answered);
                }
            }
            rows.into_iter().collect()
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move {
            let mut found = Vec::new();
            for query in queries {
                let text = promql::presence(query).unwrap_or_else(|| promql::text(query));
                found.push(match self.query(text, at).await {
                    Err(detail) => Err(format!("{}: {detail}", self.place())),
                    Ok(_) if matches!(query.form, Form::Raw { .. }) => Ok(()),
                    Ok(heard) => match number(&heard.body) {
                        Ok(_) => Ok(()),
                        Err(_) => Err(format!("{} has no such metric", self.place())),
                    },
                });
            }
            found
        })
    }
}

/// Where NaN means that nothing happened.
fn is_share(query: &Query) -> bool {
    !matches!(query.form, Form::Count { .. } | Form::Raw { .. })
}

fn unknown(reason: Unknown, detail: String) -> Answered {
    Answered { reading: Reading::Unknown(reason), detail: Some(detail) }
}

fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000))
}

/// `Mon, 23 Nov 2026 21:24:43 GMT`, to the second.
fn http_date(text: &str) -> Option<Timestamp> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp(parsed.as_millisecond()))
}
