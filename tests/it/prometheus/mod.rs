//! Sources of this kind: a real Prometheus and what a small server says where no real one can be made to.
//!
//! Here: a real Prometheus scraping a page of the tests' own: the same forms from both sources, and everything that is no evidence.

mod access;
mod batches;
mod burning;
mod days;
mod syntax;
mod verdicts;
mod victoria;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::engine::plan::{Form, LabelTest, Matcher, Query, Selector};
use flagstaff::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use flagstaff::http::{Access, Credential, Login};
use flagstaff::telemetry::Source;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::scrape::Scrape;

use crate::support::page::Page;

const HISTOGRAM: &str = "http_request_duration_seconds";

/// A server, ended by its own process id.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn serve(folder: &Path, page: &Page) -> Server {
    serve_page(folder, &page.url)
}

pub(crate) fn serve_page(folder: &Path, page: &str) -> Server {
    let target = page.trim_start_matches("http://").trim_end_matches("/metrics");
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: shop\n    static_configs: [ {{ targets: ['{target}'] }} ]\n"
    );
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    started::<&str>(folder, &[], "http")
}

/// A server by the configuration in a folder.
fn started<A: AsRef<std::ffi::OsStr>>(folder: &Path, args: &[A], scheme: &str) -> Server {
    started_at(folder, args, scheme, free_port())
}

fn started_at<A: AsRef<std::ffi::OsStr>>(folder: &Path, args: &[A], scheme: &str, port: u16) -> Server {
    let child = Command::new("prometheus")
        .args(args)
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("no `prometheus` on this machine: tests/install-servers installs it");
    Server { child, url: format!("{scheme}://127.0.0.1:{port}") }
}

fn named(metric: &str) -> Selector {
    Selector { metric: metric.to_owned(), matchers: Vec::new() }
}

fn query(form: Form, flag: &str) -> Query {
    let is = |label: &str, is: LabelTest| Matcher { label: label.to_owned(), is };
    Query {
        source: "either".to_owned(),
        form,
        matchers: vec![
            is("flag", LabelTest::Equal(flag.to_owned())),
            is("variant", LabelTest::AnyOf(vec!["on".to_owned(), "enabled".to_owned()])),
        ],
        window: Span::seconds(6),
        every: Span::seconds(2),
        flag: flag.to_owned(),
        born_later: false,
    }
}

fn failed() -> Form {
    let code = Matcher { label: "code".to_owned(), is: LabelTest::Matches("5..".to_owned()) };
    let of = Selector { metric: format!("{HISTOGRAM}_count"), matchers: vec![code] };
    Form::Ratio { of, over: named(&format!("{HISTOGRAM}_count")) }
}

