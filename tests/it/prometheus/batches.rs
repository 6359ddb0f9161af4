//! Many flags in one request: each is answered as if it had been asked for alone, whatever the others do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::engine::plan::{Form, LabelTest, Matcher, Query};
use flagstaff::engine::{Reading, Span, Timestamp, Unknown};
use flagstaff::http::Access;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::{Answered, Source};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use super::{decimal, named, serve_page};
use crate::support::server::{Asked, Fake, Reply};

fn about(flag: &str, form: Form) -> Query {
    let is = |label: &str, is: LabelTest| Matcher { label: label.to_owned(), is };
    Query {
        source: "s".to_owned(),
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

fn ratio() -> Form {
    Form::Ratio { of: named("bad"), over: named("all") }
}

fn flags(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("f{index:03}")).collect()
}

/// The flags of a query's text.
fn asked_for(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("flag=") else { return Vec::new() };
    let list = rest.trim_start_matches('~').trim_start_matches('"');
    list.split('"').next().unwrap().split('|').map(str::to_owned).collect()
}

/// A server that has a thousandth of its number as the value of each flag, and is asked for many at once.
fn body(asked: &Asked, of: impl Fn(&str) -> Vec<String>) -> String {
    let is_age = asked.field("query").starts_with("time() - ");
    let at = |name: &str| asked.field(name).parse::<f64>().unwrap();
    let mut series: Vec<String> = Vec::new();
    for flag in asked_for(asked.field("query")).iter().rev() {
        let values = if is_age { of(flag).first().map(|_| "0.5".to_owned()).into_iter().collect() } else { of(flag) };
        for value in values {
            let metric = if asked.field("query").contains(" by (flag)") { json!({ "flag": flag }) } else { json!({}) };
            let pair = |at: f64| format!("[{at},\"{value}\"]");
            series.push(if asked.path == "/api/v1/query" {
                format!("{{\"metric\":{metric},\"value\":{}}}", pair(at("time")))
            } else {
                let step = asked.field("step").trim_end_matches("ms").parse::<f64>().unwrap() / 1000.0;
                let points = ((at("end") - at("start")) / step).floor() as usize + 1;
                let values: Vec<String> = (0..points).map(|index| pair(at("start") + index as f64 * step)).collect();
                format!("{{\"metric\":{metric},\"values\":[{}]}}", values.join(","))
            });
        }
    }
    let kind = if asked.path == "/api/v1/query" { "vector" } else { "matrix" };
    let series = series.join(",");
    format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":[{series}]}}}}")
}

fn thousandths(flag: &str) -> Vec<String> {
    vec![format!("0.{}", &flag[1..])]
}

fn refused(status: u16, error: &str) -> Reply {
    Reply { status, ..Reply::with(json!({ "status": "error", "errorType": "execution", "error": error }).to_string()) }
}

fn source(fake: &Fake) -> Prometheus {
    Prometheus::new(&fake.url, Access::default(), Span::seconds(1), Arc::new(SystemClock))
}

fn is_right(flag: &str, answered: &Answered) {
    assert_eq!(answered.reading, Reading::Value(decimal(&thousandths(flag)[0])), "{flag}");
}

fn now() -> Timestamp {
    SystemClock.now().floor_to(Span::seconds(2))
}

