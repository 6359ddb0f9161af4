//! A signal of the project: who may send it, how its body names releases, and what it asks for. It can only take away.

use std::collections::BTreeMap;

use super::access::{TokenDoc, secrets};
use super::layer::check_label;
use super::policy::action;
use crate::engine::plan::Action;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text, read_texts};
use crate::spec::yaml::Node;

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalDoc {
    /// Its name: the last part of its address.
    pub name: Text,
    /// What its body looks like.
    pub from: SenderDoc,
    /// Releases or flags that it is always about.
    pub releases: Vec<Text>,
    /// The environments that it may act on; all if none is named.
    pub environments: Vec<Text>,
    /// What a sender proves itself with.
    pub proof: ProofDoc,
    /// What it asks for.
    pub then: Action,
}

/// What a body looks like, and where in it releases and environments are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderDoc {
    /// The webhook of Prometheus' Alertmanager, version 4.
    Alertmanager(AlertLabels),
    /// The webhook of Grafana's unified alerting.
    Grafana(AlertLabels),
    /// Any JSON.
    Json(Box<JsonDoc>),
}

/// The labels of an alert that name things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertLabels {
    /// The label with a release's name or a flag's key.
    pub release: Option<String>,
    /// The label with an environment.
    pub environment: Option<String>,
}

/// Where in a JSON body things stand, as JSON pointers (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonDoc {
    /// The release's name or the flag's key, or a list of them.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// What makes two deliveries the same.
    pub id: Option<String>,
    /// A text for people.
    pub detail: Option<String>,
    /// It asks for something only where each of these is one of some values.
    pub when: BTreeMap<String, Vec<String>>,
}

/// What a sender proves itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofDoc {
    /// `Authorization: Bearer TOKEN`.
    Bearer(TokenDoc),
    /// A signature over the raw body.
    Hmac(TokenDoc, HmacStyle),
}

/// How a signature is made and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacStyle {
    /// <https://www.standardwebhooks.com>
    StandardWebhooks,
    /// `X-Hub-Signature-256`
    Github,
    /// `X-Grafana-Alerting-Signature`
    Grafana,
}

const STYLES: [(&str, HmacStyle); 3] = [
    ("standard-webhooks", HmacStyle::StandardWebhooks),
    ("github", HmacStyle::Github),
    ("grafana", HmacStyle::Grafana),
];

pub(super) fn signal(name: Text, node: &Node, findings: &mut Vec<Finding>) -> Option<SignalDoc> {
    let mut reader = Reader::new(node, "a signal", findings);
    let mut senders = Vec::new();
    if let Some(node) = reader.get("alertmanager") {
        senders.push(SenderDoc::Alertmanager(labels(node, "`alertmanager`", reader.findings())));
    }
    if let Some(node) = reader.get("grafana") {
        senders.push(SenderDoc::Grafana(labels(node, "`grafana`", reader.findings())));
    }
    if let Some(node) = reader.get("json") {
        senders.push(SenderDoc::Json(Box::new(json(node, reader.findings()))));
    }
    let at = reader.at().clone();
    if senders.len() != 1 {
        let finding = Finding::error("missing-key", &at.part(0, 1), "a signal has one sender");
        reader.findings().push(finding.help("write one of `alertmanager: {…}`, `grafana: {…}`, `json: {…}`"));
    }
    let releases = reader.texts("releases").unwrap_or_default();
    let environments = reader.texts("environments").unwrap_or_default();
    let proof = proof(&mut reader);
    let then = action(&mut reader);
    if let Some((Action::Hold, at)) = &then {
        let finding = Finding::error("unknown-action", at, "a signal has no end, so it cannot hold");
        reader.findings().push(finding.help("write `pause`: a person lets it go on"));
    }
    if let Some(from) = senders.first() {
        let names_one = match from {
            SenderDoc::Alertmanager(labels) | SenderDoc::Grafana(labels) => labels.release.is_some(),
            SenderDoc::Json(json) => json.release.is_some(),
        };
        if names_one != releases.is_empty() {
            let finding =
                Finding::error("signal-release", &name.at, "nothing, or too much, says which releases it is about");
            reader.findings().push(finding.help(
                "name the label or field with `release: …` below the sender, or the releases with `releases: […]`",
            ));
        }
    }
    reader.finish();
    Some(SignalDoc { name, from: senders.pop()?, releases, environments, proof: proof?, then: then?.0 })
}

