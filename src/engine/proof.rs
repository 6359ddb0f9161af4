//! Proofs: lines of `healthy` that hold only once enough has been counted, and can be looked at as often as one likes.
//!
//! What is refuted is that the share is `limit` or more. For each of a few shares below it (`alternatives`) the evidence is the
//! logarithm of how much likelier all counts together are at that share; its exponential is a nonnegative supermartingale while
//! the share is `limit` or more, and so is their mean. By Ville's inequality the chance that the mean ever reaches `1 / risk` is
//! `risk` at most. No term is larger than the sum, so it is enough that the largest of them, less the logarithm of how many
//! there are, reaches `ln(1 / risk)` (method of mixtures: Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform,
//! nonparametric, nonasymptotic confidence sequences", 2021). Logarithms are rounded to 12 digits, against proving.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decimal::Decimal;
use super::detector::Counts;
use super::logarithm::{LOGARITHM_DIGITS, Side, ln_of_quotient};

/// The alternatives, in hundredths of the limit: one for each of rare failures and of shares near the limit, and between.
const ALTERNATIVES: [i128; 5] = [90, 75, 50, 25, 5];

/// What a line of `healthy` must prove, and the constants that it is proven with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The chance of proving what is not so: 0.05 at 95% confidence.
    pub risk: Decimal,
    /// The share that it must be below.
    pub limit: Decimal,
    /// The evidence that is enough: `ln(number of alternatives / risk)`.
    pub threshold: Decimal,
    /// What is counted.
    pub counts: Counts,
    /// The shares for which it is asked how much likelier the counts are.
    pub alternatives: Vec<Alternative>,
}

/// A share below the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// The share, `p1`.
    pub share: Decimal,
    /// What each failure adds, below zero: `ln(p1 / limit)`.
    pub failure: Decimal,
    /// What each success adds: `ln((1 - p1) / (1 - limit))`.
    pub success: Decimal,
}

/// What was counted over the ticks that earned the bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// What went wrong.
    pub failed: Decimal,
    /// All there was, what went wrong included.
    pub total: Decimal,
}

impl Proof {
    /// A proof that a share is below `limit`; none unless `0 < risk < 1` and `0 < limit < 1`.
    pub fn new(limit: Decimal, risk: Decimal, counts: Counts) -> Option<Proof> {
        let one = Decimal::whole(1);
        if limit <= Decimal::ZERO || limit >= one || risk >= one {
            return None;
        }
        let alternative = |hundredths: i128| {
            let share = limit.times(Decimal::new(hundredths, -2));
            let failure = ln_of_quotient(share, limit, Side::Below)?;
            let success = ln_of_quotient(one.minus(share), one.minus(limit), Side::Below)?;
            Some(Alternative { share, failure, success })
        };
        let alternatives: Option<Vec<Alternative>> = ALTERNATIVES.into_iter().map(alternative).collect();
        let threshold = ln_of_quotient(Decimal::new(ALTERNATIVES.len() as i128, 0), risk, Side::Above)?;
        Some(Proof { risk, limit, threshold, counts, alternatives: alternatives? })
    }

    /// The evidence of what was counted, never below zero: none where nothing was.
    pub fn evidence(&self, tally: Tally) -> Decimal {
        let succeeded = tally.total.minus(tally.failed);
        let of = |alternative: &Alternative| {
            let sum = tally.failed.times(alternative.failure).plus(succeeded.times(alternative.success));
            sum.rounded_down(LOGARITHM_DIGITS)
        };
        self.alternatives.iter().map(of).fold(Decimal::ZERO, Decimal::max)
    }

    /// Whether what was counted proves it.
    pub fn holds(&self, tally: Tally) -> bool {
        self.evidence(tally) >= self.threshold
    }
}

impl Tally {
    /// With the counts of another tick.
    #[must_use]
    pub fn and(self, (failed, total): (Decimal, Decimal)) -> Tally {
        Tally { failed: self.failed.plus(failed), total: self.total.plus(total) }
    }
}
