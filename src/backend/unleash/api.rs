//! Calls of the Admin API, and what its answers mean.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::Access;
use super::hands::Identity;
use crate::backend::BackendError;
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{
    Certificates, Client, Credential, Method, NoReply, Reply, Secret, bounded, client_for, fetch_at_most,
    is_in_the_clear,
};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The longest wait that a server's `Retry-After` is granted: longer, and a shutdown waits with it.
const WAIT_AT_MOST: Duration = Duration::from_secs(1);
/// A flag, and the events of it that are asked for, are far smaller.
const BODY_AT_MOST: usize = 8 * 1024 * 1024;

/// What is said where there is nothing at an address below the server's.
pub(super) const NO_PAGE: &str = "it has no such page: is the address right, and is it an Unleash?";

/// What a server says of itself.
pub(super) const CONFIGURATION: &str = "/api/admin/ui-config";

/// A server with its credentials.
pub(super) struct Api {
    url: String,
    /// For people.
    pub(super) place: String,
    certificates: Certificates,
    /// Made when it is first needed: a stop in one environment does not wait for the certificates of all others.
    client: OnceLock<Result<Client, String>>,
    credential: Option<Credential>,
    token: Mutex<Option<Secret>>,
    pub(super) identity: Mutex<Option<Identity>>,
    /// Filled once the project and its environment were seen.
    pub(super) place_is_there: OnceCell<()>,
}

/// A call.
pub(super) struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    /// Whether sending it twice does what sending it once does.
    repeatable: bool,
}

/// Why a call did not do what was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no such thing, in the server's words.
    Missing(String),
    /// The flag is archived: no client is served it, and nothing can be done to it.
    Archived,
    /// Anything else.
    Other(BackendError),
}

impl Fault {
    /// As an error where neither missing nor archived was expected.
    pub(super) fn unexpected(self, place: &str) -> BackendError {
        let refused = |detail| BackendError::Refused { place: place.to_owned(), detail };
        match self {
            Fault::Missing(detail) => refused(detail),
            Fault::Archived => refused("the flag is archived; revive it in Unleash first".to_owned()),
            Fault::Other(error) => error,
        }
    }
}

impl Call {
    pub(super) fn get(path: String) -> Call {
        Call { method: Method::GET, path, body: None, repeatable: true }
    }

    /// Replaces something by a whole body. One that enables is sent once: a stop may come in before it is sent again.
    pub(super) fn put(path: String, body: Value) -> Call {
        let enables = body.get("disabled") == Some(&Value::Bool(false));
        Call { method: Method::PUT, path, body: Some(body), repeatable: !enables }
    }

    pub(super) fn delete(path: String) -> Call {
        Call { method: Method::DELETE, path, body: None, repeatable: true }
    }

    /// A JSON Patch that replaces values.
    pub(super) fn patch(path: String, body: Value) -> Call {
        Call { method: Method::PATCH, path, body: Some(body), repeatable: true }
    }

    /// The switch, off.
    pub(super) fn off(environment: &str) -> Call {
        Call { method: Method::POST, path: format!("{environment}/off"), body: None, repeatable: true }
    }

    /// The switch, on. It is sent once: a stop may come in before it is sent again.
    pub(super) fn on(environment: &str) -> Call {
        Call { method: Method::POST, path: format!("{environment}/on"), body: None, repeatable: false }
    }

    /// Adds something: sent twice, there are two.
    pub(super) fn add(path: String, body: Value) -> Call {
        Call { method: Method::POST, path, body: Some(body), repeatable: false }
    }
}

impl Api {
    pub(super) fn new(url: &str, place: String, access: Access) -> Api {
        Api {
            certificates: access.certificates,
            client: OnceLock::new(),
            url: url.to_owned(),
            place,
            credential: access.token,
            token: Mutex::default(),
            identity: Mutex::default(),
            place_is_there: OnceCell::new(),
        }
    }

    /// Makes a call. One that may be repeated is, once, unless time ran out; so is any that was refused because the
    /// token has been replaced meanwhile.
    pub(super) async fn call(&self, call: &Call) -> Result<Value, Fault> {
        let token = self.token().await?;
        let first = self.send(call, Some(&token)).await;
        match &first {
            Err(NoReply { timed_out: false, .. }) if call.repeatable => {
                self.read(call, self.send(call, Some(&token)).await)
            }
            Ok(reply) if reply.status == 401 => match self.replaced(&token).await {
                Some(newer) => self.read(call, self.send(call, Some(&newer)).await),
                None => self.read(call, first),
            },
            Ok(reply) if call.repeatable && [429, 502, 504].contains(&reply.status) => {
                let wait = reply.retry_after.unwrap_or(Duration::from_millis(200));
                if wait > WAIT_AT_MOST {
                    return self.read(call, first);
                }
                tokio::time::sleep(wait).await;
                self.read(call, self.send(call, Some(&token)).await)
            }
            _ => self.read(call, first),
        }
    }

    /// Who stands behind the address, asked once and without a token: what is no Unleash need not see it.
    pub(super) async fn knock(&self) -> Result<(Reply, Result<Value, Fault>), NoReply> {
        let call = Call::get(CONFIGURATION.to_owned());
        let reply = self.send(&call, None).await?;
        let meant = self.read(&call, Ok(reply.clone()));
        Ok((reply, meant))
    }