fn labels(node: &Node, what: &str, findings: &mut Vec<Finding>) -> AlertLabels {
    let mut reader = Reader::new(node, what, findings);
    let mut label = |key| {
        let text = reader.text(key)?;
        check_label(&text, reader.findings()).then_some(text.value)
    };
    let (release, environment) = (label("release"), label("environment"));
    reader.finish();
    AlertLabels { release, environment }
}

fn json(node: &Node, findings: &mut Vec<Finding>) -> JsonDoc {
    let mut reader = Reader::new(node, "`json`", findings);
    let mut at = |key| {
        let text = reader.text(key)?;
        is_pointer(&text, reader.findings()).then_some(text.value)
    };
    let (release, environment, id, detail) = (at("release"), at("environment"), at("id"), at("detail"));
    let mut when = BTreeMap::new();
    if let Some(node) = reader.get("when") {
        for (pointer, values) in Reader::new(node, "`when`", reader.findings()).entries() {
            let values: Vec<String> =
                read_texts(values, reader.findings()).into_iter().map(|text| text.value).collect();
            if is_pointer(&pointer, reader.findings()) {
                when.insert(pointer.value, values);
            }
        }
    }
    reader.finish();
    JsonDoc { release, environment, id, detail, when }
}

/// <https://www.rfc-editor.org/rfc/rfc6901>: empty, or parts that each begin with a slash; `~` only as `~0` and `~1`.
fn is_pointer(text: &Text, findings: &mut Vec<Finding>) -> bool {
    let escapes = text.value.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let good = escapes && (text.value.is_empty() || text.value.starts_with('/'));
    if !good {
        let finding = Finding::error("pointer", &text.at, format!("`{}` is no JSON pointer", text.value));
        findings.push(finding.help("write `/data/release`: keys and indexes, each behind a slash"));
    }
    good
}

fn proof(reader: &mut Reader<'_, '_>) -> Option<ProofDoc> {
    let bearer = secrets(reader, ["token_env", "token_file", "token_command"]);
    let mut signed = None;
    if let Some(node) = reader.get("hmac") {
        let mut inner = Reader::new(node, "`hmac`", reader.findings());
        let secret = secrets(&mut inner, ["secret_env", "secret_file", "secret_command"]);
        if secret.len() != 1 {
            let at = inner.at().part(0, 1);
            let finding = Finding::error("token", &at, "it needs one of `secret_env`, `secret_file`, `secret_command`");
            let help = "they say where the secret comes from; it never stands in a document";
            inner.findings().push(finding.help(help));
        }
        let style = inner.need_text("style");
        let known = style.as_ref().and_then(|style| STYLES.iter().find(|(name, _)| *name == style.value));
        if let (Some(style), None) = (&style, known) {
            let finding = Finding::error("signal-style", &style.at, format!("there is no style `{}`", style.value));
            inner.findings().push(finding.did_you_mean(&style.value, STYLES.iter().map(|(name, _)| *name)));
        }
        inner.finish();
        let secret = secret.into_iter().next();
        signed = Some(secret.zip(known).map(|(secret, (_, style))| ProofDoc::Hmac(secret, *style)));
    }
    if bearer.len() + usize::from(signed.is_some()) != 1 {
        let at = reader.at().part(0, 1);
        let finding = Finding::error("token", &at, "a signal needs one proof of who sends it");
        let help = "write `token_env`, `token_file` or `token_command`, or `hmac: { secret_env: NAME, style: … }`";
        reader.findings().push(finding.help(help));
        return None;
    }
    signed.unwrap_or_else(|| bearer.into_iter().next().map(ProofDoc::Bearer))
}
