//! `validate --live`: every query once, at a real Prometheus, at a page, and at what answers otherwise.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::prometheus::serve_page;
use crate::support::schema::check;
use crate::support::server::{Fake, Reply};

/// A page whose counters grow, for some variants of a flag.
fn page(variants: &'static [&'static str]) -> Fake {
    let count = AtomicU64::new(0);
    Fake::serve(move |_| {
        let grown = 10 * count.fetch_add(1, Ordering::SeqCst);
        let mut page = String::new();
        for variant in variants {
            let labels = format!("env=\"a\",flag=\"r\",variant=\"{variant}\"");
            let mut add =
                |name: &str, more: &str, value: u64| page.push_str(&format!("{name}{{{labels}{more}}} {value}\n"));
            add("requests_total", "", grown);
            add("failed_total", "", 2 * grown);
            for (name, bounds) in [("took_seconds", ["0.5", "1.0", "+Inf"]), ("took_ms", ["1000", "5000", "+Inf"])] {
                for (part, bound) in [0, grown, grown].into_iter().zip(bounds) {
                    add(&format!("{name}_bucket"), &format!(",le=\"{bound}\""), part);
                }
                add(&format!("{name}_count"), "", grown);
            }
            for pod in ["a", "b"] {
                add("queue", &format!(",pod=\"{pod}\""), 1);
            }
        }
        Reply::with(page)
    })
}

const PROJECT: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: live }
spec:
  sources:
    it: { SOURCE, arms: { flag: flag, variant: variant } }
    quick: { QUICK, arms: { flag: flag, variant: variant } }
  environments:
    here: { backend: { flagd: { path: flags.json } }, source: it, policy: web, match: { env: a } }
    there: { backend: { flagd: { path: others.json } }, source: quick, policy: narrow, match: { env: b } }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: standard }
spec: { stages: [ { name: half, percentage: 50%, bake: 1h } ] }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: narrow }
spec:
  every: 2s
  window: 2s
  metrics: { share: { ratio: { of: requests_total, over: requests_total } } }
  healthy: [ "share <= 50%" ]
  safeguards: [ { name: s, when: "share > 60%", then: pause } ]
  no_data: { after: 1m, then: pause }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 2s
  window: 6s
  metrics:
METRICS
  healthy: [ CONDITIONS ]
  safeguards: [ { name: s, when: "fine > 100000", then: pause } ]
  no_data: { after: 1m, then: pause }
"#;

const METRICS: &[(&str, &str, &str)] = &[
    ("fine", "count: requests_total", "fine < 1000000"),
    ("share", "ratio: { of: failed_total, over: requests_total }", "share < 50%"),
    ("latency", "quantile: { q: 0.99, of: took_seconds }", "latency < 700ms"),
    ("exact", "quantile: { q: 0.99, of: took_seconds }", "exact < 1s"),
    ("over", "slow: { bound: 700ms, of: took_seconds }", "over < 50%"),
    ("milli", "quantile: { q: 0.5, of: took_ms }", "milli < 1000s"),
    ("queue", "query: 'queue{ {{ match }} }', unit: number", "queue < 5"),
    ("nothing", "count: nothing_total", "nothing < 5"),
];

fn project(dir: &Path, source: &str, quick: &str, metrics: &[&str]) {
    let used = METRICS.iter().filter(|(name, ..)| metrics.contains(name));
    let lines: Vec<String> = used.clone().map(|(name, form, _)| format!("    {name}: {{ {form} }}")).collect();
    let conditions: Vec<String> = used.map(|(.., condition)| format!("\"{condition}\"")).collect();
    let text = PROJECT.replace("SOURCE", source).replace("QUICK", quick);
    let text = text.replace("METRICS", &lines.join("\n")).replace("CONDITIONS", &conditions.join(", "));
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

fn run(dir: &Path, args: &[&str]) -> (Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.args(args).args(["validate", "--live", "-o", "json"]).current_dir(dir).env_remove("FLAGSTAFF_DIR");
    let done = command.output().unwrap();
    let out = String::from_utf8_lossy(&done.stdout);
    let answer: Value =
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}\n{}", String::from_utf8_lossy(&done.stderr)));
    assert_eq!(check(&answer), "findings");
    (answer, done.status.code().unwrap())
}

/// `code severity marked`, of what was found live.
fn told(answer: &Value) -> Vec<String> {
    let findings = answer["findings"].as_array().unwrap().iter();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let line = |finding: &Value| {
        format!("{} {} {}", word(finding, "code"), word(finding, "severity"), word(finding, "marked"))
    };
    let mut told: Vec<String> =
        findings.filter(|finding| word(finding, "code").starts_with("live-")).map(line).collect();
    told.sort();
    told
}

