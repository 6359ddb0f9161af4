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

/// Half of the requests of the page are of the exposed group: at 10% too many, and at 50% as it should be.
#[test]
fn a_split_that_is_not_as_configured_holds_and_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), Page::serve(&["r"]));
    project(dir, &page);
    let text_of = |path: &Path| fs::read_to_string(path).unwrap();
    let ratio = "  sample_ratio: { within: 20%, false_alarms: { max: 1%, per: 24h }, cluster: 2 }\n  no_data:";
    let written = text_of(&dir.join("flagstaff.yaml"));
    // nothing else keeps the first stage from being left for long
    let written =
        written.replace("  no_data:", ratio).replace(" at 95% confidence", "").replace("bake: 1s", "bake: 30s");
    fs::write(dir.join("flagstaff.yaml"), written).unwrap();
    let validated = flagstaff(dir, &["validate"]);
    assert_eq!(validated.status.code(), Some(0), "{}", String::from_utf8_lossy(&validated.stderr));
    let plan = text(dir, &["plan", "r"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "sample_ratio requests split as configured, within 20% at 10%, 50%, false alarms at most 1% in 1d, in \
                clusters of 2: hold";
    assert!(plan.contains(said), "{plan}");

    assert_eq!(flagstaff(dir, &["start", "r", "-e", "here"]).status.code(), Some(0));
    let mut run = command(dir, &["run", "r", "-e", "here", "--stay"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let look = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        for _ in 0..200 {
            let explained = answer(dir, &["explain", "r"]);
            if wanted(&explained) {
                return explained;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        panic!("{what}: {:#}", answer(dir, &["explain", "r"]));
    };
    let missing = |explained: &Value, what: &str| {
        explained["missing"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().starts_with(what))
    };
    let held = look("not found", &|explained| missing(explained, "sample_ratio: too many are exposed, 50.00% of "));
    assert_eq!(held["stage"], "tenth");
    let counted = |explained: &Value| {
        let mut rows = explained["evidence"].as_array().unwrap().iter();
        rows.find(|row| row["rule"] == "sample_ratio").cloned().unwrap_or_else(|| panic!("{explained:#}"))
    };
    let row = counted(&held);
    assert_eq!(row["number"], row["threshold"]);

    // a person goes on: where half are to be exposed, half are
    let forced = flagstaff(dir, &["force", "r", "-e", "here", "--to", "half"]);
    assert_eq!(forced.status.code(), Some(0), "{}", String::from_utf8_lossy(&forced.stderr));
    let well = look("does not bake", &|explained| {
        explained["stage"] == "half" && !missing(explained, "settling") && missing(explained, "baked 3 of ")
    });
    assert_eq!((counted(&well)["number"].as_str(), missing(&well, "sample_ratio")), (Some("0"), false));
    assert_eq!(flagstaff(dir, &["abort", "r"]).status.code(), Some(0));
    let _ = run.wait();

    let log = answer(dir, &["audit", "log"]);
    let entries = log["entries"].as_array().unwrap();
    let found = entries.iter().find(|entry| {
        entry["what"]
            .as_str()
            .unwrap()
            .starts_with("held: sample_ratio (requests split as configured, within 20%): too many")
    });
    let evidence = &found.unwrap_or_else(|| panic!("not in {log:#}"))["evidence"][0];
    let names: Vec<&str> =
        evidence["series"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["requests", "baseline(requests)"]);
    assert_eq!(evidence["counted"]["number"], evidence["counted"]["threshold"]);
    assert_eq!(answer(dir, &["audit", "replay"])["same"], true);
}
