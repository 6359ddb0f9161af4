//! Everything the fold consumes, as it is recorded.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::Trip;
use super::exposure::Exposure;
use super::plan::{Action, Plan};
use super::reading::Reading;
use super::time::Timestamp;

/// One input of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An evaluation instant with its readings and what each gate said.
    Tick(Tick),
    /// Ticks that were judged while they could not be recorded, ascending. They stop the rollout as they did then, or do
    /// nothing at all: no tick of them earns anything.
    Aside(Vec<Tick>),
    /// Ticks answered late, with the recorded ones between and before them: they can stop and do nothing else.
    Late(Late),
    /// A human command.
    Command(Box<Issued>),
    /// An alert from outside.
    Signal(Signal),
    /// The result of an effect.
    Outcome(Outcome),
    /// The backend as read between ticks.
    Seen {
        /// When it was read.
        at: Timestamp,
        /// What was read.
        backend: Observation,
    },
}

impl Input {
    /// What was read at the backend with it.
    pub fn observed(&self) -> Option<&Observed> {
        let backend = match self {
            Input::Tick(tick) => &tick.gates.backend,
            Input::Command(issued) => &issued.backend,
            Input::Outcome(outcome) => &outcome.backend,
            Input::Seen { backend, .. } => backend,
            Input::Late(_) | Input::Aside(_) | Input::Signal(_) => return None,
        };
        match backend {
            Observation::Seen(seen) => Some(seen),
            Observation::NotRead | Observation::Unreadable(_) => None,
        }
    }
}

/// An evaluation instant. Instants that are left out between two ticks count as unobserved; a tick that is not newer
/// than the last one is judged as a late one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// A multiple of the plan's `every`.
    pub at: Timestamp,
    /// When it was evaluated: later than `at`, much later when it was caught up.
    pub evaluated: Timestamp,
    /// Whether it was the newest one due when it was evaluated. Only such a tick advances.
    pub present: bool,
    /// One per series of the plan, in its order.
    pub readings: Vec<Reading>,
    /// What the gates said.
    pub gates: Gates,
}

/// What each gate said at a tick.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gates {
    /// The backend as read for this tick.
    pub backend: Observation,
    /// Everything outside the rollout that holds growth now.
    pub holds: Vec<Hold>,
    /// Rules that the blast-radius breaker holds back: they pause instead of shutting down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaker: Vec<Trip>,
}

/// Something outside the rollout that holds growth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What kind of thing.
    pub kind: HoldKind,
    /// For people: the freeze's name and end, the changed address …
    pub detail: String,
    /// When it ends by itself, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The kinds of hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A freeze of the environment or release. The detail starts with its name.
    Freeze,
    /// Outside the calendar window.
    Window,
    /// Another release is not far enough.
    Dependency,
    /// The project names another address than the plan.
    AddressChanged,
    /// The release's document is gone or broken.
    DocumentGone,
}

/// Ticks answered late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// When they were evaluated.
    pub evaluated: Timestamp,
    /// Ascending: the late ones and the recorded ones from the longest `for` before the first late one.
    pub ticks: Vec<LateTick>,
    /// As [`Gates::breaker`], over the late runs that were judged together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaker: Vec<Trip>,
}

/// One tick of a late run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateTick {
    /// Its instant.
    pub at: Timestamp,
    /// Whether any of its readings came late. A rule fires only on a run that contains such a tick.
    pub late: bool,
    /// One per series of the plan, in its order.
    pub readings: Vec<Reading>,
}

/// What was read at the backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Nobody looked: a caught-up tick.
    #[default]
    NotRead,
    /// The read failed.
    Unreadable(String),
    /// The whole meaning of the flag there.
    Seen(Observed),
}

/// The whole meaning of a flag at its backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The switch. Off means nobody, whatever the exposure below it says.
    pub on: bool,
    /// The exposure that our part of the flag describes.
    pub exposure: Exposure,
    /// Anything that exposes people and is not ours, or ours but changed beyond recognition.
    pub foreign: Option<String>,
    /// Who stamped the exposure.
    pub stamp: Option<Stamp>,
    /// Another hand that the backend recorded since our last write.
    pub other_hand: Option<String>,
    /// The backend's revision, for conditional writes.
    pub revision: String,
    /// Why what is served may be something else than what is read here, and what to do about it. None where whoever serves
    /// the flag takes what is read. Of a flag that is not there it counts only where it was exposed before:
    /// [`State::doubt`](super::state::State::doubt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unserved: Option<String>,
}

/// The revision of a flag that is not there.
pub const MISSING: &str = "missing";
/// The revision of a flag whose file, or other place of its own, is not there either.
pub const NO_PLACE: &str = "missing with its place";

