//! One changed line of the example, and the finding it must give: `file:line:column code marked`.

use super::{check, example_files, project_dir, told};

#[test]
fn project() {
    let file = "flagstaff.yaml";
    check(file, "  stickiness:", "  stickyness:", "7:3 unknown-key");
    check(file, "flagstaff/v1", "flagstaf/v1", "2:13 api-version `flagstaf/v1`");
    check(file, "kind: Project", "kind: Projekt", "did you mean `Project`?");
    check(file, "protected: true", "protected: yes", "boolean `yes`");
    check(file, "production.flagd.json", "./staging.flagd.json", "same-file `flags/./staging.flagd.json`");
    check(
        file,
        "      source: app\n      match: { env: staging }\n",
        "      match: { env: production }\n",
        "same-series",
    );
    check(file, "template: standard", "template: standart", "unknown-template `standart`");
    check(file, "source: prom,", "source: prim,", "unknown-source `prim`");
    check(file, "[staging, production], source", "[stagin, production], source", "unknown-environment `stagin`");
    check(file, "arms: { flag: feature_flag_key, variant: feature_flag_result_variant }", "", "no-arms");
}

#[test]
fn all_names_that_are_wrong_in_a_release_are_told_at_once() {
    let both = "environments: [{ stagin: { template: quik } }, production]";
    for code in ["unknown-environment `stagin`", "unknown-template `quik`"] {
        check("checkout-v2.yaml", "environments: [{ staging: { template: quick } }, production]", both, code);
    }
    let three = "policy: wep\n  source: ap\n  environments: [stagin, production]";
    for code in ["unknown-environment `stagin`", "unknown-policy `wep`", "unknown-source `ap`"] {
        check("checkout-v2.yaml", "environments: [{ staging: { template: quick } }, production]", three, code);
    }
}

