//! Text measured in columns: clipped, wrapped and padded. Marks of colour take no room.
//!
//! A view marks a tone with noncharacters that no text from outside can bring along (`safe` escapes them), and only the
//! printer turns them into escape sequences: so it can refuse every other one, and no view can forget to.

use unicode_width::UnicodeWidthChar as _;

use super::printer::Tone;

/// Ends a tone.
const PLAIN: char = '\u{fdd0}';
/// The tones, with their marks and escape sequences.
const TONES: [(Tone, char, &str); 5] = [
    (Tone::Good, '\u{fdd1}', "\u{1b}[32m"),
    (Tone::Warn, '\u{fdd2}', "\u{1b}[33m"),
    (Tone::Bad, '\u{fdd3}', "\u{1b}[1;31m"),
    (Tone::Dim, '\u{fdd4}', "\u{1b}[2m"),
    (Tone::Strong, '\u{fdd5}', "\u{1b}[1m"),
];

/// A text in the colour of its meaning.
pub fn tone(text: &str, tone: Tone) -> String {
    let mark = TONES.iter().find(|(known, ..)| *known == tone).map_or(PLAIN, |(_, mark, _)| *mark);
    format!("{mark}{text}{PLAIN}")
}

/// The escape sequence of a mark; none for other characters.
pub(super) fn sequence(c: char) -> Option<&'static str> {
    if c == PLAIN {
        return Some("\u{1b}[0m");
    }
    TONES.iter().find(|(_, mark, _)| *mark == c).map(|(.., sequence)| *sequence)
}

fn columns(c: char) -> usize {
    if sequence(c).is_some() { 0 } else { c.width().unwrap_or(0) }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// At most so many columns; what is left out is shown by `…`, between words where one ends near.
pub fn clip(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let (mut kept, mut used, mut word_end) = (String::new(), 0, None);
    let mut marks = String::new();
    for c in text.chars() {
        let more = columns(c);
        if used + more + 1 > most {
            if sequence(c).is_some() {
                marks.push(c);
            }
            used = most;
            continue;
        }
        if c == ' ' {
            word_end = Some((kept.len(), used));
        }
        kept.push(c);
        used += more;
    }
    // half a word says less than none, unless little else is left
    if let Some((at, before)) = word_end.filter(|(_, before)| before + 12 >= most && *before * 2 > most) {
        let lost: String = kept[at..].chars().filter(|c| sequence(*c).is_some()).collect();
        kept.truncate(at);
        if before + 2 <= most {
            kept.push(' ');
        }
        marks.insert_str(0, &lost);
    }
    if most > 0 {
        kept.push('…');
    }
    kept + &marks
}

/// Exactly so many columns: filled up with spaces, or clipped.
pub fn pad(text: &str, wanted: usize) -> String {
    let clipped = clip(text, wanted);
    let room = wanted.saturating_sub(width(&clipped));
    clipped + &" ".repeat(room)
}

/// Lines of at most so many columns, broken between words; all but the first are indented by `hang`.
pub fn wrap(text: &str, most: usize, hang: usize) -> Vec<String> {
    if width(text) <= most {
        return vec![text.to_owned()];
    }
    let hang = hang.min(most / 3);
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    let (mut lines, mut line, mut used) = (Vec::new(), lead.clone(), lead.len());
    let mut empty = true;
    for word in text[lead.len()..].split(' ') {
        let wide = width(word);
        if !empty && used + 1 + wide > most {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            line = " ".repeat(hang);
            used = hang;
            empty = true;
        }
        if !empty {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            // a word longer than a line is cut where the line ends
            if used + columns(c) > most {
                lines.push(std::mem::take(&mut line));
                line = " ".repeat(hang);
                used = hang;
            }
            line.push(c);
            used += columns(c);
        }
        empty &= wide == 0;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// What we draw with, in ASCII. Text from outside stays as it is: a name that is not ASCII has no other spelling.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        plain.push_str(match c {
            // as wide as it was: columns stay where they are
            '…' => "~",
            '·' => "|",
            '✓' => "+",
            '✗' => "x",
            '▶' => ">",
            '→' => "->",
            '≥' => ">=",
            '░' => "-",
            '▁' => "_",
            '▂' => ".",
            '▃' => "-",
            '▄' => "=",
            '▅' => "+",
            '▆' => "*",
            '▇' => "%",
            '█' => "#",
            c => {
                plain.push(c);
                continue;
            }
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clipped_line_ends_between_words_and_says_so() {
        assert_eq!(clip("paused by rule errors", 40), "paused by rule errors");
        assert_eq!(clip("paused by rule error-rate · ok", 20), "paused by rule …");
        assert_eq!(clip("paused by rule error-rate", 20), "paused by rule …");
        assert_eq!(clip("abcdefghijklmnop", 5), "abcd…");
    }

    #[test]
    fn a_clipped_tone_still_ends() {
        let clipped = clip(&tone("one two three four five six", Tone::Bad), 12);
        assert_eq!(clipped.chars().filter(|c| sequence(*c).is_some()).count(), 2, "{clipped:?}");
        assert!(width(&clipped) <= 12);
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("  one two three", 9, 4), ["  one two", "   three"]);
        assert_eq!(wrap("short", 9, 4), ["short"]);
        assert_eq!(wrap("abcdefghijkl", 6, 2), ["abcdef", "  ghij", "  kl"]);
    }

    #[test]
    fn what_we_draw_has_an_ascii_form() {
        assert!(ascii("… · ✓ ✗ ▶ → ≥ █░ ▁▂▃▄▅▆▇█").is_ascii());
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(text in "[ a-zäß表✓]{0,80}", most in 4usize..60, hang in 0usize..8) {
            prop_assert!(width(&clip(&text, most)) <= most);
            prop_assert_eq!(width(&pad(&text, most)), most);
            for line in wrap(&text, most, hang) {
                prop_assert!(width(&line) <= most, "{}", line);
            }
        }
    }
}
