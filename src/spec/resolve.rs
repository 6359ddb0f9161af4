//! A release in an environment becomes a plan: precedence is entry > release > environment > defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::condition::{self, Fault, Name};
use super::documents::{
    AudienceDoc, Document, EnvironmentDoc, Layer, PolicyDoc, ProjectDoc, ReleaseDoc, SourceDoc, TemplateDoc,
};
use super::finding::Finding;
use super::load::Loaded;
use super::reader::Text;
use super::typing::{self, MetricType, SeriesKey};
use super::{checks, metrics, raw};
use crate::canonical;
use crate::engine::condition::Condition;
use crate::engine::plan::{
    Approval, Arm, Form, HealthLine, LabelTest, Matcher, NoData, Plan, Query, Rule, Samples, Series, SourceAddress,
    Stage,
};
use crate::engine::{Exposure, Percentage, Span};

/// A plan, its name, and where its values came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// SHA-256 of its canonical bytes.
    pub hash: String,
    /// For each part of the plan, where it was written.
    pub origins: BTreeMap<String, String>,
    /// What is probably not meant.
    pub warnings: Vec<Finding>,
}

/// What a release uses in an environment.
pub(super) struct Parts<'d> {
    pub(super) project: &'d ProjectDoc,
    pub(super) release: &'d ReleaseDoc,
    pub(super) environment: &'d EnvironmentDoc,
    pub(super) template: &'d TemplateDoc,
    pub(super) policy: &'d PolicyDoc,
    pub(super) source: &'d SourceDoc,
    pub(super) audiences: BTreeMap<&'d str, &'d AudienceDoc>,
    layers: [&'d Layer; 4],
}

/// Documents by their names. Of two with one name the first counts; the second is a finding of its own.
#[derive(Default)]
pub(super) struct Index<'d> {
    releases: BTreeMap<&'d str, &'d ReleaseDoc>,
    templates: BTreeMap<&'d str, &'d TemplateDoc>,
    policies: BTreeMap<&'d str, &'d PolicyDoc>,
    audiences: BTreeMap<&'d str, &'d AudienceDoc>,
}

impl<'d> Index<'d> {
    pub(super) fn new(documents: &'d [Document]) -> Index<'d> {
        let mut index = Index::default();
        for document in documents {
            match document {
                Document::Release(found) => _ = index.releases.entry(&found.name.value).or_insert(found),
                Document::Template(found) => _ = index.templates.entry(&found.name.value).or_insert(found),
                Document::Policy(found) => _ = index.policies.entry(&found.name.value).or_insert(found),
                Document::Audience(found) => _ = index.audiences.entry(&found.name.value).or_insert(found),
                Document::Project(_) | Document::Flag(_) => {}
            }
        }
        index
    }
}

/// What a release says about an environment that it does not name.
static NO_LAYER: LazyLock<Layer> = LazyLock::new(Layer::default);

/// Resolves a release in an environment.
///
/// # Errors
/// The findings that stand against it.
pub(super) fn resolve(
    loaded: &Loaded,
    index: &Index<'_>,
    release: &str,
    environment: &str,
) -> Result<Resolved, Vec<Finding>> {
    let parts = parts(loaded, index, release, environment)?;
    let mut building = Building { parts: &parts, keys: Vec::new(), findings: Vec::new() };
    let plan = building.plan();
    let mut findings = building.findings;
    // a rule that could not be read is not in the plan: its neighbours would be told of at its place
    let whole = findings.iter().all(|finding| finding.severity != super::Severity::Error);
    if let Some(plan) = plan.as_ref().filter(|_| whole) {
        findings.extend(checks::plan(&parts, plan));
    }
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == super::Severity::Error);
    match plan {
        Some(plan) if errors.is_empty() => {
            let hash = canonical::hash(&plan).map_err(|error| {
                vec![Finding::error("plan", &parts.release.name.at, format!("has no canonical form: {error}"))]
            })?;
            Ok(Resolved { hash, origins: origins(&parts), plan, warnings })
        }
        _ => Err(errors),
    }
}

