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

/// A document whose texts may come from outside and are read by a program that obeys words: what hides or turns text round
/// becomes a visible escape, line ends and tabs stay, and a longer text than `longest` characters ends with how many are
/// missing.
pub fn in_document(document: &mut serde_json::Value, longest: usize) {
    use serde_json::Value;
    match document {
        Value::String(text) => {
            let total = text.chars().count();
            let clean = !text.chars().any(|c| dangerous(c) && c != '\n' && c != '\t');
            if clean && total <= longest {
                return;
            }
            let mut shown = String::with_capacity(text.len());
            for c in text.chars().take(longest) {
                match c {
                    '\n' | '\t' => shown.push(c),
                    c if dangerous(c) => shown.extend(c.escape_unicode()),
                    c => shown.push(c),
                }
            }
            if total > longest {
                shown.push_str(&format!("… ({} more characters)", total - longest));
            }
            *text = shown;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_document(item, longest)),
        Value::Object(map) => map.values_mut().for_each(|value| in_document(value, longest)),
        _ => {}
    }
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

    #[test]
    fn a_document_hides_nothing_and_is_no_longer_than_it_may_be() {
        let mut document = serde_json::json!({ "a": ["x\u{e0041}\u{202e}\ny"], "b": "12345678", "c": 1 });
        in_document(&mut document, 6);
        assert_eq!(
            document,
            serde_json::json!({ "a": ["x\\u{e0041}\\u{202e}\ny"], "b": "123456… (2 more characters)", "c": 1 })
        );
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
