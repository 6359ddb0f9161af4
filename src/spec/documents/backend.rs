//! An environment's backend: where its flags live, and how to get at them.

use crate::engine::plan::Target;
use crate::spec::finding::{At, Finding};
use crate::spec::reader::Reader;
use crate::spec::url::{self, without_user};
use crate::spec::yaml::{Kind, Node};

/// How to get at a backend: where credentials come from, never a credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessDoc {
    /// Where the token comes from.
    pub token: Option<TokenDoc>,
    /// A file with the certificates of one's own authority.
    pub ca_file: Option<String>,
    /// A file with the client's certificate.
    pub client_cert_file: Option<String>,
    /// A file with the client's key.
    pub client_key_file: Option<String>,
}

/// Where a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenDoc {
    /// An environment variable.
    Env(String),
    /// A file.
    File(String),
    /// What a command says: the program and its arguments.
    Command(Vec<String>),
}

type Backend = (Option<(Target, At)>, AccessDoc);

pub(super) fn backend(node: &Node, findings: &mut Vec<Finding>) -> Backend {
    let (mut target, mut access) = (None, AccessDoc::default());
    let mut reader = Reader::new(node, "`backend`", findings);
    if let Some(node) = reader.get("flagd") {
        let mut inner = Reader::new(node, "`flagd`", reader.findings());
        target = inner.need_text("path").map(|path| (Target::Flagd { path: path.value }, path.at));
        inner.finish();
    }
    if let Some(node) = reader.get("unleash") {
        match &target {
            None => (target, access) = unleash(node, reader.findings()),
            Some(_) => {
                let finding = Finding::error("shape", &node.at, "an environment has one backend");
                reader.findings().push(finding.help("keep `flagd` or `unleash`"));
            }
        }
    }
    if matches!(node.kind, Kind::Map(_)) && reader.is_empty() {
        let at = reader.at().part(0, 1);
        reader.findings().push(Finding::error("missing-key", &at, "a backend is `flagd` or `unleash`"));
    }
    reader.finish();
    (target, access)
}

fn unleash(node: &Node, findings: &mut Vec<Finding>) -> Backend {
    let mut reader = Reader::new(node, "`unleash`", findings);
    let url = reader.need_text("url");
    let project = reader.text("project").map_or_else(|| "default".to_owned(), |text| text.value);
    let environment = reader.need_text("environment");
    let mut own_only = false;
    if let Some(shutdown) = reader.text("shutdown") {
        own_only = shutdown.value == "own";
        if !["own", "all"].contains(&shutdown.value.as_str()) {
            let message = format!("`{}` is neither `own` nor `all`", shutdown.value);
            let finding = Finding::error("shutdown", &shutdown.at, message);
            reader.findings().push(finding.did_you_mean(&shutdown.value, ["own", "all"]));
        }
    }
    let access = access(&mut reader);
    reader.finish();
    let (Some(url), Some(environment)) = (url, environment) else { return (None, access) };
    let url = without_user(url, "write `token_env: NAME` or `token_file: PATH` beside `url`", findings);
    if let Err((message, help)) = url::check(&url.value) {
        findings.push(Finding::error("address", &url.at, message).help(help));
        return (None, access);
    }
    if url::is_in_the_clear(&url.value) {
        let finding = Finding::warning("in-the-clear", &url.at, "the token travels unencrypted");
        findings.push(finding.help("write `https://`; `http://` is for this machine and for trials"));
    }
    let (at, url) = (url.at.clone(), url.value.trim_end_matches('/').to_owned());
    (Some((Target::Unleash { url, project, environment: environment.value, own_only }, at)), access)
}

/// Where a secret comes from, by its keys for a variable, a file and a command; there should be one.
pub(super) fn one_token(reader: &mut Reader<'_, '_>, [env, file, command]: [&'static str; 3]) -> Vec<TokenDoc> {
    let from_env = reader.text(env).map(|text| TokenDoc::Env(text.value));
    let from_file = reader.text(file).map(|text| TokenDoc::File(text.value));
    let words = reader.texts(command);
    let from_command = words.map(|words| TokenDoc::Command(words.into_iter().map(|word| word.value).collect()));
    [from_env, from_file, from_command].into_iter().flatten().collect()
}

fn access(reader: &mut Reader<'_, '_>) -> AccessDoc {
    let mut text = |key| reader.text(key).map(|text| text.value);
    let (ca_file, client_cert_file) = (text("ca_file"), text("client_cert_file"));
    let client_key_file = text("client_key_file");
    let mut tokens = one_token(reader, ["token_env", "token_file", "token_command"]);
    let at = reader.at().clone();
    if tokens.len() != 1 {
        let message = "it needs one of `token_env`, `token_file`, `token_command`";
        let finding = Finding::error("token", &reader.key_at("url").unwrap_or_else(|| at.part(0, 1)), message);
        reader.findings().push(finding.help("they say where the token comes from; it never stands in a document"));
    }
    if client_key_file.is_some() && client_cert_file.is_none() {
        let at = reader.key_at("client_key_file").unwrap_or_else(|| at.part(0, 1));
        let finding = Finding::error("missing-key", &at, "a key belongs to a certificate");
        reader.findings().push(finding.help("name the certificate with `client_cert_file`"));
    }
    AccessDoc { token: tokens.pop(), ca_file, client_cert_file, client_key_file }
}
