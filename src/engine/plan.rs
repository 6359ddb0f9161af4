//! A release in one environment with everything resolved: plain data, named by the hash of its canonical bytes.
//!
//! The engine reads stages, series indices, conditions and rules. Queries, addresses and audience definitions are
//! carried here so that the hash covers them; `telemetry` and `backend` interpret them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::{Dependency, Window};
use super::condition::Condition;
use super::decimal::Decimal;
use super::detector::Detector;
use super::exposure::Exposure;
use super::proof::Proof;
use super::split::SampleRatio;
use super::time::Span;

/// A pinned plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Version of this format; 1.
    pub format: u32,
    /// Name of the release.
    pub release: String,
    /// Key of the flag at the backend.
    pub flag: String,
    /// Name of the environment.
    pub environment: String,
    /// Name of the template that the stages came from.
    pub template: String,
    /// Name of the policy that the rules came from.
    pub policy: String,
    /// Whether commands that can grow ask for the flag key and a reason here.
    pub protected: bool,
    /// Why the release may start at 100%, where it may.
    pub full_start_reason: Option<String>,
    /// Where the flag lives. An address, never a credential.
    pub target: Target,
    /// The context attribute that keeps a user in the same share.
    pub stickiness: String,
    /// Definitions of the audiences that the stages name.
    pub audiences: BTreeMap<String, Audience>,
    /// Addresses of the sources that the series name.
    pub sources: BTreeMap<String, SourceAddress>,
    /// Distance of ticks.
    pub every: Span,
    /// How long after its instant a tick is asked.
    pub delay: Span,
    /// How long after an exposure is effective its evidence counts.
    pub settle: Span,
    /// How far back missed ticks are read.
    pub catch_up: Span,
    /// The stages, smallest exposure first.
    pub stages: Vec<Stage>,
    /// Everything that is asked of a source; conditions name these by index.
    pub series: Vec<Series>,
    /// All of these must hold at a tick that earns bake.
    pub healthy: Vec<HealthLine>,
    /// The safeguards.
    pub rules: Vec<Rule>,
    /// What happens when evidence is missing for long.
    pub no_data: Option<NoData>,
    /// Whether the split between the groups is what was configured; none where nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_ratio: Option<SampleRatio>,
    /// When rules may grow it: while any of these is open; always where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Other releases that must be far enough before rules grow it: all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Dependency>,
}

/// One step of the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stage {
    /// Its name, unique in the plan.
    pub name: String,
    /// Who gets the feature here, everything before included.
    pub exposure: Exposure,
    /// How long it must be healthy before the next one.
    pub bake: Span,
    /// How much must have been measured over the ticks that earned the bake.
    pub samples: Option<Samples>,
    /// Whether idle ticks earn bake.
    pub idle_bakes: bool,
    /// Who must agree to leave this stage.
    pub approval: Option<Approval>,
}

/// A minimum amount of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Samples {
    /// Index of the series that counts; a count of the exposed group.
    pub series: usize,
    /// At least this many.
    pub at_least: u64,
}

/// A human gate, always the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// The groups named in the template; empty means anybody.
    pub groups: Vec<String>,
    /// Members of these groups when the plan was made; where groups are named, nobody else may approve.
    pub people: BTreeSet<String>,
    /// How many distinct people.
    pub count: u32,
}

/// One thing that is asked of a source at every tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// As conditions write it: `error_rate`, `baseline(error_rate)`, `slow(500ms)`.
    pub name: String,
    /// Which group it is measured on.
    pub arm: Arm,
    /// What its numbers mean.
    pub unit: Unit,
    /// The query.
    pub query: Query,
}

/// Which group a series is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// People who get the feature.
    Exposed,
    /// The random control group.
    Control,
    /// The whole service, without a flag label.
    Service,
}

/// What a series' numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share; written with `%`, measured as a fraction.
    Ratio,
    /// A time; written with a duration, measured in seconds.
    Seconds,
    /// A number of things per tick.
    Count,
    /// A number with no unit.
    Plain,
}

impl SourceAddress {
    /// Whether both name the same pages or server, however often they are read.
    pub fn is_same_place(&self, other: &SourceAddress) -> bool {
        match (self, other) {
            (
                SourceAddress::Prometheus { url: ours, headers: as_whom, .. },
                SourceAddress::Prometheus { url: theirs, headers: as_others, .. },
            ) => ours.trim_end_matches('/') == theirs.trim_end_matches('/') && as_whom == as_others,
            (SourceAddress::Scrape { targets: ours, .. }, SourceAddress::Scrape { targets: theirs, .. }) => {
                ours.iter().any(|target| theirs.contains(target))
            }
            _ => false,
        }
    }
}

