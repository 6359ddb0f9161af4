//! The forms as PromQL. Every label value is escaped as a PromQL string: templating is not pasting.

use crate::engine::plan::{Form, LabelTest, Matcher, Query, Selector};
use crate::engine::{Decimal, Span};

/// The query's text.
pub fn text(query: &Query) -> String {
    let window = duration(query.window);
    let select = |of: &Selector, suffix: &str| format!("{}{suffix}{}", of.metric, braces(of, &query.matchers));
    match &query.form {
        Form::Ratio { of, over } => {
            let (part, whole) = (select(of, ""), select(over, ""));
            format!("(sum(rate({part}[{window}])) or 0 * sum(rate({whole}[{window}]))) / sum(rate({whole}[{window}]))")
        }
        Form::Count { of } => {
            let (series, every) = (select(of, ""), duration(query.every));
            // per series, without those that went down or miss an end; empty while the metric exists is zero
            format!("sum(({series} - {series} offset {every}) >= 0) or 0 * sum({series})")
        }
        Form::RatioCount { of, over } => {
            let (part, whole, every) = (select(of, ""), select(over, ""), duration(query.every));
            // none of them yet is zero while there is anything that it is a part of
            format!("sum(({part} - {part} offset {every}) >= 0) or 0 * sum({whole})")
        }
        Form::SlowCount { bound, of } => {
            let bucket = |texts| select(&bucket(of, texts), "_bucket");
            let (quick, all) = (bucket(written(*bound)), bucket(vec!["+Inf".to_owned()]));
            let every = duration(query.every);
            // what went down in either is left out of both; without such a bucket there is no answer
            let grew = |series: &str| format!("(({series} - {series} offset {every}) >= 0)");
            format!("sum(({} - ignoring(le) {}) >= 0) or 0 * sum({quick})", grew(&all), grew(&quick))
        }
        Form::Quantile { q, of } => {
            format!("histogram_quantile({q}, sum by (le) (rate({}[{window}])))", select(of, "_bucket"))
        }
        Form::Slow { bound, of } => {
            let (quick, all) = (select(&bucket(of, written(*bound)), "_bucket"), select(of, "_count"));
            format!("1 - sum(rate({quick}[{window}])) / sum(rate({all}[{window}]))")
        }
        Form::Raw { text } => {
            let matchers: Vec<String> = query.matchers.iter().map(matcher).collect();
            fill(&fill(text, "match", &matchers.join(",")), "flag", &escape(&query.flag))
        }
    }
}

/// The age of the newest sample behind a query in seconds; none for raw queries.
pub fn age(query: &Query) -> Option<String> {
    let (of, suffix) = match &query.form {
        Form::Ratio { over, .. } | Form::RatioCount { over, .. } => (over, ""),
        Form::Count { of } => (of, ""),
        Form::Quantile { of, .. } | Form::Slow { of, .. } | Form::SlowCount { of, .. } => (of, "_bucket"),
        Form::Raw { .. } => return None,
    };
    Some(format!("time() - max(timestamp({}{suffix}{}))", of.metric, braces(of, &query.matchers)))
}

/// A raw query without its matchers, to tell an empty group from a metric that is not there: every series is without
/// this label.
pub fn whatever_group(query: &Query) -> String {
    let anything = Matcher { label: "flagstaff_no_such_label".to_owned(), is: LabelTest::Equal(String::new()) };
    text(&Query { matchers: vec![anything], ..query.clone() })
}

/// A histogram's buckets whose bound is one of these texts.
fn bucket(of: &Selector, bounds: Vec<String>) -> Selector {
    let mut bucket = of.clone();
    bucket.matchers.push(Matcher { label: "le".to_owned(), is: LabelTest::AnyOf(bounds) });
    bucket
}

/// A bound as either kind of client writes it.
fn written(bound: Decimal) -> Vec<String> {
    vec![bound.to_string(), format!("{bound}.0")]
}

fn braces(of: &Selector, common: &[Matcher]) -> String {
    let matchers: Vec<String> = of.matchers.iter().chain(common).map(matcher).collect();
    if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) }
}

fn matcher(matcher: &Matcher) -> String {
    let (op, value) = match &matcher.is {
        LabelTest::Equal(value) => ("=", escape(value)),
        LabelTest::NotEqual(value) => ("!=", escape(value)),
        LabelTest::Matches(value) => ("=~", escape(value)),
        LabelTest::NotMatches(value) => ("!~", escape(value)),
        LabelTest::AnyOf(values) => {
            let literal: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
            ("=~", escape(&literal.join("|")))
        }
    };
    format!("{}{op}\"{value}\"", matcher.label)
}

