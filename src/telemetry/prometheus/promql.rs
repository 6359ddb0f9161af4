//! The forms as PromQL. Every label value is escaped as a PromQL string: templating is not pasting.
//!
//! A form is written in two ways: for one flag alone, or with a hole for the test of one label and grouped by that label, so
//! that one query answers for many flags (`batch.rs`). Grouping leaves each group's number what it is alone.

use super::batch::Aspect;
use crate::engine::plan::{Form, LabelTest, Matcher, Query, Selector};
use crate::engine::{Decimal, Span};

/// Stands for the test of the label that a batch is grouped by: no escaped value has it.
const HOLE: char = '\0';

/// The query's text.
pub fn text(query: &Query) -> String {
    Writer { query, by: None }.value()
}

/// The age of the newest sample behind a query in seconds; none for raw queries.
pub fn age(query: &Query) -> Option<String> {
    Writer { query, by: None }.age()
}

/// What happened in the window at all, as a rate; none where no number is a share of it. It tells no traffic from no answer
/// where a server leaves out what is not a number.
pub fn volume(query: &Query) -> Option<String> {
    Writer { query, by: None }.volume()
}

/// How many samples the best sampled series behind a query has in its window, and how many series there were before the
/// window; none where there is no window, and for raw queries.
pub(super) fn samples(query: &Query) -> Option<(String, String)> {
    let (of, suffix) = match &query.form {
        Form::Ratio { over, .. } => (over, ""),
        Form::Quantile { of, .. } | Form::Slow { of, .. } => (of, "_bucket"),
        _ => return None,
    };
    let (series, window) = (Writer { query, by: None }.select(of, suffix), duration(query.window));
    Some((format!("max(count_over_time({series}[{window}]))"), format!("count({series} offset {window})")))
}

/// One aspect of a query, for it alone.
pub(super) fn alone(query: &Query, aspect: Aspect) -> Option<String> {
    Writer { query, by: None }.aspect(aspect)
}

/// One aspect of a query with a hole in place of the test of `label`, grouped by it. None for raw queries: nobody knows what
/// grouping would do to them.
pub(super) fn shape(query: &Query, aspect: Aspect, label: &str) -> Option<String> {
    let grouped = Writer { query, by: Some(label) };
    if matches!(query.form, Form::Raw { .. }) { None } else { grouped.aspect(aspect) }
}

/// A shape for some values of its label.
pub(super) fn filled<'v>(shape: &str, label: &str, values: impl IntoIterator<Item = &'v str>) -> String {
    shape.replace(HOLE, &format!("{label}=~\"{}\"", any_of(values)))
}

/// How many bytes a shape has with values that take so many.
pub(super) fn filled_len(shape: &str, label: &str, values: usize) -> usize {
    shape.len() + shape.matches(HOLE).count() * (label.len() + values + 4)
}

/// How many bytes a value takes in the test of a label, with what parts it from the next.
pub(super) fn value_len(value: &str) -> usize {
    any_of([value]).len() + 1
}

/// Writes a form, for one value of a label or grouped by it.
struct Writer<'q> {
    query: &'q Query,
    by: Option<&'q str>,
}

