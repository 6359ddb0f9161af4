//! What documents must satisfy beyond their shape: within a document, between documents, and of a resolved plan.

use std::collections::BTreeMap;

use super::documents::{Document, FormDoc, PolicyDoc, ProjectDoc, TemplateDoc};
use super::finding::Finding;
use super::load::Loaded;
use super::reader::Text;
use super::resolve::{Parts, scrape_every};
use super::typing;
use crate::engine::plan::{Action, Plan, RollbackStage, Target, Unit};
use crate::engine::{Exposure, Percentage, Span};

/// The codes that [`all`] finds anew each time.
pub const CODES: &[&str] = &["duplicate-name", "same-flag", "same-file", "same-series", "stage-order"];

/// Checks within and between documents.
pub fn all(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    unique_names(loaded, &mut findings);
    for document in &loaded.documents {
        match document {
            Document::Template(template) => check_template(template, loaded, &mut findings),
            Document::Policy(policy) => check_policy(policy, &mut findings),
            _ => {}
        }
    }
    if let Some(project) = loaded.project() {
        check_project(project, &mut findings);
    }
    one_release_per_flag(loaded, &mut findings);
    findings
}

fn name_of(document: &Document) -> (&'static str, &Text) {
    match document {
        Document::Project(doc) => ("Project", &doc.name),
        Document::Audience(doc) => ("Audience", &doc.name),
        Document::Template(doc) => ("ReleaseTemplate", &doc.name),
        Document::Policy(doc) => ("ThresholdPolicy", &doc.name),
        Document::Release(doc) => ("Release", &doc.name),
        Document::Flag(doc) => ("Flag", &doc.name),
    }
}

fn unique_names(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<(&str, &str), &Text> = BTreeMap::new();
    for document in &loaded.documents {
        let (kind, name) = name_of(document);
        // there is one project, whatever its name
        let key = if kind == "Project" { "" } else { name.value.as_str() };
        if let Some(first) = seen.insert((kind, key), name) {
            let message = format!("there are two {kind} documents `{}`", name.value);
            let help = format!("the other one is at {}; names are unique per kind", first.at.place());
            findings.push(Finding::error("duplicate-name", &name.at, message).help(help));
        }
    }
}

fn check_template(template: &TemplateDoc, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let audiences: Vec<&str> = loaded
        .documents
        .iter()
        .filter_map(|document| match document {
            Document::Audience(audience) => Some(audience.name.value.as_str()),
            _ => None,
        })
        .collect();
    if template.stages.is_empty() {
        findings.push(Finding::error("no-stage", &template.name.at, "has no stage"));
    }
    let mut before = Exposure::nobody();
    for (index, stage) in template.stages.iter().enumerate() {
        if template.stages[..index].iter().any(|other| other.name.value == stage.name.value) {
            let message = format!("there are two stages `{}`", stage.name.value);
            findings.push(Finding::error("duplicate-name", &stage.name.at, message));
        }
        for audience in stage.audiences.iter().filter(|audience| !audiences.contains(&audience.value.as_str())) {
            let message = format!("there is no audience `{}`", audience.value);
            let finding = Finding::error("unknown-audience", &audience.at, message);
            findings.push(finding.did_you_mean(&audience.value, audiences.iter().copied()));
        }
        let mut reached = before.clone();
        reached.audiences.extend(stage.audiences.iter().map(|name| name.value.clone()));
        reached.percentage = stage.percentage.as_ref().map_or(reached.percentage, |(percentage, _)| *percentage);
        let shrinks = reached.percentage < before.percentage;
        if reached == before || shrinks {
            let at = stage.percentage.as_ref().map_or(&stage.name.at, |(_, at)| at);
            let message = format!("does not grow: {reached} after {before}");
            let finding = Finding::error("stage-order", at, message);
            findings.push(finding.help("each stage reaches everybody of the stage before, and more"));
        }
        if index == 0 && reached.percentage == Percentage::FULL && template.full_start.is_none() {
            let at = stage.percentage.as_ref().map_or(&stage.name.at, |(_, at)| at);
            let finding = Finding::error("full-start", at, "the first stage is everybody");
            findings.push(finding.help("begin smaller, or write `allow_full_start: true` and a `reason`"));
        }
        if stage.idle_bakes && stage.samples.is_none() {
            let finding = Finding::error("idle-samples", &stage.name.at, "`idle: bake` needs `samples`");
            findings.push(finding.help("else a stage that nobody used would pass; write `samples: 50`"));
        }
        if let (Some((groups, _)), Some(project)) = (&stage.approval, loaded.project()) {
            for group in groups.iter().filter(|group| !project.people.contains_key(&group.value)) {
                let finding =
                    Finding::error("unknown-group", &group.at, format!("there is no group `{}`", group.value));
                findings.push(finding.did_you_mean(&group.value, project.people.keys().map(String::as_str)));
            }
        }
        before = reached;
    }
}

