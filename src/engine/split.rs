//! The sample ratio: whether requests are split between the exposed and the control group as it was configured.
//!
//! Two restarting e-detectors, one for each direction, as in `detector.rs`: of all requests of a tick, those of the exposed
//! group are counted against a share that is just tolerable. That share depends on the stage, and so do the constants, which
//! the plan pins: with `r = 1 + within`, a group whose part is p may have up to `r p / (r p + q)` of all requests, where
//! `q = 1 - p`, and what is looked for is twice as far off, `r² p / (r² p + q)`. Each direction has half of the chance of a
//! false alarm. A number stops at its threshold, and what has been found stands until its number is zero again: until there is
//! as much evidence that it is over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decimal::Decimal;
use super::detector::{Weighed, threshold};
use super::exposure::{Exposure, Percentage};
use super::logarithm::{LOGARITHM_DIGITS, Side, ln_of_quotient};
use super::reading::Reading;
use super::time::{Span, Timestamp};

/// The name under which the check is muted and recorded.
pub const SAMPLE_RATIO: &str = "sample_ratio";

/// The check, and the constants that it is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRatio {
    /// How much more than its part a group may have, measured by the other: above 0 and below 1.
    pub within: Decimal,
    /// The chance of a false alarm within `per`, above 0 and below 1, in either direction together.
    pub max: Decimal,
    /// What `max` is the chance within.
    pub per: Span,
    /// How many requests come together: what one user makes.
    pub cluster: u32,
    /// The number at which it is found: `cluster * ln(2 * ceil(per / every) / max)`.
    pub threshold: Decimal,
    /// Index of the series that counts the exposed group.
    pub exposed: usize,
    /// Index of the series that counts the control group.
    pub control: usize,
    /// Whether it is only recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observe: bool,
    /// One per stage; none where there is no random control group.
    pub stages: Vec<Option<Split>>,
}

/// What requests add at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// The share that is configured for the exposed group.
    pub configured: Percentage,
    /// To the number that says that too few are in the exposed group.
    pub few: Weights,
    /// To the number that says that too many are; none where audiences make it larger by nobody knows how much.
    pub many: Option<Weights>,
}

/// What one request adds to a number, or takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weights {
    /// One of the exposed group.
    pub exposed: Decimal,
    /// One of the control group.
    pub control: Decimal,
}

/// Which group is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Too few are in the exposed group.
    Few,
    /// Too many are.
    Many,
}

/// What was counted for one direction since its number was zero.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Suspicion {
    /// Its number, from zero to the threshold.
    pub number: Decimal,
    /// Requests of the exposed group.
    pub exposed: Decimal,
    /// Requests of the control group.
    pub control: Decimal,
    /// The first tick.
    pub since: Option<Timestamp>,
}

/// What was counted since everything started anew.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// That too few are exposed.
    pub few: Suspicion,
    /// That too many are.
    pub many: Suspicion,
    /// What has been found, and stands.
    pub stands: Option<Direction>,
}

/// A split that is not what was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// In which direction.
    pub direction: Direction,
    /// What was configured.
    pub configured: Percentage,
    /// What was counted.
    pub counted: Suspicion,
    /// The number at which it is found.
    pub threshold: Decimal,
}

impl SampleRatio {
    /// The check for stages with these exposures; none unless `0 < within < 1`, `0 < max < 1`. `exposed` and `control` are
    /// indices into the plan's series.
    pub fn new(
        within: Percentage,
        (max, per): (Decimal, Span),
        cluster: u32,
        every: Span,
        (exposed, control): (usize, usize),
        stages: &[Exposure],
    ) -> Option<SampleRatio> {
        if within == Percentage::ZERO || within == Percentage::FULL || max >= Decimal::whole(1) {
            return None;
        }
        let within = fraction(within);
        let threshold = threshold(max.times(Decimal::new(5, -1)), per, every, cluster)?;
        let stages = stages.iter().map(|stage| Split::of(stage, within)).collect();
        Some(SampleRatio { within, max, per, cluster, threshold, exposed, control, observe: false, stages })
    }

    /// What is counted after a tick; none where there is no such check at the stage, or a count is unknown.
    pub fn count(&self, stage: usize, before: &Counted, readings: &[Reading], at: Timestamp) -> Option<Counted> {
        let split = self.stages.get(stage)?.as_ref()?;
        let count = |index: usize| readings.get(index).and_then(Reading::value).map(|count| count.max(Decimal::ZERO));
        let requests = (count(self.exposed)?, count(self.control)?);
        let few = before.few.and(requests, split.few, self.threshold, at);
        let many = match split.many {
            Some(weights) => before.many.and(requests, weights, self.threshold, at),
            None => Suspicion::default(),
        };
        let is_found = |suspicion: &Suspicion| suspicion.number >= self.threshold;
        let stands = match before.stands {
            Some(Direction::Few) if few.number > Decimal::ZERO => Some(Direction::Few),
            Some(Direction::Many) if many.number > Decimal::ZERO => Some(Direction::Many),
            _ if is_found(&few) => Some(Direction::Few),
            _ if is_found(&many) => Some(Direction::Many),
            _ => None,
        };
        Some(Counted { few, many, stands })
    }

    /// The mismatch that stands at a stage by what was counted.
    pub fn mismatch(&self, stage: usize, counted: &Counted) -> Option<Mismatch> {
        let (direction, configured) = (counted.stands?, self.stages.get(stage)?.as_ref()?.configured);
        let counted = counted.of(direction).clone();
        Some(Mismatch { direction, configured, counted, threshold: self.threshold })
    }

    /// Calls `visit` with the index of every series it counts.
    pub fn each_series(&self, visit: &mut impl FnMut(usize)) {
        visit(self.exposed);
        visit(self.control);
    }
}

