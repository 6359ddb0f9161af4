//! Exit codes, which are public: scripts and pipelines branch on them.

use crate::checkup::Fault;
use crate::spec::Finding;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or the awaited state is reached.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Differences found.
    Differences = 2,
    /// Invalid documents.
    Invalid = 3,
    /// Not authorised.
    NotAuthorised = 4,
    /// Backend, telemetry or journal unreachable.
    Unreachable = 5,
    /// Shut down or aborted.
    Stopped = 6,
    /// Paused or waiting for approval: a person is needed.
    NeedsPerson = 7,
    /// Timed out.
    TimedOut = 8,
    /// Audit verification failed.
    AuditFailed = 9,
    /// Wrong usage.
    Usage = 64,
    /// Interrupted.
    Interrupted = 130,
}

/// From the most serious to the least; the first one seen over several releases wins.
const SERIOUS: [Exit; 12] = [
    Exit::Interrupted,
    Exit::Usage,
    Exit::Invalid,
    Exit::NotAuthorised,
    Exit::AuditFailed,
    Exit::Unreachable,
    Exit::Stopped,
    Exit::NeedsPerson,
    Exit::TimedOut,
    Exit::Failed,
    Exit::Differences,
    Exit::Done,
];

impl Exit {
    /// The more serious of two.
    #[must_use]
    pub(crate) fn worst(self, other: Exit) -> Exit {
        SERIOUS.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(self)
    }

    /// What a failed examination ends with.
    pub(crate) fn of_fault(fault: Fault) -> Exit {
        match fault {
            Fault::Documents => Exit::Invalid,
            Fault::NotAuthorised => Exit::NotAuthorised,
            Fault::Unreachable => Exit::Unreachable,
            Fault::Other => Exit::Failed,
        }
    }

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// What is wrong with documents, where that is the cause.
    pub(crate) findings: Vec<Finding>,
}

impl Failure {
    /// With a message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), help: None, findings: Vec::new() }
    }

    /// With what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// Invalid documents.
    pub(crate) fn invalid(findings: Vec<Finding>) -> Failure {
        let message = "the documents cannot be used";
        Failure { exit: Exit::Invalid, message: message.to_owned(), help: None, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_serious_wins_whatever_the_order() {
        let ascending = [0, 1, 8, 7, 6, 5, 9];
        let exit = |code: u8| *SERIOUS.iter().find(|exit| exit.code() == code).expect("a known code");
        for (index, low) in ascending.into_iter().enumerate() {
            for high in ascending.into_iter().skip(index) {
                assert_eq!(exit(low).worst(exit(high)).code(), high);
                assert_eq!(exit(high).worst(exit(low)).code(), high);
            }
        }
    }
}