/// Inside a PromQL string in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() => escaped.push_str(&format!("\\u{:04x}", c as u32)),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Replaces `{{ name }}`, with any spaces inside.
fn fill(text: &str, name: &str, value: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}").map(|at| open + at) else { break };
        filled.push_str(&rest[..open]);
        if rest[open + 2..close].trim() == name {
            filled.push_str(value);
        } else {
            filled.push_str(&rest[open..close + 2]);
        }
        rest = &rest[close + 2..];
    }
    filled + rest
}

/// Prometheus reads whole milliseconds.
fn duration(span: Span) -> String {
    if span.0.is_multiple_of(1000) { format!("{}s", span.0 / 1000) } else { format!("{}ms", span.0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(form: Form, flag: &str) -> Query {
        let equal =
            |label: &str, value: &str| Matcher { label: label.to_owned(), is: LabelTest::Equal(value.to_owned()) };
        let arm = LabelTest::AnyOf(vec!["on".to_owned(), "true".to_owned()]);
        Query {
            source: "prom".to_owned(),
            form,
            matchers: vec![
                equal("env", "production"),
                equal("flag", flag),
                Matcher { label: "variant".to_owned(), is: arm },
            ],
            window: Span::minutes(5),
            every: Span::seconds(30),
            flag: flag.to_owned(),
            born_later: false,
        }
    }

    fn named(metric: &str) -> Selector {
        Selector { metric: metric.to_owned(), matchers: Vec::new() }
    }

    #[test]
    fn forms_write_promql() {
        let select = r#"{env="production",flag="f",variant=~"on|true"}"#;
        let ratio = text(&query(Form::Ratio { of: named("bad"), over: named("all") }, "f"));
        assert_eq!(
            ratio,
            format!(
                "(sum(rate(bad{select}[300s])) or 0 * sum(rate(all{select}[300s]))) / sum(rate(all{select}[300s]))"
            )
        );
        let count = text(&query(Form::Count { of: named("all") }, "f"));
        assert_eq!(count, format!("sum((all{select} - all{select} offset 30s) >= 0) or 0 * sum(all{select})"));
        let part = text(&query(Form::RatioCount { of: named("bad"), over: named("all") }, "f"));
        assert_eq!(part, format!("sum((bad{select} - bad{select} offset 30s) >= 0) or 0 * sum(all{select})"));
        let slow = text(&query(Form::SlowCount { bound: "0.8".parse().unwrap(), of: named("took") }, "f"));
        let bucket = |le: &str| format!(r#"took_bucket{{le=~"{le}",env="production",flag="f",variant=~"on|true"}}"#);
        let (quick, all) = (bucket(r"0\\.8|0\\.8\\.0"), bucket(r"\\+Inf"));
        assert_eq!(
            slow,
            format!(
                "sum(((({all} - {all} offset 30s) >= 0) - ignoring(le) (({quick} - {quick} offset 30s) >= 0)) >= 0) or 0 * \
                 sum({quick})"
            )
        );
        let raw = Form::Raw { text: "max(queue{ {{match}} }) + {{ other }} # {{ flag }}".to_owned() };
        assert_eq!(
            text(&query(raw, "f")),
            r#"max(queue{ env="production",flag="f",variant=~"on|true" }) + {{ other }} # f"#
        );
    }

    proptest! {
        #[test]
        fn a_value_never_leaves_its_string(flag in "[\\PC\"\\\\}{\n#]{0,30}") {
            let written = text(&query(Form::Count { of: named("all") }, &flag));
            // outside of strings, the text is the same whatever the value
            let mut outside = String::new();
            let (mut inside, mut escaped) = (false, false);
            for c in written.chars() {
                match (inside, c) {
                    (true, _) if escaped => escaped = false,
                    (true, '\\') => escaped = true,
                    (_, '"') => inside = !inside,
                    (false, c) => outside.push(c),
                    (true, _) => {}
                }
            }
            let select = "{env=,flag=,variant=~}";
            prop_assert_eq!(outside, format!("sum((all{select} - all{select} offset 30s) >= 0) or 0 * sum(all{select})"));
        }
    }
}