#[test]
fn an_address_carries_no_password_and_none_is_shown() {
    for (from, to, marked) in [
        ("http://127.0.0.1:9090", "http://bob:hunter2@127.0.0.1:9090", "bob:hunter2@"),
        ("http://127.0.0.1:8080/metrics", "http://hunter2@127.0.0.1:8080/metrics", "hunter2@"),
    ] {
        check("flagstaff.yaml", from, to, &format!("url `{marked}` an address carries no user or password"));
        let mut files = example_files();
        files[0].1 = files[0].1.replacen(from, to, 1);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let dir = project_dir(&files);
        let loaded = flagstaff::spec::load(dir.path());
        assert_eq!(told(&loaded).len(), 1, "{:?}", told(&loaded));
        for environment in ["staging", "production"] {
            assert!(loaded.plan("checkout-v2", environment).is_err(), "a plan of documents with an error");
        }
        for format in ["human", "json"] {
            let run = std::process::Command::new(env!("CARGO_BIN_EXE_flagstaff"))
                .args(["-o", format, "-C"])
                .arg(dir.path())
                .arg("validate")
                .output()
                .unwrap();
            let shown = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(3), "{shown}");
            assert!(shown.contains("token_file") && !shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn ticks_closer_than_scrapes_and_windows_of_raw_queries() {
    let file = "policies.yaml";
    check(file, "every: 30s", "every: 4s", "short-every `4s`");
    let raw = "query: 'max_over_time(sum(rate(x{ {{ match }} }[5m]))[1h:1m])', unit: ratio";
    let written = "ratio: { of: checkout_failed_total, over: checkout_total }";
    let mut files = example_files();
    let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with(file)).unwrap();
    *text = text.replacen(written, raw, 1);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let plan = flagstaff::spec::load(dir.path()).plan("checkout-v2", "production").unwrap().plan;
    assert_eq!(plan.settle.to_string(), "1h5m15s");
}

#[test]
fn template() {
    let file = "templates.yaml";
    check(file, "percentage: 50%", "percentage: 5%", "stage-order `5%` does not grow");
    check(file, "percentage: 50%", "percentage: 50", "percentage `50` `50` is no percentage: it has no `%`");
    check(file, "percentage: 10%", "percentage: 10.0001%", "percentage `10.0001%`");
    check(file, "audiences: [beta-testers]", "audiences: [beta-tester]", "did you mean `beta-testers`?");
    check(file, "bake: 1h, samples: 50, idle: bake", "bake: 1h, idle: bake", "idle-samples `internal`");
    check(file, "from: [release-managers]", "from: [release-manager]", "unknown-group `release-manager`");
    check(
        file,
        "{ name: internal, audiences: [employees], bake: 10m, samples: 10 }",
        "{ name: all, percentage: 100% }",
        "full-start `100%`",
    );
    check(file, "bake: 24h }           #", "bake: 24h, window: x } #", "unsupported `window`");
    check(file, "name: beta,", "name: internal,", "duplicate-name `internal`");
}

#[test]
fn policy() {
    let file = "policies.yaml";
    check(file, "error_rate > 2%", "error_rate > 2", "14:43 condition `2`");
    check(file, "error_rate > 2%", "error_rate > 200ms", "condition `200ms`");
    check(file, "p99 > 1500ms and", "p99 > 1500ms and and", "condition `and`");
    check(file, "error_rate > 2%", "error_rate > 200%", "constant-condition `error_rate > 200%` this never holds");
    check(file, "error_rate > 2%", "error_rate >= 0%", "this always holds");
    check(file, "error_rate > 2%", "error_rate > 2% and error_rate < 1%", "this never holds");
    check(file, "error_rate > 2%", "missing(error_rate) and error_rate > 2%", "this never holds");
    check(file, "for: 2m, then: pause", "for: 10s, then: pause", "short-for `10s`");
    check(file, "window: 5m", "window: 30s", "short-window `30s`");
    check(file, "window: 5m", "window: 5m\n  settle: 1m", "settle `1m`");
    check(file, "name: latency", "name: no_data", "duplicate-name `no_data`");
    check(file, "{ rollback: previous }", "{ rollback: tenpercent }", "unknown-stage");
    check(file, "presets: { http: otel }", "presets: { http: otl }", "did you mean `otel`?");
    check(file, "over: checkout_total", "over: 'checkout_total{a=b}'", "selector");
    check(file, "over: checkout_total", "over: 'm{a} or vector(1) #=\"x\"}'", "selector");
    check(
        file,
        "ratio: { of: checkout_failed_total, over: checkout_total }",
        "query: 'sum(x)', unit: ratio",
        "raw-query `sum(x)`",
    );
}

/// A rule with a promise: what it cannot be, at the exact characters, and what to write instead.
#[test]
fn false_alarms() {
    let (file, written) = ("policies.yaml", "when: \"error_rate > 2%\", for: 2m, then: pause");
    let rule = |rule: &str, expected: &str| check(file, written, rule, expected);
    let alarms = "false_alarms: { max: 5%, per: 24h }";
    let of = |when: &str, catches: &str| format!("when: \"{when}\", {alarms}, catches: {catches}, then: pause");
    rule(&format!("when: \"error_rate > 2%\", for: 2m, {alarms}, catches: 5%, then: pause"), "14:53 false-alarms `2m`");
    rule(&format!("when: \"error_rate > 2%\", {alarms}, then: pause"), "14:48 missing-key `false_alarms`");
    rule(
        "when: \"error_rate > 2%\", catches: 5%, then: pause",
        "false-alarms `catches` `catches` needs `false_alarms`",
    );
    rule("when: \"error_rate > 2%\", cluster: 5, then: pause", "false-alarms `cluster`");
    rule(&of("error_rate > 2%", "3x"), "false-alarms `3x` the condition compares with a share");
    rule(&of("error_rate > 2%", "2%"), "false-alarms `2%` what must be caught is no worse");
    rule(&of("error_rate > 2%", "100%"), "false-alarms `100%` everything is more");
    rule(&of("error_rate > 2%", "five"), "false-alarms `five` `five` is neither");
    rule(&of("error_rate > 2%", "-5%"), "false-alarms `-5%`");
    rule(&of("error_rate > 0%", "5%"), "14:43 false-alarms `0%`");
    rule(&of("error_rate >= 2%", "5%"), "14:30 false-alarms `error_rate >= 2%`");
    rule(&of("error_rate < 2%", "5%"), "a metric of the exposed group is expected to be above");
    rule(&of("2 * error_rate > 2%", "5%"), "the metric has a factor");
    rule(&of("error_rate > 2% and requests > 100", "5%"), "false-alarms `error_rate > 2% and requests > 100`");
    rule(
        &of("p99 > 800ms", "5%"),
        "14:30 false-alarms `p99` `p99`: a quantile cannot be counted (write `slow(800ms) > 1%`",
    );
    rule(&of("requests > 5", "5%"), "false-alarms `requests`");
    rule(&of("error_rate > 2 * baseline(checkouts_lost)", "3x"), "compares with a share or with the same metric");
    rule(
        &of("error_rate > 1.5 * baseline(error_rate)", "3%"),
        "false-alarms `3%` the condition compares with the control",
    );
    rule(&of("error_rate > 1.5 * baseline(error_rate)", "1.5x"), "no worse than the limit");
    rule(&of("baseline(error_rate) > 2%", "5%"), "a metric of the exposed group");
    let promise = |promise: &str, expected: &str| {
        rule(&format!("when: \"error_rate > 2%\", {promise}, catches: 5%, then: pause"), expected);
    };
    promise("false_alarms: { max: 0%, per: 24h }", "false-alarms `0%`");
    promise("false_alarms: { max: 100%, per: 24h }", "false-alarms `100%`");
    promise("false_alarms: { max: 5, per: 24h }", "percentage `5`");
    promise("false_alarms: { max: 5%, per: 0s }", "false-alarms `0s`");
    promise("false_alarms: { max: 5% }", "missing-key");
    promise("false_alarms: 5%", "shape `5%`");
    promise("false_alarms: { max: 5%, per: 24h, each: x }", "unknown-key `each`");
    promise(&format!("{alarms}, cluster: 0"), "false-alarms `0`");
    promise(&format!("{alarms}, cluster: 1001"), "false-alarms `1001`");
    promise(&format!("{alarms}, cluster: few"), "number `few`");
}

/// A line that is to be proven: what it cannot be, at the exact characters, and what to write instead.
#[test]
fn proofs() {
    let (file, written) = ("policies.yaml", "    - \"error_rate < 1%\"\n");
    let line = |line: &str, expected: &str| check(file, written, &format!("    - {line}\n{written}"), expected);
    let said = |text: &str, expected: &str| line(&format!("\"{text}\""), expected);
    said("error_rate < 1% at 95 confidence", "11:27 condition `95`");
    said("error_rate < 1% at 95%", "`confidence` is expected here");
    said("error_rate < 1% at 100% confidence", "11:27 proof `100%` `100%`: this is no confidence");
    said("error_rate < 1% at 49% confidence", "proof `49%`");
    said("error_rate <= 1% at 95% confidence", "11:8 proof `error_rate <= 1%`");
    said("error_rate > 1% at 95% confidence", "proof `error_rate > 1%`");
    said("error_rate < 0% at 95% confidence", "proof `0%`");
    said("error_rate < 1.5 * baseline(error_rate) at 95% confidence", "proof");
    said("error_rate < 1% and requests > 5 at 95% confidence", "a proof is about one metric");
    said(
        "p99 < 800ms at 95% confidence",
        "11:8 proof `p99` `p99`: a quantile cannot be counted (write `slow(800ms) < 1%`",
    );
    said("p95 < 1.5s at 95% confidence", "write `slow(1500ms) < 5%`");
    line("{ when: \"error_rate < 1% at 95% confidence\", for: 2m }", "11:57 proof `2m`");
    check(
        file,
        "error_rate > 2%\", for: 2m",
        "error_rate > 2% at 95% confidence\"",
        "only a line of `healthy` is proven",
    );
}

/// A burn rate: what it cannot be, at the exact characters, and what to write instead.
#[test]
fn burn_rates() {
    let (file, written) = ("policies.yaml", "when: \"error_rate > 2%\", for: 2m, then: pause");
    let rule = |when: &str, over: &str, expected: &str| {
        check(file, written, &format!("when: \"{when}\", {over}, then: pause"), expected);
    };
    let over = |over: &str, expected: &str| rule("burn_rate(error_rate, 99.9%) > 14.4", over, expected);
    let when = |when: &str, expected: &str| rule(when, "over: [1h, 5m]", expected);
    over("for: 2m", "14:30 burn-rate `burn_rate(error_rate, 99.9%) > 14.4`");
    over("for: 2m", "a burn rate needs its two windows (write `over: [1h, 5m]`");
    over("over: [5m, 1h]", "14:79 burn-rate `1h` `1h` is no shorter than `5m` (the long window comes first");
    over("over: [1h, 1h]", "burn-rate `1h`");
    over("over: 1h", "burn-rate `over` `over` has two windows; here are 1");
    over("over: [1d, 1h, 5m]", "here are 3");
    over("over: [1h, 5]", "duration `5`");
    over("over: [1h, 30s]", "short-window `30s` `30s` is less than four scrapes");
    over("over: [1h, 5m], false_alarms: { max: 5%, per: 24h }, catches: 5%", "a burn rate makes no promise");
    when("error_rate > 2%", "burn-rate `over` `over` is for a burn rate");
    when(
        "burn_rate(error_rate, 100%) > 14.4",
        "14:52 burn-rate `100%` `100%`: an objective of 100% or more leaves no budget",
    );
    when("burn_rate(error_rate, 101%) > 14.4", "burn-rate `101%`");
    when("burn_rate(error_rate, 0%) > 14.4", "burn-rate `0%` `0%`: an objective of 0% is none");
    when("burn_rate(error_rate, 90%) > 14.4", "this can never be reached (14.4 times the 10% that may fail is 144%");
    when("burn_rate(error_rate, 50%) > 2", "is 100%, and no share is above 100%");
    when("burn_rate(error_rate, 99.9%) > 0", "burn-rate `0`");
    when("burn_rate(error_rate, 99.9%) > 14.4%", "condition `14.4%` `14.4%`: how many times too fast is a number");
    when("burn_rate(error_rate, 99.9%) >= 14.4", "condition `>=` `>=`: a burn rate is compared with `>`");
    when("burn_rate(error_rate, 0.999) > 14.4", "condition `0.999`");
    when("burn_rate(error_rate) > 14.4", "`,` is expected here");
    when("14.4 < burn_rate(error_rate, 99.9%)", "a burn rate stands first");
    when("burn_rate(baseline(error_rate), 99.9%) > 14.4", "condition `baseline`");
    when("burn_rate(eror_rate, 99.9%) > 14.4", "there is no metric `eror_rate` (did you mean `error_rate`?");
    when("burn_rate(p99, 99.9%) > 14.4", "burn-rate `p99` `p99`: a quantile is no share that burns");
    when("burn_rate(requests, 99.9%) > 14.4", "burn-rate `requests`");
    when(
        "burn_rate(error_rate, 99.9%) > 14.4 and error_rate > 2 * baseline(error_rate)",
        "no `baseline()` stands beside a burn rate",
    );
    for line in [
        "\"burn_rate(error_rate, 99.9%) > 1\"",
        "\"burn_rate(error_rate, 99.9%) > 1 at 95% confidence\"",
        "{ when: \"not burn_rate(error_rate, 99.9%) > 1\" }",
    ] {
        let said = "in `healthy` write the share of now, like `error_rate < 1%`";
        check(file, "    - \"error_rate < 1%\"\n", &format!("    - \"error_rate < 1%\"\n    - {line}\n"), said);
    }
    let raw = "checkouts_lost: { query: 'sum(x{ {{ match }} })', unit: ratio }\n  healthy: [ \"error_rate < 1%\" ]\n  \
               safeguards: [ { name: e, when: \"burn_rate(checkouts_lost, 99%) > 6\", over: [1h, 5m], then: pause } ]\n  \
               other:\n";
    check(
        file,
        "checkouts_lost: { ratio: { of: checkout_failed_total, over: checkout_total } }\n",
        raw,
        "the windows of a query stand in its own text",
    );
}

/// Pages that flagstaff reads itself are remembered so far and no further; a server remembers for itself.
#[test]
fn windows_that_a_source_does_not_remember() {
    let (file, written) = ("policies.yaml", "when: \"error_rate > 2%\", for: 2m, then: pause");
    let rule = "when: \"burn_rate(error_rate, 99.9%) > 1\", over: [3d, 6h], then: pause";
    check(file, written, rule, "long-window `3d` `3d` is longer than source `app` remembers, 6h56m40s");
    check(file, "window: 5m", "window: 7h", "long-window `7h`");
    let mut files = example_files();
    for (_, text) in &mut files {
        *text = text.replace("      source: app\n", "").replace(written, rule);
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    assert_eq!(told(&flagstaff::spec::load(dir.path())), Vec::<String>::new());
}

/// The check of the split between the groups: what it cannot be, and what to write instead.
#[test]
fn sample_ratios() {
    let file = "policies.yaml";
    let ratio = |ratio: &str, expected: &str| {
        check(file, "  healthy:\n", &format!("  sample_ratio: {ratio}\n  healthy:\n"), expected);
    };
    let alarms = "false_alarms: { max: 1%, per: 24h }";
    ratio(&format!("{{ within: 0%, {alarms}, cluster: 10 }}"), "10:27 sample-ratio `0%` `0%` is no tolerance");
    ratio(&format!("{{ within: 100%, {alarms}, cluster: 10 }}"), "sample-ratio `100%`");
    ratio(&format!("{{ within: 20, {alarms}, cluster: 10 }}"), "percentage `20`");
    ratio(&format!("{{ {alarms}, cluster: 10 }}"), "missing-key");
    ratio("{ within: 20%, cluster: 10 }", "`false_alarms` is missing here");
    ratio(&format!("{{ within: 20%, {alarms} }}"), "`cluster` is missing here");
    ratio(&format!("{{ within: 20%, {alarms}, cluster: 0 }}"), "from 1 to 1000: how many requests one user makes");
    ratio("{ within: 20%, false_alarms: { max: 100%, per: 24h }, cluster: 10 }", "false-alarms `100%`");
    ratio("{ within: 20%, false_alarms: { max: 1%, per: 0s }, cluster: 10 }", "false-alarms `0s`");
    ratio(&format!("{{ within: 20%, {alarms}, cluster: 10, then: pause }}"), "unknown-key `then`");
    for of in ["error_rate", "p99", "reqests", "checkouts_lost"] {
        let expected =
            format!("sample-ratio `{of}` `sample_ratio` counts a metric of both groups, and `{of}` is no `count`");
        ratio(&format!("{{ of: {of}, within: 20%, {alarms}, cluster: 10 }}"), &expected);
    }
    for metric in ["{ query: 'sum(x{ {{ match }} })', unit: count }", "{ scope: service, count: x }"] {
        let more = format!("metrics:\n    own: {metric}\n");
        let of = format!("  sample_ratio: {{ of: own, within: 20%, {alarms}, cluster: 10 }}\n  healthy:\n");
        let mut files = example_files();
        for (_, text) in &mut files {
            *text = text.replace("metrics:\n", &more).replace("  healthy:\n", &of);
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let dir = project_dir(&files);
        let told = told(&flagstaff::spec::load(dir.path()));
        assert!(told.iter().any(|line| line.contains("sample-ratio `own`")), "{metric}: {told:?}");
    }
    let used = format!("{{ within: 20%, {alarms}, cluster: 10 }}");
    ratio(
        &format!("{used}\n  safeguards: [ {{ name: sample_ratio, when: 'error_rate > 2%', then: pause }} ]\n  x:"),
        "duplicate-name `sample_ratio`",
    );
}

#[test]
fn observing() {
    let file = "policies.yaml";
    check(file, "for: 2m, then: pause", "for: 2m, observe: yes, then: pause", "boolean `yes`");
    check(file, "  healthy:\n", "  observe: true\n  healthy:\n", "observe `web` only observes");
    check(
        file,
        "  safeguards:\n",
        "  safeguards: [ { name: e, when: 'error_rate > 2%', observe: true, then: pause } ]\n  other:\n",
        "no-safeguard",
    );
}

#[test]
fn without_a_safeguard_or_evidence() {
    let file = "policies.yaml";
    check(
        file,
        "  safeguards:\n",
        "  safeguards: [ { name: e, when: 'error_rate > 2%', then: notify } ]\n  other:\n",
        "no-safeguard",
    );
    check(
        file,
        "  healthy:\n    - \"error_rate < 1%\"\n    - { when: \"p99 < 500ms\", for: 2m }  # slower for less than that only freezes the bake\n",
        "  healthy: [ \"error_rate < 2 * baseline(error_rate)\" ]\n",
        "no-evidence",
    );
    check(
        file,
        "  healthy:\n    - \"error_rate < 1%\"\n    - { when: \"p99 < 500ms\", for: 2m }  # slower for less than that only freezes the bake\n",
        "  healthy: [ \"not missing(error_rate)\" ]\n",
        "no-evidence",
    );
}

#[test]
fn releases() {
    let file = "search-rank.yaml";
    check(file, "{ service: search }", "{ service: search, env: staging }", "match-conflict `search-rank`");
    check(file, "{ service: search }", "{ 'a} or vector(1) #': search }", "label `a} or vector(1) #`");
    check(file, "flag: search-rank-2026", "flag: checkout-v2", "same-flag `checkout-v2`");
    check(file, "name: search-rank,", "name: checkout-v2,", "duplicate-name `checkout-v2`");
    let other = "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: other }\n";
    let takes =
        format!("environments: [production]\n{other}spec: {{ flag: search-rank, environments: [production] }}\n");
    check(file, "environments: [production]\n", &takes, "flag-name `search-rank`");
    check(file, "environments: [production]", "environments: [produktion]", "did you mean `production`?");
}

/// The example's production on an Unleash.
fn unleash(inner: &str, expected: &str) {
    let written = "flagd: { path: flags/production.flagd.json }";
    check("flagstaff.yaml", written, &format!("unleash: {{ {inner} }}"), expected);
}

#[test]
fn unleash_backends() {
    let url = "url: \"https://flags.example\"";
    unleash(&format!("{url}, environment: production, token_env: T, projekt: x"), "unknown-key `projekt`");
    unleash(&format!("{url}, token_env: T"), "missing-key");
    unleash(&format!("{url}, environment: production"), "token `url`");
    unleash(&format!("{url}, environment: production, token_env: T, token_file: t"), "token `token_file`");
    unleash(
        &format!("{url}, environment: production, token_env: T, client_key_file: k"),
        "missing-key `client_key_file`",
    );
    unleash(&format!("{url}, environment: production, token_env: T, shutdown: mine"), "shutdown `mine`");
    let at = |url: &str| format!("url: \"{url}\", environment: production, token_env: T");
    unleash(&at("https://ana:word@flags.example"), "url `ana:word@`");
    unleash(&at("ftp://flags.example"), "address `ftp://flags.example`");
    unleash(&at("flags.example"), "address `flags.example`");
    unleash(&at("http://flags.example"), "in-the-clear `http://flags.example`");
}

#[test]
fn what_unleash_cannot_express() {
    let target = "unleash: { url: \"https://flags.example\", environment: production, token_env: T }";
    let on_unleash = |file: &str, from: &str, to: &str, expected: &str| {
        let mut files = example_files();
        let mut replaced = |file: &str, from: &str, to: &str| {
            let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with(file)).expect("an example file");
            assert!(text.contains(from), "{file} has no `{from}`");
            *text = text.replacen(from, to, 1);
        };
        replaced("flagstaff.yaml", "flagd: { path: flags/production.flagd.json }", target);
        replaced(file, from, to);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let told = told(&flagstaff::spec::load(project_dir(&files).path()));
        assert!(told.iter().any(|line| line.contains(expected)), "`{expected}` is not in:\n{}", told.join("\n"));
    };
    on_unleash("templates.yaml", "percentage: 10%", "percentage: 12.5%", "whole-percent `12.5%`");
    on_unleash("flagstaff.yaml", "flagd: { path: flags/staging.flagd.json }", target, "same-backend");
    on_unleash("checkout-v2.yaml", "spec:", "spec:\n  flag: \"a/b\"", "unleash-flag `a/b`");
    on_unleash("audiences.yaml", "ends_with:", "contains:", "server-attribute");
    let many: Vec<String> = (0..251).map(|n| format!("u-{n}")).collect();
    let many = format!("in: [{}]", many.join(", "));
    on_unleash("audiences.yaml", "ends_with: \"@acme.example\"", &many, "unleash-values");
    on_unleash("flagstaff.yaml", "https://flags.example\"", "https://flags.example/api/admin\"", "unleash-address");
    on_unleash("flagstaff.yaml", "stickiness: targetingKey", "stickiness: random", "stickiness");
}

#[test]
fn a_file_has_no_segments() {
    let written = "{ attribute: email, ends_with: \"@acme.example\" }";
    check("audiences.yaml", written, "{ segment: staff }", "no-segments `employees`");
    check("audiences.yaml", written, "{ segment: staff, in: [a] }", "unknown-key `in`");
}

#[test]
fn arms() {
    let written = "arms: { flag: feature_flag_key, variant: feature_flag_result_variant }";
    check("flagstaff.yaml", written, "arms: unleash-impacts", "arms `unleash-impacts`");
}

/// The example's Prometheus with more beside its address.
fn prometheus(inner: &str, expected: &str) {
    let mut files = example_files();
    let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with("flagstaff.yaml")).expect("the project");
    let written = "prometheus: { url: \"";
    assert!(text.contains(written), "{text}");
    *text = text.replacen(written, &format!("prometheus: {{ {inner}, url: \""), 1);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let told = told(&flagstaff::spec::load(project_dir(&files).path()));
    match expected {
        "" => assert!(told.is_empty(), "{told:?}"),
        expected => assert!(told.iter().any(|line| line.contains(expected)), "`{expected}` is not in {told:?}"),
    }
}

#[test]
fn how_a_prometheus_is_got_at() {
    prometheus("username: ops, password_file: p, ca_file: c, client_cert_file: c, client_key_file: k", "");
    prometheus("username: ops", "missing-key `ops` a name needs a password");
    prometheus("password_env: P", "missing-key");
    prometheus("username: \"o:s\", password_env: P", "login `o:s`");
    prometheus("username: ops, password_env: P, password_file: p", "token");
    prometheus("username: ops, password_env: P, token_env: T", "login");
    prometheus("client_key_file: k", "missing-key `client_key_file`");
    let oauth2 = |inner: &str| format!("oauth2: {{ client_id: flagstaff, {inner} }}");
    let url = "token_url: \"https://id.example/token\"";
    prometheus(&oauth2(&format!("{url}, client_secret_command: [pass, show], scopes: [read], audience: a")), "");
    prometheus(&oauth2(url), "token `client_id`");
    prometheus(&oauth2("client_secret_env: S"), "missing-key");
    prometheus(&oauth2("token_url: \"https://a:b@id.example/\", client_secret_env: S"), "url `a:b@`");
    prometheus(&oauth2("token_url: \"http://id.example/\", client_secret_env: S"), "in-the-clear `http://id.example/`");
    prometheus(&oauth2("token_url: id.example, client_secret_env: S"), "address `id.example`");
    prometheus(&oauth2(&format!("{url}, client_secret: hunter2")), "unknown-key `client_secret`");
    prometheus("headers: { X-Scope-OrgID: \"a|b\", X-Api-Key: { env: KEY }, Authorization: { file: f } }", "");
    prometheus("headers: { Authorization: \"Bearer hunter2\" }", "header `Bearer hunter2`");
    prometheus("headers: { X-Api-Key: hunter2 }", "header `hunter2`");
    prometheus("headers: { \"X Y\": a }", "header `X Y`");
    prometheus("headers: { Host: elsewhere }", "header `Host`");
    prometheus("headers: { X-A: \"a\\nB: c\" }", "header");
    prometheus("headers: { X-A: { file: f, env: E } }", "token");
    prometheus("headers: { X-A: {} }", "missing-key");
    prometheus("token_env: T, headers: { authorization: { file: f } }", "header `authorization`");
    check("flagstaff.yaml", "\"http://127.0.0.1:9090\"", "\"http://metrics.example?x\"", "address");
    let clear = "\"http://metrics.example\", token_env: T";
    check("flagstaff.yaml", "\"http://127.0.0.1:9090\"", clear, "in-the-clear `http://metrics.example`");
}
