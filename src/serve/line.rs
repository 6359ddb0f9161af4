//! A line of the log: what happened, in fields. How it is written is for `view`.

use std::sync::Arc;

use crate::engine::Timestamp;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What happens.
    Info,
    /// Somebody should look, soon.
    Warn,
    /// Something does not work.
    Error,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// What kind of line: `step`, `overdue` … One word, of ours.
    pub event: &'static str,
    /// Names of ours, with texts that may come from outside.
    pub fields: Vec<(&'static str, String)>,
}

impl Line {
    /// A line without fields.
    pub fn new(at: Timestamp, level: Level, event: &'static str) -> Line {
        Line { at, level, event, fields: Vec::new() }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Line {
        self.fields.push((name, value.into()));
        self
    }
}

/// Whoever writes lines.
pub type Log = Arc<dyn Fn(&Line) + Send + Sync>;
