//! A rule as something that can be simulated: which shares it compares, how they are when all is well, and when they break.

use super::Expected;
use crate::engine::Decimal;
use crate::engine::condition::{Comparison, Condition, Term};
use crate::engine::detector::{Against, Detector};
use crate::engine::plan::{Arm, Form, Plan, Rule, Selector, Unit};

/// Without a statement, what is healthy is this part of the way from perfect to the limit.
const HEALTHY: f64 = 0.75;
/// Without a statement, what breaks is so many times as bad as the limit.
const BROKEN: f64 = 2.0;
/// Without a statement, the share of a metric that is only compared with the control group.
const COMMON: f64 = 0.01;

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `expect:` of the policy says it.
    Stated,
    /// It is the limit in `healthy`.
    Healthy,
    /// It is what the rule `catches`.
    Catches,
    /// Nobody says it: it follows from the rule's limit.
    Assumed,
}

/// A share that a rule compares.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// As conditions write it; of a quantile the share that is slower than its bound.
    pub name: String,
    /// Whom it is measured on.
    pub arm: Arm,
    /// The share while all is well.
    pub healthy: f64,
    /// Where that is from.
    pub healthy_from: Origin,
    /// The share of the exposed group when it breaks.
    pub broken: f64,
    /// Where that is from.
    pub broken_from: Origin,
}

/// A condition on counts and shares of a tick.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A share, times a factor, against a number.
    Share {
        share: usize,
        factor: f64,
        op: Comparison,
        limit: f64,
    },
    /// A share against a multiple of another one.
    Shares {
        left: usize,
        left_factor: f64,
        op: Comparison,
        right: usize,
        right_factor: f64,
    },
    /// The requests of a group in a tick, times a factor, against a number.
    Requests {
        arm: Arm,
        factor: f64,
        op: Comparison,
        limit: f64,
    },
    /// How many are exposed, against a number.
    Exposure {
        op: Comparison,
        limit: f64,
    },
    /// It does not depend on anything here: a series that is always there is not missing.
    Never,
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
}

/// How a detector counts, as numbers.
#[derive(Debug, Clone)]
pub(super) struct Counting {
    pub(super) threshold: f64,
    pub(super) failure: f64,
    pub(super) against: CountsAgainst,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum CountsAgainst {
    Share { success: f64 },
    Baseline { limit: f64, catches: f64 },
}

/// A rule to simulate.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// What is drawn. A detector counts the first, and against `baseline()` the second.
    pub(super) shares: Vec<Share>,
    pub(super) judge: Judge,
    /// Whether it compares with the control group.
    pub(super) needs_control: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Judge {
    Condition(Node),
    Counting(Counting),
}

/// The model of a rule.
///
/// # Errors
/// Why it cannot be computed, for people.
pub(super) fn model(plan: &Plan, rule: &Rule, expected: &Expected) -> Result<Model, String> {
    let mut building = Building { plan, expected, shares: Vec::new() };
    let judge = match &rule.detector {
        Some(detector) => Judge::Counting(building.counting(detector)?),
        None => Judge::Condition(building.node(&rule.condition, true)?),
    };
    let shares = building.shares;
    if shares.is_empty() {
        return Err("it compares no share: how often its number comes up is not known".to_owned());
    }
    let needs_control = shares.iter().any(|share| share.arm == Arm::Control);
    Ok(Model { shares, judge, needs_control })
}

impl Model {
    /// The limit of a rule that compares one share with a number and nothing else, where more is worse.
    pub(super) fn only_limit(&self) -> Option<f64> {
        match &self.judge {
            Judge::Condition(Node::Share { factor, op: Comparison::Greater | Comparison::AtLeast, limit, .. }) => {
                Some(limit / factor)
            }
            _ => None,
        }
    }
}

struct Building<'a> {
    plan: &'a Plan,
    expected: &'a Expected,
    shares: Vec<Share>,
}

