//! Windows, dependencies and freezes by date in documents: what they mean, which layer counts, what is refused and where.

use flagstaff::spec::{self, Loaded, Severity};

use super::{check, example_files, project_dir, told};

const PROJECT: &str = "flagstaff.yaml";
const CHECKOUT: &str = "checkout-v2.yaml";
const SEARCH: &str = "search-rank.yaml";

/// The example with changes: file, what stands there, and what does then.
fn changed(changes: &[(&str, &str, &str)]) -> (Loaded, tempfile::TempDir) {
    let mut files = example_files();
    for (file, from, to) in changes {
        let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with(file)).expect("an example file");
        assert!(text.contains(from), "{file} has no `{from}`");
        *text = text.replacen(from, to, 1);
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    (spec::load(dir.path()), dir)
}

fn windows(loaded: &Loaded, release: &str, environment: &str) -> Vec<String> {
    let resolved = loaded.plan(release, environment).unwrap_or_else(|_| panic!("{:?}", told(loaded)));
    resolved.plan.windows.into_iter().map(|window| window.text).collect()
}

#[test]
fn the_most_specific_window_counts_alone() {
    let (day, night, noon) = ("Mon-Fri 09:00-16:00 UTC", "daily 22:00-06:00 UTC", "daily 12:00-13:00 UTC");
    let defaults = format!("  defaults: {{ window: \"{day}\", ");
    let of_environment = format!("      source: app\n      window: [ \"{night}\", \"{noon}\" ]\n");
    let of_release = format!("spec:\n  window: \"{noon}\"\n");
    let base = [(PROJECT, "  defaults: { ", defaults.as_str())];
    let (loaded, _dir) = changed(&base);
    assert_eq!(told(&loaded), Vec::<String>::new());
    assert_eq!(windows(&loaded, "checkout-v2", "staging"), [day]);
    let base = [base[0], (PROJECT, "      source: app\n", of_environment.as_str())];
    let (loaded, _dir) = changed(&base);
    assert_eq!(windows(&loaded, "checkout-v2", "staging"), [night, noon], "they do not combine over layers");
    assert_eq!(windows(&loaded, "checkout-v2", "production"), [day]);
    let base = [base[0], base[1], (SEARCH, "spec:\n", of_release.as_str())];
    let (loaded, _dir) = changed(&base);
    assert_eq!(windows(&loaded, "search-rank", "production"), [noon]);
    for (entry, expected) in [("\"Sun 00:00-24:00 UTC\"", vec!["Sun 00:00-24:00 UTC"]), ("[]", Vec::new())] {
        let entry = format!("environments: [ {{ production: {{ window: {entry} }} }} ]");
        let (loaded, _dir) = changed(&[base[0], base[1], base[2], (SEARCH, "environments: [production]", &entry)]);
        assert_eq!(windows(&loaded, "search-rank", "production"), expected);
        let resolved = loaded.plan("search-rank", "production").expect("a plan");
        assert!(resolved.origins["windows"].ends_with("search-rank.yaml:8"), "{:?}", resolved.origins);
    }
}

#[test]
fn a_plan_without_calendars_has_no_word_of_them() {
    let (loaded, _dir) = changed(&[]);
    let plan = loaded.plan("checkout-v2", "production").expect("a plan").plan;
    let plan = serde_json::to_value(&plan).unwrap();
    assert!(plan.get("windows").is_none() && plan.get("after").is_none(), "older plans keep their hashes");
}

#[test]
fn windows_are_refused_at_their_characters() {
    for (window, expected) in [
        ("\"Mon-Fri 09:00-16:00\"", "window `Mon-Fri 09:00-16:00`"),
        ("\"Mon-Fry 09:00-16:00 UTC\"", "window `Fry`"),
        ("\"daily 9:00-16:00 UTC\"", "window `9:00`"),
        (
            "\"daily 09:00-16:00 Europe/Madird\"",
            "unknown-zone `Europe/Madird` there is no time zone `Europe/Madird` (did you mean `Europe/Madrid`?)",
        ),
        ("\"daily 09:00-16:00 EST\"", "unknown-zone `EST`"),
        ("[ \"daily 09:00-16:00 UTC\", \"daily 10:00-10:00 UTC\" ]", "window `10:00-10:00`"),
        ("{ days: daily }", "shape"),
        ("", "ambiguous"),
    ] {
        check(SEARCH, "spec:\n", &format!("spec:\n  window: {window}\n"), expected);
    }
    let many = vec!["\"daily 09:00-16:00 UTC\""; 51].join(", ");
    check(SEARCH, "spec:\n", &format!("spec:\n  window: [{many}]\n"), "yaml-limit");
}

