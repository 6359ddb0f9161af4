//! Burn rates: resolved into comparisons of the same share over two windows, so that nothing but documents knows of them.

use super::condition::{BurnRate, Fault, Measure, Name, Written, WrittenTerm};
use super::documents::{OverDoc, PolicyDoc, SafeguardDoc};
use super::finding::Finding;
use super::metrics::{Countable, countable};
use super::promise::{Wrong, fault};
use crate::engine::condition::Comparison;
use crate::engine::{Decimal, Span};

/// A condition without burn rates, and what became of them, for people.
pub(super) struct Spread {
    pub(super) condition: Written,
    pub(super) meaning: Option<String>,
}

/// The condition of a safeguard with each burn rate as what it means; none where its `over` could not be read.
///
/// # Errors
/// Burn rates that mean nothing, and `over` without one.
pub(super) fn spread(policy: &PolicyDoc, rule: &SafeguardDoc, written: Written) -> Result<Option<Spread>, Wrong> {
    let burns = all(&written);
    let windows = match (&rule.over, burns.first()) {
        (None, None) => return Ok(Some(Spread { condition: written, meaning: None })),
        (Some(OverDoc { at, .. }), None) => {
            let finding = Finding::error("burn-rate", at, "`over` is for a burn rate, and `when` has none");
            let help = "remove it: other conditions are over the policy's `window`; or write \
                        `when: \"burn_rate(error_rate, 99.9%) > 14.4\"`";
            return Err(Wrong::Beside(Box::new(finding.help(help))));
        }
        (None, Some(burn)) => {
            let help =
                "write `over: [1h, 5m]` beside `when`: a long window for how much, a short one for whether it goes on";
            return Err(Wrong::Condition(fault(burn.at, "a burn rate needs its two windows", Some(help))));
        }
        (Some(OverDoc { windows: None, .. }), Some(_)) => return Ok(None),
        (Some(OverDoc { windows: Some(windows), .. }), Some(_)) => windows,
    };
    if let Some(name) = baseline(&written) {
        let help = "write a rule of its own for each: an objective and the control group are two different measures";
        return Err(Wrong::Condition(fault(name.at, "no `baseline()` stands beside a burn rate", Some(help))));
    }
    let mut said = Vec::new();
    for burn in &burns {
        let limit = limit(policy, burn).map_err(Wrong::Condition)?;
        let name = name(&burn.name);
        let percent = limit.times(Decimal::whole(100));
        said.push(format!("{name} over {} and over {} > {percent}%", windows.long.0, windows.short.0));
    }
    let condition = replaced(&written, [windows.long.0, windows.short.0]);
    Ok(Some(Spread { condition, meaning: Some(said.join("; ")) }))
}

/// A burn rate where none can stand: in `healthy`.
pub(super) fn misplaced(burn: &BurnRate) -> Fault {
    let help = "its long window remembers the stage before; in `healthy` write the share of now, like `error_rate < 1%`, \
                and the burn rate as a safeguard, with `over: [1h, 5m]`";
    fault(burn.at, "a burn rate belongs into a safeguard", Some(help))
}

/// The first burn rate of a condition.
pub(super) fn first(written: &Written) -> Option<&BurnRate> {
    all(written).into_iter().next()
}

fn all(written: &Written) -> Vec<&BurnRate> {
    match written {
        Written::BurnRate(burn) => vec![burn],
        Written::Not(part) => all(part),
        Written::All(parts) | Written::Any(parts) => parts.iter().flat_map(all).collect(),
        Written::Compare(..) | Written::Missing(_) => Vec::new(),
    }
}

fn baseline(written: &Written) -> Option<&Name> {
    let of = |term| match term {
        &WrittenTerm::Series { ref name, baseline: true, .. } => Some(name),
        _ => None,
    };
    match written {
        Written::Compare(left, _, right, _) => of(left).or_else(|| of(right)),
        Written::Not(part) => baseline(part),
        Written::All(parts) | Written::Any(parts) => parts.iter().find_map(baseline),
        Written::Missing(_) | Written::BurnRate(_) => None,
    }
}

/// The share above which it burns too fast.
fn limit(policy: &PolicyDoc, burn: &BurnRate) -> Result<Decimal, Fault> {
    let BurnRate { name, objective: (objective, objective_at), times: (times, times_at), at } = burn;
    share(policy, name)?;
    let one = Decimal::whole(1);
    if *objective >= one {
        let help = "nothing may ever fail at 100%, so there is nothing to burn; write less, like `99.9%`";
        return Err(fault(*objective_at, "an objective of 100% or more leaves no budget", Some(help)));
    }
    if *objective <= Decimal::ZERO {
        let help = "everything may fail at 0%; write the share that is to succeed, like `99.9%`";
        return Err(fault(*objective_at, "an objective of 0% is none", Some(help)));
    }
    if *times <= Decimal::ZERO {
        return Err(fault(*times_at, "a burn rate is more than zero", Some("14.4 and 6 are usual")));
    }
    let limit = raised(burn);
    if limit >= one {
        let percent = |share: Decimal| share.times(Decimal::whole(100));
        let (budget, limit) = (percent(one.minus(*objective)), percent(limit));
        let help =
            format!("{times} times the {budget}% that may fail is {limit}%, and no share is above 100%: write less");
        return Err(fault(*at, "this can never be reached", Some(&help)));
    }
    Ok(limit)
}

fn raised(burn: &BurnRate) -> Decimal {
    burn.times.0.times(Decimal::whole(1).minus(burn.objective.0))
}

/// Refuses what has no share of failures over a window of our own.
fn share(policy: &PolicyDoc, name: &Name) -> Result<(), Fault> {
    let (message, help) = match countable(policy, &name.text) {
        Countable::Parts => return Ok(()),
        Countable::Quantile(_) => {
            ("a quantile is no share that burns", "write the share that is slower than a bound: `slow(800ms)`")
        }
        Countable::Raw => (
            "the windows of a query stand in its own text",
            "write the metric as `ratio: { of: …, over: … }`, so that it can be asked over both",
        ),
        Countable::Count => ("a count is no share that burns", "write the metric as `ratio: { of: …, over: … }`"),
    };
    Err(fault(name.at, message, Some(help)))
}

fn name(name: &Name) -> String {
    let bound = name.bound.as_ref().map(|(_, written)| format!("({written})"));
    format!("{}{}", name.text, bound.unwrap_or_default())
}

/// The condition with each burn rate as both of its comparisons.
fn replaced(written: &Written, windows: [Span; 2]) -> Written {
    let parts = |parts: &[Written]| parts.iter().map(|part| replaced(part, windows)).collect();
    match written {
        Written::BurnRate(burn) => {
            let over = |window| {
                let name = Name { window: Some(window), ..burn.name.clone() };
                let share = WrittenTerm::Series { name, baseline: false, factor: Decimal::whole(1) };
                let limit = WrittenTerm::Number(raised(burn), Measure::Percent, burn.times.1);
                Written::Compare(share, Comparison::Greater, limit, burn.at)
            };
            Written::All(windows.into_iter().map(over).collect())
        }
        Written::All(all) => Written::All(parts(all)),
        Written::Any(any) => Written::Any(parts(any)),
        Written::Not(part) => Written::Not(Box::new(replaced(part, windows))),
        other => other.clone(),
    }
}
