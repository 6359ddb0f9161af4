//! The condition language: `error_rate > 2% and requests > 100`, `error_rate > 1.5 * baseline(error_rate)`.
//!
//! Read by hand, since every fault must name its characters: a lexer, a descent, and typing in `typing.rs`.

mod lexer;

use self::lexer::{Lexeme, Token, lex};
use crate::engine::condition::Comparison;
use crate::engine::{Decimal, Span};

/// A condition longer than this is refused; so is one nested deeper than 32.
const LENGTH_AT_MOST: usize = 2000;
const DEPTH_AT_MOST: usize = 32;

/// A fault at bytes of the condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A condition as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// `left OP right`, with the bytes it covers.
    Compare(WrittenTerm, Comparison, WrittenTerm, (usize, usize)),
    /// `and`
    All(Vec<Written>),
    /// `or`
    Any(Vec<Written>),
    /// `not`
    Not(Box<Written>),
    /// `missing(m)`
    Missing(Name),
    /// `burn_rate(m, 99.9%) > 14.4`
    BurnRate(BurnRate),
}

/// One side of a comparison as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenTerm {
    /// A number with its unit.
    Number(Decimal, Measure, (usize, usize)),
    /// A metric, of the control group where `baseline(…)` says so, times a factor.
    Series {
        /// Which metric.
        name: Name,
        /// Whether it stands in `baseline(…)`.
        baseline: bool,
        /// The factor before it.
        factor: Decimal,
    },
    /// `exposure`
    Exposure((usize, usize)),
}

/// `burn_rate(m, 99.9%) > 14.4`: how many times as fast as its objective allows a share uses up what may fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnRate {
    /// The metric, a share of what fails.
    pub name: Name,
    /// The share that is to succeed, and its bytes.
    pub objective: (Decimal, (usize, usize)),
    /// How many times as fast is too fast, and its bytes.
    pub times: (Decimal, (usize, usize)),
    /// All bytes of it.
    pub at: (usize, usize),
}

/// The unit of a written number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// `%`
    Percent,
    /// A time, in seconds.
    Time,
    /// No unit.
    Bare,
}

/// A metric's name; `slow` with its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// The bound of `slow(…)` in seconds, and as written.
    pub bound: Option<(Decimal, String)>,
    /// The window it is measured over, where that is not the policy's. No condition writes one: a burn rate has two.
    pub window: Option<Span>,
    /// The bytes it covers.
    pub at: (usize, usize),
}

/// Reads a condition.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<Written, Fault> {
    if text.len() > LENGTH_AT_MOST {
        return Err(fault((0, text.len()), "is too long for a condition"));
    }
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0, end: text.len() };
    let condition = parser.any()?;
    parser.end_of(condition)
}

/// A line of `healthy` as written: a condition, and how surely it must be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLine {
    /// What is to hold.
    pub condition: Written,
    /// `at 95% confidence`: the share, and the bytes it covers.
    pub confidence: Option<(Decimal, (usize, usize))>,
}

/// Reads a line of `healthy`: a condition, with `at 95% confidence` behind it where it is to be proven.
///
/// # Errors
/// The first fault.
pub fn parse_line(text: &str) -> Result<WrittenLine, Fault> {
    if text.len() > LENGTH_AT_MOST {
        return Err(fault((0, text.len()), "is too long for a condition"));
    }
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0, end: text.len() };
    let condition = parser.any()?;
    let confidence = if parser.word("at") { Some(parser.confidence()?) } else { None };
    Ok(WrittenLine { condition: parser.end_of(condition)?, confidence })
}

/// How a burn rate is written.
const BURN_RATE: &str = "write `burn_rate(error_rate, 99.9%) > 14.4`";

fn fault(at: (usize, usize), message: &str) -> Fault {
    Fault { start: at.0, end: at.1, message: message.to_owned(), help: None }
}

