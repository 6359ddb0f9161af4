//! All kinds of document are read, with all that can be written in them; what is broken keeps to itself.

use flagstaff::engine::condition::Comparison;
use flagstaff::engine::plan::{Arm, Form, Query, Unit};
use flagstaff::engine::{Condition, Decimal, Span, Term};
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

/// What a rule with a promise becomes: counts beside the share, and constants that any machine computes alike.
#[test]
fn a_promise_is_pinned_with_its_counts_and_constants() {
    let written = "when: \"error_rate > 2%\", for: 2m, then: pause";
    let alarms = "false_alarms: { max: 5%, per: 24h }";
    let pinned = |rule: String| {
        let (found, _dir) = loaded(&[(written, &rule)], RELEASE);
        let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
        let rule = plan.rules.iter().find(|rule| rule.name == "errors").expect("the rule").clone();
        let detector = serde_json::to_value(rule.detector.as_ref().expect("a detector")).unwrap();
        let names = |pointer: &str| {
            ["failed", "total"].map(|part| {
                let index = detector.pointer(&format!("{pointer}/{part}")).and_then(|index| index.as_u64()).unwrap();
                plan.series[index as usize].clone()
            })
        };
        let control = detector.pointer("/against/baseline").map(|_| names("/against/baseline/control"));
        (detector.clone(), names("/counts"), control)
    };
    let (detector, [failed, total], _) =
        pinned(format!("when: \"error_rate > 2%\", {alarms}, catches: 5%, then: pause"));
    assert_eq!(detector["threshold"], "10.9612778467");
    let against = &detector["against"]["share"];
    assert_eq!((&against["failure"], &against["success"]), (&"0.916290731874".into(), &"-0.0310905870701".into()));
    assert_eq!(detector.get("cluster"), None);
    assert_eq!((failed.name.as_str(), total.name.as_str()), ("error_rate.failed", "error_rate.total"));
    assert!(matches!(failed.query.form, Form::RatioCount { .. }) && matches!(total.query.form, Form::Count { .. }));
    assert_eq!(failed.arm, Arm::Exposed);

    let slow = format!("when: \"1% < slow(500ms)\", {alarms}, catches: 5%, cluster: 5, then: pause");
    let (detector, [failed, total], _) = pinned(slow);
    assert_eq!((&detector["threshold"], &detector["cluster"]), (&"54.8063892335".into(), &5.into()));
    assert_eq!((failed.name.as_str(), total.name.as_str()), ("slow(500ms).failed", "slow(500ms).total"));
    let Form::Count { of } = &total.query.form else { panic!("a count") };
    assert!(of.metric.ends_with("_count") && matches!(failed.query.form, Form::SlowCount { .. }));

    let blame = format!("when: \"error_rate > 1.5 * baseline(error_rate)\", {alarms}, catches: 3x, then: pause");
    let (detector, [failed, _], control) = pinned(blame);
    assert_eq!(detector["against"]["baseline"]["failure"], "0.693147180559");
    let [their_failed, their_total] = control.expect("the control group");
    assert_eq!(their_failed.name, "baseline(error_rate.failed)");
    assert_eq!((their_failed.arm, their_total.arm, failed.arm), (Arm::Control, Arm::Control, Arm::Exposed));
    assert_ne!(their_failed.query.matchers, failed.query.matchers);
}

/// A burn rate is two ordinary series and two ordinary comparisons with an exact limit; it does not lengthen `settle`.
#[test]
fn a_burn_rate_is_pinned_as_two_comparisons() {
    let written = "when: \"error_rate > 2%\", for: 2m, then: pause";
    let pinned = |rule: &str| {
        let (found, _dir) = loaded(&[(written, rule)], RELEASE);
        found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan
    };
    let plan = pinned("when: \"burn_rate(error_rate, 99.9%) > 14.4\", over: [1h, 5m], for: 2m, then: pause");
    let rule = &plan.rules[0];
    assert_eq!(rule.text, "burn_rate(error_rate, 99.9%) > 14.4 (error_rate over 1h and over 5m > 1.44%)");
    let named = |name: &str| plan.series.iter().position(|series| series.name == name).expect(name);
    let (long, short, plain) = (named("error_rate over 1h"), named("error_rate over 5m"), named("error_rate"));
    let above = |series: usize| Condition::Compare {
        left: Term::Series { series, factor: Decimal::whole(1) },
        op: Comparison::Greater,
        right: Term::Number("0.0144".parse().unwrap()),
    };
    assert_eq!(rule.condition, Condition::All(vec![above(long), above(short)]));
    assert_eq!((rule.hold_for, rule.detector.is_none()), (Some(Span::minutes(2)), true));
    assert_eq!(plan.series[long].query.window, Span::hours(1));
    assert_eq!((plan.series[long].arm, plan.series[long].unit), (Arm::Exposed, Unit::Ratio));
    // what is asked twice under two names is one question
    assert_eq!(plan.series[short].query, plan.series[plain].query);
    assert_eq!(plan.settle, pinned("when: \"error_rate > 2%\", then: pause").settle);

    let plan = pinned("when: \"burn_rate(slow(500ms), 99.95%) > 6 and requests > 100\", over: [6h, 30m], then: pause");
    assert!(plan.rules[0].text.ends_with("(slow(500ms) over 6h and over 30m > 0.3%)"), "{}", plan.rules[0].text);
    assert!(plan.series.iter().any(|series| series.name == "slow(500ms) over 30m"));

    // the word alone is a metric's name, as it was
    let own = "burn_rate: { ratio: { of: checkout_failed_total, over: checkout_total } }\n    checkouts_lost:";
    let (found, _dir) =
        loaded(&[("checkouts_lost:", own), (written, "when: \"burn_rate > 2%\", then: pause")], RELEASE);
    assert_eq!(told(&found), Vec::<String>::new());
}

