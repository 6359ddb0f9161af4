//! Whether a server is there, answers queries, and scrapes anything at all.

use std::time::Duration;

use futures_util::future::join;
use serde_json::Value;

use super::answer::Said;
use super::body::Body;
use super::{ANYTHING, Failed, Prometheus};
use crate::checkup::{Check, ClockRead, Fault};
use crate::clock::within;
use crate::engine::{Span, Timestamp};
use crate::http::{self, NoReply, Reply, RequestBuilder, bounded};

/// One request of an examination may take so long.
const PATIENCE: Span = Span::seconds(4);
/// What a wrong clock does here.
const AFFECTS: &str = "beyond a policy's `every` no reading of it counts, and nothing advances";

/// An answer, and when it was asked for and came.
struct Heard {
    reply: Reply,
    asked: Timestamp,
    heard: Timestamp,
}

impl Prometheus {
    /// Everything about it that does not depend on a query of the documents.
    pub(super) async fn checks(&self) -> Vec<Check> {
        let mut checks: Vec<Check> = self.transport().into_iter().collect();
        if let Some(who) = self.gate.who() {
            // a server that asks for nothing would let us in without, and the next one would not
            match within(&*self.clock, PATIENCE, self.gate.pass(self.clock.now().0)).await {
                Some(Ok(_)) => checks.push(Check::fine("login", who)),
                failed => {
                    let why = failed.and_then(Result::err).unwrap_or_else(|| "no answer in time".to_owned());
                    checks.push(Check::failed("login", Fault::NotAuthorised, why, LOGIN));
                    return checks;
                }
            }
        }
        let heard = match self.post_now("time()").await {
            Ok(heard) => heard,
            Err(why) => {
                checks.push(Check::failed("reachable", Fault::Unreachable, why.detail, ADDRESS));
                return checks;
            }
        };
        let body: Value = serde_json::from_str(&heard.reply.text).unwrap_or_default();
        if let Some(fault) = fault(&heard.reply, &body) {
            checks.push(fault);
            return checks;
        }
        let took = heard.heard.since(heard.asked);
        checks.push(Check::fine("reachable", format!("it answers queries, in {} ms", took.0)));
        let (about, data) = join(join(self.version(), self.ready()), self.data()).await;
        checks.extend([about.0, about.1, data, clock(&heard, &body)]);
        checks
    }

    /// A token that everybody on the way can read.
    fn transport(&self) -> Option<Check> {
        self.gate.tells_everybody(&self.url).then(|| {
            let advice =
                "write `https://` in the source's `url` and `token_url`; `http://` is for this machine and for trials";
            Check::warning("transport", "a secret travels unencrypted to another machine", advice)
        })
    }

    async fn version(&self) -> Check {
        let body = self.get("/api/v1/status/buildinfo").await;
        let body: Option<Value> = body.ok().and_then(|heard| serde_json::from_str(&heard.reply.text).ok());
        let text = |key: &str| body.as_ref().and_then(|body| body["data"][key].as_str()).map(bounded);
        Check::fine(
            "version",
            match (text("application"), text("version")) {
                (_, None) => "not said".to_owned(),
                (Some(name), Some(version)) if !name.is_empty() => format!("{name} {version}"),
                // proxies and others with this interface need not say what they are
                (_, Some(version)) => format!("Prometheus {version}"),
            },
        )
    }

    async fn ready(&self) -> Check {
        let advice = "wait until it has started; its own log says what it is waiting for";
        match self.get("/-/ready").await {
            Ok(Heard { reply: Reply { status: 200, .. }, .. }) => Check::fine("ready", "it says so"),
            Ok(Heard { reply: Reply { status: status @ 500.., .. }, .. }) => {
                Check::warning("ready", format!("it says that it is not (status {status})"), advice)
            }
            // others with this interface say it elsewhere, and it answers queries
            _ => Check::fine("ready", "not said"),
        }
    }

