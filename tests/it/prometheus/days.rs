//! Bad days: the server is down for a while, comes back empty, loses one flag's series, or repeats yesterday's answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::control::{Site, StartOptions};
use flagstaff::engine::plan::{Form, Query};
use flagstaff::engine::{Actor, Input, Phase, Reading, Span, Timestamp, Unknown};
use flagstaff::http::Access;
use flagstaff::telemetry::Source;
use flagstaff::telemetry::prometheus::Prometheus;
use serde_json::json;

use super::{free_port, named, query, started_at};
use crate::support::server::{Asked, Fake, Reply};

const EVERY: i64 = 30_000;
/// When a day begins: a tick.
const MORNING: i64 = 1_800_000_000_000;

/// A day's clock; it moves when the day does.
struct Day(AtomicI64);

impl Clock for Day {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _: Timestamp) -> Answer<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Minutes of the day, from and to.
type Times = &'static [(f64, f64)];

fn within(times: Times, at: i64) -> bool {
    let minute = (at - MORNING) as f64 / 60_000.0;
    times.iter().any(|(from, to)| (*from..*to).contains(&minute))
}

/// A server that is down at some times, and errs at instants of others whenever it is asked about them.
fn server(clock: Arc<Day>, down: Times, failing: Times) -> Fake {
    Fake::serve(move |asked| {
        if within(down, clock.now().0) {
            return Reply { status: 502, ..Reply::with("Bad Gateway") };
        }
        let value = |at: f64| match asked.field("query") {
            text if text.starts_with("time()") => "3",
            text if text.contains("bad") && within(failing, (at * 1000.0) as i64) => "0.5",
            text if text.contains("bad") => "0.001",
            _ => "50",
        };
        Reply::with(said(asked, value))
    })
}

fn said<'v>(asked: &Asked, value: impl Fn(f64) -> &'v str) -> String {
    let at = |name: &str| asked.field(name).parse::<f64>().unwrap();
    let (kind, series) = if asked.path == "/api/v1/query" {
        ("vector", json!({ "metric": {}, "value": [at("time"), value(at("time"))] }))
    } else {
        let step = asked.field("step").trim_end_matches("ms").parse::<f64>().unwrap() / 1000.0;
        let points = ((at("end") - at("start")) / step).floor() as usize + 1;
        let instants = (0..points).map(|index| at("start") + index as f64 * step);
        let values: Vec<_> = instants.map(|at| json!([at, value(at)])).collect();
        ("matrix", json!({ "metric": {}, "values": values }))
    };
    json!({ "status": "success", "data": { "resultType": kind, "result": [series] } }).to_string()
}

fn project(dir: &Path, url: &str) {
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: days }}
spec:
  sources:
    prom: {{ prometheus: {{ url: "{url}" }}, arms: {{ flag: flag, variant: variant }} }}
  environments:
    here: {{ backend: {{ flagd: {{ path: flags.json }} }} }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: t }}
spec: {{ stages: [ {{ name: tenth, percentage: 10%, bake: 5m }}, {{ name: everyone, percentage: 100%, bake: 8h }} ] }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: p }}
spec:
  every: 30s
  window: 1m
  metrics: {{ bad: {{ ratio: {{ of: bad, over: all }} }} }}
  healthy: [ "bad < 1%" ]
  safeguards: [ {{ name: errors, when: "bad > 5%", for: 2m, then: shutdown }} ]
  no_data: {{ after: 10m, then: pause }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: r }}
spec: {{}}
"#
    );
    std::fs::write(dir.join("flagstaff.yaml"), text).unwrap();
    std::fs::write(dir.join("flags.json"), "{\"flags\":{}}").unwrap();
}

/// What a day came to, by its minutes: phase and stage after each pass, and how many present ticks had a value.
struct Came {
    after: BTreeMap<i64, (Phase, usize)>,
    answered: usize,
}

impl Came {
    fn at(&self, minute: i64) -> (Phase, usize) {
        self.after[&(minute * 2)]
    }

    /// The first half minute at which it had left the first stage.
    fn grew(&self) -> Option<i64> {
        self.after.iter().find(|(_, (_, stage))| *stage > 0).map(|(half, _)| *half)
    }
}

