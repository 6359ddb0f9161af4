//! Whether a condition is the same whatever is measured: such a rule always fires, or never does.

use std::cmp::Ordering;

use crate::engine::Decimal;
use crate::engine::condition::{Comparison, Condition, Term};
use crate::engine::plan::Unit;

/// `Some(true)` where a condition always holds, `Some(false)` where it never does. Looks at single comparisons, within
/// what their units allow, at two of the same series that exclude each other, and at what is said of a series that is missing.
pub fn constant(condition: &Condition, unit: &dyn Fn(usize) -> Unit) -> Option<bool> {
    match condition {
        Condition::Compare { left, op, right } => comparison(left, *op, right, unit),
        Condition::All(parts) => all(parts, unit),
        Condition::Any(parts) => {
            // what never fails is what cannot all fail
            let failing: Vec<Condition> = parts.iter().map(|part| Condition::Not(Box::new(part.clone()))).collect();
            all(&failing, unit).map(|known| !known)
        }
        Condition::Not(part) => constant(part, unit).map(|known| !known),
        Condition::Missing(_) => None,
    }
}

fn all(parts: &[Condition], unit: &dyn Fn(usize) -> Unit) -> Option<bool> {
    let known: Vec<Option<bool>> = parts.iter().map(|part| constant(part, unit)).collect();
    let mut bounds = Vec::new();
    parts.iter().for_each(|part| collect(part, &mut bounds));
    let apart = |low: &Bound| bounds.iter().any(|high| low.excludes(high));
    let mut missing = Vec::new();
    parts.iter().for_each(|part| collect_missing(part, &mut missing));
    let needs_missing = !missing.is_empty() && parts.iter().any(|part| never_without(part, false, &missing));
    if known.contains(&Some(false)) || bounds.iter().any(apart) || needs_missing {
        return Some(false);
    }
    known.iter().all(|known| *known == Some(true)).then_some(true)
}

/// The series that must be missing for all of a condition to hold.
fn collect_missing(part: &Condition, missing: &mut Vec<usize>) {
    match part {
        Condition::All(parts) => parts.iter().for_each(|part| collect_missing(part, missing)),
        Condition::Missing(series) => missing.push(*series),
        Condition::Not(inner) => match &**inner {
            Condition::Not(inner) => collect_missing(inner, missing),
            Condition::Any(parts) => {
                parts.iter().for_each(|part| collect_missing(&Condition::Not(Box::new(part.clone())), missing));
            }
            _ => {}
        },
        Condition::Compare { .. } | Condition::Any(_) => {}
    }
}

/// Whether a condition, or its negation, never holds while these series are missing: a comparison of what is missing is
/// unknown, and so is its negation.
fn never_without(part: &Condition, negated: bool, missing: &[usize]) -> bool {
    let never = |part: &Condition| never_without(part, negated, missing);
    match (part, negated) {
        (Condition::Compare { left, right, .. }, _) => {
            let is_missing = |term: &Term| matches!(term, Term::Series { series, .. } if missing.contains(series));
            is_missing(left) || is_missing(right)
        }
        (Condition::Missing(series), true) => missing.contains(series),
        (Condition::Missing(_), false) => false,
        (Condition::Not(inner), _) => never_without(inner, !negated, missing),
        (Condition::All(parts), false) | (Condition::Any(parts), true) => parts.iter().any(never),
        (Condition::All(parts), true) | (Condition::Any(parts), false) => parts.iter().all(never),
    }
}

