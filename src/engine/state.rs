//! The state of one rollout: nothing but what its events say.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::HeldBack;
use super::decimal::Decimal;
use super::event::{Missing, Unproven};
use super::exposure::Exposure;
use super::input::{Observed, Stamp};
use super::plan::Plan;
use super::proof::Tally;
use super::split::Counted;
use super::time::{Span, Timestamp};

/// Where a rollout is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not started.
    #[default]
    None,
    /// Rules may advance it.
    Running,
    /// A person is needed.
    Paused,
    /// Off, for good; shown as *stopping* until the backend has been read back.
    Stopped,
    /// The last stage baked; no longer watched.
    Completed,
}

/// Why a rollout is paused or stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A person paused, rolled back or aborted it.
    Person,
    /// A rule, by name (`no_data` is one).
    Rule(String),
    /// A signal, by name.
    Signal(String),
    /// The backend showed something else than we wrote.
    Drift,
    /// A start, resume or force was not read back.
    NotApplied,
}

/// A pause by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonPause {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What they said.
    pub reason: Option<String>,
}

/// What kind of effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Set a larger exposure; sent once, expires, settled by reading.
    Grow,
    /// Set a smaller exposure; retried until confirmed.
    Shrink,
    /// Switch off; retried until confirmed.
    Off,
}

/// How long a request to a backend may take: after this, whoever sent it gives it up.
pub const REQUEST_TIMEOUT: Span = Span::seconds(10);

/// Something to be done at the backend. Always "set to", never "add".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Unique in the rollout, ascending.
    pub id: u64,
    /// What kind.
    pub kind: EffectKind,
    /// The exposure to be set; nobody for off.
    pub to: Exposure,
    /// The stage it belongs to.
    pub stage: usize,
    /// Whether the switch is to be turned on, last: only for start and resume, by a person.
    pub switch_on: bool,
    /// Whether a person asked for it: not read back, it leaves the rollout paused.
    pub by_person: bool,
    /// After this a growth is not sent any more.
    pub expires: Option<Timestamp>,
    /// Whether a start may write over a foreign stamp.
    pub take_over: bool,
    /// When it was decided.
    pub at: Timestamp,
}

impl Effect {
    /// From when on anybody may settle a growth by reading: sent at the last moment, its request has timed out. Before
    /// that only its own process knows whether it is still under way.
    pub fn given_up(&self) -> Option<Timestamp> {
        self.expires.map(|expires| expires.plus(REQUEST_TIMEOUT))
    }
}

