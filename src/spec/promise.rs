//! What a rule with a promise compares, and the constants that the promise is kept with.

use super::condition::{BurnRate, Fault, Name, Written, WrittenTerm};
use super::documents::{Caught, PolicyDoc, PromiseDoc};
use super::finding::Finding;
use super::metrics::{Countable, countable};
use super::typing::{Part, SeriesKey};
use crate::engine::Decimal;
use crate::engine::condition::Comparison;
use crate::engine::detector::{Against, Counts, Detector, threshold};

/// What is wrong: with the condition's characters, or with what stands beside it.
pub(super) enum Wrong {
    /// At bytes of the condition.
    Condition(Fault),
    /// Elsewhere.
    Beside(Box<Finding>),
}

/// A condition that can be counted.
struct Compared {
    metric: SeriesKey,
    limit: Decimal,
    /// Where the limit stands in the condition.
    limit_at: (usize, usize),
    is_baseline: bool,
}

/// The detector of a rule whose condition is typed. Series are numbered by `keys`.
///
/// # Errors
/// What cannot be promised of this condition.
pub(super) fn detector(
    policy: &PolicyDoc,
    written: &Written,
    promise: &PromiseDoc,
    keys: &mut Vec<SeriesKey>,
) -> Result<Detector, Wrong> {
    let compared = compared(policy, written).map_err(Wrong::Condition)?;
    let mut counts = |control: bool| {
        let mut part = |part| SeriesKey { control, part: Some(part), ..compared.metric.clone() }.index(keys);
        Counts { failed: part(Part::Failed), total: part(Part::Total) }
    };
    let wrong = |message: String, help: &str| {
        Wrong::Beside(Box::new(Finding::error("false-alarms", &promise.catches_at, message).help(help.to_owned())))
    };
    let limit = compared.limit;
    if limit <= Decimal::ZERO {
        let help =
            "no failure at all cannot be told from a rare one by counting; write the share that is just tolerable";
        return Err(Wrong::Condition(fault(compared.limit_at, "a promise needs a limit above zero", Some(help))));
    }
    let against = match promise.catches {
        Caught::Share(_) if compared.is_baseline => {
            return Err(wrong(
                "the condition compares with the control group, and this is a share".to_owned(),
                "write a multiple of what the control group has, like `catches: 3x`",
            ));
        }
        Caught::Multiple(_) if !compared.is_baseline => {
            return Err(wrong(
                "the condition compares with a share, and this is a multiple".to_owned(),
                "write the share that must be caught, like `catches: 5%`",
            ));
        }
        Caught::Share(catches) => {
            if catches >= Decimal::whole(1) {
                return Err(wrong("everything is more than can be caught".to_owned(), "write a share below 100%"));
            }
            Against::share(limit, catches)
        }
        Caught::Multiple(catches) => Against::baseline(limit, catches, counts(true)),
    };
    let Some(against) = against else {
        let message = "what must be caught is no worse than the limit of `when`".to_owned();
        return Err(wrong(message, "write more than the limit: the nearer to it, the longer it takes to be sure"));
    };
    let Some(threshold) = threshold(promise.max, promise.per, policy.every.0, promise.cluster) else {
        return Err(wrong("no such promise can be kept".to_owned(), "write `max` between 0% and 100%"));
    };
    let PromiseDoc { max, per, cluster, .. } = promise;
    Ok(Detector { max: *max, per: *per, cluster: *cluster, threshold, counts: counts(false), against })
}

/// Renumbers the series of a detector.
pub(super) fn renumber(detector: &mut Detector, new: &[usize]) {
    let renumber = |counts: &mut Counts| {
        *counts = Counts { failed: new[counts.failed], total: new[counts.total] };
    };
    renumber(&mut detector.counts);
    if let Against::Baseline { control, .. } = &mut detector.against {
        renumber(control);
    }
}

