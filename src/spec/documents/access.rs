//! How a server is got at: where tokens, passwords and certificates come from. None of them stands in a document.

use std::collections::BTreeMap;

use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::url::{self, without_user};
use crate::spec::yaml::{Kind, Node};

/// Where a token, a password or another secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenDoc {
    /// An environment variable.
    Env(String),
    /// A file.
    File(String),
    /// What a command says: the program and its arguments.
    Command(Vec<String>),
}

/// Certificates of one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificatesDoc {
    /// A file with the certificates of one's own authority.
    pub ca_file: Option<String>,
    /// A file with the client's certificate.
    pub client_cert_file: Option<String>,
    /// A file with the client's key.
    pub client_key_file: Option<String>,
}

/// How a source is got at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceAccessDoc {
    /// Who one is.
    pub login: LoginDoc,
    /// Headers that are secrets; others belong to the address.
    pub headers: BTreeMap<String, TokenDoc>,
    /// Certificates of one's own.
    pub certificates: CertificatesDoc,
}

/// Who one is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LoginDoc {
    /// Nobody in particular.
    #[default]
    Nobody,
    /// Whoever has a token.
    Token(TokenDoc),
    /// Somebody with a password.
    Password {
        /// The name.
        username: String,
        /// Where the password comes from.
        password: TokenDoc,
    },
    /// A client of a server that gives tokens.
    Client(TokenServerDoc),
}

/// A server that gives tokens to clients (OAuth2 client credentials).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenServerDoc {
    /// Its address.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// Where the client's secret comes from.
    pub client_secret: TokenDoc,
    /// What the token is to be good for.
    pub scopes: Vec<String>,
    /// For whom it is to be good.
    pub audience: Option<String>,
}

impl SourceAccessDoc {
    /// Whether anything secret is sent.
    pub fn has_secrets(&self) -> bool {
        self.login != LoginDoc::Nobody || !self.headers.is_empty()
    }
}

/// The keys of a token.
pub(super) const TOKEN: [&str; 3] = ["token_env", "token_file", "token_command"];
const PASSWORD: [&str; 3] = ["password_env", "password_file", "password_command"];
const SECRET: [&str; 3] = ["client_secret_env", "client_secret_file", "client_secret_command"];
const HEADER: [&str; 3] = ["env", "file", "command"];
/// Headers that are ours to write.
const OURS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept",
    "accept-encoding",
    "user-agent",
    "proxy-authorization",
];
/// What the name of a header with a secret has in it.
const SECRET_WORDS: [&str; 6] = ["auth", "token", "key", "secret", "password", "cookie"];

