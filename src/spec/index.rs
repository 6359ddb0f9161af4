//! Documents by their names, and what a release uses in an environment.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::checks::{apart, read_the_same};
use super::documents::{
    AfterDoc, AudienceDoc, Body, Document, EnvironmentDoc, Layer, PolicyDoc, ProjectDoc, ReleaseDoc, SourceDoc,
    TemplateDoc, WindowDoc,
};
use super::finding::{At, Finding, Severity};
use super::reader::Text;

/// A document and where it stands.
pub(super) struct Found<'d, T> {
    pub(super) doc: &'d T,
    pub(super) at: &'d At,
}

impl<T> Clone for Found<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Found<'_, T> {}

type Named<'d, T> = BTreeMap<&'d str, Found<'d, T>>;

/// Documents by their names. Of two with one name the first counts; the second is a finding of its own.
#[derive(Default)]
pub(super) struct Index<'d> {
    pub(super) project: Option<Found<'d, ProjectDoc>>,
    pub(super) releases: Named<'d, ReleaseDoc>,
    pub(super) templates: Named<'d, TemplateDoc>,
    pub(super) policies: Named<'d, PolicyDoc>,
    pub(super) audiences: Named<'d, AudienceDoc>,
}

impl<'d> Index<'d> {
    pub(super) fn new(documents: &'d [Document]) -> Index<'d> {
        let mut index = Index::default();
        for Document { at, body } in documents {
            match body {
                Body::Project(doc) => _ = index.project.get_or_insert(Found { doc, at }),
                Body::Release(doc) => _ = index.releases.entry(&doc.name.value).or_insert(Found { doc, at }),
                Body::Template(doc) => _ = index.templates.entry(&doc.name.value).or_insert(Found { doc, at }),
                Body::Policy(doc) => _ = index.policies.entry(&doc.name.value).or_insert(Found { doc, at }),
                Body::Audience(doc) => _ = index.audiences.entry(&doc.name.value).or_insert(Found { doc, at }),
                Body::Flag(_) => {}
            }
        }
        index
    }

    /// Whether a release goes to an environment.
    pub(super) fn goes_to(&self, release: &str, environment: &str) -> bool {
        let (Some(release), Some(project)) = (self.releases.get(release), self.project) else { return false };
        let project = project.doc;
        let is_it = |name: &Text| name.value == environment;
        if !release.doc.environments.is_empty() {
            return release.doc.environments.iter().any(|entry| is_it(&entry.name));
        }
        match project.default_environments.is_empty() {
            true => project.environments.iter().any(|known| is_it(&known.name)),
            false => project.default_environments.iter().any(is_it),
        }
    }
}

/// What a release uses in an environment.
pub(super) struct Parts<'i, 'd> {
    pub(super) project: &'d ProjectDoc,
    pub(super) release: &'d ReleaseDoc,
    pub(super) environment: &'d EnvironmentDoc,
    pub(super) template: &'d TemplateDoc,
    pub(super) policy: &'d PolicyDoc,
    pub(super) source: &'d SourceDoc,
    pub(super) audiences: &'i Named<'d, AudienceDoc>,
    /// All documents: what the release waits for is among them.
    pub(super) index: &'i Index<'d>,
    /// What is said where, what goes first first.
    pub(super) layers: [&'d Layer; 4],
    /// The documents' places.
    places: Vec<&'d At>,
}

/// What a release says about an environment that it does not name.
static NO_LAYER: LazyLock<Layer> = LazyLock::new(Layer::default);

impl<'i, 'd> Parts<'i, 'd> {
    /// Parts for a policy that no release uses, with whatever else the project has first.
    pub(super) fn of_unused(
        index: &'i Index<'d>,
        policy: Found<'d, PolicyDoc>,
        stand_in: &'d ReleaseDoc,
    ) -> Option<Parts<'i, 'd>> {
        let Found { doc: project, at } = index.project?;
        let environment = project.environments.first()?;
        let template = index.templates.values().next()?;
        Some(Parts {
            project,
            release: stand_in,
            environment,
            template: template.doc,
            policy: policy.doc,
            source: project.sources.first()?,
            audiences: &index.audiences,
            index,
            layers: [&stand_in.layer, &stand_in.layer, &environment.layer, &project.defaults],
            places: vec![at, template.at, policy.at],
        })
    }

