//! Text from outside, made safe for a terminal.

/// Control, escape and direction-changing characters become visible escapes.
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || bidi || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(safe("a\u{1b}[31mred\u{202e}"), "a\\u{1b}[31mred\\u{202e}");
        assert_eq!(safe("größe 10% ✓"), "größe 10% ✓");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(text in ".{0,60}", c in any::<char>()) {
            let shown = safe(&format!("{text}{c}"));
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
