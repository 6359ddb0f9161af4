//! All kinds of document are read, with all that can be written in them; what is broken keeps to itself.

use flagstaff::engine::plan::{Arm, Form, Query};
use flagstaff::spec::documents::Body;
use flagstaff::spec::{self, Loaded};

use super::{example_files, project_dir, told};

/// Loads the example with changes, and with one file more.
fn loaded(changes: &[(&str, &str)], more: &str) -> (Loaded, tempfile::TempDir) {
    let mut files = example_files();
    for (from, to) in changes {
        assert!(files.iter().any(|(_, text)| text.contains(from)), "the example has no `{from}`");
        files.iter_mut().for_each(|(_, text)| *text = text.replace(from, to));
    }
    files.push(("more/more.yaml".to_owned(), more.to_owned()));
    files.push(("more.flagstaff.yaml".to_owned(), more.to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let keep =
        if changes.iter().any(|(_, to)| to.contains("include")) { "more.flagstaff.yaml" } else { "more/more.yaml" };
    let files: Vec<(&str, &str)> = files.into_iter().filter(|(name, _)| *name != keep).collect();
    let dir = project_dir(&files);
    (spec::load(dir.path()), dir)
}

const RELEASE: &str =
    "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: behind }\nspec: { match: { service: b } }\n";

#[test]
fn a_flag_is_read() {
    let flag = "apiVersion: flagstaff/v1\nkind: Flag\nmetadata: { name: search, labels: { team: search } }\nspec:\n  key: \
                search-2026\n  type: release\n  description: a new order of results\n  owner: search@acme.example\n  \
                expected_lifetime: 40d\n  project: default\n";
    let (found, _dir) = loaded(&[], flag);
    assert_eq!(told(&found), Vec::<String>::new());
    let flags = found.documents.iter().filter_map(|document| match &document.body {
        Body::Flag(flag) => Some((flag.key.value.as_str(), flag.kind.as_ref().map(|kind| kind.value.as_str()))),
        _ => None,
    });
    assert_eq!(flags.collect::<Vec<_>>(), [("search-2026", Some("release"))]);
    let (wrong, _dir) = loaded(&[], &flag.replace("type: release", "type: relaese"));
    assert!(told(&wrong)[0].starts_with("more.flagstaff.yaml:6:9 flag-type `relaese`"), "{:?}", told(&wrong));
}

fn error_rate(found: &Loaded) -> Query {
    let plan = found.plan("search-rank", "production").map_err(|_| told(found)).expect("a plan").plan;
    plan.series.into_iter().find(|series| series.name == "error_rate").expect("the series").query
}

#[test]
fn presets_are_expanded() {
    for (preset, metric, label) in [
        ("otel", "http_server_request_duration_seconds_count", "http_response_status_code"),
        ("prometheus", "http_request_duration_seconds_count", "code"),
        ("{ duration: web_seconds, failed: 'status=~\"5..\"' }", "web_seconds_count", "status"),
    ] {
        let (found, _dir) = loaded(&[("{ http: otel }", &format!("{{ http: {preset} }}"))], RELEASE);
        assert_eq!(told(&found), Vec::<String>::new());
        let Form::Ratio { of, over } = error_rate(&found).form else { panic!("a ratio") };
        assert_eq!((of.metric.as_str(), over.metric.as_str(), of.matchers[0].label.as_str()), (metric, metric, label));
    }
}

#[test]
fn a_metric_of_the_whole_service_is_read() {
    let metric = "checkouts_lost: { scope: service, ratio: { of: checkout_failed_total, over: checkout_total } }";
    let written = "checkouts_lost: { ratio: { of: checkout_failed_total, over: checkout_total } }";
    let (found, _dir) = loaded(&[(written, metric)], RELEASE);
    let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
    let lost = plan.series.iter().find(|series| series.name == "checkouts_lost").expect("the series");
    assert_eq!(lost.arm, Arm::Service);
    assert!(lost.query.matchers.iter().all(|matcher| matcher.label != "feature_flag_key"));
    let approval = plan.stages.iter().find_map(|stage| stage.approval.as_ref()).expect("an approval");
    assert_eq!((approval.people.len(), approval.count), (2, 1));
}

#[test]
fn include_adds_files() {
    let (found, _dir) = loaded(&[("  stickiness:", "  include: [ \"more/**\" ]\n  stickiness:")], RELEASE);
    assert_eq!(told(&found), Vec::<String>::new());
    assert!(found.plan("behind", "staging").is_ok());
}

#[test]
fn a_document_behind_a_broken_one_is_read() {
    for broken in [
        "a: \"open",
        "a: 'open",
        "a: [",
        "a: {b",
        "}",
        "a: *x",
        "a: &b c",
        "!t x",
        "a: b: c",
        "a:\n  - b\n c",
        "- a\nb: c",
        "%YAML 9.9\n--- a",
        "--- |\n x\ny",
        "? [",
        "@",
        "a: \"\\q\"",
    ] {
        let (found, _dir) = loaded(&[], &format!("{broken}\n---\n{RELEASE}"));
        assert!(found.has_errors(), "{broken}");
        assert!(found.releases().iter().any(|known| known.release == "behind"), "{broken}: {:?}", told(&found));
        assert!(found.plan("behind", "staging").is_ok(), "{broken}");
    }
}

#[test]
fn no_plan_is_made_of_what_could_not_be_read() {
    for (from, to, code) in [
        ("every: 30s", "every: 30", "duration"),
        ("percentage: 10%", "percentage: 10", "percentage"),
        ("ends_with: \"@acme.example\"", "ends_with: [x]", "shape"),
        ("protected: true", "protected: yes", "boolean"),
        ("{ after: 10m, then: pause }", "{ after: 10, then: pause }", "duration"),
        ("flag: search-rank-2026", "flag: [x]", "shape"),
    ] {
        let (found, _dir) = loaded(&[(from, to)], RELEASE);
        let errors = found.plan("search-rank", "production").expect_err(to);
        assert!(errors.iter().any(|finding| finding.code == code), "{to}: {errors:?}");
    }
    // what it does not depend on does not keep it
    let (found, _dir) = loaded(&[("flag: search-rank-2026", "flag: [x]")], RELEASE);
    assert!(found.has_errors() && found.plan("checkout-v2", "production").is_ok());
}