fn comparison(left: &Term, op: Comparison, right: &Term, unit: &dyn Fn(usize) -> Unit) -> Option<bool> {
    let one = Decimal::whole(1);
    match (left, right) {
        (Term::Series { series, factor }, Term::Number(number)) => {
            let unit = unit(*series);
            let least = (unit != Unit::Plain).then_some(Decimal::ZERO);
            bounded(least, op, *number, (unit == Unit::Ratio).then_some(*factor))
        }
        (Term::Exposure, Term::Number(number)) => bounded(Some(Decimal::ZERO), op, *number, Some(one)),
        (Term::Number(_), Term::Series { .. } | Term::Exposure) => comparison(right, turned(op), left, unit),
        (Term::Series { series, factor }, Term::Series { series: other, factor: times })
            if series == other && unit(*series) != Unit::Plain =>
        {
            // x is not negative: the larger factor makes the larger side, and at zero they are equal
            match (factor.cmp(times), op) {
                (Ordering::Equal, Comparison::Less | Comparison::Greater)
                | (Ordering::Less, Comparison::Greater)
                | (Ordering::Greater, Comparison::Less) => Some(false),
                (Ordering::Equal, Comparison::AtMost | Comparison::AtLeast)
                | (Ordering::Less, Comparison::AtMost)
                | (Ordering::Greater, Comparison::AtLeast) => Some(true),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `x OP number` for x from `least` to `most`, both ends included.
fn bounded(least: Option<Decimal>, op: Comparison, number: Decimal, most: Option<Decimal>) -> Option<bool> {
    let above = |strict: bool| most.is_some_and(|most| number > most || (strict && number == most));
    let below = |strict: bool| least.is_some_and(|least| number < least || (strict && number == least));
    let (never, always) = match op {
        Comparison::Greater => (above(true), below(false)),
        Comparison::AtLeast => (above(false), below(true)),
        Comparison::Less => (below(true), above(false)),
        Comparison::AtMost => (below(false), above(true)),
    };
    if never { Some(false) } else { always.then_some(true) }
}

/// `factor * x OP number`, for a series x.
struct Bound {
    series: usize,
    factor: Decimal,
    op: Comparison,
    number: Decimal,
}

impl Bound {
    /// Whether this is a lower bound, and the other an upper one below it.
    fn excludes(&self, high: &Bound) -> bool {
        let lower = matches!(self.op, Comparison::Greater | Comparison::AtLeast);
        let upper = matches!(high.op, Comparison::Less | Comparison::AtMost);
        let strict = self.op == Comparison::Greater || high.op == Comparison::Less;
        let (low, high_number) = (self.number.times(high.factor), high.number.times(self.factor));
        self.series == high.series && lower && upper && (low > high_number || (strict && low == high_number))
    }
}

fn collect(part: &Condition, bounds: &mut Vec<Bound>) {
    match part {
        Condition::All(parts) => parts.iter().for_each(|part| collect(part, bounds)),
        Condition::Not(inner) => match &**inner {
            Condition::Compare { left, op, right } => bounds.extend(bound(left, negated(*op), right)),
            Condition::Not(inner) => collect(inner, bounds),
            _ => {}
        },
        Condition::Compare { left, op, right } => bounds.extend(bound(left, *op, right)),
        Condition::Any(_) | Condition::Missing(_) => {}
    }
}

fn bound(left: &Term, op: Comparison, right: &Term) -> Option<Bound> {
    match (left, right) {
        (Term::Series { series, factor }, Term::Number(number)) if *factor > Decimal::ZERO => {
            Some(Bound { series: *series, factor: *factor, op, number: *number })
        }
        (Term::Number(_), Term::Series { .. }) => bound(right, turned(op), left),
        _ => None,
    }
}

/// The comparison with its sides exchanged.
fn turned(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
    }
}

/// The comparison that holds where this one does not.
fn negated(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Greater,
        Comparison::Greater => Comparison::AtMost,
        Comparison::AtLeast => Comparison::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Arm;
    use crate::spec::condition::{Fault, Name, parse};
    use crate::spec::typing::{MetricType, check};

    fn judged(text: &str) -> Option<bool> {
        let unit_of = |name: &str| match name.split('(').next() {
            Some("error_rate" | "slow") => Unit::Ratio,
            Some("p99") => Unit::Seconds,
            Some("requests") => Unit::Count,
            _ => Unit::Plain,
        };
        let metric = |name: &Name| -> Result<MetricType, Fault> {
            Ok(MetricType { unit: unit_of(&name.text), arm: Arm::Exposed })
        };
        let mut keys = Vec::new();
        let condition = check(&parse(text).expect(text), &metric, &mut keys).expect(text);
        constant(&condition, &|series| unit_of(&keys[series].metric))
    }

    #[test]
    fn what_can_never_hold_is_told() {
        for text in [
            "error_rate > 100%",
            "error_rate >= 100.1%",
            "100% < error_rate",
            "2 * error_rate > 200%",
            "p99 < 0s",
            "p99 < 0ms and requests > 5",
            "requests < 0",
            "exposure > 100%",
            "error_rate > 2% and error_rate < 2%",
            "error_rate >= 2% and error_rate < 2%",
            "error_rate > 4% and 2 * error_rate <= 8%",
            "error_rate > 3% and not error_rate > 2%",
            "error_rate > error_rate",
            "error_rate > 1.5 * error_rate",
            "error_rate > 200% or p99 < 0s",
            "missing(error_rate) and error_rate > 2%",
            "missing(error_rate) and not error_rate > 2%",
            "error_rate > 2% and p99 > 1s and missing(p99)",
            "missing(error_rate) and (error_rate > 2% or error_rate < 1%)",
            "missing(error_rate) and error_rate > 1.5 * baseline(error_rate)",
            "missing(error_rate) and not missing(error_rate)",
        ] {
            assert_eq!(judged(text), Some(false), "{text}");
        }
    }

    #[test]
    fn what_always_holds_is_told() {
        for text in [
            "error_rate >= 0%",
            "error_rate <= 100%",
            "requests >= 0",
            "not p99 < 0s",
            "error_rate > 2% or error_rate < 5%",
        ] {
            assert_eq!(judged(text), Some(true), "{text}");
        }
    }

    #[test]
    fn what_depends_on_measurements_is_left_alone() {
        for text in [
            "error_rate >= 2% and error_rate <= 2%",
            "error_rate >= 100%",
            "2 * error_rate > 150%",
            "error_rate > 2% and error_rate < 5%",
            "error_rate > 1.5 * baseline(error_rate)",
            "queue < 0",
            "p99 > 0s",
            "error_rate > 2% or p99 > 1s",
            "exposure >= 100%",
            "missing(error_rate) and p99 > 2s",
            "missing(error_rate) or error_rate > 2%",
            "missing(error_rate) and (error_rate > 2% or p99 > 2s)",
            "not missing(error_rate) and error_rate > 2%",
        ] {
            assert_eq!(judged(text), None, "{text}");
        }
    }
}