impl Observed {
    /// Who gets the feature through our part of the flag.
    pub fn shown(&self) -> Exposure {
        if self.on { self.exposure.clone() } else { Exposure::nobody() }
    }

    /// Whether anybody gets the feature, through our part or another hand's.
    pub fn reaches_anybody(&self) -> bool {
        self.on && (!self.exposure.is_nobody() || self.foreign.is_some())
    }

    /// Whether the backend has no such flag at all.
    pub fn is_missing(&self) -> bool {
        self.revision.starts_with(MISSING)
    }

    /// Whether what the flag would stand in, a file, is not there either: a growth would make it anew.
    pub fn has_no_place(&self) -> bool {
        self.revision.starts_with(NO_PLACE)
    }

    /// Whether anything that is not ours exposes people.
    pub fn reaches_by_foreign(&self) -> bool {
        self.on && self.foreign.is_some()
    }
}

/// Whose exposure it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// The journal's id.
    pub journal: String,
    /// The rollout's id.
    pub rollout: String,
}

/// A human command with everything it is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// What was asked.
    pub command: Command,
    /// Who asked.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// The rollout's version that the person saw; commands that can grow are refused if it is another one now.
    pub saw: Option<u64>,
    /// What holds growth now; a freeze must be named in the reason of a command that can grow.
    pub holds: Vec<Hold>,
    /// The backend as read for this command; commands that can grow need it.
    pub backend: Observation,
}

/// Human commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start a rollout of this plan.
    Start {
        /// Stage to start at; the first unless a person asked for another with `--again --at`.
        stage: usize,
        /// The stamp this rollout puts on its exposure.
        stamp: Stamp,
        /// Hash of the plan.
        plan: String,
        /// `--again`: a new rollout after a stopped or completed one.
        again: bool,
        /// Take over a flag under a foreign stamp.
        take_over: bool,
    },
    /// Stop growing.
    Pause,
    /// Clear all causes and set the stage's exposure again.
    Resume,
    /// Agree to leave the stage.
    Approve,
    /// Go to a stage at once.
    Force {
        /// Index of the stage.
        stage: usize,
    },
    /// Go back to a smaller stage and pause.
    Rollback {
        /// Index of the stage; the one before unless named.
        stage: Option<usize>,
    },
    /// Switch off for everybody.
    Abort,
    /// Pin another plan, keeping stage and exposure.
    Adopt {
        /// The new plan.
        plan: Box<Plan>,
        /// Its hash.
        hash: String,
    },
    /// Silence a rule for a while.
    Mute {
        /// The rule's name, `no_data` or `sample_ratio`.
        rule: String,
        /// At ticks before this it stops nothing.
        until: Timestamp,
    },
}

impl Command {
    /// Whether it can enlarge exposure, or let it be enlarged. Such commands fail closed.
    pub fn can_grow(&self) -> bool {
        !matches!(self, Command::Pause | Command::Rollback { .. } | Command::Abort)
    }

    /// Whether, at a stage, it can only take away: a force to a smaller one.
    pub fn shrinks(&self, at_stage: usize) -> bool {
        matches!(self, Command::Force { stage } if *stage < at_stage)
    }

    /// As typed.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Start { .. } => "start",
            Command::Pause => "pause",
            Command::Resume => "resume",
            Command::Approve => "approve",
            Command::Force { .. } => "force",
            Command::Rollback { .. } => "rollback",
            Command::Abort => "abort",
            Command::Adopt { .. } => "adopt",
            Command::Mute { .. } => "mute",
        }
    }
}

/// Who acts, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// The name.
    pub name: String,
    /// Where the name came from: `--as`, `FLAGSTAFF_ACTOR`, the CI's user, the OS user.
    pub known_by: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An alert from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// When it arrived.
    pub at: Timestamp,
    /// What it asks for; never growth.
    pub then: Action,
    /// For people.
    pub detail: String,
    /// Where it came from, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where a signal came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who sends such signals: `alertmanager`, `grafana`, `json`, or a command.
    pub source: String,
    /// What tells it from every other one: the same one that comes again does nothing.
    pub key: String,
    /// SHA-256 of the raw body, in hex; empty where there was none.
    pub digest: String,
    /// The labels or fields that named the rollout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Who sent it by a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

/// The result of an effect, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The effect's id.
    pub effect: u64,
    /// When it was read back.
    pub at: Timestamp,
    /// What the backend showed afterwards. Unreadable leaves the effect open: it is settled by reading, not by guessing.
    pub backend: Observation,
    /// Whether no request of this effect can still be under way.
    pub settled: bool,
    /// What went wrong on the way, for people.
    pub trouble: Option<String>,
}