    async fn data(&self) -> Check {
        let body = self.post_now(ANYTHING).await.ok();
        match body.as_ref().and_then(|heard| number(&heard.reply)).as_deref() {
            Some(targets) => Check::fine("data", format!("targets that it scrapes: {}", bounded(targets))),
            _ => Check::warning(
                "data",
                "it scrapes nothing: `up` has no series",
                "look at its `scrape_configs` and its page of targets; where others push to it, this is as it should be",
            ),
        }
    }

    /// A query about its own present: with a time of ours, `time()` would say ours.
    async fn post_now(&self, query: &str) -> Result<Heard, NoReply> {
        self.hear(|client, url| client.post(format!("{url}/api/v1/query")).form(&[("query", query)])).await
    }

    async fn get(&self, path: &str) -> Result<Heard, NoReply> {
        self.hear(|client, url| client.get(format!("{url}{path}"))).await
    }

    async fn hear(&self, request: impl FnOnce(&http::Client, &str) -> RequestBuilder) -> Result<Heard, NoReply> {
        let no_reply = |timed_out, detail: &str| NoReply { timed_out, too_large: false, detail: detail.to_owned() };
        let client = self.client().map_err(|why| no_reply(false, &why))?;
        let request = request(client, &self.url).timeout(Duration::from_millis(PATIENCE.0));
        let asked = self.clock.now();
        let repeated = || request.try_clone().unwrap_or_else(|| client.get(&self.url));
        let reply = within(&*self.clock, PATIENCE, self.show(repeated)).await;
        let reply = reply.unwrap_or_else(|| Err(Failed::Hung("no answer in time".to_owned())));
        let reply = reply.map_err(|failed| no_reply(false, &failed.detail()))?;
        Ok(Heard { reply, asked, heard: self.clock.now() })
    }
}

/// What to do where what we are to show cannot be had.
const LOGIN: &str = "let the source's `token_…`, `password_…`, `oauth2` or `headers` say where it is, or leave it out where the server \
                     asks for none";
/// What to do where nothing answers as a Prometheus.
const ADDRESS: &str = "check the source's `url`, that the server runs, and that this machine may reach it";

/// The number that a query about its own present was answered, whenever that was for it.
fn number(reply: &Reply) -> Option<String> {
    let said = Said::all(Body::read(reply.status, &reply.text).ok()?, None);
    let at = said.series.first()?.points.first()?.at;
    said.number(at).map(str::to_owned).ok()
}

/// Why an answer is none.
fn fault(reply: &Reply, body: &Value) -> Option<Check> {
    let failed = |fault, seen: String, advice: &str| Some(Check::failed("reachable", fault, seen, advice));
    let not_one =
        |status| failed(Fault::Unreachable, format!("status {status}, and no answer as Prometheus gives it"), ADDRESS);
    match reply.status {
        200 if number(reply).is_some() => None,
        401 | 403 => {
            let advice = "say who may query with `token_file`, `username` or `oauth2` beside the source's `url`";
            failed(Fault::NotAuthorised, format!("it does not let us: status {}", reply.status), advice)
        }
        300..=399 => failed(
            Fault::Unreachable,
            "it redirects, and no token goes elsewhere".to_owned(),
            "name its own address in the source's `url`",
        ),
        200 | 404 => not_one(reply.status),
        _ if body.is_null() => not_one(reply.status),
        status => {
            let error = bounded(body["error"].as_str().unwrap_or_default());
            failed(Fault::Unreachable, format!("status {status}: {error}"), "its own log says more")
        }
    }
}

/// Its clock as it tells it to a query: to the millisecond.
fn clock(heard: &Heard, body: &Value) -> Check {
    let said = body["data"]["result"].get(0).and_then(Value::as_f64);
    match said {
        Some(seconds) => {
            let theirs = Timestamp((seconds * 1000.0).round() as i64);
            // a millisecond may be lost in the number
            ClockRead { theirs, step: Span(0), before: heard.asked, after: heard.heard }.check(AFFECTS)
        }
        None => Check::fine("clock", "not said"),
    }
}