    /// Finds what a release uses in an environment.
    pub(super) fn find(index: &'i Index<'d>, release: &str, environment: &str) -> Result<Parts<'i, 'd>, Vec<Finding>> {
        let Some(Found { doc: project, at: project_at }) = index.project else { return Err(Vec::new()) };
        let Some(Found { doc: release, at: release_at }) = index.releases.get(release).copied() else {
            return Err(Vec::new());
        };
        let entry = release.environments.iter().find(|entry| entry.name.value == environment);
        let at = entry.map_or(&release.name.at, |entry| &entry.name.at);
        let known = || project.environments.iter().map(|known| known.name.value.as_str());
        let Some(found) = project.environments.iter().find(|known| known.name.value == environment) else {
            let finding = Finding::error("unknown-environment", at, format!("there is no environment `{environment}`"));
            let mut findings = vec![finding.did_you_mean(environment, known())];
            // what else is wrong with the names that it says itself is told in the same run
            for layer in [entry.map(|entry| &entry.layer), Some(&release.layer)].into_iter().flatten() {
                names(layer, project, index, &mut findings);
            }
            return Err(findings);
        };
        if entry.is_none() && !release.environments.is_empty() {
            let message = format!("`{}` does not go to {environment}", release.name.value);
            let finding = Finding::error("unknown-environment", &release.name.at, message);
            return Err(vec![finding.help("its `environments:` say where it goes")]);
        }
        let entry = entry.map_or(&*NO_LAYER, |entry| &entry.layer);
        let layers = [entry, &release.layer, &found.layer, &project.defaults];
        let mut findings = Vec::new();
        let mut name = |what: &'static str, pick, only| match said(layers, pick, only) {
            Some(name) => Some(name),
            None => {
                let message = format!("says no {what}, and neither do its environment and the project's defaults");
                let finding = Finding::error("no-name", &release.name.at, message);
                findings.push(finding.help(format!("write `{what}: NAME`")));
                None
            }
        };
        let template = name("template", |layer| &layer.template, only(&index.templates, |doc| &doc.name));
        let policy = name("policy", |layer| &layer.policy, only(&index.policies, |doc| &doc.name));
        let only_source = match project.sources.as_slice() {
            [source] => Some(&source.name),
            _ => None,
        };
        let source = name("source", |layer| &layer.source, only_source);
        let template =
            template.and_then(|name| resolved("template", "unknown-template", name, &index.templates, &mut findings));
        let policy = policy.and_then(|name| resolved("policy", "unknown-policy", name, &index.policies, &mut findings));
        let source = source.and_then(|name| {
            let found = project.sources.iter().find(|source| source.name.value == name.value);
            if found.is_none() {
                let known = project.sources.iter().map(|source| source.name.value.as_str());
                findings.push(unknown("source", "unknown-source", name, known));
            }
            found
        });
        let (Some(template), Some(policy), Some(source)) = (template, policy, source) else { return Err(findings) };
        let stages = template.doc.stages.iter().flat_map(|stage| &stage.audiences);
        let audiences = stages.filter_map(|name| index.audiences.get(name.value.as_str())).map(|found| found.at);
        Ok(Parts {
            project,
            release,
            environment: found,
            template: template.doc,
            policy: policy.doc,
            source,
            audiences: &index.audiences,
            index,
            layers,
            places: [project_at, release_at, template.at, policy.at].into_iter().chain(audiences).collect(),
        })
    }

    /// When rules may grow it: what the most specific layer says, alone.
    pub(super) fn window(&self) -> Option<&'d WindowDoc> {
        self.layers.into_iter().find_map(|layer| layer.window.as_ref())
    }

