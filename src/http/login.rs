//! How one says who one is: with a token, a name and password, or a token that another server gives (OAuth2 client
//! credentials, RFC 6749, section 4.4); and with headers.
//!
//! What was fetched is kept, and fetched anew once it expires or is refused. It goes to the one address that it is for.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Certificates, Credential, Reply, Secret, bounded, client_for, fetch_at_most, is_in_the_clear};

/// A server that gives tokens is waited for so long.
const TOKEN_WITHIN: Duration = Duration::from_secs(3);
/// What it answers is far smaller.
const ANSWER_AT_MOST: usize = 64 * 1024;
/// A token is asked for anew so long before it expires, or after half of its time where that is less. In milliseconds.
const BEFORE_END: i64 = 30_000;
/// A token that says no end is kept so long, as most live. In milliseconds.
const UNSAID: i64 = 300_000;
/// What cannot be had is not asked for again at once, by hundreds of requests. In milliseconds.
const PAUSE: i64 = 2_000;
/// What was fetched anew because it was refused is not fetched again so soon, in milliseconds: it may be refused for ever.
const RENEWED: i64 = 10_000;

/// How a server is got at.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Who one is.
    pub login: Login,
    /// Headers for each request; a header with a name that HTTP does not know is an error when it is sent.
    pub headers: Vec<(String, Field)>,
    /// Certificates of one's own.
    pub certificates: Certificates,
}

/// Who one is.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// Nobody in particular.
    #[default]
    Nobody,
    /// Whoever has a token.
    Token(Credential),
    /// Somebody with a password.
    Password {
        /// The name.
        username: String,
        /// Where the password comes from.
        password: Credential,
    },
    /// A client of a server that gives tokens.
    Client(TokenServer),
}

/// A server that gives tokens, and a client of its.
#[derive(Debug, Clone)]
pub struct TokenServer {
    /// Its address.
    pub url: String,
    /// The client.
    pub client: String,
    /// Where the client's secret comes from.
    pub secret: Credential,
    /// What the token is to be good for.
    pub scopes: Vec<String>,
    /// For whom it is to be good, where the server asks that.
    pub audience: Option<String>,
}

/// What a header says.
#[derive(Debug, Clone)]
pub enum Field {
    /// A text that everybody may know.
    Plain(String),
    /// A secret.
    Secret(Credential),
}

/// What is shown at an address, as it was fetched. Never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    login: Shown,
    headers: Vec<(String, Secret)>,
    until: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Nothing,
    Token(Secret),
    Password(String, Secret),
}

/// Fetches passes and keeps them.
#[derive(Debug)]
pub struct Gate {
    access: Access,
    client: OnceLock<Result<Client, String>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pass: Option<Pass>,
    /// When it was fetched because it was refused.
    renewed: Option<i64>,
    /// Why none can be had, and until when nobody tries.
    failed: Option<(String, i64)>,
}

impl Gate {
    /// For an address. Nothing is fetched yet.
    pub fn new(access: Access) -> Gate {
        Gate { access, client: OnceLock::new(), kept: Mutex::default() }
    }

    /// Certificates of one's own.
    pub fn certificates(&self) -> &Certificates {
        &self.access.certificates
    }

    /// Who one is, in words and without secrets; none where nothing secret is shown.
    pub fn who(&self) -> Option<String> {
        match &self.access.login {
            Login::Nobody => {
                let secret = self.access.headers.iter().filter(|(_, field)| matches!(field, Field::Secret(_)));
                let names: Vec<&str> = secret.map(|(name, _)| name.as_str()).collect();
                (!names.is_empty()).then(|| format!("with the header {}", names.join(", ")))
            }
            Login::Token(credential) => Some(format!("with the token of {credential}")),
            Login::Password { username, password } => Some(format!("as {username}, with the password of {password}")),
            Login::Client(TokenServer { url, client, secret, .. }) => {
                Some(format!("as {client}, with a token of {url} for the secret of {secret}"))
            }
        }
    }

    /// Whether secrets go to an address that everybody on the way can read.
    pub fn tells_everybody(&self, url: &str) -> bool {
        let is_secret = |(_, field): &(String, Field)| matches!(field, Field::Secret(_));
        let to_whom = match &self.access.login {
            Login::Nobody => false,
            Login::Client(server) => is_in_the_clear(&server.url) || is_in_the_clear(url),
            Login::Token(_) | Login::Password { .. } => is_in_the_clear(url),
        };
        to_whom || (is_in_the_clear(url) && self.access.headers.iter().any(is_secret))
    }

