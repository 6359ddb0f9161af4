//! Signals over HTTP: who sends one is proven over the raw bytes before any of them is understood; what is understood goes
//! through a bounded channel to whoever takes it in, and the answer says what came of it.

mod alerts;
mod json;
mod proof;
mod rate;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use self::proof::{Proofs, Refused};
use self::rate::Rates;
use super::line::{Level, Line, Log};
use super::vitals::Vitals;
use crate::canonical::sha256_hex;
use crate::clock::Clock;
use crate::control::signal::{Delivery, Item, RecordedWord, SignalRow, SignalWord, Waiting};
use crate::engine::Timestamp;
use crate::spec::documents::{SenderDoc, SignalDoc};

/// A larger body is refused.
const BODY_AT_MOST: usize = 1024 * 1024;
/// A body that takes longer to come is refused.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// An answer of whoever takes signals in comes sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// So many deliveries wait to be taken in; more are told to come again.
pub const WAIT_AT_MOST: usize = 256;
/// Texts from outside are recorded and told up to this length, in characters.
const TEXT_AT_MOST: usize = 300;

/// What takes in signals over HTTP.
pub struct Intake {
    declared: watch::Receiver<Vec<SignalDoc>>,
    send: mpsc::Sender<Waiting>,
    proofs: Proofs,
    rates: Rates,
    /// The only environment that may be acted on, where there is one.
    environment: Option<String>,
    vitals: Arc<Vitals>,
    clock: Arc<dyn Clock>,
    log: Log,
}

/// Why a delivery is not taken in, and with which status that is told.
struct Refusal {
    status: StatusCode,
    /// In one word of ours, for counting.
    word: &'static str,
    /// For the sender.
    why: String,
}

impl Intake {
    /// Signals that `declared` tells of go to `send`. Secrets are found from the project's folder.
    pub fn new(
        dir: PathBuf,
        declared: watch::Receiver<Vec<SignalDoc>>,
        send: mpsc::Sender<Waiting>,
        environment: Option<String>,
        vitals: Arc<Vitals>,
        clock: Arc<dyn Clock>,
        log: Log,
    ) -> Intake {
        let (proofs, rates) = (Proofs::new(dir), Rates::default());
        Intake { declared, send, proofs, rates, environment, vitals, clock, log }
    }

    async fn take(&self, doc: &SignalDoc, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
        let body = read(headers, body).await?;
        let now = self.clock.now();
        let secret = match self.proofs.secret(doc, now).await {
            Ok(secret) => secret,
            Err(why) => {
                self.fault(doc, Some(&why));
                let why = "what senders prove themselves with cannot be had here; the log says why".to_owned();
                return Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, word: "no-secret", why });
            }
        };
        self.fault(doc, None);
        let proven = proof::check(&doc.proof, &secret, headers, &body, now);
        let id = proven.map_err(|Refused(why)| Refusal {
            status: StatusCode::UNAUTHORIZED,
            word: "unproven",
            why: why.to_owned(),
        })?;
        if !self.rates.lets(&doc.name.value, now) {
            return Err(busy("too many signals of this name; come again in a second"));
        }
        let understood = |why: String| Refusal { status: StatusCode::BAD_REQUEST, word: "not-understood", why };
        let digest = sha256_hex(&body);
        let (items, truncated, source) = match &doc.from {
            SenderDoc::Alertmanager(labels) => {
                let (items, truncated) = alerts::items(doc, labels, &body, true).map_err(understood)?;
                (items, truncated, "alertmanager")
            }
            SenderDoc::Grafana(labels) => {
                let (items, truncated) = alerts::items(doc, labels, &body, false).map_err(understood)?;
                (items, truncated, "grafana")
            }
            SenderDoc::Json(places) => {
                let same = id.unwrap_or_else(|| json::sameness(&digest, now));
                (json::items(doc, places, &body, &same).map_err(understood)?, 0, "json")
            }
        };
        if truncated > 0 {
            let line = self.line(Level::Warn, "signal-truncated", now).with("signal", doc.name.value.clone());
            (self.log)(&line.with("alerts", truncated.to_string()));
        }
        let delivery = self.delivery(doc, source, digest, items);
        let rows = self.sent(delivery).await?;
        Ok(self.told(doc, &rows, truncated))
    }

    fn delivery(&self, doc: &SignalDoc, source: &str, digest: String, items: Vec<Item>) -> Delivery {
        let named = doc.environments.iter().map(|text| text.value.clone());
        let allowed: Vec<String> = match &self.environment {
            None => named.collect(),
            Some(only) if doc.environments.is_empty() => vec![only.clone()],
            // none is no restriction, so that one which does not exist stands for none
            Some(only) => vec![named.into_iter().find(|name| name == only).unwrap_or_else(|| "-".to_owned())],
        };
        Delivery {
            name: doc.name.value.clone(),
            source: source.to_owned(),
            then: doc.then.clone(),
            digest,
            by: None,
            allowed,
            items,
        }
    }

    async fn sent(&self, delivery: Delivery) -> Result<Vec<SignalRow>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let sent = self.send.try_send(Waiting { delivery, answer });
        sent.map_err(|_| {
            busy("too many signals wait to be taken in, or the process is ending; come again in a second")
        })?;
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(rows)) => Ok(rows),
            _ => Err(busy("it may have been taken in, and there is no answer yet; send it again")),
        }
    }

    /// The answer, with a status that tells senders whether to come again.
    fn told(&self, doc: &SignalDoc, rows: &[SignalRow], truncated: u64) -> Response {
        let now = self.clock.now();
        for row in rows {
            self.vitals.signal(&doc.name.value, word(row.result));
            // a flood of the same one is counted, and written once
            if row.result == SignalWord::Known {
                continue;
            }
            let level = if row.result == SignalWord::Unknown { Level::Warn } else { Level::Info };
            let line = self.line(level, "signal", now).with("signal", doc.name.value.clone());
            let line = line.with("named", row.named.clone()).with("result", word(row.result));
            let line = row.address.iter().fold(line, |line, address| line.with("rollout", address.clone()));
            let line = row.detail.iter().fold(line, |line, detail| line.with("detail", detail.clone()));
            (self.log)(&line);
        }
        let is = |word| rows.iter().any(|row| row.result == word);
        let unrecorded = |word| rows.iter().any(|row| row.recorded == Some(word));
        let status = if unrecorded(RecordedWord::Nowhere) {
            StatusCode::SERVICE_UNAVAILABLE
        } else if is(SignalWord::CarryingOut) || unrecorded(RecordedWord::Spool) {
            StatusCode::ACCEPTED
        } else if !rows.is_empty() && rows.iter().all(|row| row.result == SignalWord::Unknown) {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        let mut answer = json!({ "schema": "flagstaff/signal/v1", "signal": doc.name.value, "items": rows });
        if truncated > 0 {
            answer["truncated"] = json!(truncated);
        }
        document(status, &answer)
    }

    fn fault(&self, doc: &SignalDoc, why: Option<&str>) {
        let about = format!("signal {}", doc.name.value);
        if self.vitals.fault(&about, why) {
            let line = self.line(if why.is_some() { Level::Error } else { Level::Info }, "secret", self.clock.now());
            let line = line.with("signal", doc.name.value.clone());
            (self.log)(&line.with("what", why.unwrap_or("it can be had again")));
        }
    }

    fn line(&self, level: Level, event: &'static str, at: Timestamp) -> Line {
        Line::new(at, level, event)
    }
}

