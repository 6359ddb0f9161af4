//! A source of the project: where it answers, and what tells the groups apart.

use super::access::{SourceAccessDoc, source_access};
use super::layer::check_label;
use crate::engine::Span;
use crate::engine::plan::SourceAddress;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::url::{self, without_user};
use crate::spec::yaml::{Kind, Node};

/// A source.
#[derive(Debug, Clone)]
pub struct SourceDoc {
    /// Its name.
    pub name: Text,
    /// Where it answers.
    pub address: SourceAddress,
    /// How it is got at.
    pub access: SourceAccessDoc,
    /// What tells the groups apart.
    pub arms: Option<Arms>,
}

/// What tells the exposed from the control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arms {
    /// Two labels.
    Labels {
        /// The label with the flag's key.
        flag: String,
        /// The label with the variant.
        variant: String,
        /// Its values for people who get the feature.
        exposed: Vec<String>,
        /// Its values for those who do not.
        control: Vec<String>,
    },
    /// A label for each flag, as Unleash serves its clients' impact metrics.
    UnleashImpact,
}

impl Arms {
    /// The label that Unleash gives a flag in its clients' impact metrics.
    pub fn impact_label(flag: &str) -> String {
        flag.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
    }
}

pub(super) fn source(name: Text, node: &Node, findings: &mut Vec<Finding>) -> Option<SourceDoc> {
    let mut reader = Reader::new(node, "a source", findings);
    let (mut address, mut access) = (None, SourceAccessDoc::default());
    if let Some(node) = reader.get("prometheus") {
        (address, access) = prometheus(node, reader.findings());
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
    let arms = reader.get("arms").and_then(|node| arms(node, reader.findings()));
    reader.finish();
    Some(SourceDoc { name, address: address?, access, arms })
}

fn prometheus(node: &Node, findings: &mut Vec<Finding>) -> (Option<SourceAddress>, SourceAccessDoc) {
    let mut reader = Reader::new(node, "`prometheus`", findings);
    let url = reader.need_text("url");
    let scrape_every = reader.span("scrape_every").map_or(Span::seconds(15), |(span, _)| span);
    let (access, headers) = source_access(&mut reader);
    reader.finish();
    let Some(url) = url else { return (None, access) };
    let url =
        without_user(url, "write `token_file: PATH`, `token_env: NAME` or `username: NAME` beside `url`", findings);
    if let Err((message, help)) = url::check(&url.value) {
        findings.push(Finding::error("address", &url.at, message).help(help));
    } else if url::is_in_the_clear(&url.value) && access.has_secrets() {
        let finding = Finding::warning("in-the-clear", &url.at, "a secret travels unencrypted");
        findings.push(finding.help("write `https://`; `http://` is for this machine and for trials"));
    }
    (Some(SourceAddress::Prometheus { url: url.value, scrape_every, headers }), access)
}

fn arms(node: &Node, findings: &mut Vec<Finding>) -> Option<Arms> {
    if let Kind::Scalar { .. } = node.kind {
        let name = read_text(node, findings)?;
        if name.value == "unleash-impact" {
            return Some(Arms::UnleashImpact);
        }
        let finding = Finding::error("arms", &name.at, format!("`{}` does not tell groups apart", name.value));
        findings.push(finding.help("write `unleash-impact`, or `{ flag: LABEL, variant: LABEL }`"));
        return None;
    }
    let mut inner = Reader::new(node, "`arms`", findings);
    let mut label = |key| inner.need_text(key).filter(|label| check_label(label, inner.findings()));
    let (flag, variant) = (label("flag"), label("variant"));
    let values = |texts: Option<Vec<Text>>, default: [&str; 3]| match texts {
        Some(texts) => texts.into_iter().map(|text| text.value).collect(),
        None => default.iter().map(|value| (*value).to_owned()).collect(),
    };
    let exposed = values(inner.texts("exposed"), ["on", "enabled", "true"]);
    let control = values(inner.texts("control"), ["off", "disabled", "false"]);
    inner.finish();
    Some(Arms::Labels { flag: flag?.value, variant: variant?.value, exposed, control })
}
