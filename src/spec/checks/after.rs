//! What a release waits for: another release that is there, a stage that it has, and no circle.

use std::collections::BTreeMap;

use crate::spec::documents::AfterDoc;
use crate::spec::finding::Finding;
use crate::spec::index::{Index, Parts};
use crate::spec::load::ReleaseRef;
use crate::spec::reader::Text;

/// Whether what a release waits for in an environment can ever come.
pub(super) fn check(parts: &Parts<'_, '_>) -> Vec<Finding> {
    parts.after().iter().filter_map(|after| fault(parts, after)).collect()
}

fn fault(parts: &Parts<'_, '_>, after: &AfterDoc) -> Option<Finding> {
    let Parts { index, project, environment, .. } = parts;
    let AfterDoc { release, environment: named, reached } = after;
    if !index.releases.contains_key(release.value.as_str()) {
        let finding =
            Finding::error("unknown-release", &release.at, format!("there is no release `{}`", release.value));
        return Some(finding.did_you_mean(&release.value, index.releases.keys().copied()));
    }
    let there = named.as_ref().unwrap_or(&environment.name);
    if let Some(named) = named
        && !project.environments.iter().any(|known| known.name.value == named.value)
    {
        let known = project.environments.iter().map(|known| known.name.value.as_str());
        let message = format!("there is no environment `{}`", named.value);
        return Some(Finding::error("unknown-environment", &named.at, message).did_you_mean(&named.value, known));
    }
    if !index.goes_to(&release.value, &there.value) {
        let message = format!("`{}` does not go to {}, so it would be waited for in vain", release.value, there.value);
        let finding = Finding::error("after", named.as_ref().map_or(&release.at, |named| &named.at), message);
        return Some(finding.help("write `environment: …`, or `after` in the entry for an environment where both go"));
    }
    let stage = reached.as_ref()?;
    // what is wrong with the other release is told there
    let other = Parts::find(index, &release.value, &there.value).ok()?;
    let stages = || other.template.stages.iter().map(|stage| stage.name.value.as_str());
    if stages().any(|known| known == stage.value) {
        return None;
    }
    let message =
        format!("template `{}` of `{}` has no stage `{}`", other.template.name.value, release.value, stage.value);
    let finding = Finding::error("unknown-stage", &stage.at, message);
    Some(match stage.value.as_str() {
        "completed" | "complete" => finding.help("write `completed: true`"),
        name => finding.did_you_mean(name, stages()),
    })
}

/// A release in an environment.
type Place<'d> = (&'d str, &'d str);

/// Releases that wait for each other would wait for ever.
pub(super) fn cycles(index: &Index<'_>, releases: &[ReleaseRef], findings: &mut Vec<Finding>) {
    let mut waits: BTreeMap<Place<'_>, Vec<(Place<'_>, &Text)>> = BTreeMap::new();
    for ReleaseRef { release, environments, .. } in releases {
        let Some(found) = index.releases.get(release.as_str()) else { continue };
        for environment in environments {
            let edges = found.doc.after(environment).iter().map(|after| {
                let there = after.environment.as_ref().map_or(environment.as_str(), |there| there.value.as_str());
                ((after.release.value.as_str(), there), &after.release)
            });
            waits.insert((release, environment), edges.collect());
        }
    }
    // each place is gone through once: what has been left is in no circle that has not been told
    let mut seen: BTreeMap<Place<'_>, bool> = BTreeMap::new();
    for start in waits.keys() {
        let mut path: Vec<(Place<'_>, usize)> = Vec::new();
        if !seen.contains_key(start) {
            seen.insert(*start, true);
            path.push((*start, 0));
        }
        while let Some((place, next)) = path.last_mut() {
            let Some((to, text)) = waits.get(place).and_then(|edges| edges.get(*next)) else {
                seen.insert(*place, false);
                path.pop();
                continue;
            };
            *next += 1;
            match seen.get(to) {
                Some(true) => {
                    let circle = path.iter().map(|(place, _)| *place).skip_while(|place| place != to);
                    findings.push(circle_finding(text, &circle.chain([*to]).collect::<Vec<_>>()));
                }
                Some(false) => {}
                None => {
                    seen.insert(*to, true);
                    path.push((*to, 0));
                }
            }
        }
    }
}

fn circle_finding(text: &Text, circle: &[Place<'_>]) -> Finding {
    let names: Vec<String> = circle.iter().map(|(release, environment)| format!("{release}@{environment}")).collect();
    let message = match names.as_slice() {
        [itself, _] => format!("`{itself}` waits for itself"),
        names => format!("these wait for each other, for ever: {}", names.join(" → ")),
    };
    Finding::error("after-circle", &text.at, message).help("one of them must be first")
}
