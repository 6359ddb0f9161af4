//! A notification of the project: who is told when a rollout becomes something else, and of what.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{CertificatesDoc, LoginDoc, TokenDoc, certificates, headers, secrets};
use crate::engine::Edge;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text};
use crate::spec::url::{self, without_user};
use crate::spec::yaml::Node;

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationDoc {
    /// Its name: what has been delivered is kept under it.
    pub name: Text,
    /// Who is told; none where that cannot be read. It is kept all the same, so that a slip of the pen loses nothing.
    pub to: Option<ReceiverDoc>,
    /// Of what.
    pub events: BTreeSet<Edge>,
    /// In which environments; all if none is named.
    pub environments: Vec<Text>,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverDoc {
    /// Anybody who takes CloudEvents, signed.
    Webhook(Box<WebhookDoc>),
    /// Slack, or what takes the same body: where the address comes from, which is a secret there.
    Slack(TokenDoc),
}

/// Somebody who takes CloudEvents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDoc {
    /// The address.
    pub url: String,
    /// Where the secret comes from that messages are signed with.
    pub secret: TokenDoc,
    /// Headers that everybody may know.
    pub headers: BTreeMap<String, String>,
    /// Headers that are secrets.
    pub secret_headers: BTreeMap<String, TokenDoc>,
    /// Certificates of one's own.
    pub certificates: CertificatesDoc,
}

const SECRET: [&str; 3] = ["secret_env", "secret_file", "secret_command"];
const URL: [&str; 3] = ["url_env", "url_file", "url_command"];

/// What is told where the document does not say: everything that happened. What an observing rule would have done did not.
fn unless_written() -> BTreeSet<Edge> {
    Edge::WORDS.iter().map(|(_, edge)| *edge).filter(|edge| *edge != Edge::WouldAct).collect()
}

pub(super) fn notification(name: Text, node: &Node, findings: &mut Vec<Finding>) -> NotificationDoc {
    let mut reader = Reader::new(node, "a notification", findings);
    let at = reader.at().part(0, 1);
    let (webhook_node, slack_node) = (reader.get("webhook"), reader.get("slack"));
    let to = match (webhook_node, slack_node) {
        (Some(node), None) => webhook(node, reader.findings()).map(|doc| ReceiverDoc::Webhook(Box::new(doc))),
        (None, Some(node)) => slack(node, reader.findings()),
        _ => {
            let finding = Finding::error("missing-key", &at, "a notification has one receiver");
            reader.findings().push(finding.help("write one of `webhook: {…}`, `slack: {…}`"));
            None
        }
    };
    let events = match reader.texts("events") {
        None => unless_written(),
        Some(words) => events(&words, reader.findings()),
    };
    if let (true, Some(at)) = (events.is_empty(), reader.key_at("events")) {
        let finding = Finding::error("notification-event", &at, "nothing is named that could be told");
        reader.findings().push(finding.help("leave `events` out, and everything that happens is told"));
    }
    let environments = reader.texts("environments").unwrap_or_default();
    reader.finish();
    NotificationDoc { name, to, events, environments }
}

fn events(words: &[Text], findings: &mut Vec<Finding>) -> BTreeSet<Edge> {
    let mut events = BTreeSet::new();
    for word in words {
        match Edge::WORDS.iter().find(|(known, _)| *known == word.value) {
            Some((_, edge)) => _ = events.insert(*edge),
            None => {
                let message = format!("there is no event `{}`", word.value);
                let known = Edge::WORDS.iter().map(|(word, _)| *word);
                findings.push(Finding::error("notification-event", &word.at, message).did_you_mean(&word.value, known));
            }
        }
    }
    events
}

fn webhook(node: &Node, findings: &mut Vec<Finding>) -> Option<WebhookDoc> {
    let mut reader = Reader::new(node, "`webhook`", findings);
    let url = reader.need_text("url");
    let secret = one(&mut reader, SECRET, "the messages are signed with it; it never stands in a document");
    let certificates = certificates(&mut reader);
    let node = reader.get("headers");
    let told = node.map(|node| headers(node, &LoginDoc::Nobody, reader.findings()));
    let (headers, secret_headers) = told.unwrap_or_default();
    let at = reader.key_at("headers");
    let ours = headers.keys().chain(secret_headers.keys()).find(|name| is_signed(name));
    if let (Some(name), Some(at)) = (ours, at) {
        let finding = Finding::error("header", &at, format!("`{name}` is written for each message"));
        reader.findings().push(finding.help("leave it out"));
    }
    reader.finish();
    let url = without_user(url?, "write `headers: { Authorization: { env: NAME } }` beside `url`", findings);
    if let Err((message, help)) = url::check(&url.value) {
        findings.push(Finding::error("address", &url.at, message).help(help));
        return None;
    }
    if url::is_in_the_clear(&url.value) {
        let finding = Finding::warning("in-the-clear", &url.at, "messages travel unencrypted");
        findings.push(finding.help("write `https://`; `http://` is for this machine and for trials"));
    }
    Some(WebhookDoc { url: url.value, secret: secret?, headers, secret_headers, certificates })
}

/// Headers of Standard Webhooks.
fn is_signed(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("webhook-")
}

fn slack(node: &Node, findings: &mut Vec<Finding>) -> Option<ReceiverDoc> {
    let mut reader = Reader::new(node, "`slack`", findings);
    let url = one(&mut reader, URL, "whoever knows the address can write there, so it never stands in a document");
    reader.finish();
    url.map(ReceiverDoc::Slack)
}

/// Where a secret comes from that must come from somewhere, in one way.
fn one(reader: &mut Reader<'_, '_>, keys: [&'static str; 3], help: &str) -> Option<TokenDoc> {
    let mut known = secrets(reader, keys);
    if known.len() != 1 {
        let [env, file, command] = keys;
        let at = reader.at().part(0, 1);
        let finding = Finding::error("token", &at, format!("it needs one of `{env}`, `{file}`, `{command}`"));
        reader.findings().push(finding.help(help));
    }
    known.pop()
}
