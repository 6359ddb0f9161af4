//! What an answer is worth: one number without warnings, or unknown with the reason.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::decimal::ParseDecimalError;
use crate::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use crate::telemetry::Answered;

/// The single value of an answer as text.
///
/// # Errors
/// Why there is none.
pub fn number(body: &Value) -> Result<&str, Unknown> {
    let data = &body["data"];
    let pair = match data["resultType"].as_str() {
        Some("scalar") => &data["result"],
        Some("vector") => match data["result"].as_array().map(Vec::as_slice) {
            Some([]) => return Err(Unknown::NoAnswer),
            Some([only]) => &only["value"],
            Some(_) => return Err(Unknown::SeveralSeries),
            None => return Err(Unknown::Error),
        },
        _ => return Err(Unknown::Error),
    };
    // a native histogram has no `value`
    pair.get(1).and_then(Value::as_str).ok_or(Unknown::NotANumber)
}

/// Judges an answer. `share`: NaN is 0/0, no traffic.
pub fn judge(body: &Value, share: bool) -> Answered {
    let warned = body.get("warnings").and_then(Value::as_array).filter(|warnings| !warnings.is_empty());
    if let Some(warnings) = warned {
        let detail = warnings.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ");
        return unknown(Unknown::Warnings, super::bounded(&detail));
    }
    match number(body).map(Decimal::reading) {
        Ok(Ok(value)) => Answered { reading: Reading::Value(value), detail: None },
        Ok(Err(ParseDecimalError::NotANumber)) if share => {
            unknown(Unknown::Idle, "no traffic in the window".to_owned())
        }
        Ok(Err(ParseDecimalError::Infinite)) => unknown(Unknown::Infinite, "the answer is infinite".to_owned()),
        Ok(Err(error)) => unknown(Unknown::NotANumber, error.to_string()),
        Err(reason) => unknown(reason, format!("the answer is {reason:?}")),
    }
}

/// Judges the age of the newest sample: an old one may be dressed as new for five minutes.
pub fn judge_age(body: &Value, scrape_every: Span, answered: Answered) -> Answered {
    let limit = Decimal::new(i128::from(scrape_every.0) * 5 / 2, -3);
    match number(body).map(Decimal::reading) {
        Ok(Ok(age)) if age <= limit => answered,
        Ok(Ok(age)) => unknown(Unknown::Stale, format!("the newest sample is {age} s old")),
        Err(Unknown::NoAnswer) => unknown(Unknown::Stale, "there is no live series behind it".to_owned()),
        _ => unknown(Unknown::Error, "the age of the newest sample cannot be told".to_owned()),
    }
}

/// A range answer by its instants.
#[derive(Debug, Default)]
pub struct Rows {
    points: BTreeMap<Timestamp, Vec<Value>>,
    warnings: Option<Value>,
}

impl Rows {
    /// Indexes an answer: looking through it once per instant would be quadratic over days.
    pub fn new(mut body: Value) -> Rows {
        let warnings = body.get_mut("warnings").map(Value::take);
        let mut points: BTreeMap<Timestamp, Vec<Value>> = BTreeMap::new();
        for series in body["data"]["result"].as_array().map(Vec::as_slice).unwrap_or_default() {
            for pair in series["values"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let Some(seconds) = pair.get(0).and_then(Value::as_f64) else { continue };
                points.entry(Timestamp((seconds * 1000.0).round() as i64)).or_default().push(json!({ "value": pair }));
            }
        }
        Rows { points, warnings }
    }

    /// Whether anything was answered for an instant.
    pub fn has(&self, at: Timestamp) -> bool {
        self.points.contains_key(&at)
    }

    /// One instant, as the answer of an instant query.
    pub fn row(&self, at: Timestamp) -> Value {
        let result = self.points.get(&at).cloned().unwrap_or_default();
        let mut instant = json!({ "data": { "resultType": "vector", "result": result } });
        if let Some(warnings) = &self.warnings {
            instant["warnings"] = warnings.clone();
        }
        instant
    }
}

fn unknown(reason: Unknown, detail: String) -> Answered {
    Answered { reading: Reading::Unknown(reason), detail: Some(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[&str]) -> Value {
        let result: Vec<Value> = values.iter().map(|value| json!({ "metric": {}, "value": [1, value] })).collect();
        json!({ "status": "success", "data": { "resultType": "vector", "result": result } })
    }

    #[test]
    fn only_one_plain_number_counts() {
        let reason = |body: &Value| judge(body, true).reading.unknown();
        assert_eq!(judge(&vector(&["0.020000000000000004"]), true).reading, Reading::Value("0.02".parse().unwrap()));
        assert_eq!(reason(&vector(&[])), Some(Unknown::NoAnswer));
        assert_eq!(reason(&vector(&["NaN"])), Some(Unknown::Idle));
        assert_eq!(judge(&vector(&["NaN"]), false).reading.unknown(), Some(Unknown::NotANumber));
        assert_eq!(reason(&vector(&["+Inf"])), Some(Unknown::Infinite));
        assert_eq!(reason(&vector(&["1", "2"])), Some(Unknown::SeveralSeries));
        let mut warned = vector(&["1"]);
        warned["warnings"] = json!(["remote_read: down"]);
        assert_eq!(reason(&warned), Some(Unknown::Warnings));
        let histogram =
            json!({ "data": { "resultType": "vector", "result": [{ "metric": {}, "histogram": [1, {}] }] } });
        assert_eq!(reason(&histogram), Some(Unknown::NotANumber));
        assert_eq!(reason(&json!({ "data": { "resultType": "matrix", "result": [] } })), Some(Unknown::Error));
    }

    #[test]
    fn an_old_sample_is_stale_whatever_it_says() {
        let fresh = judge(&vector(&["1"]), true);
        let age = |text| judge_age(&vector(&[text]), Span::seconds(15), fresh.clone()).reading;
        assert_eq!(age("14.2"), fresh.reading);
        assert_eq!(age("120"), Reading::Unknown(Unknown::Stale));
    }
}
