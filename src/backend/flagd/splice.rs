//! Replacing one member of a JSON text and leaving every other byte as it is.

use std::ops::Range;

/// Where a member's value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The object has it: the bytes of its value.
    Value(Range<usize>),
    /// The object lacks it: where a member may be put, and whether others follow.
    Missing { at: usize, others_follow: bool },
}

/// The text of a member's value. The JSON must be valid.
pub(super) fn member<'t>(json: &'t str, path: &[&str]) -> Option<&'t str> {
    match find(json, path)? {
        Place::Value(range) => json.get(range),
        Place::Missing { .. } => None,
    }
}

/// The text with the member's value replaced, or the member added in front of its siblings. The JSON must be valid, and
/// every object of the path but the last member must exist; `None` otherwise.
pub(super) fn with_member(json: &str, path: &[&str], value: &str) -> Option<String> {
    match find(json, path)? {
        Place::Value(range) => Some(format!("{}{value}{}", &json[..range.start], &json[range.end..])),
        Place::Missing { at, others_follow } => {
            let key = serde_json::to_string(path.last()?).ok()?;
            let indent = "  ".repeat(path.len());
            let tail = if others_follow { "," } else { &*format!("\n{}", "  ".repeat(path.len() - 1)) };
            Some(format!("{}\n{indent}{key}: {value}{tail}{}", &json[..at], &json[at..]))
        }
    }
}

fn find(json: &str, path: &[&str]) -> Option<Place> {
    let mut scan = Scan { bytes: json.as_bytes(), at: 0 };
    scan.space();
    let (last, parents) = path.split_last()?;
    for key in parents {
        match scan.enter(json, key)? {
            Place::Value(range) => scan.at = range.start,
            Place::Missing { .. } => return None,
        }
    }
    scan.enter(json, last)
}

/// A scanner over JSON that is known to be valid.
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

    /// Looks for a key in the object that begins here. Of two equal keys the last one counts, as for JSON readers.
    fn enter(&mut self, json: &str, key: &str) -> Option<Place> {
        if self.peek()? != b'{' {
            return None;
        }
        self.at += 1;
        let first = self.at;
        let mut found = None;
        let mut others_follow = false;
        loop {
            self.space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    others_follow = true;
                    let name = self.value();
                    self.space();
                    self.at += 1; // the colon
                    self.space();
                    let value = self.value();
                    let name: String = serde_json::from_str(json.get(name)?).ok()?;
                    if name == key {
                        found = Some(Place::Value(value));
                    }
                }
            }
        }
        Some(found.unwrap_or(Place::Missing { at: first, others_follow }))
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
                b'}' | b']' => depth -= 1,
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
    use super::*;

    const FILE: &str = "{ \"x\": [1.0, 1e3, {\"flags\": 2}],\r\n  \"flags\": {\n    \"a\\u0062\": {\"state\":\"}\"},\n\t\"other\" : 5.00\n  } }";

    #[test]
    fn only_the_member_changes() {
        let changed = with_member(FILE, &["flags", "ab"], "NEW").unwrap();
        assert_eq!(changed, FILE.replace("{\"state\":\"}\"}", "NEW"));
        assert_eq!(member(FILE, &["flags", "other"]), Some("5.00"));
    }

    #[test]
    fn a_missing_member_is_added_in_front() {
        let added = with_member(FILE, &["flags", "new\"key"], "{}").unwrap();
        assert_eq!(member(&added, &["flags", "new\"key"]), Some("{}"));
        assert_eq!(member(&added, &["flags", "other"]), Some("5.00"));
        let first = with_member("{\"flags\": {}}", &["flags", "k"], "1").unwrap();
        assert_eq!(first, "{\"flags\": {\n    \"k\": 1\n  }}");
        assert_eq!(with_member("{}", &["flags", "k"], "1"), None);
    }
}
