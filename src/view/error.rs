//! Failures for machines.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::findings::FindingRow;

/// Why a command did not do what was asked. On stdout where a machine format is asked for and nothing was answered before;
/// people read the same on stderr. Also in answers of commands that did some of what was asked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ErrorAnswer {
    /// The process ends with this code, or with a more serious one of another error.
    pub exit: u8,
    /// What happened.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What is wrong with the documents, where that is the cause.
    pub findings: Vec<FindingRow>,
}

impl Answer for ErrorAnswer {
    const NAME: &'static str = "error";
}
