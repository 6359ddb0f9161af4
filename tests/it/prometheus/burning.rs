//! A burn rate on a real Prometheus and on pages that are read: both windows, a breach that is over, and one that was missed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::engine::condition::Verdict;
use flagstaff::engine::plan::{Plan, Query};
use flagstaff::engine::{Percentage, Reading, Span, Timestamp};
use flagstaff::http::Access;
use flagstaff::telemetry::prometheus::Prometheus;
use flagstaff::telemetry::scrape::Scrape;
use flagstaff::telemetry::{Answered, Source};
use serde_json::Value;

use crate::support::page::Page;
use crate::support::schema::check;

const PROJECT: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: burning }
spec:
  sources:
    prom:
      prometheus: { url: "URL", scrape_every: 1s }
      arms: { flag: flag, variant: variant }
  environments:
    here: { backend: { flagd: { path: flags.json } } }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: steps }
spec:
  stages:
    - { name: tenth, percentage: 10%, bake: 10m }
    - { name: half, percentage: 50%, bake: 10m }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 5s
  presets: { http: prometheus }
  healthy: [ "error_rate < 95%" ]
  safeguards:
    - { name: budget, when: "burn_rate(error_rate, 90%) > 2", over: [20s, 6s], then: shutdown }
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
"#;

fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").env("FLAGSTAFF_ACTOR", "ana@acme.example");
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(flagstaff(dir, args).stdout).unwrap()
}

fn answer(dir: &Path, args: &[&str]) -> Value {
    let answer = serde_json::from_str(&text(dir, &[args, &["-o", "json"]].concat())).unwrap();
    check(&answer);
    answer
}

fn verdict(plan: &Plan, answers: &[Answered]) -> Verdict {
    let readings: Vec<Reading> = answers.iter().map(|answered| answered.reading.clone()).collect();
    plan.rules[0].condition.judge(&readings, Percentage::whole(10))
}

/// Waits until both sources say this of the rule, at one instant.
async fn until(wanted: Verdict, plan: &Plan, queries: &[Query], sources: [&dyn Source; 2]) {
    let mut seen = Vec::new();
    for _ in 0..240 {
        let at = SystemClock.now().minus(Span::seconds(1)).floor_to(Span::seconds(1));
        seen = vec![sources[0].instant(queries, at).await, sources[1].instant(queries, at).await];
        if seen.iter().all(|answers| verdict(plan, answers) == wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("never {wanted:?}: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_windows_burn_one_recovers_and_what_was_missed_is_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), Page::serve(&["r"]));
    let server = super::serve(dir, &page);
    fs::write(dir.join("flagstaff.yaml"), PROJECT.replace("URL", &server.url)).unwrap();
    let plan = flagstaff::spec::load(dir).plan("r", "here").expect("a plan").plan;
    assert_eq!(plan.settle, Span::seconds(6), "the policy's window and a scrape");
    let queries: Vec<Query> = plan.series.iter().map(|series| series.query.clone()).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let prometheus = Prometheus::new(&server.url, Access::default(), Span::seconds(1), clock.clone());
    let scrape = Scrape::new(vec![page.url.clone()], Span::seconds(1), clock.clone());
    scrape.watch(&queries);
    let reading = scrape.clone();
    let reader = tokio::spawn(async move { reading.keep_reading().await });
    let sources: [&dyn Source; 2] = [&prometheus, &scrape];

    // no numerator is there before its first event
    until(Verdict::False, &plan, &queries, sources).await;
    let known = |row: &[Answered]| row.iter().all(|answered| answered.reading.is_known());
    for _ in 0..240 {
        if known(&scrape.instant(&queries, SystemClock.now().minus(Span::seconds(1))).await) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let shown = text(dir, &["plan", "r"]);
    let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let rule = "burn_rate(error_rate, 90%) > 2 (error_rate over 20s and over 6s > 20%): shut down";
    assert!(shown.contains(rule) && shown.contains("error_rate over 20s share over 20s, exposed group"), "{shown}");
    let started = flagstaff(dir, &["start", "r", "-e", "here"]);
    assert_eq!(started.status.code(), Some(0), "{}", String::from_utf8_lossy(&started.stderr));
    let mut explained = String::new();
    for _ in 0..60 {
        // a tick after the start must fall due first
        assert_eq!(flagstaff(dir, &["run", "r", "-e", "here", "--once"]).status.code(), Some(0));
        explained = text(dir, &["explain", "r"]);
        if explained.contains("error_rate over 20s  ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(
        explained.contains("error_rate over 20s  0%") && explained.contains("error_rate over 6s   0%"),
        "{explained}"
    );

    let began = SystemClock.now();
    page.failing.store(true, Ordering::SeqCst);
    until(Verdict::True, &plan, &queries, sources).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    page.failing.store(false, Ordering::SeqCst);
    until(Verdict::False, &plan, &queries, sources).await;
    // the short window was the first to recover
    let index = |name: &str| plan.series.iter().position(|series| series.name == name).unwrap();
    let (long, short) = (index("error_rate over 20s"), index("error_rate over 6s"));
    let now = SystemClock.now().minus(Span::seconds(1)).floor_to(Span::seconds(1));
    for source in sources {
        let rows = source.range(&queries, began.floor_to(Span::seconds(1)), now, Span::seconds(1)).await;
        let above = |row: &[Answered], index: usize| super::number(&row[index].reading) > 0.2;
        let recovered = |(_, row): &(Timestamp, Vec<Answered>)| known(row) && above(row, long) && !above(row, short);
        let spiked = |(_, row): &(Timestamp, Vec<Answered>)| known(row) && !above(row, long) && above(row, short);
        assert!(rows.iter().any(recovered) && rows.iter().any(spiked), "{rows:?}");
        assert!(rows.iter().any(|(_, row)| verdict(&plan, row) == Verdict::True), "{rows:?}");
    }
    reader.abort();

    // nobody drove it meanwhile, and it stops all the same
    assert_eq!(flagstaff(dir, &["run", "r", "-e", "here", "--once"]).status.code(), Some(6));
    let log = answer(dir, &["audit", "log"]);
    let entries = log["entries"].as_array().unwrap();
    let stop = entries.iter().find(|entry| entry["what"].as_str().unwrap().starts_with("shut down: budget"));
    let evidence = &stop.unwrap_or_else(|| panic!("no stop in {log:#}"))["evidence"][0];
    let names = ["0", "1"].map(|index| evidence.pointer(&format!("/series/{index}/name")).unwrap().clone());
    assert_eq!(names, [Value::from("error_rate over 20s"), Value::from("error_rate over 6s")]);
    assert!(evidence["series"][0]["query"].as_str().unwrap().contains("[20s]"), "{evidence:#}");
    assert!(evidence["threshold"].as_str().unwrap().contains("over 20s and over 6s > 20%"), "{evidence:#}");
    assert_eq!(answer(dir, &["audit", "replay"])["same"], true);
}
