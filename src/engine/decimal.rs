//! Exact decimal numbers. Conditions compare what was answered, not what binary floating point made of it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many significant digits a reading keeps.
pub const READING_DIGITS: u32 = 12;

/// The orders of magnitude a reading may have, either way.
const READING_MAGNITUDE: i64 = 400;

/// The orders of magnitude any decimal may have: sums and products of readings print and parse back.
const MOST_MAGNITUDE: i64 = 1000;

/// A decimal number: `coefficient × 10^exponent`, without trailing zeros, so that equal numbers are equal values.
///
/// At most 28 digits come out of any operation here: a reading has 12, a written constant at most 12, and a product
/// of the two 24, far within `i128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    coefficient: i128,
    exponent: i32,
}

/// Why a text is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// `NaN` in any spelling.
    #[error("not a number (NaN)")]
    NotANumber,
    /// Plus or minus infinity.
    #[error("infinite")]
    Infinite,
    /// Anything that is not a decimal number.
    #[error("not a decimal number")]
    Malformed,
    /// Beyond ±400 orders of magnitude, which no telemetry format can carry.
    #[error("out of range")]
    Range,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { coefficient: 0, exponent: 0 };

    const ONE: Decimal = Decimal { coefficient: 1, exponent: 0 };

    /// `coefficient × 10^exponent`.
    pub fn new(coefficient: i128, exponent: i32) -> Decimal {
        Decimal { coefficient, exponent }.normalised()
    }

    /// A whole number.
    pub fn whole(value: i64) -> Decimal {
        Decimal::new(i128::from(value), 0)
    }

    /// Parses what a source answered and rounds it to [`READING_DIGITS`] significant digits, half to even.
    ///
    /// # Errors
    /// NaN, infinities, texts that are no decimal number.
    pub fn reading(text: &str) -> Result<Decimal, ParseDecimalError> {
        let value = text.parse::<Decimal>()?;
        let magnitude = value.adjusted().abs();
        if magnitude > READING_MAGNITUDE { Err(ParseDecimalError::Range) } else { Ok(value.rounded(READING_DIGITS)) }
    }

    /// Rounded to `digits` significant digits, half to even.
    pub fn rounded(self, digits: u32) -> Decimal {
        let excess = digit_count(self.coefficient).saturating_sub(digits);
        if excess == 0 {
            return self;
        }
        let unit = 10i128.pow(excess);
        let (quotient, remainder) = (self.coefficient / unit, (self.coefficient % unit).abs());
        let up = match (remainder * 2).cmp(&unit) {
            Ordering::Less => 0,
            Ordering::Greater => 1,
            Ordering::Equal => (quotient % 2).abs(),
        };
        let quotient = quotient + up * self.coefficient.signum();
        Decimal { coefficient: quotient, exponent: self.exponent + excess as i32 }.normalised()
    }

    /// Rounded to `digits` significant digits, towards minus infinity.
    pub fn rounded_down(self, digits: u32) -> Decimal {
        let excess = digit_count(self.coefficient).saturating_sub(digits);
        if excess == 0 {
            return self;
        }
        let coefficient = self.coefficient.div_euclid(10i128.pow(excess));
        Decimal { coefficient, exponent: self.exponent + excess as i32 }.normalised()
    }

    /// Rounded to `digits` significant digits, towards infinity.
    pub fn rounded_up(self, digits: u32) -> Decimal {
        self.negated().rounded_down(digits).negated()
    }

    /// Coefficient and exponent with zeros added until there are `digits` of them. What has more keeps them.
    pub(super) fn with_digits(self, digits: u32) -> (i128, i32) {
        let more = digits.saturating_sub(digit_count(self.coefficient));
        (self.coefficient * 10i128.pow(more), self.exponent - more as i32)
    }

    /// The exact product; rounded to 28 digits where it has more.
    pub fn times(self, other: Decimal) -> Decimal {
        if other == Decimal::ONE {
            return self;
        }
        // up to 14 digits each: nothing to round before or after, and nearly every product is one of these
        if let (Some(left), Some(right)) = (self.small(), other.small()) {
            return Decimal::new(left * right, self.exponent.saturating_add(other.exponent));
        }
        let (left, right) = (self.rounded(18), other.rounded(18));
        Decimal::new(left.coefficient * right.coefficient, left.exponent.saturating_add(right.exponent)).rounded(28)
    }

    /// The sum; exact where both fit 28 digits together, else rounded to that.
    pub fn plus(self, other: Decimal) -> Decimal {
        let (left, right) = (self.rounded(28), other.rounded(28));
        if left.coefficient == 0 {
            return right;
        }
        if right.coefficient == 0 {
            return left;
        }
        let (high, low) = if left.exponent >= right.exponent { (left, right) } else { (right, left) };
        let distance = high.exponent.abs_diff(low.exponent);
        // beyond the digits an i128 holds, the smaller one cannot be seen in the sum
        let room = 37 - digit_count(high.coefficient);
        if distance > room {
            return if high.adjusted() >= low.adjusted() { high } else { low };
        }
        Decimal::new(high.coefficient * 10i128.pow(distance) + low.coefficient, low.exponent).rounded(28)
    }

    /// The difference; as exact as [`Decimal::plus`].
    pub fn minus(self, other: Decimal) -> Decimal {
        self.plus(other.negated())
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.coefficient < 0
    }

    /// The same number with the other sign.
    pub fn negated(self) -> Decimal {
        Decimal { coefficient: -self.coefficient, exponent: self.exponent }
    }

    /// The coefficient, if it has 14 digits at most.
    fn small(self) -> Option<i128> {
        (self.coefficient.unsigned_abs() < 10_u128.pow(14)).then_some(self.coefficient)
    }

    /// The exponent of the leading digit: the order of magnitude.
    fn adjusted(self) -> i64 {
        i64::from(self.exponent) + i64::from(digit_count(self.coefficient))
    }

    fn normalised(mut self) -> Decimal {
        if self.coefficient == 0 {
            return Decimal::ZERO;
        }
        // dividing 64 bits takes a fraction of what 128 take, and nearly every number fits them
        while i64::try_from(self.coefficient).is_err() && self.coefficient % 10 == 0 {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        if let Ok(mut small) = i64::try_from(self.coefficient) {
            while small % 10 == 0 {
                small /= 10;
                self.exponent += 1;
            }
            self.coefficient = i128::from(small);
        }
        self
    }
}

