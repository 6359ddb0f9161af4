//! Raw queries are read as PromQL, and what is wrong is marked at its characters.

use super::{example_files, project_dir, told};

/// What is told of the example with a raw query as it stands in YAML.
fn of(written: &str) -> Vec<String> {
    let mut files = example_files();
    let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with("policies.yaml")).unwrap();
    let ratio = "ratio: { of: checkout_failed_total, over: checkout_total }";
    assert!(text.contains(ratio));
    *text = text.replacen(ratio, &format!("query: {written}, unit: ratio"), 1);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    told(&flagstaff::spec::load(project_dir(&files).path()))
}

#[test]
fn what_is_wrong_with_a_raw_query_is_marked_in_its_text() {
    for (written, expected) in [
        ("'max(queue{ {{ match }} }'", "promql `(` this bracket is not closed"),
        ("'raet(x{ {{ match }} }[5m])'", "promql `raet` there is no function `raet` in PromQL; did you mean `rate`?"),
        ("'rate(x{ {{ match }} })'", "promql `x{ {{ match }} }` `rate` is given a range vector here"),
        ("'x{ {{ match }} }[5m]'", "promql `x{ {{ match }} }[5m]` the query gives a range vector"),
        ("'sum(x{ {{match}}, a=''b'' }) bye (c)'", "promql `bye`"),
        (r#""max(x{a=\"b\", {{ match }} }) +""#, "promql `+` nothing stands behind `+`"),
        (r#""max(x{a=\"b\", {{ match }} }) \u002b""#, r"promql `\u002b` nothing stands behind `+`"),
    ] {
        let told = of(written);
        assert!(told.iter().any(|line| line.contains(expected)), "{written}: {told:?}");
    }
    for written in ["'max(queue{ {{ match }} })'", r#""max(x{a=\"{{ flag }}\",{{match}}})""#] {
        assert_eq!(of(written), Vec::<String>::new(), "{written}");
    }
}

#[test]
fn only_what_no_server_takes_is_refused() {
    let severity = |written: &str| {
        let mut files = example_files();
        let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with("policies.yaml")).unwrap();
        let ratio = "ratio: { of: checkout_failed_total, over: checkout_total }";
        *text = text.replacen(ratio, &format!("query: {written}, unit: ratio"), 1);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        flagstaff::spec::load(project_dir(&files).path()).has_errors()
    };
    assert!(severity("'max(x{ {{ match }} }'"));
    // MetricsQL takes both
    assert!(!severity("'rate(x{ {{ match }} })'"));
    assert!(!severity("'median(x{ {{ match }} })'"));
}

#[test]
fn a_range_of_less_than_four_scrapes_is_told() {
    let told = of("'sum(rate(x{ {{ match }} }[15s]))'");
    assert!(told.iter().any(|line| line.contains("short-window") && line.contains("a range of 15s")), "{told:?}");
    assert_eq!(of("'sum(rate(x{ {{ match }} }[5m]))'"), Vec::<String>::new());
}
