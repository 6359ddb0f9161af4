//! PromQL as far as it can be checked without a server: tokens, brackets, operands, and what functions are given.
//!
//! A reader of our own: what is wrong is marked at its characters in the document. Servers know more than it does, of newer
//! versions and of dialects like MetricsQL. So only what no dialect takes is refused; all else is a warning.

mod functions;
mod grammar;
mod tokens;

use std::ops::Range;

use super::finding::Finding;
use super::reader::Text;

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which bytes.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
    /// Whether no dialect takes it.
    pub is_certain: bool,
}

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A number.
    Scalar,
    /// A text.
    Text,
    /// Series with a value each.
    Vector,
    /// Series with all samples of a while.
    Range,
}

impl Type {
    fn words(self) -> &'static str {
        match self {
            Type::Scalar => "a number",
            Type::Text => "a text",
            Type::Vector => "an instant vector",
            Type::Range => "a range vector",
        }
    }
}

/// Reads a query, with nothing left to fill in, and says what it gives.
///
/// # Errors
/// The first thing that is wrong.
pub fn read(query: &str) -> Result<Type, Fault> {
    grammar::read(query, &tokens::read(query)?)
}

/// What is wrong with a query of a document, with its holes as they will be filled.
pub(super) fn check(text: &Text) -> Option<Finding> {
    let fault = match read(&filled(&text.value)) {
        Ok(Type::Vector | Type::Scalar) => return None,
        Ok(other) => Fault {
            at: 0..text.value.len(),
            message: format!("the query gives {}, and a metric is one number", other.words()),
            help: Some("of a range, take `rate(…[5m])` or `max_over_time(…[5m])`"),
            is_certain: false,
        },
        Err(fault) => fault,
    };
    let at = text.part(fault.at.start, fault.at.end);
    let make = if fault.is_certain { Finding::error } else { Finding::warning };
    let finding = make("promql", &at, fault.message);
    Some(match fault.help {
        Some(help) => finding.help(help),
        None => finding,
    })
}

/// The query with its holes filled, byte for byte as long, so that places stay where they are.
fn filled(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}").map(|at| open + at + 2) else { break };
        filled.push_str(&rest[..open]);
        let hole = &rest[open..close];
        match hole[2..hole.len() - 2].trim() {
            "match" => filled.push_str(&format!("{:1$}", "m=\"\"", hole.len())),
            "flag" => filled.push_str(&"f".repeat(hole.len())),
            _ => filled.push_str(hole),
        }
        rest = &rest[close..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn holes_are_filled_with_as_many_bytes() {
        let text = "max(queue{ {{ match }}, a=\"{{flag}}\" }) + {{ other }}";
        assert_eq!(filled(text).len(), text.len());
        assert!(read("0é").is_err(), "a letter of two bytes behind a number");
        assert!(read(&filled("x{ {{match}} }")).is_ok() && read(&filled("x{ {{ match }}, a=\"{{ flag }}\" }")).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_marks_stay_within_it(text in "[a-c{}()\\[\\]\"'`0-9.:,=~!<>+*/^@ \\\\#é-]{0,40}", words in "(sum|rate|by|on|offset|x|\\(|\\)|\\[5m\\]|\\{|\\}| |,|1){0,20}") {
            for text in [text, words] {
                if let Err(fault) = read(&text) {
                    prop_assert!(text.get(fault.at.clone()).is_some(), "{text:?} {fault:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_nested_without_end_is_not_followed() {
        assert!(read(&"(".repeat(100_000)).is_err());
        let deep = format!("{}x{}", "(".repeat(50_000), ")".repeat(50_000));
        assert_eq!(read(&deep), Ok(Type::Vector), "nobody knows what it gives, and it is not refused");
        assert!(read(&format!("{}1", "-".repeat(100_000))).is_ok());
    }
}
