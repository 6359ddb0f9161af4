//! Rules with a promise: a restarting e-detector, one number per rule, that fires falsely no more often than it says.
//!
//! At each tick the number becomes `max(0, number + increment)`; the rule fires while it is at least the threshold. The
//! increment is the logarithm of how much likelier the tick's counts are where things are as bad as what is to be caught than
//! where they are just tolerable; its exponential has mean one at most while things are tolerable. So the exponential of the
//! number stays below a Shiryaev-Roberts sum, whose mean after T ticks is T at most, and with a threshold of `ln(T / max)` the
//! chance of firing within T ticks is `max` at most, however often one looks (Shin, Ramdas, Rinaldo, "E-detectors", 2022,
//! arXiv 2203.03532). All logarithms, and the number itself, are rounded to 12 digits, against firing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decimal::Decimal;
use super::logarithm::{LOGARITHM_DIGITS, Side, ln_of_quotient};
use super::reading::Reading;
use super::time::Span;

/// The promise of a rule, and the constants that it is kept with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detector {
    /// The chance of a false alarm within `per`, above 0 and below 1.
    pub max: Decimal,
    /// What `max` is the chance within.
    pub per: Span,
    /// How many counts come together: what one broken client or one retry storm counts as. Left out where that is one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cluster: u32,
    /// The number at which it fires: `cluster * ln(ceil(per / every) / max)`. To multiply it is to divide every count.
    pub threshold: Decimal,
    /// What is counted of the exposed group (of a metric of the whole service, of that).
    pub counts: Counts,
    /// What the counts are held against.
    pub against: Against,
}

/// Two counts of a tick, disjoint from those of the tick before; indices into the plan's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// What went wrong.
    pub failed: usize,
    /// All there was, what went wrong included.
    pub total: usize,
}

/// What the counts are held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// A share that is just tolerable.
    Share {
        /// That share, `p0`.
        limit: Decimal,
        /// The share that is to be caught, `p1`.
        catches: Decimal,
        /// What each failure adds: `ln(p1 / p0)`.
        failure: Decimal,
        /// What each success adds, below zero: `ln((1 - p1) / (1 - p0))`.
        success: Decimal,
    },
    /// The share of the control group in the same tick.
    Baseline {
        /// The multiple of it that is just tolerable, `r0`.
        limit: Decimal,
        /// The multiple that is to be caught, `r1`.
        catches: Decimal,
        /// What each failure of the exposed group adds: `ln(r1 / r0)`. What each failure of either group takes away follows
        /// from how many were in each group: `ln((n r0 + m) / (n r1 + m))`.
        failure: Decimal,
        /// What is counted of the control group.
        control: Counts,
    },
}

/// What a detector's rule fired on: with the counts of its tick, and the plan's constants, enough to compute it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weighed {
    /// The number before the tick.
    pub before: Decimal,
    /// The number after it.
    pub number: Decimal,
    /// The number at which it fires.
    pub threshold: Decimal,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

/// The number at which a rule fires that is checked every `every`. None where no such promise can be kept: a share of zero or
/// of everything.
pub fn threshold(max: Decimal, per: Span, every: Span, cluster: u32) -> Option<Decimal> {
    let checks = i128::from(per.0.div_ceil(every.0.max(1)).max(1));
    let threshold = ln_of_quotient(Decimal::new(checks, 0), max, Side::Above)?;
    (max < Decimal::whole(1)).then(|| threshold.times(Decimal::whole(i64::from(cluster.max(1)))))
}

impl Against {
    /// Against a share; none unless `0 < limit < catches < 1`.
    pub fn share(limit: Decimal, catches: Decimal) -> Option<Against> {
        let one = Decimal::whole(1);
        if limit >= catches {
            return None;
        }
        let failure = ln_of_quotient(catches, limit, Side::Below)?;
        let success = ln_of_quotient(one.minus(catches), one.minus(limit), Side::Below)?;
        Some(Against::Share { limit, catches, failure, success })
    }

    /// Against the control group; none unless `0 < limit < catches`.
    pub fn baseline(limit: Decimal, catches: Decimal, control: Counts) -> Option<Against> {
        if limit >= catches {
            return None;
        }
        let failure = ln_of_quotient(catches, limit, Side::Below)?;
        Some(Against::Baseline { limit, catches, failure, control })
    }
}

impl Counts {
    /// Calls `visit` with the index of each.
    pub fn each_series(self, visit: &mut impl FnMut(usize)) {
        visit(self.failed);
        visit(self.total);
    }

    /// Both counts of a tick, where both are known. What cannot be, as more failures than there was anything, is cut down to
    /// what can.
    pub fn of(self, readings: &[Reading]) -> Option<(Decimal, Decimal)> {
        let count = |index: usize| readings.get(index).and_then(Reading::value).map(|count| count.max(Decimal::ZERO));
        let total = count(self.total)?;
        Some((count(self.failed)?.min(total), total))
    }
}

impl Detector {
    /// The number after a tick, never below zero; none where one of its counts is unknown.
    pub fn weigh(&self, before: Decimal, readings: &[Reading]) -> Option<Decimal> {
        let (failed, total) = self.counts.of(readings)?;
        let increment = match &self.against {
            Against::Share { failure, success, .. } => failed.times(*failure).plus(total.minus(failed).times(*success)),
            Against::Baseline { limit, catches, failure, control } => {
                let (theirs, all_theirs) = control.of(readings)?;
                let either = failed.plus(theirs);
                match either > Decimal::ZERO {
                    // given the failures of both groups, how they split says whose they are
                    true => {
                        let (tolerable, bad) = (total.times(*limit), total.times(*catches));
                        let split = ln_of_quotient(tolerable.plus(all_theirs), bad.plus(all_theirs), Side::Below)?;
                        failed.times(*failure).plus(either.times(split))
                    }
                    false => Decimal::ZERO,
                }
            }
        };
        Some(before.plus(increment).rounded_down(LOGARITHM_DIGITS).max(Decimal::ZERO))
    }

    /// Calls `visit` with the index of every series it counts.
    pub fn each_series(&self, visit: &mut impl FnMut(usize)) {
        self.counts.each_series(visit);
        if let Against::Baseline { control, .. } = &self.against {
            control.each_series(visit);
        }
    }
}
