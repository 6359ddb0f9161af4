//! `validate --arithmetic`: what it computes is what was simulated elsewhere, and it says what it took for granted.

use std::fs;
use std::path::Path;
use std::process::Command;

use flagstaff::engine::{Plan, Span};
use flagstaff::forecast::{Delay, Expected, Origin, RuleForecast, forecast};
use flagstaff::spec;
use serde_json::Value;

use crate::support::schema::check;

const PROJECT: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: shop }
spec:
  sources:
    prom: { prometheus: { url: "http://127.0.0.1:9", scrape_every: 5s }, arms: { flag: flag, variant: variant } }
  environments:
    here: { backend: { flagd: { path: flags.json } } }
---
apiVersion: flagstaff/v1
kind: Audience
metadata: { name: employees }
spec: { any: [ { attribute: email, ends_with: "@acme.example" } ] }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: standard }
spec:
  stages:
    - { name: internal, audiences: [employees], bake: 1h }
    - { name: tenth, percentage: 10%, bake: 1h }
    - { name: everyone, percentage: 100%, bake: 1h }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: {}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 30s
  presets: { http: otel }
"#;

/// A policy in its project: `more` stands below its `spec`.
fn project(dir: &Path, more: &str) {
    fs::write(dir.join("flagstaff.yaml"), format!("{PROJECT}{more}")).unwrap();
}

fn plan(more: &str) -> Plan {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), more);
    let loaded = spec::load(dir.path());
    loaded.plan("r", "here").unwrap_or_else(|why| panic!("{why:?}\n{:?}", loaded.findings)).plan
}

/// A policy with one rule, and a window where that is another one than five minutes.
fn one_rule(window: &str, rule: &str) -> Plan {
    plan(&format!(
        "  window: {window}\n  healthy: [ \"error_rate < 5%\" ]\n  safeguards: [ {{ name: it, {rule}, then: pause }} ]\n"
    ))
}

/// What is healthy.
fn expecting(error_rate: f64) -> Expected {
    Expected { traffic: None, shares: [("error_rate".to_owned(), error_rate)].into() }
}

fn computed(plan: &Plan, expected: &Expected) -> RuleForecast {
    forecast(plan, expected).rules.remove(0)
}

/// Requests a minute that are looked at where nobody says how many there are.
const TRAFFICS: [u64; 5] = [10, 60, 300, 1000, 6000];

/// In seconds.
fn delay_of(delay: Delay) -> f64 {
    match delay {
        Delay::Within(span) => span.0 as f64 / 1000.0,
        Delay::Beyond(span) => panic!("not within {span}"),
    }
}

/// Alarms a day by requests a minute.
fn alarms(rule: &RuleForecast) -> Vec<(u64, f64)> {
    rule.rows.iter().map(|row| (row.exposed.round() as u64, row.alarms_a_day)).collect()
}

fn near(rule: &str, found: &[(u64, f64)], wanted: &[(u64, f64)]) {
    for ((traffic, found), (wanted_traffic, wanted)) in found.iter().zip(wanted) {
        assert_eq!(traffic, wanted_traffic);
        // theirs is simulated too, and rounded: a few in a hundred, and of few alarms what was left out by rounding
        let off = (found - wanted).abs();
        assert!(
            off <= 0.08 * wanted + 0.5,
            "{rule} at {traffic}/m {found:.2} alarms a day, {wanted} were found elsewhere"
        );
    }
}

#[test]
fn thresholds_cry_wolf_as_often_as_they_were_found_to() {
    for (window, rule, wanted) in [
        ("30s", "when: \"error_rate > 2%\", for: 30s", [14.0, 241.0, 166.0, 74.0, 0.7]),
        ("2m", "when: \"error_rate > 2%\", for: 30s", [154.0, 175.0, 107.0, 26.0, 0.0]),
        ("5m", "when: \"error_rate > 2%\", for: 2m", [77.0, 51.0, 12.0, 0.3, 0.0]),
        ("5m", "when: \"error_rate > 1.5 * baseline(error_rate)\", for: 2m", [72.0, 37.0, 3.2, 0.003, 0.0]),
    ] {
        let found = computed(&one_rule(window, rule), &expecting(0.015));
        near(rule, &alarms(&found), &TRAFFICS.into_iter().zip(wanted).collect::<Vec<_>>());
    }
}

