//! Metrics: selectors as they are written, the HTTP presets, and the forms behind the names that conditions use.

use super::documents::{FormDoc, PolicyDoc};
use super::finding::Finding;
use super::reader::Text;
use super::typing::{MetricType, Part, SeriesKey};
use crate::engine::Decimal;
use crate::engine::plan::{Arm, Form, LabelTest, Matcher, Selector, Unit};

/// The metrics of the HTTP presets.
pub const PRESET_METRICS: &[&str] = &["error_rate", "requests", "p50", "p95", "p99", "slow"];

/// Reads `name`, or `name{label="x",other=~"y.*"}`, as in PromQL.
///
/// # Errors
/// A finding at the text.
pub fn selector(text: &Text) -> Result<Selector, Box<Finding>> {
    let fault = |message: &str| {
        let finding = Finding::error("selector", &text.at, format!("`{}`: {message}", text.value));
        Box::new(finding.help("write `name` or `name{label=\"value\"}`"))
    };
    let (metric, braces) = match text.value.split_once('{') {
        Some((metric, rest)) => {
            (metric.trim(), Some(rest.trim_end().strip_suffix('}').ok_or_else(|| fault("`}` is missing"))?))
        }
        None => (text.value.trim(), None),
    };
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    if !plain(metric) {
        return Err(fault("that is no metric's name"));
    }
    let matchers = braces.map_or(Ok(Vec::new()), matchers).map_err(|message| fault(&message))?;
    Ok(Selector { metric: metric.to_owned(), matchers })
}

/// Reads the inside of a selector's braces.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', '!']).ok_or("`=` is missing")?;
        let label = rest[..end].trim().to_owned();
        if !is_label(&label) {
            return Err(format!("`{label}` is no label's name"));
        }
        rest = &rest[end..];
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| rest.starts_with(op)).ok_or("= != =~ !~ are known")?;
        rest = rest[op.len()..].trim_start().strip_prefix('"').ok_or("the value stands in double quotes")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let close = loop {
            match chars.next() {
                Some((at, '"')) => break at,
                Some((_, '\\')) => value.extend(chars.next().map(|(_, c)| if c == 'n' { '\n' } else { c })),
                Some((_, c)) => value.push(c),
                None => return Err("the value's closing quote is missing".to_owned()),
            }
        };
        rest = rest[close + 1..].trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err("`,` is expected between labels".to_owned()),
        };
        if matches!(op, "=~" | "!~") && value.len() > 1000 {
            return Err("the regular expression is too long".to_owned());
        }
        let is = match op {
            "=~" => LabelTest::Matches(value),
            "!~" => LabelTest::NotMatches(value),
            "!=" => LabelTest::NotEqual(value),
            _ => LabelTest::Equal(value),
        };
        found.push(Matcher { label, is });
    }
    Ok(found)
}

/// Whether a text is a label's name: anything else could leave the selector it is written into.
pub fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What is known of a metric by its name; `None` where the policy has no such metric.
pub fn type_of(policy: &PolicyDoc, name: &str) -> Option<MetricType> {
    if let Some(metric) = policy.metrics.iter().find(|metric| metric.name.value == name) {
        let unit = match &metric.form {
            FormDoc::Ratio(..) | FormDoc::Slow(..) => Unit::Ratio,
            FormDoc::Count(_) => Unit::Count,
            FormDoc::Quantile(..) => Unit::Seconds,
            FormDoc::Query(_, unit) => match unit.as_ref().map(|unit| unit.value.as_str()) {
                Some("ratio") => Unit::Ratio,
                Some("seconds") => Unit::Seconds,
                Some("count") => Unit::Count,
                _ => Unit::Plain,
            },
        };
        return Some(MetricType { unit, arm: if metric.service { Arm::Service } else { Arm::Exposed } });
    }
    policy.preset.as_ref()?;
    let unit = match name {
        "error_rate" | "slow" => Unit::Ratio,
        "requests" => Unit::Count,
        "p50" | "p95" | "p99" => Unit::Seconds,
        _ => return None,
    };
    Some(MetricType { unit, arm: Arm::Exposed })
}

/// Every metric's name, for suggestions.
pub fn names(policy: &PolicyDoc) -> Vec<&str> {
    let own = policy.metrics.iter().map(|metric| metric.name.value.as_str());
    let preset = PRESET_METRICS.iter().copied().filter(|_| policy.preset.is_some());
    own.chain(preset).collect()
}

