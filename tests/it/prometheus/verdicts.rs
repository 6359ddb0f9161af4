//! What each kind of answer is worth: from a real server where one gives it, else from one that says so.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::engine::plan::{Form, Query};
use flagstaff::engine::{Reading, Span, Timestamp, Unknown};
use flagstaff::http::Access;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::{Answered, Source};
use serde_json::{Value, json};

use super::{decimal, query, started};
use crate::support::server::{Asked, Fake, Reply};
use crate::telemetry::number;

fn raw(text: &str) -> Query {
    query(Form::Raw { text: text.to_owned() }, "shop")
}

fn source(url: &str) -> Prometheus {
    Prometheus::new(url, Access::default(), Span::seconds(1), Arc::new(SystemClock))
}

async fn one(prometheus: &Prometheus, query: Query) -> Answered {
    prometheus.instant(&[query], SystemClock.now().minus(Span::seconds(1))).await.remove(0)
}

fn is_unknown(answered: &Answered, reason: Unknown, detail: &str) {
    assert_eq!(answered.reading, Reading::Unknown(reason), "{answered:?}");
    assert!(answered.detail.as_deref().unwrap_or_default().contains(detail), "`{detail}` is not in {answered:?}");
}

/// A page with a flag whose requests go on, and one that nobody uses.
pub(super) fn page() -> Fake {
    let read = AtomicUsize::new(0);
    Fake::serve(move |_| {
        let times = 100 * read.fetch_add(1, Ordering::SeqCst);
        let mut page = String::new();
        for (flag, all) in [("busy", times), ("quiet", 7)] {
            let labels = format!("flag=\"{flag}\",variant=\"on\"");
            page.push_str(&format!("bad{{{labels}}} {}\nall{{{labels}}} {all}\n", all / 2));
            page.push_str(&format!("took_bucket{{{labels},le=\"0.1\"}} {}\n", all / 2));
            page.push_str(&format!("took_bucket{{{labels},le=\"+Inf\"}} {all}\ntook_count{{{labels}}} {all}\n"));
        }
        Reply::with(page)
    })
}