/// A question to a source. Equal queries are asked once, whoever needs them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    /// Name of the source.
    pub source: String,
    /// What is asked.
    pub form: Form,
    /// Environment, release and arm, put into every selector.
    pub matchers: Vec<Matcher>,
    /// The sliding window of ratios and quantiles.
    pub window: Span,
    /// Distance of ticks: what a count counts over.
    pub every: Span,
    /// The flag key, for `{{ flag }}` in raw queries.
    pub flag: String,
    /// What is counted may not exist before its first event. Left out where it must exist, as in plans of before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub born_later: bool,
}

/// The forms every source understands, and the raw query that one does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Increase of one counter over the increase of another, in the window.
    Ratio {
        /// The numerator; no such series yet is zero.
        of: Selector,
        /// The denominator; no increase is idle.
        over: Selector,
    },
    /// Increase of a counter from the tick before to this one; per series, negative differences left out.
    Count {
        /// The counter.
        of: Selector,
    },
    /// What a ratio counts above its line, as [`Form::Count`] does.
    RatioCount {
        /// The numerator; no such series yet is zero.
        of: Selector,
        /// The denominator; where it is not there, there is no answer.
        over: Selector,
    },
    /// How many observations were above a bound in seconds, from the tick before to this one.
    SlowCount {
        /// The bound; it must be a bucket bound.
        bound: Decimal,
        /// The histogram, without `_bucket`.
        of: Selector,
    },
    /// A quantile of a histogram, in the window. The selector names the histogram without `_bucket`.
    Quantile {
        /// Between 0 and 1.
        q: Decimal,
        /// The histogram.
        of: Selector,
    },
    /// The share of observations above a bound in seconds, in the window.
    Slow {
        /// The bound; exact where it is a bucket bound.
        bound: Decimal,
        /// The histogram.
        of: Selector,
    },
    /// A query in the source's own language with `{{ match }}` (and `{{ flag }}`) still in it.
    Raw {
        /// The text.
        text: String,
    },
}

/// A metric name and matchers of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// Further label matchers.
    pub matchers: Vec<Matcher>,
}

/// A condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Matcher {
    /// The label.
    pub label: String,
    /// What it must be.
    pub is: LabelTest,
}

/// How a label is tested. Regular expressions are anchored at both ends, as in Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelTest {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`
    Matches(String),
    /// `!~`
    NotMatches(String),
    /// One of these texts, literally.
    AnyOf(Vec<String>),
}

/// A line of `healthy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthLine {
    /// As written.
    pub text: String,
    /// Checked.
    pub condition: Condition,
    /// False for less than this only freezes the bake.
    #[serde(rename = "for")]
    pub hold_for: Option<Span>,
    /// How it is proven by counting, where it asks for that. Such a line freezes, and is never false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// A safeguard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its name, unique in the plan and never `no_data`.
    pub name: String,
    /// The condition as written.
    pub text: String,
    /// Checked.
    pub condition: Condition,
    /// How long it must hold; one tick unless written.
    #[serde(rename = "for")]
    pub hold_for: Option<Span>,
    /// How its condition is judged on counts, where it promises how often it is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<Detector>,
    /// Whether what it would have done is only recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// What it asks for.
    pub then: Action,
}

/// What a rule asks for, from nothing to everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say so, once per edge.
    Notify,
    /// Count as unhealthy while it is true.
    Hold,
    /// Stop growing until a person resumes.
    Pause,
    /// Go back to a smaller stage and pause.
    Rollback(RollbackStage),
    /// Switch the feature off for everybody.
    Shutdown,
}

/// Where a rollback goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RollbackStage {
    /// The stage before in the template; from the first one, a stop.
    Previous,
    /// A stage by name; one that is not below the current one pauses instead.
    Named(String),
}

/// What happens when needed evidence is missing for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoData {
    /// A run of ticks this long.
    pub after: Span,
    /// Whether what it would have done is only recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// What to do then.
    pub then: Action,
}

/// Where a flag lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A flagd definition file; the path as written in the project, relative to it.
    Flagd {
        /// The file.
        path: String,
    },
    /// A project of an Unleash server, in one of its environments.
    Unleash {
        /// Its address, a path prefix included, without a slash at the end.
        url: String,
        /// The project there.
        project: String,
        /// The environment there.
        environment: String,
        /// Whether a shutdown takes away our part only, and leaves what others put into the flag.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        own_only: bool,
    },
}

/// Where a source answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceAddress {
    /// A Prometheus-compatible server.
    Prometheus {
        /// Its address, a path prefix included.
        url: String,
        /// How often it scrapes.
        scrape_every: Span,
        /// Headers that tell whose series are read, as a tenant's; no secrets.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// Pages that flagstaff reads itself.
    Scrape {
        /// The pages.
        targets: Vec<String>,
        /// How often they are read.
        every: Span,
    },
}

/// A named set of people: those for whom any of the constraints holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audience {
    /// The constraints, joined by or.
    pub any: Vec<Constraint>,
}

/// A condition on one attribute of the evaluation context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    /// The attribute; for a segment its name.
    pub attribute: String,
    /// What it must be. A missing attribute satisfies nothing.
    pub is: AttributeTest,
}

