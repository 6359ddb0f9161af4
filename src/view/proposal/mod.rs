//! What `apply` would do and did, for people and machines.

mod applied;
mod print;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::applied::{AppliedRow, ApplyAnswer, BlockedRow, rows as applied_rows};
pub use self::print::{applied, drift, proposal};

use super::answer::Answer;
use super::plan::{DifferenceRow, differences};
use super::words::StateWord;
use crate::control::apply::{Commit, Declared, FieldChange, FlagChange, FlagRow, Proposal, RolloutRow};
use crate::control::drift::{Drift, Serving};

/// What `plan` without a release answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProposalAnswer {
    /// The commit of the documents, where they are in a Git work tree.
    pub commit: Option<Commit>,
    /// Whether anything differs. A release that was never started is no difference.
    pub differs: bool,
    /// Flags about which there is something to do or to say; empty with `--drift`.
    pub flags: Vec<FlagChangeRow>,
    /// How many flags are as the documents say.
    pub unchanged: usize,
    /// Rollouts whose backend serves something else than what is allowed, worst first.
    pub drift: Vec<DriftRow>,
    /// Rollouts by another plan than the declared one, and releases that were never started; empty with `--drift`.
    pub rollouts: Vec<DeclaredRow>,
}

impl Answer for ProposalAnswer {
    const NAME: &'static str = "proposal";
}

/// What `apply` would do about a flag.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FlagChangeRow {
    /// The flag's key.
    pub flag: String,
    /// The environment.
    pub environment: String,
    /// The backend.
    pub backend: String,
    /// The releases that use it there.
    pub releases: Vec<String>,
    /// What would be done.
    pub action: FlagAction,
    /// What is said of it otherwise than the documents say.
    pub fields: Vec<FieldRow>,
    /// Whom it reaches now though no rollout of this journal is on it, and by what; nothing if nobody.
    pub reaches: Option<String>,
    /// What stands against it.
    pub trouble: Option<String>,
}

/// What would be done about a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagAction {
    /// It is as it should be.
    Nothing,
    /// It is made, off, for nobody.
    Create,
    /// It is set right.
    Change,
    /// It is somebody else's: only `--adopt` takes it.
    Adopt,
    /// Nothing can be done.
    Blocked,
    /// The backend could not be asked.
    Unknown,
}

/// One thing that a flag says of itself.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FieldRow {
    /// `type`, `description` or `owner`.
    pub field: String,
    /// What is there now.
    pub from: Option<String>,
    /// What the documents say.
    pub to: String,
}

/// A rollout whose backend serves something else than what is allowed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DriftRow {
    /// `release@environment`.
    pub address: String,
    /// Where the rollout is.
    pub state: StateWord,
    /// What the journal permits.
    pub allowed: String,
    /// What is served, in words.
    pub serves: String,
    /// Whether somebody has the feature who may not, or that cannot be told.
    pub larger: bool,
    /// Whether the backend said what it serves.
    pub known: bool,
    /// Who changed it, where the backend says so.
    pub by: Option<String>,
}

/// What documents say of a rollout, or of a release that was never started.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DeclaredRow {
    /// `release@environment`.
    pub address: String,
    /// Where the rollout is.
    pub state: StateWord,
    /// What the documents say.
    pub declared: DeclaredWord,
    /// Hash of the pinned plan.
    pub pinned_hash: Option<String>,
    /// Hash of the declared plan.
    pub declared_hash: Option<String>,
    /// In what they differ.
    pub differences: Vec<DifferenceRow>,
    /// Why it cannot be adopted, or what is wrong with the documents.
    pub trouble: Option<String>,
    /// Of one that was never started: who would get the feature at once.
    pub first: Option<String>,
}

/// What documents say of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeclaredWord {
    /// Another plan than the pinned one.
    Differs,
    /// Nothing.
    Gone,
    /// Something that cannot be used.
    Invalid,
    /// It was never started.
    NotStarted,
}

