//! Decimals against whole numbers of 128 bits.

use std::cmp::Ordering;

use flagstaff::engine::Decimal;
use proptest::prelude::*;

/// Coefficients of every length, with exponents at which 128 bits hold the number exactly.
fn parts() -> impl Strategy<Value = (i64, i32)> {
    (any::<i64>(), 0_u32..=60, 0_i32..=18).prop_map(|(number, shift, exponent)| (number >> shift, exponent))
}

fn exact((number, exponent): (i64, i32)) -> i128 {
    i128::from(number) * 10_i128.pow(exponent.unsigned_abs())
}

fn decimal((number, exponent): (i64, i32), below: i32) -> Decimal {
    Decimal::new(i128::from(number), exponent - below)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn they_compare_as_the_numbers_they_are(left in parts(), right in parts(), below in 0_i32..30) {
        let expected = exact(left).cmp(&exact(right));
        let (left, right) = (decimal(left, below), decimal(right, below));
        prop_assert_eq!(left.cmp(&right), expected);
        prop_assert_eq!(left == right, expected == Ordering::Equal);
    }

    #[test]
    fn far_apart_the_larger_exponent_decides(left in 1_i64..i64::MAX, right in 1_i64..i64::MAX, far in 20_i32..300) {
        let (high, low) = (Decimal::new(i128::from(left), far), Decimal::new(i128::from(right), 0));
        prop_assert_eq!(high.cmp(&low), Ordering::Greater);
        prop_assert_eq!(high.negated().cmp(&low), Ordering::Less);
        prop_assert_eq!(high.negated().cmp(&low.negated()), Ordering::Less);
    }

    #[test]
    fn sums_and_products_are_exact(left in -999_999_999_999_i64..=999_999_999_999, right in -999_999_999_999_i64..=999_999_999_999) {
        let (a, b) = (i128::from(left), i128::from(right));
        prop_assert_eq!(Decimal::new(a, -9).plus(Decimal::new(b, -9)), Decimal::new(a + b, -9));
        prop_assert_eq!(Decimal::new(a, -9).times(Decimal::new(b, -3)), Decimal::new(a * b, -12));
    }

    #[test]
    fn any_text_is_read_or_refused_and_never_panics(text in "[-+]?[0-9.eE+-]{0,60}|\\PC{0,20}") {
        if let Ok(value) = text.parse::<Decimal>() {
            prop_assert_eq!(value.to_string().parse(), Ok(value));
        }
        if let Ok(value) = Decimal::reading(&text) {
            prop_assert_eq!(value.to_string().parse(), Ok(value));
            let _ = (value.times(value), value.plus(value), value.cmp(&Decimal::ZERO));
        }
    }
}