/// `POST /signals/NAME`, and the same where Unleash has its signal endpoints.
pub(super) async fn receive(
    State(intake): State<Arc<Intake>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let doc = intake.declared.borrow().iter().find(|doc| doc.name.value == name).cloned();
    let Some(doc) = doc else {
        return document(StatusCode::NOT_FOUND, &json!({ "error": "there is no such signal" }));
    };
    match intake.take(&doc, &headers, body).await {
        Ok(response) => response,
        Err(Refusal { status, word, why }) => {
            intake.vitals.signal(&doc.name.value, word);
            let now = intake.clock.now();
            if let Some(more) = intake.rates.is_worth_a_line(now) {
                let line = intake.line(Level::Warn, "signal-refused", now).with("signal", doc.name.value.clone());
                let line = line.with("status", status.as_u16().to_string()).with("why", why.clone());
                let more = (more > 0).then(|| more.to_string());
                (intake.log)(&more.into_iter().fold(line, |line, more| line.with("more", more)));
            }
            let mut response = document(status, &json!({ "error": why }));
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            }
            response
        }
    }
}

fn document(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// The raw body, within its bounds.
async fn read(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Refusal> {
    let too_large = || Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        word: "too-large",
        why: format!("the body is larger than {BODY_AT_MOST} bytes"),
    };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_AT_MOST as u64) {
        return Err(too_large());
    }
    let cut = |status, why: &str| Refusal { status, word: "cut-off", why: why.to_owned() };
    match tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_AT_MOST)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if format!("{error:?}").contains("LengthLimitError") => Err(too_large()),
        Ok(Err(_)) => Err(cut(StatusCode::BAD_REQUEST, "the body ends before it is whole")),
        Err(_) => Err(cut(StatusCode::REQUEST_TIMEOUT, "the body does not come")),
    }
}

/// Told to come again: Alertmanager does on a status of 500 and more, and on no other.
fn busy(why: &str) -> Refusal {
    Refusal { status: StatusCode::SERVICE_UNAVAILABLE, word: "busy", why: why.to_owned() }
}

fn word(result: SignalWord) -> &'static str {
    match result {
        SignalWord::Paused => "paused",
        SignalWord::RolledBack => "rolled-back",
        SignalWord::ShutDown => "shut-down",
        SignalWord::Notified => "notified",
        SignalWord::CarryingOut => "carrying-out",
        SignalWord::Known => "known",
        SignalWord::Nothing => "nothing",
        SignalWord::Unknown => "unknown",
    }
}

/// A body as JSON. What is wrong with it is told by its place, and nothing of it is repeated.
fn parsed(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("the body is no JSON: line {}, column {}", error.line(), error.column()))
}

/// As much of a text from outside as is kept.
fn clipped(text: &str) -> String {
    text.chars().take(TEXT_AT_MOST).collect()
}
