//! A receiver of messages on loopback, and a project that tells it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::serve::kit::{FLAG_FILE, FLAGS, flagstaff, project, status, until};
use crate::support::page::Page;

pub(super) const SECRET: &str = "whsec_Y2FuYXJ5LXNpZ25pbmctc2VjcmV0LTAwMQ==";

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    /// What was answered; 0 is nothing, ever.
    pub(super) answered: u16,
}

impl Delivery {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// `release@environment event` of a CloudEvent.
    pub(super) fn told(&self) -> String {
        let event = self.json();
        format!("{} {}", event["subject"].as_str().unwrap(), event["data"]["event"].as_str().unwrap())
    }
}

/// A receiver; its threads end with the test.
pub(super) struct Receiver {
    pub(super) url: String,
    answer: Arc<AtomicU16>,
    headers: Arc<Mutex<String>>,
    came: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    /// Answers with this status; 0 never answers.
    pub(super) fn answering(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answer, headers) = (Arc::new(AtomicU16::new(status)), Arc::new(Mutex::new(String::new())));
        let came = Arc::new(Mutex::new(Vec::new()));
        let (now, more, remembered) = (Arc::clone(&answer), Arc::clone(&headers), Arc::clone(&came));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (now, more, remembered) = (Arc::clone(&now), Arc::clone(&more), Arc::clone(&remembered));
                std::thread::spawn(move || _ = serve(connection, &now, &more, &remembered));
            }
        });
        Receiver { url, answer, headers, came }
    }

    pub(super) fn answer(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    /// More header lines of each answer, each with its end.
    pub(super) fn with_headers(&self, lines: &str) {
        *self.headers.lock().unwrap() = lines.to_owned();
    }

    /// Everything that came.
    pub(super) fn came(&self) -> Vec<Delivery> {
        self.came.lock().unwrap().clone()
    }

    /// What was taken: answered with a success.
    pub(super) fn taken(&self) -> Vec<Delivery> {
        self.came().into_iter().filter(|delivery| (200..300).contains(&delivery.answered)).collect()
    }

    /// What was taken, in words, once the last of it is this.
    pub(super) fn until_told(&self, last: &str) -> Vec<String> {
        until(&format!("`{last}` is told"), || {
            let told: Vec<String> = self.taken().iter().map(Delivery::told).collect();
            (told.last().map(String::as_str) == Some(last)).then_some(told)
        })
    }
}

fn serve(
    mut connection: TcpStream,
    answer: &AtomicU16,
    more: &Mutex<String>,
    came: &Mutex<Vec<Delivery>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        let answered = answer.load(Ordering::SeqCst);
        came.lock().unwrap().push(Delivery { path, headers, body, answered });
        if answered == 0 {
            // until the other side has had enough
            let mut rest = [0; 1];
            connection.set_read_timeout(Some(Duration::from_secs(120)))?;
            let _ = reader.read(&mut rest);
            return Ok(());
        }
        let more = more.lock().unwrap().clone();
        write!(connection, "HTTP/1.1 {answered} X\r\n{more}content-length: 0\r\n\r\n")?;
    }
}

/// A project whose notification `pager` goes to a receiver, with more lines below `notifications`.
pub(super) fn telling(dir: &Path, page: &Page, receiver: &Receiver, more: &str) {
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    let url = &receiver.url;
    let pager = format!("    pager: {{ webhook: {{ url: \"{url}/pager\", secret_file: secret }} }}\n");
    project(dir, page, FLAG_FILE, &format!("  notifications:\n{pager}{more}"));
}

pub(super) fn page() -> Page {
    Page::serve(FLAGS)
}

pub(super) fn done(dir: &Path, args: &[&str]) {
    let output = flagstaff(dir, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
}

pub(super) fn until_half(dir: &Path, release: &str) {
    until(&format!("{release} is at half"), || (status(dir, release)["stage"] == "half").then_some(()));
}
