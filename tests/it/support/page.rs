//! A metrics page of the tests' own: healthy traffic that grows with every reading, on a free loopback port.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A page; it ends with this value.
pub(crate) struct Page {
    /// Its address.
    pub(crate) url: String,
    /// Whether half of the exposed group's requests fail.
    pub(crate) failing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl Page {
    /// Serves `http_request_duration_seconds` with labels `flag` and `variant` for each flag.
    pub(crate) fn serve(flags: &[&str]) -> Page {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (failing, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let (fails, stops) = (failing.clone(), stop.clone());
        std::thread::spawn(move || {
            let (good, bad) = (AtomicU64::new(1000), AtomicU64::new(0));
            for connection in listener.incoming().flatten() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                good.fetch_add(100, Ordering::SeqCst);
                if fails.load(Ordering::SeqCst) {
                    bad.fetch_add(100, Ordering::SeqCst);
                }
                let page = text(&flags, good.load(Ordering::SeqCst), bad.load(Ordering::SeqCst));
                let _ = answer(connection, &page);
            }
        });
        Page { url: format!("http://{address}/metrics"), failing, stop, address }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the listener, so that it sees that it is to stop
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut connection: TcpStream, page: &str) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut request = [0; 2048];
    let _ = connection.read(&mut request)?;
    write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len())
}

fn text(flags: &[String], good: u64, bad: u64) -> String {
    let mut page = String::new();
    for flag in flags {
        for (variant, bad) in [("on", bad), ("off", 0)] {
            let labels = format!("flag=\"{flag}\",variant=\"{variant}\"");
            let all = good + bad;
            page.push_str(&format!("http_request_duration_seconds_bucket{{{labels},le=\"0.1\"}} {all}\n"));
            page.push_str(&format!("http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {all}\n"));
            page.push_str(&format!("http_request_duration_seconds_count{{{labels},code=\"200\"}} {good}\n"));
            page.push_str(&format!("http_request_duration_seconds_count{{{labels},code=\"500\"}} {bad}\n"));
        }
    }
    page
}
