//! Logarithms of quotients of decimals, on the side of the exact value that is asked for.
//!
//! Whole-number arithmetic with 60 binary places: the same digits on every machine. `ln(a / b)` is `2 artanh((a - b) / (a + b))`,
//! after both are brought near each other by powers of ten and two; the series of artanh is Abramowitz & Stegun 4.6.33.

use super::decimal::Decimal;

/// How many significant digits a logarithm keeps.
pub const LOGARITHM_DIGITS: u32 = 12;

/// Binary places of the arithmetic.
const PLACES: u32 = 60;
/// ln 2 and ln 10 with that many places, rounded to the nearest.
const LN_2: i128 = 799_144_290_325_165_979;
const LN_10: i128 = 2_654_699_869_899_991_814;
/// Terms of the series: the quotients are at most 1/7, and 7^-23 is below one place.
const TERMS: i128 = 11;
/// No more than this many units of the last place does the series err: two for its argument, three for each term.
const SERIES_ERROR: i128 = 64;

/// On which side of the exact value a rounded one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At most the exact value.
    Below,
    /// At least the exact value.
    Above,
}

/// `ln(numerator / denominator)` with [`LOGARITHM_DIGITS`] significant digits, never on the other side of the exact value.
/// None where one of them is not above zero.
pub fn ln_of_quotient(numerator: Decimal, denominator: Decimal, side: Side) -> Option<Decimal> {
    if numerator <= Decimal::ZERO || denominator <= Decimal::ZERO {
        return None;
    }
    if numerator == denominator {
        return Some(Decimal::ZERO);
    }
    Some(match side {
        Side::Below => below(numerator, denominator),
        Side::Above => below(denominator, numerator).negated(),
    })
}

fn below(numerator: Decimal, denominator: Decimal) -> Decimal {
    let (mut a, above) = numerator.rounded_down(18).with_digits(18);
    let (mut b, below) = denominator.rounded_up(18).with_digits(18);
    let mut tens = i128::from(above) - i128::from(below);
    // one order apart, as 1 and 0.98 are, they are brought together exactly: what is small keeps its digits
    match tens {
        1 => (a, tens) = (a * 10, 0),
        -1 => (b, tens) = (b * 10, 0),
        _ => {}
    }
    let mut twos = 0_i128;
    while 3 * a > 4 * b {
        (b, twos) = (b * 2, twos + 1);
    }
    while 3 * b > 4 * a {
        (a, twos) = (a * 2, twos - 1);
    }
    let total = 2 * artanh(((a - b) << PLACES) / (a + b)) + twos * LN_2 + tens * LN_10;
    let low = total - SERIES_ERROR - twos.abs() - tens.abs();
    // what is large has room for fewer decimal places, and needs fewer
    let places: i32 = if low.unsigned_abs() >> 66 == 0 { 18 } else { 15 };
    let scaled = (low * 10_i128.pow(places.unsigned_abs())) >> PLACES;
    Decimal::new(scaled, -places).rounded_down(LOGARITHM_DIGITS)
}

/// `z + z^3/3 + z^5/5 + …` of a number with [`PLACES`] binary places, at most 1/7.
fn artanh(z: i128) -> i128 {
    let square = (z * z) >> PLACES;
    let (mut power, mut sum) = (z, z);
    for term in 1..TERMS {
        power = (power * square) >> PLACES;
        sum += power / (2 * term + 1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn float(value: Decimal) -> f64 {
        value.to_string().parse().expect("a number")
    }

    /// Digits from mpmath 1.3, twenty of them.
    #[test]
    fn known_logarithms_lie_between_the_two_sides() {
        for (numerator, denominator, exact) in [
            ("0.05", "0.02", "0.91629073187415506518"),
            ("0.95", "0.98", "-0.031090587070031085018"),
            ("2880", "0.05", "10.961277846683982607"),
            ("3", "1.5", "0.69314718055994530942"),
            ("0.9998", "0.9999", "-0.00010001500233370839534"),
            ("1", "0.00001", "11.51292546497022842"),
            ("7", "7", "0"),
        ] {
            let (a, b, exact) = (decimal(numerator), decimal(denominator), decimal(exact));
            let low = ln_of_quotient(a, b, Side::Below).expect("both are above zero");
            let high = ln_of_quotient(a, b, Side::Above).expect("both are above zero");
            assert!(low <= exact && exact <= high, "{low} {exact} {high}");
            assert!(float(high.minus(low)) <= float(exact).abs() * 2e-11, "{low} {high}");
            assert_eq!((low.rounded(12), high.rounded(12)), (low, high));
        }
    }

    #[test]
    fn what_has_no_logarithm_has_none() {
        for (a, b) in [("0", "1"), ("1", "0"), ("-1", "2"), ("1", "-2")] {
            assert_eq!(ln_of_quotient(decimal(a), decimal(b), Side::Below), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_logarithm_is_on_its_side(
            a in 1_i64..i64::MAX, b in 1_i64..i64::MAX, up in -390_i32..390, down in -390_i32..390
        ) {
            for (up, down) in [(0, 0), (up, down), (up, up)] {
                let (a, b) = (Decimal::new(i128::from(a), up), Decimal::new(i128::from(b), down));
                let low = float(ln_of_quotient(a, b, Side::Below).expect("both are above zero"));
                let high = float(ln_of_quotient(a, b, Side::Above).expect("both are above zero"));
                let about = if up == down { (float(a) / float(b)).ln() } else { float(a).ln() - float(b).ln() };
                prop_assert!(low <= high);
                if about.is_finite() && about.abs() > 1e-3 && float(a) > 1e-300 && float(b) > 1e-300 {
                    prop_assert!((low - about).abs() <= about.abs() * 1.1e-11 && (high - about).abs() <= about.abs() * 1.1e-11,
                        "{low} {about} {high}");
                }
            }
        }
    }
}
