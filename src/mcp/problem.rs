//! Why a call was not answered, as the document that commands answer with.

use crate::control::ControlError;
use crate::engine::decide::RefusalKind;
use crate::spec::Finding;
use crate::view::error::ErrorAnswer;
use crate::view::findings;

/// Failed.
pub(super) const FAILED: u8 = 1;
/// Invalid documents.
pub(super) const INVALID: u8 = 3;
/// Not authorised.
pub(super) const NOT_AUTHORISED: u8 = 4;
/// Backend, telemetry or journal unreachable.
pub(super) const UNREACHABLE: u8 = 5;
/// Shut down or aborted.
const STOPPED: u8 = 6;
/// Wrong usage.
pub(super) const USAGE: u8 = 64;

/// Why a call was not answered.
#[derive(Debug)]
pub(super) struct Problem(pub(super) ErrorAnswer);

impl Problem {
    pub(super) fn new(exit: u8, message: impl Into<String>, help: Option<&str>) -> Problem {
        let help = help.map(str::to_owned);
        Problem(ErrorAnswer { exit, message: message.into(), help, findings: Vec::new() })
    }

    pub(super) fn invalid(found: &[Finding]) -> Problem {
        let mut problem =
            Problem::new(INVALID, "the documents cannot be used", Some("the tool `validate` tells all of it"));
        problem.0.findings = findings::rows(found);
        problem
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Problem {
        let exit = match &error {
            ControlError::Invalid(found) => return Problem::invalid(found),
            ControlError::Refused(refusal) => match refusal.kind {
                RefusalKind::Stopped => STOPPED,
                RefusalKind::NotAuthorised => NOT_AUTHORISED,
                RefusalKind::Unreachable => UNREACHABLE,
                _ => FAILED,
            },
            ControlError::Unreachable(_) | ControlError::Journal(_) | ControlError::Spool(_) => UNREACHABLE,
            ControlError::NotAuthorised(_) => NOT_AUTHORISED,
            ControlError::NotFound(_) | ControlError::Failed(_) => FAILED,
        };
        let message = match &error {
            ControlError::Refused(refusal) => format!("refused: {}", refusal.reason),
            _ => error.chain(),
        };
        Problem::new(exit, message, None)
    }
}
