//! What the fold decided. Events are recorded beside the input that caused them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::Trip;
use super::decimal::Decimal;
use super::detector::Weighed;
use super::exposure::Exposure;
use super::input::{Actor, Hold, HoldKind, Observed, Stamp};
use super::plan::Action;
use super::proof::Tally;
use super::reading::{Reading, Unknown};
use super::split::{Counted, Mismatch};
use super::state::{Cause, Effect};
use super::time::Timestamp;

/// One thing that happened to a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person started it.
    Started {
        /// When.
        at: Timestamp,
        /// Hash of the pinned plan.
        plan: String,
        /// The stamp its exposure carries.
        stamp: Stamp,
        /// The stage it starts at.
        stage: usize,
        /// Who.
        by: Actor,
    },
    /// A tick was judged.
    Ticked(Judged),
    /// A rule began to fire that only says so.
    Notified(Fired),
    /// A rule began to fire that only observes: what it would have done.
    WouldAct(Fired),
    /// The blast-radius breaker held back a rule that would have shut it down: it pauses instead.
    HeldBack {
        /// When.
        at: Timestamp,
        /// The rule, with its evidence.
        fired: Fired,
        /// Who else would have been shut down, and by what.
        trip: Trip,
    },
    /// The next stage's exposure is to be written, by rule.
    Advancing {
        /// The stage it goes to.
        stage: usize,
        /// The tick that lacked nothing.
        at: Timestamp,
    },
    /// An effect is to be carried out. Recorded before it is.
    Intended(Effect),
    /// A growth was read back: the exposure is effective from here.
    Effective {
        /// The effect's id.
        effect: u64,
        /// When the read-back agreed.
        at: Timestamp,
        /// What is allowed from now on.
        exposure: Exposure,
        /// The stage it belongs to.
        stage: usize,
        /// Whether exposure differs from before.
        changed: bool,
    },
    /// A growth was read back as not applied.
    NotApplied {
        /// The effect's id.
        effect: u64,
        /// When.
        at: Timestamp,
        /// Why, for people.
        detail: String,
    },
    /// A growth was given up before its result was known.
    Withdrawn {
        /// The effect's id.
        effect: u64,
    },
    /// A shrink or an off was read back.
    Confirmed {
        /// The effect's id.
        effect: u64,
        /// When.
        at: Timestamp,
    },
    /// Growth stopped.
    Paused {
        /// When.
        at: Timestamp,
        /// The causes that were added.
        causes: BTreeSet<Cause>,
        /// The rules that asked for it, with their evidence.
        because: Vec<Fired>,
        /// The person, if one did.
        by: Option<Actor>,
        /// What the person said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Back to a smaller stage, paused.
    RolledBack {
        /// When.
        at: Timestamp,
        /// The stage.
        stage: usize,
        /// What is allowed from now on.
        exposure: Exposure,
        /// The cause of the pause.
        cause: Cause,
        /// The rules that asked for it, with their evidence.
        because: Vec<Fired>,
        /// The person, if one did.
        by: Option<Actor>,
        /// What the person said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Off for everybody, for good.
    Stopped {
        /// When.
        at: Timestamp,
        /// Why.
        cause: Cause,
        /// The rules that asked for it, with their evidence.
        because: Vec<Fired>,
        /// The person, if one did.
        by: Option<Actor>,
    },
    /// A person let it go on.
    Resumed {
        /// When.
        at: Timestamp,
        /// Who.
        by: Actor,
    },
    /// A person moved it to a higher stage.
    Forced {
        /// When.
        at: Timestamp,
        /// The stage.
        stage: usize,
        /// Who.
        by: Actor,
    },
    /// A person agreed to leave the stage.
    Approved {
        /// When.
        at: Timestamp,
        /// Who.
        by: Actor,
    },
    /// A person silenced a rule.
    Muted {
        /// When.
        at: Timestamp,
        /// The rule.
        rule: String,
        /// Its index in the plan; none for `no_data` and `sample_ratio`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        /// Until when.
        until: Timestamp,
        /// Who.
        by: Actor,
    },
    /// A person pinned another plan.
    Adopted {
        /// When.
        at: Timestamp,
        /// Hash of the plan.
        plan: String,
        /// The stage of the same name in it.
        stage: usize,
        /// Who.
        by: Actor,
    },
    /// The backend shows less than is allowed: accepted.
    Reduced {
        /// When.
        at: Timestamp,
        /// What is allowed from now on.
        exposure: Exposure,
        /// Whose hand the backend recorded, and what they did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The backend shows something larger than is allowed, by another hand. Left alone, and said.
    Drifted {
        /// When.
        at: Timestamp,
        /// What was read.
        observed: Observed,
        /// For people.
        detail: String,
    },
    /// The backend shows what is allowed again.
    DriftEnded {
        /// When.
        at: Timestamp,
    },
    /// A late write of ours enlarged what is allowed: it is set back, and evidence starts anew.
    LateWrite {
        /// When.
        at: Timestamp,
        /// What was read.
        exposure: Exposure,
    },
    /// Another hand was at the flag, and exposure is as allowed: the bake starts anew.
    Touched {
        /// When.
        at: Timestamp,
        /// Whose.
        hand: String,
    },
    /// What is served may be something else than what is read at the backend: nothing is confirmed by it, and nothing grows.
    Unserved {
        /// When.
        at: Timestamp,
        /// Why, and what to do, for people.
        why: String,
    },
    /// What is read at the backend is what is served again.
    Served {
        /// When.
        at: Timestamp,
    },
    /// The last stage baked: no longer watched.
    Completed {
        /// When.
        at: Timestamp,
    },
}

impl Event {
    /// Whether it is the judgement of the tick at this instant.
    pub fn is_of_tick(&self, instant: Timestamp) -> bool {
        matches!(self, Event::Ticked(judged) if judged.at == instant)
    }

    /// Whether all timers start anew with it.
    pub fn starts_timers_anew(&self) -> bool {
        matches!(
            self,
            Event::Started { .. }
                | Event::Effective { changed: true, .. }
                | Event::RolledBack { .. }
                | Event::Stopped { .. }
                | Event::Resumed { .. }
                | Event::Forced { .. }
                | Event::Adopted { .. }
                | Event::Reduced { .. }
                | Event::LateWrite { .. }
        )
    }
}

/// A line of `healthy` that is not proven yet. Apart from the others, most of which are copied at every tick and are small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unproven {
    /// Its index.
    pub line: usize,
    /// What was counted so far.
    pub tally: Tally,
    /// The evidence of that.
    pub have: Decimal,
    /// The evidence that is enough.
    pub need: Decimal,
}

/// How one tick was judged. Everything the counters need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The tick.
    pub at: Timestamp,
    /// One per rule of the plan.
    pub rules: Vec<Mark>,
    /// The number after the tick of each rule that counts, by the rule's index, where its counts were known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<(usize, Decimal)>,
    /// One per line of `healthy`.
    pub lines: Vec<Mark>,
    /// What the tick earns.
    pub credit: Credit,
    /// Where it earned, all that was counted with it for each line that is to be proven, by the line's index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<(usize, Tally)>,
    /// What it adds to `samples`, where it earned.
    pub samples: Option<Decimal>,
    /// Whether needed evidence was missing; `None` where the tick does not count for that.
    pub no_data: Option<bool>,
    /// What was counted of the groups, where they are compared and both counts were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Box<Counted>>,
    /// Everything that is missing for the next step.
    pub missing: Vec<Missing>,
}

