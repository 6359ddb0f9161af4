//! A change is proposed and checked, and never written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::kit::{BOTH, Session, answer, started};

fn files(dir: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let about = entry.metadata().unwrap();
            match about.is_dir() {
                true => folders.push(entry.path()),
                // what was asked is recorded there
                false if entry.path().to_string_lossy().contains("journal.db") => {}
                false => found.push((entry.path(), about.len(), about.modified().unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_proposed_text_is_checked_as_if_it_stood_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    let before = files(dir);
    let release = |spec: &str| {
        format!("apiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: new-search }}\nspec: {spec}\n")
    };
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let mut findings = |file: &str, text: &str| -> Vec<Value> {
            let told = session.given("validate", json!({ "file": file, "text": text }));
            told["findings"].as_array().unwrap().clone()
        };
        let documents = answer(dir, &["validate"])["documents"].as_u64().unwrap();
        assert!(
            findings("flagstaff/search.yaml", &release("{ flag: new-search }"))
                .iter()
                .all(|one| one["severity"] != "error")
        );
        let wrong = findings("flagstaff/search.yaml", &release("{ flga: new-search, template: nope }"));
        let error = wrong.iter().find(|one| one["marked"] == "flga").unwrap();
        assert_eq!((&error["file"], &error["line"]), (&json!("flagstaff/search.yaml"), &json!(4)), "{wrong:#?}");
        // a change to a file that is there takes its place, and what it breaks elsewhere is told
        let emptied = findings("flagstaff/releases.yaml", &release("{}"));
        assert!(emptied.iter().any(|one| one["severity"] == "error"), "a template that is gone: {emptied:#?}");
        let project = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
        assert!(
            findings("flagstaff.yaml", &project.replace("  environments:\n", "  environment:\n"))
                .iter()
                .any(|one| one["file"] == "flagstaff.yaml")
        );
        assert!(findings("flagstaff/search.yaml", "\0").iter().any(|one| one["code"] == "file"));
        let told = session.given("validate", json!({ "file": "x.flagstaff.yaml", "text": release("{}") }));
        assert_eq!(told["documents"], documents + 1);
        for odd in [
            "../flagstaff.yaml",
            "flagstaff/../x.yaml",
            "/etc/passwd",
            "flagstaff/x.txt",
            "x.yaml",
            "",
            "flagstaff/",
            "flagstaff//x.yaml",
        ] {
            let error = session.refused("validate", json!({ "file": odd, "text": "" }));
            assert!(error["message"].as_str().unwrap().contains("no document is read from there"), "{odd}: {error:#}");
        }
        session.end();
    }
    assert_eq!(files(dir), before, "nothing is written");
}

#[test]
fn many_findings_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let text: String = (0..6)
            .map(|one| {
                let odd: String = (0..50)
                    .map(|n| {
                        format!(
                            "odd{n}: 1
"
                        )
                    })
                    .collect();
                format!(
                    "---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: odd{one} }}
spec: {{}}
{odd}"
                )
            })
            .collect();
        let told = session.given("validate", json!({ "file": "flagstaff/odd.yaml", "text": text }));
        assert_eq!(told["findings"].as_array().unwrap().len(), 100);
        assert!(told["left_out"].as_u64().unwrap() >= 200, "{}", told["left_out"]);
        session.end();
    }
}
