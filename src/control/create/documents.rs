//! The documents of a new flag as text.

use std::fmt::Write as _;

use super::Wish;

/// Words that some YAML reader takes for something else than text.
const TAKEN: [&str; 13] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity", "~"];

/// The Flag and Release documents.
pub(super) fn text(wish: &Wish) -> String {
    let mut text = document("Flag", &wish.flag, &[]);
    let fields = [
        ("type", &wish.kind),
        ("description", &wish.description),
        ("owner", &wish.owner),
        ("expected_lifetime", &wish.expected_lifetime),
    ];
    spec(&mut text, &fields.map(|(key, value)| (key, value.as_ref().map(|value| scalar(value)))));
    text.push_str("---\n");
    text.push_str(&document("Release", wish.release(), &wish.labels));
    let environments = (!wish.environments.is_empty()).then(|| {
        let names: Vec<String> = wish.environments.iter().map(|name| scalar(name)).collect();
        format!("[{}]", names.join(", "))
    });
    let of = |value: &Option<String>| value.as_ref().map(|value| scalar(value));
    spec(
        &mut text,
        &[
            ("flag", Some(scalar(&wish.flag))),
            ("template", of(&wish.template)),
            ("policy", of(&wish.policy)),
            ("environments", environments),
        ],
    );
    text
}

fn document(kind: &str, name: &str, labels: &[(String, String)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(", labels: {{ {} }}", labels.join(", ")) };
    format!("apiVersion: flagstaff/v1\nkind: {kind}\nmetadata: {{ name: {}{labels} }}\n", scalar(name))
}

fn spec(text: &mut String, fields: &[(&str, Option<String>)]) {
    if fields.iter().all(|(_, value)| value.is_none()) {
        text.push_str("spec: {}\n");
        return;
    }
    text.push_str("spec:\n");
    for (key, value) in fields {
        if let Some(value) = value {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
}

/// A scalar that every YAML reader takes for this text: quoted unless it can be nothing else.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = starts && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    // a duration begins with a digit, and is written as people write it
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
    let duration = !digits.is_empty() && matches!(unit, "s" | "m" | "h" | "d" | "ms");
    if duration || (plain && !TAKEN.contains(&text.to_ascii_lowercase().as_str())) {
        return text.to_owned();
    }
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for (text, written) in [
            ("checkout-v2", "checkout-v2"),
            ("40d", "40d"),
            ("2024", "\"2024\""),
            ("1e3", "\"1e3\""),
            ("Yes", "\"Yes\""),
            ("NO", "\"NO\""),
            ("a: b", "\"a: b\""),
            ("- x", "\"- x\""),
            ("say \"hi\" #1", "\"say \\\"hi\\\" #1\""),
            ("two\nlines", "\"two\\nlines\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
