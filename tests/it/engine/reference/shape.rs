//! Plans as the reference sees them: whole numbers, and ticks instead of durations.

use std::collections::BTreeSet;

use flagstaff::engine::detector::{Against, Counts, Detector, threshold};
use flagstaff::engine::plan::{Action, HealthLine, Rule};
use flagstaff::engine::proof::Proof;
use flagstaff::engine::{Condition, Exposure, Percentage, Plan, Span};

use super::super::kit;

/// Who gets the feature: a bit per audience, and whole percents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Who {
    pub(super) audiences: u8,
    pub(super) percent: u32,
}

const NAMES: [&str; 2] = ["employees", "partners"];

impl Who {
    pub(super) const NOBODY: Who = Who { audiences: 0, percent: 0 };

    pub(super) fn of(exposure: &Exposure) -> Who {
        let bit = |(index, name): (usize, &&str)| u8::from(exposure.audiences.contains(*name)) << index;
        let audiences = NAMES.iter().enumerate().map(bit).sum();
        Who { audiences, percent: exposure.percentage.thousandths() / 1000 }
    }

    pub(super) fn exposure(self) -> Exposure {
        let audiences: BTreeSet<String> = NAMES
            .iter()
            .enumerate()
            .filter(|(index, _)| self.audiences >> index & 1 == 1)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        Exposure { audiences, percentage: Percentage::whole(self.percent) }
    }

    pub(super) fn within(self, other: Who) -> bool {
        other.percent == 100 || (self.audiences & !other.audiences == 0 && self.percent <= other.percent)
    }

    pub(super) fn smaller_of(self, other: Who) -> Who {
        if self.within(other) {
            self
        } else if other.within(self) {
            other
        } else {
            Who { audiences: self.audiences & other.audiences, percent: self.percent.min(other.percent) }
        }
    }
}

#[derive(Debug, Clone)]
pub(in super::super) struct ShapeStage {
    pub(super) who: Who,
    pub(super) bake: u32,
    pub(super) samples: Option<u64>,
    pub(super) idle: bool,
    pub(super) approvals: u32,
}

/// What is asked of the readings: a series above (or for lines at or below) a limit, or errors above 1.5 × control.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    Above(usize, i64),
    AboveControl,
    Missing(usize),
    /// Counted: failures of requests above 20%, where 60% must be caught.
    Counted,
    /// Counted: failures of requests against those of the control group, twice as many where six times must be caught.
    CountedAgainstControl,
}

/// What stands for the counts in the kit's series.
pub(super) const FAILED: usize = kit::ERRORS;
pub(super) const TOTAL: usize = kit::REQUESTS;
pub(super) const THEIR_FAILED: usize = kit::CONTROL;
pub(super) const THEIR_TOTAL: usize = kit::SERVICE;
/// The number at which rules that count fire: a chance of one in ten, within three ticks.
pub(super) const THRESHOLD: f64 = 3.401_197_381_662_155;

#[derive(Debug, Clone)]
pub(in super::super) struct ShapeRule {
    pub(super) test: Test,
    pub(super) need: u32,
    pub(super) observe: bool,
    pub(super) then: Action,
}

#[derive(Debug, Clone)]
pub(in super::super) struct Shape {
    pub(super) stages: Vec<ShapeStage>,
    pub(super) rules: Vec<ShapeRule>,
    /// A line holds while its test does not.
    pub(super) lines: Vec<(Test, u32)>,
    /// Whether failures of requests must be proven to be below 60%, at 80% confidence.
    pub(super) proof: bool,
    pub(super) no_data: Option<(u32, Action)>,
    pub(super) no_data_observes: bool,
    pub(super) settle: u64,
}

pub(super) fn rule_name(index: usize) -> String {
    format!("rule-{index}")
}

pub(super) fn stage_name(index: usize) -> String {
    format!("stage-{index}")
}

impl Test {
    pub(super) fn series(self) -> Vec<usize> {
        match self {
            Test::Above(series, _) | Test::Missing(series) => vec![series],
            Test::AboveControl => vec![kit::ERRORS, kit::CONTROL],
            Test::Counted => vec![FAILED, TOTAL],
            Test::CountedAgainstControl => vec![FAILED, TOTAL, THEIR_FAILED, THEIR_TOTAL],
        }
    }

    pub(super) fn counts(self) -> bool {
        matches!(self, Test::Counted | Test::CountedAgainstControl)
    }

    /// What is counted by `detector` is still written as a condition, for people.
    fn detector(self) -> Option<Detector> {
        let decimal = |text: &str| text.parse().expect("a decimal");
        let (max, per) = (decimal("0.1"), Span(kit::EVERY.0 * 3));
        let control = Counts { failed: THEIR_FAILED, total: THEIR_TOTAL };
        let against = match self {
            Test::Counted => Against::share(decimal("0.2"), decimal("0.6")),
            Test::CountedAgainstControl => Against::baseline(decimal("2"), decimal("6"), control),
            _ => return None,
        };
        let threshold = threshold(max, per, kit::EVERY, 1).expect("a threshold");
        let counts = Counts { failed: FAILED, total: TOTAL };
        Some(Detector { max, per, cluster: 1, threshold, counts, against: against.expect("sound") })
    }

    fn condition(self) -> Condition {
        match self {
            Test::Above(series, limit) => kit::above(series, &limit.to_string()),
            Test::AboveControl | Test::CountedAgainstControl => kit::above_control(),
            Test::Counted => kit::above(FAILED, "0.2"),
            Test::Missing(series) => Condition::Missing(series),
        }
    }
}

impl Shape {
    pub(super) fn plan(&self) -> Plan {
        let mut plan = kit::plan();
        plan.settle = Span(self.settle);
        plan.full_start_reason = Some("tests".to_owned());
        plan.stages = self
            .stages
            .iter()
            .enumerate()
            .map(|(index, shape)| {
                let mut stage = kit::stage(&stage_name(index), shape.who.exposure(), shape.bake);
                stage.samples = shape.samples.and_then(kit::samples);
                stage.idle_bakes = shape.idle;
                stage.approval = kit::approval(&[], shape.approvals).filter(|_| shape.approvals > 0);
                stage
            })
            .collect();
        let rules = self.rules.iter().enumerate();
        plan.rules = rules
            .map(|(index, rule)| Rule {
                detector: rule.test.detector(),
                observe: rule.observe,
                ..kit::rule(&rule_name(index), rule.test.condition(), rule.need, rule.then.clone())
            })
            .collect();
        plan.healthy = self
            .lines
            .iter()
            .map(|(test, need)| {
                let mut line = kit::line(Condition::Not(Box::new(test.condition())));
                line.hold_for = kit::lasting(*need);
                line
            })
            .collect();
        if self.proof {
            let decimal = |text: &str| text.parse().expect("a decimal");
            let proof = Proof::new(decimal("0.6"), decimal("0.2"), Counts { failed: FAILED, total: TOTAL });
            plan.healthy.push(HealthLine { proof, ..kit::line(kit::below(FAILED, "0.6")) });
        }
        plan.no_data = self.no_data.clone().and_then(|(ticks, then)| kit::no_data(ticks, then));
        plan.no_data.iter_mut().for_each(|rule| rule.observe = self.no_data_observes);
        plan
    }
}
