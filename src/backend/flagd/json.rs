//! JSON as text: where its members stand, and edits that leave every other byte as it is.
//!
//! Everything here works on text that a JSON parser has accepted before. Positions are bytes.

use std::ops::Range;

use serde_json::Value;

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name, unescaped.
    pub(super) name: String,
    /// Where its name begins.
    pub(super) start: usize,
    /// Where its value stands.
    pub(super) value: Range<usize>,
}

/// The members of the object that begins at `at`, in the order of the text; none if there is no object.
pub(super) fn members(text: &str, at: usize) -> Vec<Member> {
    let mut scan = Scan { bytes: text.as_bytes(), at };
    scan.space();
    let mut found = Vec::new();
    if scan.peek() != Some(b'{') {
        return found;
    }
    scan.at += 1;
    loop {
        scan.space();
        match scan.peek() {
            Some(b',') => scan.at += 1,
            Some(b'"') => {
                let name = scan.value();
                scan.space();
                scan.at += 1; // the colon
                scan.space();
                let value = scan.value();
                let text = text.get(name.clone()).unwrap_or_default();
                let start = name.start;
                found.push(Member { name: serde_json::from_str(text).unwrap_or_default(), start, value });
            }
            _ => return found,
        }
    }
}

/// Where the value of a member stands. Of two with one name the last one counts, as for every evaluator.
pub(super) fn member(text: &str, at: usize, name: &str) -> Option<Range<usize>> {
    members(text, at).into_iter().rev().find(|member| member.name == name).map(|member| member.value)
}

/// Sets a member of the object that begins at `at`: in place, or in front of the others. Laid out as its surroundings
/// are. Leaves the text alone if the member has that value already.
pub(super) fn set(text: &mut String, at: usize, name: &str, value: &Value) {
    let layout = Layout::of(text, at);
    if let Some(range) = member(text, at, name) {
        let before: Option<Value> = text.get(range.clone()).and_then(|text| serde_json::from_str(text).ok());
        if before.as_ref() != Some(value) {
            text.replace_range(range, &layout.render(value));
        }
        return;
    }
    let entry = format!("{}:{}{}", quoted(name), if layout.flat { "" } else { " " }, layout.render(value));
    let open = at + text.get(at..).and_then(|rest| rest.find('{')).unwrap_or_default() + 1;
    let insert = if members(text, at).is_empty() {
        let close = text.get(open..).and_then(|rest| rest.find('}')).unwrap_or_default() + open;
        text.replace_range(open..close, "");
        format!("{}{entry}{}", layout.lead, layout.tail)
    } else {
        format!("{}{entry},", layout.lead)
    };
    text.insert_str(open, &insert);
}

/// Removes a member of the object that begins at `at`, with its comma; every one of that name.
pub(super) fn remove(text: &mut String, at: usize, name: &str) {
    loop {
        let all = members(text, at);
        let Some(index) = all.iter().position(|member| member.name == name) else { return };
        let cut = match (index.checked_sub(1).and_then(|before| all.get(before)), all.get(index + 1)) {
            (_, Some(next)) => all[index].start..next.start,
            (Some(before), None) => before.value.end..all[index].value.end,
            (None, None) => all[index].start..all[index].value.end,
        };
        text.replace_range(cut, "");
    }
}

/// How the members of one object are laid out.
struct Layout {
    /// All on one line.
    flat: bool,
    /// White space before a member.
    lead: String,
    /// White space after the last member of an object that was empty.
    tail: String,
    /// White space at the beginning of a member's lines.
    indent: String,
    /// One step of indentation.
    unit: String,
}

impl Layout {
    fn of(text: &str, at: usize) -> Layout {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let unit = text.split('\n').nth(1).map(leading).filter(|unit| !unit.is_empty()).unwrap_or("  ").to_owned();
        let open = at + text.get(at..).and_then(|rest| rest.find('{')).unwrap_or_default() + 1;
        let (lead, tail) = match members(text, at).first() {
            Some(first) => (text.get(open..first.start).unwrap_or_default().to_owned(), String::new()),
            None if !text.trim_end().contains('\n') => (String::new(), String::new()),
            None => {
                let line = text.get(..open).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
                let outer = leading(text.get(line..).unwrap_or_default());
                (format!("{newline}{outer}{unit}"), format!("{newline}{outer}"))
            }
        };
        let flat = !lead.contains('\n');
        let indent = lead.rsplit('\n').next().unwrap_or_default().to_owned();
        Layout { flat, lead, tail, indent, unit }
    }

    fn render(&self, value: &Value) -> String {
        if self.flat {
            return value.to_string();
        }
        let newline = if self.lead.contains('\r') { "\r\n" } else { "\n" };
        let mut out = String::new();
        render(value, &self.unit, &format!("{newline}{}", self.indent), &mut out);
        out
    }
}

/// A line longer than this is broken.
const WIDTH: usize = 88;

