//! The body of an answer, read without what nobody needs: an answer about hundreds of flags is read at every tick.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use super::asking::Failed;
use crate::engine::Timestamp;
use crate::http::bounded;

/// An answer that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// What kind of answer it is.
    pub kind: Kind,
    /// Its series, in the order of their labels: servers have none. A number without labels is one, too.
    pub series: Vec<Series>,
    /// Why it may be partial.
    pub warnings: Option<String>,
}

/// What kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Scalar,
    /// Series with a point each.
    Vector,
    /// Series with many.
    Matrix,
    /// Nothing with numbers.
    Other,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its points, ascending.
    pub points: Vec<Point>,
}

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The instant that it was evaluated at.
    pub at: Timestamp,
    /// The number as text; none in a native histogram.
    pub number: Option<String>,
}

impl Series {
    /// The point at an instant.
    pub fn at(&self, at: Timestamp) -> Option<&Point> {
        let found = self.points.binary_search_by_key(&at, |point| point.at).ok()?;
        self.points.get(found)
    }
}

impl Body {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why it is none. Whether it was refused is told, since fewer questions might be answered.
    pub fn read(status: u16, text: &str) -> Result<Body, Failed> {
        let said: Result<Raw, _> = serde_json::from_str(text);
        match said {
            Ok(Raw { status: Some(word), data: Some(data), warnings, is_partial, .. })
                if status == 200 && word == "success" =>
            {
                let warnings = warnings.filter(|warnings| !warnings.is_empty()).map(|warnings| warnings.join("; "));
                let partial = is_partial.then(|| "the answer is partial".to_owned());
                Ok(data.body(warnings.or(partial)))
            }
            Ok(Raw { error, error_type, .. }) => {
                let detail = format!("status {status}: {}", bounded(&error.unwrap_or_default()));
                Err(Failed::of(status, error_type.as_deref() == Some("timeout"), detail))
            }
            // what is well formed and yet no answer may be so for one of the flags
            Err(error) if error.is_data() && status == 200 => {
                Err(Failed::Refused("status 200, and no answer as Prometheus gives it".to_owned()))
            }
            Err(_) => Err(Failed::of(status, false, format!("status {status}, no JSON: {}", bounded(text)))),
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    status: Option<String>,
    data: Option<Data>,
    warnings: Option<Vec<String>>,
    error: Option<String>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    /// A cluster of VictoriaMetrics says it where a part of it did not answer.
    #[serde(rename = "isPartial", default)]
    is_partial: bool,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType", default)]
    kind: String,
    #[serde(default)]
    result: Vec<Entry>,
}

impl Data {
    fn body(self, warnings: Option<String>) -> Body {
        let kind = match self.kind.as_str() {
            "scalar" => Kind::Scalar,
            "vector" => Kind::Vector,
            "matrix" => Kind::Matrix,
            _ => Kind::Other,
        };
        let mut series: Vec<Series> = match (kind, self.result.as_slice()) {
            (Kind::Scalar, [Entry::Number(seconds), Entry::Text(number)]) => {
                let point = Point { at: instant(*seconds), number: Some(number.clone()) };
                vec![Series { labels: BTreeMap::new(), points: vec![point] }]
            }
            _ => self.result.into_iter().filter_map(Entry::series).collect(),
        };
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Body { kind, series, warnings }
    }
}

/// A series, or a part of a number without labels.
enum Entry {
    Number(f64),
    Text(String),
    Series(Series),
}

impl Entry {
    fn series(self) -> Option<Series> {
        match self {
            Entry::Series(series) => Some(series),
            _ => None,
        }
    }
}

fn instant(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1000.0).round() as i64)
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series or a number")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Entry, E> {
        Ok(Entry::Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Entry, E> {
        Ok(Entry::Number(number as f64))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Entry, E> {
        Ok(Entry::Number(number as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let (mut labels, mut points) = (None, Vec::new());
        let number = |(seconds, number): (f64, String)| Point { at: instant(seconds), number: Some(number) };
        let histogram = |(seconds, _): (f64, IgnoredAny)| Point { at: instant(seconds), number: None };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metric" => labels = Some(map.next_value()?),
                "value" => points.push(number(map.next_value()?)),
                "values" => points.extend(map.next_value::<Vec<_>>()?.into_iter().map(number)),
                "histogram" => points.push(histogram(map.next_value()?)),
                "histograms" => points.extend(map.next_value::<Vec<_>>()?.into_iter().map(histogram)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !points.is_sorted_by_key(|point| point.at) {
            points.sort_by_key(|point| point.at);
        }
        let labels = labels.ok_or_else(|| A::Error::missing_field("metric"))?;
        Ok(Entry::Series(Series { labels, points }))
    }
}