fn help(fault: Fault, help: &str) -> Fault {
    Fault { help: Some(help.to_owned()), ..fault }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token { lexeme: Lexeme::Word(text), .. }) if text == word);
        self.at += usize::from(found);
        found
    }

    fn is_symbol(&self, ahead: usize, symbol: char) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token { lexeme: Lexeme::Symbol(found), .. }) if *found == symbol)
    }

    fn symbol(&mut self, symbol: char) -> Result<(), Fault> {
        match self.next() {
            Some(Token { lexeme: Lexeme::Symbol(found), .. }) if found == symbol => Ok(()),
            Some(token) => Err(fault(token.at, &format!("`{symbol}` is expected here"))),
            None => Err(fault((self.end, self.end), &format!("`{symbol}` is expected at the end"))),
        }
    }

    /// The condition, where nothing stands behind it.
    fn end_of(&self, condition: Written) -> Result<Written, Fault> {
        match self.peek() {
            None => Ok(condition),
            Some(Token { lexeme: Lexeme::Word(word), at }) if word == "at" => {
                let mut fault = fault((at.0, self.end), "only a line of `healthy` is proven");
                fault.help = Some(
                    "a safeguard says how often it may be wrong: `false_alarms: { max: 5%, per: 24h }`".to_owned(),
                );
                Err(fault)
            }
            Some(token) => Err(fault(token.at, "the condition should end here, or go on with `and` or `or`")),
        }
    }

    /// Behind `at`.
    fn confidence(&mut self) -> Result<(Decimal, (usize, usize)), Fault> {
        let end = (self.end, self.end);
        let token = self.next().ok_or_else(|| fault(end, "a percentage is expected at the end, like `95%`"))?;
        let Lexeme::Number(value, Measure::Percent, _) = token.lexeme else {
            return Err(fault(token.at, "a percentage is expected here, like `95%`"));
        };
        if !self.word("confidence") {
            let at = self.peek().map_or(end, |token| token.at);
            return Err(fault(at, "`confidence` is expected here, as in `at 95% confidence`"));
        }
        Ok((value, token.at))
    }

    fn any(&mut self) -> Result<Written, Fault> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Written::Any(parts) })
    }

    fn all(&mut self) -> Result<Written, Fault> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Written::All(parts) })
    }

    fn one(&mut self) -> Result<Written, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_AT_MOST {
            return Err(fault((0, self.end), "is nested too deep"));
        }
        let condition = self.plain();
        self.depth -= 1;
        condition
    }

    fn plain(&mut self) -> Result<Written, Fault> {
        if self.word("not") {
            return Ok(Written::Not(Box::new(self.one()?)));
        }
        if self.is_symbol(0, '(') {
            self.at += 1;
            let inner = self.any()?;
            self.symbol(')')?;
            return Ok(inner);
        }
        if self.word("missing") {
            self.symbol('(')?;
            let name = self.name()?;
            self.symbol(')')?;
            return Ok(Written::Missing(name));
        }
        let start = self.peek().map_or(self.end, |token| token.at.0);
        // on its own the word may be a metric's name
        if self.is_symbol(1, '(') && self.word("burn_rate") {
            return self.burn_rate(start);
        }
        let left = self.term()?;
        let op = match self.next() {
            Some(Token { lexeme: Lexeme::Compare(op), .. }) => op,
            Some(token) => return Err(fault(token.at, "a comparison is expected here: < <= > >=")),
            None => return Err(fault((self.end, self.end), "a comparison is expected at the end: < <= > >=")),
        };
        let right = self.term()?;
        let end = self.tokens.get(self.at - 1).map_or(self.end, |token| token.at.1);
        Ok(Written::Compare(left, op, right, (start, end)))
    }

    fn term(&mut self) -> Result<WrittenTerm, Fault> {
        let Some(token) = self.peek().cloned() else {
            return Err(fault((self.end, self.end), "a metric or a number is expected at the end"));
        };
        match token.lexeme {
            Lexeme::Number(value, measure, _) => {
                self.at += 1;
                if !self.is_symbol(0, '*') {
                    return Ok(WrittenTerm::Number(value, measure, token.at));
                }
                self.at += 1;
                if measure != Measure::Bare {
                    return Err(fault(token.at, "a factor has no unit"));
                }
                self.series(value)
            }
            Lexeme::Word(word) if word == "exposure" => {
                self.at += 1;
                Ok(WrittenTerm::Exposure(token.at))
            }
            Lexeme::Word(_) => self.series(Decimal::whole(1)),
            _ => Err(fault(token.at, "a metric or a number is expected here")),
        }
    }

    fn series(&mut self, factor: Decimal) -> Result<WrittenTerm, Fault> {
        if self.word("baseline") {
            self.symbol('(')?;
            let name = self.name()?;
            self.symbol(')')?;
            return Ok(WrittenTerm::Series { name, baseline: true, factor });
        }
        Ok(WrittenTerm::Series { name: self.name()?, baseline: false, factor })
    }

    /// Behind `burn_rate`.
    fn burn_rate(&mut self, start: usize) -> Result<Written, Fault> {
        self.symbol('(')?;
        let name = self.name()?;
        self.symbol(',')?;
        let objective = self.number(Measure::Percent, "an objective is expected here, the share that is to succeed")?;
        self.symbol(')')?;
        let op = self.next();
        if !matches!(&op, Some(Token { lexeme: Lexeme::Compare(Comparison::Greater), .. })) {
            let at = op.map_or((self.end, self.end), |token| token.at);
            return Err(help(fault(at, "a burn rate is compared with `>`"), BURN_RATE));
        }
        let times = self.number(Measure::Bare, "how many times too fast is a number without a unit")?;
        let at = (start, times.1.1);
        Ok(Written::BurnRate(BurnRate { name, objective, times, at }))
    }

    /// A number of a burn rate, and its bytes.
    fn number(&mut self, wanted: Measure, message: &str) -> Result<(Decimal, (usize, usize)), Fault> {
        match self.next() {
            Some(Token { lexeme: Lexeme::Number(value, measure, _), at }) if measure == wanted => Ok((value, at)),
            other => {
                let at = other.map_or((self.end, self.end), |token| token.at);
                Err(help(fault(at, message), BURN_RATE))
            }
        }
    }

    fn name(&mut self) -> Result<Name, Fault> {
        let end = (self.end, self.end);
        let token = self.next().ok_or_else(|| fault(end, "a metric's name is expected at the end"))?;
        let Lexeme::Word(text) = token.lexeme else {
            return Err(fault(token.at, "a metric's name is expected here"));
        };
        if ["and", "or", "not", "baseline", "missing", "exposure"].contains(&text.as_str()) {
            return Err(fault(token.at, "a metric's name is expected here, and this word means something else"));
        }
        if text == "burn_rate" && self.is_symbol(0, '(') {
            return Err(help(fault(token.at, "a burn rate stands first, and alone before its `>`"), BURN_RATE));
        }
        if text != "slow" {
            return Ok(Name { text, bound: None, window: None, at: token.at });
        }
        self.symbol('(')?;
        let bound = self.next().ok_or_else(|| fault(end, "a time is expected at the end"))?;
        let Lexeme::Number(value, Measure::Time, written) = bound.lexeme else {
            return Err(fault(bound.at, "a time is expected here, like `500ms`"));
        };
        self.symbol(')')?;
        Ok(Name { text, bound: Some((value, written)), window: None, at: (token.at.0, bound.at.1 + 1) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faults_name_their_characters() {
        for (text, marked) in [
            ("error_rate == 2%", "=="),
            ("error_rate > 2% foo", "foo"),
            ("p99 > 5parsecs", "5parsecs"),
            ("error_rate 2%", "2%"),
            ("slow(5) > 1%", "5"),
            ("error_rate < 1% at 95% confidence", "at 95% confidence"),
            ("2% * p99 > 1", "2%"),
            ("a > 1 & b > 2", "&"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(&text[fault.start..fault.end], marked, "{}", fault.message);
        }
    }

    #[test]
    fn not_and_or_bind_as_everywhere() {
        let read = parse("not a > 1 and b > 2 or c > 3").unwrap();
        let Written::Any(parts) = read else { panic!("or binds last") };
        assert!(matches!(&parts[0], Written::All(inner) if matches!(inner[0], Written::Not(_))));
    }

    #[test]
    fn a_line_may_be_proven_and_faults_name_their_characters() {
        let line = parse_line("error_rate < 1% at 95% confidence").unwrap();
        assert_eq!(line.confidence, Some((Decimal::new(95, -2), (19, 22))));
        assert_eq!(parse_line("error_rate < 1%").unwrap().confidence, None);
        for (text, marked) in [
            ("error_rate < 1% at 95 confidence", "95"),
            ("error_rate < 1% at 95% sure", "sure"),
            ("error_rate < 1% at confidence", "confidence"),
            ("error_rate < 1% at 95% confidence and more", "and"),
            ("error_rate < 1% at", ""),
            ("error_rate < 1% at 95%", ""),
        ] {
            let fault = parse_line(text).unwrap_err();
            assert_eq!(&text[fault.start..fault.end], marked, "{}", fault.message);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,80}") {
            let _ = parse(&text);
            let _ = parse_line(&text);
            let _ = parse_line(&format!("a < 1% at {text}"));
        }
    }
}
