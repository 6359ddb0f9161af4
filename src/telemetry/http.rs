//! One way to fetch: no redirects, a time-out, a bounded body.

use std::time::Duration;

/// A page or answer larger than this (decoded) is refused.
pub const BODY_AT_MOST: usize = 32 * 1024 * 1024;

/// A client. Redirects are not followed: credentials never travel to another host.
///
/// # Errors
/// Where the TLS roots cannot be read.
pub fn client(timeout: Duration) -> Result<reqwest::Client, String> {
    // somebody else may have installed it already: the first one stays
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("flagstaff/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

/// The status and body of an answer, within the bounds.
///
/// # Errors
/// What went wrong, for people; without the address's user part.
pub async fn fetch(request: reqwest::RequestBuilder) -> Result<(u16, String, Option<String>), String> {
    let mut response = request.send().await.map_err(|error| explain(&error))?;
    let status = response.status().as_u16();
    let date = response.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        if body.len() + chunk.len() > BODY_AT_MOST {
            return Err(format!("the answer is larger than {BODY_AT_MOST} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())?;
    Ok((status, text, date))
}

fn explain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
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