/// Compares two numbers of 64 bits at most 18 orders apart, as nearly all are: aligned, they fit 128 bits exactly.
fn compare_small(left: Decimal, right: Decimal) -> Option<Ordering> {
    let (small_left, small_right) = (i64::try_from(left.coefficient).ok()?, i64::try_from(right.coefficient).ok()?);
    let align = |small: i64, exponent: i32, low: i32| {
        let power = 10_u64.pow(exponent.abs_diff(low));
        i128::from(small) * i128::from(power)
    };
    let low = left.exponent.min(right.exponent);
    if left.exponent.abs_diff(right.exponent) > 18 {
        return None;
    }
    Some(align(small_left, left.exponent, low).cmp(&align(small_right, right.exponent, low)))
}

fn digit_count(value: i128) -> u32 {
    if let Ok(small) = u64::try_from(value.unsigned_abs()) {
        return small.checked_ilog10().map_or(1, |log| log + 1);
    }
    value.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if let Some(ordering) = compare_small(*self, *other) {
            return ordering;
        }
        let sign = self.coefficient.signum();
        match sign.cmp(&other.coefficient.signum()) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
        if sign == 0 {
            return Ordering::Equal;
        }
        let magnitude = self.adjusted().cmp(&other.adjusted()).then_with(|| {
            // same order of magnitude: align the digits; both have at most 28, so the product fits
            let (left, right) = (self.rounded(28), other.rounded(28));
            let low = left.exponent.min(right.exponent);
            let align =
                |value: Decimal| value.coefficient.unsigned_abs() * 10u128.pow(value.exponent.abs_diff(low).min(28));
            align(left).cmp(&align(right))
        });
        if sign > 0 { magnitude } else { magnitude.reverse() }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Reads `-12.5`, `1e-05`, `1.5E+6`: what Prometheus, OpenMetrics and people write. Digits beyond the 34th are
    /// dropped.
    fn from_str(text: &str) -> Result<Decimal, ParseDecimalError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest.eq_ignore_ascii_case("nan") {
            return Err(ParseDecimalError::NotANumber);
        }
        if rest.eq_ignore_ascii_case("inf") || rest.eq_ignore_ascii_case("infinity") {
            return Err(ParseDecimalError::Infinite);
        }
        let (digits, exponent) = match rest.split_once(['e', 'E']) {
            Some((digits, exponent)) => {
                let exponent = exponent.parse::<i32>().map_err(|_| ParseDecimalError::Malformed)?;
                (digits, exponent)
            }
            None => (rest, 0),
        };
        if !(-MOST_MAGNITUDE..=MOST_MAGNITUDE).contains(&i64::from(exponent)) {
            return Err(ParseDecimalError::Range);
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(ParseDecimalError::Malformed);
        }
        let mut value = Decimal { coefficient: 0, exponent };
        for (index, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
            if !byte.is_ascii_digit() {
                return Err(ParseDecimalError::Malformed);
            }
            let in_fraction = index >= whole.len();
            if digit_count(value.coefficient) < 34 {
                value.coefficient = value.coefficient * 10 + i128::from(byte - b'0');
                value.exponent -= i32::from(in_fraction);
            } else if !in_fraction {
                value.exponent = value.exponent.checked_add(1).ok_or(ParseDecimalError::Range)?;
            }
        }
        if negative {
            value.coefficient = -value.coefficient;
        }
        let value = value.normalised();
        if value.adjusted().abs() > MOST_MAGNITUDE { Err(ParseDecimalError::Range) } else { Ok(value) }
    }
}

