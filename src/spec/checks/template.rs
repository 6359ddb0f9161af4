//! What a template must satisfy.

use std::collections::BTreeSet;

use crate::engine::{Exposure, Percentage};
use crate::spec::documents::TemplateDoc;
use crate::spec::finding::Finding;
use crate::spec::index::Index;

pub(super) fn check(template: &TemplateDoc, index: &Index<'_>, findings: &mut Vec<Finding>) {
    if template.stages.is_empty() {
        findings.push(Finding::error("no-stage", &template.name.at, "has no stage"));
    }
    let mut before = Exposure::nobody();
    let mut names = BTreeSet::new();
    for (number, stage) in template.stages.iter().enumerate() {
        if !names.insert(&stage.name.value) {
            let message = format!("there are two stages `{}`", stage.name.value);
            findings.push(Finding::error("duplicate-name", &stage.name.at, message));
        }
        for audience in stage.audiences.iter().filter(|audience| !index.audiences.contains_key(audience.value.as_str()))
        {
            let message = format!("there is no audience `{}`", audience.value);
            let finding = Finding::error("unknown-audience", &audience.at, message);
            findings.push(finding.did_you_mean(&audience.value, index.audiences.keys().copied()));
        }
        let mut reached = before.clone();
        reached.audiences.extend(stage.audiences.iter().map(|name| name.value.clone()));
        reached.percentage = stage.percentage.as_ref().map_or(reached.percentage, |(percentage, _)| *percentage);
        let shrinks = reached.percentage < before.percentage;
        // after everybody there is nobody left
        if reached == before || shrinks || before.percentage == Percentage::FULL {
            let at = stage.percentage.as_ref().map_or(&stage.name.at, |(_, at)| at);
            let message = format!("does not grow: {reached} after {before}");
            let finding = Finding::error("stage-order", at, message);
            findings.push(finding.help("each stage reaches everybody of the stage before, and more"));
        }
        if number == 0 && reached.percentage == Percentage::FULL && template.full_start.is_none() {
            let at = stage.percentage.as_ref().map_or(&stage.name.at, |(_, at)| at);
            let finding = Finding::error("full-start", at, "the first stage is everybody");
            findings.push(finding.help("begin smaller, or write `allow_full_start: true` and a `reason`"));
        }
        if stage.idle_bakes && stage.samples.is_none() {
            let finding = Finding::error("idle-samples", &stage.name.at, "`idle: bake` needs `samples`");
            findings.push(finding.help("else a stage that nobody used would pass; write `samples: 50`"));
        }
        if let Some((0, _, at)) = &stage.samples {
            let finding = Finding::error("samples", at, "`samples: 0` asks for nothing");
            findings.push(finding.help("a stage that nobody used would pass; ask for one at least"));
        }
        if let (Some((groups, count)), Some(project)) = (&stage.approval, index.project) {
            let members = groups.iter().filter_map(|group| project.doc.people.get(&group.value));
            let people: BTreeSet<&String> = members.flatten().collect();
            // an empty group is a starter's: an error once a release uses the template (`checks::plan`)
            if !people.is_empty() && people.len() < usize::try_from(*count).unwrap_or(usize::MAX) {
                let at = groups.first().map_or(&stage.name.at, |group| &group.at);
                let message = format!("asks for {count} people, and there are {}", people.len());
                findings.push(Finding::error("approval", at, message).help("it could never be left"));
            }
            for group in groups.iter().filter(|group| !project.doc.people.contains_key(&group.value)) {
                let finding =
                    Finding::error("unknown-group", &group.at, format!("there is no group `{}`", group.value));
                findings.push(finding.did_you_mean(&group.value, project.doc.people.keys().map(String::as_str)));
            }
        }
        before = reached;
    }
}
