//! The fold: judges an input, applies its events to the state, and returns them to be recorded.

use super::event::Event;
use super::input::Input;
use super::plan::Plan;
use super::state::State;

/// Why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What stands against it, for people.
    pub reason: String,
    /// The command that would do, without `flagstaff` before it, where there is one.
    pub instead: Option<String>,
    /// Which branch callers take.
    pub kind: RefusalKind,
}

/// The branches that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The state table has no such cell.
    NotInThisState,
    /// The rollout was shut down or aborted: exit 6 for `start`.
    Stopped,
    /// State, causes or exposure changed after what the person saw.
    Changed,
    /// A freeze that the reason does not name.
    Frozen,
    /// Something is missing that the command needs (approval too early, backend not read …).
    NotReady,
    /// Another rollout's or journal's stamp.
    ForeignStamp,
}

/// Folds one input: the returned events have been applied to `state` already.
///
/// An input that means nothing any more (a tick of a completed rollout, a tick at or before the start) yields no
/// events. A refused command leaves the state as it was.
///
/// # Errors
/// A command that the state table, the gates or the reason refuse.
pub fn fold(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let _ = (plan, state, input);
    Ok(Vec::new())
}
