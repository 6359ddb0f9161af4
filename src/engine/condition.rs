//! Conditions: typed comparisons of series with constants, judged in Kleene's three-valued logic.

use serde::{Deserialize, Serialize};

use super::decimal::Decimal;
use super::exposure::Percentage;
use super::reading::{Reading, Unknown};

/// What a condition says about a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// A reading that it needs is unknown, and the others do not settle it.
    Unknown,
}

/// A checked condition. Series are named by their index in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `left OP right`.
    Compare {
        /// The left side.
        left: Term,
        /// The comparison.
        op: Comparison,
        /// The right side.
        right: Term,
    },
    /// True if all are.
    All(Vec<Condition>),
    /// True if any is.
    Any(Vec<Condition>),
    /// The contrary; unknown stays unknown.
    Not(Box<Condition>),
    /// `missing(x)`: the series had no answer, an error or a stale one. Unknown only at a tick that nobody observed.
    Missing(usize),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A constant: ratios as fractions (2% is 0.02), times in seconds, counts bare.
    Number(Decimal),
    /// A series, times a factor (1 unless written).
    Series {
        /// Index into the plan's series.
        series: usize,
        /// The factor before it.
        factor: Decimal,
    },
    /// The allowed percentage as a fraction; 0 for audiences.
    Exposure,
}

/// How two sides are compared. There is no equality: measured numbers are never equal on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Verdict {
    /// Kleene's and.
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::False, _) | (_, Verdict::False) => Verdict::False,
            (Verdict::True, Verdict::True) => Verdict::True,
            _ => Verdict::Unknown,
        }
    }

    /// Kleene's or.
    pub fn or(self, other: Verdict) -> Verdict {
        self.negated().and(other.negated()).negated()
    }

    /// Kleene's not.
    pub fn negated(self) -> Verdict {
        match self {
            Verdict::True => Verdict::False,
            Verdict::False => Verdict::True,
            Verdict::Unknown => Verdict::Unknown,
        }
    }
}

impl From<bool> for Verdict {
    fn from(value: bool) -> Verdict {
        if value { Verdict::True } else { Verdict::False }
    }
}

impl Condition {
    /// Judges the condition on one tick's readings, in the plan's series order. A series without a reading is unknown.
    pub fn judge(&self, readings: &[Reading], exposed: Percentage) -> Verdict {
        match self {
            Condition::Compare { left, op, right } => {
                match (left.value(readings, exposed), right.value(readings, exposed)) {
                    (Some(left), Some(right)) => op.holds(left, right).into(),
                    _ => Verdict::Unknown,
                }
            }
            Condition::All(parts) => {
                parts.iter().fold(Verdict::True, |verdict, part| verdict.and(part.judge(readings, exposed)))
            }
            Condition::Any(parts) => {
                parts.iter().fold(Verdict::False, |verdict, part| verdict.or(part.judge(readings, exposed)))
            }
            Condition::Not(part) => part.judge(readings, exposed).negated(),
            Condition::Missing(series) => match readings.get(*series) {
                // nobody looked, so nobody can say: it must neither earn bake nor end a run
                Some(Reading::Unknown(Unknown::Unobserved)) => Verdict::Unknown,
                reading => reading.is_none_or(Reading::is_missing).into(),
            },
        }
    }

    /// Calls `visit` with the index of every series the condition reads.
    pub fn each_series(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Condition::Compare { left, right, .. } => {
                for term in [left, right] {
                    if let Term::Series { series, .. } = term {
                        visit(*series);
                    }
                }
            }
            Condition::All(parts) | Condition::Any(parts) => {
                for part in parts {
                    part.each_series(visit);
                }
            }
            Condition::Not(part) => part.each_series(visit),
            Condition::Missing(series) => visit(*series),
        }
    }

    /// Whether the condition can only come out as `verdict` by comparing a series that `counts`. That something answers
    /// (`missing(x)`), or how many are exposed, is no measurement of how they fare.
    pub fn measures(&self, verdict: bool, counts: &impl Fn(usize) -> bool) -> bool {
        match self {
            Condition::Compare { left, right, .. } => {
                let counts = |term: &Term| matches!(term, Term::Series { series, .. } if counts(*series));
                counts(left) || counts(right)
            }
            // one part settles the one verdict, all of them are needed for the other
            Condition::All(parts) if verdict => parts.iter().any(|part| part.measures(verdict, counts)),
            Condition::Any(parts) if !verdict => parts.iter().any(|part| part.measures(verdict, counts)),
            Condition::All(parts) | Condition::Any(parts) => parts.iter().all(|part| part.measures(verdict, counts)),
            Condition::Not(part) => part.measures(!verdict, counts),
            Condition::Missing(_) => false,
        }
    }
}

impl Term {
    fn value(&self, readings: &[Reading], exposed: Percentage) -> Option<Decimal> {
        match self {
            Term::Number(number) => Some(*number),
            Term::Series { series, factor } => {
                readings.get(*series).and_then(Reading::value).map(|value| value.times(*factor))
            }
            Term::Exposure => Some(Decimal::new(i128::from(exposed.thousandths()), -5)),
        }
    }
}

impl Comparison {
    /// Whether `left OP right` holds.
    pub fn holds(self, left: Decimal, right: Decimal) -> bool {
        match self {
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
        }
    }

    /// As it is written in a condition.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn above(limit: &str) -> Condition {
        Condition::Compare {
            left: Term::Series { series: 0, factor: Decimal::whole(1) },
            op: Comparison::Greater,
            right: Term::Number(limit.parse().expect("a decimal")),
        }
    }

    #[test]
    fn the_threshold_itself_does_not_fire() {
        let at = |text| [Reading::Value(Decimal::reading(text).expect("a reading"))];
        assert_eq!(above("0.02").judge(&at("0.020000000000000004"), Percentage::ZERO), Verdict::False);
        assert_eq!(above("0.02").judge(&at("0.0201"), Percentage::ZERO), Verdict::True);
    }

    #[test]
    fn unknown_is_settled_only_by_the_other_side() {
        let unknown = above("0.02");
        let blind = [Reading::Unknown(Unknown::Stale)];
        let judge = |condition: Condition| condition.judge(&blind, Percentage::ZERO);
        let never = Condition::Any(vec![]);
        assert_eq!(judge(Condition::All(vec![unknown.clone(), never])), Verdict::False);
        assert_eq!(judge(Condition::Any(vec![unknown.clone(), Condition::Missing(0)])), Verdict::True);
        assert_eq!(judge(Condition::Not(Box::new(unknown))), Verdict::Unknown);
    }
}
