//! From the bytes of a scalar's value to the bytes it was written with: quotes are unescaped, lines are folded.

use std::ops::Range;

use super::yaml::Style;

/// Where a range of `value` stands in `raw`, the scalar as it was written, with its quotes. `None`
/// where the two cannot be laid side by side: then the whole scalar is what can be shown.
pub(super) fn range(raw: &str, value: &str, style: Style, wanted: Range<usize>) -> Option<Range<usize>> {
    let mut sides = Sides::new(raw, value, style);
    let (mut start, mut end) = (None, None);
    loop {
        if sides.in_value >= wanted.start && start.is_none() {
            start = Some(sides.in_raw);
        }
        if sides.in_value >= wanted.end {
            // an empty range stands where it starts
            end = end.or(if wanted.is_empty() { start } else { Some(sides.in_raw) });
            break;
        }
        if !sides.step()? {
            break;
        }
        if sides.in_value >= wanted.end {
            end = Some(sides.in_raw);
        }
    }
    Some(start?..end?)
}

struct Sides<'t> {
    raw: &'t str,
    value: &'t str,
    in_raw: usize,
    in_value: usize,
    quote: Option<char>,
    block: bool,
}

impl<'t> Sides<'t> {
    fn new(raw: &'t str, value: &'t str, style: Style) -> Sides<'t> {
        let quote = raw.chars().next().filter(|_| style == Style::Quoted);
        let block = style == Style::Block;
        // a block's indentation is no part of its text
        let indented = block && !value.starts_with(char::is_whitespace);
        let in_raw = if indented { blank(raw) } else { usize::from(quote.is_some()) };
        Sides { raw, value, in_raw, in_value: 0, quote, block }
    }

    /// One character of the value, or one run of white space that was folded. `Some(false)` at the end.
    fn step(&mut self) -> Option<bool> {
        let (value, raw) = (self.value.get(self.in_value..)?, self.raw.get(self.in_raw..)?);
        let Some(next) = value.chars().next() else { return Some(false) };
        if self.quote == Some('"') && raw.starts_with('\\') {
            let (length, writes) = escape(raw)?;
            self.in_raw += length;
            self.in_value += if writes { next.len_utf8() } else { 0 };
            return Some(true);
        }
        if self.quote == Some('\'') && next == '\'' && raw.starts_with("''") {
            (self.in_raw, self.in_value) = (self.in_raw + 2, self.in_value + 1);
            return Some(true);
        }
        let run = blank(raw);
        if raw[..run].contains('\n') {
            let feeds = raw[..run].matches('\n').count();
            self.in_raw += run;
            self.in_value += match (self.block, feeds) {
                (true, _) => blank(value),
                (false, 1) => usize::from(next == ' '),
                (false, _) => value.len() - value.trim_start_matches('\n').len(),
            };
            return Some(true);
        }
        if !raw.starts_with(next) {
            return None;
        }
        (self.in_raw, self.in_value) = (self.in_raw + next.len_utf8(), self.in_value + next.len_utf8());
        Some(true)
    }
}

fn blank(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// How long an escape is, and whether it writes a character: one before a line's end joins two lines.
fn escape(raw: &str) -> Option<(usize, bool)> {
    let code = raw[1..].chars().next()?;
    Some(match code {
        'x' => (4, true),
        'u' => (6, true),
        'U' => (10, true),
        '\n' | '\r' => (1 + blank(&raw[1..]), false),
        other => (1 + other.len_utf8(), true),
    })
}

#[cfg(test)]
mod tests {
    use super::{Style, range};

    /// What is marked of `raw` where `value` has `word`.
    fn marked<'r>(raw: &'r str, value: &str, word: &str) -> Option<&'r str> {
        let start = value.find(word).expect("the word is in the value");
        let style = match raw.chars().next() {
            Some('"' | '\'') => Style::Quoted,
            Some(' ') => Style::Block,
            _ => Style::Plain,
        };
        range(raw, value, style, start..start + word.len()).map(|range| &raw[range])
    }

    #[test]
    fn what_was_escaped_or_folded_is_found() {
        assert_eq!(marked("plain > 2", "plain > 2", "2"), Some("2"));
        assert_eq!(marked(r#""a \u003e 2""#, "a > 2", "2"), Some("2"));
        assert_eq!(marked(r#""a \u003e 2""#, "a > 2", "> 2"), Some(r"\u003e 2"));
        assert_eq!(marked("'it''s > 2'", "it's > 2", "2"), Some("2"));
        assert_eq!(marked("\"a\n     > 2\"", "a > 2", "2"), Some("2"));
        assert_eq!(marked("\"a \\\n   > 2\"", "a > 2", "2"), Some("2"));
        assert_eq!(marked("'a\n\n  > 2'", "a\n> 2", "2"), Some("2"));
        assert_eq!(marked("    a\n    > 2", "a > 2", "2"), Some("2"));
        assert_eq!(marked("    a\n    > 2\n", "a\n> 2\n", "> 2"), Some("> 2"));
        assert_eq!(marked("a\n  > 2", "a > 2", "2"), Some("2"));
        assert_eq!(marked("\"é \\t ö > 2\"", "é \t ö > 2", "2"), Some("2"));
    }

    #[test]
    fn what_cannot_be_laid_side_by_side_is_told() {
        assert_eq!(range("other", "value", Style::Plain, 0..2), None);
        assert_eq!(range("\"\\", "value", Style::Quoted, 0..2), None);
        assert_eq!(range("", "", Style::Plain, 0..0), Some(0..0));
    }
}
