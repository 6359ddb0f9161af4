//! What came of a stop.

use crate::engine::{Exposure, Phase, Span};

/// What came of it in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// It was exposed, or nobody knows, and has been read back as off.
    Off {
        /// What it was; none where nobody saw it before, or cannot tell whom it reached.
        was: Option<Exposure>,
    },
    /// It was off before.
    AlreadyOff,
    /// No growth from now on.
    Paused {
        /// What stays exposed; none where it reaches somebody, and cannot be told whom.
        still: Option<Exposure>,
    },
    /// Nothing to pause there: not started, stopped or completed.
    NothingToPause {
        /// Where it is.
        phase: Phase,
    },
    /// No backend has the flag, and the journal, which may know it under another key, cannot be read.
    Unsure {
        /// What to do.
        why: String,
    },
    /// It could not be read back as off.
    NotOff {
        /// Why.
        why: String,
        /// Whether that is because the backend does not let us: trying again will not help.
        not_authorised: bool,
    },
    /// The backend has no such flag, and the journal no such rollout.
    NoSuchFlag,
}

/// What came of a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    /// `release@environment`, or `flag@environment`.
    pub address: String,
    /// The rollout's id, where the journal can be read and knows one.
    pub rollout: Option<String>,
    /// What happened.
    pub outcome: StopOutcome,
    /// How it can be undone.
    pub undo: Option<String>,
    /// Who keeps trying, where it is not off.
    pub driver: Option<String>,
    /// Whether it is in the journal; else it waits in the spool, or nowhere.
    pub recorded: Recorded,
    /// Places that an earlier plan of it named, and of which nobody knows whether it is off there.
    pub unreached: Vec<String>,
    /// How long it took.
    pub took: Span,
}

/// Where a stop was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// In the journal.
    Journal,
    /// In the spool beside it, and why.
    Spool(String),
    /// Nowhere, and why.
    Nowhere(String),
}
