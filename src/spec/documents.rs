//! The kinds of document, each read from its mapping with every structural finding in one go.

use std::collections::BTreeMap;

use super::finding::{At, Finding};
use super::metrics::is_label;
use super::reader::{Reader, Text, read_text, read_texts};
use super::url::without_user;
use super::yaml::{Kind, Node};
use crate::engine::plan::{Action, AttributeTest, Audience, Constraint, RollbackStage, SourceAddress, Target};
use crate::engine::{Percentage, Span};

/// The version of the documents.
pub const API_VERSION: &str = "flagstaff/v1";
/// The kinds that are known.
pub const KINDS: &[&str] = &["Project", "Audience", "ReleaseTemplate", "ThresholdPolicy", "Release", "Flag"];

/// A document of any kind.
#[derive(Debug, Clone)]
pub enum Document {
    /// Where things live.
    Project(Box<ProjectDoc>),
    /// A named set of people.
    Audience(AudienceDoc),
    /// The ordered stages.
    Template(TemplateDoc),
    /// Metrics, health and safeguards.
    Policy(Box<PolicyDoc>),
    /// A flag on its way.
    Release(Box<ReleaseDoc>),
    /// A flag declared apart.
    Flag(FlagDoc),
}

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
}

/// `kind: Project`
#[derive(Debug, Clone)]
pub struct ProjectDoc {
    /// Its name.
    pub name: Text,
    /// The journal's file, relative to the project.
    pub journal: String,
    /// Extra files.
    pub include: Vec<Text>,
    /// The attribute users are kept together by.
    pub stickiness: String,
    /// Sources.
    pub sources: Vec<SourceDoc>,
    /// Environments in the order of promotion.
    pub environments: Vec<EnvironmentDoc>,
    /// What releases take where they say nothing.
    pub defaults: Layer,
    /// The environments of a release that names none.
    pub default_environments: Vec<Text>,
    /// Groups of people.
    pub people: BTreeMap<String, Vec<String>>,
}

/// A source.
#[derive(Debug, Clone)]
pub struct SourceDoc {
    /// Its name.
    pub name: Text,
    /// Where it answers.
    pub address: SourceAddress,
    /// A file with a bearer token.
    pub token_file: Option<String>,
    /// An environment variable with one.
    pub token_env: Option<String>,
    /// The labels that tell the groups apart.
    pub arms: Option<Arms>,
}

/// The labels that tell the exposed from the control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arms {
    /// The label with the flag's key.
    pub flag: String,
    /// The label with the variant.
    pub variant: String,
    /// Its values for people who get the feature.
    pub exposed: Vec<String>,
    /// Its values for those who do not.
    pub control: Vec<String>,
}

/// An environment.
#[derive(Debug, Clone)]
pub struct EnvironmentDoc {
    /// Its name.
    pub name: Text,
    /// Its flags.
    pub target: Option<(Target, At)>,
    /// Whether growth asks for the flag's key and a reason.
    pub protected: bool,
    /// What releases take here.
    pub layer: Layer,
}

/// `kind: Audience`
#[derive(Debug, Clone)]
pub struct AudienceDoc {
    /// Its name.
    pub name: Text,
    /// Its definition.
    pub audience: Audience,
}

/// `kind: ReleaseTemplate`
#[derive(Debug, Clone)]
pub struct TemplateDoc {
    /// Its name.
    pub name: Text,
    /// Its stages.
    pub stages: Vec<StageDoc>,
    /// Whether the first stage may be everybody, and why.
    pub full_start: Option<Text>,
}

/// A stage of a template.
#[derive(Debug, Clone)]
pub struct StageDoc {
    /// The whole mapping.
    pub at: At,
    /// Its name.
    pub name: Text,
    /// What it adds.
    pub audiences: Vec<Text>,
    /// What it sets.
    pub percentage: Option<(Percentage, At)>,
    /// How long it bakes.
    pub bake: Span,
    /// How much it measures, of which metric.
    pub samples: Option<(u64, Option<Text>, At)>,
    /// Whether idle ticks earn.
    pub idle_bakes: bool,
    /// Who approves, and how many.
    pub approval: Option<(Vec<Text>, u32)>,
}