/// What can be counted of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countable {
    /// Its numerator and its denominator.
    Parts,
    /// Nothing: it is a quantile. What to write instead, where that is known.
    Quantile(Option<Decimal>),
    /// Nothing: it is a query of its own.
    Raw,
    /// Nothing but itself.
    Count,
}

/// What can be counted of a metric by its name.
pub fn countable(policy: &PolicyDoc, name: &str) -> Countable {
    match policy.metrics.iter().find(|metric| metric.name.value == name).map(|metric| &metric.form) {
        Some(FormDoc::Ratio(..) | FormDoc::Slow(..)) => Countable::Parts,
        Some(FormDoc::Quantile(..)) => Countable::Quantile(None),
        Some(FormDoc::Query(..)) => Countable::Raw,
        Some(FormDoc::Count(_)) => Countable::Count,
        None => match name {
            "p50" => Countable::Quantile(Some(Decimal::whole(50))),
            "p95" => Countable::Quantile(Some(Decimal::whole(5))),
            "p99" => Countable::Quantile(Some(Decimal::whole(1))),
            "requests" => Countable::Count,
            _ => Countable::Parts,
        },
    }
}

/// A count behind a share.
pub fn part(form: Form, part: Part) -> Form {
    match (form, part) {
        (Form::Ratio { of, over }, Part::Failed) => Form::RatioCount { of, over },
        (Form::Ratio { over, .. }, Part::Total) => Form::Count { of: over },
        (Form::Slow { bound, of }, Part::Failed) => Form::SlowCount { bound, of },
        (Form::Slow { of, .. }, Part::Total) => {
            Form::Count { of: Selector { metric: format!("{}_count", of.metric), ..of } }
        }
        (other, _) => other,
    }
}

/// The form behind a series.
///
/// # Errors
/// A finding at the metric.
pub fn form(policy: &PolicyDoc, key: &SeriesKey) -> Result<Form, Box<Finding>> {
    let own = policy.metrics.iter().find(|metric| metric.name.value == key.metric);
    match (own, &policy.preset) {
        (Some(metric), _) => match &metric.form {
            FormDoc::Ratio(of, over) => Ok(Form::Ratio { of: selector(of)?, over: selector(over)? }),
            FormDoc::Count(of) => Ok(Form::Count { of: selector(of)? }),
            FormDoc::Quantile(q, of) => Ok(Form::Quantile { q: quantile(q)?, of: selector(of)? }),
            FormDoc::Slow(bound, of) => {
                Ok(Form::Slow { bound: Decimal::new(i128::from(bound.0), -3), of: selector(of)? })
            }
            FormDoc::Query(text, _) => Ok(Form::Raw { text: text.value.clone() }),
        },
        (None, Some(preset)) => {
            let of = Selector { metric: preset.duration.clone(), matchers: Vec::new() };
            let count = Selector { metric: format!("{}_count", preset.duration), matchers: Vec::new() };
            let quantile = |hundredths| Form::Quantile { q: Decimal::new(hundredths, -2), of: of.clone() };
            let failed = |message| Box::new(Finding::error("selector", &preset.failed.at, message));
            match key.metric.as_str() {
                "error_rate" => {
                    let matchers = matchers(&preset.failed.value).map_err(failed)?;
                    let of = Selector { metric: count.metric.clone(), matchers };
                    Ok(Form::Ratio { of, over: count })
                }
                "requests" => Ok(Form::Count { of: count }),
                "p50" => Ok(quantile(50)),
                "p95" => Ok(quantile(95)),
                "p99" => Ok(quantile(99)),
                _ => Ok(Form::Slow { bound: key.bound.unwrap_or_default(), of }),
            }
        }
        (None, None) => Err(Box::new(Finding::error("unknown-metric", &policy.name.at, "has no such metric"))),
    }
}

fn quantile(text: &Text) -> Result<Decimal, Box<Finding>> {
    let q: Option<Decimal> = text.value.parse().ok();
    q.filter(|q| *q > Decimal::ZERO && *q < Decimal::whole(1)).ok_or_else(|| {
        let finding = Finding::error("quantile", &text.at, format!("`{}` is no quantile", text.value));
        Box::new(finding.help("write a number between 0 and 1, like 0.99"))
    })
}
