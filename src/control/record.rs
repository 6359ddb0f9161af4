//! What the journal's records mean.

use serde::{Deserialize, Serialize};

use super::apply::Commit;
use crate::canonical;
use crate::engine::input::{Actor, Issued};
use crate::engine::{Command, Event, Input, Plan, Timestamp};
use crate::journal::NewRecord;

/// Kind of the record that pins a plan.
pub const PLAN: &str = "plan";
/// Kind of the records that carry inputs with their events.
pub const FOLD: &str = "fold";
/// Kind of the records that begin and end freezes.
pub const FREEZE: &str = "freeze";
/// The stream of freezes.
pub const FREEZES: &str = "freezes";
/// Kind of the records of flags that were switched off without a rollout.
pub const OFF: &str = "off";
/// The stream of flags without a rollout.
pub const FLAGS: &str = "flags";

/// Kind of the records of documents that were applied.
pub const APPLIED: &str = "applied";
/// Kind of the records of what an assistant asked.
pub const ASKED: &str = "asked";
/// Their stream.
pub const ASSISTANTS: &str = "assistants";
/// The stream of what is said of the project as a whole.
pub const PROJECT: &str = "project";

/// One input and what the engine made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it was folded, by this process's clock.
    pub at: Timestamp,
    /// The input.
    pub input: Input,
    /// The events.
    pub events: Vec<Event>,
}

impl Step {
    /// The plan that is pinned from here on, where a person adopted another one.
    pub fn adopted(&self) -> Option<&Plan> {
        let Input::Command(issued) = &self.input else { return None };
        let Command::Adopt { plan, .. } = &issued.command else { return None };
        self.events.iter().any(|event| matches!(event, Event::Adopted { .. })).then_some(&**plan)
    }
}

/// Body of a plan record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanBody {
    /// SHA-256 of the plan's canonical bytes.
    pub hash: String,
    /// The plan.
    pub plan: Plan,
}

/// Body of a fold record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FoldBody {
    /// In their order.
    pub steps: Vec<Step>,
    /// Ids of the spooled stops among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spooled: Vec<String>,
}

/// Body of a freeze record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Named by the reason of whoever goes past it.
    pub name: String,
    /// The environment that is frozen; all of them if none.
    pub environment: Option<String>,
    /// The release that is frozen; all of them if none.
    pub release: Option<String>,
    /// Until when; at or before `at`, it is lifted.
    pub until: Timestamp,
    /// Since when.
    pub at: Timestamp,
    /// Who froze or lifted it.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// Id of the spooled record that this one was merged from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled: Option<String>,
}

/// Body of an off record: a person asked for a flag to be off that no rollout of this journal drives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OffBody {
    /// The flag.
    pub flag: String,
    /// The environment.
    pub environment: String,
    /// The command.
    pub issued: Issued,
    /// Whether it was read back as off; nothing where it was recorded before anything was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<bool>,
    /// Id of the spooled record that this one was merged from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled: Option<String>,
}

/// Body of an applied record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppliedBody {
    /// The commit of the documents, where all of them was applied and it is known.
    pub commit: Option<Commit>,
    /// When they were applied.
    pub at: Timestamp,
    /// Who applied them.
    pub by: Actor,
    /// Why.
    pub reason: Option<String>,
    /// What was done at backends: `created checkout@production`.
    pub done: Vec<String>,
}

/// Body of a record of what an assistant asked: nothing follows from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AskedBody {
    /// For whom it works, and the client that it says it is.
    pub by: Actor,
    /// The version of the protocol that it spoke.
    pub protocol: String,
    /// Its calls, in their order.
    pub calls: Vec<AskedCall>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// A call of an assistant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedCall {
    /// When it was answered.
    pub at: Timestamp,
    /// The tool, `resource` or `prompt`.
    pub what: String,
    /// The release, with its environment where one was named; an address; a prompt's name …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether it was refused, or failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A record with a canonical body. All of our bodies have one: they hold no floats and no odd keys.
pub fn record<T: Serialize>(at: Timestamp, stream: &str, kind: &str, body: &T) -> NewRecord {
    let body = canonical::to_string(body).expect("bodies hold integers and texts only");
    NewRecord { at, stream: stream.to_owned(), kind: kind.to_owned(), body }
}

/// The record of a flag that is to be off without a rollout.
pub fn off(
    flag: &str,
    environment: &str,
    issued: &Issued,
    confirmed: Option<bool>,
    spooled: Option<String>,
) -> NewRecord {
    let (flag, environment) = (flag.to_owned(), environment.to_owned());
    record(issued.at, FLAGS, OFF, &OffBody { flag, environment, issued: issued.clone(), confirmed, spooled })
}