/// Asks again until what is said is what is waited for: a server needs a few scrapes.
fn until(dir: &Path, args: &[&str], wanted: &[&str]) -> (Value, i32) {
    let mut last = Value::Null;
    for _ in 0..100 {
        let (answer, code) = run(dir, args);
        if told(&answer) == wanted {
            return (answer, code);
        }
        last = answer;
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("{wanted:#?} is not what is told:\n{last:#}");
}

const ALL: &[&str] = &["fine", "share", "latency", "exact", "over", "milli", "queue", "nothing"];

#[test]
fn a_real_prometheus_is_asked_and_what_it_says_is_told_at_its_metric() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), page(&["on", "off"]));
    let server = serve_page(dir, &page.url);
    let source = |every: &str| format!("prometheus: {{ url: \"{}\", scrape_every: {every} }}", server.url);
    project(dir, &source("1s"), &source("500ms"), ALL);
    let here = [
        "live-bounds error over",
        "live-bounds warning latency",
        "live-missing error nothing",
        "live-several error queue{ {{ match }} }",
        "live-unit error share",
        "live-unit warning milli",
    ];
    let (answer, code) = until(dir, &["-e", "here"], &here);
    assert_eq!(code, 3);
    assert_eq!(answer["live"]["queries"], 7, "two metrics are one query");
    let message = |code: &str, marked: &str| {
        let found =
            answer["findings"].as_array().unwrap().iter().find(|it| it["code"] == code && it["marked"] == marked);
        found.unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert!(message("live-bounds", "latency").contains("the nearest are 0.5 s and 1 s"));
    assert!(message("live-missing", "nothing").contains("no metric `nothing_total`"));
    assert!(message("live-unit", "share").contains("r@here"));

    // two seconds have two scrapes of a second, whatever the documents say
    let (_, code) = until(dir, &["-e", "there"], &["live-window error 2s"]);
    assert_eq!(code, 3);

    project(dir, &source("1s"), &source("1s"), &["fine", "exact"]);
    let (_, code) = until(dir, &["-e", "here"], &[]);
    assert_eq!(code, 3, "a window of two seconds is too short for scrapes of one, which the documents themselves say");
    let text = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
    fs::write(dir.join("flagstaff.yaml"), text.replace("window: 2s", "window: 4s")).unwrap();
    assert_eq!(until(dir, &["-e", "here"], &[]).1, 0);
    assert!(!dir.join(".flagstaff").exists(), "nothing is made");
    let mut nowhere = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    nowhere.args(["-e", "nowhere", "validate", "--live"]);
    let nowhere = nowhere.current_dir(dir).env_remove("FLAGSTAFF_DIR").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(64), "nothing asked is not all well");
}

#[test]
fn while_nobody_is_exposed_whoever_there_is_tells_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), page(&["off"]));
    let server = serve_page(dir, &page.url);
    let source = format!("prometheus: {{ url: \"{}\", scrape_every: 1s }}", server.url);
    project(dir, &source, &source, &["fine", "share", "exact", "queue"]);
    until(dir, &["-e", "here"], &["live-unit error share"]);
}

#[test]
fn a_page_tells_what_is_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), page(&["on"]));
    let source = format!("scrape: {{ targets: [\"{}/metrics\"], every: 1s }}", page.url);
    project(dir, &source, &source, &["fine", "share", "latency", "over", "nothing"]);
    let wanted = ["live-bounds warning latency", "live-bounds warning over", "live-missing error nothing"];
    assert_eq!(told(&run(dir, &["-e", "here"]).0), wanted);
}

#[test]
fn what_is_old_is_told_and_what_is_not_there_ends_with_5() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let stale = Fake::serve(|asked| {
        let query = asked.field("query");
        let value = if query.starts_with("time() - ") { "120" } else { "0.1" };
        let at: f64 = asked.field("time").parse().unwrap_or(1.0);
        Reply::with(
            serde_json::json!({ "status": "success", "data": { "resultType": "vector", "result":
                [{ "metric": {}, "value": [at, value] }] } })
            .to_string(),
        )
    });
    let source = format!("prometheus: {{ url: \"{}\", scrape_every: 1s }}", stale.url);
    let nobody = "prometheus: { url: \"http://127.0.0.1:9\", scrape_every: 500ms }";
    project(dir, &source, nobody, &["fine"]);
    let (answer, code) = run(dir, &["-e", "here"]);
    assert_eq!((told(&answer), code), (vec!["live-stale error fine".to_owned()], 3));
    let (answer, code) = run(dir, &["-e", "there"]);
    assert_eq!((told(&answer), code), (Vec::new(), 5), "{answer:#}");
    let unreachable = &answer["live"]["unreachable"][0];
    assert_eq!((&unreachable["source"], &unreachable["place"]), (&"quick".into(), &"http://127.0.0.1:9".into()));
    // both at once: documents that are wrong go before what cannot be reached
    let (answer, code) = run(dir, &[]);
    assert_eq!((told(&answer).len(), code, answer["live"]["unreachable"].as_array().unwrap().len()), (1, 3, 1));
}
