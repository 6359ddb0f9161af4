//! A source of the project: where it answers, and what tells the groups apart.

use super::layer::check_label;
use crate::engine::Span;
use crate::engine::plan::SourceAddress;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::url::without_user;
use crate::spec::yaml::{Kind, Node};

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
    let arms = reader.get("arms").and_then(|node| arms(node, reader.findings()));
    reader.finish();
    Some(SourceDoc { name, address: address?, token_file, token_env, arms })
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