/// What a condition said at a tick, as its timer takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mark {
    /// It holds.
    #[serde(rename = "t")]
    True,
    /// It does not hold.
    #[serde(rename = "f")]
    False,
    /// Unknown: the run neither grows nor ends.
    #[serde(rename = "u")]
    Unknown,
    /// Unknown for so long that the run starts anew.
    #[serde(rename = "l")]
    Lapsed,
    /// Muted, or it does not apply at this stage.
    #[serde(rename = "-")]
    Silent,
}

/// What a tick does to the bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Credit {
    /// It adds one.
    Earned,
    /// It changes nothing.
    Frozen,
    /// It starts the bake anew.
    Restarted,
}

/// Something that is missing for the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A person is needed.
    Paused,
    /// The exposure has not been read back yet.
    NotEffective,
    /// The stage's evidence does not count yet.
    Settling {
        /// From here on it does.
        until: Timestamp,
    },
    /// Not healthy for long enough.
    Bake {
        /// Ticks earned.
        have: u32,
        /// Ticks needed.
        need: u32,
    },
    /// A line of `healthy` is false.
    Unhealthy {
        /// Its index.
        line: usize,
    },
    /// A reading that `healthy` or an armed rule needs is unknown.
    Unknown {
        /// Its index in the plan's series.
        series: usize,
        /// Why.
        reason: Unknown,
    },
    /// A stopping or holding rule's condition is true.
    RuleTrue {
        /// Its index.
        rule: usize,
        /// Ticks in a row so far.
        have: u32,
        /// Ticks at which it fires.
        need: u32,
        /// What a rule that counts has counted, and at what it fires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weighed: Option<Box<Weighed>>,
    },
    /// Not enough was measured.
    Samples {
        /// So far.
        have: Decimal,
        /// At least.
        need: u64,
    },
    /// A line of `healthy` is not proven yet.
    Unproven(Box<Unproven>),
    /// The groups are not split as it was configured.
    SampleRatio(Box<Mismatch>),
    /// Something outside holds.
    Held {
        /// What.
        kind: HoldKind,
        /// For people.
        detail: String,
        /// When it ends by itself, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The backend could not be read, or shows something else than is allowed.
    Backend {
        /// For people.
        detail: String,
    },
    /// A growth is under way or its result is not known yet.
    EffectOpen,
    /// The tick was not the present one.
    NotPresent,
    /// A command that can grow came after the tick.
    OlderThanCommand,
    /// No line of `healthy` that applies here reads the exposed group.
    NoEvidence,
    /// People must agree.
    Approval {
        /// So far.
        have: u32,
        /// Needed.
        need: u32,
    },
}

impl Missing {
    /// Something outside that holds.
    pub fn held(hold: &Hold) -> Missing {
        Missing::Held { kind: hold.kind, detail: hold.detail.clone(), until: hold.until }
    }
}

/// A rule that fired, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fired {
    /// The rule's name, `no_data`, `sample_ratio`, or a signal's name.
    pub rule: String,
    /// What it asked for.
    pub then: Action,
    /// The tick at which it fired.
    pub at: Timestamp,
    /// The first tick of the run that fired; of a rule that counts, the first since its number was zero.
    pub since: Timestamp,
    /// The readings it is made of, by the series' names.
    pub evidence: Vec<(String, Reading)>,
    /// What a rule that counts has made of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighed: Option<Weighed>,
    /// How the groups are split, where that is what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<Box<Mismatch>>,
}