    /// Whether requests can be made at all.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub(super) fn client(&self) -> Result<&Client, String> {
        let make = || client_for(&self.url, CONNECT_WITHIN, ANSWER_WITHIN, &self.certificates);
        self.client.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// Whether a token goes there that everybody on the way can read.
    pub(super) fn tells_everybody(&self) -> bool {
        self.credential.is_some() && is_in_the_clear(&self.url)
    }

    async fn send(&self, call: &Call, token: Option<&Secret>) -> Result<Reply, NoReply> {
        let unusable = |detail: String| NoReply { timed_out: true, too_large: false, detail };
        let client = self.client().map_err(unusable)?;
        let mut request = client.request(call.method.clone(), format!("{}{}", self.url, call.path));
        if let Some(token) = token {
            let header = HeaderValue::from_str(token.text());
            let mut header = header.map_err(|_| unusable("the token is none".to_owned()))?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let mut reply = fetch_at_most(request, BODY_AT_MOST).await?;
        // what refuses may say whom, or what, it refuses
        if let Some(token) = token.filter(|_| !(200..300).contains(&reply.status)) {
            reply.text = reply.text.replace(token.text(), "[token]");
        }
        Ok(reply)
    }

    pub(super) async fn token(&self) -> Result<Secret, Fault> {
        let mut known = self.token.lock().await;
        if let Some(token) = &*known {
            return Ok(token.clone());
        }
        let Some(credential) = &self.credential else {
            return Err(self.not_authorised(
                "no document says where its token comes from, and FLAGSTAFF_UNLEASH_TOKEN is not set".to_owned(),
            ));
        };
        let token = credential.fetch().await.map_err(|why| self.not_authorised(why))?;
        Ok(known.insert(token).clone())
    }

    /// The token as it is now, if it is another one than the one that was refused.
    async fn replaced(&self, refused: &Secret) -> Option<Secret> {
        let newer = self.credential.as_ref()?.fetch().await.ok()?;
        let mut known = self.token.lock().await;
        *known = Some(newer.clone());
        *self.identity.lock().await = None;
        (newer != *refused).then_some(newer)
    }

    fn read(&self, call: &Call, answer: Result<Reply, NoReply>) -> Result<Value, Fault> {
        let reply = answer.map_err(|why| self.unreachable(why.detail))?;
        let body: Option<Value> = serde_json::from_str(&reply.text).ok();
        if (200..300).contains(&reply.status) {
            // what is not the API answers everything with its pages, and did nothing
            let is_page = reply.content_type.contains("html") || (body.is_none() && !reply.text.trim().is_empty());
            return match body {
                Some(body) if !is_page => Ok(body),
                None if !is_page && call.method != Method::GET => Ok(Value::Null),
                _ => Err(self.unreachable("it answers with something that is no JSON: is it an Unleash?".to_owned())),
            };
        }
        Err(self.fault(&reply, body.as_ref()))
    }

    fn fault(&self, reply: &Reply, body: Option<&Value>) -> Fault {
        let text = |key: &str| body.and_then(|body| body.get(key)).and_then(Value::as_str).unwrap_or_default();
        let (name, mut message) = (text("name"), bounded(text("message")));
        let details = body.and_then(|body| body.pointer("/details/0/message")).and_then(Value::as_str);
        if let Some(detail) = details.map(bounded).filter(|detail| *detail != message) {
            message = format!("{message} {detail}");
        }
        let guarded = message.to_ascii_lowercase().contains("change request");
        match reply.status {
            400..500 if guarded => self.refused(format!(
                "change requests guard this environment, so nothing written directly is applied: {message}; give the \
                 token's user the permission to skip them"
            )),
            300..400 => self.refused("it redirects, and no credentials go elsewhere: name its own address".to_owned()),
            401 => self.not_authorised("the token is unknown or has expired".to_owned()),
            403 if name.is_empty() => self.not_authorised(format!(
                "{message}; an admin token or the personal access token of a user who may edit is needed"
            )),
            403 if name == "PermissionError" || name == "NoAccessError" => self.not_authorised(message),
            403 if name.is_empty() || body.is_none() => self.not_authorised(format!("status 403 {message}")),
            // its flags are not gone because we ask in the wrong place
            404 if name == "NotFoundError" && !message.starts_with("The path") => Fault::Missing(message),
            404 => self.unreachable(NO_PAGE.to_owned()),
            407 => self.unreachable("a proxy on the way asks who we are (status 407)".to_owned()),
            400 if name == "ArchivedFeatureError" => Fault::Archived,
            429 => {
                let wait = reply.retry_after.map(|wait| format!(" for {} s", wait.as_secs())).unwrap_or_default();
                self.unreachable(format!("it is asked too often and wants to be left alone{wait}"))
            }
            503 if message.contains("maintenance") => self.unreachable(
                "it is in maintenance mode and refuses every write, switching off included: end that first".to_owned(),
            ),
            408 | 425 => self.unreachable(format!("status {}: it asks to be asked again", reply.status)),
            // what it says of its own faults may hold anything
            500.. => self.unreachable(format!("status {} {}", reply.status, bounded(name))),
            status => self.refused(format!("status {status}: {message}")),
        }
    }

    pub(super) fn unreachable(&self, detail: String) -> Fault {
        Fault::Other(BackendError::Unreachable { place: self.place.clone(), detail })
    }

    fn refused(&self, detail: String) -> Fault {
        Fault::Other(BackendError::Refused { place: self.place.clone(), detail })
    }

    fn not_authorised(&self, detail: String) -> Fault {
        Fault::Other(BackendError::NotAuthorised { place: self.place.clone(), detail })
    }
}