fn failed_count() -> Form {
    let Form::Ratio { of, over } = failed() else { unreachable!("it is one") };
    Form::RatioCount { of, over }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn forms() -> Vec<Query> {
    vec![
        query(failed(), "shop"),
        query(Form::Count { of: named(&format!("{HISTOGRAM}_count")) }, "shop"),
        query(Form::Quantile { q: decimal("0.99"), of: named(HISTOGRAM) }, "shop"),
        query(Form::Slow { bound: decimal("0.1"), of: named(HISTOGRAM) }, "shop"),
        query(failed_count(), "shop"),
        query(Form::SlowCount { bound: decimal("0.1"), of: named(HISTOGRAM) }, "shop"),
    ]
}

fn number(reading: &Reading) -> f64 {
    let value = reading.value().unwrap_or_else(|| panic!("no value: {reading:?}"));
    value.to_string().parse().unwrap()
}

async fn settled(clock: &dyn Clock) -> Timestamp {
    clock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_and_our_own_reading_agree() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["shop"]);
    page.failing.store(true, std::sync::atomic::Ordering::SeqCst);
    let server = serve(folder.path(), &page);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), clock.clone());
    let scrape = Scrape::new(vec![page.url.clone()], Span::seconds(1), clock.clone());
    scrape.watch(&forms());
    let reading = scrape.clone();
    let reader = tokio::spawn(async move { reading.keep_reading().await });
    tokio::time::sleep(Duration::from_secs(14)).await;

    let at = settled(&*clock).await;
    let (theirs, ours) = (prometheus.instant(&forms(), at).await, scrape.instant(&forms(), at).await);
    // every reading of the page adds 100 good and 100 failed requests, so half fail, whoever looks how often
    for answers in [&theirs, &ours] {
        assert!((number(&answers[0].reading) - 0.5).abs() < 0.01, "ratio: {answers:?}");
        assert!(number(&answers[1].reading) > 0.0, "count: {answers:?}");
        assert!((number(&answers[2].reading) - 0.099).abs() < 0.001, "p99: {answers:?}");
        assert!(number(&answers[3].reading).abs() < 0.001, "slow: {answers:?}");
        let (all, failed) = (number(&answers[1].reading), number(&answers[4].reading));
        assert!((failed * 2.0 - all).abs() < 0.01, "half of what is counted failed: {answers:?}");
        assert!(number(&answers[5].reading).abs() < 0.001, "slow, counted: {answers:?}");
    }

    // after an absence, a range gives what the instants gave
    let from = at.minus(Span::seconds(4));
    let rows = prometheus.range(&forms(), from, at, Span::seconds(2)).await;
    assert_eq!(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [from, from.plus(Span::seconds(2)), at]);
    for (instant, row) in rows {
        assert_eq!(row, prometheus.instant(&forms(), instant).await, "at {instant}");
    }

    let one = async |query: Query| prometheus.instant(&[query], at).await.remove(0).reading;
    let raw = |text: &str| query(Form::Raw { text: text.to_owned() }, "shop");
    assert_eq!(one(raw("vector(2)")).await, Reading::Value(Decimal::whole(2)));
    assert_eq!(one(raw(&format!("{HISTOGRAM}_count"))).await.unknown(), Some(Unknown::SeveralSeries));
    assert_eq!(one(raw("nothing_like_it{ {{ match }} }")).await.unknown(), Some(Unknown::NoAnswer));
    assert_eq!(one(raw("vector(1)/0")).await.unknown(), Some(Unknown::Infinite));
    assert_eq!(one(raw("this is no query")).await.unknown(), Some(Unknown::Error));
    assert_eq!(one(query(failed(), "other-flag")).await.unknown(), Some(Unknown::NoAnswer));
    // none that failed is zero where anything was counted, and no answer where nothing is; a bound must be a bucket's
    let none = Selector { metric: "never_failed_total".to_owned(), matchers: Vec::new() };
    let never = |over: &str| Form::RatioCount { of: none.clone(), over: named(over) };
    assert_eq!(one(query(never(&format!("{HISTOGRAM}_count")), "shop")).await, Reading::Value(Decimal::ZERO));
    assert_eq!(one(query(never("gone"), "shop")).await.unknown(), Some(Unknown::NoAnswer));
    let between = Form::SlowCount { bound: decimal("0.25"), of: named(HISTOGRAM) };
    assert_eq!(one(query(between, "shop")).await.unknown(), Some(Unknown::NoAnswer));
    // a value that tries to leave its string is a value that no series has
    for hostile in ["x\"} or vector(1) #", "shop\\", "}{\n", "ü\u{202e}"] {
        let answer = one(query(Form::Count { of: named(&format!("{HISTOGRAM}_count")) }, hostile)).await;
        assert_eq!(answer.unknown(), Some(Unknown::NoAnswer), "{hostile:?}");
    }

    // what does not exist is refused before anybody is exposed; who is not exposed yet is not missing
    let ratio = |of: &str| Form::Ratio { of: named(of), over: named(&format!("{HISTOGRAM}_count")) };
    let text = |text: &str| query(Form::Raw { text: text.to_owned() }, "never-seen");
    let slow = |bound: &str| query(Form::Slow { bound: decimal(bound), of: named(HISTOGRAM) }, "never-seen");
    let asked = [
        (query(failed(), "never-seen"), None),
        (query(Form::Count { of: named("gone") }, "shop"), Some("has no metric `gone`")),
        (
            query(ratio("bad_totl"), "shop"),
            Some("no metric `bad_totl`; if it begins with its first event, write `born_later: true`"),
        ),
        (Query { born_later: true, ..query(ratio("bad_totl"), "shop") }, None),
        (query(ratio("up"), "shop"), None),
        (text(&format!("max({HISTOGRAM}_count{{ {{{{ match }}}} }})")), None),
        (text(&format!("max({HISTOGRAM}_count{{code=\"200\",{{{{match}}}}}})")), None),
        (text("max(nothing{ {{ match }} })"), Some("answers nothing, whatever the group")),
        (Query { born_later: true, ..text("max(nothing{ {{ match }} })") }, None),
        (text("max(nothing{ {{ match }} }"), Some("status 400")),
        (
            text(&format!("{HISTOGRAM}_count or vector(1) + 0 * {HISTOGRAM}_count{{ {{{{ match }}}} }}")),
            Some("several series"),
        ),
        (slow("0.1"), None),
        (slow("0.25"), Some("0.25 s is no bucket bound")),
        (
            query(Form::SlowCount { bound: decimal("0.25"), of: named(HISTOGRAM) }, "never-seen"),
            Some("0.25 s is no bucket bound"),
        ),
        (query(failed_count(), "never-seen"), None),
    ];
    let queries: Vec<Query> = asked.iter().map(|(query, _)| query.clone()).collect();
    let found = prometheus.exists(&queries, at).await;
    for ((query, refused), found) in asked.iter().zip(found) {
        match (refused, &found) {
            (None, Ok(())) => {}
            (Some(why), Err(told)) if told.contains(why) && told.contains(&server.url) => {}
            _ => panic!("{query:?}: {refused:?}, but {found:?}"),
        }
    }

    // before its first sample, and where it did not run, a server cannot know; what was not there when it ran is missing
    let (long_ago, gone) = (at.minus(Span::minutes(10)), query(Form::Count { of: named("gone") }, "shop"));
    let rows = prometheus.range(&[query(failed(), "shop"), gone], long_ago, at, Span::seconds(2)).await;
    assert_eq!(rows.len(), 301);
    let unobserved = Reading::Unknown(Unknown::Unobserved);
    assert!(rows[0].1.iter().all(|answered| answered.reading == unobserved), "{:?}", rows[0]);
    let (_, last) = &rows[300];
    assert!(last[0].reading.value().is_some() && last[1].reading.unknown() == Some(Unknown::NoAnswer), "{last:?}");

    // the target goes away: what was healthy is stale, not healthy
    drop(page);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let at = settled(&*clock).await;
    for answers in [prometheus.instant(&forms(), at).await, scrape.instant(&forms(), at).await] {
        for answered in answers {
            assert!(answered.reading.value().is_none(), "{answered:?}");
        }
    }
    reader.abort();

    // and so does the server
    drop(server);
    let answers = prometheus.instant(&forms(), at).await;
    assert!(answers.iter().all(|answered| answered.reading.unknown() == Some(Unknown::Error)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_bad_server_says_is_no_evidence() {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: [&'static str; 5] = [
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 13\r\n\r\nUnauthorized\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\"",
        "HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n{\"status\":\"error\",\"error\":\"out of memory\"}   ",
    ];
    let count = answers.len();
    let server = std::thread::spawn(move || {
        let mut seen = String::new();
        for answer in answers {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap_or(0);
            seen.push_str(&String::from_utf8_lossy(&request[..read]));
            let _ = connection.write_all(answer.as_bytes());
        }
        seen
    });
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "canary-token\n").unwrap();
    let login = Login::Token(Credential::File(folder.path().join("token")));
    let access = Access { login, ..Access::default() };
    let prometheus = Prometheus::new(&url, access, Span::seconds(1), clock.clone());
    let queries = [query(Form::Raw { text: "x{ {{ match }} }".to_owned() }, "shop")];
    for _ in 0..count {
        let answered = prometheus.instant(&queries, clock.now()).await.remove(0);
        assert_eq!(answered.reading.unknown(), Some(Unknown::Error), "{answered:?}");
        assert!(!format!("{answered:?}").contains("canary"), "{answered:?}");
    }
    let seen = server.join().unwrap();
    assert_eq!(seen.matches("Bearer canary-token").count(), count, "{seen}");
    assert!(seen.contains("time="), "every query has its time: {seen}");
}
