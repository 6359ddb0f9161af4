//! What `apply` did.

use schemars::JsonSchema;
use serde::Serialize;

use crate::control::ControlError;
use crate::control::apply::{Commit, Done, Row};
use crate::view::answer::Answer;

/// What `apply` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ApplyAnswer {
    /// The commit of the documents, where they are in a Git work tree.
    pub commit: Option<Commit>,
    /// What was done, or could not be.
    pub rows: Vec<AppliedRow>,
    /// Flags that only `--adopt` touches, and that were left as they are.
    pub left: Vec<String>,
    /// Flags that cannot be used, backends that could not be asked, and with `--adopt` plans that cannot be pinned.
    pub blocked: Vec<BlockedRow>,
}

/// Something about which nothing could be done.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BlockedRow {
    /// `flag@environment` or `release@environment`.
    pub address: String,
    /// Why.
    pub trouble: String,
}

impl Answer for ApplyAnswer {
    const NAME: &'static str = "apply";
}

/// One thing that was done, or could not be.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AppliedRow {
    /// `flag@environment` or `release@environment`.
    pub address: String,
    /// What was to be done.
    pub action: Done,
    /// Why it was not.
    pub trouble: Option<String>,
}

/// Rows of what was done.
pub fn rows(rows: &[Row]) -> Vec<AppliedRow> {
    let row = |row: &Row| AppliedRow {
        address: row.address.clone(),
        action: row.done,
        trouble: row.error.as_ref().map(|error| match error {
            ControlError::Refused(refusal) => refusal.reason.clone(),
            error => error.to_string(),
        }),
    };
    rows.iter().map(row).collect()
}
