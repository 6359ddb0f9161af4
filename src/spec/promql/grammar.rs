//! The grammar of PromQL over tokens, by precedence, with the types of what operators and functions are given.

use super::functions::{aggregation, argument, arguments, gives, names, needed};
use super::tokens::{Kind, Token};
use super::{Fault, Type};

/// What is nested deeper is not followed: people write no such query.
const DEPTH_AT_MOST: usize = 64;

/// Operators, weakest first. Each binds to the left, but the last.
const POWERS: [&[&str]; 6] = [
    &["or"],
    &["and", "unless"],
    &["==", "!=", ">", "<", ">=", "<="],
    &["+", "-"],
    &["*", "/", "%", "atan2", "</", ">/"],
    &["^"],
];
const POWER: usize = POWERS.len() - 1;

/// Why reading ends.
enum End {
    Fault(Fault),
    /// It is nested too deep to be followed.
    TooDeep,
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        End::Fault(fault)
    }
}

/// Reads a whole query.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn read(query: &str, tokens: &[Token]) -> Result<Type, Fault> {
    let mut reader = Reader { query, tokens, next: 0, depth: 0 };
    let read = reader.expression(0).and_then(|found| match reader.peek() {
        None => Ok(found),
        Some(_) => Err(reader.unexpected("an operator, or the end, is expected").into()),
    });
    match read {
        Ok(found) => Ok(found),
        Err(End::Fault(fault)) => Err(fault),
        Err(End::TooDeep) => Ok(Type::Vector),
    }
}

struct Reader<'q> {
    query: &'q str,
    tokens: &'q [Token],
    next: usize,
    depth: usize,
}

