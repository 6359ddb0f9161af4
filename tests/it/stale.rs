//! `stale`: which flags can go, by what documents, journal and backends say.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{ends, json};
use crate::support::page::Page;

const DOCUMENTS: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: stale }
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
    - { name: everyone, percentage: 100%, bake: 1s }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 800ms
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "p99 < 10s" ]
  safeguards: [ { name: errors, when: "error_rate > 90%", for: 1s, then: shutdown } ]
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
"#;

fn flag_document(dir: &Path, more: &str) {
    let text = format!(
        "apiVersion: flagstaff/v1\nkind: Flag\nmetadata: {{ name: r }}\nspec: {{ owner: \"pay|ments\", {more} }}\n"
    );
    fs::create_dir_all(dir.join("flagstaff")).unwrap();
    fs::write(dir.join("flagstaff/flags.yaml"), text).unwrap();
}

fn row(dir: &Path, words: &[&str]) -> Value {
    let answer = json(dir, &[&["stale"], words].concat(), 0);
    assert_eq!(answer["flags"].as_array().unwrap().len(), 1, "{answer}");
    answer["flags"][0].clone()
}

fn is(row: &Value, life: &str, verdict: &str, value: Value, why: &str) {
    assert_eq!((&row["life"], &row["verdict"], &row["value"]), (&life.into(), &verdict.into(), &value), "{row}");
    assert!(row["reasons"].as_array().unwrap().iter().any(|reason| reason.as_str().unwrap().contains(why)), "{row}");
}

#[test]
fn a_release_that_completed_leads_to_its_removal() {
    let (folder, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    let dir = folder.path();
    fs::write(dir.join("flagstaff.yaml"), DOCUMENTS.replace("PAGE", &page.url)).unwrap();
    is(&row(dir, &[]), "defined", "keep", Value::Null, "here: never started");
    ends(dir, &["stale", "--fail-on", "blocked"], 0);
    let toned = ends(dir, &["stale", "--color", "always"], 0).out;
    assert!(toned.starts_with("FLAG  VERDICT") && toned.contains("\u{1b}["), "its verdict has a tone: {toned:?}");

    ends(dir, &["start", "r"], 0);
    is(&row(dir, &[]), "releasing", "keep", Value::Null, "here: on its way, for 10%");
    ends(dir, &["run", "r"], 0);
    let done = row(dir, &[]);
    is(&done, "completed", "candidate", true.into(), "ready after 7d");
    assert_eq!((&done["environments"][0]["exposure"], &done["releases"][0]), (&"everybody".into(), &"r".into()));
    ends(dir, &["stale", "--fail-on", "ready"], 0);
    is(&row(dir, &["--after", "0s"]), "completed", "ready", true.into(), "everybody has it everywhere");
    ends(dir, &["stale", "--after", "0s", "--fail-on", "ready"], 1);
    let told = ends(dir, &["stale", "--after", "0s"], 0);
    assert!(told.out.contains("ready") && told.err.contains("r: code can go by true"), "{}{}", told.out, told.err);

    // reports
    flag_document(dir, "type: release");
    let markdown = ends(dir, &["stale", "--after", "0s", "--report", "markdown"], 0).out;
    assert!(markdown.contains("| r | ready | completed | pay\\|ments | everybody has it"), "{markdown}");
    let sarif = ends(dir, &["stale", "--after", "0s", "--report", "sarif"], 0).out;
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let found = &sarif["runs"][0]["results"][0];
    assert_eq!((&sarif["version"], &found["ruleId"]), (&"2.1.0".into(), &"flag-ready".into()));
    let at = &found["locations"][0]["physicalLocation"];
    assert_eq!(
        (&at["artifactLocation"]["uri"], &at["region"]["startLine"]),
        (&"flagstaff/flags.yaml".into(), &3.into())
    );
    ends(dir, &["stale", "--report", "sarif", "-o", "json"], 64);

    // what stays
    flag_document(dir, "type: kill-switch");
    is(&row(dir, &["--after", "0s"]), "completed", "keep", true.into(), "a flag of type kill-switch stays");
    fs::remove_file(dir.join("flagstaff/flags.yaml")).unwrap();

    // who waits for it
    let waits = "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: s }\nspec: { after: [ { release: r, completed: true } ] }\n";
    fs::write(dir.join("flagstaff/s.yaml"), waits).unwrap();
    let both = json(dir, &["stale", "--after", "0s", "--fail-on", "blocked"], 1);
    is(&both["flags"][0], "completed", "blocked", true.into(), "release s waits for it");
    assert_eq!(both["flags"][1]["verdict"], "keep");
    fs::remove_file(dir.join("flagstaff/s.yaml")).unwrap();

    // somebody changed it at the backend: what everybody gets is not what the journal says
    let flags = dir.join("flags.json");
    let mut file: Value = serde_json::from_str(&fs::read_to_string(&flags).unwrap()).unwrap();
    file["flags"]["r"]["defaultVariant"] = "off".into();
    file["flags"]["r"].as_object_mut().unwrap().remove("targeting");
    fs::write(&flags, serde_json::to_string_pretty(&file).unwrap()).unwrap();
    is(&row(dir, &["--after", "0s"]), "completed", "blocked", true.into(), "here serves");
}

#[test]
fn what_was_stopped_goes_with_the_other_value() {
    let (folder, page) = (tempfile::tempdir().unwrap(), Page::serve(&["r"]));
    let dir = folder.path();
    fs::write(dir.join("flagstaff.yaml"), DOCUMENTS.replace("PAGE", &page.url)).unwrap();
    ends(dir, &["start", "r"], 0);
    ends(dir, &["abort", "r"], 0);
    is(&row(dir, &["--after", "0s"]), "off", "ready", false.into(), "it is off everywhere");
}

#[test]
fn wrong_documents_are_no_ground_for_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::write(dir.join("flagstaff.yaml"), DOCUMENTS.replace("PAGE", "http://127.0.0.1:9/metrics")).unwrap();
    flag_document(dir, "type: kill-swich");
    assert_eq!(json(dir, &["stale"], 3)["findings"][0]["code"], "flag-type");
}
