//! That a delivery is from who may send it: a bearer token, or a signature over the raw body. Compared in constant time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use crate::engine::{Span, Timestamp};
use crate::http::{Credential, Secret, signature};
use crate::spec::documents::{HmacStyle, ProofDoc, SignalDoc, TokenDoc};

/// A secret is fetched anew after this long, so that one that was changed is taken up.
const KEPT: Span = Span::minutes(1);
/// A secret that cannot be had is not asked for again before this: a command that hangs is not run for every sender.
const FAULT_KEPT: Span = Span::seconds(5);
/// A signed time may be this far from ours, either way. <https://www.standardwebhooks.com>
const WINDOW: Span = Span::minutes(5);

/// Why a delivery is not from who may send it. Says nothing about the secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

/// What senders prove themselves with, as it was fetched.
pub(super) struct Proofs {
    dir: PathBuf,
    /// By signal: one that hangs keeps no other from being checked.
    known: Mutex<BTreeMap<String, Arc<Mutex<Option<Known>>>>>,
}

/// A secret as it was fetched last.
struct Known {
    proof: ProofDoc,
    since: Timestamp,
    /// The newest that could be had.
    secret: Option<Secret>,
    /// Why it cannot be had now.
    fault: Option<String>,
}

impl Proofs {
    pub(super) fn new(dir: PathBuf) -> Proofs {
        Proofs { dir, known: Mutex::default() }
    }

    /// The secret of a signal, by its name; none without one.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(super) async fn secret(&self, doc: &SignalDoc, now: Timestamp) -> Result<Secret, String> {
        // one fetch at a time: a flood runs no command a thousand times
        let known = Arc::clone(self.known.lock().await.entry(doc.name.value.clone()).or_default());
        let mut known = known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.proof == doc.proof && now >= known.since) {
            let kept = if known.fault.is_some() { FAULT_KEPT } else { KEPT };
            match (&known.secret, &known.fault) {
                (Some(secret), _) if now.since(known.since) < kept => return Ok(secret.clone()),
                (None, Some(why)) if now.since(known.since) < kept => return Err(why.clone()),
                _ => {}
            }
        }
        let (ProofDoc::Bearer(from) | ProofDoc::Hmac(from, _)) = &doc.proof;
        let credential = match from {
            TokenDoc::Env(name) => Credential::Env(name.clone()),
            TokenDoc::File(path) => Credential::File(self.dir.join(path)),
            TokenDoc::Command(words) => Credential::Command(words.clone(), self.dir.clone()),
        };
        let (secret, fault) = match credential.fetch().await {
            Ok(secret) => (Some(secret), None),
            // what was good a moment ago stops things still
            Err(why) => {
                (known.take().filter(|known| known.proof == doc.proof).and_then(|known| known.secret), Some(why))
            }
        };
        let answer = secret.clone().ok_or_else(|| fault.clone().unwrap_or_default());
        *known = Some(Known { proof: doc.proof.clone(), since: now, secret, fault });
        answer
    }
}

/// Checks a delivery. Returns the id under which its sender knows it, where that is part of what is signed.
///
/// # Errors
/// Why it is not from who may send it.
pub(super) fn check(
    proof: &ProofDoc,
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Option<String>, Refused> {
    match proof {
        ProofDoc::Bearer(_) => bearer(secret, headers).map(|()| None),
        ProofDoc::Hmac(_, HmacStyle::Github) => {
            let signature = text(headers, "x-hub-signature-256", "there is no X-Hub-Signature-256")?;
            let hex = signature.strip_prefix("sha256=").ok_or(NOT_THEIRS)?;
            is_signed(secret.text().as_bytes(), &[body], &[unhex(hex).ok_or(NOT_THEIRS)?]).map(|()| None)
        }
        ProofDoc::Hmac(_, HmacStyle::Grafana) => {
            let name = "x-grafana-alerting-signature";
            let signature = text(headers, name, "there is no X-Grafana-Alerting-Signature")?;
            is_signed(secret.text().as_bytes(), &[body], &[unhex(signature).ok_or(NOT_THEIRS)?]).map(|()| None)
        }
        ProofDoc::Hmac(_, HmacStyle::StandardWebhooks) => standard(secret, headers, body, now).map(Some),
    }
}

const NOT_THEIRS: Refused = Refused("the signature is not made with the secret of this signal, over these bytes");

fn text<'h>(headers: &'h HeaderMap, name: &str, missing: &'static str) -> Result<&'h str, Refused> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(text), None) => Ok(text.trim()),
        _ => Err(Refused(missing)),
    }
}

