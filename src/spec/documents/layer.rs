//! What releases take from a layer, and label matchers.

use std::collections::BTreeMap;

use super::calendar::{WindowDoc, windows};
use crate::spec::finding::Finding;
use crate::spec::metrics::is_label;
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::yaml::Node;

/// Names that a release takes from a layer: the project's defaults, an environment, the release, its entry there.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Name of the template.
    pub template: Option<Text>,
    /// Name of the policy.
    pub policy: Option<Text>,
    /// Name of the source.
    pub source: Option<Text>,
    /// Label matchers that are added.
    pub matchers: BTreeMap<String, String>,
    /// When rules may grow. Of several layers the first one that says anything counts alone.
    pub window: Option<WindowDoc>,
}

pub(super) fn layer(reader: &mut Reader<'_, '_>) -> Layer {
    let matchers = reader.get("match").map(|node| label_map(node, reader.findings())).unwrap_or_default();
    Layer {
        template: reader.text("template"),
        policy: reader.text("policy"),
        source: reader.text("source"),
        matchers,
        window: windows(reader),
    }
}

/// A mapping from labels to values.
fn label_map(node: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (label, value) in Reader::new(node, "`match`", findings).entries() {
        let value = read_text(value, findings);
        if check_label(&label, findings)
            && let Some(value) = value
        {
            map.insert(label.value, value.value);
        }
    }
    map
}

pub(super) fn check_label(label: &Text, findings: &mut Vec<Finding>) -> bool {
    let good = is_label(&label.value);
    if !good {
        let finding = Finding::error("label", &label.at, format!("`{}` is no label's name", label.value));
        findings.push(finding.help("letters, digits and underscores, no digit first"));
    }
    good
}