/// `kind: ThresholdPolicy`
#[derive(Debug, Clone)]
pub struct PolicyDoc {
    /// Its name.
    pub name: Text,
    /// Distance of ticks.
    pub every: (Span, Option<At>),
    /// The sliding window.
    pub window: (Span, Option<At>),
    /// How long after a tick it is asked.
    pub delay: Option<Span>,
    /// How long evidence does not count after a change.
    pub settle: Option<(Span, At)>,
    /// How far back missed ticks are read.
    pub catch_up: Span,
    /// The conventional HTTP histogram.
    pub preset: Option<Preset>,
    /// Metrics of one's own.
    pub metrics: Vec<MetricDoc>,
    /// What healthy means.
    pub healthy: Vec<(Text, Option<(Span, At)>)>,
    /// The safeguards.
    pub safeguards: Vec<SafeguardDoc>,
    /// What happens without evidence.
    pub no_data: Option<(Span, Action, At)>,
    /// Where `spec` stands.
    pub at: At,
}

/// The conventional HTTP metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The histogram of durations, without `_bucket`.
    pub duration: String,
    /// The matchers of failed requests, as in a selector's braces.
    pub failed: Text,
}

/// A metric of one's own.
#[derive(Debug, Clone)]
pub struct MetricDoc {
    /// Its name.
    pub name: Text,
    /// Its form.
    pub form: FormDoc,
    /// Whether it is measured on the whole service.
    pub service: bool,
    /// Whether what is counted may not exist before its first event.
    pub born_later: bool,
}

/// A form as written; selectors are still texts.
#[derive(Debug, Clone)]
pub enum FormDoc {
    /// `ratio: { of, over }`
    Ratio(Text, Text),
    /// `count: selector`
    Count(Text),
    /// `quantile: { q, of }`
    Quantile(Text, Text),
    /// `slow: { bound, of }`
    Slow(Span, Text),
    /// `query`, with its unit
    Query(Text, Option<Text>),
}

/// A safeguard.
#[derive(Debug, Clone)]
pub struct SafeguardDoc {
    /// Its name.
    pub name: Text,
    /// Its condition.
    pub when: Text,
    /// How long it must hold.
    pub hold_for: Option<(Span, At)>,
    /// What it asks for.
    pub then: Action,
}

/// `kind: Release`
#[derive(Debug, Clone)]
pub struct ReleaseDoc {
    /// Its name.
    pub name: Text,
    /// The flag's key.
    pub flag: Text,
    /// What it says for all environments.
    pub layer: Layer,
    /// Where it goes, and what it says there.
    pub environments: Vec<(Text, Layer)>,
}

/// `kind: Flag`
#[derive(Debug, Clone)]
pub struct FlagDoc {
    /// Its name.
    pub name: Text,
    /// Its key.
    pub key: Text,
    /// What it is for.
    pub description: Option<Text>,
    /// Who answers for it.
    pub owner: Option<Text>,
}

/// Reads one document.
pub fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Document> {
    // an empty document, as behind a trailing `---`, is none
    if matches!(&node.kind, Kind::Scalar { quoted: false, .. }) && node.at.marked().is_empty() {
        return None;
    }
    let mut top = Reader::new(node, "a document", findings);
    let version = top.need_text("apiVersion");
    let kind = top.need_text("kind");
    let metadata = top.need("metadata");
    let spec = top.get("spec");
    let at = top.at().clone();
    top.finish();
    let (version, kind) = (version?, kind?);
    if version.value != API_VERSION {
        let finding = Finding::error("api-version", &version.at, format!("`{}` is not `{API_VERSION}`", version.value));
        findings.push(finding.help(
            "documents of other tools do not belong into flagstaff's files; a newer version needs a newer flagstaff",
        ));
        return None;
    }
    if !KINDS.contains(&kind.value.as_str()) {
        let finding = Finding::error("unknown-kind", &kind.at, format!("there is no kind `{}`", kind.value));
        findings.push(finding.did_you_mean(&kind.value, KINDS.iter().copied()));
        return None;
    }
    let mut metadata = Reader::new(metadata?, "`metadata`", findings);
    let name = metadata.need_text("name");
    if let Some(labels) = metadata.get("labels") {
        text_map(labels, metadata.findings());
    }
    metadata.finish();
    let name = name?;
    let empty = Node { at: at.part(0, 0), kind: Kind::Map(Vec::new()) };
    let mut spec = Reader::new(spec.unwrap_or(&empty), "`spec`", findings);
    let document = match kind.value.as_str() {
        "Project" => Document::Project(Box::new(project(name, &mut spec))),
        "Audience" => Document::Audience(AudienceDoc { name, audience: audience(&mut spec) }),
        "ReleaseTemplate" => Document::Template(template(name, &mut spec)),
        "ThresholdPolicy" => Document::Policy(Box::new(policy(name, &mut spec))),
        "Release" => Document::Release(Box::new(release(name, &mut spec))),
        _ => Document::Flag(FlagDoc {
            key: spec.text("key").unwrap_or_else(|| name.clone()),
            description: spec.text("description"),
            owner: spec.text("owner"),
            name: {
                for key in ["type", "expected_lifetime", "project"] {
                    let _ = spec.text(key);
                }
                name
            },
        }),
    };
    spec.finish();
    Some(document)
}