fn compared(policy: &PolicyDoc, written: &Written) -> Result<Compared, Fault> {
    if let Written::BurnRate(burn) = written {
        let help = "keep one of the two: `over`, or `false_alarms` and `when: \"error_rate > 1%\"`";
        return Err(fault(burn.at, "a burn rate makes no promise", Some(help)));
    }
    let Written::Compare(left, op, right, whole) = written else {
        let mut fault = fault(place(written), "a rule with `false_alarms` compares one metric with one limit", None);
        fault.help =
            Some("write a rule of its own for each; a guard on volume is not needed, since it counts".to_owned());
        return Err(fault);
    };
    let (left, right) = match op {
        Comparison::Greater => (left, right),
        Comparison::Less => (right, left),
        _ => {
            let help = "write `>`: what is exactly at the limit is tolerable";
            return Err(fault(*whole, "a rule with `false_alarms` tells what is above its limit", Some(help)));
        }
    };
    let WrittenTerm::Series { name, baseline: false, factor } = left else {
        let help = "write `error_rate > 2%`, or `error_rate > 1.5 * baseline(error_rate)`";
        return Err(fault(*whole, "a metric of the exposed group is expected to be above something", Some(help)));
    };
    if *factor != Decimal::whole(1) {
        let help = "put the factor to the other side: `error_rate > 1.5 * baseline(error_rate)`";
        return Err(fault(*whole, "the metric has a factor", Some(help)));
    }
    not_countable(policy, name, right, ">")?;
    let metric = SeriesKey::of(name, false);
    match right {
        WrittenTerm::Number(limit, _, at) => Ok(Compared { metric, limit: *limit, limit_at: *at, is_baseline: false }),
        WrittenTerm::Series { name: other, baseline: true, factor } if SeriesKey::of(other, false) == metric => {
            Ok(Compared { metric, limit: *factor, limit_at: *whole, is_baseline: true })
        }
        _ => {
            let help = format!("write a percentage, or a multiple of `baseline({})`", metric.metric);
            Err(fault(*whole, "a rule with `false_alarms` compares with a share or with the same metric", Some(&help)))
        }
    }
}

/// Refuses a metric that has no two counts behind it. `limit` is what stands against it, and `op` between the two.
pub(super) fn not_countable(policy: &PolicyDoc, name: &Name, limit: &WrittenTerm, op: &str) -> Result<(), Fault> {
    match countable(policy, &name.text) {
        Countable::Parts => Ok(()),
        Countable::Quantile(above) => {
            let written = match limit {
                WrittenTerm::Number(bound, ..) => Some(*bound),
                _ => None,
            };
            let help = match (above, written) {
                (Some(above), Some(bound)) => {
                    let bound = bound.times(Decimal::whole(1000));
                    format!("write `slow({bound}ms) {op} {above}%`, which says the same and can be counted")
                }
                _ => "write the share that is slower than a bound: a metric with the form `slow`, and a percentage"
                    .to_owned(),
            };
            Err(fault(name.at, "a quantile cannot be counted", Some(&help)))
        }
        Countable::Raw => {
            let help = "write the metric as `ratio: { of: …, over: … }`, so that both can be counted";
            Err(fault(name.at, "a query of its own cannot be counted", Some(help)))
        }
        Countable::Count => {
            let help = "a share is counted: write the metric as `ratio: { of: …, over: … }`";
            Err(fault(name.at, "this has no whole that it is a part of", Some(help)))
        }
    }
}

pub(super) fn fault(at: (usize, usize), message: &str, help: Option<&str>) -> Fault {
    Fault { start: at.0, end: at.1, message: message.to_owned(), help: help.map(str::to_owned) }
}

/// The bytes from the first comparison or name to the last.
pub(super) fn place(written: &Written) -> (usize, usize) {
    match written {
        Written::Compare(.., at) | Written::BurnRate(BurnRate { at, .. }) => *at,
        Written::Missing(name) => name.at,
        Written::Not(part) => place(part),
        Written::All(parts) | Written::Any(parts) => {
            let places = parts.iter().map(place);
            places.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1))).unwrap_or_default()
        }
    }
}
