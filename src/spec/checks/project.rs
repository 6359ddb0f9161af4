//! What the project must satisfy.

use std::collections::BTreeMap;

use super::backend::plain;
use crate::engine::plan::Target;
use crate::spec::documents::{EnvironmentDoc, Layer, ProjectDoc};
use crate::spec::finding::{At, Finding};

/// Whether two environments read the same series, as far as they and the project's defaults say.
pub(in crate::spec) fn read_the_same(project: &ProjectDoc, one: &EnvironmentDoc, other: &EnvironmentDoc) -> bool {
    let source = |layer: &Layer| {
        let name = layer.source.as_ref().or(project.defaults.source.as_ref())?;
        project.sources.iter().find(|source| source.name.value == name.value)
    };
    let same_source = match (source(&one.layer), source(&other.layer)) {
        (Some(ours), Some(theirs)) => ours.address.is_same_place(&theirs.address),
        (None, None) => true,
        _ => false,
    };
    same_source && !apart(&one.layer.matchers, &other.layer.matchers)
}

/// Whether a label has two values.
pub(in crate::spec) fn apart(ours: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>) -> bool {
    ours.iter().any(|(label, value)| theirs.get(label).is_some_and(|other| other != value))
}

pub(super) fn check(project: &ProjectDoc, findings: &mut Vec<Finding>) {
    for (index, environment) in project.environments.iter().enumerate() {
        for other in &project.environments[..index] {
            if let (Some((target, at)), Some((theirs, _))) = (&environment.target, &other.target)
                && plain(target) == plain(theirs)
            {
                findings.push(same(target, at, &other.name.value));
            }
            if read_the_same(project, environment, other) {
                let message = format!("reads the same series as `{}`", other.name.value);
                let finding = Finding::error("same-series", &environment.name.at, message);
                findings.push(finding.help("tell them apart by `match: { env: … }`, or give each its own source"));
            }
        }
    }
    let of_signals = project.signals.iter().flat_map(|signal| &signal.environments);
    let of_notifications = project.notifications.iter().flat_map(|notification| &notification.environments);
    for name in project.default_environments.iter().chain(of_signals).chain(of_notifications) {
        let known = || project.environments.iter().map(|known| known.name.value.as_str());
        if !known().any(|known| known == name.value) {
            let finding =
                Finding::error("unknown-environment", &name.at, format!("there is no environment `{}`", name.value));
            findings.push(finding.did_you_mean(&name.value, known()));
        }
    }
}

fn same(target: &Target, at: &At, other: &str) -> Finding {
    match target {
        Target::Flagd { .. } => Finding::error("same-file", at, format!("is the flag file of `{other}` too"))
            .help("a flag has one state in a file; give each environment its own"),
        Target::Unleash { .. } => Finding::error("same-backend", at, format!("is where `{other}` goes too"))
            .help("a flag has one state in an environment; name another one of the server"),
    }
}