/// Where a secret comes from: at most one of an environment variable, a file and a command.
pub(super) fn secret(reader: &mut Reader<'_, '_>, keys: [&'static str; 3]) -> Option<TokenDoc> {
    let [env, file, command] = keys;
    let mut known = secrets(reader, keys);
    let written: Vec<At> = keys.iter().filter_map(|key| reader.key_at(key)).collect();
    if let [_, second, ..] = written.as_slice() {
        let message = format!("it needs one of `{env}`, `{file}`, `{command}`");
        let finding = Finding::error("token", second, message);
        reader.findings().push(finding.help("keep the one that says where it comes from"));
    }
    known.pop()
}

/// Where a secret comes from, by its keys for a variable, a file and a command; there should be one.
pub(super) fn secrets(reader: &mut Reader<'_, '_>, [env, file, command]: [&'static str; 3]) -> Vec<TokenDoc> {
    let from_env = reader.text(env).map(|text| TokenDoc::Env(text.value));
    let from_file = reader.text(file).map(|text| TokenDoc::File(text.value));
    let words = reader.texts(command);
    let from_command = words.map(|words| TokenDoc::Command(words.into_iter().map(|word| word.value).collect()));
    [from_env, from_file, from_command].into_iter().flatten().collect()
}

/// Files with certificates.
pub(super) fn certificates(reader: &mut Reader<'_, '_>) -> CertificatesDoc {
    let mut text = |key| reader.text(key).map(|text| text.value);
    let (ca_file, client_cert_file) = (text("ca_file"), text("client_cert_file"));
    let client_key_file = text("client_key_file");
    if let (Some(_), None, Some(at)) = (&client_key_file, &client_cert_file, reader.key_at("client_key_file")) {
        let finding = Finding::error("missing-key", &at, "a key belongs to a certificate");
        reader.findings().push(finding.help("name the certificate with `client_cert_file`"));
    }
    CertificatesDoc { ca_file, client_cert_file, client_key_file }
}

/// How a source is got at, and the headers that belong to its address.
pub(super) fn source_access(reader: &mut Reader<'_, '_>) -> (SourceAccessDoc, BTreeMap<String, String>) {
    let certificates = certificates(reader);
    let token = secret(reader, TOKEN).map(LoginDoc::Token);
    let password = password(reader);
    let node = reader.get("oauth2");
    let client = node.and_then(|node| token_server(node, reader.findings())).map(LoginDoc::Client);
    let mut logins: Vec<LoginDoc> = [token, password, client].into_iter().flatten().collect();
    if logins.len() > 1 {
        let written = [TOKEN[0], TOKEN[1], TOKEN[2], "username", "oauth2"];
        let last = written.iter().rev().find_map(|key| reader.key_at(key));
        let at = last.unwrap_or_else(|| reader.at().part(0, 1));
        let finding = Finding::error("login", &at, "there is one way to say who we are");
        reader.findings().push(finding.help("keep a token, `username` with its password, or `oauth2`"));
    }
    let login = if logins.is_empty() { LoginDoc::Nobody } else { logins.swap_remove(0) };
    let node = reader.get("headers");
    let (plain, secret) = node.map(|node| headers(node, &login, reader.findings())).unwrap_or_default();
    (SourceAccessDoc { login, headers: secret, certificates }, plain)
}

fn password(reader: &mut Reader<'_, '_>) -> Option<LoginDoc> {
    let username = reader.text("username");
    let password = secret(reader, PASSWORD);
    match (username, password) {
        (Some(username), Some(password)) => {
            if username.value.contains(':') {
                let finding = Finding::error("login", &username.at, "a name with `:` cannot be told from its password");
                reader.findings().push(finding.help("basic authentication has no such names"));
            }
            Some(LoginDoc::Password { username: username.value, password })
        }
        (Some(username), None) => {
            let finding = Finding::error("missing-key", &username.at, "a name needs a password");
            let help = "say where it comes from with `password_env`, `password_file` or `password_command`";
            reader.findings().push(finding.help(help));
            None
        }
        (None, Some(_)) => {
            let at = PASSWORD.iter().find_map(|key| reader.key_at(key)).unwrap_or_else(|| reader.at().part(0, 1));
            let finding = Finding::error("missing-key", &at, "a password belongs to a name");
            reader.findings().push(finding.help("write `username` beside it"));
            None
        }
        (None, None) => None,
    }
}

fn token_server(node: &Node, findings: &mut Vec<Finding>) -> Option<TokenServerDoc> {
    let mut reader = Reader::new(node, "`oauth2`", findings);
    let (token_url, client_id) = (reader.need_text("token_url"), reader.need_text("client_id"));
    let client_secret = secret(&mut reader, SECRET);
    if client_secret.is_none() && SECRET.iter().all(|key| reader.key_at(key).is_none()) {
        let at = reader.key_at("client_id").unwrap_or_else(|| reader.at().part(0, 1));
        let message = "it needs one of `client_secret_env`, `client_secret_file`, `client_secret_command`";
        let finding = Finding::error("token", &at, message);
        reader.findings().push(finding.help("they say where the secret comes from; it never stands in a document"));
    }
    let scopes = reader.texts("scopes").unwrap_or_default().into_iter().map(|text| text.value).collect();
    let audience = reader.text("audience").map(|text| text.value);
    reader.finish();
    let token_url = without_user(token_url?, "write `client_id` and `client_secret_env` beside it", findings);
    if let Err((message, help)) = url::check(&token_url.value) {
        findings.push(Finding::error("address", &token_url.at, message).help(help));
        return None;
    }
    if url::is_in_the_clear(&token_url.value) {
        let finding = Finding::warning("in-the-clear", &token_url.at, "the client's secret travels unencrypted");
        findings.push(finding.help("write `https://`; `http://` is for this machine and for trials"));
    }
    let (client_id, client_secret) = (client_id?.value, client_secret?);
    Some(TokenServerDoc { token_url: token_url.value, client_id, client_secret, scopes, audience })
}

pub(super) type Headers = (BTreeMap<String, String>, BTreeMap<String, TokenDoc>);

/// Headers that everybody may know, and those that are secrets.
pub(super) fn headers(node: &Node, login: &LoginDoc, findings: &mut Vec<Finding>) -> Headers {
    let mut reader = Reader::new(node, "`headers`", findings);
    let (mut plain, mut secrets) = Headers::default();
    for (name, node) in reader.entries() {
        let findings = reader.findings();
        if !is_allowed(&name, login, findings) {
            continue;
        }
        if let Kind::Map(_) = node.kind {
            let mut inner = Reader::new(node, "a header", findings);
            let from = secret(&mut inner, HEADER);
            if from.is_none() && HEADER.iter().all(|key| inner.key_at(key).is_none()) {
                let at = inner.at().part(0, 1);
                let finding = Finding::error("missing-key", &at, "it says where the header comes from");
                inner.findings().push(finding.help("write `{ env: NAME }`, `{ file: PATH }` or `{ command: [WORD] }`"));
            }
            inner.finish();
            secrets.extend(from.map(|from| (name.value, from)));
        } else if let Some(value) = read_text(node, findings) {
            let lower = name.value.to_ascii_lowercase();
            let is_text = !value.value.is_empty() && value.value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                let finding =
                    Finding::error("header", &value.at, "this header is a secret, and a document is read by many");
                findings.push(finding.help("write `{ env: NAME }`, `{ file: PATH }` or `{ command: [WORD] }` instead"));
            } else if !is_text {
                let finding = Finding::error("header", &value.at, "a header is one line of visible ASCII");
                findings.push(finding.help("write such a text"));
            } else {
                plain.insert(name.value, value.value);
            }
        }
    }
    (plain, secrets)
}

fn is_allowed(name: &Text, login: &LoginDoc, findings: &mut Vec<Finding>) -> bool {
    let lower = name.value.to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let (message, help) = if lower.is_empty() || !lower.bytes().all(is_name) {
        (format!("`{}` is no name of a header", name.value), "letters, digits and `-` make one")
    } else if OURS.contains(&lower.as_str()) {
        (format!("`{}` is written for each request", name.value), "leave it out")
    } else if lower == "authorization" && *login != LoginDoc::Nobody {
        ("it says who we are a second time".to_owned(), "keep this header, or the login beside it")
    } else {
        return true;
    };
    findings.push(Finding::error("header", &name.at, message).help(help));
    false
}
