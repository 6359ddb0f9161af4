//! Instants and spans in whole milliseconds. The engine is told the time; it never asks.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A length of time in milliseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Timestamp {
    /// The instant `span` later, saturating at the end of time.
    pub fn plus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add_unsigned(span.0))
    }

    /// The instant `span` earlier, saturating.
    pub fn minus(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub_unsigned(span.0))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The newest multiple of `every` at or before this instant. `every` of zero returns the instant itself.
    pub fn floor_to(self, every: Span) -> Timestamp {
        match i64::try_from(every.0) {
            Ok(step) if step > 0 => Timestamp(self.0.div_euclid(step).saturating_mul(step)),
            _ => self,
        }
    }
}

impl Span {
    /// `seconds` whole seconds.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds * 1000)
    }

    /// `minutes` whole minutes.
    pub const fn minutes(minutes: u64) -> Span {
        Span(minutes * 60_000)
    }

    /// `hours` whole hours.
    pub const fn hours(hours: u64) -> Span {
        Span(hours * 3_600_000)
    }

    /// How many ticks a duration of this length is: ⌈self / every⌉ + 1, both ends counted.
    pub fn ticks(self, every: Span) -> u32 {
        let whole = self.0.div_ceil(every.0.max(1));
        u32::try_from(whole.saturating_add(1)).unwrap_or(u32::MAX)
    }
}

/// As people write it in YAML: `90s`, `2m`, `24h`, `7d`, `1h30m`; `250ms` below a second.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            let count = rest / ms;
            rest %= ms;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// RFC 3339 in UTC with millisecond precision (the civil calendar computed by hand: the engine has no time library).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000);
        let ms = self.0.rem_euclid(86_400_000);
        // Howard Hinnant's days-from-civil, inverted (https://howardhinnant.github.io/date_algorithms.html)
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
        let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second, milli) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_both_ends() {
        assert_eq!(Span::minutes(2).ticks(Span::seconds(30)), 5);
        assert_eq!(Span(0).ticks(Span::seconds(30)), 1);
        assert_eq!(Span::seconds(31).ticks(Span::seconds(30)), 3);
    }

    #[test]
    fn instants_print_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_709_209_845_123).to_string(), "2024-02-29T12:30:45.123Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn spans_print_as_people_write_them() {
        assert_eq!(Span::minutes(90).to_string(), "1h30m");
        assert_eq!(Span::hours(24).to_string(), "1d");
        assert_eq!(Span(1250).to_string(), "1s250ms");
    }

    #[test]
    fn ticks_are_multiples_since_the_epoch() {
        assert_eq!(Timestamp(59_999).floor_to(Span::seconds(30)), Timestamp(30_000));
        assert_eq!(Timestamp(-1).floor_to(Span::seconds(30)), Timestamp(-30_000));
    }
}
