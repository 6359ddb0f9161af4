//! Files that were made for the user.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;

/// What `init` made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct InitAnswer {
    /// The files, relative to the project.
    pub files: Vec<String>,
    /// The next command.
    pub next: String,
}

impl Answer for InitAnswer {
    const NAME: &'static str = "init";
}
