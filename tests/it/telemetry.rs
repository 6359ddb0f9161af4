//! Sources against servers that are slow, wrong, ahead of time or asked for days; and pages over a clock of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::engine::plan::{Form, LabelTest, Matcher, Query, Selector};
use flagstaff::engine::{Reading, Span, Timestamp, Unknown};
use flagstaff::http::Access;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::scrape::Scrape;
use flagstaff::telemetry::{Answered, Source};
use serde_json::json;

use crate::support::server::{Asked, Fake, Reply};

fn query(form: Form, every: Span) -> Query {
    Query {
        source: "s".to_owned(),
        form,
        matchers: Vec::new(),
        window: Span::seconds(20),
        every,
        flag: "f".to_owned(),
        born_later: false,
    }
}

fn raw(text: &str) -> Query {
    query(Form::Raw { text: text.to_owned() }, Span::seconds(1))
}

fn named(metric: &str) -> Selector {
    Selector { metric: metric.to_owned(), matchers: Vec::new() }
}

/// One number for whatever is asked, at each of its instants; refuses what a server refuses.
pub(crate) fn number(asked: &Asked, value: &str) -> Reply {
    if asked.path == "/api/v1/query" {
        let at: f64 = asked.field("time").parse().unwrap();
        let body = json!({ "status": "success", "data": { "resultType": "vector", "result": [ { "metric": {}, "value": [at, value] } ] } });
        return Reply::with(body.to_string());
    }
    let seconds = |name: &str| asked.field(name).parse::<f64>().unwrap();
    let step = asked.field("step").trim_end_matches("ms").parse::<f64>().unwrap() / 1000.0;
    let points = ((seconds("end") - seconds("start")) / step).floor() as usize + 1;
    if points > 11_000 {
        let body = json!({ "status": "error", "error": "exceeded maximum resolution of 11,000 points per timeseries" });
        return Reply { status: 400, ..Reply::with(body.to_string()) };
    }
    let values: Vec<_> = (0..points).map(|index| json!([seconds("start") + index as f64 * step, value])).collect();
    let body = json!({ "status": "success", "data": { "resultType": "matrix", "result": [ { "metric": {}, "values": values } ] } });
    Reply::with(body.to_string())
}

fn source(fake: &Fake) -> Prometheus {
    Prometheus::new(&fake.url, Access::default(), Span::seconds(1), Arc::new(SystemClock))
}

fn values(answers: &[Answered]) -> Vec<Option<String>> {
    answers.iter().map(|answered| answered.reading.value().map(|value| value.to_string())).collect()
}

fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_hangs_costs_no_other_its_answer() {
    let fake = Fake::serve(|asked| match asked.field("query").contains("hangs") {
        true => Reply { after: Duration::from_secs(60), ..number(asked, "1") },
        false => number(asked, "0.5"),
    });
    let (prometheus, clock) = (source(&fake), SystemClock);
    let queries = [raw("hangs_1"), raw("hangs_2"), raw("answers")];
    let at = clock.now().floor_to(Span::seconds(1));
    let began = clock.now();
    let (answers, rows) = futures_util::future::join(
        prometheus.instant(&queries, at),
        prometheus.range(&queries, at.minus(Span::seconds(1)), at, Span::seconds(1)),
    )
    .await;
    assert!(clock.now().since(began) < Span::seconds(8), "patience is each query's own");
    assert_eq!(values(&answers), [None, None, some("0.5")]);
    assert_eq!(answers[0].reading.unknown(), Some(Unknown::Error));
    assert_eq!(rows.len(), 2);
    for (_, row) in rows {
        assert_eq!(values(&row), [None, None, some("0.5")]);
    }
    // from then on no release waits longer than half a tick for another's query
    let began = clock.now();
    let answers = prometheus.instant(&queries, at).await;
    assert!(clock.now().since(began) < Span::seconds(1), "{:?}", clock.now().since(began));
    assert_eq!(values(&answers), [None, None, some("0.5")]);
    // asking again does not fail alike: many hang, all lanes would be taken, and one still answers
    let many: Vec<Query> = (0..40).map(|index| raw(&format!("hangs_{index}"))).chain([raw("answers")]).collect();
    for _ in 0..2 {
        let answers = prometheus.instant(&many, at).await;
        assert_eq!(answers[40].reading, Reading::Value("0.5".parse().unwrap()), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_answers_many_releases() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, highest) = (running.clone(), most.clone());
    let fake = Fake::serve(move |asked| {
        highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(300));
        counted.fetch_sub(1, Ordering::SeqCst);
        number(asked, "0.5")
    });
    let prometheus = source(&fake);
    let count = |index: usize| query(Form::Count { of: named(&format!("m{index}")) }, Span::seconds(1));
    let queries: Vec<Query> = (0..60).map(count).collect();
    let answers = prometheus.instant(&queries, SystemClock.now()).await;
    assert!(values(&answers).iter().all(|value| *value == some("0.5")), "{answers:?}");
    let most = most.load(Ordering::SeqCst);
    assert!(most > 4 && most <= 16, "{most} at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_asked_in_parts_and_a_part_that_fails_costs_no_other() {
    let fake = Fake::serve(|asked| match asked.field("start") {
        "4000.000" => Reply { status: 503, ..Reply::with("{\"status\":\"error\",\"error\":\"too many samples\"}") },
        _ => number(asked, "0.25"),
    });
    let prometheus = source(&fake);
    let queries = [raw("a"), raw("b")];
    let began = SystemClock.now();
    let rows = prometheus.range(&queries, Timestamp(0), Timestamp(24_999_000), Span::seconds(1)).await;
    assert!(SystemClock.now().since(began) < Span::seconds(8), "25,000 rows must not be looked through once for each");
    assert_eq!(rows.len(), 25_000);
    for (index, (at, row)) in rows.iter().enumerate() {
        assert_eq!(*at, Timestamp(i64::try_from(index).unwrap() * 1000));
        let lost = (4000..6000).contains(&index);
        let wanted = if lost { None } else { some("0.25") };
        assert_eq!(values(row), [wanted.clone(), wanted], "{index}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_far_from_the_servers_makes_instants_and_ranges_unknown() {
    let fake = Fake::serve(|asked| {
        let then = SystemClock.now().minus(Span::minutes(10));
        let date = jiff::Timestamp::from_millisecond(then.0).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        Reply { date: Some(date), ..number(asked, "0.5") }
    });
    let prometheus = source(&fake);
    let near = query(Form::Raw { text: "x".to_owned() }, Span::hours(1));
    let queries = [raw("x"), near];
    let at = SystemClock.now().floor_to(Span::seconds(1));
    let answers = prometheus.instant(&queries, at).await;
    let rows = prometheus.range(&queries, at.minus(Span::seconds(3)), at, Span::seconds(1)).await;
    assert_eq!(rows.len(), 4);
    for row in rows.iter().map(|(_, row)| row).chain([&answers]) {
        assert_eq!(row[0].reading, Reading::Unknown(Unknown::Clock));
        assert_eq!(row[1].reading.value(), Some("0.5".parse().unwrap()), "ten minutes are less than its `every`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_warnings_is_unknown() {
    let fake = Fake::serve(|asked| {
        let mut reply = number(asked, "0.5");
        reply.body = reply.body.replacen('{', "{\"warnings\":[\"remote_read: store 2 is down\"],", 1);
        reply
    });
    let prometheus = source(&fake);
    let at = Timestamp(1_000_000);
    let answers = prometheus.instant(&[raw("x")], at).await;
    let rows = prometheus.range(&[raw("x")], at, at, Span::seconds(1)).await;
    for answered in [&answers[0], &rows[0].1[0]] {
        assert_eq!(answered.reading, Reading::Unknown(Unknown::Warnings));
        assert_eq!(answered.detail.as_deref(), Some("remote_read: store 2 is down"));
    }
}

/// A clock that stands where a test put it.
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _: Timestamp) -> Answer<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Reads the pages one after the other, ten seconds apart, and answers at the end.
async fn read_pages(pages: Vec<String>, queries: &[Query]) -> Vec<Answered> {
    let (count, next) = (pages.len(), AtomicUsize::new(0));
    let fake = Fake::serve(move |_| Reply::with(pages[next.fetch_add(1, Ordering::SeqCst)].clone()));
    let clock = Arc::new(Still(AtomicI64::new(0)));
    let scrape = Scrape::new(vec![format!("{}/metrics", fake.url)], Span::seconds(10), clock.clone());
    scrape.watch(queries);
    for page in 0..count {
        clock.0.store(i64::try_from(page).unwrap() * 10_000, Ordering::SeqCst);
        scrape.poll().await;
    }
    scrape.instant(queries, clock.now()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_the_window_is_no_negative_increase() {
    let page = |bad: u32, all: u32| {
        format!(
            "bad {bad}\nall {all}\nd_bucket{{le=\"0.1\"}} {}\nd_bucket{{le=\"0.2\"}} {all}\nd_bucket{{le=\"+Inf\"}} {all}\n",
            all / 2
        )
    };
    // 100 → 110 → restarted at zero → 10: twenty requests in the window, ten of them bad
    let pages = vec![page(50, 100), page(55, 110), page(5, 10)];
    let every = Span::seconds(10);
    let queries = [
        query(Form::Ratio { of: named("bad"), over: named("all") }, every),
        query(Form::Quantile { q: "0.75".parse().unwrap(), of: named("d") }, every),
        query(Form::Slow { bound: "0.1".parse().unwrap(), of: named("d") }, every),
        query(Form::Count { of: named("all") }, every),
    ];
    let answers = read_pages(pages, &queries).await;
    assert_eq!(values(&answers), [some("0.5"), some("0.15"), some("0.5"), some("0")]);
}

/// What a rule with a promise counts: whole numbers between two ticks, without what went down or is missing at an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rules_count_is_counted_per_series_between_two_ticks() {
    let pod = |pod: &str, bad: u32, quick: u32, all: u32| {
        format!(
            "bad{{pod=\"{pod}\"}} {bad}\nall{{pod=\"{pod}\"}} {all}\nd_bucket{{pod=\"{pod}\",le=\"0.50\"}} {quick}\n\
             d_bucket{{pod=\"{pod}\",le=\"+Inf\"}} {all}\nd_count{{pod=\"{pod}\"}} {all}\n"
        )
    };
    let every = Span::seconds(10);
    let slow = |bound: &str| Form::SlowCount { bound: bound.parse().unwrap(), of: named("d") };
    let queries = [
        query(Form::RatioCount { of: named("bad"), over: named("all") }, every),
        query(Form::RatioCount { of: named("none_yet"), over: named("all") }, every),
        query(Form::RatioCount { of: named("bad"), over: named("gone") }, every),
        query(slow("0.5"), every),
        query(slow("0.4"), every),
        query(Form::Count { of: named("d_count") }, every),
    ];
    let grown = vec![pod("a", 5, 90, 100) + &pod("b", 1, 40, 50), pod("a", 9, 180, 200) + &pod("b", 1, 60, 80)];
    let answers = read_pages(grown, &queries).await;
    assert_eq!(values(&answers), [some("4"), some("0"), None, some("20"), None, some("130")]);
    assert_eq!(answers[2].reading.unknown(), Some(Unknown::NoAnswer));
    let detail = answers[4].detail.as_deref().unwrap_or_default();
    assert!(detail.contains("0.4 s is no bucket bound of `d`"), "{detail}");
    // b began anew and its buckets went down: what was fast before is not taken for slow now; c is new
    let anew = vec![
        pod("a", 5, 90, 100) + &pod("b", 9, 40, 50),
        pod("a", 6, 185, 200) + &pod("b", 2, 39, 60) + &pod("c", 50, 0, 50),
    ];
    let answers = read_pages(anew, &queries).await;
    assert_eq!(values(&answers), [some("1"), some("0"), None, some("5"), None, some("110")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_metrics_are_read_as_the_text_format_is() {
    let page = |count: u32| {
        format!(
            "# TYPE shop_requests counter\n# UNIT shop_requests requests\nshop_requests_total{{flag=\"f\"}} {count}.0 1700000000.123 \
             # {{trace_id=\"1\"}} 1.0 1700000000\nshop_requests_created{{flag=\"f\"}} 1.6e9\n# TYPE d histogram\n\
             d_bucket{{le=\"0.5\"}} {count} # {{trace_id=\"2\"}} 0.3\nd_bucket{{le=\"+Inf\"}} {}\nd_count {}\n# EOF\n",
            count * 2,
            count * 2
        )
    };
    let every = Span::seconds(10);
    let queries = [
        query(Form::Count { of: named("shop_requests_total") }, every),
        query(Form::Slow { bound: "0.5".parse().unwrap(), of: named("d") }, every),
        query(Form::Ratio { of: named("shop_requests_total"), over: named("d_count") }, every),
    ];
    let answers = read_pages(vec![page(10), page(20), page(37)], &queries).await;
    assert_eq!(values(&answers), [some("17"), some("0.5"), some("0.5")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_hangs_keeps_no_other_from_being_read() {
    let slow = Fake::serve(|_| Reply { after: Duration::from_secs(60), ..Reply::with("a 1\n") });
    let quick = Fake::serve(|_| Reply::with("a 1\n"));
    let targets = vec![format!("{}/metrics", slow.url), format!("{}/metrics", quick.url)];
    let scrape = Scrape::new(targets, Span::seconds(2), Arc::new(SystemClock));
    let reader = scrape.clone();
    let reading = tokio::spawn(async move { reader.poll().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(quick.asked.lock().unwrap().len(), 1);
    reading.await.unwrap();
    let queries = [query(Form::Count { of: named("a") }, Span::seconds(2))];
    let trouble = scrape.trouble(&queries, SystemClock.now()).await.remove(0).unwrap();
    assert!(trouble.contains("no answer in time") && trouble.contains(&slow.url), "{trouble}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numerator_must_be_on_a_page_unless_it_is_born_later() {
    let fake = Fake::serve(|_| Reply::with("all{code=\"200\"} 1\n"));
    let scrape = Scrape::new(vec![fake.url.clone()], Span::seconds(10), Arc::new(SystemClock));
    let code = Matcher { label: "code".to_owned(), is: LabelTest::Equal("500".to_owned()) };
    let misspelt = query(Form::Ratio { of: named("bad_totl"), over: named("all") }, Span::seconds(10));
    let preset = Form::Ratio { of: Selector { metric: "all".to_owned(), matchers: vec![code] }, over: named("all") };
    let queries =
        [misspelt.clone(), Query { born_later: true, ..misspelt }, query(preset, Span::seconds(10)), raw("max(all)")];
    let found = scrape.exists(&queries, SystemClock.now()).await;
    let refused = found[0].clone().unwrap_err();
    assert!(refused.contains("`bad_totl`") && refused.contains("born_later"), "{refused}");
    assert!(found[1].is_ok() && found[2].is_ok() && found[3].is_err(), "{found:?}");
}

/// A project of one release at a server that wants a token.
pub(crate) fn project(dir: &std::path::Path, url: &str, token: &str) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: tokens }}
spec:
  sources:
    prom:
      prometheus: {{ url: "{url}/behind/a/prefix", scrape_every: 1s, {token} }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {{ flagd: {{ path: flags.json }} }} }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: slow }}
spec: {{ stages: [ {{ name: tenth, percentage: 10%, bake: 1h }}, {{ name: everyone, percentage: 100%, bake: 1h }} ] }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 1s
  window: 4s
  metrics: {{ bad: {{ ratio: {{ of: bad, over: all }}, born_later: true }} }}
  healthy: [ "bad < 1%" ]
  safeguards: [ {{ name: errors, when: "bad > 5%", then: shutdown }} ]
  no_data: {{ after: 1h, then: pause }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: r }}
spec: {{}}
"#
    );
    std::fs::write(dir.join("flagstaff.yaml"), text).unwrap();
    std::fs::write(dir.join("secret"), "canary-from-file\n").unwrap();
    std::fs::write(dir.join("flags.json"), "{\"flags\":{}}").unwrap();
}

#[test]
fn a_token_reaches_the_server_alone_and_explain_says_what_the_server_said() {
    for (written, token) in
        [("token_file: secret", "canary-from-file"), ("token_env: CANARY_TOKEN", "canary-from-environment")]
    {
        let broken = Arc::new(AtomicUsize::new(0));
        let breaks = broken.clone();
        let fake = Fake::serve(move |asked| {
            if breaks.load(Ordering::SeqCst) == 1 {
                let body = "{\"status\":\"error\",\"error\":\"the store is full\"}";
                return Reply { status: 500, ..Reply::with(body) };
            }
            number(&Asked { path: asked.path.replace("/behind/a/prefix", ""), ..asked.clone() }, "0")
        });
        let dir = tempfile::tempdir().unwrap();
        project(dir.path(), &fake.url, written);
        let mut shown = String::new();
        let mut run = |args: &[&str]| {
            let run = std::process::Command::new(env!("CARGO_BIN_EXE_flagstaff"))
                .arg("-C")
                .arg(dir.path())
                .args(args)
                .env("CANARY_TOKEN", "canary-from-environment")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
            shown.push_str(&text);
            text.into_owned()
        };
        let plan = run(&["plan", "r"]);
        assert!(plan.contains("bad ") && plan.contains("is born later"), "{plan}");
        let plan = run(&["-o", "json", "plan", "r"]);
        assert!(plan.replace(": ", ":").contains("\"born_later\":true"), "{plan}");
        let started = run(&["start", "r"]);
        assert!(started.contains("running"), "{started}");
        broken.store(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2500));
        run(&["run", "r", "--once"]);
        let explained = run(&["explain", "r"]);
        let wanted = format!("source prom at {}/behind/a/prefix: status 500: the store is full", fake.url);
        assert!(explained.contains(&wanted), "{explained}");
        let explained: serde_json::Value = serde_json::from_str(&run(&["-o", "json", "explain", "r"])).unwrap();
        let told = &explained["telemetry"][0];
        assert_eq!((&told["reason"], &told["metrics"]), (&json!("status 500: the store is full"), &json!(["bad"])));
        run(&["-o", "json", "status"]);
        run(&["audit", "log"]);
        let asked = fake.asked.lock().unwrap();
        assert!(asked.len() > 2 && asked.iter().all(|asked| asked.headers.contains(&format!("Bearer {token}"))));
        assert!(!shown.contains("canary"), "{shown}");
        for entry in std::fs::read_dir(dir.path().join(".flagstaff")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&bytes).contains("canary"));
        }
    }
}

#[test]
fn a_release_is_stopped_although_anothers_queries_hang() {
    let broken = Arc::new(AtomicUsize::new(0));
    let breaks = broken.clone();
    let fake = Fake::serve(move |asked| {
        let (text, broken) = (asked.field("query"), breaks.load(Ordering::SeqCst) == 1);
        let asked = Asked { path: asked.path.replace("/behind/a/prefix", ""), ..asked.clone() };
        match text {
            _ if text.contains("hangs") && broken => Reply { after: Duration::from_secs(60), ..number(&asked, "0") },
            _ if text.contains("bad{") && broken => number(&asked, "0.5"),
            _ => number(&asked, "0"),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), &fake.url, "token_file: secret");
    let path = dir.path().join("flagstaff.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text =
        text.replace("then: shutdown } ]", "for: 4s, then: shutdown } ]").replace("spec: {}", "spec: { policy: web }");
    let other = r#"---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: hanging }
spec:
  every: 1s
  window: 4s
  metrics:
    one: { query: 'hangs_1{ {{ match }} }', unit: ratio }
    two: { query: 'hangs_2{ {{ match }} }', unit: ratio }
  healthy: [ "one < 1%", "two < 1%" ]
  safeguards: [ { name: errors, when: "one > 5%", then: shutdown } ]
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: a }
spec: { policy: hanging }
"#;
    std::fs::write(&path, text + other).unwrap();
    let flagstaff = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command.arg("-C").arg(dir.path()).args(args).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        command
    };
    for release in ["a", "r"] {
        let started = flagstaff(&["start", release]).output().unwrap();
        assert!(started.status.success(), "{started:?}");
    }
    broken.store(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_secs(3));
    let mut run = flagstaff(&["run", "a", "r"]).spawn().unwrap();
    // switched off in the flag file: nothing of this flag's targeting is left
    let is_stopped = || {
        let text = std::fs::read_to_string(dir.path().join("flags.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["flags"]["r"].get("targeting").is_none()
    };
    let began = SystemClock.now();
    while SystemClock.now().since(began) < Span::seconds(25) && !is_stopped() {
        std::thread::sleep(Duration::from_millis(500));
    }
    let stopped = is_stopped();
    run.kill().unwrap();
    let run = run.wait_with_output().unwrap();
    assert!(stopped, "{run:?}");
}