fn fraction(percentage: Percentage) -> Decimal {
    Decimal::new(i128::from(percentage.thousandths()), -5)
}

impl Split {
    /// What requests add at an exposure; none where there is no random control group.
    fn of(exposure: &Exposure, within: Decimal) -> Option<Split> {
        let configured = exposure.percentage;
        if configured == Percentage::ZERO || configured == Percentage::FULL {
            return None;
        }
        let exposed = fraction(configured);
        let control = Decimal::whole(1).minus(exposed);
        let (adds, takes) = weights(control, exposed, within)?;
        let few = Weights { exposed: takes, control: adds };
        let many = match exposure.audiences.is_empty() {
            true => {
                let (adds, takes) = weights(exposed, control, within)?;
                Some(Weights { exposed: adds, control: takes })
            }
            false => None,
        };
        Some(Split { configured, few, many })
    }
}

/// What a request of the group whose part is `own` adds to the number that says that it is too large, and what one of the
/// other group adds, below zero. Both are rounded against finding anything.
fn weights(own: Decimal, other: Decimal, within: Decimal) -> Option<(Decimal, Decimal)> {
    let more = Decimal::whole(1).plus(within);
    let tolerable = more.times(own).plus(other);
    let bad = more.times(more).times(own).plus(other);
    let adds = ln_of_quotient(more.times(tolerable), bad, Side::Below)?;
    let takes = ln_of_quotient(tolerable, bad, Side::Below)?;
    Some((adds, takes))
}

impl Suspicion {
    /// With the requests of another tick, of the exposed and of the control group.
    fn and(
        &self,
        (exposed, control): (Decimal, Decimal),
        weights: Weights,
        threshold: Decimal,
        at: Timestamp,
    ) -> Suspicion {
        let adds = exposed.times(weights.exposed).plus(control.times(weights.control));
        let number = self.number.plus(adds).rounded_down(LOGARITHM_DIGITS).min(threshold);
        if number <= Decimal::ZERO {
            return Suspicion::default();
        }
        Suspicion {
            number,
            exposed: self.exposed.plus(exposed),
            control: self.control.plus(control),
            since: self.since.or(Some(at)),
        }
    }
}

impl Counted {
    /// What was counted for a direction.
    pub fn of(&self, direction: Direction) -> &Suspicion {
        match direction {
            Direction::Few => &self.few,
            Direction::Many => &self.many,
        }
    }

    /// What was counted for the direction that is likelier.
    pub fn larger(&self) -> &Suspicion {
        match self.stands {
            Some(direction) => self.of(direction),
            None if self.many.number > self.few.number => &self.many,
            None => &self.few,
        }
    }
}

impl Mismatch {
    /// What its tick made of the number before it.
    pub fn weighed(&self, before: &Counted) -> Weighed {
        let before = before.of(self.direction).number;
        Weighed { before, number: self.counted.number, threshold: self.threshold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(percent: u32, audiences: &[&str]) -> SampleRatio {
        let audiences = audiences.iter().map(|name| (*name).to_owned()).collect();
        let exposure = Exposure { audiences, percentage: Percentage::whole(percent) };
        let alarms = (Decimal::new(1, -2), Span::hours(24));
        SampleRatio::new(Percentage::whole(20), alarms, 10, Span::seconds(30), (0, 1), &[exposure]).expect("a check")
    }

    fn float(decimal: Decimal) -> f64 {
        decimal.to_string().parse().expect("a number")
    }

    #[test]
    fn constants_are_the_written_logarithms() {
        let check = check(10, &[]);
        assert!((float(check.threshold) - 10.0 * (2880.0_f64 / 0.005).ln()).abs() < 1e-9, "{}", check.threshold);
        let share = |more: f64, own: f64| more * own / (more * own + 1.0 - own);
        let split = check.stages[0].clone().expect("a split");
        let (many, few) = (split.many.expect("both directions"), split.few);
        let (tolerable, bad) = (share(1.2, 0.1), share(1.44, 0.1));
        assert!((float(many.exposed) - (bad / tolerable).ln()).abs() < 1e-11);
        assert!((float(many.control) - ((1.0 - bad) / (1.0 - tolerable)).ln()).abs() < 1e-11);
        let (tolerable, bad) = (share(1.2, 0.9), share(1.44, 0.9));
        assert!((float(few.control) - (bad / tolerable).ln()).abs() < 1e-11);
        assert!((float(few.exposed) - ((1.0 - bad) / (1.0 - tolerable)).ln()).abs() < 1e-11);
    }

    #[test]
    fn what_is_just_tolerable_is_likelier_than_what_is_bad() {
        // at the edge of what is tolerable a request takes away more than it adds, on the whole
        for percent in [1, 10, 50, 90, 99] {
            let split = check(percent, &[]).stages[0].clone().expect("a split");
            let (own, many) = (f64::from(percent) / 100.0, split.many.expect("both directions"));
            let edge = 1.2 * own / (1.2 * own + 1.0 - own);
            let drift = edge * float(many.exposed) + (1.0 - edge) * float(many.control);
            assert!(drift < 0.0, "{percent}: {drift}");
            let edge = own / (own + 1.2 * (1.0 - own));
            let drift = edge * float(split.few.exposed) + (1.0 - edge) * float(split.few.control);
            assert!(drift < 0.0, "{percent}: {drift}");
        }
    }

    #[test]
    fn audiences_leave_one_direction_and_no_control_group_leaves_none() {
        assert!(check(10, &["employees"]).stages[0].as_ref().is_some_and(|split| split.many.is_none()));
        assert_eq!(check(0, &["employees"]).stages[0], None);
        assert_eq!(check(100, &[]).stages[0], None);
    }
}