/// The forms for a flag of that page.
pub(super) fn forms(flag: &str) -> Vec<Query> {
    let named = super::named;
    let forms = [
        Form::Ratio { of: named("bad"), over: named("all") },
        Form::Ratio { of: named("never_seen"), over: named("all") },
        Form::Quantile { q: decimal("0.25"), of: named("took") },
        Form::Slow { bound: decimal("0.1"), of: named("took") },
        Form::Count { of: named("all") },
    ];
    forms.map(|form| query(form, flag)).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_real_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let page = page();
    let server = super::serve_page(folder.path(), &page.url);
    let prometheus = source(&server.url);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let at = SystemClock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2));

    // traffic, no traffic, and nobody there: three different things
    let busy = prometheus.instant(&forms("busy"), at).await;
    let value = |index: usize| busy[index].reading.value().map(|value| value.to_string());
    assert_eq!([value(0), value(1), value(2), value(3)], ["0.5", "0", "0.05", "0.5"].map(|text| Some(text.to_owned())));
    // a scrape may come late, and all of them do not
    let mut counts = Vec::new();
    for before in 0..3 {
        let answers = prometheus.instant(&forms("busy")[4..], at.minus(Span::seconds(2 * before))).await;
        counts.extend(answers[0].reading.value());
    }
    assert!(counts.iter().any(|count| *count > decimal("0")), "{counts:?}");
    let quiet = prometheus.instant(&forms("quiet"), at).await;
    quiet[..4].iter().for_each(|answered| is_unknown(answered, Unknown::Idle, "no traffic"));
    assert_eq!(quiet[4].reading, Reading::Value(decimal("0")));
    for answered in prometheus.instant(&forms("nobody"), at).await {
        is_unknown(&answered, Unknown::NoAnswer, "NoAnswer");
    }
    // in a batch as alone
    let all: Vec<Query> = ["busy", "quiet", "nobody"].iter().flat_map(|flag| forms(flag)).collect();
    let together = prometheus.instant(&all, at).await;
    assert_eq!((&together[..5], &together[5..10]), (busy.as_slice(), quiet.as_slice()));

    for (text, reason, detail) in [
        ("vector(0) / 0", Unknown::NotANumber, ""),
        ("vector(1) / 0", Unknown::Infinite, "infinite"),
        ("-vector(1) / 0", Unknown::Infinite, "infinite"),
        ("all", Unknown::SeveralSeries, ""),
        ("all > 1e12", Unknown::NoAnswer, ""),
        ("\"a text\"", Unknown::Error, ""),
        ("all[5s]", Unknown::Error, ""),
        ("all{flag=\"busy\"}[5s]", Unknown::Error, ""),
        ("sum(all", Unknown::Error, "status 400: invalid parameter \"query\""),
        ("all * on() bad", Unknown::Error, "status 422: "),
    ] {
        is_unknown(&one(&prometheus, raw(text)).await, reason, detail);
    }
    assert_eq!(one(&prometheus, raw("42")).await.reading, Reading::Value(decimal("42")));
    // not the API: a page of text
    is_unknown(
        &one(&source(&format!("{}/elsewhere", server.url)), raw("42")).await,
        Unknown::Error,
        "status 404, no JSON",
    );
    // a server that hangs, as seen from here: its process stands still
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &server.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    };
    signal("-STOP");
    is_unknown(&one(&prometheus, raw("43")).await, Unknown::Error, "no answer in time");
    signal("-CONT");
    assert_eq!(one(&prometheus, raw("44")).await.reading, Reading::Value(decimal("44")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_that_lacks_a_part_of_its_data_says_so_and_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        "global: { scrape_interval: 1s }\nremote_read: [ { url: \"http://127.0.0.1:9/read\", read_recent: true } ]\n";
    fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let server = started::<&str>(folder.path(), &[], "http");
    let prometheus = source(&server.url);
    // any series will do: the store is asked for all
    let asked = || one(&prometheus, raw("absent(nothing)"));
    let mut answered = asked().await;
    for _ in 0..60 {
        if answered.reading.unknown() != Some(Unknown::Error) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        answered = asked().await;
    }
    is_unknown(&answered, Unknown::Warnings, "remote_read");
}

fn vector(asked: &Asked, series: Value) -> Value {
    let at: f64 = asked.field("time").parse().unwrap_or_default();
    let mut series = series;
    for series in series.as_array_mut().unwrap() {
        series["metric"] = json!({});
        for key in ["value", "histogram"] {
            if let Some(pair) = series.get_mut(key) {
                pair[0] = json!(at);
            }
        }
    }
    json!({ "status": "success", "data": { "resultType": "vector", "result": series } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_with_this_interface_answer() {
    let with = |key: &'static str, value: Value| {
        move |asked: &Asked| {
            let mut body = vector(asked, json!([{ "value": [0, "0.5"] }]));
            body[key] = value.clone();
            Reply::with(body.to_string())
        }
    };
    let body = |series: Value| move |asked: &Asked| Reply::with(vector(asked, series.clone()).to_string());
    let fails = |status: u16, body: &'static str| move |_: &Asked| Reply { status, ..Reply::with(body) };
    type Says = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;
    let histogram =
        json!([{ "histogram": [0, { "count": "10", "sum": "3.5", "buckets": [[0, "0.1", "0.2", "10"]] }] }]);
    let old = |asked: &Asked| {
        let mut body = vector(asked, json!([{ "value": [0, "0.5"] }]));
        body["data"]["result"][0]["value"][0] = json!(asked.field("time").parse::<f64>().unwrap() - 86_400.0);
        Reply::with(body.to_string())
    };
    let refused = "{\"status\":\"error\",\"errorType\":\"422\",\"error\":\"error when executing query\"}";
    let slow = "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out\"}";
    let rows: Vec<(Says, Option<(Unknown, &str)>)> = vec![
        (Box::new(with("infos", json!(["a histogram was mended"]))), None),
        (Box::new(with("warnings", json!([]))), None),
        (Box::new(with("warnings", json!(["store 2 is down"]))), Some((Unknown::Warnings, "store 2 is down"))),
        (Box::new(with("isPartial", json!(true))), Some((Unknown::Warnings, "partial"))),
        (Box::new(body(histogram)), Some((Unknown::NotANumber, ""))),
        (Box::new(body(json!([{ "value": [0, "0x10"] }]))), Some((Unknown::NotANumber, ""))),
        (Box::new(body(json!([{}]))), Some((Unknown::NoAnswer, ""))),
        (Box::new(old), Some((Unknown::Stale, "another time"))),
        (Box::new(fails(422, refused)), Some((Unknown::Error, "status 422: error when executing query"))),
        (Box::new(fails(503, slow)), Some((Unknown::Error, "status 503: query timed out"))),
        (Box::new(fails(503, "Service Unavailable")), Some((Unknown::Error, "status 503, no JSON"))),
        (Box::new(fails(429, "slow down")), Some((Unknown::Error, "status 429"))),
        (Box::new(fails(403, "RBAC: access denied")), Some((Unknown::Error, "status 403"))),
        (Box::new(fails(200, "null")), Some((Unknown::Error, "status 200"))),
        (Box::new(fails(200, "{\"status\":\"success\"}")), Some((Unknown::Error, "status 200"))),
        (Box::new(fails(200, "[[[[[[[[")), Some((Unknown::Error, "status 200"))),
        (Box::new(fails(204, "")), Some((Unknown::Error, "status 204"))),
    ];
    for (says, expected) in rows {
        let server = Fake::serve(says);
        let answered = one(&source(&server.url), raw("x")).await;
        match expected {
            None => assert_eq!(answered.reading, Reading::Value(decimal("0.5"))),
            Some((reason, detail)) => is_unknown(&answered, reason, detail),
        }
    }
}

/// A clock that a test moves on.
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        let wait = instant.since(self.now());
        Box::pin(tokio::time::sleep(Duration::from_millis(wait.0)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_to_be_left_alone_is_and_not_for_as_long_as_it_likes() {
    for (status, wants, waits) in [(429, "12", 13_000), (503, "12", 13_000), (429, "86400", 31_000)] {
        let tired = Arc::new(AtomicBool::new(true));
        let is_tired = tired.clone();
        let server = Fake::serve(move |asked| match is_tired.load(Ordering::SeqCst) {
            true => Reply { status, headers: format!("retry-after: {wants}\r\n"), ..Reply::with("later") },
            false => number(asked, "0.5"),
        });
        let clock = Arc::new(Moved(AtomicI64::new(0)));
        let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), clock.clone());
        let asked = async || prometheus.instant(&[raw("x")], clock.now()).await.remove(0);
        is_unknown(&asked().await, Unknown::Error, &format!("status {status}"));
        tired.store(false, Ordering::SeqCst);
        is_unknown(&asked().await, Unknown::Error, "wants to be left alone for");
        assert_eq!(server.asked.lock().unwrap().len(), 1);
        clock.0.store(waits, Ordering::SeqCst);
        assert_eq!(asked().await.reading, Reading::Value(decimal("0.5")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_ahead_of_ours_is_told_from_one_that_agrees() {
    let server = Fake::serve(|asked| {
        let date = jiff::Timestamp::from_millisecond(SystemClock.now().0).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        Reply { date: Some(date), ..number(asked, "0.5") }
    });
    // the query is for ticks two seconds apart
    for (ours, reads) in [(0, true), (1_000, true), (-240_000, false), (240_000, false)] {
        let clock = Arc::new(Moved(AtomicI64::new(ours)));
        let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), clock.clone());
        let answered = prometheus.instant(&[raw("x")], clock.now()).await.remove(0);
        match reads {
            true => assert_eq!(answered.reading, Reading::Value(decimal("0.5")), "{ours}"),
            false => is_unknown(&answered, Unknown::Clock, "clock"),
        }
    }
}