impl Writer<'_> {
    fn aspect(&self, aspect: Aspect) -> Option<String> {
        match aspect {
            Aspect::Value => Some(self.value()),
            Aspect::Age => self.age(),
            Aspect::Volume => self.volume(),
        }
    }

    fn value(&self) -> String {
        let window = duration(self.query.window);
        match &self.query.form {
            Form::Ratio { of, over } => {
                let (part, whole) = (self.rate(of, "", &window), self.rate(over, "", &window));
                format!("({part} or 0 * {whole}) / {whole}")
            }
            Form::Count { of } => {
                let (series, every) = (self.select(of, ""), duration(self.query.every));
                // per series, without those that went down or miss an end; empty while the metric exists is zero
                let (increase, there) = (self.of("sum", &[]), self.of("sum", &[]));
                format!("{increase}(({series} - {series} offset {every}) >= 0) or 0 * {there}({series})")
            }
            Form::RatioCount { of, over } => {
                let (part, whole) = (self.select(of, ""), self.select(over, ""));
                let (every, sum) = (duration(self.query.every), self.of("sum", &[]));
                // none of them yet is zero while there is anything that it is a part of
                format!("{sum}(({part} - {part} offset {every}) >= 0) or 0 * {sum}({whole})")
            }
            Form::SlowCount { bound, of } => {
                let bucket = |texts| self.select(&bucket(of, texts), "_bucket");
                let (quick, all) = (bucket(written(*bound)), bucket(vec!["+Inf".to_owned()]));
                let (every, sum) = (duration(self.query.every), self.of("sum", &[]));
                // what went down in either is left out of both; without such a bucket there is no answer
                let grew = |series: &str| format!("(({series} - {series} offset {every}) >= 0)");
                format!("{sum}(({} - ignoring(le) {}) >= 0) or 0 * {sum}({quick})", grew(&all), grew(&quick))
            }
            Form::Quantile { q, of } => {
                let sum = self.of("sum", &["le"]);
                format!("histogram_quantile({q}, {sum}(rate({}[{window}])))", self.select(of, "_bucket"))
            }
            Form::Slow { bound, of } => {
                let (quick, all) = self.quick_and_all(bound, of, &window);
                format!("1 - {quick} / {all}")
            }
            Form::Raw { text } => {
                let matchers: Vec<String> = self.query.matchers.iter().map(matcher).collect();
                fill(&fill(text, "match", &matchers.join(",")), "flag", &escape(&self.query.flag))
            }
        }
    }

    fn age(&self) -> Option<String> {
        let (of, suffix) = match &self.query.form {
            Form::Ratio { over, .. } | Form::RatioCount { over, .. } => (over, ""),
            Form::Count { of } => (of, ""),
            Form::Quantile { of, .. } | Form::Slow { of, .. } | Form::SlowCount { of, .. } => (of, "_bucket"),
            Form::Raw { .. } => return None,
        };
        Some(format!("time() - {}(timestamp({}))", self.of("max", &[]), self.select(of, suffix)))
    }

    fn volume(&self) -> Option<String> {
        let window = duration(self.query.window);
        match &self.query.form {
            Form::Ratio { over, .. } => Some(self.rate(over, "", &window)),
            Form::Quantile { of, .. } => Some(self.rate(of, "_bucket", &window)),
            Form::Slow { bound, of } => {
                let (quick, all) = self.quick_and_all(bound, of, &window);
                Some(format!("{quick} + {all}"))
            }
            Form::Count { .. } | Form::RatioCount { .. } | Form::SlowCount { .. } | Form::Raw { .. } => None,
        }
    }

    fn quick_and_all(&self, bound: &Decimal, of: &Selector, window: &str) -> (String, String) {
        let quick = bucket(of, written(*bound));
        (self.rate(&quick, "_bucket", window), self.rate(of, "_count", window))
    }

    fn rate(&self, of: &Selector, suffix: &str, window: &str) -> String {
        format!("{}(rate({}[{window}]))", self.of("sum", &[]), self.select(of, suffix))
    }

    /// An aggregation by the label that this is grouped by, and by others.
    fn of(&self, aggregation: &str, others: &[&str]) -> String {
        let labels: Vec<&str> = self.by.iter().chain(others).copied().collect();
        match labels.as_slice() {
            [] => aggregation.to_owned(),
            labels => format!("{aggregation} by ({}) ", labels.join(", ")),
        }
    }

    fn select(&self, of: &Selector, suffix: &str) -> String {
        let common = self.query.matchers.iter().map(|common| match &common.is {
            LabelTest::Equal(_) if self.by == Some(common.label.as_str()) => HOLE.to_string(),
            _ => matcher(common),
        });
        let matchers: Vec<String> = of.matchers.iter().map(matcher).chain(common).collect();
        let braces = if matchers.is_empty() { String::new() } else { format!("{{{}}}", matchers.join(",")) };
        format!("{}{suffix}{braces}", of.metric)
    }
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

fn matcher(matcher: &Matcher) -> String {
    let (op, value) = match &matcher.is {
        LabelTest::Equal(value) => ("=", escape(value)),
        LabelTest::NotEqual(value) => ("!=", escape(value)),
        LabelTest::Matches(value) => ("=~", escape(value)),
        LabelTest::NotMatches(value) => ("!~", escape(value)),
        LabelTest::AnyOf(values) => ("=~", any_of(values.iter().map(String::as_str))),
    };
    format!("{}{op}\"{value}\"", matcher.label)
}

/// One of these texts, literally, as the inside of a PromQL string.
fn any_of<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let mut pattern = String::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            pattern.push('|');
        }
        quote(value, &mut pattern);
    }
    escape(&pattern)
}

/// A text as a regular expression (RE2) that matches it and nothing else: what servers know to be a plain list of texts stays
/// one, so no more is escaped than has a meaning.
fn quote(text: &str, into: &mut String) {
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            into.push('\\');
        }
        into.push(c);
    }
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

    #[test]
    fn whatever_is_written_can_be_read() {
        let of = || Selector { metric: "took".to_owned(), matchers: vec![] };
        let forms = [
            Form::Ratio { of: of(), over: of() },
            Form::Count { of: of() },
            Form::RatioCount { of: of(), over: of() },
            Form::SlowCount { bound: "0.8".parse().unwrap(), of: of() },
            Form::Quantile { q: "0.99".parse().unwrap(), of: of() },
            Form::Slow { bound: "1".parse().unwrap(), of: of() },
        ];
        for form in forms {
            let query = query(form, "a\"b\\c{é}\n");
            for aspect in [Aspect::Value, Aspect::Age, Aspect::Volume] {
                let shaped = shape(&query, aspect, "flag").map(|shape| filled(&shape, "flag", ["a", "b|c"]));
                for text in alone(&query, aspect).into_iter().chain(shaped) {
                    assert_eq!(crate::spec::promql::read(&text), Ok(crate::spec::promql::Type::Vector), "{text}");
                }
            }
        }
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
