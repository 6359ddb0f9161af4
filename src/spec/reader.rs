//! Reading a mapping by its keys: wrong shapes, missing, duplicate and unknown keys become findings, and reading goes on.

use super::finding::{At, Finding};
use super::text;
use super::yaml::{Kind, Node};
use crate::engine::{Percentage, Span};

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub value: String,
    /// Where it stands, without its quotes.
    pub at: At,
}

/// Reads one mapping. [`Reader::finish`] tells of the keys that nobody asked for.
pub struct Reader<'n, 'f> {
    at: At,
    entries: Vec<(&'n Node, &'n Node, bool)>,
    asked: Vec<&'static str>,
    findings: &'f mut Vec<Finding>,
}

impl<'n, 'f> Reader<'n, 'f> {
    /// Reads a node as a mapping; another shape is a finding and reads as an empty one.
    pub fn new(node: &'n Node, what: &str, findings: &'f mut Vec<Finding>) -> Reader<'n, 'f> {
        let mut entries: Vec<(&Node, &Node, bool)> = Vec::new();
        match &node.kind {
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    if let Some((first, ..)) = entries.iter().find(|(known, ..)| key_text(known) == key_text(key)) {
                        let place = first.at.place();
                        let finding =
                            Finding::error("duplicate-key", &key.at, format!("`{}` is written twice", key_text(key)));
                        findings.push(finding.help(format!("the first one is at {place}; keep one")));
                    } else {
                        entries.push((key, value, false));
                    }
                }
            }
            _ => findings.push(Finding::error(
                "shape",
                &node.at,
                format!("{what} is a mapping; this is {}", node.what()),
            )),
        }
        Reader { at: node.at.clone(), entries, asked: Vec::new(), findings }
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where the mapping stands.
    pub fn at(&self) -> &At {
        &self.at
    }

    /// The findings, for nested readers.
    pub fn findings(&mut self) -> &mut Vec<Finding> {
        self.findings
    }

    /// A key's value. An empty value (`key:` with nothing behind it) is a finding.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        let entry = self.entries.iter_mut().find(|(name, ..)| key_text(name) == key)?;
        entry.2 = true;
        Some(entry.1)
    }

    /// Where a key's name stands.
    pub fn key_at(&self, key: &str) -> Option<At> {
        self.entries.iter().find(|(name, ..)| key_text(name) == key).map(|(name, ..)| name.at.clone())
    }

    /// A key that must be there.
    pub fn need(&mut self, key: &'static str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let at = self.at.part(0, first_line(&self.at));
            self.findings.push(Finding::error("missing-key", &at, format!("`{key}` is missing here")));
        }
        found
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<Text> {
        self.get(key).and_then(|node| read_text(node, self.findings))
    }

    /// A text that must be there.
    pub fn need_text(&mut self, key: &'static str) -> Option<Text> {
        self.need(key).and_then(|node| read_text(node, self.findings))
    }

    /// A duration.
    pub fn span(&mut self, key: &'static str) -> Option<(Span, At)> {
        let text = self.text(key)?;
        match text::span(&text.value) {
            Ok(span) => Some((span, text.at)),
            Err(why) => {
                let finding = Finding::error("duration", &text.at, format!("`{}` is no duration: {why}", text.value));
                self.findings.push(finding.help("write `90s`, `2m`, `24h` or `7d`"));
                None
            }
        }
    }

    /// A percentage.
    pub fn percentage(&mut self, key: &'static str) -> Option<(Percentage, At)> {
        let text = self.text(key)?;
        match text::percentage(&text.value) {
            Ok(percentage) => Some((percentage, text.at)),
            Err(why) => {
                let finding =
                    Finding::error("percentage", &text.at, format!("`{}` is no percentage: {why}", text.value));
                self.findings.push(finding.help("write `10%` or `12.5%`, from 0% to 100%"));
                None
            }
        }
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str) -> Option<(u64, At)> {
        let text = self.text(key)?;
        match text.value.parse() {
            Ok(number) => Some((number, text.at)),
            Err(_) => {
                let message = format!("`{}` is no whole number", text.value);
                self.findings.push(Finding::error("number", &text.at, message));
                None
            }
        }
    }

    /// `true` or `false`; `yes`, `on` and their like mean different things to different readers.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let text = self.text(key)?;
        match text.value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let finding = Finding::error("boolean", &text.at, format!("`{other}` is neither `true` nor `false`"));
                self.findings.push(finding.help("YAML readers disagree about `yes`, `no`, `on` and `off`"));
                None
            }
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<Text>> {
        let node = self.get(key)?;
        Some(read_texts(node, self.findings))
    }

    /// The items of a list.
    pub fn list(&mut self, key: &'static str) -> Option<&'n [Node]> {
        let node = self.get(key)?;
        match &node.kind {
            Kind::List(items) => Some(items),
            _ => {
                let message = format!("`{key}` is a list; this is {}", node.what());
                self.findings.push(Finding::error("shape", &node.at, message));
                None
            }
        }
    }

    /// All entries whose keys are names of the user's.
    pub fn entries(&mut self) -> Vec<(Text, &'n Node)> {
        let mut found = Vec::new();
        for (key, value, used) in &mut self.entries {
            *used = true;
            if let Some(name) = read_text(key, self.findings) {
                found.push((name, *value));
            }
        }
        found
    }

    /// Tells of keys that belong to a later version.
    pub fn later(&mut self, keys: &[&'static str]) {
        for key in keys {
            if let (Some(_), Some(at)) = (self.get(key), self.key_at(key)) {
                let finding = Finding::error("unsupported", &at, format!("`{key}` is not supported by this version"));
                self.findings.push(finding.help("remove it, or use a version that has it"));
            }
            self.asked.pop();
        }
    }

    /// Tells of the keys that nobody asked for.
    pub fn finish(self) {
        for (key, _, used) in &self.entries {
            if !used {
                let name = key_text(key);
                let finding = Finding::error("unknown-key", &key.at, format!("`{name}` is not known here"));
                self.findings.push(finding.did_you_mean(name, self.asked.iter().copied()));
            }
        }
    }
}

fn key_text(node: &Node) -> &str {
    match &node.kind {
        Kind::Scalar { text, .. } => text,
        _ => "",
    }
}

fn first_line(at: &At) -> usize {
    at.marked().find('\n').unwrap_or(at.end - at.start)
}

/// Reads a node as a text. What other readers would take for a boolean or for nothing must be quoted.
pub fn read_text(node: &Node, findings: &mut Vec<Finding>) -> Option<Text> {
    let Kind::Scalar { text, quoted } = &node.kind else {
        findings.push(Finding::error(
            "shape",
            &node.at,
            format!("this is {}, a single value is expected", node.what()),
        ));
        return None;
    };
    let ambiguous = ["y", "n", "yes", "no", "on", "off", "~", "null", ""];
    if !quoted && ambiguous.contains(&text.to_ascii_lowercase().as_str()) {
        let what = if text.is_empty() { "nothing stands here".to_owned() } else { format!("`{text}` is ambiguous") };
        let finding = Finding::error("ambiguous", &node.at, what);
        findings.push(finding.help("YAML readers disagree about what it means; put it in quotes"));
        return None;
    }
    let inner = usize::from(*quoted && node.at.marked().starts_with(['"', '\'']));
    let at = node.at.part(inner, (node.at.end - node.at.start).saturating_sub(inner));
    Some(Text { value: text.clone(), at })
}

/// Reads a list of texts, or a single one.
pub fn read_texts(node: &Node, findings: &mut Vec<Finding>) -> Vec<Text> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| read_text(item, findings)).collect(),
        _ => read_text(node, findings).into_iter().collect(),
    }
}