/// The answer of a proposal.
pub fn answer(proposal: &Proposal) -> ProposalAnswer {
    let (changes, same): (Vec<&FlagRow>, Vec<&FlagRow>) = proposal.flags.iter().partition(|row| row.is_change());
    let mut flags: Vec<FlagChangeRow> = changes.into_iter().map(flag).collect();
    for rows in flags.chunk_by_mut(|left, right| left.environment == right.environment) {
        // what reaches people comes first
        rows.sort_by_key(|row| row.reaches.is_none());
    }
    ProposalAnswer {
        commit: proposal.commit.clone(),
        differs: proposal.differs(),
        flags,
        unchanged: same.len(),
        drift: proposal.drift.iter().map(drifted).collect(),
        rollouts: proposal.rollouts.iter().map(declared).collect(),
    }
}

/// The answer of drift alone.
pub fn drift_answer(drift: &[Drift]) -> ProposalAnswer {
    ProposalAnswer {
        // no document has a say in it
        commit: None,
        differs: !drift.is_empty(),
        flags: Vec::new(),
        unchanged: 0,
        drift: drift.iter().map(drifted).collect(),
        rollouts: Vec::new(),
    }
}

fn flag(row: &FlagRow) -> FlagChangeRow {
    let (mut fields, mut reaches, mut trouble) = (Vec::new(), row.exposed.clone(), None);
    let action = match &row.change {
        FlagChange::Nothing => FlagAction::Nothing,
        FlagChange::Create => FlagAction::Create,
        FlagChange::Change { fields: changed, .. } => {
            fields = changed.iter().map(field).collect();
            FlagAction::Change
        }
        FlagChange::Adopt { reaches: whom } => {
            reaches.clone_from(whom);
            FlagAction::Adopt
        }
        FlagChange::Blocked(why) => {
            trouble = Some(why.clone());
            FlagAction::Blocked
        }
        FlagChange::Unknown { why, .. } => {
            trouble = Some(why.clone());
            FlagAction::Unknown
        }
    };
    FlagChangeRow {
        flag: row.flag.clone(),
        environment: row.environment.clone(),
        backend: row.place.clone(),
        releases: row.releases.clone(),
        action,
        fields,
        reaches,
        trouble,
    }
}

fn field(change: &FieldChange) -> FieldRow {
    FieldRow { field: change.field.to_owned(), from: change.from.clone(), to: change.to.clone() }
}

fn drifted(drift: &Drift) -> DriftRow {
    DriftRow {
        address: drift.address.clone(),
        state: StateWord::of_phase(drift.phase, true),
        allowed: drift.allowed.to_string(),
        serves: drift.served.to_string(),
        larger: drift.larger,
        known: !matches!(drift.served, Serving::Unknown(_)),
        by: drift.by.clone(),
    }
}

fn declared(row: &RolloutRow) -> DeclaredRow {
    let mut of = DeclaredRow {
        address: row.address(),
        state: StateWord::of_phase(row.phase, true),
        declared: DeclaredWord::Gone,
        pinned_hash: None,
        declared_hash: None,
        differences: Vec::new(),
        trouble: None,
        first: None,
    };
    match &row.declared {
        Declared::Otherwise { pinned, declared, refused } => {
            of.declared = DeclaredWord::Differs;
            of.pinned_hash = Some(pinned.hash.clone());
            of.declared_hash = Some(declared.hash.clone());
            of.differences = differences(&pinned.plan, &declared.plan);
            of.trouble.clone_from(refused);
        }
        Declared::NotAtAll => {}
        Declared::Invalid(why) => {
            of.declared = DeclaredWord::Invalid;
            of.trouble = Some(why.clone());
        }
        Declared::NotStarted { declared, first } => {
            of.declared = DeclaredWord::NotStarted;
            of.declared_hash = Some(declared.hash.clone());
            of.first = Some(first.to_string());
        }
    }
    of
}