fn parts<'d>(
    loaded: &'d Loaded,
    index: &Index<'d>,
    release: &str,
    environment: &str,
) -> Result<Parts<'d>, Vec<Finding>> {
    let project = loaded.project().ok_or_else(Vec::new)?;
    let release = *index.releases.get(release).ok_or_else(Vec::new)?;
    let entry = release.environments.iter().find(|(name, _)| name.value == environment);
    let at = entry.map_or(&release.name.at, |(name, _)| &name.at);
    let known = || project.environments.iter().map(|known| known.name.value.as_str());
    let Some(found) = project.environments.iter().find(|known| known.name.value == environment) else {
        let finding = Finding::error("unknown-environment", at, format!("there is no environment `{environment}`"));
        return Err(vec![finding.did_you_mean(environment, known())]);
    };
    if entry.is_none() && !release.environments.is_empty() {
        let message = format!("`{}` does not go to {environment}", release.name.value);
        let finding = Finding::error("unknown-environment", &release.name.at, message);
        return Err(vec![finding.help("its `environments:` say where it goes")]);
    }
    let entry = entry.map_or(&*NO_LAYER, |(_, layer)| layer);
    let layers = [entry, &release.layer, &found.layer, &project.defaults];
    let mut findings = Vec::new();
    let mut named = |what: &'static str, code, pick: fn(&Layer) -> &Option<Text>, known: Vec<&str>| {
        let Some(name) = layers.iter().find_map(|layer| pick(layer).as_ref()) else {
            if let [only] = known.as_slice() {
                return Some((*only).to_owned());
            }
            let message = format!("says no {what}, and neither do its environment and the project's defaults");
            findings.push(Finding::error("no-name", &release.name.at, message).help(format!("write `{what}: NAME`")));
            return None;
        };
        if known.contains(&name.value.as_str()) {
            return Some(name.value.clone());
        }
        let finding = Finding::error(code, &name.at, format!("there is no {what} `{}`", name.value));
        findings.push(finding.did_you_mean(&name.value, known));
        None
    };
    let template =
        named("template", "unknown-template", |layer| &layer.template, index.templates.keys().copied().collect());
    let policy = named("policy", "unknown-policy", |layer| &layer.policy, index.policies.keys().copied().collect());
    let source = named(
        "source",
        "unknown-source",
        |layer| &layer.source,
        project.sources.iter().map(|source| source.name.value.as_str()).collect(),
    );
    let template = template.and_then(|name| index.templates.get(name.as_str()).copied());
    let policy = policy.and_then(|name| index.policies.get(name.as_str()).copied());
    let source = source.and_then(|name| project.sources.iter().find(|source| source.name.value == name));
    match (template, policy, source) {
        (Some(template), Some(policy), Some(source)) => Ok(Parts {
            project,
            release,
            environment: found,
            template,
            policy,
            source,
            audiences: index.audiences.clone(),
            layers,
        }),
        _ => Err(findings),
    }
}

struct Building<'p, 'd> {
    parts: &'p Parts<'d>,
    keys: Vec<SeriesKey>,
    findings: Vec<Finding>,
}

impl Building<'_, '_> {
    /// A release adds to its environment's matchers; it does not leave the environment.
    fn refuse_other_environment(&mut self) {
        let Parts { environment, release, layers, .. } = self.parts;
        for layer in &layers[..2] {
            for (label, value) in &layer.matchers {
                if environment.layer.matchers.get(label).is_some_and(|wanted| wanted != value) {
                    let name = &environment.name.value;
                    let message = format!("`match: {label}` is another one than that of environment `{name}`");
                    let finding = Finding::error("match-conflict", &release.name.at, message);
                    self.findings.push(finding.help("leave the label to the environment"));
                }
            }
        }
    }

