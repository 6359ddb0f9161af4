//! A real VictoriaMetrics: the same numbers as Prometheus within what it does otherwise, and the same reasons for none.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::engine::plan::{Form, Query};
use flagstaff::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use flagstaff::http::Access;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::{Answered, Source};

use super::verdicts::{forms, page};
use super::{Server, free_port, named, number, query, serve_page};
use crate::support::server::{Fake, Reply};

fn serve(folder: &Path, page: &str) -> Server {
    let target = page.trim_start_matches("http://");
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: shop\n    static_configs: [ {{ targets: ['{target}'] }} ]\n"
    );
    fs::write(folder.join("scrape.yml"), config).unwrap();
    let port = free_port();
    let child = Command::new("victoria-metrics")
        .arg(format!("-promscrape.config={}", folder.join("scrape.yml").display()))
        .arg(format!("-storageDataPath={}", folder.join("victoria").display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("no `victoria-metrics` on this machine: tests/install-servers installs it");
    Server { child, url: format!("http://127.0.0.1:{port}") }
}

fn source(url: &str) -> Prometheus {
    Prometheus::new(url, Access::default(), Span::seconds(1), Arc::new(SystemClock))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_read_the_same_from_both_and_no_traffic_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (page(), page());
    let victoria = serve(folder.path(), &theirs.url);
    let server = serve_page(folder.path(), &ours.url);
    let (victoria, prometheus) = (source(&victoria.url), source(&server.url));
    // twenty seconds before it would say anything if it were not asked to
    tokio::time::sleep(Duration::from_secs(14)).await;
    let at = SystemClock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2));
    let flags = ["busy", "quiet", "nobody"];
    let queries: Vec<Query> = flags.iter().flat_map(|flag| forms(flag)).collect();
    let (read, wanted) = (victoria.instant(&queries, at).await, prometheus.instant(&queries, at).await);
    for (index, (read, wanted)) in read.iter().zip(&wanted).enumerate() {
        match (&wanted.reading, &read.reading) {
            // a hundred at each scrape, and two scrapes from tick to tick: they may be early or late
            (Reading::Value(_), Reading::Value(count)) if index == 4 => {
                assert!((0..=6).any(|scrapes| *count == Decimal::whole(100 * scrapes)), "{read:?}");
            }
            (Reading::Value(_), Reading::Value(_)) => {
                let difference = (number(&wanted.reading) - number(&read.reading)).abs();
                assert!(difference < 0.01, "{index}: {wanted:?}, but {read:?}");
            }
            (wanted, read) => assert_eq!(wanted, read, "{index}: {:?}", queries[index]),
        }
    }
    let idle = read[5..9].iter().all(|answered| answered.reading == Reading::Unknown(Unknown::Idle));
    assert!(idle && read[10].reading == Reading::Unknown(Unknown::NoAnswer), "{read:?}");
    // after an absence, too: in a range it would repeat what it knew half a minute ago
    let from = at.minus(Span::seconds(2));
    let readings = |rows: Vec<(Timestamp, Vec<Answered>)>| -> Vec<Vec<Reading>> {
        rows.into_iter().map(|(_, row)| row.into_iter().map(|answered| answered.reading).collect()).collect()
    };
    let instants = async |source: &Prometheus| {
        vec![(from, source.instant(&queries, from).await), (at, source.instant(&queries, at).await)]
    };
    let (theirs, ours) = (readings(instants(&victoria).await), readings(instants(&prometheus).await));
    let range = async |source: &Prometheus| source.range(&queries, from, at, Span::seconds(2)).await;
    assert_eq!((readings(range(&victoria).await), readings(range(&prometheus).await)), (theirs.clone(), ours.clone()));
    // its errors have bodies of their own, and what is not a number is left out
    let raw = |text: &str| query(Form::Raw { text: text.to_owned() }, "shop");
    let texts = ["sum(all", "vector(0) / 0", "vector(1) / 0", "all"];
    let reasons = [Unknown::Error, Unknown::NoAnswer, Unknown::Infinite, Unknown::SeveralSeries];
    let answers = victoria.instant(&texts.map(raw), at).await;
    for (answered, reason) in answers.iter().zip(reasons) {
        assert_eq!(answered.reading, Reading::Unknown(reason), "{answered:?}");
    }
    assert!(answers[0].detail.as_deref().unwrap().starts_with("status 422: "), "{:?}", answers[0]);
    let found = victoria.exists(&[forms("busy").remove(0), forms("busy").remove(1)], at).await;
    assert!(found[0].is_ok() && found[1].as_ref().is_err_and(|why| why.contains("never_seen")), "{found:?}");
    let checks = victoria.examine().await;
    assert!(checks.iter().any(|check| check.name == "reachable" && check.advice.is_none()), "{checks:?}");
    // a minute later the same instants are asked for in one request each
    tokio::time::sleep(Duration::from_secs(64)).await;
    assert_eq!((readings(range(&victoria).await), readings(range(&prometheus).await)), (theirs, ours));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_flags_with_long_names_stay_below_its_longest_query() {
    let flags: Vec<String> =
        (0..260).map(|index| format!("{index:03}-{}", "a.long[name]|of.a-flag".repeat(4))).collect();
    let (told, read) = (flags.clone(), AtomicUsize::new(0));
    let page = Fake::serve(move |_| {
        let times = read.fetch_add(1, Ordering::SeqCst);
        let mut page = String::new();
        for (index, flag) in told.iter().enumerate() {
            let labels = format!("flag=\"{flag}\",variant=\"on\"");
            page.push_str(&format!("bad{{{labels}}} {}\nall{{{labels}}} {}\n", index * times, 1000 * times));
        }
        Reply::with(page)
    });
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), &page.url);
    let victoria = source(&server.url);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let at = SystemClock.now().minus(Span::seconds(2)).floor_to(Span::seconds(2));
    let form = Form::Ratio { of: named("bad"), over: named("all") };
    let queries: Vec<Query> = flags.iter().map(|flag| query(form.clone(), flag)).collect();
    for (index, answered) in victoria.instant(&queries, at).await.iter().enumerate() {
        let read = number(&answered.reading);
        assert!((read - index as f64 / 1000.0).abs() < 1e-9, "{index}: {answered:?}");
    }
}