#[test]
fn a_window_between_two_ticks_is_warned_of() {
    let window = "spec:\n  window: \"daily 09:00-09:01 UTC\"\n";
    let (loaded, _dir) = changed(&[(SEARCH, "spec:\n", window), ("policies.yaml", "every: 30s", "every: 1m")]);
    assert!(!loaded.has_errors());
    let found = loaded.findings.iter().find(|finding| finding.code == "narrow-window").expect("a warning");
    assert_eq!(found.severity, Severity::Warning);
    assert!(found.help.as_ref().is_some_and(|help| help.contains("needs 1m15s")), "{found:?}");
    let (loaded, _dir) = changed(&[(SEARCH, "spec:\n", window)]);
    assert_eq!(told(&loaded), Vec::<String>::new(), "45 s are enough of a minute");
}

#[test]
fn a_release_waits_for_what_it_says() {
    let after = "spec:\n  after: [ { release: checkout-v2, reached: half }, { release: checkout-v2, environment: staging, completed: true } ]\n";
    let (loaded, _dir) = changed(&[(SEARCH, "spec:\n", after)]);
    let resolved = loaded.plan("search-rank", "production").unwrap_or_else(|_| panic!("{:?}", told(&loaded)));
    let after: Vec<String> = resolved.plan.after.iter().map(ToString::to_string).collect();
    assert_eq!(after, ["checkout-v2@production at half", "checkout-v2@staging completed"]);
    assert!(resolved.origins["after[1]"].ends_with("search-rank.yaml:5"), "{:?}", resolved.origins);
    // the entry for the environment goes before, and alone
    let entry = "environments: [ { production: { after: { release: checkout-v2, completed: true } } } ]";
    let of_release = "spec:\n  after: { release: checkout-v2, reached: half }\n";
    let (loaded, _dir) = changed(&[(SEARCH, "spec:\n", of_release), (SEARCH, "environments: [production]", entry)]);
    let plan = loaded.plan("search-rank", "production").expect("a plan").plan;
    assert_eq!(plan.after.iter().map(ToString::to_string).collect::<Vec<_>>(), ["checkout-v2@production completed"]);
}

#[test]
fn what_can_never_come_is_not_waited_for() {
    for (after, expected) in [
        (
            "{ release: checkout-v3, completed: true }",
            "unknown-release `checkout-v3` there is no release `checkout-v3` (did you mean `checkout-v2`?)",
        ),
        (
            "{ release: checkout-v2, reached: hlaf }",
            "unknown-stage `hlaf` template `standard` of `checkout-v2` has no stage `hlaf` (did you mean `half`?)",
        ),
        ("{ release: checkout-v2, reached: completed }", "(write `completed: true`)"),
        ("{ release: checkout-v2, environment: stagin, completed: true }", "unknown-environment `stagin`"),
        ("{ release: checkout-v2 }", "5:10 after `{ release: checkout-v2"),
        ("{ release: checkout-v2, reached: half, completed: true }", "in one way"),
        ("{ release: checkout-v2, completed: false }", "in one way"),
        ("{ completed: true }", "missing-key"),
        ("{ release: checkout-v2, completed: true, since: 1h }", "unknown-key `since`"),
        ("checkout-v2", "shape"),
        (
            "{ release: search-rank, completed: true }",
            "after-circle `search-rank` `search-rank@production` waits for itself",
        ),
    ] {
        check(SEARCH, "spec:\n", &format!("spec:\n  after: {after}\n"), expected);
    }
    // search goes to production alone, checkout to both
    let after = "spec:\n  after: { release: search-rank, completed: true }\n";
    check(CHECKOUT, "spec:\n", after, "after `search-rank` `search-rank` does not go to staging");
    // only releases wait
    check(
        PROJECT,
        "  defaults: {",
        "  defaults: { after: { release: checkout-v2, completed: true },",
        "unknown-key `after`",
    );
    check("templates.yaml", "bake: 24h }           #", "bake: 24h, after: x } #", "unsupported `after`");
}

