//! Where each part of a plan was written.

use std::collections::BTreeMap;

use crate::spec::finding::At;
use crate::spec::index::Parts;

pub(super) fn origins(parts: &Parts<'_, '_>) -> BTreeMap<String, String> {
    let mut origins = BTreeMap::new();
    let mut add = |path: &str, what: String| _ = origins.insert(path.to_owned(), what);
    let Parts { release, environment, template, policy, source, project, .. } = parts;
    add("release", format!("release {} ({})", release.name.value, release.name.at.place()));
    add("flag", release.flag.at.place());
    add("environment", format!("environment {} ({})", environment.name.value, environment.name.at.place()));
    add("template", format!("template {} ({})", template.name.value, template.name.at.place()));
    add("policy", format!("policy {} ({})", policy.name.value, policy.name.at.place()));
    add("sources", format!("source {} ({})", source.name.value, source.name.at.place()));
    add("stickiness", format!("project {} ({})", project.name.value, project.name.at.place()));
    if let Some((_, at)) = &environment.target {
        add("target", at.place());
    }
    if let Some(window) = parts.window() {
        add("windows", window.at.place());
    }
    for (index, after) in parts.after().iter().enumerate() {
        add(&format!("after[{index}]"), after.release.at.place());
    }
    for (index, stage) in template.stages.iter().enumerate() {
        add(&format!("stages[{index}]"), stage.at.place());
    }
    for (index, rule) in policy.safeguards.iter().enumerate() {
        add(&format!("rules[{index}]"), rule.name.at.place());
    }
    if let Some(ratio) = &policy.sample_ratio {
        add("sample_ratio", ratio.at.place());
    }
    for (index, (line, _)) in policy.healthy.iter().enumerate() {
        add(&format!("healthy[{index}]"), line.at.place());
    }
    for (path, at) in [("every", &policy.every.1), ("window", &policy.window.1)] {
        let place = at.as_ref().map_or_else(|| "default".to_owned(), At::place);
        add(path, place);
    }
    let place = policy.settle.as_ref().map(|(_, at)| at.place());
    add("settle", place.unwrap_or_else(|| "default: the longest window plus one scrape".to_owned()));
    origins
}
