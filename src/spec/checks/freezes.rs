//! Freezes by date: their names, and what they freeze.

use std::collections::BTreeMap;

use crate::spec::documents::ProjectDoc;
use crate::spec::finding::Finding;
use crate::spec::index::Index;
use crate::spec::reader::Text;

pub(super) fn check(project: &ProjectDoc, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &Text> = BTreeMap::new();
    for freeze in &project.freezes {
        let name = &freeze.name;
        let first = *seen.entry(&name.value).or_insert(name);
        if !std::ptr::eq(first, name) {
            let help = format!("the other one is at {}", first.at.place());
            let message = format!("there are two freezes `{}`", name.value);
            findings.push(Finding::error("duplicate-name", &name.at, message).help(help));
        }
        if is_taken(&name.value) {
            let message = format!("`freeze-{}` is the name of a freeze that people type", name.value);
            let finding = Finding::error("freeze-name", &name.at, message);
            findings
                .push(finding.help("not `all`, and neither `environment-…` nor `release-…`: a reason must name one"));
        }
        for environment in &freeze.environments {
            let known = || project.environments.iter().map(|known| known.name.value.as_str());
            if !known().any(|known| known == environment.value) {
                let message = format!("there is no environment `{}`", environment.value);
                let finding = Finding::error("unknown-environment", &environment.at, message);
                findings.push(finding.did_you_mean(&environment.value, known()));
            }
        }
        for release in freeze.releases.iter().filter(|name| !index.releases.contains_key(name.value.as_str())) {
            let finding =
                Finding::error("unknown-release", &release.at, format!("there is no release `{}`", release.value));
            findings.push(finding.did_you_mean(&release.value, index.releases.keys().copied()));
        }
    }
}

/// What `flagstaff freeze` names its own, without `freeze-`. Those of a release in an environment have an `@`, which no
/// name has.
fn is_taken(name: &str) -> bool {
    name == "all" || name.starts_with("environment-") || name.starts_with("release-")
}