#[test]
fn releases_that_wait_for_each_other_are_told_with_all_their_names() {
    let other = "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: third }\nspec:\n  environments: [production]\n  match: { service: third }\n  after: { release: checkout-v2, reached: half }\n";
    let search = format!("environments: [production]\n  after: {{ release: third, completed: true }}\n{other}");
    let waits =
        "spec:\n  environments: [ staging, { production: { after: { release: search-rank, reached: half } } } ]\n  #";
    let mut files = example_files();
    for (name, text) in &mut files {
        if name.ends_with(SEARCH) {
            *text = text.replacen("environments: [production]\n", &search, 1);
        }
        if name.ends_with(CHECKOUT) {
            let line =
                text.lines().find(|line| line.trim_start().starts_with("environments:")).expect("it says").to_owned();
            *text = text.replacen(&line, "", 1).replacen("spec:\n", &format!("{waits}\n"), 1);
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let loaded = spec::load(dir.path());
    let circles: Vec<String> = told(&loaded).into_iter().filter(|line| line.contains("after-circle")).collect();
    assert_eq!(circles.len(), 1, "{:#?}", told(&loaded));
    assert!(
        circles[0]
            .contains("checkout-v2@production → search-rank@production → third@production → checkout-v2@production"),
        "{circles:?}"
    );
}

/// The page's YAML, put into the example.
#[test]
fn what_the_page_writes_is_valid() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/calendars.md");
    let page = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    let [checkout, freezes, search] = blocks.as_slice() else { panic!("{blocks:?}") };
    let mut files = example_files();
    for (name, text) in &mut files {
        match name.rsplit('/').next() {
            Some(CHECKOUT) => *text = format!("{checkout}  match: {{ service: checkout }}\n"),
            Some(SEARCH) => *text = format!("{search}  match: {{ service: search }}\n"),
            Some(PROJECT) => *text = text.replacen("  defaults:", &format!("{freezes}  defaults:"), 1),
            _ => {}
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let loaded = spec::load(dir.path());
    assert_eq!(told(&loaded), Vec::<String>::new());
    assert_eq!(windows(&loaded, "checkout-v2", "production").len(), 1);
    assert_eq!(loaded.plan("search-rank", "production").expect("a plan").plan.after.len(), 2);
    assert_eq!(loaded.project().expect("it is there").freezes.len(), 2);
}

/// Puts a freeze into the project.
fn freeze(inner: &str) -> String {
    format!("  freezes: [ {{ {inner} }} ]\n  defaults:")
}

#[test]
fn freezes_by_date_are_refused_at_their_characters() {
    let good = "name: christmas, from: \"2026-12-20\", to: \"2027-01-03\", zone: Europe/Madrid";
    let (loaded, _dir) = changed(&[(PROJECT, "  defaults:", &freeze(good))]);
    assert_eq!(told(&loaded), Vec::<String>::new());
    let project = loaded.project().expect("it is there");
    assert_eq!(project.freezes[0].from.to_string(), "2026-12-19T23:00:00.000Z");
    assert_eq!(project.freezes[0].to.to_string(), "2027-01-03T23:00:00.000Z", "the last day is frozen too");
    assert!(project.freezes_fault.is_none());
    for (inner, expected) in [
        (good.replace("christmas", "all"), "freeze-name `all`"),
        (good.replace("christmas", "environment-production"), "freeze-name `environment-production`"),
        (good.replace("christmas", "release-x"), "freeze-name `release-x`"),
        (good.replace("christmas", "\"a b\""), "name `a b`"),
        (good.replace("2026-12-20", "20.12.2026"), "date `20.12.2026`"),
        (good.replace("2026-12-20", "2026-02-30"), "date `2026-02-30`"),
        (good.replace("2027-01-03", "2025-01-03"), "date `2025-01-03` the freeze would be over before it begins"),
        (good.replace("Europe/Madrid", "Europe/Madird"), "unknown-zone `Europe/Madird`"),
        (good.replace(", zone: Europe/Madrid", ""), "missing-key"),
        (good.replace(", to: \"2027-01-03\"", ""), "missing-key"),
        (format!("{good}, environments: [produktion]"), "unknown-environment `produktion`"),
        (format!("{good}, environments: []"), "`environments` names nothing"),
        (format!("{good}, releases: [checkout]"), "unknown-release `checkout`"),
        (format!("{good}, until: x"), "unknown-key `until`"),
        (format!("{good} }}, {{ {good}"), "duplicate-name `christmas`"),
    ] {
        check(PROJECT, "  defaults:", &freeze(&inner), expected);
    }
    check(PROJECT, "  defaults:", "  freezes: christmas\n  defaults:", "shape");
}

#[test]
fn what_cannot_be_read_of_freezes_is_remembered() {
    for broken in [
        "name: x",
        "name: x, from: a, to: b, zone: UTC",
        "name: [x], from: \"2026-12-20\", to: \"2026-12-21\", zone: UTC",
    ] {
        let (loaded, _dir) = changed(&[(PROJECT, "  defaults:", &freeze(broken))]);
        assert!(loaded.project().is_some_and(|project| project.freezes_fault.is_some()), "{broken}");
    }
}