fn check_policy(policy: &PolicyDoc, findings: &mut Vec<Finding>) {
    if policy.every.0.0 == 0 {
        findings.push(Finding::error("every", policy.every.1.as_ref().unwrap_or(&policy.name.at), "`every` is zero"));
    }
    if policy.safeguards.iter().all(|rule| !rule.then.stops()) {
        let finding = Finding::error("no-safeguard", &policy.name.at, "has no safeguard that stops anything");
        findings.push(finding.help("write one with `then: pause`, `rollback` or `shutdown`"));
    }
    if policy.no_data.is_none() {
        let finding =
            Finding::warning("no-data", &policy.name.at, "says nothing about missing data: it holds, for ever");
        findings.push(finding.help("write `no_data: { after: 10m, then: pause }`"));
    }
    let holds = policy.safeguards.iter().filter_map(|rule| rule.hold_for.as_ref());
    for (span, at) in holds.chain(policy.healthy.iter().filter_map(|(_, hold_for)| hold_for.as_ref())) {
        if *span < policy.every.0 {
            let message = format!("`for: {span}` is shorter than `every: {}`", policy.every.0);
            findings.push(Finding::error("short-for", at, message).help("one tick is what a rule without `for` needs"));
        }
    }
    for (index, rule) in policy.safeguards.iter().enumerate() {
        let taken = rule.name.value == "no_data"
            || policy.safeguards[..index].iter().any(|other| other.name.value == rule.name.value);
        if taken {
            let finding = Finding::error("duplicate-name", &rule.name.at, format!("`{}` is taken", rule.name.value));
            findings.push(finding.help("rules are muted and recorded by name"));
        }
    }
    for metric in &policy.metrics {
        if let FormDoc::Query(text, unit) = &metric.form {
            let spaced = text.value.replace(' ', "");
            if !spaced.contains("{{match}}") {
                let finding = Finding::error("raw-query", &text.at, "the query has no `{{ match }}`");
                findings.push(
                    finding.help("it would read other environments and mix both groups; write `metric{ {{ match }} }`"),
                );
            }
            let known = ["ratio", "seconds", "count", "number"];
            if unit.as_ref().is_none_or(|unit| !known.contains(&unit.value.as_str())) {
                let at = unit.as_ref().map_or(&metric.name.at, |unit| &unit.at);
                let finding = Finding::error("unit", at, "a query needs a `unit`");
                findings.push(finding.help("one of ratio, seconds, count, number"));
            }
        }
    }
}