fn bearer(secret: &Secret, headers: &HeaderMap) -> Result<(), Refused> {
    let missing = "there is no Authorization: Bearer TOKEN";
    let authorization = text(headers, header::AUTHORIZATION.as_str(), missing)?;
    // Unleash's senders may leave out the scheme
    let (scheme, token) = authorization.split_once(' ').unwrap_or(("bearer", authorization));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused(missing));
    }
    // of equal length, whatever was sent
    let (ours, theirs) = (Sha256::digest(secret.text().as_bytes()), Sha256::digest(token.trim().as_bytes()));
    match bool::from(ours.as_slice().ct_eq(theirs.as_slice())) {
        true => Ok(()),
        false => Err(Refused("the token is not the one of this signal")),
    }
}

fn standard(secret: &Secret, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<String, Refused> {
    let id = text(headers, signature::ID, "there is no webhook-id")?;
    let at = text(headers, signature::TIMESTAMP, "there is no webhook-timestamp")?;
    let signatures = text(headers, signature::SIGNATURE, "there is no webhook-signature")?;
    let seconds: i64 = at.parse().map_err(|_| Refused("webhook-timestamp is no number of seconds"))?;
    let said = Timestamp(seconds.saturating_mul(1000));
    if said.since(now).max(now.since(said)) > WINDOW {
        return Err(Refused("webhook-timestamp is more than five minutes from our clock"));
    }
    let key = signature::key(secret).ok_or(Refused("the secret of this signal is not base64"))?;
    is_signed(&key, &signature::signed(id, at, body), &signature::listed(signatures))?;
    Ok(id.to_owned())
}

fn is_signed(key: &[u8], parts: &[&[u8]], signatures: &[Vec<u8>]) -> Result<(), Refused> {
    if signature::is_signed(key, parts, signatures) { Ok(()) } else { Err(NOT_THEIRS) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const NOW: Timestamp = Timestamp(1_614_265_330_000);

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        pairs.iter().map(pair).collect()
    }

    fn hmac(style: HmacStyle) -> ProofDoc {
        ProofDoc::Hmac(TokenDoc::Env("S".to_owned()), style)
    }

    #[test]
    fn the_example_of_standard_webhooks_is_proven_in_its_window_and_not_beyond() {
        // the example of the specification's reference libraries
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let of = |signature: &str, id: &str| {
            headers(&[("webhook-id", id), ("webhook-timestamp", "1614265330"), ("webhook-signature", signature)])
        };
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let check = |headers: &HeaderMap, body: &[u8], now: Timestamp| {
            super::check(&hmac(HmacStyle::StandardWebhooks), &secret, headers, body, now)
        };
        assert_eq!(check(&of(good, id), body, NOW), Ok(Some(id.to_owned())));
        assert_eq!(check(&of(&format!("v1a,x v1,AAAA {good}"), id), body, NOW), Ok(Some(id.to_owned())), "rotation");
        assert_eq!(check(&of(good, "msg_other"), body, NOW), Err(NOT_THEIRS), "the id is signed");
        assert_eq!(check(&of(good, id), br#"{"test": 2432232315}"#, NOW), Err(NOT_THEIRS));
        assert_eq!(check(&of("", id), body, NOW), Err(NOT_THEIRS));
        assert!(check(&of(good, id), body, NOW.plus(Span::minutes(5))).is_ok());
        for late in [NOW.plus(Span(300_001)), NOW.minus(Span(300_001)), Timestamp(i64::MAX), Timestamp(0)] {
            let Err(Refused(why)) = check(&of(good, id), body, late) else { panic!("{late} is in the window") };
            assert!(why.contains("five minutes"), "{why}");
        }
    }

    #[test]
    fn githubs_and_grafanas_signatures_are_over_the_raw_body() {
        // the example of GitHub's documentation
        let secret = Secret::new("It's-a-Secret-to-Everybody".replace('-', " "));
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let github = headers(&[("x-hub-signature-256", &format!("sha256={hex}"))]);
        assert_eq!(check(&hmac(HmacStyle::Github), &secret, &github, b"Hello, World!", NOW), Ok(None));
        assert_eq!(check(&hmac(HmacStyle::Github), &secret, &github, b"Hello, World", NOW), Err(NOT_THEIRS));
        let grafana = headers(&[("x-grafana-alerting-signature", hex)]);
        assert_eq!(check(&hmac(HmacStyle::Grafana), &secret, &grafana, b"Hello, World!", NOW), Ok(None));
        for wrong in ["", "sha256=", "sha256=zz", "sha1=00", &format!("sha256={}é", &hex[..62])] {
            let Ok(value) = HeaderValue::from_str(wrong) else { continue };
            let mut headers = HeaderMap::new();
            headers.insert("x-hub-signature-256", value);
            assert!(check(&hmac(HmacStyle::Github), &secret, &headers, b"Hello, World!", NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_the_whole_token_and_said_once() {
        let (proof, secret) = (ProofDoc::Bearer(TokenDoc::Env("T".to_owned())), Secret::new("tok-1"));
        let check = |headers: &HeaderMap| super::check(&proof, &secret, headers, b"", NOW);
        for good in ["Bearer tok-1", "bearer  tok-1", "tok-1"] {
            assert_eq!(check(&headers(&[("authorization", good)])), Ok(None), "{good}");
        }
        for bad in ["", "Bearer", "Bearer tok-", "Bearer tok-11", "Basic tok-1", "Bearer TOK-1"] {
            assert!(check(&headers(&[("authorization", bad)])).is_err(), "{bad}");
        }
        let mut twice = headers(&[("authorization", "Bearer tok-1")]);
        twice.append("authorization", HeaderValue::from_static("Bearer tok-1"));
        assert!(check(&twice).is_err() && check(&HeaderMap::new()).is_err());
    }

    fn signals(dir: &std::path::Path, signals: &str) -> Vec<SignalDoc> {
        let text = format!(
            "apiVersion: flagstaff/v1\nkind: Project\nmetadata: {{ name: p }}\nspec:\n  environments: \
             {{ here: {{ backend: {{ flagd: {{ path: f.json }} }} }} }}\n  signals:\n{signals}"
        );
        std::fs::write(dir.join("flagstaff.yaml"), text).unwrap();
        let loaded = crate::spec::load(dir);
        loaded.project().unwrap_or_else(|| panic!("{:?}", loaded.findings)).signals.clone()
    }

    #[tokio::test]
    async fn a_secret_that_hangs_keeps_no_other_waiting() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "tok-1").unwrap();
        let docs = signals(
            dir.path(),
            "    hangs: { json: {}, releases: [r], token_command: [sleep, \"30\"], then: pause }\n    \
             works: { json: {}, releases: [r], token_file: token, then: pause }\n",
        );
        let proofs = Proofs::new(dir.path().to_owned());
        let hanging = proofs.secret(&docs[0], NOW);
        tokio::pin!(hanging);
        tokio::select! {
            // polled first: it has begun, and holds what it holds
            biased;
            _ = &mut hanging => panic!("it was to hang"),
            secret = proofs.secret(&docs[1], NOW) => assert_eq!(secret.unwrap().text(), "tok-1"),
        }
        // what was good a moment ago is good enough to stop things
        std::fs::remove_file(dir.path().join("token")).unwrap();
        assert_eq!(proofs.secret(&docs[1], NOW.plus(Span::minutes(2))).await.unwrap().text(), "tok-1");
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_had_is_not_asked_for_by_every_sender() {
        let dir = tempfile::tempdir().unwrap();
        let docs = signals(
            dir.path(),
            "    one: { json: {}, releases: [r], token_command: [sh, \"-c\", \"echo >> asked; exit 1\"], then: pause }\n",
        );
        let proofs = Proofs::new(dir.path().to_owned());
        for (after, asked) in [(0, 1), (0, 1), (4, 1), (6, 2), (7, 2)] {
            assert!(proofs.secret(&docs[0], NOW.plus(Span::seconds(after))).await.is_err());
            assert_eq!(std::fs::read_to_string(dir.path().join("asked")).unwrap().lines().count(), asked, "{after} s");
        }
    }
}