    /// What is shown now, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    pub async fn pass(&self, now: i64) -> Result<Pass, String> {
        let mut kept = self.kept.lock().await;
        match &kept.pass {
            Some(pass) if now < pass.until => Ok(pass.clone()),
            _ => self.fetch(&mut kept, now).await,
        }
    }

    /// What is shown instead of a pass that was refused, if that is another one.
    pub async fn instead(&self, refused: &Pass, now: i64) -> Option<Pass> {
        let mut kept = self.kept.lock().await;
        match &kept.pass {
            // somebody else has seen to it meanwhile
            Some(pass) if pass != refused => return Some(pass.clone()),
            _ if kept.renewed.is_some_and(|renewed| (0..RENEWED).contains(&(now - renewed))) => return None,
            _ => {}
        }
        kept.renewed = Some(now);
        let newer = self.fetch(&mut kept, now).await.ok()?;
        (newer != *refused).then_some(newer)
    }

    async fn fetch(&self, kept: &mut Kept, now: i64) -> Result<Pass, String> {
        if let Some((why, until)) = &kept.failed
            && (until - PAUSE..*until).contains(&now)
        {
            return Err(why.clone());
        }
        let fetched = self.fetch_all(now).await;
        kept.failed = fetched.as_ref().err().map(|why| (why.clone(), now.saturating_add(PAUSE)));
        kept.pass = fetched.as_ref().ok().cloned();
        fetched
    }

    async fn fetch_all(&self, now: i64) -> Result<Pass, String> {
        let mut until = i64::MAX;
        let login = match &self.access.login {
            Login::Nobody => Shown::Nothing,
            Login::Token(credential) => Shown::Token(credential.fetch().await?),
            Login::Password { username, password } => Shown::Password(username.clone(), password.fetch_line().await?),
            Login::Client(server) => {
                let (token, lives) = self.token(server).await?;
                until = now.saturating_add((lives - BEFORE_END).max(lives / 2));
                Shown::Token(token)
            }
        };
        let mut headers = Vec::new();
        for (name, field) in &self.access.headers {
            let value = match field {
                Field::Plain(text) => Secret::new(text.clone()),
                Field::Secret(credential) => credential.fetch_line().await?,
            };
            headers.push((name.clone(), value));
        }
        Ok(Pass { login, headers, until })
    }

    /// A token, and for how many milliseconds it is good.
    async fn token(&self, server: &TokenServer) -> Result<(Secret, i64), String> {
        let secret = server.secret.fetch_line().await?;
        // the client's certificate is for the server that is asked, not for this one
        let known = Certificates { client: None, key: None, ..self.access.certificates.clone() };
        let made = || client_for(&server.url, TOKEN_WITHIN, TOKEN_WITHIN, &known);
        let failed = |why: &str| format!("no token from {}: {why}", server.url);
        let client = self.client.get_or_init(made).as_ref().map_err(|why| failed(why))?;
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        if !server.scopes.is_empty() {
            form.push(("scope", server.scopes.join(" ")));
        }
        form.extend(server.audience.clone().map(|audience| ("audience", audience)));
        // both are encoded as forms are before they are put together: RFC 6749, section 2.3.1
        let (name, password) = (super::segment(&server.client), super::segment(secret.text()));
        let request = client.post(&server.url).form(&form).basic_auth(name, Some(password));
        let Reply { status, text, .. } =
            fetch_at_most(request, ANSWER_AT_MOST).await.map_err(|why| failed(&why.detail))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status != 200 {
            // a word from a list of RFC 6749; descriptions may repeat what was sent
            let word = body["error"].as_str().map(bounded).unwrap_or_default();
            return Err(failed(format!("status {status} {word}").trim_end()));
        }
        let is_bearer = body["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let token = body["access_token"]
            .as_str()
            .filter(|token| is_bearer && !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| failed("its answer has no bearer token"))?;
        // some say the number as a text
        let said = &body["expires_in"];
        let lives = said.as_i64().or_else(|| said.as_str()?.parse().ok()).filter(|seconds| *seconds > 0);
        Ok((Secret::new(token), lives.map_or(UNSAID, |seconds| seconds.saturating_mul(1000))))
    }
}

impl Pass {
    /// A request that shows it.
    ///
    /// # Errors
    /// A header that HTTP does not know, by its name.
    pub fn on(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        let mut request = match &self.login {
            Shown::Nothing => request,
            Shown::Token(token) => request.bearer_auth(token.text()),
            Shown::Password(name, password) => request.basic_auth(name, Some(password.text())),
        };
        for (name, secret) in &self.headers {
            let refused = || format!("the header {name} cannot be sent as it is");
            let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            let mut value = HeaderValue::from_str(secret.text()).map_err(|_| refused())?;
            value.set_sensitive(true);
            request = request.header(known, value);
        }
        Ok(request)
    }
}
