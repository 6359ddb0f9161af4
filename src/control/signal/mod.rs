//! Signals: alerts from outside that may stop rollouts. Recorded with what they decided in one commit, acted on at once, and
//! told apart for good: the same one that comes again does nothing.

mod desk;
mod send;
mod take;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::desk::{Desk, Waiting};
use crate::canonical::sha256_hex;
use crate::engine::input::Actor;
use crate::engine::plan::Action;

/// What one sender said at once, proven to be theirs and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The signal's name.
    pub name: String,
    /// Who sends such signals, for the record.
    pub source: String,
    /// What it asks for; never growth.
    pub then: Action,
    /// SHA-256 of the raw body, in hex; empty where there was none.
    pub digest: String,
    /// Who sent it by a command.
    pub by: Option<Actor>,
    /// The environments that it may act on; all if none is named.
    pub allowed: Vec<String>,
    /// What it is about.
    pub items: Vec<Item>,
}

/// One alert of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What tells it from every other one of its signal.
    pub key: String,
    /// Releases or flags.
    pub names: Vec<String>,
    /// The environment; all that are allowed if none is named.
    pub environment: Option<String>,
    /// The labels or fields that named them.
    pub labels: BTreeMap<String, String>,
    /// For people.
    pub detail: String,
}

/// What came of a signal in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignalRow {
    /// The release or flag as the signal named it.
    pub named: String,
    /// `release@environment`; none where there is no rollout of it.
    pub address: Option<String>,
    /// The rollout's id.
    pub rollout: Option<String>,
    /// What came of it.
    pub result: SignalWord,
    /// Why, and what to do, for people.
    pub detail: Option<String>,
    /// Where it is recorded: `journal`, `spool` (beside the journal, until that can be written) or `nowhere`; none where
    /// there is nothing to record.
    pub recorded: Option<RecordedWord>,
}

/// What came of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignalWord {
    /// No growth until a person lets it go on.
    Paused,
    /// Back at a smaller stage, as read back, and paused.
    RolledBack,
    /// Off for everybody, as read back.
    ShutDown,
    /// It was said, and nothing else is to be done.
    Notified,
    /// It is decided, and not read back yet; whoever drives keeps trying.
    CarryingOut,
    /// The same signal was there before.
    Known,
    /// There was nothing to do.
    Nothing,
    /// There is no such release or flag.
    Unknown,
}

/// Where a signal is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedWord {
    /// In the journal.
    Journal,
    /// In the spool beside it.
    Spool,
    /// It was acted on all the same.
    Nowhere,
}

/// A key that no two different things share.
pub fn key(parts: &[&str]) -> String {
    // each with its length, so that no two lists of parts read the same
    let text: String = parts.iter().map(|part| format!("{}:{part};", part.len())).collect();
    sha256_hex(text.as_bytes())[..32].to_owned()
}
