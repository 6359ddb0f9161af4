//! What a line of `healthy` must prove, and the constants that it is proven with.

use super::condition::{Fault, Written, WrittenLine, WrittenTerm};
use super::documents::PolicyDoc;
use super::promise::{fault, not_countable, place};
use super::typing::{Part, SeriesKey};
use crate::engine::Decimal;
use crate::engine::condition::Comparison;
use crate::engine::detector::Counts;
use crate::engine::proof::Proof;

/// The proof of a line whose condition is typed. Series are numbered by `keys`.
///
/// # Errors
/// What cannot be proven.
pub(super) fn proof(policy: &PolicyDoc, line: &WrittenLine, keys: &mut Vec<SeriesKey>) -> Result<Option<Proof>, Fault> {
    let Some((confidence, at)) = line.confidence else { return Ok(None) };
    let Written::Compare(left, op, right, whole) = &line.condition else {
        let help = "write a line of its own for each: all of them must hold";
        return Err(fault(place(&line.condition), "a proof is about one metric and one limit", Some(help)));
    };
    let (left, right) = match op {
        Comparison::Less => (left, right),
        Comparison::Greater => (right, left),
        _ => {
            let help = "write `<`: that a share is exactly something cannot be proven";
            return Err(fault(*whole, "a proof is that a share is below its limit", Some(help)));
        }
    };
    let (WrittenTerm::Series { name, baseline: false, factor }, WrittenTerm::Number(limit, _, limit_at)) =
        (left, right)
    else {
        let help = "write `error_rate < 1% at 95% confidence`";
        return Err(fault(*whole, "a proof is that a metric of the exposed group is below a percentage", Some(help)));
    };
    if *factor != Decimal::whole(1) {
        return Err(fault(*whole, "the metric has a factor", Some("divide the limit by it, and leave it out")));
    }
    not_countable(policy, name, right, "<")?;
    if *limit <= Decimal::ZERO || *limit >= Decimal::whole(1) {
        let help = "that nothing ever fails cannot be proven; write more than 0% and less than 100%";
        return Err(fault(*limit_at, "no share can be proven to be below this", Some(help)));
    }
    let half = Decimal::new(5, -1);
    if confidence < half || confidence >= Decimal::whole(1) {
        let help = "write from 50% to less than 100%: at 95% one in twenty that are just not healthy is let through";
        return Err(fault(at, "this is no confidence", Some(help)));
    }
    let metric = SeriesKey::of(name, false);
    let mut part = |part| SeriesKey { part: Some(part), ..metric.clone() }.index(keys);
    let counts = Counts { failed: part(Part::Failed), total: part(Part::Total) };
    let proof = Proof::new(*limit, Decimal::whole(1).minus(confidence), counts);
    proof.map(Some).ok_or_else(|| fault(*whole, "this cannot be proven", None))
}

/// Renumbers the series of a proof.
pub(super) fn renumber(proof: &mut Proof, new: &[usize]) {
    proof.counts = Counts { failed: new[proof.counts.failed], total: new[proof.counts.total] };
}
