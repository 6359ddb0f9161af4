//! A server that says what a test wants it to, after as long as the test wants, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The path.
    pub(crate) path: String,
    /// All header lines.
    pub(crate) headers: String,
    /// The form, decoded.
    pub(crate) form: Vec<(String, String)>,
}

impl Asked {
    /// A field of the form.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) status: u16,
    pub(crate) date: Option<String>,
    /// More header lines, each with its end.
    pub(crate) headers: String,
    pub(crate) body: String,
    /// Instead of the body, where that is no text.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Reply {
    /// At once, 200.
    pub(crate) fn with(body: impl Into<String>) -> Reply {
        Reply { after: Duration::ZERO, status: 200, date: None, headers: String::new(), body: body.into(), bytes: None }
    }
}

/// A server; its threads end with the test.
pub(crate) struct Fake {
    /// Its address.
    pub(crate) url: String,
    /// Everything it was asked.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) fn serve(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let remembered = asked.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answer, remembered) = (answer.clone(), remembered.clone());
                std::thread::spawn(move || {
                    let Some(asked) = read(&connection) else { return };
                    let reply = answer(&asked);
                    remembered.lock().unwrap().push(asked);
                    std::thread::sleep(reply.after);
                    let _ = write(connection, &reply);
                });
            }
        });
        Fake { url, asked }
    }
}

fn read(connection: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let form = String::from_utf8_lossy(&body)
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    Some(Asked { path, headers, form })
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn write(mut connection: TcpStream, reply: &Reply) -> std::io::Result<()> {
    let date = reply.date.as_ref().map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let Reply { status, headers, body, bytes, .. } = reply;
    let body = bytes.as_deref().unwrap_or(body.as_bytes());
    let length = body.len();
    write!(connection, "HTTP/1.1 {status} X\r\n{date}{headers}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    connection.write_all(body)
}