/// How an attribute is tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributeTest {
    /// The text is one of these.
    In(Vec<String>),
    /// The text ends with this.
    EndsWith(String),
    /// The text starts with this.
    StartsWith(String),
    /// The attribute is a list that contains this.
    Contains(String),
    /// The user is in a segment of the backend; its name stands where others have the attribute.
    InSegment,
}

/// Over how many ticks before the first late one a detector is judged again. It begins at zero there, so that fewer ticks
/// make it slower, never wrong.
const DETECTOR_RUN: u32 = 60;

impl Plan {
    /// The written window of a rule or bake in ticks.
    pub fn ticks(&self, span: Span) -> u32 {
        span.ticks(self.every)
    }

    /// Ticks a rule's condition must hold before it fires.
    pub fn rule_ticks(&self, hold_for: Option<Span>) -> u32 {
        hold_for.map_or(1, |span| self.ticks(span))
    }

    /// The longest run of ticks that any rule, line or `no_data` waits for; of a rule that counts, over how many it is
    /// judged again where some come late.
    pub fn longest_run(&self) -> u32 {
        let rules = self.rules.iter().map(|rule| match &rule.detector {
            Some(_) => DETECTOR_RUN,
            None => self.rule_ticks(rule.hold_for),
        });
        let lines = self.healthy.iter().map(|line| self.rule_ticks(line.hold_for));
        let no_data = self.no_data.iter().map(|rule| self.ticks(rule.after));
        rules.chain(lines).chain(no_data).max().unwrap_or(1)
    }

    /// The index of a stage by its name.
    pub fn stage_named(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    /// `release@environment`.
    pub fn address(&self) -> String {
        format!("{}@{}", self.release, self.environment)
    }

    /// Whether a condition applies at a stage: one on `baseline()` needs a random control group there.
    pub fn applies(&self, condition: &Condition, stage: usize) -> bool {
        let share = self.stages.get(stage).map(|stage| stage.exposure.percentage).unwrap_or_default();
        if share > super::Percentage::ZERO && share < super::Percentage::FULL {
            return true;
        }
        let mut needs_control = false;
        condition.each_series(&mut |index| {
            needs_control |= self.series.get(index).is_some_and(|series| series.arm == Arm::Control);
        });
        !needs_control
    }

    /// Whether a series is read for what counts alone: people look at the metric that it belongs to.
    pub fn is_only_counted(&self, series: usize) -> bool {
        let (mut counted, mut shown) = (false, false);
        for rule in &self.rules {
            if let Some(detector) = &rule.detector {
                detector.each_series(&mut |index| counted |= index == series);
            }
            rule.condition.each_series(&mut |index| shown |= index == series);
        }
        for line in &self.healthy {
            if let Some(proof) = &line.proof {
                proof.counts.each_series(&mut |index| counted |= index == series);
            }
            line.condition.each_series(&mut |index| shown |= index == series);
        }
        if let Some(ratio) = &self.sample_ratio {
            ratio.each_series(&mut |index| counted |= index == series);
        }
        let sampled = self.stages.iter().any(|stage| stage.samples.as_ref().is_some_and(|it| it.series == series));
        counted && !shown && !sampled
    }

    /// Whether a condition that holds says how the exposed group fares. A line of `healthy` that does not is a timer.
    pub fn measures_exposed(&self, condition: &Condition) -> bool {
        condition.measures(true, &|index| self.series.get(index).is_some_and(|series| series.arm == Arm::Exposed))
    }
}

impl HealthLine {
    /// Calls `visit` with the index of every series that it is judged on.
    pub fn each_series(&self, visit: &mut impl FnMut(usize)) {
        match &self.proof {
            Some(proof) => proof.counts.each_series(visit),
            None => self.condition.each_series(visit),
        }
    }
}

impl Rule {
    /// Whether it can stop a rollout: its condition, while true, earns no bake and holds growth.
    pub fn stops(&self) -> bool {
        !self.observe && self.then.stops()
    }

    /// Whether growth waits for it: what it needs must be known, and its condition false.
    pub fn guards(&self) -> bool {
        !self.observe && self.then != Action::Notify
    }

    /// Calls `visit` with the index of every series that it is judged on.
    pub fn each_series(&self, visit: &mut impl FnMut(usize)) {
        match &self.detector {
            Some(detector) => detector.each_series(visit),
            None => self.condition.each_series(visit),
        }
    }
}

impl Action {
    /// Whether it can stop a rollout: its condition, while true, earns no bake and holds growth.
    pub fn stops(&self) -> bool {
        matches!(self, Action::Pause | Action::Rollback(_) | Action::Shutdown)
    }

    /// As written in YAML.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Notify => "notify",
            Action::Hold => "hold",
            Action::Pause => "pause",
            Action::Rollback(_) => "rollback",
            Action::Shutdown => "shutdown",
        }
    }
}
