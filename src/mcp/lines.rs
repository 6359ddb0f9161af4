//! The transport: a JSON-RPC message a line on stdin and stdout.
//!
//! Lines are bounded; what is no message is answered where it says which request it was, else it is told in the log. Once
//! the input ends, what was asked before is still answered.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleServer;
use rmcp::model::ClientNotification::CancelledNotification;
use rmcp::model::{ErrorData, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{Notify, mpsc};

use super::{LEAVE_WITHIN, Setup};
use crate::clock::within;
use crate::serve::line::Level;

/// A longer line is dropped: a document file is at most 4 MiB, and twice that as a JSON text.
const LINE_AT_MOST: usize = 8 * 1024 * 1024;
/// So many lines are read before the first of them is taken.
const AHEAD: usize = 16;

/// What was read.
enum Read {
    Line(Vec<u8>),
    /// It was longer than it may be.
    TooLong,
}

type Output = Arc<tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>>;

/// Requests that have no answer yet.
#[derive(Default)]
struct Open {
    ids: Mutex<HashSet<RequestId>>,
    fewer: Notify,
}

impl Open {
    fn ids(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, id: &RequestId) {
        self.ids().insert(id.clone());
    }

    fn end(&self, id: &RequestId) {
        self.ids().remove(id);
        self.fewer.notify_one();
    }

    async fn none(&self) {
        while !self.ids().is_empty() {
            self.fewer.notified().await;
        }
    }
}

/// Lines in, lines out.
pub(super) struct Lines {
    incoming: mpsc::Receiver<Read>,
    output: Output,
    open: Arc<Open>,
    setup: Arc<Setup>,
    /// Whether a request was seen: until then nothing else means anything.
    begun: bool,
}

impl Lines {
    pub(super) fn new(
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
        setup: Arc<Setup>,
    ) -> Lines {
        // a task of its own: whoever receives may be dropped at any moment, and half a line must not be lost
        let (send, incoming) = mpsc::channel(AHEAD);
        tokio::spawn(read(BufReader::new(input), send));
        let output: Output = Arc::new(tokio::sync::Mutex::new(Box::new(output)));
        Lines { incoming, output, open: Arc::default(), setup, begun: false }
    }

    /// The message of a line, if it is one for the session.
    async fn understood(&mut self, line: &[u8]) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = match serde_json::from_slice::<RxJsonRpcMessage<RoleServer>>(line) {
            Ok(message) => message,
            Err(error) => {
                self.refuse(line, &error.to_string()).await;
                return None;
            }
        };
        match &message {
            JsonRpcMessage::Request(request) => {
                self.begun = true;
                self.open.begin(&request.id);
            }
            JsonRpcMessage::Notification(notification) => {
                if let CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.open.end(id);
                }
            }
            _ => {}
        }
        self.begun.then_some(message)
    }

    /// What is no message is answered where it says which request it was: whoever asked must not wait for ever. To answer
    /// anything else could go on for ever with a client that answers likewise.
    async fn refuse(&self, line: &[u8], why: &str) {
        self.setup.tell(&self.setup.line(Level::Warn, "ignored").with("why", format!("no message: {why}")));
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(line) else { return };
        let id = fields.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
        if let (Some(id), true) = (id, fields.contains_key("method")) {
            let error = ErrorData::invalid_request("this is no request that the protocol knows", None);
            let _ = write(&self.output, &TxJsonRpcMessage::<RoleServer>::error(error, Some(id))).await;
        }
    }
}

impl Transport<RoleServer> for Lines {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), io::Error>> + Send + 'static {
        let (output, open) = (Arc::clone(&self.output), Arc::clone(&self.open));
        async move {
            let answered = match &message {
                JsonRpcMessage::Response(response) => Some(response.id.clone()),
                JsonRpcMessage::Error(error) => error.id.clone(),
                _ => None,
            };
            let written = write(&output, &message).await;
            if let Some(id) = answered {
                open.end(&id);
            }
            written
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match self.incoming.recv().await {
                Some(Read::Line(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
                Some(Read::Line(line)) => {
                    if let Some(message) = self.understood(&line).await {
                        return Some(message);
                    }
                }
                Some(Read::TooLong) => {
                    let why = format!("a message is longer than {} MiB", LINE_AT_MOST >> 20);
                    self.setup.tell(&self.setup.line(Level::Warn, "ignored").with("why", why.clone()));
                    let error = ErrorData::invalid_request(why, None);
                    let _ = write(&self.output, &TxJsonRpcMessage::<RoleServer>::error(error, None)).await;
                }
                None => {
                    within(&*self.setup.clock, LEAVE_WITHIN, self.open.none()).await;
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), io::Error> {
        self.output.lock().await.flush().await
    }
}

async fn write(output: &Output, message: &TxJsonRpcMessage<RoleServer>) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

/// Reads lines until there are no more, or nobody takes them.
async fn read(mut input: BufReader<impl AsyncRead + Unpin>, send: mpsc::Sender<Read>) {
    let (mut line, mut too_long) = (Vec::new(), false);
    loop {
        let Ok(available) = input.fill_buf().await else { return };
        if available.is_empty() {
            // half a line is no message
            return;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        if too_long || line.len() + part.len() > LINE_AT_MOST {
            (line, too_long) = (Vec::new(), true);
        } else {
            line.extend_from_slice(part);
        }
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            let read = if too_long { Read::TooLong } else { Read::Line(std::mem::take(&mut line)) };
            too_long = false;
            if send.send(read).await.is_err() {
                return;
            }
        }
    }
}