/// Short values on one line, others a member or item a line.
fn render(value: &Value, unit: &str, line: &str, out: &mut String) {
    let flat = one_line(value);
    let nested = match value {
        Value::Object(map) => map.len() > 2,
        _ => false,
    };
    if !nested && flat.len() + line.len() <= WIDTH {
        out.push_str(&flat);
        return;
    }
    let inner = format!("{line}{unit}");
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "[" } else { "," });
                out.push_str(&inner);
                render(item, unit, &inner, out);
            }
            out.push_str(line);
            out.push(']');
        }
        Value::Object(map) => {
            for (index, (name, value)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "{" } else { "," });
                out.push_str(&inner);
                out.push_str(&quoted(name));
                out.push_str(": ");
                render(value, unit, &inner, out);
            }
            out.push_str(line);
            out.push('}');
        }
        _ => out.push_str(&flat),
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| format!("{}: {}", quoted(name), one_line(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

fn leading(line: &str) -> &str {
    let end = line.find(|c: char| c != ' ' && c != '\t').unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}

/// Walks over JSON that is known to be valid.
struct Scan<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            _ => {
                while self.peek().is_some_and(|byte| !b",]} \t\r\n".contains(&byte)) {
                    self.at += 1;
                }
            }
        }
        start..self.at
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    fn nested(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "{ \"x\": [1.0, 1e3, {\"flags\": 2}],\r\n  \"flags\": {\n    \"a\\u0062\": {\"state\":\"}\"},\n\t\"other\" : 5.00\n  } }";

    fn flags(text: &str) -> usize {
        member(text, 0, "flags").unwrap().start
    }

    #[test]
    fn only_the_member_changes() {
        let mut text = FILE.to_owned();
        set(&mut text, flags(FILE), "ab", &json!("new"));
        assert_eq!(text, FILE.replace("{\"state\":\"}\"}", "\"new\""));
        set(&mut text, flags(FILE), "ab", &json!("new"));
        assert_eq!(text, FILE.replace("{\"state\":\"}\"}", "\"new\""), "the same again is no change");
    }

    #[test]
    fn a_missing_member_is_added_in_front_and_nothing_else_changes() {
        let mut text = FILE.to_owned();
        set(&mut text, flags(FILE), "new\"key", &json!({ "a": 1 }));
        assert_eq!(text, FILE.replace("\n    \"a\\u", "\n    \"new\\\"key\": { \"a\": 1 },\n    \"a\\u"));
    }

    #[test]
    fn an_empty_object_takes_the_layout_of_its_file() {
        for (empty, filled) in [
            ("{\"flags\":{}}", "{\"flags\":{\"k\":[1,2]}}"),
            ("{\n  \"flags\": {}\n}\n", "{\n  \"flags\": {\n    \"k\": [1, 2]\n  }\n}\n"),
            ("{\n\t\"flags\": { }\n}", "{\n\t\"flags\": {\n\t\t\"k\": [1, 2]\n\t}\n}"),
            ("{\r\n    \"flags\": {\r\n    }\r\n}", "{\r\n    \"flags\": {\r\n        \"k\": [1, 2]\r\n    }\r\n}"),
        ] {
            let mut text = empty.to_owned();
            set(&mut text, flags(empty), "k", &json!([1, 2]));
            assert_eq!(text, filled);
        }
    }

    #[test]
    fn a_member_goes_with_its_comma() {
        for (name, left) in
            [("a", "{ \"b\": 2, \"c\": 3 }"), ("b", "{ \"a\": 1, \"c\": 3 }"), ("c", "{ \"a\": 1, \"b\": 2 }")]
        {
            let mut text = "{ \"a\": 1, \"b\": 2, \"c\": 3 }".to_owned();
            remove(&mut text, 0, name);
            assert_eq!(text, left);
        }
        let mut only = "{ \"a\": 1 }".to_owned();
        remove(&mut only, 0, "a");
        assert_eq!(serde_json::from_str::<Value>(&only).unwrap(), json!({}));
        let mut twice = "{\"a\":1,\"b\":2,\"a\":3}".to_owned();
        remove(&mut twice, 0, "a");
        assert_eq!(twice, "{\"b\":2}");
    }

    #[test]
    fn long_values_are_broken_into_lines_that_read_back() {
        let value = json!({ "if": [{ "in": [{ "var": "userId" }, (0..40).map(|n| format!("user-{n}")).collect::<Vec<_>>()] }, "on", "off"] });
        let mut text = "{\n  \"flags\": {}\n}".to_owned();
        let at = flags(&text);
        set(&mut text, at, "k", &value);
        let back: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["flags"]["k"], value);
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }

    proptest::proptest! {
        /// Any tree, any member: an edit changes that member and nothing else, and what it wrote reads back.
        #[test]
        fn an_edit_changes_what_it_says(
            names in proptest::collection::vec("[a-c\"\\\\{},:\u{e9} ]{0,4}", 0..6),
            name in "[a-c\"\\\\{},:\u{e9} ]{0,4}",
            pretty: bool,
            drop: bool,
        ) {
            let mut map = serde_json::Map::new();
            for (index, name) in names.into_iter().enumerate() {
                map.insert(name, json!([index, { "}": "\"{" }, 1.50]));
            }
            let mut expected = map.clone();
            let file = json!({ "first": { "x": [] }, "flags": map, "last": "}" });
            let mut text = if pretty { serde_json::to_string_pretty(&file).unwrap() } else { file.to_string() };
            let at = flags(&text);
            if drop {
                expected.shift_remove(&name);
                remove(&mut text, at, &name);
            } else {
                expected.insert(name.clone(), json!({ "new": true }));
                set(&mut text, at, &name, &json!({ "new": true }));
            }
            let back: Value = serde_json::from_str(&text).unwrap();
            proptest::prop_assert_eq!(&back["flags"], &Value::Object(expected));
            proptest::prop_assert_eq!(&back["first"], &json!({ "x": [] }));
            proptest::prop_assert_eq!(&back["last"], &json!("}"));
        }
    }
}