impl<'q> Reader<'q> {
    fn peek(&self) -> Option<&'q Token> {
        self.tokens.get(self.next)
    }

    fn text(&self, token: &Token) -> &'q str {
        &self.query[token.at.clone()]
    }

    fn is_next(&self, sign: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Sign && self.text(token) == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(word))
    }

    /// Takes a sign if it is next.
    fn take(&mut self, sign: &str) -> bool {
        let is_next = self.is_next(sign);
        self.next += usize::from(is_next);
        is_next
    }

    fn need(&mut self, sign: &str) -> Result<(), End> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}` is expected")).into()),
        }
    }

    /// What is next is something else than is expected: another dialect may know it.
    fn unexpected(&self, expected: &str) -> Fault {
        let (at, what) = match self.peek() {
            Some(token) => (token.at.clone(), format!("`{}`: ", self.text(token))),
            None => (self.end(), String::new()),
        };
        Fault { at, message: format!("{what}{expected}"), help: None, is_certain: false }
    }

    /// The last token: where nothing follows that must.
    fn end(&self) -> std::ops::Range<usize> {
        self.tokens.last().map_or(0..self.query.len(), |token| token.at.clone())
    }

    fn wrong(&self, from: usize, message: String, help: Option<&'static str>) -> End {
        End::Fault(Fault { at: self.since(from), message, help, is_certain: false })
    }

    /// The bytes from a token to the last one that was read.
    fn since(&self, from: usize) -> std::ops::Range<usize> {
        let start = self.tokens.get(from).map_or(0, |token| token.at.start);
        let end = self.tokens.get(self.next.saturating_sub(1)).map_or(start, |token| token.at.end);
        start..end.max(start)
    }

    fn expression(&mut self, weakest: usize) -> Result<Type, End> {
        self.depth += 1;
        if self.depth > DEPTH_AT_MOST {
            return Err(End::TooDeep);
        }
        let from = self.next;
        let mut left = self.unary()?;
        while let Some((operator, power)) = self.operator().filter(|(_, power)| *power >= weakest) {
            let (at, left_at) = (self.next, self.since(from));
            self.next += 1;
            let is_bool = self.matching()?;
            if self.peek().is_none() || self.is_next(")") || self.is_next(",") {
                let at = self.tokens[at].at.clone();
                let message = format!("nothing stands behind `{operator}`");
                return Err(Fault { at, message, help: None, is_certain: true }.into());
            }
            let right_from = self.next;
            let right = self.expression(if power == POWER { power } else { power + 1 })?;
            for (side, at) in [(left, left_at), (right, self.since(right_from))] {
                if !matches!(side, Type::Scalar | Type::Vector) {
                    let message =
                        format!("`{operator}` joins numbers and instant vectors, and this is {}", side.words());
                    return Err(Fault { at, message, help: None, is_certain: false }.into());
                }
            }
            let both_scalar = (left, right) == (Type::Scalar, Type::Scalar);
            if power < 2 && (left, right) != (Type::Vector, Type::Vector) {
                let message = format!("`{operator}` joins instant vectors, and one side is a number");
                return Err(self.wrong(from, message, Some("`vector(0)` makes one of a number")));
            }
            if power == 2 && both_scalar && !is_bool {
                let message = format!("`{operator}` between two numbers needs `bool`");
                return Err(self.wrong(from, message, Some("write `1 > bool 2`")));
            }
            left = if both_scalar { Type::Scalar } else { Type::Vector };
        }
        self.depth -= 1;
        Ok(left)
    }

    /// The operator that is next, and how strong it is.
    fn operator(&self) -> Option<(&'q str, usize)> {
        let token = self.peek().filter(|token| matches!(token.kind, Kind::Sign | Kind::Word))?;
        let text = self.text(token);
        let power = POWERS.iter().position(|same| same.iter().any(|known| known.eq_ignore_ascii_case(text)))?;
        Some((text, power))
    }

    /// `bool`, `on (…)`, `group_left (…)` behind an operator. Whether it has `bool`.
    fn matching(&mut self) -> Result<bool, End> {
        let is_bool = self.is_word("bool");
        self.next += usize::from(is_bool);
        let mut is_matched = false;
        for word in ["on", "ignoring"] {
            if self.is_word(word) && self.opens_next() {
                self.next += 1;
                self.labels()?;
                is_matched = true;
                break;
            }
        }
        for word in ["group_left", "group_right"] {
            if is_matched && self.is_word(word) {
                self.next += 1;
                if self.is_next("(") {
                    self.labels()?;
                }
                break;
            }
        }
        while ["fill", "fill_left", "fill_right"].iter().any(|word| self.is_word(word)) && self.opens_next() {
            self.next += 1;
            self.balanced();
        }
        Ok(is_bool)
    }

    fn opens_next(&self) -> bool {
        self.tokens.get(self.next + 1).is_some_and(|token| self.text(token) == "(")
    }

    /// A list of labels in parentheses.
    fn labels(&mut self) -> Result<(), End> {
        self.need("(")?;
        while !self.take(")") {
            match self.peek().map(|token| token.kind) {
                Some(Kind::Word | Kind::Text) => self.next += 1,
                _ => return Err(self.unexpected("the name of a label is expected").into()),
            }
            if !self.is_next(")") {
                self.need(",")?;
            }
        }
        Ok(())
    }

    /// Over brackets with whatever is in them; that they are closed is known.
    fn balanced(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match self.text(token) {
                "(" | "[" | "{" if token.kind == Kind::Sign => depth += 1,
                ")" | "]" | "}" if token.kind == Kind::Sign => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.next += 1;
            if depth == 0 {
                break;
            }
        }
    }

    fn unary(&mut self) -> Result<Type, End> {
        let from = self.next;
        let mut signs = 0;
        while self.is_next("+") || self.is_next("-") {
            (self.next, signs) = (self.next + 1, signs + 1);
        }
        if signs == 0 {
            return self.postfix();
        }
        // a sign is weaker than `^`: -2^2 is -(2^2)
        let found = self.expression(POWER)?;
        match found {
            Type::Scalar | Type::Vector => Ok(found),
            other => {
                let message =
                    format!("a sign stands before a number or an instant vector, and this is {}", other.words());
                Err(self.wrong(from, message, None))
            }
        }
    }

    /// Something with what may stand behind it: a range, an offset, a time.
    fn postfix(&mut self) -> Result<Type, End> {
        let from = self.next;
        let mut found = self.primary()?;
        let mut is_selector = self.is_selector(from);
        loop {
            if self.is_next("[") {
                let opened = self.next;
                self.balanced();
                if found != Type::Vector {
                    let message = format!("a range is taken of an instant vector, and this is {}", found.words());
                    return Err(self.wrong(from, message, None));
                }
                let inside = opened + 1..self.next;
                if !is_selector && !inside.into_iter().any(|at| self.text(&self.tokens[at]) == ":") {
                    let message = "a plain range is taken of a selector".to_owned();
                    return Err(self.wrong(opened, message, Some("of anything else write `[5m:1m]`, with a step")));
                }
                self.range(opened)?;
                (found, is_selector) = (Type::Range, false);
            } else if self.is_word("offset") {
                self.next += 1;
                let _ = self.take("-") || self.take("+");
                match self.peek() {
                    // an expression in parentheses, in newer versions
                    Some(token) if self.text(token) == "(" => self.balanced(),
                    Some(token) if token.kind == Kind::Number => {
                        self.duration(token)?;
                        self.next += 1;
                    }
                    _ => return Err(self.unexpected("a duration is expected behind `offset`").into()),
                }
            } else if self.take("@") {
                let _ = self.take("-") || self.take("+");
                match self.peek().map(|token| token.kind) {
                    Some(Kind::Number) => self.next += 1,
                    Some(Kind::Word) if self.opens_next() => {
                        self.next += 1;
                        self.balanced();
                    }
                    _ => return Err(self.unexpected("a time is expected behind `@`").into()),
                }
            } else if self.is_word("anchored") || self.is_word("smoothed") {
                self.next += 1;
            } else {
                return Ok(found);
            }
        }
    }

    /// Whether what was read from a token on is a selector: a name, or braces, or both.
    fn is_selector(&self, from: usize) -> bool {
        let text = |at: usize| self.tokens.get(at).map(|token| self.text(token));
        let is_called = self.next > from + 1 && text(from + 1) != Some("{");
        match self.tokens.get(from).map(|token| token.kind) {
            Some(Kind::Word) => !is_called,
            _ => text(from) == Some("{"),
        }
    }

    /// The inside of `[…]`. What is more than one duration, or two with a colon, newer versions compute.
    fn range(&self, opened: usize) -> Result<(), End> {
        let inside = &self.tokens[opened + 1..self.next.saturating_sub(1).max(opened + 1)];
        match inside {
            [] => {
                let message = "a range needs a duration".to_owned();
                Err(self.wrong(opened, message, Some("write `[5m]`")))
            }
            [only] if only.kind == Kind::Number => self.duration(only),
            [first, .., last] if first.kind == Kind::Number && last.kind == Kind::Number && inside.len() == 3 => {
                self.duration(first)?;
                self.duration(last)
            }
            _ => Ok(()),
        }
    }

    /// A number, or `1h30m`.
    fn duration(&self, token: &Token) -> Result<(), End> {
        let text = self.text(token);
        let mut rest = text;
        let mut is_good = is_number(text);
        while !is_good {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let after = &rest[digits..];
            let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            if digits == 0 || !["ms", "s", "m", "h", "d", "w", "y"].contains(&&after[..letters]) {
                let message = format!("`{text}` is no duration");
                let help = Some("write `30s`, `5m`, `1h30m`; units are ms s m h d w y");
                return Err(Fault { at: token.at.clone(), message, help, is_certain: false }.into());
            }
            rest = &after[letters..];
            is_good = rest.is_empty();
        }
        Ok(())
    }

    fn primary(&mut self) -> Result<Type, End> {
        let from = self.next;
        let Some(token) = self.peek() else {
            let message = if self.tokens.is_empty() { "the query is empty" } else { "the query ends too early" };
            return Err(Fault { at: self.end(), message: message.to_owned(), help: None, is_certain: true }.into());
        };
        let text = self.text(token);
        match token.kind {
            Kind::Text => {
                self.next += 1;
                Ok(Type::Text)
            }
            Kind::Number => {
                if !is_number(text) {
                    self.duration(token)?;
                }
                self.next += 1;
                Ok(Type::Scalar)
            }
            Kind::Sign if text == "(" => {
                self.next += 1;
                if self.take(")") {
                    return Err(self.wrong(from, "nothing stands in these parentheses".to_owned(), None));
                }
                let found = self.expression(0)?;
                self.need(")")?;
                Ok(found)
            }
            Kind::Sign if text == "{" => {
                self.matchers()?;
                Ok(Type::Vector)
            }
            Kind::Sign => {
                let fault = self.unexpected("a metric, a number or a function is expected");
                // an operator without anything before it
                Err(Fault { is_certain: !matches!(text, "@" | ":"), ..fault }.into())
            }
            Kind::Word => self.word(text),
        }
    }

    fn word(&mut self, text: &str) -> Result<Type, End> {
        let from = self.next;
        let opens = self.opens_next();
        if let Some(given) = aggregation(text) {
            let grouped = self
                .tokens
                .get(from + 1)
                .is_some_and(|token| ["by", "without"].iter().any(|word| self.text(token).eq_ignore_ascii_case(word)));
            if opens || grouped {
                self.next += 1;
                let is_grouped = self.grouping()?;
                self.given(from, text, given)?;
                if !is_grouped {
                    self.grouping()?;
                }
                return Ok(Type::Vector);
            }
        }
        if opens {
            self.next += 1;
            let Some(given) = arguments(text) else {
                let near = names().find(|known| strsim::damerau_levenshtein(known, text) <= 1);
                let message = match near {
                    Some(near) => format!("there is no function `{text}` in PromQL; did you mean `{near}`?"),
                    None => format!("there is no function `{text}` in PromQL"),
                };
                let help = "where the server knows more than Prometheus does, this may be right";
                return Err(self.wrong(from, message, Some(help)));
            };
            self.given(from, text, given)?;
            return Ok(gives(text));
        }
        self.next += 1;
        if ["inf", "nan"].iter().any(|number| text.eq_ignore_ascii_case(number)) {
            return Ok(Type::Scalar);
        }
        if self.is_next("{") {
            self.matchers()?;
        }
        Ok(Type::Vector)
    }

    /// `by (…)` or `without (…)`, if there is one.
    fn grouping(&mut self) -> Result<bool, End> {
        let is_grouped = self.is_word("by") || self.is_word("without");
        if is_grouped {
            self.next += 1;
            self.labels()?;
        }
        Ok(is_grouped)
    }

    /// The arguments of a function.
    fn given(&mut self, from: usize, name: &str, wanted: &str) -> Result<(), End> {
        self.need("(")?;
        let mut count = 0;
        while !self.is_next(")") {
            let began = self.next;
            let found = self.expression(0)?;
            match argument(wanted, count) {
                None => return Err(self.wrong(began, format!("`{name}` is given less"), None)),
                Some(wanted) if wanted != found => {
                    let message = format!("`{name}` is given {} here, and this is {}", wanted.words(), found.words());
                    let help = match (wanted, found) {
                        (Type::Range, Type::Vector) => Some("a range is written behind a selector: `x{…}[5m]`"),
                        (Type::Vector, Type::Range) => Some("take `rate(…)` or `…_over_time(…)` of the range first"),
                        _ => None,
                    };
                    return Err(self.wrong(began, message, help));
                }
                Some(_) => {}
            }
            count += 1;
            if !self.is_next(")") {
                self.need(",")?;
                if self.is_next(")") {
                    return Err(self.unexpected("one more argument is expected").into());
                }
            }
        }
        self.next += 1;
        if count < needed(wanted) {
            return Err(self.wrong(from, format!("`{name}` is given {} arguments at least", needed(wanted)), None));
        }
        Ok(())
    }

    /// The matchers of a selector, in braces.
    fn matchers(&mut self) -> Result<(), End> {
        self.need("{")?;
        while !self.take("}") {
            let is_text = match self.peek().map(|token| token.kind) {
                Some(kind @ (Kind::Word | Kind::Text)) => kind == Kind::Text,
                _ => return Err(self.unexpected("the name of a label is expected").into()),
            };
            self.next += 1;
            let has_operator = ["=", "!=", "=~", "!~"].iter().any(|sign| self.take(sign));
            // a text alone is the metric's name
            if has_operator {
                match self.peek() {
                    Some(token) if token.kind == Kind::Text => self.next += 1,
                    _ => return Err(self.unexpected("a text in quotes is expected").into()),
                }
            } else if !is_text {
                return Err(self.unexpected("one of = != =~ !~ is expected").into());
            }
            if !self.is_next("}") {
                self.need(",")?;
            }
        }
        Ok(())
    }
}

/// Whether a text is a plain number: `1`, `.5`, `1e-3`, `0x1f`, `1_000`.
fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    let hex = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"));
    hex.map_or_else(|| plain.parse::<f64>().is_ok(), |digits| u64::from_str_radix(digits, 16).is_ok())
}