fn text_map(node: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (key, value) in Reader::new(node, "this", findings).entries() {
        if let Some(text) = read_text(value, findings) {
            map.insert(key.value, text.value);
        }
    }
    map
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

fn check_label(label: &Text, findings: &mut Vec<Finding>) -> bool {
    let good = is_label(&label.value);
    if !good {
        let finding = Finding::error("label", &label.at, format!("`{}` is no label's name", label.value));
        findings.push(finding.help("letters, digits and underscores, no digit first"));
    }
    good
}

fn layer(reader: &mut Reader<'_, '_>) -> Layer {
    let matchers = reader.get("match").map(|node| label_map(node, reader.findings())).unwrap_or_default();
    Layer { template: reader.text("template"), policy: reader.text("policy"), source: reader.text("source"), matchers }
}

fn project(name: Text, spec: &mut Reader<'_, '_>) -> ProjectDoc {
    let mut journal = ".flagstaff/journal.db".to_owned();
    if let Some(node) = spec.get("journal") {
        let mut reader = Reader::new(node, "`journal`", spec.findings());
        if let Some(path) = reader.text("sqlite") {
            journal = path.value;
        }
        reader.later(&["postgres"]);
        reader.finish();
    }
    let mut sources = Vec::new();
    if let Some(node) = spec.get("sources") {
        for (name, node) in Reader::new(node, "`sources`", spec.findings()).entries() {
            sources.extend(source(name, node, spec.findings()));
        }
    }
    let mut environments = Vec::new();
    if let Some(node) = spec.need("environments") {
        for (name, node) in Reader::new(node, "`environments`", spec.findings()).entries() {
            environments.push(environment(name, node, spec.findings()));
        }
    }
    let (mut defaults, mut default_environments) = (Layer::default(), Vec::new());
    if let Some(node) = spec.get("defaults") {
        let mut reader = Reader::new(node, "`defaults`", spec.findings());
        defaults = layer(&mut reader);
        default_environments = reader.texts("environments").unwrap_or_default();
        reader.finish();
    }
    let mut people = BTreeMap::new();
    if let Some(node) = spec.get("people") {
        for (group, node) in Reader::new(node, "`people`", spec.findings()).entries() {
            let names = read_texts(node, spec.findings());
            people.insert(group.value, names.into_iter().map(|name| name.value).collect());
        }
    }
    ProjectDoc {
        name,
        journal,
        include: spec.texts("include").unwrap_or_default(),
        stickiness: spec.text("stickiness").map_or_else(|| "targetingKey".to_owned(), |text| text.value),
        sources,
        environments,
        defaults,
        default_environments,
        people,
    }
}

fn source(name: Text, node: &Node, findings: &mut Vec<Finding>) -> Option<SourceDoc> {
    let mut reader = Reader::new(node, "a source", findings);
    let (mut address, mut token_file, mut token_env) = (None, None, None);
    if let Some(node) = reader.get("prometheus") {
        let mut inner = Reader::new(node, "`prometheus`", reader.findings());
        let url = inner.need_text("url");
        let scrape_every = inner.span("scrape_every").map_or(Span::seconds(15), |(span, _)| span);
        token_file = inner.text("token_file").map(|text| text.value);
        token_env = inner.text("token_env").map(|text| text.value);
        inner.finish();
        let url = url.map(|url| {
            without_user(url, "write `token_file: PATH` or `token_env: NAME` beside `url`", reader.findings())
        });
        address = url.map(|url| SourceAddress::Prometheus { url: url.value, scrape_every });
    } else if let Some(node) = reader.get("scrape") {
        let mut inner = Reader::new(node, "`scrape`", reader.findings());
        let targets = inner.texts("targets").unwrap_or_default();
        let every = inner.span("every").map_or(Span::seconds(15), |(span, _)| span);
        inner.finish();
        let instead = "name a page that needs no password, or read it through `prometheus` with a `token_file`";
        let plain = |target| without_user(target, instead, reader.findings()).value;
        let targets = targets.into_iter().map(plain).collect();
        address = Some(SourceAddress::Scrape { targets, every });
    } else {
        let at = reader.at().clone();
        let finding = Finding::error("missing-key", &at.part(0, 1), "a source is `prometheus` or `scrape`");
        reader.findings().push(finding);
    }
    let mut arms = None;
    if let Some(node) = reader.get("arms") {
        let mut inner = Reader::new(node, "`arms`", reader.findings());
        let mut label = |key| inner.need_text(key).filter(|label| check_label(label, inner.findings()));
        let (flag, variant) = (label("flag"), label("variant"));
        let values = |texts: Option<Vec<Text>>, default: [&str; 3]| match texts {
            Some(texts) => texts.into_iter().map(|text| text.value).collect(),
            None => default.iter().map(|value| (*value).to_owned()).collect(),
        };
        let exposed = values(inner.texts("exposed"), ["on", "enabled", "true"]);
        let control = values(inner.texts("control"), ["off", "disabled", "false"]);
        inner.finish();
        if let (Some(flag), Some(variant)) = (flag, variant) {
            arms = Some(Arms { flag: flag.value, variant: variant.value, exposed, control });
        }
    }
    reader.finish();
    Some(SourceDoc { name, address: address?, token_file, token_env, arms })
}

fn environment(name: Text, node: &Node, findings: &mut Vec<Finding>) -> EnvironmentDoc {
    let mut reader = Reader::new(node, "an environment", findings);
    let mut target = None;
    if let Some(node) = reader.need("backend") {
        let mut backend = Reader::new(node, "`backend`", reader.findings());
        if let Some(node) = backend.get("flagd") {
            let mut inner = Reader::new(node, "`flagd`", backend.findings());
            target = inner.need_text("path").map(|path| (Target::Flagd { path: path.value }, path.at));
            inner.finish();
        }
        backend.later(&["unleash"]);
        backend.finish();
    }
    let protected = reader.flag("protected").unwrap_or(false);
    let layer = layer(&mut reader);
    reader.finish();
    EnvironmentDoc { name, target, protected, layer }
}

fn audience(spec: &mut Reader<'_, '_>) -> Audience {
    spec.need("any");
    let mut any = Vec::new();
    for node in spec.list("any").unwrap_or_default() {
        let mut reader = Reader::new(node, "a constraint", spec.findings());
        let attribute = reader.need_text("attribute");
        let values = reader.texts("in").map(|texts| AttributeTest::In(texts.into_iter().map(|t| t.value).collect()));
        let ends = reader.text("ends_with").map(|text| AttributeTest::EndsWith(text.value));
        let starts = reader.text("starts_with").map(|text| AttributeTest::StartsWith(text.value));
        let contains = reader.text("contains").map(|text| AttributeTest::Contains(text.value));
        let mut tests: Vec<AttributeTest> = [values, ends, starts, contains].into_iter().flatten().collect();
        if tests.len() != 1 {
            let at = reader.at().clone();
            let message = "a constraint has one of `in`, `ends_with`, `starts_with`, `contains`";
            reader.findings().push(Finding::error("shape", &at, message));
        }
        reader.finish();
        if let (Some(attribute), Some(is)) = (attribute, tests.pop()) {
            any.push(Constraint { attribute: attribute.value, is });
        }
    }
    Audience { any }
}

fn template(name: Text, spec: &mut Reader<'_, '_>) -> TemplateDoc {
    spec.need("stages");
    let mut stages = Vec::new();
    for node in spec.list("stages").unwrap_or_default() {
        stages.extend(stage(node, spec.findings()));
    }
    let allowed = spec.flag("allow_full_start").unwrap_or(false);
    let reason = spec.text("reason");
    TemplateDoc { name, stages, full_start: reason.filter(|_| allowed) }
}

fn stage(node: &Node, findings: &mut Vec<Finding>) -> Option<StageDoc> {
    let mut reader = Reader::new(node, "a stage", findings);
    let name = reader.need_text("name");
    let audiences = reader.texts("audiences").unwrap_or_default();
    let percentage = reader.percentage("percentage");
    let bake = reader.span("bake").map_or(Span(0), |(span, _)| span);
    let mut samples = None;
    if let Some(node) = reader.get("samples") {
        if let Kind::Map(_) = node.kind {
            let mut inner = Reader::new(node, "`samples`", reader.findings());
            let of = inner.text("of");
            let at_least = inner.number("at_least");
            inner.finish();
            samples = at_least.map(|(number, at)| (number, of, at));
        } else {
            samples = reader.number("samples").map(|(number, at)| (number, None, at));
        }
    }
    let mut idle_bakes = false;
    if let Some(idle) = reader.text("idle") {
        idle_bakes = idle.value == "bake";
        if !["bake", "hold"].contains(&idle.value.as_str()) {
            let finding = Finding::error("idle", &idle.at, format!("`{}` is neither `bake` nor `hold`", idle.value));
            reader.findings().push(finding);
        }
    }
    let mut approval = None;
    if let Some(node) = reader.get("approval") {
        let mut inner = Reader::new(node, "`approval`", reader.findings());
        let from = inner.texts("from").unwrap_or_default();
        let count = inner.number("count").map_or(1, |(count, _)| u32::try_from(count).unwrap_or(u32::MAX));
        inner.finish();
        approval = Some((from, count.max(1)));
    }
    reader.later(&["window", "after"]);
    let at = reader.at().clone();
    reader.finish();
    Some(StageDoc { at, name: name?, audiences, percentage, bake, samples, idle_bakes, approval })
}

fn policy(name: Text, spec: &mut Reader<'_, '_>) -> PolicyDoc {
    let timed = |found: Option<(Span, At)>, default| found.map_or((default, None), |(span, at)| (span, Some(at)));
    let every = timed(spec.span("every"), Span::seconds(30));
    let window = timed(spec.span("window"), Span::minutes(5));
    let delay = spec.span("delay").map(|(span, _)| span);
    let settle = spec.span("settle");
    let catch_up = spec.span("catch_up").map_or(Span::hours(24 * 7), |(span, _)| span);
    let preset = spec.get("presets").and_then(|node| preset(node, spec.findings()));
    let mut metrics = Vec::new();
    if let Some(node) = spec.get("metrics") {
        for (name, node) in Reader::new(node, "`metrics`", spec.findings()).entries() {
            metrics.extend(metric(name, node, spec.findings()));
        }
    }
    spec.need("healthy");
    let mut healthy = Vec::new();
    for node in spec.list("healthy").unwrap_or_default() {
        if let Kind::Map(_) = node.kind {
            let mut line = Reader::new(node, "a line of `healthy`", spec.findings());
            let (when, hold_for) = (line.need_text("when"), line.span("for"));
            line.finish();
            healthy.extend(when.map(|when| (when, hold_for)));
        } else {
            healthy.extend(read_text(node, spec.findings()).map(|text| (text, None)));
        }
    }
    let mut safeguards = Vec::new();
    for node in spec.list("safeguards").unwrap_or_default() {
        safeguards.extend(safeguard(node, spec.findings()));
    }
    let mut no_data = None;
    if let Some(node) = spec.get("no_data") {
        let mut reader = Reader::new(node, "`no_data`", spec.findings());
        reader.need("after");
        let after = reader.span("after");
        let then = action(&mut reader);
        let at = reader.at().clone();
        reader.finish();
        no_data = after.zip(then).map(|((after, _), then)| (after, then, at));
    }
    spec.later(&["observe"]);
    let at = spec.key_at("healthy").unwrap_or_else(|| spec.at().part(0, 0));
    PolicyDoc { name, every, window, delay, settle, catch_up, preset, metrics, healthy, safeguards, no_data, at }
}

fn preset(node: &Node, findings: &mut Vec<Finding>) -> Option<Preset> {
    let mut reader = Reader::new(node, "`presets`", findings);
    let http = reader.need("http")?;
    reader.finish();
    if let Kind::Map(_) = http.kind {
        let mut inner = Reader::new(http, "`http`", findings);
        let (duration, failed) = (inner.need_text("duration"), inner.need_text("failed"));
        inner.finish();
        return Some(Preset { duration: duration?.value, failed: failed? });
    }
    let name = read_text(http, findings)?;
    let (duration, failed) = match name.value.as_str() {
        "otel" => ("http_server_request_duration_seconds", r#"http_response_status_code=~"5..""#),
        "prometheus" => ("http_request_duration_seconds", r#"code=~"5..""#),
        other => {
            let finding = Finding::error("unknown-preset", &name.at, format!("there is no preset `{other}`"));
            findings.push(finding.did_you_mean(other, ["otel", "prometheus"]));
            return None;
        }
    };
    Some(Preset { duration: duration.to_owned(), failed: Text { value: failed.to_owned(), at: name.at } })
}

fn metric(name: Text, node: &Node, findings: &mut Vec<Finding>) -> Option<MetricDoc> {
    let mut reader = Reader::new(node, "a metric", findings);
    let service = match reader.text("scope") {
        Some(scope) if scope.value != "service" => {
            let finding = Finding::error("scope", &scope.at, format!("`{}` is no scope", scope.value));
            reader.findings().push(finding.help("the only scope that is written is `service`"));
            false
        }
        scope => scope.is_some(),
    };
    let born_later = reader.flag("born_later").unwrap_or(false);
    let mut form = None;
    if let Some(node) = reader.get("ratio") {
        let mut inner = Reader::new(node, "`ratio`", reader.findings());
        form = inner.need_text("of").zip(inner.need_text("over")).map(|(of, over)| FormDoc::Ratio(of, over));
        inner.finish();
    } else if let Some(of) = reader.text("count") {
        form = Some(FormDoc::Count(of));
    } else if let Some(node) = reader.get("quantile") {
        let mut inner = Reader::new(node, "`quantile`", reader.findings());
        form = inner.need_text("q").zip(inner.need_text("of")).map(|(q, of)| FormDoc::Quantile(q, of));
        inner.finish();
    } else if let Some(node) = reader.get("slow") {
        let mut inner = Reader::new(node, "`slow`", reader.findings());
        inner.need("bound");
        form = inner.span("bound").zip(inner.need_text("of")).map(|((bound, _), of)| FormDoc::Slow(bound, of));
        inner.finish();
    } else if let Some(query) = reader.text("query") {
        form = Some(FormDoc::Query(query, reader.text("unit")));
    } else {
        let at = name.at.clone();
        let message = "a metric has one of `ratio`, `count`, `quantile`, `slow`, `query`";
        reader.findings().push(Finding::error("missing-key", &at, message));
    }
    reader.finish();
    Some(MetricDoc { name, form: form?, service, born_later })
}

fn safeguard(node: &Node, findings: &mut Vec<Finding>) -> Option<SafeguardDoc> {
    let mut reader = Reader::new(node, "a safeguard", findings);
    let (name, when) = (reader.need_text("name"), reader.need_text("when"));
    let hold_for = reader.span("for");
    let then = action(&mut reader);
    reader.later(&["false_alarms", "catches", "cluster", "observe"]);
    reader.finish();
    Some(SafeguardDoc { name: name?, when: when?, hold_for, then: then? })
}

fn action(reader: &mut Reader<'_, '_>) -> Option<Action> {
    let node = reader.need("then")?;
    if let Kind::Map(_) = node.kind {
        let mut inner = Reader::new(node, "`then`", reader.findings());
        let to = inner.need_text("rollback");
        inner.finish();
        return to.map(|to| match to.value.as_str() {
            "previous" => Action::Rollback(RollbackStage::Previous),
            _ => Action::Rollback(RollbackStage::Named(to.value)),
        });
    }
    let text = read_text(node, reader.findings())?;
    match text.value.as_str() {
        "notify" => Some(Action::Notify),
        "hold" => Some(Action::Hold),
        "pause" => Some(Action::Pause),
        "shutdown" => Some(Action::Shutdown),
        "rollback" => Some(Action::Rollback(RollbackStage::Previous)),
        other => {
            let finding = Finding::error("unknown-action", &text.at, format!("there is no action `{other}`"));
            let known = ["notify", "hold", "pause", "rollback", "shutdown"];
            reader.findings().push(finding.did_you_mean(other, known));
            None
        }
    }
}

fn release(name: Text, spec: &mut Reader<'_, '_>) -> ReleaseDoc {
    let flag = spec.text("flag").unwrap_or_else(|| name.clone());
    let mut environments = Vec::new();
    for node in spec.list("environments").unwrap_or_default() {
        match &node.kind {
            Kind::Map(_) => {
                for (name, node) in Reader::new(node, "an environment", spec.findings()).entries() {
                    let mut inner = Reader::new(node, "an environment", spec.findings());
                    let layer = layer(&mut inner);
                    inner.finish();
                    environments.push((name, layer));
                }
            }
            _ => environments.extend(read_text(node, spec.findings()).map(|name| (name, Layer::default()))),
        }
    }
    let layer = layer(spec);
    spec.later(&["after"]);
    ReleaseDoc { name, flag, layer, environments }
}
