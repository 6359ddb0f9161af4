//! Reading a mapping by its keys: wrong shapes, missing, duplicate and unknown keys become findings, and reading goes on.

use std::collections::HashMap;

use super::finding::{At, Finding};
use super::yaml::{Kind, Node, Style};
use super::{aligned, text};
use crate::engine::{Percentage, Span};

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub value: String,
    /// Where it stands, without its quotes.
    pub at: At,
    /// How it was written.
    style: Style,
}

impl Text {
    /// A text that stands elsewhere under another spelling, as a preset's name does for what it means.
    pub fn meant(value: &str, at: At) -> Text {
        Text { value: value.to_owned(), at, style: Style::Plain }
    }

    /// Where some of its bytes stand; the whole text where that cannot be said.
    pub fn part(&self, start: usize, end: usize) -> At {
        let marked = self.at.marked();
        if marked == self.value {
            return self.at.part(start, end);
        }
        let quote = usize::from(self.style == Style::Quoted);
        let raw_at = At { start: self.at.start - quote, end: self.at.end + quote, ..self.at.clone() };
        match aligned::range(raw_at.marked(), &self.value, self.style, start..end) {
            Some(range) => raw_at.part(range.start, range.end),
            None => self.at.clone(),
        }
    }
}

/// More keys of one mapping than this are not told one by one.
const KEYS_TOLD: usize = 50;
/// More stages, rules, metrics, environments … in one place are refused: everything is compared with everything there.
const ITEMS_AT_MOST: usize = 1000;

fn too_many(at: &At) -> Finding {
    Finding::error("yaml-limit", at, format!("more than {ITEMS_AT_MOST} items in one place"))
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
                let mut told = Told::new("duplicate-key", "are written twice");
                let mut first_of: HashMap<&str, &Node> = HashMap::new();
                for (key, value) in pairs {
                    let name = key_text(key);
                    // few keys are compared faster than they are hashed
                    let first = match pairs.len() {
                        ..=8 => entries.iter().find(|(known, ..)| key_text(known) == name).map(|(first, ..)| *first),
                        _ => first_of.get(name).copied(),
                    };
                    if let Some(first) = first {
                        told.tell(findings, &key.at, || {
                            let finding =
                                Finding::error("duplicate-key", &key.at, format!("`{name}` is written twice"));
                            finding.help(format!("the first one is at {}; keep one", first.at.place()))
                        });
                        continue;
                    }
                    if pairs.len() > 8 {
                        first_of.insert(name, key);
                    }
                    entries.push((key, value, false));
                }
                told.end(findings);
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
        let node = self.get(key)?;
        match &node.kind {
            Kind::Scalar { text, style: Style::Plain } if text == "true" => Some(true),
            Kind::Scalar { text, style: Style::Plain } if text == "false" => Some(false),
            Kind::Scalar { .. } => {
                let message = format!("`{}` is neither `true` nor `false`", node.at.marked());
                let finding = Finding::error("boolean", &node.at, message);
                self.findings.push(finding.help("write `true` or `false`, without quotes"));
                None
            }
            _ => {
                let message = format!("this is {}, `true` or `false` is expected", node.what());
                self.findings.push(Finding::error("shape", &node.at, message));
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
            Kind::List(items) => {
                if let Some(first) = items.get(ITEMS_AT_MOST) {
                    self.findings.push(too_many(&first.at));
                }
                Some(&items[..items.len().min(ITEMS_AT_MOST)])
            }
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
        for (number, (key, value, used)) in self.entries.iter_mut().enumerate() {
            *used = true;
            if number >= ITEMS_AT_MOST {
                if number == ITEMS_AT_MOST {
                    self.findings.push(too_many(&key.at));
                }
                continue;
            }
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
        let mut told = Told::new("unknown-key", "are not known here");
        for (key, _, used) in &self.entries {
            if !used {
                let name = key_text(key);
                told.tell(self.findings, &key.at, || {
                    let finding = Finding::error("unknown-key", &key.at, format!("`{name}` is not known here"));
                    finding.did_you_mean(name, self.asked.iter().copied())
                });
            }
        }
        told.end(self.findings);
    }
}

/// Tells of some keys one by one, and of the rest in a sentence: a mapping of a million wrong keys is one mistake.
struct Told {
    code: &'static str,
    what: &'static str,
    count: usize,
    last: Option<At>,
}

impl Told {
    fn new(code: &'static str, what: &'static str) -> Told {
        Told { code, what, count: 0, last: None }
    }

    fn tell(&mut self, findings: &mut Vec<Finding>, at: &At, finding: impl FnOnce() -> Finding) {
        self.count += 1;
        if self.count <= KEYS_TOLD {
            findings.push(finding());
        } else if self.last.is_none() {
            self.last = Some(at.clone());
        }
    }

    fn end(self, findings: &mut Vec<Finding>) {
        if let Some(at) = self.last {
            let message = format!("from here on {} more keys {}", self.count - KEYS_TOLD, self.what);
            findings.push(Finding::error(self.code, &at, message));
        }
    }
}

fn key_text(node: &Node) -> &str {
    match &node.kind {
        Kind::Scalar { text, .. } => text,
        _ => "",
    }
}

/// How many bytes of a place stand in its first line.
pub(super) fn first_line(at: &At) -> usize {
    at.marked().find('\n').unwrap_or(at.end - at.start)
}

/// Reads a node as a text. What other readers would take for a boolean or for nothing must be quoted.
pub fn read_text(node: &Node, findings: &mut Vec<Finding>) -> Option<Text> {
    let Kind::Scalar { text, style } = &node.kind else {
        findings.push(Finding::error(
            "shape",
            &node.at,
            format!("this is {}, a single value is expected", node.what()),
        ));
        return None;
    };
    let ambiguous = ["y", "n", "yes", "no", "on", "off", "~", "null", ""];
    if *style == Style::Plain && ambiguous.contains(&text.to_ascii_lowercase().as_str()) {
        let what = if text.is_empty() { "nothing stands here".to_owned() } else { format!("`{text}` is ambiguous") };
        let finding = Finding::error("ambiguous", &node.at, what);
        findings.push(finding.help("YAML readers disagree about what it means; put it in quotes"));
        return None;
    }
    let inner = usize::from(*style == Style::Quoted);
    let at = node.at.part(inner, (node.at.end - node.at.start).saturating_sub(inner));
    Some(Text { value: text.clone(), at, style: *style })
}

/// Reads a list of texts, or a single one.
pub fn read_texts(node: &Node, findings: &mut Vec<Finding>) -> Vec<Text> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| read_text(item, findings)).collect(),
        _ => read_text(node, findings).into_iter().collect(),
    }
}
