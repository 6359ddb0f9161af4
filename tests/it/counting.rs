//! Rules with a promise, proofs and rules that only observe, through the commands: on pages that are read, as people see it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::support::page::Page;
use crate::support::schema::check;

fn project(dir: &Path, page: &Page) {
    let text = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: counting }
spec:
  sources:
    app:
      scrape: { targets: ["PAGE"], every: 200ms }
      arms: { flag: flag, variant: variant }
  environments:
    here: { backend: { flagd: { path: flags.json } } }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: steps }
spec:
  stages:
    - { name: tenth, percentage: 10%, bake: 1s }
    - { name: half, percentage: 50%, bake: 10m }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 800ms
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "error_rate < 1% at 95% confidence" ]
  safeguards:
    - { name: errors, when: "error_rate > 5%", false_alarms: { max: 5%, per: 24h }, catches: 20%, then: shutdown }
    - { name: slow, when: "slow(100ms) > 5%", false_alarms: { max: 5%, per: 24h }, catches: 20%, then: pause }
    - { name: blame, when: "error_rate > 1.5 * baseline(error_rate)", false_alarms: { max: 5%, per: 24h }, catches: 3x, observe: true, then: pause }
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
"#;
    fs::write(dir.join("flagstaff.yaml"), text.replace("PAGE", &page.url)).unwrap();
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").env("FLAGSTAFF_ACTOR", "ana@acme.example");
    command.stdin(Stdio::null());
    command
}

fn flagstaff(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

fn answer(dir: &Path, args: &[&str]) -> Value {
    let done = flagstaff(dir, &[args, &["-o", "json"]].concat());
    let out = String::from_utf8_lossy(&done.stdout).into_owned();
    let answer = serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{args:?}: {error}\n{out}\n{}", String::from_utf8_lossy(&done.stderr)));
    check(&answer);
    answer
}

fn text(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(flagstaff(dir, args).stdout).unwrap()
}

#[test]
fn what_is_counted_proves_stops_and_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), Page::serve(&["r"]));
    project(dir, &page);
    assert_eq!(flagstaff(dir, &["validate"]).status.code(), Some(0));
    let plan = text(dir, &["plan", "r"]);
    assert!(plan.contains("false alarms at most 5% in 1d, catches 20%"), "{plan}");
    assert!(plan.contains("only recorded: would pause"), "{plan}");

    assert_eq!(flagstaff(dir, &["start", "r", "-e", "here"]).status.code(), Some(0));
    let before = text(dir, &["explain", "r"]);
    assert!(before.contains("not proven yet: error_rate < 1% at 95% confidence (0 of 0 failed so far"), "{before}");
    let mut run =
        command(dir, &["run", "r", "-e", "here"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    let explained = loop {
        let explained = answer(dir, &["explain", "r"]);
        if explained["stage"] == "half" && explained["evidence"].as_array().is_some_and(|rows| rows.len() == 3) {
            break explained;
        }
        looks += 1;
        assert!(looks < 200, "it was not proven: {explained:#}");
        std::thread::sleep(Duration::from_millis(300));
    };
    let row = &explained["evidence"][0];
    assert_eq!(
        (&row["rule"], &row["number"], &row["threshold"]),
        (&"errors".into(), &"0".into(), &"14.3624752284".into())
    );
    let names: Vec<&str> =
        explained["values"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.contains(&"error_rate") && !names.iter().any(|name| name.contains('.')), "{names:?}");
    let explained = text(dir, &["explain", "r"]);
    assert!(explained.contains("errors  evidence 0 of 14.36"), "{explained}");

    page.failing.store(true, Ordering::SeqCst);
    assert_eq!(run.wait().unwrap().code(), Some(6));
    let log = answer(dir, &["audit", "log"]);
    let entries = log["entries"].as_array().unwrap();
    let find = |what: &str| {
        let found = entries.iter().find(|entry| entry["what"].as_str().is_some_and(|text| text.starts_with(what)));
        found.unwrap_or_else(|| panic!("no `{what}` in {log:#}"))
    };
    let proven = &find("advancing to half")["evidence"][0]["series"];
    assert_eq!(proven[0]["name"], "error_rate.failed over the bake");
    assert_eq!(proven[0]["value"], "0");
    let stopped = find("shut down: errors (error_rate > 5%): evidence ");
    let counted = &stopped["evidence"][0]["counted"];
    let number = |key: &str| counted[key].as_str().unwrap().parse::<f64>().unwrap();
    assert!(number("number") >= number("threshold") && number("before") < number("threshold"), "{counted:#}");
    let query = stopped["evidence"][0]["series"][0]["query"].as_str().unwrap();
    assert!(query.contains("offset 1s"), "{query}");
    let observed = find("only observed, would pause: blame");
    assert_eq!(observed["evidence"][0]["series"].as_array().unwrap().len(), 4);
    let told = text(dir, &["audit", "log"]);
    assert!(told.contains("fires at 14.3624752284"), "{told}");
    assert_eq!(answer(dir, &["audit", "replay"])["same"], true);
}