/// A day of so many minutes, with a pass twice a minute.
async fn day(down: Times, failing: Times, minutes: i64) -> Came {
    let clock = Arc::new(Day(AtomicI64::new(MORNING + 1_000)));
    let server = server(clock.clone(), down, failing);
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), &server.url);
    let actor = Actor { name: "days".to_owned(), known_by: "--as".to_owned() };
    let mut site = Site::open(dir.path(), actor, clock.clone()).unwrap();
    site.start("r", "here", &StartOptions::default()).await.unwrap();
    let ids: BTreeSet<String> = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
    let mut came = Came { after: BTreeMap::new(), answered: 0 };
    for half in 1..=minutes * 2 {
        clock.0.store(MORNING + half * EVERY + 16_000, Ordering::SeqCst);
        let passed = site.pass(&ids).await.unwrap();
        for (_, step) in &passed.steps {
            if let Input::Tick(tick) = &step.input {
                let has_value = tick.readings.iter().all(|reading| reading.value().is_some());
                came.answered += usize::from(tick.present && has_value);
            }
        }
        let rollout = site.store.rollouts().next().unwrap();
        came.after.insert(half, (rollout.state.phase, rollout.state.stage));
    }
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_for_a_while_delays_and_does_no_more() {
    let calm = day(&[], &[], 12).await;
    let grew = calm.grew().unwrap();
    for (down, ticks) in [(&[(2.2, 2.95)] as Times, 2), (&[(2.2, 7.2)], 10)] {
        let came = day(down, &[], 20).await;
        assert_eq!(came.grew(), Some(grew + ticks), "each tick without an answer is one later");
        assert!(came.after.values().all(|(phase, _)| *phase == Phase::Running), "{:?}", came.after);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_that_nobody_could_see_stops_once_the_server_is_back_although_it_is_over() {
    let came = day(&[(2.2, 7.2)], &[(3.0, 6.0)], 9).await;
    assert_eq!((came.at(6).0, came.at(9).0), (Phase::Running, Phase::Stopped), "{:?}", came.after);
    // too short for its `for`: no reason to stop, and none to have earned it
    let came = day(&[(2.2, 7.2)], &[(3.0, 4.0)], 16).await;
    assert!(came.after.values().all(|(phase, _)| *phase == Phase::Running), "{:?}", came.after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_for_long_pauses_by_no_data_and_only_a_person_goes_on() {
    let came = day(&[(2.2, 16.2)], &[], 40).await;
    assert_eq!((came.at(11).0, came.at(14).0), (Phase::Running, Phase::Paused), "{:?}", came.after);
    assert_eq!((came.at(40), came.grew()), ((Phase::Paused, 0), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_flaps_grows_nothing_by_its_absence_and_hides_no_breach() {
    // every other tick has no answer when it is due
    const FLAPS: &[(f64, f64)] = &[
        (1.2, 1.3),
        (2.2, 2.3),
        (3.2, 3.3),
        (4.2, 4.3),
        (5.2, 5.3),
        (6.2, 6.3),
        (7.2, 7.3),
        (8.2, 8.3),
        (9.2, 9.3),
        (10.2, 10.3),
        (11.2, 11.3),
        (12.2, 12.3),
        (13.2, 13.3),
        (14.2, 14.3),
        (15.2, 15.3),
        (16.2, 16.3),
        (17.2, 17.3),
    ];
    let calm = day(&[], &[], 17).await.grew().unwrap();
    let came = day(FLAPS, &[], 17).await;
    assert!(came.grew().unwrap() > calm + 8, "{calm}, and {:?}", came.grew());
    assert!(came.answered < 20, "{} present ticks were answered", came.answered);
    let came = day(FLAPS, &[(4.0, 9.0)], 17).await;
    assert!(came.grew().is_none() && came.at(17).0 == Phase::Stopped, "{:?}", came.after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flags_series_vanish_and_the_server_comes_back_with_an_empty_disk() {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = gone.clone();
    let times = AtomicI64::new(0);
    let page = Fake::serve(move |_| {
        let times = times.fetch_add(1, Ordering::SeqCst);
        let flags: &[&str] = if is_gone.load(Ordering::SeqCst) { &["stays"] } else { &["stays", "vanishes"] };
        let line = |flag: &&str| {
            let labels = format!("flag=\"{flag}\",variant=\"on\"");
            format!("bad{{{labels}}} {times}\nall{{{labels}}} {}\n", times * 100)
        };
        Reply::with(flags.iter().map(line).collect::<String>())
    });
    let folder = tempfile::tempdir().unwrap();
    let target = page.url.trim_start_matches("http://");
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: shop\n    static_configs: [ {{ targets: ['{target}'] }} ]\n"
    );
    std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
    let port = free_port();
    let server = started_at::<&str>(folder.path(), &[], "http", port);
    let clock = SystemClock;
    let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), Arc::new(clock));
    let form = Form::Ratio { of: named("bad"), over: named("all") };
    let queries: Vec<Query> = ["stays", "vanishes"].iter().map(|flag| query(form.clone(), flag)).collect();
    let tick = || clock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2));
    tokio::time::sleep(Duration::from_secs(11)).await;
    let before = tick();
    let answers = prometheus.instant(&queries, before).await;
    assert!(answers.iter().all(|answered| answered.reading.value().is_some()), "{answers:?}");
    gone.store(true, Ordering::SeqCst);
    // the window still has some of it, and no number is made of that
    for (after, reasons) in [(5, [Unknown::Stale, Unknown::NoAnswer]), (6, [Unknown::NoAnswer, Unknown::NoAnswer])] {
        tokio::time::sleep(Duration::from_secs(after)).await;
        let answers = prometheus.instant(&queries, tick()).await;
        assert!(answers[0].reading.value().is_some(), "{answers:?}");
        assert!(answers[1].reading.unknown().is_some_and(|reason| reasons.contains(&reason)), "{answers:?}");
    }
    // what it knew it does not know any more: no silence of the metrics, and nothing healthy either
    drop(server);
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let answers = prometheus.instant(&queries, tick()).await;
    assert!(answers.iter().all(|answered| answered.reading == Reading::Unknown(Unknown::Error)), "{answers:?}");
    let _server = started_at::<&str>(folder.path(), &[], "http", port);
    let is_forgotten = async || {
        let rows = prometheus.range(&queries, before, before.plus(Span::seconds(4)), Span::seconds(2)).await;
        let readings: Vec<Reading> =
            rows.into_iter().flat_map(|(_, row)| row).map(|answered| answered.reading).collect();
        assert!(readings.len() == 6 && readings.iter().all(|reading| reading.value().is_none()), "{readings:?}");
        readings.iter().all(|reading| *reading == Reading::Unknown(Unknown::Unobserved))
    };
    for _ in 0..80 {
        if is_forgotten().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("it scrapes again, and does not say that it knows nothing of before");
}