/// The check of the split is pinned with constants for each stage that has a random control group.
#[test]
fn a_sample_ratio_is_pinned_with_constants_for_each_stage() {
    let written = "sample_ratio: { of: requests, within: 20%, false_alarms: { max: 1%, per: 24h }, cluster: 10 }";
    let (found, _dir) = loaded(&[("  healthy:\n", &format!("  {written}\n  healthy:\n"))], RELEASE);
    assert_eq!(told(&found), Vec::<String>::new());
    let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
    let ratio = plan.sample_ratio.as_ref().expect("a check");
    assert_eq!((ratio.within.to_string(), ratio.threshold.to_string()), ("0.2".to_owned(), "132.638629397".to_owned()));
    let [ours, theirs] = [ratio.exposed, ratio.control].map(|index| &plan.series[index]);
    assert_eq!((ours.name.as_str(), theirs.name.as_str()), ("requests", "baseline(requests)"));
    assert_eq!((ours.arm, theirs.arm), (Arm::Exposed, Arm::Control));
    let stages: Vec<Option<(String, bool)>> = ratio
        .stages
        .iter()
        .map(|split| split.as_ref().map(|split| (split.configured.to_string(), split.many.is_some())))
        .collect();
    // audiences, audiences, two percentages on top of them, everybody
    let some = |percent: &str| Some((percent.to_owned(), false));
    assert_eq!(stages, [None, None, some("10%"), some("50%"), None]);
    // without any stage that has a control group nothing is asked
    let quick = "apiVersion: flagstaff/v1\nkind: ReleaseTemplate\nmetadata: { name: people }\nspec: { stages: [ { name: \
                 internal, audiences: [employees], bake: 1h } ] }\n---\n";
    let release = RELEASE.replace("spec: {", "spec: { template: people,");
    let (found, _dir) =
        loaded(&[("  healthy:\n", &format!("  {written}\n  healthy:\n"))], &format!("{quick}{release}"));
    let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
    assert_eq!(plan.sample_ratio, None);
    assert!(plan.series.iter().all(|series| series.name != "baseline(requests)"));
    // and it is refused where the groups cannot be told apart
    let arms = "      arms: { flag: feature_flag_key, variant: feature_flag_result_variant }\n";
    let (found, _dir) = loaded(&[("  healthy:\n", &format!("  {written}\n  healthy:\n")), (arms, "")], RELEASE);
    assert!(told(&found).iter().any(|line| line.contains("no-arms")), "{:?}", told(&found));
}

#[test]
fn a_proof_is_pinned_and_names_a_metric_of_the_exposed_group() {
    let written = "    - \"error_rate < 1%\"\n    - { when: \"p99 < 500ms\", for: 2m }";
    let (found, _dir) = loaded(&[(written, "    - \"slow(500ms) < 1% at 99.5% confidence\"")], RELEASE);
    let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
    let proof = plan.healthy[0].proof.as_ref().expect("a proof");
    assert_eq!((proof.risk.to_string(), proof.threshold.to_string()), ("0.005".to_owned(), "6.90775527899".to_owned()));
    assert_eq!(plan.series[proof.counts.failed].name, "slow(500ms).failed");
    assert_eq!(proof.alternatives.len(), 5);
}

#[test]
fn an_observing_policy_observes_with_every_rule() {
    let (found, _dir) = loaded(&[("  healthy:\n", "  observe: true\n  healthy:\n")], RELEASE);
    assert!(!found.has_errors(), "{:?}", told(&found));
    let plan = found.plan("behind", "production").map_err(|_| told(&found)).expect("a plan").plan;
    assert!(plan.rules.iter().all(|rule| rule.observe) && plan.no_data.is_some_and(|rule| rule.observe));
    let one = ("for: 2m, then: pause", "for: 2m, observe: true, then: pause");
    let plan = loaded(&[one], RELEASE).0.plan("behind", "production").unwrap().plan;
    assert_eq!(plan.rules.iter().map(|rule| rule.observe).collect::<Vec<_>>(), [true, false, false, false]);
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