#[test]
fn promises_are_kept_and_their_delays_are_those_that_were_found() {
    let promise = "false_alarms: { max: 5%, per: 24h }";
    let found =
        computed(&one_rule("5m", &format!("when: \"error_rate > 2%\", {promise}, catches: 5%")), &expecting(0.015));
    near("promise", &alarms(&found), &TRAFFICS.map(|traffic| (traffic, 0.0)));
    let minutes: Vec<f64> = found.rows.iter().map(|row| delay_of(row.delay) / 60.0).collect();
    for (found, wanted) in minutes.iter().zip([59.0, 10.5, 2.5, 1.0, 0.5]) {
        assert!((found - wanted).abs() <= 0.15 * wanted + 0.5, "{minutes:?}");
    }
    assert_eq!(
        (found.shares.as_ref().unwrap()[0].broken, found.shares.unwrap()[0].broken_from),
        (0.05, Origin::Catches)
    );
    // evidence is 0.0163 a request at 5%, and 10.96 are needed: some 670 requests, which are 0.47 a minute of a day
    let least = found.acts_from.unwrap();
    assert!((0.3..0.7).contains(&least), "{least}");

    let rule = format!("when: \"error_rate > 1.5 * baseline(error_rate)\", {promise}, catches: 3x");
    let found = computed(&one_rule("5m", &rule), &expecting(0.015));
    near("baseline", &alarms(&found), &TRAFFICS.map(|traffic| (traffic, 0.0)));
    assert_eq!(found.rows[0].control.map(f64::round), Some(90.0), "nine of ten are the control group at a tenth");
    let minutes: Vec<f64> = found.rows.iter().map(|row| delay_of(row.delay) / 60.0).collect();
    // four times as bad was found within 68, 11.5, 2.5, 1 and half a minute; three times as bad takes longer
    assert!(minutes[0] > 68.0 && minutes[0] < 200.0 && minutes[2] >= 2.5 && minutes[2] < 10.0, "{minutes:?}");
}

#[test]
fn a_guard_on_volume_makes_a_rule_blind_below_it() {
    // `requests` counts by the tick: more than 100 in 30 s are more than 200 a minute
    let found = computed(&one_rule("5m", "when: \"error_rate > 2% and requests > 100\", for: 1m"), &expecting(0.015));
    let least = found.acts_from.unwrap();
    assert!((140.0..=200.0).contains(&least), "{least}");
    assert!(matches!(found.rows[1].delay, Delay::Beyond(day) if day == Span::hours(24)), "at 60 a minute");
    assert_eq!(found.one_failure, None);
    let bare = computed(&one_rule("5m", "when: \"error_rate > 2%\", for: 1m"), &expecting(0.015));
    assert_eq!(bare.one_failure, Some(10.0), "one of fifty in five minutes are two in a hundred");
    // shares that must not fall are looked at from above
    let quantile = computed(&one_rule("5m", "when: \"p99 > 500ms\", for: 1m"), &expecting(0.015));
    let shares = quantile.shares.unwrap();
    assert!((shares[0].healthy - 0.0075).abs() < 1e-9 && shares[0].name.contains("beyond 0.5 s"), "{shares:?}");
}

#[test]
fn the_same_documents_give_the_same_numbers() {
    let plan = one_rule("5m", "when: \"error_rate > 2%\", for: 2m");
    assert_eq!(forecast(&plan, &expecting(0.01)), forecast(&plan, &expecting(0.01)));
}

/// What a policy that expects something answers.
const EXPECTING: &str = r#"  metrics:
    shop: { scope: service, ratio: { of: shop_failed_total, over: shop_total } }
    restarts: { scope: service, count: restarts_total }
    queue: { query: 'max(queue{ {{ match }} })', unit: ratio }
  healthy: [ "error_rate < 1%" ]
  expect: { requests: 3000/m, shop: 0.5% }
  safeguards:
    - { name: errors, when: "error_rate > 2%", for: 2m, then: pause }
    - { name: blame, when: "error_rate > 1.5 * baseline(error_rate)", for: 2m, then: pause }
    - { name: shop, when: "shop > 15%", then: pause }
    - { name: restarts, when: "restarts > 3", then: pause }
    - { name: queue, when: "queue > 90%", then: pause }
  no_data: { after: 10m, then: pause }
"#;

fn run(dir: &Path, args: &[&str], code: i32) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    let done = command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").output().unwrap();
    let (out, err) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert_eq!(done.status.code(), Some(code), "{args:?}\n{out}\n{err}");
    (out, err)
}