    /// What it waits for here.
    pub(super) fn after(&self) -> &'d [AfterDoc] {
        self.release.after(&self.environment.name.value)
    }

    /// Where the release's series are read in this environment, and which.
    pub(super) fn reads(&self) -> Reads<'d> {
        let mut matchers = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            matchers.extend(layer.matchers.clone());
        }
        Reads { environment: self.environment, source: self.source, matchers }
    }

    /// An environment in which the release reads the same series, though the environments are apart by themselves: then
    /// it is the release that brings them together.
    pub(super) fn reads_the_same_as(&self, others: &[Reads<'d>]) -> Option<Finding> {
        let ours = self.reads();
        let same = |other: &&Reads<'d>| {
            other.source.address.is_same_place(&ours.source.address)
                && !apart(&other.matchers, &ours.matchers)
                && !read_the_same(self.project, other.environment, ours.environment)
        };
        let other = others.iter().find(same)?;
        let (ours, theirs) = (&self.environment.name.value, &other.environment.name.value);
        let message = format!("reads the same series in {ours} and in {theirs}");
        let finding = Finding::error("same-series", &self.release.name.at, message);
        Some(finding.help("evidence of one would count for the other; leave the source to the environments"))
    }

    /// What decides everything that can be wrong with a plan beside its release's own words.
    pub(super) fn kin(&self) -> [&'d str; 4] {
        [&self.environment.name, &self.template.name, &self.policy.name, &self.source.name].map(|name| &*name.value)
    }

    /// The parts, if no error stands in any of their documents. A value that could not be read has been read as its
    /// default: a plan made of it would say something that nobody wrote.
    pub(super) fn sound(self, findings: &[Finding]) -> Result<Sound<'i, 'd>, Vec<Finding>> {
        let stands = |finding: &&Finding| {
            finding.severity == Severity::Error && self.places.iter().any(|place| within(place, &finding.at))
        };
        let errors: Vec<Finding> = findings.iter().filter(stands).cloned().collect();
        if errors.is_empty() { Ok(Sound(self)) } else { Err(errors) }
    }
}

/// Where a release's series are read in an environment, and which.
pub(super) struct Reads<'d> {
    environment: &'d EnvironmentDoc,
    source: &'d SourceDoc,
    matchers: BTreeMap<String, String>,
}

/// Parts of documents without an error: the only ones a plan is resolved of.
pub(super) struct Sound<'i, 'd>(Parts<'i, 'd>);

impl<'i, 'd> Sound<'i, 'd> {
    pub(super) fn parts(&self) -> &Parts<'i, 'd> {
        &self.0
    }
}

fn within(place: &At, at: &At) -> bool {
    Arc::ptr_eq(&place.file, &at.file) && (place.start..=place.end).contains(&at.start)
}

fn said<'d>(layers: [&'d Layer; 4], pick: fn(&Layer) -> &Option<Text>, only: Option<&'d Text>) -> Option<&'d Text> {
    layers.into_iter().find_map(|layer| pick(layer).as_ref()).or(only)
}

/// The one there is needs no name.
fn only<'d, T>(named: &Named<'d, T>, name: fn(&T) -> &Text) -> Option<&'d Text> {
    let mut all = named.values();
    all.next().filter(|_| all.next().is_none()).map(|found| name(found.doc))
}

/// Names that a layer says, and nobody has.
fn names(layer: &Layer, project: &ProjectDoc, index: &Index<'_>, findings: &mut Vec<Finding>) {
    if let Some(name) = &layer.template {
        resolved("template", "unknown-template", name, &index.templates, findings);
    }
    if let Some(name) = &layer.policy {
        resolved("policy", "unknown-policy", name, &index.policies, findings);
    }
    if let Some(name) = &layer.source
        && !project.sources.iter().any(|source| source.name.value == name.value)
    {
        let known = project.sources.iter().map(|source| source.name.value.as_str());
        findings.push(unknown("source", "unknown-source", name, known));
    }
}

fn resolved<'d, T>(
    what: &str,
    code: &'static str,
    name: &Text,
    named: &Named<'d, T>,
    findings: &mut Vec<Finding>,
) -> Option<Found<'d, T>> {
    let found = named.get(name.value.as_str()).copied();
    if found.is_none() {
        findings.push(unknown(what, code, name, named.keys().copied()));
    }
    found
}

fn unknown<'n>(what: &str, code: &'static str, name: &Text, known: impl IntoIterator<Item = &'n str>) -> Finding {
    let finding = Finding::error(code, &name.at, format!("there is no {what} `{}`", name.value));
    finding.did_you_mean(&name.value, known)
}
