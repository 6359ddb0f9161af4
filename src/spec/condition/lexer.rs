//! The words, numbers and signs of a condition, with their places.

use super::{Fault, Measure, fault};
use crate::engine::Decimal;
use crate::engine::condition::Comparison;

/// What a condition is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme {
    Word(String),
    Number(Decimal, Measure, String),
    Compare(Comparison),
    Symbol(char),
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) at: (usize, usize),
}

pub(super) fn lex(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &text[at..];
        let (lexeme, length) = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'(' | b')' | b'*' | b',' => (Lexeme::Symbol(*byte as char), 1),
            b'<' if rest.starts_with("<=") => (Lexeme::Compare(Comparison::AtMost), 2),
            b'>' if rest.starts_with(">=") => (Lexeme::Compare(Comparison::AtLeast), 2),
            b'<' => (Lexeme::Compare(Comparison::Less), 1),
            b'>' => (Lexeme::Compare(Comparison::Greater), 1),
            b'=' | b'!' => {
                let mut fault = fault(
                    (at, at + if rest.starts_with("==") || rest.starts_with("!=") { 2 } else { 1 }),
                    "there is no equality",
                );
                fault.help = Some("measured numbers are never equal on purpose; compare with < <= > >=".to_owned());
                return Err(fault);
            }
            b'0'..=b'9' | b'.' => number(rest, at)?,
            byte if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Lexeme::Word(rest[..length].to_owned()), length)
            }
            _ => {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                return Err(fault((at, at + length), "this character means nothing in a condition"));
            }
        };
        tokens.push(Token { lexeme, at: (at, at + length) });
        at += length;
    }
    Ok(tokens)
}

fn number(rest: &str, at: usize) -> Result<(Lexeme, usize), Fault> {
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let after = &rest[digits..];
    let unit = after.find(|c: char| !c.is_ascii_alphabetic() && c != '%').unwrap_or(after.len());
    let whole = (at, at + digits + unit);
    let value: Decimal = rest[..digits].parse().map_err(|_| fault((at, at + digits), "is no number"))?;
    if value.rounded(12) != value {
        return Err(fault((at, at + digits), "has more than 12 digits"));
    }
    let scaled = |coefficient: i128, exponent: i32| value.times(Decimal::new(coefficient, exponent));
    let (value, measure) = match &after[..unit] {
        "" => (value, Measure::Bare),
        "%" => (scaled(1, -2), Measure::Percent),
        "ms" => (scaled(1, -3), Measure::Time),
        "s" => (value, Measure::Time),
        "m" => (scaled(60, 0), Measure::Time),
        "h" => (scaled(3600, 0), Measure::Time),
        _ => {
            let mut fault = fault(whole, "has a unit that is not known");
            fault.help = Some("units: %, ms, s, m, h, or none for counts".to_owned());
            return Err(fault);
        }
    };
    Ok((Lexeme::Number(value, measure, rest[..digits + unit].to_owned()), digits + unit))
}