#[test]
fn validate_answers_with_the_arithmetic_where_it_is_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    project(dir, EXPECTING);
    let json = |args: &[&str]| {
        let answer: Value =
            serde_json::from_str(&run(dir, &[&["validate", "-o", "json"], args].concat(), 0).0).unwrap();
        assert_eq!(check(&answer), "findings");
        answer
    };
    assert!(json(&[]).get("arithmetic").is_none(), "nobody asked");
    let answer = json(&["--arithmetic"]);
    let policy = &answer["arithmetic"][0];
    let place = (&policy["policy"], &policy["template"], &policy["requests_per_minute"]);
    assert_eq!(place, (&"web".into(), &"standard".into(), &3000.0.into()));
    let stages = |rule: usize| {
        let rows = policy["rules"][rule]["at"].as_array().unwrap();
        rows.iter()
            .map(|row| (row["stage"].as_str().unwrap(), row["exposed_per_minute"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        stages(0),
        [("tenth", 300.0), ("everyone", 3000.0)],
        "audiences have no share of the traffic that is known"
    );
    assert_eq!(stages(1), [("tenth", 300.0)], "there is no control group where everybody is exposed");
    let errors = &policy["rules"][0]["shares"][0];
    assert_eq!((&errors["healthy"], &errors["healthy_from"]), (&0.01.into(), &"healthy".into()));
    assert_eq!((&errors["broken"], &errors["broken_from"]), (&0.04.into(), &"assumed".into()));
    let shop = &policy["rules"][2];
    assert_eq!((&shop["shares"][0]["healthy"], &shop["shares"][0]["healthy_from"]), (&0.005.into(), &"stated".into()));
    let diluted = &shop["diluted"][0];
    assert_eq!((&diluted["stage"], &diluted["part"]), (&"tenth".into(), &0.1.into()));
    assert!(diluted["takes"].as_f64().unwrap() > 1.0, "a tenth of all is no 15% of them");
    for (rule, why) in [(3, "nobody says how often `restarts` counts"), (4, "a query of its own")] {
        let said = policy["rules"][rule]["not_computed"].as_str().unwrap();
        assert!(said.contains(why), "{said}");
        assert_eq!(policy["rules"][rule]["at"], Value::Array(Vec::new()));
    }
    let warned = answer["findings"].as_array().unwrap();
    let diluted: Vec<&Value> = warned.iter().filter(|finding| finding["code"] == "diluted").collect();
    assert_eq!(diluted.len(), 1, "{warned:?}");
    assert_eq!((&diluted[0]["marked"], &diluted[0]["severity"]), (&"shop > 15%".into(), &"warning".into()));

    // what is typed goes before what is written
    let typed = json(&["--arithmetic", "--traffic", "10/s"]);
    assert_eq!(typed["arithmetic"][0]["requests_per_minute"], 600.0);
    assert_eq!(typed["arithmetic"][0]["rules"][0]["at"][0]["exposed_per_minute"], 60.0);
    run(dir, &["validate", "--traffic", "10/s"], 64);
    assert!(run(dir, &["validate", "--arithmetic", "--traffic", "10"], 64).1.contains("it has no `/`"));

    let people = run(dir, &["validate", "--arithmetic"], 0).0;
    for words in [
        "policy web under template standard",
        "error_rate: 1% while all is well (the limit in `healthy`), 4% when it breaks (assumed)",
        "false alarms a day",
        "below 10/m a single failure fires it",
        "diluted: at tenth, the whole service shows 10% of a break: it cannot fire there",
        "300/m beside 2700/m",
        "not computed: nobody says how often `restarts` counts",
    ] {
        assert!(people.contains(words), "{words}\n{people}");
    }
}

#[test]
fn only_policies_in_the_named_files_are_computed_and_what_is_expected_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    project(
        dir,
        "  healthy: [ \"error_rate < 1%\" ]\n  safeguards: [ { name: e, when: \"error_rate > 2%\", then: pause } ]\n",
    );
    let flag = "apiVersion: flagstaff/v1\nkind: Audience\nmetadata: { name: more }\nspec: { any: [ { attribute: a, in: [b] } ] }\n";
    fs::write(dir.join("more.flagstaff.yaml"), flag).unwrap();
    let rules = |args: &[&str]| {
        let out = run(dir, &[&["validate", "-o", "json", "--arithmetic"], args].concat(), 0).0;
        serde_json::from_str::<Value>(&out).unwrap()["arithmetic"].as_array().unwrap().len()
    };
    assert_eq!((rules(&[]), rules(&["flagstaff.yaml"]), rules(&["more.flagstaff.yaml"])), (1, 1, 0));
    for (expect, code, marked) in [
        ("{ requests: 300 }", "expect", "300"),
        ("{ error_rates: 1% }", "unknown-metric", "error_rates"),
        ("{ p99: 1% }", "expect", "p99"),
        ("{ error_rate: 1 }", "expect", "1"),
        ("{ error_rate: 101% }", "expect", "101%"),
    ] {
        let safeguards = "safeguards: [ { name: e, when: \"error_rate > 2%\", then: pause } ]";
        project(dir, &format!("  healthy: [ \"error_rate < 1%\" ]\n  {safeguards}\n  expect: {expect}\n"));
        let answer: Value = serde_json::from_str(&run(dir, &["validate", "-o", "json"], 3).0).unwrap();
        let found = answer["findings"].as_array().unwrap();
        assert!(found.iter().any(|it| it["code"] == code && it["marked"] == marked), "{expect}: {found:?}");
    }
}
