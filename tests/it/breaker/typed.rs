//! The breaker with the real binary, a page that it reads itself and a flag file: what is typed, and what people are told.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::cli::{ends, json};
use crate::support::page::Page;

const NAMES: [&str; 7] = ["r0", "r1", "r2", "r3", "r4", "r5", "r6"];

fn project(dir: &Path, page: &Page, breaker: &str) {
    let release = |name: &&str| {
        format!("---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{}}\n")
    };
    let releases: String = NAMES.iter().map(release).collect();
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: shop }}
spec:
  sources:
    app:
      scrape: {{ targets: ["{}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {{ flagd: {{ path: flags.json }} }}, protected: true }}
  {breaker}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: slow }}
spec: {{ stages: [ {{ name: half, percentage: 50%, bake: 10m }}, {{ name: most, percentage: 90%, bake: 10m }} ] }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 1s
  window: 800ms
  presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code="500"' }} }}
  metrics:
    crashes:
      scope: service
      ratio: {{ of: 'http_request_duration_seconds_count{{code="500"}}', over: http_request_duration_seconds_count }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {{ name: crash, when: "crashes > 5%", for: 1s, then: shutdown }} ]
  no_data: {{ after: 1h, then: pause }}
{releases}"#,
        page.url
    );
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

fn off(dir: &Path) -> usize {
    let file: Value = serde_json::from_str(&fs::read_to_string(dir.join("flags.json")).unwrap()).unwrap();
    NAMES.iter().filter(|name| file["flags"][**name]["defaultVariant"] == "off").count()
        - NAMES.iter().filter(|name| file["flags"][**name].get("targeting").is_some()).count()
}

/// All are started, and driven through a breach that all of them share. Returns how `run` ended.
fn breached(dir: &Path, page: &Page) -> Option<i32> {
    for name in NAMES {
        ends(dir, &["start", name, "--reason", "a test", "--confirm", name], 0);
    }
    let mut run = Command::new(env!("CARGO_BIN_EXE_flagstaff"))
        .args(["run", "-e", "here", "-o", "jsonl"])
        .args(NAMES)
        .current_dir(dir)
        .env_remove("FLAGSTAFF_DIR")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    page.failing.store(true, Ordering::SeqCst);
    let out = BufReader::new(run.stdout.take().unwrap());
    // it ends by itself: a rollout that waits for a person hangs no pipeline
    out.lines().map_while(Result::ok).for_each(drop);
    run.wait().unwrap().code()
}

#[test]
fn a_trip_is_told_with_what_to_do_and_one_word_undoes_it() {
    let (folder, page) = (tempfile::tempdir().unwrap(), Page::serve(&NAMES));
    let dir = folder.path();
    project(dir, &page, "breaker: { share: 30%, least: 5 }");
    assert_eq!(breached(dir, &page), Some(7), "a person is needed");
    assert_eq!(off(dir), 0);
    let said = "shutdown held back by the breaker: 7 of 7 rollouts (100%, more than 30%) on one query, crashes of app";
    let status = ends(dir, &["status"], 0).out;
    let flat = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("cause: crash paused 7 rollouts in here"), "{status}");
    assert!(flat.contains("the breaker held back that it shuts down 7 of them: they are still ON"), "{status}");
    assert!(flat.contains("flagstaff abort --all -e here"), "{status}");
    assert!(flat.contains("flagstaff resume --all --cause crash -e here"), "{status}");
    let rows = json(dir, &["status"], 0);
    assert_eq!(rows["rollouts"][0]["held_back"][0], format!("crash: {said}"), "{rows:#}");
    assert_eq!(rows["rollouts"][0]["causes"][0], "crash");
    let explain = ends(dir, &["explain", "r3"], 0).out;
    assert!(explain.contains(&format!("paused by crash ({said})")), "{explain}");
    assert!(explain.contains("flagstaff abort --all -e here"), "{explain}");
    let watch = ends(dir, &["watch", "r3"], 7);
    assert!(watch.both().contains("held back by the breaker"), "{}", watch.both());
    let log = ends(dir, &["audit", "log", "r3"], 0).out;
    assert!(log.contains(said) && log.contains("crashes > 5%"), "{log}");
    ends(dir, &["audit", "verify"], 0);
    ends(dir, &["audit", "replay"], 0);

    page.failing.store(false, Ordering::SeqCst);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let resume = ["resume", "--all", "--cause", "crash", "-e", "here", "--reason", "the cause is gone"];
    // one undo for one cause, and it asks as every growth does
    ends(dir, &resume, 64);
    ends(dir, &[&resume[..], &["--confirm", "crash"]].concat(), 0);
    let rows = json(dir, &["status"], 0);
    let rollouts = rows["rollouts"].as_array().unwrap();
    let runs = |row: &&Value| row["state"] == "running" && row["held_back"] == serde_json::json!([]);
    assert_eq!(rollouts.iter().filter(runs).count(), 7, "{rows:#}");
    ends(dir, &["audit", "replay"], 0);
    // people are exempt
    ends(dir, &["abort", "--all", "-e", "here"], 0);
    assert_eq!(off(dir), 7);
}

#[test]
fn without_it_and_below_what_it_says_all_are_shut_down() {
    for breaker in ["", "breaker: { share: 30%, least: 8 }"] {
        let (folder, page) = (tempfile::tempdir().unwrap(), Page::serve(&NAMES));
        project(folder.path(), &page, breaker);
        assert_eq!(breached(folder.path(), &page), Some(6), "`{breaker}`");
        assert_eq!(off(folder.path()), 7, "`{breaker}`");
        ends(folder.path(), &["audit", "replay"], 0);
    }
}

#[test]
fn a_breaker_that_cannot_be_meant_is_refused_where_it_stands() {
    let (folder, page) = (tempfile::tempdir().unwrap(), Page::serve(&NAMES));
    for (breaker, said) in [
        ("breaker: { share: 0% }", "would hold back every shutdown"),
        ("breaker: { share: 100% }", "never trips"),
        ("breaker: { share: 30%, least: 1 }", "shares nothing"),
        ("breaker: { least: 5 }", "`share`"),
        ("breaker: { share: 30 }", "is no percentage"),
        ("breaker: { share: 30%, most: 5 }", "most"),
    ] {
        project(folder.path(), &page, breaker);
        let answer = ends(folder.path(), &["validate"], 3);
        assert!(answer.both().contains(said), "{breaker}: {}", answer.both());
        assert!(answer.both().contains("flagstaff.yaml:11:"), "{breaker}: {}", answer.both());
    }
    project(folder.path(), &page, "breaker: { share: 12.5% }");
    ends(folder.path(), &["validate"], 0);
    assert!(ends(folder.path(), &["help", "breaker"], 0).out.contains("share: 30%"));
}
