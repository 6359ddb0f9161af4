//! What is wrong with a document: a stable code, the place, the characters, what was expected and what to do.

use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Serialize;

/// A file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Relative to the project, with `/`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where its lines begin; made when a place is first asked for, since most files have nothing to tell.
    lines: OnceLock<Vec<usize>>,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &SourceFile) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for SourceFile {}

impl SourceFile {
    /// A file as it was read.
    pub fn new(name: impl Into<String>, text: String) -> Arc<SourceFile> {
        Arc::new(SourceFile { name: name.into(), text, lines: OnceLock::new() })
    }

    /// Which line a byte stands in, from 0, and where that line begins and ends (without its line feed).
    pub fn line(&self, byte: usize) -> (usize, usize, usize) {
        let lines = self.lines.get_or_init(|| {
            let feeds = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(feeds.map(|(at, _)| at + 1)).collect()
        });
        let line = lines.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = lines.get(line).copied().unwrap_or_default();
        let end = lines.get(line + 1).map_or(self.text.len(), |next| next - 1);
        (line, start, end)
    }

    /// The nearest character's boundary at or before a byte.
    pub fn boundary(&self, byte: usize) -> usize {
        let mut at = byte.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// No message has more characters than this.
const MESSAGE_AT_MOST: usize = 1000;
/// No more known names than this are listed.
const LISTED_AT_MOST: usize = 16;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file.
    pub file: Arc<SourceFile>,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// It can, but probably means something else than it says.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable; `flagstaff help CODE` explains it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub at: At,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl At {
    /// Line and column from 1, the column in characters.
    pub fn line_column(&self) -> (usize, usize) {
        let (line, start, _) = self.file.line(self.start);
        let before = self.file.text.get(start..self.file.boundary(self.start)).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    /// The marked characters.
    pub fn marked(&self) -> &str {
        self.file.text.get(self.start..self.end).unwrap_or_default()
    }

    /// A part of this place, by bytes from its start.
    #[must_use]
    pub fn part(&self, start: usize, end: usize) -> At {
        let start = (self.start + start).min(self.end);
        At { file: self.file.clone(), start, end: (self.start + end).clamp(start, self.end.max(start)) }
    }

    /// `file:line`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.name, self.line_column().0)
    }
}

/// A message quotes what people wrote: where that is as long as a book, its beginning will do.
fn short(mut text: String) -> String {
    if let Some((cut, _)) = text.char_indices().nth(MESSAGE_AT_MOST) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

impl Finding {
    /// An error.
    pub fn error(code: &'static str, at: &At, message: impl Into<String>) -> Finding {
        Finding { code, severity: Severity::Error, at: at.clone(), message: short(message.into()), help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, at: &At, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(code, at, message) }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(short(help.into()));
        self
    }

    /// With the nearest of some known names, if one is near.
    #[must_use]
    pub fn did_you_mean<'n>(mut self, wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Finding {
        let known: Vec<&str> = known.into_iter().collect();
        let within = |name: &str| 1 + name.len() / 4;
        let near = known
            .iter()
            // what differs in length by more cannot be near, and a name as long as a book is compared with nothing
            .filter(|name| wrong.len() <= 256 && name.len().abs_diff(wrong.len()) <= within(name))
            .map(|name| (strsim::damerau_levenshtein(wrong, name), *name))
            .filter(|(distance, name)| *distance <= within(name))
            .min();
        self.help = match near {
            Some((_, name)) => Some(format!("did you mean `{name}`?")),
            None if known.is_empty() => Some("there is none".to_owned()),
            None if known.len() > LISTED_AT_MOST => {
                let rest = known.len() - LISTED_AT_MOST;
                Some(format!("known: {} and {rest} more", known[..LISTED_AT_MOST].join(", ")))
            }
            None => Some(format!("known: {}", known.join(", "))),
        };
        self
    }
}
