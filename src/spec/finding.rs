//! What is wrong with a document: a stable code, the place, the characters, what was expected and what to do.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to the project, with `/`.
    pub name: String,
    /// Its text.
    pub text: String,
}

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
        let before = self.file.text.get(..self.start).unwrap_or(&self.file.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
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

impl Finding {
    /// An error.
    pub fn error(code: &'static str, at: &At, message: impl Into<String>) -> Finding {
        Finding { code, severity: Severity::Error, at: at.clone(), message: message.into(), help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, at: &At, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(code, at, message) }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }

    /// With the nearest of some known names, if one is near.
    #[must_use]
    pub fn did_you_mean<'n>(mut self, wrong: &str, known: impl IntoIterator<Item = &'n str>) -> Finding {
        let known: Vec<&str> = known.into_iter().collect();
        let near = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(wrong, name), *name))
            .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
            .min();
        self.help = match near {
            Some((_, name)) => Some(format!("did you mean `{name}`?")),
            None if known.is_empty() => Some("there is none".to_owned()),
            None => Some(format!("known: {}", known.join(", "))),
        };
        self
    }
}
