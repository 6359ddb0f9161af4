//! A proxy of the tests' own between flagstaff and a server: it holds, loses, repeats, delays and forges calls. What it
//! answers itself says that it is a fake.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A call on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its place among the calls of this proxy, from 0.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Call {
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET"
    }
}

/// What becomes of a call.
pub(crate) enum Fate {
    Pass,
    /// It never arrives, and the connection ends.
    Lose,
    /// It arrives, and the connection ends in the middle of the answer.
    Cut,
    /// It arrives twice; the second answer is given.
    Twice,
    /// It arrives after so long, and nobody hears the answer.
    Later(Duration),
    /// The answer never comes, and neither did the call arrive.
    Hang,
    /// It does not arrive; this is answered: status, further header lines, body.
    Fake(u16, String, Vec<u8>),
}

/// A forged answer in JSON.
pub(crate) fn fake(status: u16, body: &str) -> Fate {
    Fate::Fake(status, "Content-Type: application/json\r\n".to_owned(), body.as_bytes().to_vec())
}

type Judge = Arc<dyn Fn(Call) -> BoxFuture<'static, Fate> + Send + Sync>;

/// The proxy; it ends with its runtime.
pub(crate) struct Proxy {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Proxy {
    /// Before a server, asking a judge what becomes of each call.
    pub(crate) async fn before<F>(server: &str, judge: impl Fn(Call) -> F + Send + Sync + 'static) -> Proxy
    where
        F: Future<Output = Fate> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        let judge: Judge = Arc::new(move |call| Box::pin(judge(call)));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (server, judge, seen) = (server.clone(), judge.clone(), seen.clone());
                tokio::spawn(async move { serve(connection, &server, &judge, &seen).await });
            }
        });
        Proxy { url, calls }
    }

    /// One that lets everything pass.
    pub(crate) async fn open(server: &str) -> Proxy {
        Proxy::before(server, |_| async { Fate::Pass }).await
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve(mut connection: TcpStream, server: &str, judge: &Judge, seen: &Mutex<Vec<Call>>) -> Option<()> {
    loop {
        let (head, body) = message(&mut connection).await?;
        let mut words = head.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let call = {
            let mut seen = seen.lock().unwrap();
            let call = Call { number: seen.len(), method, path };
            seen.push(call.clone());
            call
        };
        let whole = [head.as_bytes(), b"\r\n\r\n", &body].concat();
        let answer = match judge(call).await {
            Fate::Lose => return None,
            Fate::Hang => std::future::pending().await,
            Fate::Pass => forward(server, &whole).await?,
            Fate::Twice => {
                forward(server, &whole).await?;
                forward(server, &whole).await?
            }
            Fate::Cut => {
                let answer = forward(server, &whole).await?;
                connection.write_all(&answer[..answer.len().min(20)]).await.ok()?;
                return None;
            }
            Fate::Later(after) => {
                tokio::time::sleep(after).await;
                forward(server, &whole).await?;
                return None;
            }
            Fate::Fake(status, header, body) => {
                let head =
                    format!("HTTP/1.1 {status} A fake of the tests\r\n{header}Content-Length: {}\r\n\r\n", body.len());
                [head.as_bytes(), &body].concat()
            }
        };
        connection.write_all(&answer).await.ok()?;
    }
}

/// The head without its end, and the body.
async fn message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

/// The server's answer, for a connection that goes on.
async fn forward(server: &str, whole: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await.ok()?;
    stream.write_all(whole).await.ok()?;
    let mut bytes = Vec::new();
    loop {
        // chunks, lengths and bodies that are not there: whatever it is, it is passed on as it came
        match tokio::time::timeout(
            Duration::from_millis(if complete(&bytes) { 0 } else { 30_000 }),
            stream.read_buf(&mut bytes),
        )
        .await
        {
            Ok(Ok(read)) if read > 0 => {}
            _ => return Some(bytes),
        }
    }
}

fn complete(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = bytes.len() - end - 4;
    if head.contains("transfer-encoding: chunked") {
        return bytes.ends_with(b"0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    body >= length.unwrap_or(0)
}
