//! Port: reads the whole meaning of a flag at its backend, sets an exposure, switches off.
//!
//! Adapters know the engine's plain types and nothing of journals, telemetry or documents. They never decide: a
//! write is exactly what was asked for, or an error.

use std::collections::BTreeMap;

use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::input::{Observed, Stamp};
use crate::engine::plan::Audience;
use crate::engine::{Exposure, Percentage};

pub mod flagd;
pub mod unleash;

/// What a write carries.
#[derive(Debug, Clone)]
pub struct Expose {
    /// Key of the flag.
    pub flag: String,
    /// Who is to get the feature.
    pub exposure: Exposure,
    /// Definitions of the audiences it names (and of all others of the plan).
    pub audiences: BTreeMap<String, Audience>,
    /// The context attribute that keeps a user in the same share.
    pub stickiness: String,
    /// Whose exposure it is.
    pub stamp: Stamp,
    /// What happens to the switch, last.
    pub switch: Switch,
    /// The revision that was read before: the write is refused if the flag has changed since.
    pub revision: String,
    /// Write over a foreign stamp.
    pub take_over: bool,
}

/// What a write does to the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Leave it. While it is off (or an off-marker is there) a write that would expose anybody is refused.
    Keep,
    /// Turn it on after the exposure below it was written and read back; removes an off-marker. Start and resume only.
    TurnOn,
}

/// Why a backend did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BackendError {
    /// It could not be reached, or did not answer in time. The write may still have happened, or happen later.
    #[error("cannot reach {place}: {detail}")]
    Unreachable {
        /// Which backend.
        place: String,
        /// What went wrong.
        detail: String,
    },
    /// The flag changed between the read and the write. Nothing was written.
    #[error("{place} changed meanwhile: {detail}")]
    Conflict {
        /// Which backend.
        place: String,
        /// What changed.
        detail: String,
    },
    /// It is switched off, or carries an off-marker; only start and resume turn it on. Nothing was written.
    #[error("{place} is switched off: {detail}")]
    SwitchedOff {
        /// Which backend.
        place: String,
        /// By whom or what.
        detail: String,
    },
    /// Somebody else's stamp. Nothing was written.
    #[error("{place} is driven by another rollout: {detail}")]
    ForeignStamp {
        /// Which backend.
        place: String,
        /// Whose.
        detail: String,
    },
    /// It does not let us: a token that is missing, unknown, expired, of the wrong kind, or may not write. Nothing was
    /// written.
    #[error("{place} does not let us: {detail}")]
    NotAuthorised {
        /// Which backend.
        place: String,
        /// What it said, and what to do.
        detail: String,
    },
    /// The backend refuses or cannot express it. Nothing was written; asking again will not help.
    #[error("{place} cannot do that: {detail}")]
    Refused {
        /// Which backend.
        place: String,
        /// Why, and what to do.
        detail: String,
    },
    /// It was written, and what is served is still something else (another team's broken flag freezes the file).
    #[error("written to {place}, but not effective: {detail}")]
    NotEffective {
        /// Which backend.
        place: String,
        /// Why, and what to do.
        detail: String,
    },
}

impl BackendError {
    /// What went wrong, without the place.
    pub fn detail(&self) -> &str {
        match self {
            BackendError::Unreachable { detail, .. }
            | BackendError::Conflict { detail, .. }
            | BackendError::SwitchedOff { detail, .. }
            | BackendError::ForeignStamp { detail, .. }
            | BackendError::NotAuthorised { detail, .. }
            | BackendError::Refused { detail, .. }
            | BackendError::NotEffective { detail, .. } => detail,
        }
    }
}

/// What a flag is, beside who gets it: what documents state of it. Nothing is written of what they do not state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// What kind of flag it is.
    pub kind: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
}

/// A flag that is to be there before any rollout.
#[derive(Debug, Clone)]
pub struct Prepare {
    /// Its key.
    pub flag: String,
    /// What it is.
    pub card: Card,
    /// The context attribute that will keep a user in the same share.
    pub stickiness: String,
    /// Whether it was missing when it was looked at: then it is made without another look.
    pub missing: bool,
    /// Whether it may be somebody else's; else that is a conflict.
    pub adopt: bool,
}

/// How a flag stands in an environment, apart from any rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Missing,
    /// It cannot be used, for people: it is archived, or belongs to another project.
    Unusable(String),
    /// It is ours, by a mark that it carries or since we made it.
    Ours {
        /// Whether it carries our mark in this environment.
        prepared: bool,
        /// What it is, as far as a backend of this kind says so.
        card: Card,
        /// Whom it reaches, for people; `None` if nobody.
        reaches: Option<String>,
        /// Whose rollout it was last, of whatever journal.
        stamp: Option<Stamp>,
    },
    /// Somebody else made it. What is in it that would have to go before a start, for people.
    Theirs {
        /// Whom it reaches, and by what; `None` if nobody.
        reaches: Option<String>,
    },
}

/// A flag backend of one environment. Object-safe: projects mix several.
pub trait Backend: Send + Sync {
    /// For people: `flags.flagd.json`, `https://unleash.example (production)`.
    fn place(&self) -> String;

    /// The finest share it can express.
    fn resolution(&self) -> Percentage;

    /// Reads the whole meaning of a flag: switch, our exposure, foreign parts, stamp. A flag that does not exist is
    /// off, nobody, no stamp. Where whoever serves it may go on with what was read before, `unserved` says so.
    fn read<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>>;

    /// Reads what a flag serves, and not who did it or what a write would be conditional on: for those who only ask
    /// whether anybody gets it, and are in a hurry.
    fn glance<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        self.read(flag, audiences)
    }

    /// Sets an exposure, conditional on the revision. Returns when written; the caller reads back.
    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>>;

    /// Whether [`Backend::expose`] would be refused for what is there now. Writes nothing.
    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>>;

    /// Switches off for everybody. Needs no prior read, no lock, no stamp; done already is success.
    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>>;

    /// How a flag stands, whoever made it.
    fn standing<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<Standing, BackendError>>;

    /// Makes a flag that is not there, off and reaching nobody; marks one that is there as ours; writes what the card
    /// states. Never changes whom a flag reaches. What is as it should be is left alone.
    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>>;

    /// Looks whether it is there and would do what will be asked of it, and changes nothing. What cannot be looked at
    /// because something before it failed is left out.
    fn examine<'a>(&'a self, clock: &'a dyn Clock) -> Answer<'a, Vec<Check>>;
}
