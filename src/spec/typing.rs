//! Typing a condition: metrics that exist, and units that fit.

use super::burn_rate;
use super::condition::{Fault, Measure, Name, Written, WrittenTerm};
use crate::engine::condition::{Condition, Term};
use crate::engine::plan::{Arm, Unit};
use crate::engine::{Decimal, Span};

/// A series that a condition needs: a metric on an arm. `slow` carries its bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// As conditions write it, without `baseline(…)`.
    pub metric: String,
    /// The bound of `slow(…)` in seconds.
    pub bound: Option<Decimal>,
    /// Whether it is asked of the control group.
    pub control: bool,
    /// Which of the counts behind a share, where it is not the share itself.
    pub part: Option<Part>,
    /// The window it is measured over, where that is not the policy's.
    pub window: Option<Span>,
}

/// One of the two counts behind a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What went wrong.
    Failed,
    /// All there was.
    Total,
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
            Ok(Condition::Missing(SeriesKey::of(name, false).index(keys)))
        }
        Written::BurnRate(burn) => Err(vec![burn_rate::misplaced(burn)]),
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
    let (unit, measure, number, series) = match (left_type, right_type) {
        (Typed::Metric(left), Typed::Metric(right)) if left == right => return Ok(()),
        (Typed::Metric(_), Typed::Metric(_)) => {
            return Err(at(whole, "compares two metrics of different units", None));
        }
        (Typed::Number(_), Typed::Number(_)) => {
            return Err(at(whole, "compares two numbers: no metric is in it", None));
        }
        (Typed::Metric(unit), Typed::Number(measure)) => (unit, measure, place(right), left),
        (Typed::Number(measure), Typed::Metric(unit)) => (unit, measure, place(left), right),
    };
    let help = match (unit, measure) {
        (Unit::Ratio, Measure::Percent)
        | (Unit::Seconds, Measure::Time)
        | (Unit::Count | Unit::Plain, Measure::Bare) => return Ok(()),
        (Unit::Ratio, _) => "a share is compared with a percentage, like `2%`",
        (Unit::Seconds, _) => "a time is compared with a time, like `500ms`",
        (Unit::Count | Unit::Plain, _) => "a count is compared with a bare number, like `100`",
    };
    let is = match measure {
        Measure::Percent => "is a share",
        Measure::Time => "is a time",
        Measure::Bare => "has no unit",
    };
    let wanted = match unit {
        Unit::Ratio => "a share",
        Unit::Seconds => "a time",
        Unit::Count => "a count",
        Unit::Plain => "a bare number",
    };
    let name = match series {
        WrittenTerm::Series { name, .. } => name.text.as_str(),
        _ => "exposure",
    };
    Err(at(number, &format!("{is}, and `{name}` is {wanted}"), Some(help)))
}

impl SeriesKey {
    /// The metric of a name.
    pub fn of(name: &Name, control: bool) -> SeriesKey {
        let (metric, bound) = match &name.bound {
            Some((bound, written)) => (format!("{}({written})", name.text), Some(*bound)),
            None => (name.text.clone(), None),
        };
        SeriesKey { metric, bound, control, part: None, window: name.window }
    }

    /// Its index, at the end where it is new.
    pub fn index(self, keys: &mut Vec<SeriesKey>) -> usize {
        keys.iter().position(|known| *known == self).unwrap_or_else(|| {
            keys.push(self);
            keys.len() - 1
        })
    }
}

fn term(term: &WrittenTerm, keys: &mut Vec<SeriesKey>) -> Term {
    match term {
        WrittenTerm::Number(value, ..) => Term::Number(*value),
        WrittenTerm::Exposure(_) => Term::Exposure,
        WrittenTerm::Series { name, baseline, factor } => {
            Term::Series { series: SeriesKey::of(name, *baseline).index(keys), factor: *factor }
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
