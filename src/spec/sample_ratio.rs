//! The check of the split between the groups: what it counts, and the constants for each stage.

use super::documents::{PolicyDoc, SampleRatioDoc};
use super::finding::Finding;
use super::metrics::{self, Countable, countable};
use super::typing::SeriesKey;
use crate::engine::plan::{Arm, Stage};
use crate::engine::split::SampleRatio;
use crate::engine::{Exposure, Percentage, Span};

/// The series that it counts, of the exposed and of the control group.
///
/// # Errors
/// What cannot be counted.
pub(super) fn keys(policy: &PolicyDoc, doc: &SampleRatioDoc) -> Result<[SeriesKey; 2], Box<Finding>> {
    let name = doc.of.as_ref().map_or("requests", |name| name.value.as_str());
    let at = doc.of.as_ref().map_or(&doc.at, |name| &name.at);
    let known = metrics::type_of(policy, name);
    if known.is_none_or(|known| known.arm != Arm::Exposed) || countable(policy, name) != Countable::Count {
        let message = format!(
            "`sample_ratio` counts a metric of both groups, and `{name}` is no `count` of policy `{}`",
            policy.name.value
        );
        let finding = Finding::error("sample-ratio", at, message);
        return Err(Box::new(finding.help("use a preset, which has `requests`, or a metric with the form `count`")));
    }
    let key = |control| SeriesKey { metric: name.to_owned(), bound: None, control, part: None, window: None };
    Ok([key(false), key(true)])
}

/// Whether any stage has a random control group to compare with.
pub(super) fn applies(exposures: impl IntoIterator<Item = Percentage>) -> bool {
    exposures.into_iter().any(|share| share > Percentage::ZERO && share < Percentage::FULL)
}

/// The check, with its constants. `series`: the numbers of its series.
pub(super) fn check(
    policy: &PolicyDoc,
    doc: &SampleRatioDoc,
    every: Span,
    series: (usize, usize),
    stages: &[Stage],
) -> Option<SampleRatio> {
    let exposures: Vec<Exposure> = stages.iter().map(|stage| stage.exposure.clone()).collect();
    let check = SampleRatio::new(doc.within, (doc.max, doc.per), doc.cluster, every, series, &exposures)?;
    Some(SampleRatio { observe: doc.observe || policy.observe, ..check })
}
