//! What a series read at a tick: a decimal, or unknown with the reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decimal::Decimal;

/// The value of one series at one tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The answered text as a decimal, rounded to 12 significant digits.
    Value(Decimal),
    /// No usable value, and why.
    Unknown(Unknown),
}

/// Why a reading is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// 0/0 while the source is alive. Unknown too, but never *no data*.
    Idle,
    /// The source answered that it has no such series.
    NoAnswer,
    /// The source could not be asked, or answered with an error. Asked again later.
    Error,
    /// The newest sample is too old.
    Stale,
    /// NaN for another reason than no traffic.
    NotANumber,
    /// Plus or minus infinity.
    Infinite,
    /// More series than the one expected.
    SeveralSeries,
    /// The source attached warnings: the answer may be partial.
    Warnings,
    /// Our clock and the source's differ by more than `every`.
    Clock,
    /// Nobody asked at the time and no source can answer any more: counts for nothing.
    Unobserved,
}

impl Reading {
    /// The decimal, if there is one.
    pub fn value(&self) -> Option<Decimal> {
        match self {
            Reading::Value(value) => Some(*value),
            Reading::Unknown(_) => None,
        }
    }

    /// The reason, if it is unknown.
    pub fn unknown(&self) -> Option<Unknown> {
        match self {
            Reading::Value(_) => None,
            Reading::Unknown(reason) => Some(*reason),
        }
    }

    /// Whether there is a decimal.
    pub fn is_known(&self) -> bool {
        matches!(self, Reading::Value(_))
    }

    /// `missing(x)` of the condition language: no answer, error or stale. Never unknown itself.
    pub fn is_missing(&self) -> bool {
        matches!(self, Reading::Unknown(Unknown::NoAnswer | Unknown::Error | Unknown::Stale))
    }

    /// Whether this counts towards `no_data`: unknown for any reason but idle or unobserved.
    pub fn is_no_data(&self) -> bool {
        matches!(self, Reading::Unknown(reason) if !matches!(reason, Unknown::Idle | Unknown::Unobserved))
    }
}
