//! Text from outside, made safe for a terminal.

/// Whether a character could move the cursor, hide text or reorder it; and the marks of our own tones.
pub(super) fn dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Control, escape, invisible and direction-changing characters become visible escapes.
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if dangerous(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A text of several lines in which every byte keeps its place: what is dangerous becomes as many `?` as it has bytes.
pub fn in_place(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if dangerous(c) && c != '\n' && c != '\t' {
            shown.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON text in which such characters, which stand in its strings only, are escaped. Its line ends stay.
pub fn in_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if dangerous(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
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

    #[test]
    fn marks_stay_where_they_belong() {
        assert_eq!(in_place("a\u{9b}2J\u{202e}\n\tb"), "a??2J???\n\tb");
    }

    proptest! {
        #[test]
        fn every_byte_keeps_its_place(text in any::<String>()) {
            let shown = in_place(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert!(shown.chars().all(|c| !dangerous(c) || c == '\n' || c == '\t'));
        }

        #[test]
        fn escaped_json_says_the_same(text in any::<String>(), c in any::<char>()) {
            let text = format!("{text}{c}\u{9b}\u{e0001}");
            let shown = in_json(&serde_json::to_string_pretty(&[&text]).expect("a text"));
            prop_assert!(shown.chars().all(|c| !dangerous(c) || c == '\n'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).expect("still JSON"), vec![text]);
        }

        #[test]
        fn no_control_character_survives(text in ".{0,60}", c in any::<char>()) {
            let shown = safe(&format!("{text}{c}"));
            prop_assert!(!shown.chars().any(dangerous));
        }
    }
}
