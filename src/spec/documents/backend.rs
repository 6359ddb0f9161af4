//! An environment's backend: where its flags live, and how to get at them.

use super::access::{CertificatesDoc, TOKEN, TokenDoc, certificates, secret};
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
    /// Certificates of one's own.
    pub certificates: CertificatesDoc,
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

fn access(reader: &mut Reader<'_, '_>) -> AccessDoc {
    let certificates = certificates(reader);
    let token = secret(reader, TOKEN);
    let is_said = TOKEN.iter().any(|key| reader.key_at(key).is_some());
    if token.is_none() && !is_said {
        let at = reader.key_at("url").unwrap_or_else(|| reader.at().part(0, 1));
        let finding = Finding::error("token", &at, "it needs one of `token_env`, `token_file`, `token_command`");
        reader.findings().push(finding.help("they say where the token comes from; it never stands in a document"));
    }
    AccessDoc { token, certificates }
}