    fn plan(&mut self) -> Option<Plan> {
        self.refuse_other_environment();
        let Parts { project, release, environment, template, policy, source, .. } = self.parts;
        let healthy: Vec<(Condition, usize)> = (0..policy.healthy.len())
            .filter_map(|line| self.condition(&policy.healthy[line].0).map(|condition| (condition, line)))
            .collect();
        let rules: Vec<(Condition, usize)> = (0..policy.safeguards.len())
            .filter_map(|rule| self.condition(&policy.safeguards[rule].when).map(|condition| (condition, rule)))
            .collect();
        let samples: Vec<Option<SeriesKey>> = template.stages.iter().map(|stage| self.samples_key(stage)).collect();
        let mut keys = self.keys.clone();
        keys.extend(samples.iter().flatten().cloned());
        keys.sort();
        keys.dedup();
        let place = |key: &SeriesKey| keys.iter().position(|known| known == key).unwrap_or_default();
        let order: Vec<usize> = self.keys.iter().map(place).collect();
        let series: Vec<Series> = keys.iter().filter_map(|key| self.series(key)).collect();
        let (target, _) = environment.target.clone()?;
        if series.len() != keys.len() {
            return None;
        }
        let scrape = scrape_every(&source.address);
        let raw = |series: &Series| match &series.query.form {
            Form::Raw { text } => raw::reach(text),
            _ => Span(0),
        };
        let least = series.iter().map(raw).fold(policy.window.0.max(policy.every.0), Span::max);
        let least = Span(least.0 + scrape.0);
        let settle = policy.settle.as_ref().map_or(least, |(settle, _)| *settle);
        if let Some((_, at)) = policy.settle.as_ref().filter(|(settle, _)| *settle < least) {
            let finding =
                Finding::error("settle", at, format!("is shorter than the longest window plus one scrape, {least}"));
            self.findings.push(finding.help("evidence from before the change would count; leave it out for the least"));
        }
        let stages = self.stages(&samples, &keys);
        let used: BTreeSet<&String> = stages.iter().flat_map(|stage| &stage.exposure.audiences).collect();
        let audiences = used.into_iter().filter_map(|name| {
            self.parts.audiences.get(name.as_str()).map(|audience| (name.clone(), audience.audience.clone()))
        });
        let numbered = |mut condition: Condition| {
            typing::renumber(&mut condition, &order);
            condition
        };
        Some(Plan {
            format: 1,
            release: release.name.value.clone(),
            flag: release.flag.value.clone(),
            environment: environment.name.value.clone(),
            template: template.name.value.clone(),
            policy: policy.name.value.clone(),
            protected: environment.protected,
            full_start_reason: template.full_start.as_ref().map(|reason| reason.value.clone()),
            target,
            stickiness: project.stickiness.clone(),
            audiences: audiences.collect(),
            sources: BTreeMap::from([(source.name.value.clone(), source.address.clone())]),
            every: policy.every.0,
            delay: policy.delay.unwrap_or(scrape),
            settle,
            catch_up: policy.catch_up,
            healthy: healthy
                .into_iter()
                .map(|(condition, line)| HealthLine {
                    text: policy.healthy[line].0.value.clone(),
                    condition: numbered(condition),
                    hold_for: policy.healthy[line].1.as_ref().map(|(span, _)| *span),
                })
                .collect(),
            rules: rules
                .into_iter()
                .map(|(condition, rule)| {
                    let rule = &policy.safeguards[rule];
                    Rule {
                        name: rule.name.value.clone(),
                        text: rule.when.value.clone(),
                        condition: numbered(condition),
                        hold_for: rule.hold_for.as_ref().map(|(span, _)| *span),
                        then: rule.then.clone(),
                    }
                })
                .collect(),
            no_data: policy.no_data.as_ref().map(|(after, then, _)| NoData { after: *after, then: then.clone() }),
            stages,
            series,
        })
    }

    fn condition(&mut self, text: &Text) -> Option<Condition> {
        let policy = self.parts.policy;
        let metric = |name: &Name| -> Result<MetricType, Fault> {
            metrics::type_of(policy, &name.text).ok_or_else(|| {
                let at = crate::spec::finding::At { ..text.at.clone() };
                let suggestion =
                    Finding::error("unknown-metric", &at, "").did_you_mean(&name.text, metrics::names(policy));
                Fault {
                    start: name.at.0,
                    end: name.at.1,
                    message: format!("there is no metric `{}`", name.text),
                    help: suggestion.help,
                }
            })
        };
        let checked = condition::parse(&text.value)
            .map_err(|fault| vec![fault])
            .and_then(|written| typing::check(&written, &metric, &mut self.keys));
        match checked {
            Ok(condition) => Some(condition),
            Err(faults) => {
                for fault in faults {
                    let at = text.at.part(fault.start, fault.end.max(fault.start));
                    let marked = text.value.get(fault.start..fault.end).unwrap_or_default();
                    let mut finding = Finding::error("condition", &at, format!("`{marked}`: {}", fault.message));
                    finding.help = fault.help;
                    self.findings.push(finding);
                }
                None
            }
        }
    }

    fn samples_key(&mut self, stage: &super::documents::StageDoc) -> Option<SeriesKey> {
        let (_, of, at) = stage.samples.as_ref()?;
        let name = of.as_ref().map_or("requests", |name| name.value.as_str());
        let at = of.as_ref().map_or(at, |name| &name.at);
        let found = metrics::type_of(self.parts.policy, name);
        if found.is_none_or(|found| found.unit != crate::engine::plan::Unit::Count || found.arm != Arm::Exposed) {
            let message = format!(
                "`samples` needs a count of the exposed group, and `{name}` is none of policy `{}`",
                self.parts.policy.name.value
            );
            let finding = Finding::error("samples", at, message);
            self.findings.push(finding.help("use a preset, or `samples: { of: METRIC, at_least: 100 }`"));
            return None;
        }
        Some(SeriesKey { metric: name.to_owned(), bound: None, control: false })
    }