/// The run of a rule or of a line of `healthy`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timer {
    /// Ticks in a row at which it held (for a line: at which it was false).
    pub run: u32,
    /// The first of them.
    pub since: Option<Timestamp>,
    /// Unknown ticks since the last known one.
    pub unknown: u32,
    /// The number of a rule that counts; `since` is the first tick since it was zero.
    pub weight: Decimal,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Where it is in its life.
    pub phase: Phase,
    /// Hash of the pinned plan.
    pub plan: String,
    /// The stamp its exposure carries.
    pub stamp: Stamp,
    /// When it started.
    pub started: Timestamp,
    /// The stage it is at.
    pub stage: usize,
    /// Why it is paused.
    pub causes: BTreeSet<Cause>,
    /// The people who paused it since it last ran, and what they said, in their order.
    pub pauses: Vec<PersonPause>,
    /// Why it was stopped.
    pub stopped_by: Option<Cause>,
    /// What is allowed now.
    pub allowed: Exposure,
    /// What is to be done, or being done, at the backend.
    pub effect: Option<Effect>,
    /// Id of the last effect.
    pub last_effect: u64,
    /// Every exposure that was ever asked for: a late write of ours may bring any of them back.
    pub asked: BTreeSet<Exposure>,
    /// When the read-back of the stage's exposure agreed.
    pub effective: Option<Timestamp>,
    /// Ticks that earned the bake.
    pub baked: u32,
    /// What they measured.
    pub samples: Decimal,
    /// What they counted for each line that is to be proven, by the line's index.
    pub proofs: BTreeMap<usize, Tally>,
    /// One per rule.
    pub rules: Vec<Timer>,
    /// One per line of `healthy`.
    pub lines: Vec<Timer>,
    /// The run of ticks without needed evidence.
    pub no_data: Timer,
    /// What was counted of the groups since timers started anew; none where nothing was.
    pub split: Option<Box<Counted>>,
    /// Rules and signals that have rolled back since the last resume or force.
    pub rolled_back: BTreeSet<Cause>,
    /// Shutdowns that the blast-radius breaker held back since the last resume or force, by the rule's name.
    pub held_back: BTreeMap<String, HeldBack>,
    /// Rules that are silenced, and until when.
    pub muted: BTreeMap<String, Timestamp>,
    /// Names of those who agreed to leave the stage.
    pub approvals: BTreeSet<String>,
    /// Whether the last tick lacked nothing but approval, and nothing has changed since.
    pub approvable: bool,
    /// The newest tick.
    pub last_tick: Option<Timestamp>,
    /// Ticks at or before this earn nothing: a command that can grow came later.
    pub earns_after: Timestamp,
    /// Everything that was missing at the newest tick.
    pub missing: Vec<Missing>,
    /// Whether the newest tick was judged at this stage, and since timers last started anew.
    pub judged_here: bool,
    /// What the backend shows, where that is larger than is allowed, by another hand.
    pub drift: Option<Observed>,
    /// Whether evaluators may serve it to somebody by what they have read: from a growth that was read back, or given up
    /// before its result was known, until an off is read back.
    pub exposed: bool,
    /// Why what is served may be something else than what the backend showed when it was read last.
    pub unserved: Option<String>,
    /// Whether the start may write over another journal's stamp, until it was read back.
    pub taking_over: bool,
    /// The other hand that was seen at the flag since our last write.
    pub touched: Option<String>,
    /// Counts changes of phase, causes, stage and exposure: what a person saw.
    pub version: u64,
}

impl State {
    /// Whether a driver must look at it: running or paused.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// Rules that are silenced now, and until when; where nothing is judged any more, none.
    pub fn mutes(&self, now: Timestamp) -> impl Iterator<Item = (&str, Timestamp)> {
        let live = self.is_live();
        self.muted.iter().filter(move |(_, until)| live && now < **until).map(|(rule, until)| (rule.as_str(), *until))
    }

    /// Whether it needs nothing but people who agree: the last tick lacked nothing else, and too few have approved since.
    pub fn waits_for_approval(&self, plan: &Plan) -> bool {
        self.phase == Phase::Running && self.approvable && self.approvals_missing(plan) > 0
    }

    /// How many people must still agree to leave the stage.
    pub fn approvals_missing(&self, plan: &Plan) -> u32 {
        let needed = plan.stages.get(self.stage).and_then(|stage| stage.approval.as_ref()).map_or(0, |it| it.count);
        needed.saturating_sub(u32::try_from(self.approvals.len()).unwrap_or(u32::MAX))
    }

    /// Everything that is not proven yet by what was counted for each line.
    pub(super) fn unproven(plan: &Plan, stage: usize, counted: &dyn Fn(usize) -> Tally) -> Vec<Missing> {
        let lines = plan.healthy.iter().enumerate().filter(|(_, line)| plan.applies(&line.condition, stage));
        let unproven = lines.filter_map(|(index, line)| {
            let (proof, tally) = (line.proof.as_ref()?, counted(index));
            let (have, need) = (proof.evidence(tally), proof.threshold);
            (have < need).then(|| Missing::Unproven(Box::new(Unproven { line: index, tally, have, need })))
        });
        unproven.collect()
    }

    /// Stopped, but the backend has not been read back yet.
    pub fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopped && self.effect.is_some()
    }

    /// Why an observation proves nothing about what is served. A flag that is not there is served to nobody, unless it was
    /// exposed: whoever serves a file keeps what it read before where the file is gone.
    pub fn doubt<'s>(&self, seen: &'s Observed) -> Option<&'s str> {
        seen.unserved.as_deref().filter(|_| self.exposed || !seen.is_missing())
    }

    /// Whether a growth is open.
    pub fn is_growing(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.kind == EffectKind::Grow)
    }
}
