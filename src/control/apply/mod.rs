//! From documents to backends, without releasing anything to anybody: what `apply` would do, and doing it.

mod changes;
mod commit;
mod follow;
mod propose;
mod rollouts;
mod saved;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::changes::{Done, Options, Row};
pub use self::commit::{Commit, commit_of};
pub use self::follow::Follow;
pub use self::rollouts::{Declared, RolloutRow};
pub use self::saved::{Asked, Saved, SavedError};

use super::drift::Drift;
use crate::backend::Card;
use crate::engine::Plan;

/// How many flags are asked for, or made, at once.
const AT_ONCE: usize = 16;

/// What `apply` would do, and what it would not but should be known.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The commit of the documents, where they are in a Git work tree.
    pub commit: Option<Commit>,
    /// Flags, by environment in the project's order, then by key.
    pub flags: Vec<FlagRow>,
    /// Rollouts whose backend serves something else than the journal allows, worst first.
    pub drift: Vec<Drift>,
    /// Rollouts and releases about which there is something to say.
    pub rollouts: Vec<RolloutRow>,
    /// Hashes of the plans that documents declare, by `release@environment`.
    pub declared: BTreeMap<String, String>,
    /// Where every rollout is, by what plan and for whom, by `release@environment`.
    pub standing: BTreeMap<String, String>,
}

/// A flag in an environment.
#[derive(Debug, Clone)]
pub struct FlagRow {
    /// Its key.
    pub flag: String,
    /// The environment.
    pub environment: String,
    /// The backend, for people.
    pub place: String,
    /// Releases that use it there.
    pub releases: Vec<String>,
    /// The context attribute that keeps a user in the same share.
    pub stickiness: String,
    /// What the documents say it is.
    pub card: Card,
    /// What is to be done.
    pub change: FlagChange,
    /// Whom a flag of ours reaches though no rollout of this journal is on it, and by what, for people.
    pub exposed: Option<String>,
}

/// What is to be done about a flag.
#[derive(Debug, Clone)]
pub enum FlagChange {
    /// Nothing.
    Nothing,
    /// It is made, off, reaching nobody.
    Create,
    /// It is ours; its strategies are prepared, or what it says of itself is set right.
    Change {
        /// Whether it lacks our mark in this environment.
        prepare: bool,
        /// What it says of itself otherwise.
        fields: Vec<FieldChange>,
    },
    /// Somebody else made it: marked as ours only where that is asked for.
    Adopt {
        /// Whom it reaches now, and by what; `None` if nobody.
        reaches: Option<String>,
    },
    /// Nothing can be done, for people.
    Blocked(String),
    /// The backend could not be asked.
    Unknown {
        /// Why.
        why: String,
        /// Whether it does not let us.
        not_authorised: bool,
    },
}

/// One thing that a flag says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// `type`, `description` or `owner`.
    pub field: &'static str,
    /// What is there now.
    pub from: Option<String>,
    /// What the documents say.
    pub to: String,
}

/// A plan that documents declare.
#[derive(Debug, Clone)]
pub struct DeclaredPlan {
    /// Its hash.
    pub hash: String,
    /// The plan.
    pub plan: Arc<Plan>,
}

/// How far long work is: done and all of it.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

impl FlagRow {
    /// `flag@environment`.
    pub fn address(&self) -> String {
        format!("{}@{}", self.flag, self.environment)
    }

    /// Whether `apply` has anything to do, adopting included, or a person has.
    pub fn is_change(&self) -> bool {
        !matches!(self.change, FlagChange::Nothing) || self.exposed.is_some()
    }
}

impl Proposal {
    /// Whether anything differs: at the backends, or between documents and what runs. A release that was never started is
    /// no difference.
    pub fn differs(&self) -> bool {
        let rollouts = self.rollouts.iter().any(|row| !matches!(row.declared, Declared::NotStarted { .. }));
        self.flags.iter().any(FlagRow::is_change) || !self.drift.is_empty() || rollouts
    }
}
