//! One attempt to deliver a message.

use std::path::Path;
use std::time::Duration;

use super::message::Message;
use crate::clock::{Clock, within};
use crate::control::{certificates, credential};
use crate::engine::{Span, Timestamp};
use crate::http::{Access, Client, Credential, Field, Gate, RequestBuilder, Secret, client_for, header, signature};
use crate::http::{is_in_the_clear, status_of};
use crate::spec::documents::{ReceiverDoc, WebhookDoc};

/// Nobody listens there if this was not enough.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A request takes no longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An attempt takes no longer, with every secret that it needs.
const ATTEMPT_WITHIN: Span = Span::seconds(30);
/// A key of Standard Webhooks has at least so many bytes.
const KEY_AT_LEAST: usize = 24;

/// What came of an attempt. What is told of it names no secret.
#[derive(Debug)]
pub(super) enum Came {
    /// The receiver has it. The connection may be used for the next one.
    Delivered(Client),
    /// It may be delivered later.
    Again {
        why: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// The receiver does not want it.
    Refused(String),
}

fn again(why: impl Into<String>) -> Came {
    Came::Again { why: why.into(), after: None }
}

/// Who gets a message, from where.
pub(super) struct Sender<'s> {
    pub(super) dir: &'s Path,
    pub(super) project: &'s str,
    pub(super) clock: &'s dyn Clock,
    /// The one that the last message was delivered with.
    pub(super) client: Option<Client>,
}

impl Sender<'_> {
    /// Sends a message, once.
    pub(super) async fn send(self, to: &ReceiverDoc, message: &Message) -> Came {
        let sent = async {
            let sent = match to {
                ReceiverDoc::Webhook(doc) => self.webhook(doc, message).await,
                ReceiverDoc::Slack(url) => self.slack(credential(self.dir, url), message).await,
            };
            match sent {
                Ok((request, client)) => answered(request, client).await,
                Err(why) => again(why),
            }
        };
        within(self.clock, ATTEMPT_WITHIN, sent).await.unwrap_or_else(|| again("no answer in time"))
    }

    async fn webhook(&self, doc: &WebhookDoc, message: &Message) -> Result<(RequestBuilder, Client), String> {
        let secret = credential(self.dir, &doc.secret);
        let key = signature::key(&secret.fetch().await?).filter(|key| key.len() >= KEY_AT_LEAST);
        let key = key.ok_or_else(|| {
            format!(
                "{secret} holds no secret of Standard Webhooks: `whsec_` and {KEY_AT_LEAST} bytes or more in base64"
            )
        })?;
        let known = certificates(self.dir, &doc.certificates);
        let client = match &self.client {
            Some(client) => client.clone(),
            None => client_for(&doc.url, CONNECT_WITHIN, ANSWER_WITHIN, &known)?,
        };
        let body = message.cloud_event(self.project);
        let now = self.clock.now();
        let at = now.0.div_euclid(1000).to_string();
        let signed = signature::sign(&key, &signature::signed(&message.id, &at, body.as_bytes()));
        let request = client
            .post(&doc.url)
            .header(header::CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header(signature::ID, &message.id)
            .header(signature::TIMESTAMP, at)
            .header(signature::SIGNATURE, signed.ok_or("the message cannot be signed")?)
            .body(body);
        Ok((self.with_headers(doc, request, now).await?, client))
    }

    async fn with_headers(
        &self,
        doc: &WebhookDoc,
        request: RequestBuilder,
        now: Timestamp,
    ) -> Result<RequestBuilder, String> {
        let plain = doc.headers.iter().map(|(name, value)| (name.clone(), Field::Plain(value.clone())));
        let secret = doc.secret_headers.iter();
        let secret = secret.map(|(name, from)| (name.clone(), Field::Secret(credential(self.dir, from))));
        let access = Access { headers: plain.chain(secret).collect(), ..Access::default() };
        // fetched for each message: a secret that was changed is taken up
        Gate::new(access).pass(now.0).await?.on(request)
    }

    async fn slack(&self, url: Credential, message: &Message) -> Result<(RequestBuilder, Client), String> {
        let address: Secret = url.fetch().await?;
        let is_known = address.text().starts_with("https://") || address.text().starts_with("http://");
        if !is_known || is_in_the_clear(address.text()) {
            return Err(format!("{url} holds no address: `https://…` is expected"));
        }
        let client = match &self.client {
            Some(client) => client.clone(),
            None => client_for(address.text(), CONNECT_WITHIN, ANSWER_WITHIN, &Default::default())?,
        };
        let request = client.post(address.text()).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        Ok((request.body(message.slack()), client))
    }
}

async fn answered(request: RequestBuilder, client: Client) -> Came {
    match status_of(request).await {
        Ok((200..=299, _)) => Came::Delivered(client),
        Ok((status @ (408 | 429 | 500..=599), after)) => Came::Again { why: format!("status {status}"), after },
        Ok((status @ 300..=399, _)) => Came::Refused(format!("status {status}: no redirect is followed")),
        Ok((status, _)) => Came::Refused(format!("status {status}")),
        Err(why) => again(why.detail),
    }
}
