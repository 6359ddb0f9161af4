//! The kinds of document, one a file, each read from its mapping with every structural finding in one go.

mod access;
mod audience;
mod backend;
mod breaker;
mod calendar;
mod expect;
mod flag;
mod layer;
mod metric;
mod notification;
mod over;
mod policy;
mod project;
mod promise;
mod release;
mod sample_ratio;
mod signal;
mod source;
mod template;

pub use access::{CertificatesDoc, LoginDoc, SourceAccessDoc, TokenDoc, TokenServerDoc};
pub use audience::AudienceDoc;
pub use backend::AccessDoc;
pub use breaker::BreakerDoc;
pub use calendar::{AfterDoc, FreezeDoc, WindowDoc};
pub use expect::ExpectDoc;
pub use flag::FlagDoc;
pub use layer::Layer;
pub use metric::{FormDoc, MetricDoc, Preset};
pub use notification::{NotificationDoc, ReceiverDoc, WebhookDoc};
pub use over::{OverDoc, Windows};
pub use policy::{PolicyDoc, SafeguardDoc};
pub use project::{EnvironmentDoc, JOURNAL, ProjectDoc};
pub use promise::{Caught, PromiseDoc};
pub use release::{EntryDoc, ReleaseDoc};
pub use sample_ratio::SampleRatioDoc;
pub use signal::{AlertLabels, HmacStyle, JsonDoc, ProofDoc, SenderDoc, SignalDoc};
pub use source::{Arms, SourceDoc};
pub use template::{StageDoc, TemplateDoc};

use super::finding::{At, Finding};
use super::reader::{Reader, Text, read_text};
use super::yaml::{Kind, Node, Style};

/// The version of the documents.
pub const API_VERSION: &str = "flagstaff/v1";
/// The kinds that are known.
pub const KINDS: &[&str] = &["Project", "Audience", "ReleaseTemplate", "ThresholdPolicy", "Release", "Flag"];

/// A document: what it says, and where it stands.
#[derive(Debug, Clone)]
pub struct Document {
    /// From its first to its last character.
    pub at: At,
    /// What it says.
    pub body: Body,
}

/// What a document of any kind says.
#[derive(Debug, Clone)]
pub enum Body {
    /// Where things live.
    Project(Box<ProjectDoc>),
    /// A named set of people.
    Audience(Box<AudienceDoc>),
    /// The ordered stages.
    Template(Box<TemplateDoc>),
    /// Metrics, health and safeguards.
    Policy(Box<PolicyDoc>),
    /// A flag on its way.
    Release(Box<ReleaseDoc>),
    /// A flag declared apart.
    Flag(Box<FlagDoc>),
}

impl Document {
    /// Its kind and its name.
    pub fn name(&self) -> (&'static str, &Text) {
        match &self.body {
            Body::Project(doc) => ("Project", &doc.name),
            Body::Audience(doc) => ("Audience", &doc.name),
            Body::Template(doc) => ("ReleaseTemplate", &doc.name),
            Body::Policy(doc) => ("ThresholdPolicy", &doc.name),
            Body::Release(doc) => ("Release", &doc.name),
            Body::Flag(doc) => ("Flag", &doc.name),
        }
    }
}

/// Reads one document.
pub fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Document> {
    // an empty document, as behind a trailing `---`, is none
    if matches!(&node.kind, Kind::Scalar { style: Style::Plain, .. }) && node.at.marked().is_empty() {
        return None;
    }
    let mut top = Reader::new(node, "a document", findings);
    if !matches!(node.kind, Kind::Map(_)) {
        // that it is none has been told; that it has no keys goes without saying
        return None;
    }
    let version = top.need_text("apiVersion");
    if let Some(version) = version.as_ref().filter(|version| version.value != API_VERSION) {
        // nothing else is known of such a document
        top.findings().push(foreign(version));
        return None;
    }
    let kind = top.need_text("kind");
    let metadata = top.need("metadata");
    let spec = top.get("spec");
    let at = top.at().clone();
    top.finish();
    let (_, kind) = (version?, kind?);
    if !KINDS.contains(&kind.value.as_str()) {
        let finding = Finding::error("unknown-kind", &kind.at, format!("there is no kind `{}`", kind.value));
        findings.push(finding.did_you_mean(&kind.value, KINDS.iter().copied()));
        return None;
    }
    let mut metadata = Reader::new(metadata?, "`metadata`", findings);
    let name = metadata.need_text("name");
    if let Some(labels) = metadata.get("labels") {
        for (_, value) in Reader::new(labels, "`labels`", metadata.findings()).entries() {
            read_text(value, metadata.findings());
        }
    }
    metadata.finish();
    let name = name?;
    let empty = Node { at: at.part(0, 0), kind: Kind::Map(Vec::new()) };
    let mut spec = Reader::new(spec.unwrap_or(&empty), "`spec`", findings);
    let body = match kind.value.as_str() {
        "Project" => Body::Project(Box::new(project::project(name, &mut spec))),
        "Audience" => Body::Audience(Box::new(AudienceDoc { name, audience: audience::audience(&mut spec) })),
        "ReleaseTemplate" => Body::Template(Box::new(template::template(name, &mut spec))),
        "ThresholdPolicy" => Body::Policy(Box::new(policy::policy(name, &mut spec))),
        "Release" => Body::Release(Box::new(release::release(name, &mut spec))),
        _ => Body::Flag(Box::new(flag::flag(name, &mut spec))),
    };
    spec.finish();
    Some(Document { at, body })
}

fn foreign(version: &Text) -> Finding {
    let finding = Finding::error("api-version", &version.at, format!("`{}` is not `{API_VERSION}`", version.value));
    if strsim::damerau_levenshtein(version.value.get(..16).unwrap_or(&version.value), API_VERSION) <= 3 {
        return finding.help(format!("write `{API_VERSION}`; a newer version needs a newer flagstaff"));
    }
    finding
        .help("documents of other tools do not belong into flagstaff's files; `include:` in the Project says which are")
}
