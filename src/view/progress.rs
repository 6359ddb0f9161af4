//! What happened while somebody drove or looked on, and where every rollout is now.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::status::StatusRow;
use crate::engine::Event;

/// One event of a rollout, as `-o jsonl` streams it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "EventLine")]
pub struct EventRow {
    /// When, RFC 3339.
    pub time: String,
    /// `release@environment`.
    pub address: String,
    /// What, in words.
    pub what: String,
    /// The event as recorded; instants are milliseconds since the Unix epoch, lengths milliseconds.
    pub event: Event,
}

impl Answer for EventRow {
    const NAME: &'static str = "event";
    const IS_LINE: bool = true;
}

/// What `run`, `watch` and `demo` answer when they end. With `-o jsonl` it is the last line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProgressAnswer {
    /// Why it ended.
    pub end: End,
    /// Every rollout as it is now.
    pub rollouts: Vec<StatusRow>,
    /// Everything that happened; empty with `-o jsonl`, where each event was a line of its own.
    pub events: Vec<EventRow>,
}

impl Answer for ProgressAnswer {
    const NAME: &'static str = "progress";
}

/// Why `run`, `watch` or `demo` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every rollout ended or needs a person.
    Done,
    /// One pass was asked for.
    Once,
    /// By the person at the terminal. Exposure stays as it is.
    Interrupted,
}

/// What `wait` answers. With `-o jsonl` it is the last line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WaitAnswer {
    /// What was waited for.
    pub until: String,
    /// What came of it.
    pub outcome: WaitWord,
    /// The rollout as it is now.
    pub rollout: StatusRow,
}

impl Answer for WaitAnswer {
    const NAME: &'static str = "wait";
}

/// What came of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitWord {
    /// The rollout is there.
    Reached,
    /// It ended elsewhere, or needs a person.
    Ended,
    /// Nobody drives it.
    Undriven,
    /// It took too long.
    TimedOut,
    /// By the person at the terminal, or whatever told the process to end.
    Interrupted,
}