    fn series(&mut self, key: &SeriesKey) -> Option<Series> {
        let Parts { release, source, policy, .. } = self.parts;
        let base = key.metric.split('(').next().unwrap_or_default();
        let typed = metrics::type_of(policy, base)?;
        let form = match metrics::form(policy, &SeriesKey { metric: base.to_owned(), ..key.clone() }) {
            Ok(form) => form,
            Err(finding) => {
                self.findings.push(*finding);
                return None;
            }
        };
        let arm = if key.control { Arm::Control } else { typed.arm };
        let mut matchers: BTreeMap<String, LabelTest> = BTreeMap::new();
        for layer in self.parts.layers.iter().rev() {
            matchers
                .extend(layer.matchers.iter().map(|(label, value)| (label.clone(), LabelTest::Equal(value.clone()))));
        }
        match &source.arms {
            Some(arms) if arm != Arm::Service => {
                matchers.insert(arms.flag.clone(), LabelTest::Equal(release.flag.value.clone()));
                let values = if arm == Arm::Control { &arms.control } else { &arms.exposed };
                matchers.insert(arms.variant.clone(), LabelTest::AnyOf(values.clone()));
            }
            None if arm != Arm::Service => {
                let message =
                    format!("source `{}` has no `arms`, so the exposed group cannot be told apart", source.name.value);
                let finding = Finding::error("no-arms", &source.name.at, message);
                self.findings.push(
                    finding.help("write `arms: { flag: LABEL, variant: LABEL }`, or `scope: service` at the metric"),
                );
                return None;
            }
            _ => {}
        }
        Some(Series {
            name: if key.control { format!("baseline({})", key.metric) } else { key.metric.clone() },
            arm,
            unit: typed.unit,
            query: Query {
                source: source.name.value.clone(),
                form,
                matchers: matchers.into_iter().map(|(label, is)| Matcher { label, is }).collect(),
                window: policy.window.0,
                every: policy.every.0,
                flag: release.flag.value.clone(),
                born_later: policy.metrics.iter().any(|metric| metric.name.value == base && metric.born_later),
            },
        })
    }

    fn stages(&mut self, samples: &[Option<SeriesKey>], keys: &[SeriesKey]) -> Vec<Stage> {
        let Parts { template, project, .. } = self.parts;
        let mut reached = Exposure::nobody();
        let mut stages = Vec::new();
        for (stage, key) in template.stages.iter().zip(samples) {
            reached.audiences.extend(stage.audiences.iter().map(|name| name.value.clone()));
            reached.percentage = stage.percentage.as_ref().map_or(reached.percentage, |(percentage, _)| *percentage);
            let mut exposure = reached.clone();
            if exposure.percentage == Percentage::FULL {
                // everybody includes every audience: one way to say one thing
                exposure.audiences.clear();
            }
            let series = key.as_ref().and_then(|key| keys.iter().position(|known| known == key));
            stages.push(Stage {
                name: stage.name.value.clone(),
                exposure,
                bake: stage.bake,
                samples: stage
                    .samples
                    .as_ref()
                    .zip(series)
                    .map(|((at_least, ..), series)| Samples { series, at_least: *at_least }),
                idle_bakes: stage.idle_bakes,
                approval: stage.approval.as_ref().map(|(groups, count)| Approval {
                    groups: groups.iter().map(|group| group.value.clone()).collect(),
                    people: groups
                        .iter()
                        .flat_map(|group| project.people.get(&group.value).cloned().unwrap_or_default())
                        .collect(),
                    count: *count,
                }),
            });
        }
        stages
    }
}

/// How often a source sees new samples.
pub(super) fn scrape_every(address: &SourceAddress) -> Span {
    match address {
        SourceAddress::Prometheus { scrape_every, .. } => *scrape_every,
        SourceAddress::Scrape { every, .. } => *every,
    }
}

fn origins(parts: &Parts<'_>) -> BTreeMap<String, String> {
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
    for (index, stage) in template.stages.iter().enumerate() {
        add(&format!("stages[{index}]"), stage.at.place());
    }
    for (index, rule) in policy.safeguards.iter().enumerate() {
        add(&format!("rules[{index}]"), rule.name.at.place());
    }
    for (index, (line, _)) in policy.healthy.iter().enumerate() {
        add(&format!("healthy[{index}]"), line.at.place());
    }
    for (path, at) in [("every", &policy.every.1), ("window", &policy.window.1)] {
        let place = at.as_ref().map_or_else(|| "default".to_owned(), super::finding::At::place);
        add(path, place);
    }
    let place = policy.settle.as_ref().map(|(_, at)| at.place());
    add("settle", place.unwrap_or_else(|| "default: the longest window plus one scrape".to_owned()));
    origins
}
