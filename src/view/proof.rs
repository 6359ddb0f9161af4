//! What verifying and computing again found.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use crate::control::replay::{Difference, Replayed};
use crate::journal::Head;
use crate::journal::verify::Damage;

/// What `audit verify` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VerifyAnswer {
    /// Whether the chain of hashes is unbroken, up to the anchor if one was named. If not, exit 9.
    pub intact: bool,
    /// How many records there are.
    pub records: usize,
    /// Where the chain ends: `SEQUENCE:HASH`, to be written down and given to `--anchor` later.
    pub head: Option<String>,
    /// The first thing that is wrong; what follows it cannot be trusted.
    pub damage: Option<String>,
}

impl Answer for VerifyAnswer {
    const NAME: &'static str = "audit-verify";
}

/// What `audit replay` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReplayAnswer {
    /// Whether every decision comes out the same. If not, exit 9.
    pub same: bool,
    /// Rollouts that were computed again.
    pub rollouts: usize,
    /// Inputs that were folded again.
    pub inputs: usize,
    /// Events that came out equal.
    pub events: usize,
    /// The first decision that comes out differently.
    pub difference: Option<DifferenceRow>,
}

impl Answer for ReplayAnswer {
    const NAME: &'static str = "audit-replay";
}

/// A decision that comes out differently.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Difference")]
pub struct DifferenceRow {
    /// The record.
    pub sequence: u64,
    /// The rollout's id.
    pub rollout: String,
    /// Which step of the record, from 1; 0 for the record itself.
    pub step: usize,
    /// What is recorded.
    pub recorded: String,
    /// What comes out.
    pub computed: String,
}

/// What a verification found.
pub fn verified(records: usize, found: &Result<Head, Damage>) -> VerifyAnswer {
    VerifyAnswer {
        intact: found.is_ok(),
        records,
        head: found.as_ref().ok().map(|head| format!("{}:{}", head.sequence.0, head.hash)),
        damage: found.as_ref().err().map(ToString::to_string),
    }
}

/// What a replay found.
pub fn replayed(found: &Result<Replayed, Difference>) -> ReplayAnswer {
    let Replayed { rollouts, inputs, events } = found.as_ref().copied().unwrap_or_default();
    let difference = found.as_ref().err().map(|difference| DifferenceRow {
        sequence: difference.sequence,
        rollout: difference.stream.clone(),
        step: difference.step,
        recorded: difference.recorded.clone(),
        computed: difference.computed.clone(),
    });
    ReplayAnswer { same: difference.is_none(), rollouts, inputs, events, difference }
}
