//! How flagstaff speaks HTTP: no redirects, time-outs on everything, bounded bodies, secrets that are never shown.

mod login;
mod secret;
pub mod signature;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
pub use reqwest::{Client, Method, RequestBuilder, header};

pub use self::login::{Access, Field, Gate, Login, Pass, TokenServer};
pub use self::secret::{Credential, Secret};

/// A page or answer larger than this (decoded) is refused.
pub const BODY_AT_MOST: usize = 32 * 1024 * 1024;

/// Certificates of one's own, beside those that the system trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// A file with the certificates of one's own authority, in PEM.
    pub authority: Option<PathBuf>,
    /// A file with the client's certificate, in PEM; with its key too, where no other file has that.
    pub client: Option<PathBuf>,
    /// A file with the client's key, in PEM.
    pub key: Option<PathBuf>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub text: String,
    /// The server's clock, as it says.
    pub date: Option<String>,
    /// What the body is said to be.
    pub content_type: String,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoReply {
    /// Whether time ran out: then the request may have arrived, or may arrive later.
    pub timed_out: bool,
    /// Whether there is an answer, of more bytes than are read.
    pub too_large: bool,
    /// For people.
    pub detail: String,
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<NoReply> for String {
    fn from(why: NoReply) -> String {
        why.detail
    }
}

/// A client. Redirects are not followed: credentials never travel to another host.
///
/// # Errors
/// Where the TLS roots cannot be read.
pub fn client(timeout: Duration) -> Result<Client, String> {
    builder(timeout).build().map_err(|error| error.to_string())
}

/// A client for one address: it gives up early where nobody listens, keeps loopback away from proxies, and knows
/// certificates of one's own.
///
/// # Errors
/// Certificates that cannot be read or used, with the file's name and nothing of its content.
pub fn client_for(url: &str, connect: Duration, total: Duration, known: &Certificates) -> Result<Client, String> {
    let mut builder = builder(total).connect_timeout(connect).tcp_nodelay(true);
    if is_loopback(host_of(url)) {
        builder = builder.no_proxy();
        if url.starts_with("http://") {
            // nothing is ever asked over TLS there, and reading the system's certificates takes longer than asking
            builder = builder.tls_certs_only([]);
        }
    }
    if let Some(file) = &known.authority {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(file)?);
        let certificates = certificates.ok().filter(|found| !found.is_empty());
        let certificates = certificates.ok_or_else(|| format!("{} holds no certificate in PEM", file.display()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(file) = &known.client {
        let mut pem = read(file)?;
        if let Some(key) = &known.key {
            pem.push(b'\n');
            pem.extend(read(key)?);
        }
        let unusable = || format!("{} holds no certificate with its key in PEM", file.display());
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(|_| unusable())?);
    }
    builder.build().map_err(|error| explain(&error).detail)
}

fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    // somebody else may have installed it already: the first one stays
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("flagstaff/", env!("CARGO_PKG_VERSION")))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The answer to a request, within the bounds.
///
/// # Errors
/// What went wrong, for people; without the address's user part.
pub async fn fetch(request: RequestBuilder) -> Result<Reply, NoReply> {
    fetch_at_most(request, BODY_AT_MOST).await
}

/// The answer to a request whose body has at most so many bytes, decoded.
///
/// # Errors
/// What went wrong, for people; without the address's user part.
pub async fn fetch_at_most(request: RequestBuilder, at_most: usize) -> Result<Reply, NoReply> {
    let mut response = request.send().await.map_err(|error| explain(&error))?;
    let status = response.status().as_u16();
    let date = text_of(response.headers(), &DATE);
    let content_type = text_of(response.headers(), &CONTENT_TYPE).unwrap_or_default();
    let retry_after = text_of(response.headers(), &RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > at_most {
            let detail = format!("the answer is larger than {at_most} bytes");
            return Err(NoReply { too_large: true, ..broken(detail) });
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| broken("the answer is not UTF-8".to_owned()))?;
    Ok(Reply { status, text, date, content_type, retry_after: retry_after.map(Duration::from_secs) })
}

/// The status of an answer, and how long the server asks to be left alone; the body is not read, however large it is.
///
/// # Errors
/// What went wrong, for people; without the address.
pub async fn status_of(request: RequestBuilder) -> Result<(u16, Option<Duration>), NoReply> {
    let response = request.send().await.map_err(|error| explain(&error))?;
    let retry_after = text_of(response.headers(), &RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
    Ok((response.status().as_u16(), retry_after.map(Duration::from_secs)))
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn broken(detail: String) -> NoReply {
    NoReply { timed_out: false, too_large: false, detail }
}

fn explain(error: &reqwest::Error) -> NoReply {
    if error.is_timeout() {
        return NoReply { timed_out: true, ..broken("no answer in time".to_owned()) };
    }
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    broken(match text.as_str() {
        "" => "the request failed".to_owned(),
        // what is no TLS is read as broken TLS
        tls if tls.contains("InvalidContentType") => "it does not speak TLS: is it `http://`?".to_owned(),
        _ => text,
    })
}

/// An address as it may be shown: a user part in it is a credential.
pub fn shown(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
        None => address.to_owned(),
    }
}

/// At most so much of a foreign text, on one line.
pub fn bounded(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    line.trim().to_owned()
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The host of an address, without its user part and port.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a host is this machine itself.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether what is sent to an address can be read on the way to another machine.
pub fn is_in_the_clear(url: &str) -> bool {
    url.starts_with("http://") && !is_loopback(host_of(url))
}

/// A date of a header, in milliseconds since the Unix epoch: `Mon, 23 Nov 2026 21:24:43 GMT`, cut to the second.
pub fn date(text: &str) -> Option<i64> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(parsed.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_behind_users_ports_and_brackets() {
        for (url, host, loopback) in [
            ("http://127.0.0.1:4242/x", "127.0.0.1", true),
            ("https://user@flags.example:1/", "flags.example", false),
            ("http://[::1]:80", "::1", true),
            ("http://LOCALHOST?x", "LOCALHOST", true),
            ("http://127.0.0.1.example", "127.0.0.1.example", false),
        ] {
            assert_eq!((host_of(url), is_loopback(host_of(url))), (host, loopback), "{url}");
        }
    }

    #[test]
    fn a_segment_of_a_path_stays_one() {
        assert_eq!(segment("A.b-c_d~9/ü?"), "A.b-c_d~9%2F%C3%BC%3F");
    }

    #[test]
    fn certificates_that_cannot_be_used_are_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "not a certificate").unwrap();
        for known in [
            Certificates { authority: Some(file.clone()), ..Certificates::default() },
            Certificates { client: Some(file.clone()), ..Certificates::default() },
            Certificates { authority: Some(folder.path().join("ca.pem.missing")), ..Certificates::default() },
        ] {
            let second = Duration::from_secs(1);
            let why = client_for("https://flags.example", second, second, &known).unwrap_err();
            assert!(why.contains("ca.pem") && !why.contains("not a"), "{why}");
        }
    }
}
