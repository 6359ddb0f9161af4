//! Durations and percentages as people write them.

use crate::engine::{Decimal, Percentage, Span};

/// Reads `90s`, `2m`, `1h30m`, `7d`, `250ms`.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn span(text: &str) -> Result<Span, &'static str> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return Err("it is empty");
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or("it has no unit")?;
        let count: u64 = rest[..digits].parse().map_err(|_| "a number is expected")?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err("the unit is one of ms, s, m, h, d, w"),
        };
        if unit >= last_unit {
            return Err("larger units come first, each once");
        }
        last_unit = unit;
        rest = &rest[letters..];
        total = count.checked_mul(unit).and_then(|span| total.checked_add(span)).ok_or("it is too long")?;
    }
    // ten years: beyond that it is a slip of the keyboard
    if total > 315_360_000_000 { Err("it is longer than ten years") } else { Ok(Span(total)) }
}

/// Reads `5%` or `0.01%` as a fraction.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn share(text: &str) -> Result<Decimal, &'static str> {
    factor(text.strip_suffix('%').ok_or("it has no `%`")?).map(|number| number.times(Decimal::new(1, -2)))
}

/// Reads a plain number that is not below zero.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn factor(text: &str) -> Result<Decimal, &'static str> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number = text.parse::<Decimal>().ok().filter(|_| plain).ok_or("a number is expected")?;
    if number.rounded(12) == number { Ok(number) } else { Err("it has more than 12 digits") }
}

/// Reads `300/m`, `5/s` or `2000/h`: how many, in how long.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn rate(text: &str) -> Result<(Decimal, Span), &'static str> {
    let (number, unit) = text.split_once('/').ok_or("it has no `/`")?;
    let per = match unit {
        "s" => Span::seconds(1),
        "m" => Span::minutes(1),
        "h" => Span::hours(1),
        "d" => Span::hours(24),
        _ => return Err("the unit is one of s, m, h, d"),
    };
    let number = factor(number)?;
    // a thousand million a minute: more is a slip of the keyboard
    let most = Decimal::whole(1_000_000_000).times(Decimal::new(i128::from(per.0), -3));
    if number == Decimal::ZERO {
        return Err("it is zero");
    }
    if number.times(Decimal::whole(60)) > most {
        return Err("it is more than a thousand million a minute");
    }
    Ok((number, per))
}

/// Reads `10%` or `12.5%`.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn percentage(text: &str) -> Result<Percentage, &'static str> {
    let number = text.strip_suffix('%').ok_or("it has no `%`")?;
    let value: Decimal = number.parse().map_err(|_| "a number is expected before the `%`")?;
    let thousandths = value.times(Decimal::whole(1000));
    let whole = thousandths.to_string().parse::<u32>().map_err(|_| "at most three decimals, from 0% to 100%")?;
    Percentage::from_thousandths(whole).ok_or("it is more than 100%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_strict() {
        assert_eq!(span("1h30m"), Ok(Span::minutes(90)));
        assert_eq!(span("250ms"), Ok(Span(250)));
        for text in ["", "5", "1M", "-5m", "1.5h", "30m1h", "1h1h", "24H", "99999d", "m"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_say_of_how_long_they_are() {
        assert_eq!(rate("300/m"), Ok((Decimal::whole(300), Span::minutes(1))));
        assert_eq!(rate("0.5/s").map(|(_, per)| per), Ok(Span::seconds(1)));
        for text in ["300", "300/w", "/m", "0/m", "-1/m", "300 /m", "1e9/m", "1000000001/m"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_exact_or_refused() {
        assert_eq!(percentage("12.5%").map(Percentage::thousandths), Ok(12_500));
        assert_eq!(percentage("0.001%").map(Percentage::thousandths), Ok(1));
        for text in ["10", "100.001%", "-1%", "33.3333%", "%", "ten%"] {
            assert!(percentage(text).is_err(), "{text}");
        }
    }
}
