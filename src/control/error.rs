//! Why control did not do what was asked.

use crate::engine::decide::Refusal;
use crate::journal::JournalError;
use crate::journal::spool::SpoolError;
use crate::spec::Finding;

/// Why control did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The state table, a gate or a missing reason stands against it.
    #[error("refused")]
    Refused(#[source] Refusal),
    /// The documents are wrong.
    #[error("the documents have errors")]
    Invalid(Vec<Finding>),
    /// Something outside cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Something outside does not let us.
    #[error("{0}")]
    NotAuthorised(String),
    /// The journal cannot be used.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// Something waits beside the journal and cannot be read.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// There is no such release, environment, stage …
    #[error("{0}")]
    NotFound(String),
    /// It failed otherwise.
    #[error("{0}")]
    Failed(String),
}

impl ControlError {
    /// With everything that led to it, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}

impl From<Refusal> for ControlError {
    fn from(refusal: Refusal) -> ControlError {
        ControlError::Refused(refusal)
    }
}
