//! `serve --apply`: what documents declare is made, off; what goes wrong with that keeps nothing from being driven.

use std::fs;

use serde_json::Value;

use super::kit::{FLAG_FILE, FLAGS, Serve, flagstaff, is_off, project, status, until};
use crate::support::page::Page;

#[test]
fn flags_are_made_off_when_documents_have_changed_and_failing_to_stops_no_driving() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let page = Page::serve(FLAGS);
    project(dir, &page, FLAG_FILE, "");
    let serve = Serve::start(dir, &["--apply"]);
    let applied = serve.told("applied");
    assert!(applied["done"].as_str().is_some_and(|done| done.starts_with("created ")), "{applied}");
    for flag in ["r", "flag-of-s", "q"] {
        assert!(is_off(dir, flag), "{flag} is made, and reaches nobody");
    }
    assert_eq!(status(dir, "r"), Value::Null, "nothing is started");
    // documents that cannot be applied: what runs is driven all the same
    assert!(flagstaff(dir, &["start", "r", "-e", "here"]).status.success());
    let broken = dir.join("more.flagstaff.yaml");
    fs::write(
        &broken,
        "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: t }\nspec: { template: quick, flga: x }\n",
    )
    .unwrap();
    let failed = serve.told("not-applied");
    assert!(failed["why"].as_str().is_some_and(|why| why.contains("more.flagstaff.yaml:4:")), "{failed}");
    until("it is driven on", || (status(dir, "r")["stage"] == "half").then_some(()));
    assert_eq!(serve.metric("flagstaff_applies_total{result=\"failed\"}"), Some(1.0));
    let whole = "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: t }\nspec: { template: quick }\n";
    fs::write(&broken, whole).unwrap();
    until("the new flag is made", || {
        let text = fs::read_to_string(dir.join("flags.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["flags"].get("t").is_some().then_some(())
    });
    assert!(is_off(dir, "t") && !is_off(dir, "r"), "it is made for nobody, and the other one stays as it is");
    let log = String::from_utf8(flagstaff(dir, &["audit", "log"]).stdout).unwrap();
    assert!(log.contains("created t@here") && log.contains("serve --apply"), "{log}");
    assert_eq!(serve.end("-TERM"), Some(0));
}
