//! Typing a condition: metrics that exist, units that fit, and whether it can ever be true or false.

use super::condition::{Fault, Measure, Name, Written, WrittenTerm};
use crate::engine::Decimal;
use crate::engine::condition::{Comparison, Condition, Term};
use crate::engine::plan::{Arm, Unit};

/// A series that a condition needs: a metric on an arm. `slow` carries its bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// As conditions write it, without `baseline(…)`.
    pub metric: String,
    /// The bound of `slow(…)` in seconds.
    pub bound: Option<Decimal>,
    /// Whether it is asked of the control group.
    pub control: bool,
}

/// What is known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricType {
    /// Its unit.
    pub unit: Unit,
    /// Which group it is measured on.
    pub arm: Arm,
}

/// Types a condition. Series are numbered as they are first met; `keys` collects them.
///
/// # Errors
/// All faults.
pub fn check(
    written: &Written,
    metric: &dyn Fn(&Name) -> Result<MetricType, Fault>,
    keys: &mut Vec<SeriesKey>,
) -> Result<Condition, Vec<Fault>> {
    let many = |parts: &[Written], keys: &mut Vec<SeriesKey>| {
        let mut checked = Vec::new();
        let mut faults = Vec::new();
        for part in parts {
            match check(part, metric, keys) {
                Ok(condition) => checked.push(condition),
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(checked) } else { Err(faults) }
    };
    match written {
        Written::All(parts) => many(parts, keys).map(Condition::All),
        Written::Any(parts) => many(parts, keys).map(Condition::Any),
        Written::Not(part) => Ok(Condition::Not(Box::new(check(part, metric, keys)?))),
        Written::Missing(name) => {
            metric(name).map_err(|fault| vec![fault])?;
            Ok(Condition::Missing(index(keys, name, false)))
        }
        Written::Compare(left, op, right, at) => {
            let (left_type, right_type) = (type_of(left, metric), type_of(right, metric));
            let (left_type, right_type) = match (left_type, right_type) {
                (Ok(left), Ok(right)) => (left, right),
                (left, right) => return Err(left.err().into_iter().chain(right.err()).collect()),
            };
            fits(left, left_type, right, right_type, *at).map_err(|fault| vec![fault])?;
            Ok(Condition::Compare { left: term(left, keys), op: *op, right: term(right, keys) })
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typed {
    Number(Measure),
    Metric(Unit),
}

fn type_of(term: &WrittenTerm, metric: &dyn Fn(&Name) -> Result<MetricType, Fault>) -> Result<Typed, Fault> {
    match term {
        WrittenTerm::Number(_, measure, _) => Ok(Typed::Number(*measure)),
        WrittenTerm::Exposure(_) => Ok(Typed::Metric(Unit::Ratio)),
        WrittenTerm::Series { name, baseline, .. } => {
            let known = metric(name)?;
            if *baseline && known.arm == Arm::Service {
                return Err(at(name.at, "is measured on the whole service: it has no control group", None));
            }
            Ok(Typed::Metric(known.unit))
        }
    }
}

fn at(place: (usize, usize), message: &str, help: Option<&str>) -> Fault {
    Fault { start: place.0, end: place.1, message: message.to_owned(), help: help.map(str::to_owned) }
}

fn place(term: &WrittenTerm) -> (usize, usize) {
    match term {
        WrittenTerm::Number(.., at) | WrittenTerm::Exposure(at) => *at,
        WrittenTerm::Series { name, .. } => name.at,
    }
}

fn fits(
    left: &WrittenTerm,
    left_type: Typed,
    right: &WrittenTerm,
    right_type: Typed,
    whole: (usize, usize),
) -> Result<(), Fault> {
    let (unit, measure, number) = match (left_type, right_type) {
        (Typed::Metric(left), Typed::Metric(right)) if left == right => return Ok(()),
        (Typed::Metric(_), Typed::Metric(_)) => {
            return Err(at(whole, "compares two metrics of different units", None));
        }
        (Typed::Number(_), Typed::Number(_)) => {
            return Err(at(whole, "compares two numbers: no metric is in it", None));
        }
        (Typed::Metric(unit), Typed::Number(measure)) => (unit, measure, place(right)),
        (Typed::Number(measure), Typed::Metric(unit)) => (unit, measure, place(left)),
    };
    let help = match (unit, measure) {
        (Unit::Ratio, Measure::Percent)
        | (Unit::Seconds, Measure::Time)
        | (Unit::Count | Unit::Plain, Measure::Bare) => return Ok(()),
        (Unit::Ratio, _) => "a share is compared with a percentage, like `2%`",
        (Unit::Seconds, _) => "a time is compared with a time, like `500ms`",
        (Unit::Count | Unit::Plain, _) => "a count is compared with a bare number, like `100`",
    };
    Err(at(number, "does not fit the metric's unit", Some(help)))
}

fn index(keys: &mut Vec<SeriesKey>, name: &Name, control: bool) -> usize {
    let (metric, bound) = match &name.bound {
        Some((bound, written)) => (format!("{}({written})", name.text), Some(*bound)),
        None => (name.text.clone(), None),
    };
    let key = SeriesKey { metric, bound, control };
    keys.iter().position(|known| *known == key).unwrap_or_else(|| {
        keys.push(key);
        keys.len() - 1
    })
}

fn term(term: &WrittenTerm, keys: &mut Vec<SeriesKey>) -> Term {
    match term {
        WrittenTerm::Number(value, ..) => Term::Number(*value),
        WrittenTerm::Exposure(_) => Term::Exposure,
        WrittenTerm::Series { name, baseline, factor } => {
            Term::Series { series: index(keys, name, *baseline), factor: *factor }
        }
    }
}

/// Renumbers the series of a condition.
pub fn renumber(condition: &mut Condition, new: &[usize]) {
    match condition {
        Condition::Compare { left, right, .. } => {
            for term in [left, right] {
                if let Term::Series { series, .. } = term {
                    *series = new[*series];
                }
            }
        }
        Condition::All(parts) | Condition::Any(parts) => parts.iter_mut().for_each(|part| renumber(part, new)),
        Condition::Not(part) => renumber(part, new),
        Condition::Missing(series) => *series = new[*series],
    }
}

/// Whether a condition is the same whatever is measured: `Some(true)` always holds, `Some(false)` never does. Looks at
/// single comparisons with numbers, and at contradictions inside one `and`.
pub fn constant(condition: &Condition, unit: &dyn Fn(usize) -> Unit) -> Option<bool> {
    match condition {
        Condition::Compare { left: Term::Series { series, factor }, op, right: Term::Number(number) }
            if *factor == Decimal::whole(1) =>
        {
            let most = (unit(*series) == Unit::Ratio).then(|| Decimal::whole(1));
            bounded(*op, *number, most)
        }
        Condition::All(parts) => {
            let known: Vec<Option<bool>> = parts.iter().map(|part| constant(part, unit)).collect();
            if known.contains(&Some(false)) || contradicts(parts) {
                return Some(false);
            }
            known.iter().all(|known| *known == Some(true)).then_some(true)
        }
        Condition::Any(parts) => {
            let known: Vec<Option<bool>> = parts.iter().map(|part| constant(part, unit)).collect();
            if known.contains(&Some(true)) {
                return Some(true);
            }
            known.iter().all(|known| *known == Some(false)).then_some(false)
        }
        Condition::Not(part) => constant(part, unit).map(|known| !known),
        _ => None,
    }
}

/// `x OP number` for x from 0 to `most`.
fn bounded(op: Comparison, number: Decimal, most: Option<Decimal>) -> Option<bool> {
    let zero = Decimal::ZERO;
    match op {
        Comparison::Greater if most.is_some_and(|most| number >= most) => Some(false),
        Comparison::AtLeast if most.is_some_and(|most| number > most) => Some(false),
        Comparison::AtLeast if number <= zero => Some(true),
        Comparison::Greater if number < zero => Some(true),
        Comparison::Less if number <= zero => Some(false),
        Comparison::AtMost if number < zero => Some(false),
        Comparison::Less if most.is_some_and(|most| number > most) => Some(true),
        Comparison::AtMost if most.is_some_and(|most| number >= most) => Some(true),
        _ => None,
    }
}

fn contradicts(parts: &[Condition]) -> bool {
    let bounds = |wanted: fn(Comparison) -> bool| {
        parts.iter().filter_map(move |part| match part {
            Condition::Compare { left: Term::Series { series, factor }, op, right: Term::Number(number) }
                if wanted(*op) && *factor == Decimal::whole(1) =>
            {
                Some((*series, *number))
            }
            _ => None,
        })
    };
    let above = |op| matches!(op, Comparison::Greater | Comparison::AtLeast);
    let below = |op| matches!(op, Comparison::Less | Comparison::AtMost);
    bounds(above).any(|(series, low)| bounds(below).any(|(other, high)| other == series && low >= high))
}
