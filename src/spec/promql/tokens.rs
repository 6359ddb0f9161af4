//! The tokens of PromQL.

use std::ops::Range;

use super::Fault;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word, which may be a metric, a label, a function or a keyword.
    Word,
    /// A number, or a duration like `5m`.
    Number,
    /// A text in any quotes.
    Text,
    /// Anything else: an operator, a bracket, a comma.
    Sign,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// Signs, longer ones first.
const SIGNS: [&str; 27] = [
    "=~", "!~", "==", "!=", ">=", "<=", "</", ">/", "+", "-", "*", "/", "%", "^", "=", ">", "<", "(", ")", "{", "}",
    "[", "]", ",", ":", "@", "!",
];

/// Takes a query apart, and sees that its brackets and quotes are closed.
///
/// # Errors
/// The first thing that cannot be a part of a query.
pub(super) fn read(query: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut at = 0;
    while let Some(next) = query[at..].chars().next() {
        let rest = &query[at..];
        let token = if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        } else if next == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if matches!(next, '"' | '\'' | '`') {
            Token { kind: Kind::Text, at: at..at + text(rest, next).ok_or_else(|| unclosed(query, at, next))? }
        } else if next.is_ascii_digit() || (next == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            Token { kind: Kind::Number, at: at..at + number(rest) }
            // within `[5m:1m]` a colon parts two durations, elsewhere it is a letter
        } else if is_word(next) && !(next == ':' && open.last().is_some_and(|(_, bracket)| *bracket == '[')) {
            let length = rest.find(|c: char| !is_word(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
            Token { kind: Kind::Word, at: at..at + length }
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Token { kind: Kind::Sign, at: at..at + sign.len() }
        } else {
            let message = format!("`{next}` is no part of PromQL");
            let is_certain = matches!(next, ';' | '?' | '&' | '|');
            let help = Some("texts stand in quotes; `or` and `and` are words");
            return Err(Fault { at: at..at + next.len_utf8(), message, help, is_certain });
        };
        if token.kind == Kind::Sign {
            balance(query, &token, &mut open)?;
        }
        at = token.at.end;
        tokens.push(token);
    }
    match open.last() {
        Some((at, bracket)) => Err(unclosed(query, *at, *bracket)),
        None => Ok(tokens),
    }
}

/// Opens or closes a bracket.
fn balance(query: &str, token: &Token, open: &mut Vec<(usize, char)>) -> Result<(), Fault> {
    let sign = query[token.at.clone()].chars().next().unwrap_or_default();
    let wanted = match sign {
        '(' | '{' | '[' => {
            open.push((token.at.start, sign));
            return Ok(());
        }
        ')' => '(',
        '}' => '{',
        ']' => '[',
        _ => return Ok(()),
    };
    match open.pop() {
        Some((_, bracket)) if bracket == wanted => Ok(()),
        other => {
            let message = match other {
                Some((_, bracket)) => format!("`{sign}` closes nothing: `{bracket}` is open"),
                None => format!("`{sign}` closes nothing"),
            };
            Err(Fault {
                at: token.at.clone(),
                message,
                help: Some("close what is open, or remove it"),
                is_certain: true,
            })
        }
    }
}

fn unclosed(query: &str, at: usize, opened: char) -> Fault {
    let what = if matches!(opened, '(' | '{' | '[') { "bracket" } else { "text" };
    let message = format!("this {what} is not closed");
    let end = at + query[at..].chars().next().map_or(0, char::len_utf8);
    Fault { at: at..end, message, help: None, is_certain: true }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

/// How long a text is, with its quotes; none where it is not closed.
fn text(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => {
                chars.next()?;
            }
            '\n' if quote != '`' => return None,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How long a number is, or a duration: digits and letters in turn, an exponent's sign included.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let is_exponent = !is_hex && at > 0 && matches!(bytes[at - 1], b'e' | b'E') && matches!(byte, b'+' | b'-');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_exponent) {
            break;
        }
        at += 1;
    }
    at
}
