//! Which adapter an address needs, and what it and a source are got at with. Whoever wants a backend asks here, so that a new one is
//! one more arm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::observe::{self, Ear};
use crate::backend::Backend;
use crate::backend::flagd::Flagd;
use crate::backend::unleash::{Access, Unleash};
use crate::engine::plan::Target;
use crate::env;
use crate::http::{self, Certificates, Credential, Field, Login, TokenServer};
use crate::spec::documents::{AccessDoc, CertificatesDoc, LoginDoc, ProjectDoc, SourceAccessDoc, TokenDoc};

/// The backends of a project, by environment.
pub(super) fn all(dir: &Path, project: &ProjectDoc, ear: Option<&Ear>) -> BTreeMap<String, Arc<dyn Backend>> {
    let known = project.environments.iter().filter_map(|environment| {
        let (target, _) = environment.target.as_ref()?;
        Some((environment.name.value.clone(), at(dir, target, &environment.access, ear)))
    });
    known.collect()
}

/// How the backends of a project are got at, by environment.
pub(super) fn access(project: &ProjectDoc) -> BTreeMap<String, AccessDoc> {
    let known = project.environments.iter();
    known.map(|environment| (environment.name.value.clone(), environment.access.clone())).collect()
}

/// How backends are got at, by environment and server, as far as documents said so since this process began. A token is
/// for the server that it was named for.
pub(super) type Known = BTreeMap<(String, String), AccessDoc>;

/// What a project says of that.
pub(super) fn known(project: &ProjectDoc) -> Known {
    let known = project.environments.iter().filter_map(|environment| {
        let (target, _) = environment.target.as_ref()?;
        Some(((environment.name.value.clone(), server(target)?.to_owned()), environment.access.clone()))
    });
    known.collect()
}

/// The server that credentials for an address go to; none where it needs none.
pub(super) fn server(target: &Target) -> Option<&str> {
    match target {
        Target::Flagd { .. } => None,
        Target::Unleash { url, .. } => Some(url),
    }
}

/// The backend at an address: one of the documents, or one that a plan pinned. Plans pin no credentials: whoever asks says
/// which ones may go there.
pub(super) fn at(dir: &Path, target: &Target, access: &AccessDoc, ear: Option<&Ear>) -> Arc<dyn Backend> {
    let backend: Arc<dyn Backend> = match target {
        Target::Flagd { path } => Arc::new(Flagd::new(dir, path)),
        Target::Unleash { url, project, environment, own_only } => {
            Arc::new(Unleash::new(url, project, environment, *own_only, means(dir, access)))
        }
    };
    observe::backend(ear, backend)
}

fn means(dir: &Path, access: &AccessDoc) -> Access {
    // the plan pins where a flag lives, and nobody may be left without a way there
    let last_resort = || env::get(env::FLAGSTAFF_UNLEASH_TOKEN).map(|_| env::FLAGSTAFF_UNLEASH_TOKEN.to_owned());
    Access {
        token: access.token.as_ref().map(|token| credential(dir, token)).or_else(|| last_resort().map(Credential::Env)),
        certificates: certificates(dir, &access.certificates),
    }
}

/// How a source is got at: with the headers of its address, and what the documents name beside it.
pub(super) fn source_access(dir: &Path, access: &SourceAccessDoc, headers: &BTreeMap<String, String>) -> http::Access {
    let plain = headers.iter().map(|(name, value)| (name.clone(), Field::Plain(value.clone())));
    let secret = access.headers.iter().map(|(name, from)| (name.clone(), Field::Secret(credential(dir, from))));
    http::Access {
        login: match &access.login {
            LoginDoc::Nobody => Login::Nobody,
            LoginDoc::Token(token) => Login::Token(credential(dir, token)),
            LoginDoc::Password { username, password } => {
                Login::Password { username: username.clone(), password: credential(dir, password) }
            }
            LoginDoc::Client(known) => Login::Client(TokenServer {
                url: known.token_url.clone(),
                client: known.client_id.clone(),
                secret: credential(dir, &known.client_secret),
                scopes: known.scopes.clone(),
                audience: known.audience.clone(),
            }),
        },
        headers: plain.chain(secret).collect(),
        certificates: certificates(dir, &access.certificates),
    }
}

/// Where a secret comes from, for a project in a folder.
pub fn credential(dir: &Path, from: &TokenDoc) -> Credential {
    match from {
        TokenDoc::Env(name) => Credential::Env(name.clone()),
        TokenDoc::File(path) => Credential::File(dir.join(path)),
        TokenDoc::Command(words) => Credential::Command(words.clone(), dir.to_owned()),
    }
}

/// Certificates of one's own, for a project in a folder.
pub fn certificates(dir: &Path, known: &CertificatesDoc) -> Certificates {
    let file = |path: &Option<String>| path.as_ref().map(|path| dir.join(path));
    Certificates {
        authority: file(&known.ca_file),
        client: file(&known.client_cert_file),
        key: file(&known.client_key_file),
    }
}