/// A path without its detours.
fn plain(target: &Target) -> Vec<&str> {
    let Target::Flagd { path } = target;
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

fn check_project(project: &ProjectDoc, findings: &mut Vec<Finding>) {
    for (index, environment) in project.environments.iter().enumerate() {
        for other in &project.environments[..index] {
            if let (Some((target, at)), Some((theirs, _))) = (&environment.target, &other.target)
                && plain(target) == plain(theirs)
            {
                let message = format!("is the flag file of `{}` too", other.name.value);
                let finding = Finding::error("same-file", at, message);
                findings.push(finding.help("a flag has one state in a file; give each environment its own"));
            }
            let source = |layer: &super::documents::Layer| {
                layer.source.as_ref().or(project.defaults.source.as_ref()).map(|source| source.value.clone())
            };
            let same_source = source(&environment.layer) == source(&other.layer);
            let (ours, theirs) = (&environment.layer.matchers, &other.layer.matchers);
            let apart = ours.iter().any(|(label, value)| theirs.get(label).is_some_and(|other| other != value));
            if same_source && !apart {
                let message = format!("reads the same series as `{}`", other.name.value);
                let finding = Finding::error("same-series", &environment.name.at, message);
                findings.push(finding.help("tell them apart by `match: { env: … }`, or give each its own source"));
            }
        }
    }
    for name in &project.default_environments {
        let known = || project.environments.iter().map(|known| known.name.value.as_str());
        if !known().any(|known| known == name.value) {
            let finding =
                Finding::error("unknown-environment", &name.at, format!("there is no environment `{}`", name.value));
            findings.push(finding.did_you_mean(&name.value, known()));
        }
    }
}

fn one_release_per_flag(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<(String, String), String> = BTreeMap::new();
    for release in loaded.releases() {
        for environment in release.environments {
            let key = (release.flag.clone(), environment.clone());
            let Some(other) = taken.insert(key, release.release.clone()) else { continue };
            let document = loaded.documents.iter().find_map(|document| match document {
                Document::Release(found) if found.name.value == release.release => Some(found),
                _ => None,
            });
            if let Some(document) = document.filter(|_| other != release.release) {
                let message = format!("flag `{}` in {environment} belongs to release `{other}` already", release.flag);
                findings.push(Finding::error("same-flag", &document.flag.at, message));
            }
        }
    }
}

/// Checks of a release in an environment, once resolved.
pub(super) fn plan(parts: &Parts<'_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policy = parts.policy;
    let unit = |index: usize| plan.series.get(index).map_or(Unit::Plain, |series| series.unit);
    for (rule, written) in plan.rules.iter().zip(&policy.safeguards) {
        if let Some(always) = typing::constant(&rule.condition, &unit) {
            let what = if always { "always" } else { "never" };
            let finding = Finding::error(
                "constant-condition",
                &written.when.at,
                format!("this {what} holds, whatever is measured"),
            );
            findings.push(finding.help("shares lie between 0% and 100%, times and counts are not negative"));
        }
        if let Action::Rollback(RollbackStage::Named(name)) = &rule.then
            && plan.stage_named(name).is_none()
        {
            let message = format!("rolls back to `{name}`, and template `{}` has no such stage", plan.template);
            let finding = Finding::error("unknown-stage", &written.name.at, message);
            findings.push(finding.did_you_mean(name, plan.stages.iter().map(|stage| stage.name.as_str())));
        }
    }
    for (line, (text, _)) in plan.healthy.iter().zip(&policy.healthy) {
        if typing::constant(&line.condition, &unit).is_some() {
            findings.push(Finding::error("constant-condition", &text.at, "this does not depend on what is measured"));
        }
    }
    for (index, stage) in plan.stages.iter().enumerate() {
        let proven = plan
            .healthy
            .iter()
            .any(|line| plan.measures_exposed(&line.condition) && plan.applies(&line.condition, index));
        if !proven {
            let message = format!("no line of `healthy` measures the exposed group at stage `{}`", stage.name);
            let finding = Finding::error("no-evidence", &policy.at, message);
            findings.push(finding.help(
                "a line on `baseline()` does not apply at audiences and at 100%; add one on a metric of its own",
            ));
        }
    }
    let scrape = scrape_every(&parts.source.address);
    let window_at = policy.window.1.as_ref().unwrap_or(&policy.name.at);
    if policy.window.0 < Span(scrape.0.saturating_mul(4)) {
        let message = format!(
            "`window: {}` is less than four scrapes of source `{}` ({scrape} each)",
            policy.window.0, parts.source.name.value
        );
        let finding = Finding::error("short-window", window_at, message);
        findings.push(finding.help("one scrape may be under way and one may fail; two are needed for a rate"));
    }
    if policy.every.0.0 > 0 && policy.every.0 < scrape {
        let message = format!(
            "`every: {}` is shorter than a scrape of source `{}`, {scrape}",
            policy.every.0, parts.source.name.value
        );
        let finding = Finding::error("short-every", policy.every.1.as_ref().unwrap_or(&policy.name.at), message);
        findings.push(finding.help("one sample would be judged several times, as if it were several"));
    }
    if let Target::Flagd { path } = &plan.target
        && (path.starts_with('/') || path.contains(".."))
    {
        let at = parts.environment.target.as_ref().map_or(&parts.environment.name.at, |(_, at)| at);
        findings.push(Finding::warning("outside-path", at, "the flag file lies outside of the project"));
    }
    findings
}
