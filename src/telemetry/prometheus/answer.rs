//! What an answer is worth: one number without warnings, or unknown with the reason.

use super::body::{Body, Kind, Series};
use crate::engine::decimal::ParseDecimalError;
use crate::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use crate::http::bounded;
use crate::telemetry::Answered;

/// An answer about now may be of a moment so far from the one that was asked for: VictoriaMetrics knows whole seconds.
const ANOTHER_TIME: i64 = 1_000;

/// What one question was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What kind of answer it was.
    pub kind: Kind,
    /// The series, in the order of their labels.
    pub series: Vec<Series>,
    /// Why the answer may be partial, in the server's words.
    pub warnings: Option<String>,
    /// How far the server's clock is from ours.
    pub skew: Option<Span>,
}

impl Said {
    /// All of an answer, as what one question was answered.
    pub fn all(body: Body, skew: Option<Span>) -> Said {
        Said { kind: body.kind, series: body.series, warnings: body.warnings, skew }
    }

    /// The single number at an instant, as text.
    ///
    /// # Errors
    /// Why there is none.
    pub fn number(&self, at: Timestamp) -> Result<&str, Unknown> {
        let mut points = match self.kind {
            Kind::Scalar | Kind::Vector => {
                let points = self.series.iter().flat_map(|series| series.points.first());
                points.collect::<Vec<_>>()
            }
            Kind::Matrix => self.series.iter().filter_map(|series| series.at(at)).collect(),
            Kind::Other => return Err(Unknown::Error),
        };
        match (points.pop(), points.is_empty()) {
            (None, _) => Err(Unknown::NoAnswer),
            (Some(_), false) => Err(Unknown::SeveralSeries),
            // a server, or somebody on the way, that repeats an answer of before
            (Some(point), true) if point.at.0.abs_diff(at.0) > ANOTHER_TIME.unsigned_abs() => Err(Unknown::Stale),
            // a native histogram has no number
            (Some(point), true) => point.number.as_deref().ok_or(Unknown::NotANumber),
        }
    }

    /// Judges the value at an instant. `share`: NaN is 0/0, no traffic.
    pub fn judge(&self, at: Timestamp, share: bool) -> Answered {
        if let Some(warnings) = &self.warnings {
            return unknown(Unknown::Warnings, bounded(warnings));
        }
        match self.number(at).map(Decimal::reading) {
            Ok(Ok(value)) => Answered { reading: Reading::Value(value), detail: None },
            Ok(Err(ParseDecimalError::NotANumber)) if share => idle(),
            Ok(Err(ParseDecimalError::Infinite)) => unknown(Unknown::Infinite, "the answer is infinite".to_owned()),
            Ok(Err(error)) => unknown(Unknown::NotANumber, error.to_string()),
            Err(Unknown::Stale) => {
                unknown(Unknown::Stale, "the answer is of another time than was asked for".to_owned())
            }
            Err(reason) => unknown(reason, format!("the answer is {reason:?}")),
        }
    }

    /// Judges the age of the newest sample: an old one may be dressed as new for five minutes.
    pub fn judge_age(&self, at: Timestamp, scrape_every: Span, answered: Answered) -> Answered {
        let limit = Decimal::new(i128::from(scrape_every.0) * 5 / 2, -3);
        match self.number(at).map(Decimal::reading) {
            Ok(Ok(age)) if age <= limit => answered,
            Ok(Ok(age)) => unknown(Unknown::Stale, format!("the newest sample is {age} s old")),
            Err(Unknown::NoAnswer) => unknown(Unknown::Stale, "there is no live series behind it".to_owned()),
            _ => unknown(Unknown::Error, "the age of the newest sample cannot be told".to_owned()),
        }
    }

    /// Whether nothing happened: a volume that is there, and zero.
    pub fn is_zero(&self, at: Timestamp) -> bool {
        let value = self.number(at).ok().and_then(|text| Decimal::reading(text).ok());
        self.warnings.is_none() && value == Some(Decimal::whole(0))
    }
}

/// No traffic.
pub fn idle() -> Answered {
    unknown(Unknown::Idle, "no traffic in the window".to_owned())
}

/// Unknown, with the reason and what a person is told.
pub fn unknown(reason: Unknown, detail: String) -> Answered {
    Answered { reading: Reading::Unknown(reason), detail: Some(detail) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(body: &Value) -> Said {
        Said::all(Body::read(200, &body.to_string()).unwrap(), None)
    }

    fn vector(values: &[&str]) -> Value {
        let result: Vec<Value> = values.iter().map(|value| json!({ "metric": {}, "value": [1, value] })).collect();
        json!({ "status": "success", "data": { "resultType": "vector", "result": result } })
    }

    const AT: Timestamp = Timestamp(1000);

    #[test]
    fn only_one_plain_number_counts() {
        let reason = |body: &Value| said(body).judge(AT, true).reading.unknown();
        let value = said(&vector(&["0.020000000000000004"])).judge(AT, true);
        assert_eq!(value.reading, Reading::Value("0.02".parse().unwrap()));
        assert_eq!(reason(&vector(&[])), Some(Unknown::NoAnswer));
        assert_eq!(reason(&vector(&["NaN"])), Some(Unknown::Idle));
        assert_eq!(said(&vector(&["NaN"])).judge(AT, false).reading.unknown(), Some(Unknown::NotANumber));
        assert_eq!(reason(&vector(&["+Inf"])), Some(Unknown::Infinite));
        assert_eq!(reason(&vector(&["1", "2"])), Some(Unknown::SeveralSeries));
        let mut warned = vector(&["1"]);
        warned["infos"] = json!(["a histogram was mended"]);
        assert_eq!(reason(&warned), None, "what it remarks is no doubt about the answer");
        warned["warnings"] = json!(["remote_read: down"]);
        assert_eq!(reason(&warned), Some(Unknown::Warnings));
        let mut partial = vector(&["1"]);
        partial["isPartial"] = json!(true);
        assert_eq!(reason(&partial), Some(Unknown::Warnings));
        let of = |kind: &str, result: Value| json!({ "status": "success", "data": { "resultType": kind, "result": result } });
        let histogram = of("vector", json!([{ "metric": {}, "histogram": [1, { "count": "1", "sum": "2" }] }]));
        assert_eq!(reason(&histogram), Some(Unknown::NotANumber));
        assert_eq!(reason(&of("matrix", json!([]))), Some(Unknown::NoAnswer));
        assert_eq!(reason(&of("string", json!([1, "1"]))), Some(Unknown::Error));
        assert_eq!(reason(&of("scalar", json!([1, "1"]))), None);
        assert_eq!(said(&vector(&["1"])).judge(Timestamp(3_600_000), true).reading.unknown(), Some(Unknown::Stale));
    }

    #[test]
    fn an_old_sample_is_stale_whatever_it_says() {
        let fresh = said(&vector(&["1"])).judge(AT, true);
        let age = |text| said(&vector(&[text])).judge_age(AT, Span::seconds(15), fresh.clone()).reading;
        assert_eq!(age("14.2"), fresh.reading);
        assert_eq!(age("120"), Reading::Unknown(Unknown::Stale));
    }
}