/// How often it was asked, and for how many at most, since the last time.
fn requests(fake: &Fake) -> (usize, usize) {
    let asked = std::mem::take(&mut *fake.asked.lock().unwrap());
    let most = asked.iter().map(|asked| asked_for(asked.field("query")).len()).max().unwrap_or(0);
    (asked.len(), most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_flags_share_a_request_and_none_spoils_anothers_answer() {
    let fake = Fake::serve(|asked| {
        let own = |flag: &str| match flag {
            "f003" => Vec::new(),
            "f004" => vec!["0.1".to_owned(), "0.2".to_owned()],
            "f005" => vec!["NaN".to_owned()],
            "f006" => vec!["+Inf".to_owned()],
            "f007" => vec!["what is this".to_owned()],
            flag => thousandths(flag),
        };
        Reply::with(body(asked, own))
    });
    let prometheus = source(&fake);
    let flags = flags(300);
    let queries: Vec<Query> = flags.iter().map(|flag| about(flag, ratio())).collect();
    let at = now();
    let answers = prometheus.instant(&queries, at).await;
    let (count, most) = requests(&fake);
    assert!(count <= 4 && most == 250, "{count} requests for at most {most} flags");
    let odd = [
        ("f003", Unknown::NoAnswer),
        ("f004", Unknown::SeveralSeries),
        ("f005", Unknown::Idle),
        ("f006", Unknown::Infinite),
        ("f007", Unknown::NotANumber),
    ];
    let odd = BTreeMap::from(odd);
    let check = |row: &[Answered]| {
        for (flag, answered) in flags.iter().zip(row) {
            match odd.get(flag.as_str()) {
                Some(reason) => assert_eq!(answered.reading.unknown(), Some(*reason), "{flag}: {answered:?}"),
                None => is_right(flag, answered),
            }
        }
    };
    check(&answers);
    // an absence, too; the answers of which are bounded
    let to = at.minus(Span::hours(1));
    let (from, some) = (to.minus(Span::seconds(2 * 399)), &queries[..130]);
    let rows = prometheus.range(some, from, to, Span::seconds(2)).await;
    let (count, most) = requests(&fake);
    assert!(rows.len() == 400 && most == 125, "{count} requests for at most {most} flags");
    rows.iter().for_each(|(_, row)| check(row));
    // in words for people as well
    let trouble = prometheus.trouble(&queries[..9], at).await;
    assert!(trouble[3].is_some() && trouble[8].is_none(), "{trouble:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_batch_is_halved_until_the_one_stands_alone_that_it_is_refused_for() {
    let fake = Fake::serve(|asked| match asked.field("query").contains("f013") {
        true => refused(422, "found duplicate series"),
        false => Reply::with(body(asked, thousandths)),
    });
    let prometheus = source(&fake);
    let flags = flags(200);
    let queries: Vec<Query> = flags.iter().map(|flag| about(flag, ratio())).collect();
    for turn in 0..2 {
        let answers = prometheus.instant(&queries, now()).await;
        for (flag, answered) in flags.iter().zip(&answers) {
            match flag.as_str() {
                "f013" => assert_eq!(answered.detail.as_deref(), Some("status 422: found duplicate series")),
                flag => is_right(flag, answered),
            }
        }
        let (count, _) = requests(&fake);
        // once it is known it is asked for alone: value and age, of it and of the others
        assert!(if turn == 0 { count > 4 && count < 40 } else { count == 4 }, "{count} requests in turn {turn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flag_on_which_the_server_hangs_costs_no_other_its_answer() {
    let fake = Fake::serve(|asked| match asked.field("query").contains("f021") {
        true => Reply { after: Duration::from_secs(60), ..Reply::with("") },
        false => Reply::with(body(asked, thousandths)),
    });
    let prometheus = source(&fake);
    let flags = flags(200);
    let queries: Vec<Query> = flags.iter().map(|flag| about(flag, ratio())).collect();
    let mut missed = Vec::new();
    for _ in 0..3 {
        let answers = prometheus.instant(&queries, now()).await;
        let unknown = answers.iter().filter(|answered| answered.reading.value().is_none()).count();
        assert_eq!(answers[21].reading.unknown(), Some(Unknown::Error));
        missed.push(unknown);
    }
    // a few beside it at first, and from then on nobody
    assert!(missed[0] <= 13, "{missed:?}");
    assert_eq!(missed[1..], [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_fewer_is_asked_for_fewer_and_one_that_is_silent_teaches_nothing() {
    let most = Arc::new(AtomicUsize::new(40));
    let bound = most.clone();
    let fake = Fake::serve(move |asked| {
        let count = asked_for(asked.field("query")).len();
        match bound.load(Ordering::SeqCst) {
            0 => Reply { status: 503, ..Reply::with("Service Unavailable") },
            most if count > most => refused(422, "too long query"),
            _ => Reply::with(body(asked, thousandths)),
        }
    });
    let prometheus = source(&fake);
    let flags = flags(240);
    let queries: Vec<Query> = flags.iter().map(|flag| about(flag, ratio())).collect();
    let mut counts = Vec::new();
    for turn in 0..4 {
        most.store(if turn == 2 { 0 } else { 40 }, Ordering::SeqCst);
        let answers = prometheus.instant(&queries, now()).await;
        for (flag, answered) in flags.iter().zip(&answers) {
            match turn {
                2 => assert_eq!(answered.detail.as_deref(), Some("status 503, no JSON: Service Unavailable")),
                _ => is_right(flag, answered),
            }
        }
        counts.push(requests(&fake).0);
    }
    assert!(counts[0] > 16 && counts[1] == 16 && counts[2] <= 16 && counts[3] <= 24, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_mean_something_else_together_is_asked_alone() {
    let fake = Fake::serve(|asked| Reply::with(body(asked, |_| vec!["0.5".to_owned()])));
    let prometheus = source(&fake);
    let raw = |flag: &str| about(flag, Form::Raw { text: "1 - max(up{ {{ match }} }) # {{ flag }}".to_owned() });
    let queries: Vec<Query> = flags(5).iter().map(|flag| raw(flag)).collect();
    let answers = prometheus.instant(&queries, now()).await;
    assert!(answers.iter().all(|answered| answered.reading.value() == Some(decimal("0.5"))), "{answers:?}");
    assert_eq!(requests(&fake), (5, 1));
    // a service that is named as its flag is: the label that all share is no label to group by
    let mut queries: Vec<Query> = flags(20).iter().map(|flag| about(flag, ratio())).collect();
    queries[7].matchers.insert(0, Matcher { label: "app".to_owned(), is: LabelTest::Equal("f007".to_owned()) });
    let answers = prometheus.instant(&queries, now()).await;
    assert!(answers.iter().all(|answered| answered.reading.value() == Some(decimal("0.5"))), "{answers:?}");
    assert_eq!(requests(&fake), (4, 19));
}

/// What flags may not be named and labels may: quotes, braces, newlines, backslashes, what means something in regular
/// expressions, and letters of everybody.
fn hostile(count: usize) -> Vec<String> {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let strategy = "[a-c|.*+?()\\[\\]{}^$\\\\\"'`\n\r\t#,=~!\u{1}\u{7f}\u{85}äß日\u{202e}\u{1f6a9}0-9 -]{1,12}";
    let strategy = proptest::string::string_regex(strategy).unwrap();
    let mut values: Vec<String> =
        ["a|b", "a", "b", ".*", "a.c", "abc", "\\Qa\\E", "(?i)A", "x\"} or vector(1) #", "a\nb", "\\"]
            .map(str::to_owned)
            .to_vec();
    while values.len() < count {
        let value = strategy.new_tree(&mut runner).unwrap().current();
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_tells_any_labels_apart_and_answers_together_as_it_does_alone() {
    let values = hostile(260);
    let told = values.clone();
    let read = AtomicUsize::new(0);
    let page = Fake::serve(move |_| {
        let times = read.fetch_add(1, Ordering::SeqCst);
        let mut page = String::new();
        for (index, value) in told.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let labels = format!("flag=\"{value}\",variant=\"on\"");
            let (bad, all) = (index * times, 1000 * times);
            page.push_str(&format!("bad{{{labels}}} {bad}\nall{{{labels}}} {all}\n"));
            page.push_str(&format!("took_bucket{{{labels},le=\"0.1\"}} {}\n", all - bad));
            page.push_str(&format!("took_bucket{{{labels},le=\"+Inf\"}} {all}\ntook_count{{{labels}}} {all}\n"));
        }
        Reply::with(page)
    });
    let folder = tempfile::tempdir().unwrap();
    let server = serve_page(folder.path(), &page.url);
    let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), Arc::new(SystemClock));
    tokio::time::sleep(Duration::from_secs(11)).await;
    let at = SystemClock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2));
    let slow = Form::Slow { bound: decimal("0.1"), of: named("took") };
    let quantile = Form::Quantile { q: decimal("0.5"), of: named("took") };
    let count = Form::Count { of: named("all") };
    let mut queries: Vec<Query> = Vec::new();
    for form in [ratio(), slow, quantile, count] {
        queries.extend(values.iter().map(|value| about(value, form.clone())));
    }
    let together = prometheus.instant(&queries, at).await;
    let from = at.minus(Span::seconds(2));
    let rows = prometheus.range(&queries, from, at, Span::seconds(2)).await;
    assert_eq!(rows.last().unwrap().1, together);
    for (index, (query, answered)) in queries.iter().zip(&together).enumerate() {
        let nth = index % values.len();
        let value = answered.reading.value().unwrap_or_else(|| panic!("{query:?}: {answered:?}"));
        // a share is exactly its own, however often the page was read
        if index < 2 * values.len() {
            assert_eq!(value, format!("0.{nth:03}").parse().unwrap(), "{query:?}");
        }
        // every seventh: a request for each would take long
        if index % 7 == 0 {
            let alone = prometheus.instant(std::slice::from_ref(query), at).await;
            assert_eq!(alone[0], *answered, "{query:?}");
        }
    }
}