/// Plain notation where that is short, else scientific: `0.02`, `1500`, `1.5e-9`. Parses back to the same value.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let point = self.adjusted();
        if self.exponent >= 0 && point <= 21 {
            write!(f, "{sign}{digits}{}", "0".repeat(self.exponent.unsigned_abs() as usize))
        } else if self.exponent < 0 && point > 0 {
            let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
            write!(f, "{sign}{whole}.{fraction}")
        } else if self.exponent < 0 && point > -6 {
            write!(f, "{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
        } else {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            write!(f, "{sign}{first}{dot}{rest}e{}", point - 1)
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact decimal number, as text: binary floating point would change it.",
            "type": "string",
            "pattern": "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$"
        })
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    #[test]
    fn prometheus_binary_noise_is_rounded_away() {
        let noisy = Decimal::reading("0.020000000000000004").expect("a reading");
        assert_eq!(noisy, decimal("0.02"));
        assert!(noisy <= decimal("0.02"));
    }

    #[test]
    fn numbers_compare_by_value_over_the_whole_range() {
        let ascending =
            ["-1e308", "-2", "-1.5", "-1e-300", "0", "1e-300", "0.0199", "0.02", "1.5", "2", "10", "1e22", "1e308"];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(decimal(left).cmp(&decimal(right)), i.cmp(&j), "{left} against {right}");
            }
        }
        assert_eq!(decimal("9223372036854775807e1").cmp(&decimal("92233720368547758069")), Ordering::Greater);
        assert_eq!(decimal("-0"), Decimal::ZERO);
        assert_eq!(decimal("1.50e2"), decimal("150"));
    }

    #[test]
    fn what_is_no_number_says_so() {
        assert_eq!(Decimal::reading("NaN"), Err(ParseDecimalError::NotANumber));
        assert_eq!(Decimal::reading("-Inf"), Err(ParseDecimalError::Infinite));
        for text in ["", ".", "-", "1e", "0x10", "1_0", "1,5", "e5", "1e999999999999"] {
            assert!(decimal_or(text).is_err(), "{text}");
        }
    }

    fn decimal_or(text: &str) -> Result<Decimal, ParseDecimalError> {
        text.parse()
    }

    #[test]
    fn products_and_sums_are_exact() {
        assert_eq!(decimal("1.5").times(decimal("0.02")), decimal("0.03"));
        assert_eq!(decimal("123456789012").times(decimal("0.999999999999")), decimal("123456789011.876543210988"));
        assert_eq!(decimal("0.1").plus(decimal("0.2")), decimal("0.3"));
        assert_eq!(decimal("1e300").plus(decimal("1")), decimal("1e300"));
        assert_eq!(decimal("5").plus(decimal("-5")), Decimal::ZERO);
    }

    #[test]
    fn rounding_to_a_side_never_crosses_the_value() {
        for (text, down, up) in [
            ("1.239", "1.23", "1.24"),
            ("-1.231", "-1.24", "-1.23"),
            ("1.2", "1.2", "1.2"),
            ("9.999", "9.99", "10"),
            ("-9.999", "-10", "-9.99"),
            ("0", "0", "0"),
        ] {
            assert_eq!(decimal(text).rounded_down(3), decimal(down), "{text}");
            assert_eq!(decimal(text).rounded_up(3), decimal(up), "{text}");
        }
        assert_eq!(decimal("0.3").minus(decimal("0.1")), decimal("0.2"));
        assert_eq!(decimal("1.5").with_digits(4), (1500, -3));
    }

    #[test]
    fn printing_reads_back_as_the_same_value() {
        for text in ["0", "-12.5", "0.000001", "0.0000001", "1e22", "123456789", "1.5e-9", "-3e300", "100"] {
            assert_eq!(decimal(&decimal(text).to_string()), decimal(text));
        }
        assert_eq!(decimal("0.02").to_string(), "0.02");
        assert_eq!(decimal("1500").to_string(), "1500");
    }

    #[test]
    fn every_reading_survives_being_recorded() {
        for text in [
            "9.99999999999e399",
            "-1e399",
            "123456789012e388",
            "1e-399",
            "0.00000000000000000000000000000000000001e-360",
        ] {
            let reading = Decimal::reading(text).expect(text);
            assert_eq!(reading.to_string().parse(), Ok(reading), "{text}");
        }
        assert_eq!(Decimal::reading("123e400"), Err(ParseDecimalError::Range));
        assert_eq!(Decimal::reading(&format!("0.{}1", "0".repeat(2000))), Err(ParseDecimalError::Range));
    }
}
