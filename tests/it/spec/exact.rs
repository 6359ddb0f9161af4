//! Each check of the documents, with its code, file, line, column and the marked characters: `«…»` says what is marked.

use flagstaff::spec;

use super::{example_files, project_dir, told};

/// Changes the example in one place; the finding with this code must mark what stands between `«` and `»`.
fn exact(file: &str, from: &str, to: &str, code: &str) {
    let mut files = example_files();
    let (name, text) = files.iter_mut().find(|(name, _)| name.ends_with(file)).expect("an example file");
    let at = text.find(from).unwrap_or_else(|| panic!("{file} has no `{from}`"));
    let open = to.find('«').expect("a mark");
    let marked = to[open + 2..].split('»').next().unwrap_or_default();
    let before = format!("{}{}", &text[..at], &to[..open]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    let expected = format!("{name}:{line}:{column} {code} `{marked}` ");
    *text = text.replacen(from, &to.replace(['«', '»'], ""), 1);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let told = told(&spec::load(dir.path()));
    assert!(told.iter().any(|line| line.starts_with(&expected)), "{to}: `{expected}` is not in:\n{}", told.join("\n"));
}

const PROJECT: &str = "flagstaff.yaml";
const POLICY: &str = "policies.yaml";
const TEMPLATE: &str = "templates.yaml";
const RELEASE: &str = "search-rank.yaml";
const BOTH: &str = "checkout-v2.yaml";

#[test]
fn keys() {
    exact(PROJECT, "  stickiness:", "  «stickyness»:", "unknown-key");
    exact(RELEASE, "flag: search-rank-2026", "flag: search-rank-2026\n  «flag»: other", "duplicate-key");
    exact(BOTH, "{ staging: { template: quick } }", "{ staging: { «templat»: quick } }", "unknown-key");
    exact(RELEASE, "kind: Release", "kind: «Relaese»", "unknown-kind");
    exact(RELEASE, "flagstaff/v1", "«flagstaff/v2»", "api-version");
    exact(RELEASE, "apiVersion: flagstaff/v1", "apiVersion: «apps/v1»", "api-version");
}

#[test]
fn references() {
    exact(BOTH, "template: quick", "template: «quik»", "unknown-template");
    exact(PROJECT, "policy: web", "policy: «wep»", "unknown-policy");
    exact(PROJECT, "source: app\n", "source: «ap»\n", "unknown-source");
    exact(RELEASE, "[production]", "[«produktion»]", "unknown-environment");
    exact(TEMPLATE, "[beta-testers]", "[«beta-tester»]", "unknown-audience");
    exact(TEMPLATE, "[release-managers]", "[«release-manager»]", "unknown-group");
    exact(POLICY, "{ rollback: previous }", "{ rollback: «haf» }", "unknown-stage");
    exact(POLICY, "{ http: otel }", "{ http: «otle» }", "unknown-preset");
}

#[test]
fn stages() {
    exact(TEMPLATE, "percentage: 50%", "percentage: «10%»", "stage-order");
    exact(TEMPLATE, "percentage: 50%", "percentage: «5%»", "stage-order");
    exact(TEMPLATE, "{ name: beta, audiences: [beta-testers]", "{ name: «beta», audiences: [employees]", "stage-order");
    exact(
        TEMPLATE,
        "{ name: internal, audiences: [employees], bake: 10m, samples: 10 }",
        "{ name: all, percentage: «100%» }",
        "full-start",
    );
    exact(TEMPLATE, "percentage: 10%", "percentage: «10.0005%»", "percentage");
    exact(TEMPLATE, "percentage: 10%", "percentage: «110%»", "percentage");
    exact(TEMPLATE, "percentage: 10%", "percentage: «10»", "percentage");
    exact(
        TEMPLATE,
        "name: internal, audiences: [employees], bake: 1h, samples: 50",
        "name: «internal», audiences: [employees], bake: 1h",
        "idle-samples",
    );
}

#[test]
fn conditions() {
    exact(POLICY, "error_rate > 2%", "«eror_rate» > 2%", "condition");
    exact(POLICY, "error_rate > 2%", "error_rate > «2»", "condition");
    exact(POLICY, "error_rate > 2%", "error_rate > «200ms»", "condition");
    exact(POLICY, "p99 > 1500ms and requests > 100", "p99 > 1500ms and requests > «100%»", "condition");
    exact(POLICY, "p99 > 1500ms and requests > 100", "«p99 > requests»", "condition");
    exact(POLICY, "for: 2m, then: pause", "for: «29s», then: pause", "short-for");
    exact(POLICY, "window: 5m", "window: «59s»", "short-window");
}

#[test]
fn what_is_wrong_elsewhere_hides_nothing() {
    exact(
        POLICY,
        "name: errors, when: \"error_rate > 2%\", for: 2m, then: pause",
        "name: errors, when: \"error_rate > 2\", for: «10s», then: puase",
        "short-for",
    );
    exact(
        POLICY,
        "\"error_rate > 2%\", for: 2m, then: pause }\n    - { name: latency, when: \"p99 > 1500ms and requests > 100\"",
        "\"error_rate > 2\", for: 2m, then: pause }\n    - { name: latency, when: \"«p99 < 0s»\"",
        "constant-condition",
    );
}

#[test]
fn conditions_that_are_written_in_other_ways() {
    exact(POLICY, "\"error_rate > 2%\"", "\"error_rate \\u003e «2»\"", "condition");
    exact(POLICY, "\"error_rate > 2%\"", "'error_rate > «2»'", "condition");
    exact(POLICY, "- \"error_rate < 1%\"", "- >-\n      error_rate <\n      «1»", "condition");
    exact(POLICY, "- \"error_rate < 1%\"", "- \"error_rate\n       < «1»\"", "condition");
    exact(POLICY, "- \"error_rate < 1%\"", "- |\n      missing(p99)\n      or error_rate < «1»", "condition");
    exact(POLICY, "- \"error_rate < 1%\"", "- error_rate\n      < «1»", "condition");
}

#[test]
fn rules_that_always_or_never_fire() {
    for never in [
        "error_rate > 100%",
        "p99 < 0s",
        "requests < 0",
        "error_rate > 2% and error_rate < 2%",
        "error_rate > 3% and not error_rate > 2%",
    ] {
        exact(POLICY, "error_rate > 2%", &format!("«{never}»"), "constant-condition");
    }
    for always in ["error_rate >= 0%", "requests >= 0", "error_rate <= 100%", "error_rate > 2% or error_rate < 3%"] {
        exact(POLICY, "error_rate > 2%", &format!("«{always}»"), "constant-condition");
    }
    let mut files = example_files();
    for (_, text) in &mut files {
        *text = text.replace("error_rate > 2%", "error_rate >= 2% and error_rate <= 2%");
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(told(&spec::load(project_dir(&files).path())), Vec::<String>::new());
}

#[test]
fn between_documents() {
    exact(RELEASE, "flag: search-rank-2026", "flag: «checkout-v2»", "same-flag");
    exact(PROJECT, "flags/production.flagd.json }", "«flags/staging.flagd.json» }", "same-file");
    exact(
        PROJECT,
        "    production:\n      backend: { flagd: { path: flags/production.flagd.json } }\n      match: { env: production }",
        "    «production»:\n      backend: { flagd: { path: flags/production.flagd.json } }\n      source: app",
        "same-series",
    );
}

#[test]
fn nothing_that_stops_or_proves() {
    // the whole end of the policy is written anew
    let (_, policy) = example_files().into_iter().find(|(name, _)| name.ends_with(POLICY)).expect("the policy");
    let from_name = &policy[policy.find("name: web").expect("its name")..];
    let notify = "name: «web» }\nspec:\n  presets: { http: otel }\n  healthy: [ 'error_rate < 1%' ]\n  safeguards: [ { name: \
                  e, when: 'error_rate > 2%', then: notify } ]\n  no_data: { after: 10m, then: pause }\n";
    exact(POLICY, from_name, notify, "no-safeguard");
    let service = "name: web }\nspec:\n  metrics: { restarts: { scope: service, count: restarts_total } }\n  presets: { \
                   http: otel }\n  «healthy»: [ 'restarts < 3' ]\n  safeguards: [ { name: e, when: 'error_rate > 2%', \
                   then: pause } ]\n  no_data: { after: 10m, then: pause }\n";
    exact(POLICY, from_name, service, "no-evidence");
}

#[test]
fn names() {
    exact(BOTH, "name: checkout-v2", "name: \"«--all»\"", "name");
    exact(BOTH, "name: checkout-v2", "name: \"«a@staging»\"", "name");
    exact(BOTH, "name: checkout-v2", "name: \"«../../etc/x»\"", "name");
    exact(RELEASE, "flag: search-rank-2026", "flag: \"«two words»\"", "name");
    exact(TEMPLATE, "name: half", "name: \"«ha\\\"lf»\"", "name");
    exact(POLICY, "name: errors", "name: «érrors»", "name");
    exact(PROJECT, "    staging:\n", "    «st@ging»:\n", "name");
}

#[test]
fn what_would_let_a_stage_pass_or_stand_for_ever() {
    exact(TEMPLATE, "samples: 50", "samples: «0»", "samples");
    exact(TEMPLATE, "from: [release-managers], count: 1", "from: [«release-managers»], count: 7", "approval");
    exact(TEMPLATE, "from: [release-managers], count: 1", "from: [release-managers], count: «0»", "approval");
    exact(
        TEMPLATE,
        "    - { name: everyone, percentage: 100%, bake: 24h }",
        "    - { name: everyone, percentage: 100%, bake: 24h }\n    - { name: «late», audiences: [beta-testers] }",
        "stage-order",
    );
}

#[test]
fn a_release_that_brings_environments_together() {
    // staging is told apart by its source alone; the release takes that away
    let mut files = example_files();
    files[0].1 = files[0].1.replacen("      match: { env: staging }\n", "", 1);
    let dir = project_dir(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    assert_eq!(told(&spec::load(dir.path())), Vec::<String>::new());
    let release = files.iter_mut().find(|(name, _)| name.ends_with(BOTH)).unwrap();
    release.1 = release.1.replacen("spec:\n", "spec:\n  source: app\n", 1);
    let dir = project_dir(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    let told = told(&spec::load(dir.path())).join("\n");
    assert!(told.contains("same-series `checkout-v2` reads the same series in production and in staging"), "{told}");
}

#[test]
fn two_sources_at_one_address_are_one() {
    let twin =
        "    twin: { prometheus: { url: \"http://127.0.0.1:9090/\" }, arms: { flag: a, variant: b } }\n    app:  ";
    let mut files = example_files();
    files[0].1 = files[0].1.replacen("    app:  ", twin, 1).replacen("source: app\n", "source: twin\n", 1);
    files[0].1 = files[0].1.replacen("      match: { env: staging }\n", "", 1);
    let dir = project_dir(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    let told = told(&spec::load(dir.path())).join("\n");
    assert!(told.contains("same-series `production`"), "{told}");
}

#[test]
fn a_policy_that_no_release_uses_is_read_all_the_same() {
    let unused = "---\napiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: { name: unused }\nspec:\n  \
                  presets: { http: otel }\n  healthy: [ \"eror_rate < 1%\", \"p99 < 5\" ]\n  \
                  safeguards: [ { name: e, when: \"error_rate > 200%\", then: pause } ]\n  \
                  no_data: { after: 10m, then: pause }\n";
    let mut files = example_files();
    files.iter_mut().find(|(name, _)| name.ends_with(POLICY)).unwrap().1.push_str(unused);
    let dir = project_dir(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    let told = told(&spec::load(dir.path())).join("\n");
    for expected in ["condition `eror_rate`", "condition `5`", "constant-condition `error_rate > 200%`"] {
        assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
    }
}
