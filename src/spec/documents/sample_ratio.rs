//! `sample_ratio` of a policy: how far the split between the groups may be from what was configured.

use super::promise::{cluster, false_alarms};
use crate::engine::{Decimal, Percentage, Span};
use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text};
use crate::spec::yaml::Node;

/// `sample_ratio`
#[derive(Debug, Clone)]
pub struct SampleRatioDoc {
    /// What is counted; `requests` unless written.
    pub of: Option<Text>,
    /// How much more than its part a group may have: more than 0%, less than 100%.
    pub within: Percentage,
    /// The chance of a false alarm within `per`.
    pub max: Decimal,
    /// What `max` is the chance within.
    pub per: Span,
    /// How many requests come together.
    pub cluster: u32,
    /// Whether it is only recorded.
    pub observe: bool,
    /// Where the key stands.
    pub at: At,
}

pub(super) fn sample_ratio(node: &Node, at: At, findings: &mut Vec<Finding>) -> Option<SampleRatioDoc> {
    let mut reader = Reader::new(node, "`sample_ratio`", findings);
    let of = reader.text("of");
    reader.need("within");
    let within = reader.percentage("within").and_then(|(within, at)| {
        let is_tolerance = within > Percentage::ZERO && within < Percentage::FULL;
        if !is_tolerance {
            let finding = Finding::error("sample-ratio", &at, format!("`{within}` is no tolerance"));
            reader.findings().push(finding.help(
                "requests are not users, and never split exactly; write more than 0% and less than 100%, like `within: 20%`",
            ));
        }
        is_tolerance.then_some(within)
    });
    let alarms = reader.need("false_alarms").and_then(|node| false_alarms(node, reader.findings()));
    reader.need("cluster");
    let cluster = cluster(&mut reader, "how many requests one user makes in a while: they all go to the same group");
    let observe = reader.flag("observe").unwrap_or(false);
    reader.finish();
    let (max, per) = alarms?;
    Some(SampleRatioDoc { of, within: within?, max, per, cluster: cluster?, observe, at })
}