impl Building<'_> {
    fn node(&mut self, condition: &Condition, is_wanted: bool) -> Result<Node, String> {
        let many = |building: &mut Self, parts: &[Condition]| {
            parts.iter().map(|part| building.node(part, is_wanted)).collect::<Result<Vec<Node>, String>>()
        };
        Ok(match condition {
            Condition::All(parts) => Node::All(many(self, parts)?),
            Condition::Any(parts) => Node::Any(many(self, parts)?),
            Condition::Not(part) => Node::Not(Box::new(self.node(part, !is_wanted)?)),
            Condition::Missing(_) => Node::Never,
            Condition::Compare { left, op, right } => self.compare(left, *op, right, is_wanted)?,
        })
    }

    fn compare(&mut self, left: &Term, op: Comparison, right: &Term, is_wanted: bool) -> Result<Node, String> {
        match (left, right) {
            (Term::Series { series, factor }, Term::Number(limit)) => {
                self.series(*series, number(*factor), op, number(*limit), is_wanted)
            }
            (Term::Number(limit), Term::Series { series, factor }) => {
                self.series(*series, number(*factor), turned(op), number(*limit), is_wanted)
            }
            (Term::Exposure, Term::Number(limit)) => Ok(Node::Exposure { op, limit: number(*limit) }),
            (Term::Number(limit), Term::Exposure) => Ok(Node::Exposure { op: turned(op), limit: number(*limit) }),
            (Term::Series { series: one, factor }, Term::Series { series: other, factor: times }) => {
                let (one_of, other_of) = (self.shown(*one)?, self.shown(*other)?);
                if one_of.unit != Unit::Ratio || other_of.unit != Unit::Ratio {
                    return Err(format!(
                        "`{}` and `{}` are compared, and neither is a share",
                        one_of.name, other_of.name
                    ));
                }
                let exposed_is_left = one_of.arm != Arm::Control;
                let (exposed, control) = if exposed_is_left { (*one, *other) } else { (*other, *one) };
                // of `a > 1.5 * b` the exposed group is worse beyond 1.5 times the control group
                let (own, theirs) = if exposed_is_left { (factor, times) } else { (times, factor) };
                let multiple = BROKEN * number(*theirs) / number(*own).max(f64::MIN_POSITIVE);
                let places = self.against_control(exposed, control, multiple, Origin::Assumed)?;
                let (left, right) = if exposed_is_left { places } else { (places.1, places.0) };
                Ok(Node::Shares { left, left_factor: number(*factor), op, right, right_factor: number(*times) })
            }
            _ => Err("it compares no series".to_owned()),
        }
    }

    fn series(
        &mut self,
        index: usize,
        factor: f64,
        op: Comparison,
        limit: f64,
        is_wanted: bool,
    ) -> Result<Node, String> {
        let series = self.shown(index)?;
        match (&series.query.form, series.unit) {
            (Form::Ratio { .. } | Form::Slow { .. }, _) => {
                let bad_is_more = matches!(op, Comparison::Greater | Comparison::AtLeast) == is_wanted;
                let share = self.share(index, limit / factor, bad_is_more);
                Ok(Node::Share { share, factor, op, limit })
            }
            (Form::Quantile { q, .. }, _) => {
                // a quantile above a bound is more than 1 - q beyond that bound
                let beyond = 1.0 - number(*q);
                let bad_is_more = matches!(op, Comparison::Greater | Comparison::AtLeast) == is_wanted;
                let name = format!("share of `{}` beyond {} s", series.name, limit / factor);
                let (healthy, broken) = assumed(beyond, bad_is_more);
                let (healthy_from, broken_from) = (Origin::Assumed, Origin::Assumed);
                let share = self.add(Share { name, arm: series.arm, healthy, healthy_from, broken, broken_from });
                Ok(Node::Share { share, factor: 1.0, op, limit: beyond })
            }
            (Form::Count { of }, _) if self.is_traffic(&series.name, of) => {
                Ok(Node::Requests { arm: series.arm, factor, op, limit })
            }
            (Form::Count { .. }, _) => Err(format!("nobody says how often `{}` counts", series.name)),
            _ => Err(format!("`{}` is a query of its own, and what it answers cannot be foreseen", series.name)),
        }
    }

    /// A series that can be simulated at all.
    fn shown(&self, index: usize) -> Result<&crate::engine::plan::Series, String> {
        self.plan.series.get(index).ok_or_else(|| "it names a series that is not there".to_owned())
    }

    /// Whether a count counts what shares are shares of.
    fn is_traffic(&self, name: &str, of: &Selector) -> bool {
        let is_whole = |form: &Form| match form {
            Form::Ratio { over, .. } => over == of,
            Form::Slow { of: histogram, .. } | Form::Quantile { of: histogram, .. } => {
                of.metric == format!("{}_count", histogram.metric) && of.matchers == histogram.matchers
            }
            _ => false,
        };
        name == "requests" || self.plan.series.iter().any(|series| is_whole(&series.query.form))
    }

    fn share(&mut self, index: usize, limit: f64, bad_is_more: bool) -> usize {
        let series = &self.plan.series[index];
        let stated = self.expected.shares.get(metric(&series.name)).map(|share| (*share, Origin::Stated));
        let healthy = stated.or_else(|| {
            let theirs = self.healthy_limit(index, bad_is_more)?;
            // a line of `healthy` that lets more through than the rule says nothing of what is healthy
            ((theirs < limit) == bad_is_more && theirs != limit).then_some((theirs, Origin::Healthy))
        });
        let (own, broken) = assumed(limit, bad_is_more);
        let (healthy, healthy_from) = healthy.unwrap_or((own, Origin::Assumed));
        let (name, arm) = (series.name.clone(), series.arm);
        self.add(Share { name, arm, healthy, healthy_from, broken, broken_from: Origin::Assumed })
    }

    /// A share of the exposed group and the same of the control group.
    fn against_control(
        &mut self,
        exposed: usize,
        control: usize,
        multiple: f64,
        broken_from: Origin,
    ) -> Result<(usize, usize), String> {
        let (one, other) = (self.shown(exposed)?, self.shown(control)?);
        if matches!(one.query.form, Form::Raw { .. }) || matches!(other.query.form, Form::Raw { .. }) {
            return Err(format!("`{}` is a query of its own, and what it answers cannot be foreseen", one.name));
        }
        let (name, theirs) = (one.name.clone(), other.name.clone());
        let arms = (one.arm, other.arm);
        let (healthy, healthy_from) = self.common(&name, exposed);
        let broken = (healthy * multiple).min(1.0);
        let left = self.add(Share { name, arm: arms.0, healthy, healthy_from, broken, broken_from });
        let right = self.add(Share { name: theirs, arm: arms.1, healthy, healthy_from, broken: healthy, broken_from });
        Ok((left, right))
    }

    /// What is healthy for a metric that a rule compares with the control group only.
    fn common(&self, name: &str, index: usize) -> (f64, Origin) {
        let stated = self.expected.shares.get(name).map(|share| (*share, Origin::Stated));
        stated
            .or_else(|| self.healthy_limit(index, true).map(|limit| (limit, Origin::Healthy)))
            .unwrap_or((COMMON, Origin::Assumed))
    }

    /// The tightest limit that `healthy` has for a series.
    fn healthy_limit(&self, index: usize, bad_is_more: bool) -> Option<f64> {
        let name = metric(&self.plan.series.get(index)?.name);
        let mut found: Option<f64> = None;
        for line in &self.plan.healthy {
            let Condition::Compare { left, op, right } = &line.condition else { continue };
            let (series, op, limit) = match (left, right) {
                (Term::Series { series, factor }, Term::Number(limit)) => {
                    (series, *op, number(*limit) / number(*factor))
                }
                (Term::Number(limit), Term::Series { series, factor }) => {
                    (series, turned(*op), number(*limit) / number(*factor))
                }
                _ => continue,
            };
            let wanted_less = matches!(op, Comparison::Less | Comparison::AtMost);
            if self.plan.series.get(*series).is_some_and(|series| series.name == name) && wanted_less == bad_is_more {
                let tighter = |known: f64| if bad_is_more { known.min(limit) } else { known.max(limit) };
                found = Some(found.map_or(limit, tighter));
            }
        }
        found
    }

    fn counting(&mut self, detector: &Detector) -> Result<Counting, String> {
        let Detector { threshold, counts, against, .. } = detector;
        let name = self.shown(counts.failed)?.name.trim_end_matches(".failed").to_owned();
        let arm = self.shown(counts.failed)?.arm;
        let shown = self.plan.series.iter().position(|series| series.name == name);
        let (failure, against) = match against {
            Against::Share { limit, catches, failure, success } => {
                let at = shown.unwrap_or(counts.failed);
                let place = self.share(at, number(*limit), true);
                let share = &mut self.shares[place];
                (share.name, share.arm) = (name, arm);
                (share.broken, share.broken_from) = (number(*catches), Origin::Catches);
                (*failure, CountsAgainst::Share { success: number(*success) })
            }
            Against::Baseline { limit, catches, failure, .. } => {
                let (healthy, healthy_from) = self.common(&name, shown.unwrap_or(counts.failed));
                let broken = (healthy * number(*catches)).min(1.0);
                let (broken_from, theirs) = (Origin::Catches, format!("baseline({name})"));
                self.add(Share { name, arm, healthy, healthy_from, broken, broken_from });
                let control = Arm::Control;
                self.add(Share { name: theirs, arm: control, healthy, healthy_from, broken: healthy, broken_from });
                (*failure, CountsAgainst::Baseline { limit: number(*limit), catches: number(*catches) })
            }
        };
        Ok(Counting { threshold: number(*threshold), failure: number(failure), against })
    }

    fn add(&mut self, share: Share) -> usize {
        self.shares.push(share);
        self.shares.len() - 1
    }
}

/// What is healthy and what breaks where nobody says it, by the limit between them.
fn assumed(limit: f64, bad_is_more: bool) -> (f64, f64) {
    let good = |distance: f64| distance.clamp(0.0, 1.0);
    match bad_is_more {
        true => (good(limit * HEALTHY), good(limit * BROKEN)),
        false => (1.0 - good((1.0 - limit) * HEALTHY), 1.0 - good((1.0 - limit) * BROKEN)),
    }
}

fn turned(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
    }
}

/// As a float: what is projected here is for people.
pub(super) fn number(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap_or(0.0)
}
/// The metric of a series: over a window of a burn rate it is measured like over any other.
fn metric(series: &str) -> &str {
    series.split(" over ").next().unwrap_or(series)
}
