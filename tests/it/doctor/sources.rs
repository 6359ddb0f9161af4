//! Sources: a real Prometheus, pages, and what may stand in their place.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::{Found, examined, project};
use crate::prometheus::serve;
use crate::support::page::Page;
use crate::support::server::{Asked, Fake, Reply};

const SOURCE: &str = "source it";
/// What must never be said.
const CANARY: &str = "canary-9b1f";

fn found(source: &str, code: i32) -> Found {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), &[&format!("it: {{ {source} }}")], &["here: { backend: { flagd: { path: flags.json } } }"]);
    fs::write(folder.path().join("token"), CANARY).unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let found = examined(folder.path(), &[], code);
    assert!(!found.said.contains(CANARY), "the token is told: {}", found.said);
    found
}

fn prometheus(url: &str, code: i32) -> Found {
    found(&format!("prometheus: {{ url: \"{url}\", token_file: token }}"), code)
}

fn pages(urls: &[&str], code: i32) -> Found {
    found(&format!("scrape: {{ targets: {} }}", json!(urls)), code)
}

#[test]
fn a_real_prometheus_is_well_once_it_scrapes() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["shop"]);
    let server = serve(folder.path(), &page);
    let url = server.url.clone();
    let examine = |code| found(&format!("prometheus: {{ url: \"{url}\" }}"), code);
    // it listens before it is ready, and is ready before it has scraped
    let scraped = (0..120).any(|_| {
        std::thread::sleep(Duration::from_millis(250));
        says(&url, "/-/ready").contains(" 200 ") && says(&url, "/api/v1/query?query=up").contains("\"value\"")
    });
    assert!(scraped, "it does not start");
    let scrapes = examine(0);
    scrapes.is(SOURCE, "reachable", "ok", "it answers queries, in ").is(SOURCE, "version", "ok", "Prometheus ");
    let version = scrapes.check(SOURCE, "version")["seen"].as_str().unwrap();
    assert!(version.split(' ').nth(1).unwrap().starts_with(|c: char| c.is_ascii_digit()), "{version}");
    scrapes.is(SOURCE, "ready", "ok", "it says so").is(SOURCE, "data", "ok", "targets that it scrapes: 1");
    scrapes.is(SOURCE, "clock", "ok", "s from ours").leaves_out(SOURCE, "login").leaves_out(SOURCE, "transport");
    drop(server);
    examine(5).is(SOURCE, "reachable", "failed", "refused").advises(SOURCE, "reachable", "check the source's `url`");
}

/// What a server says to a path.
fn says(url: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut said = String::new();
    if let Ok(mut stream) = std::net::TcpStream::connect(url.trim_start_matches("http://")) {
        let _ = write!(stream, "GET {path} HTTP/1.0\r\n\r\n").and_then(|()| stream.read_to_string(&mut said));
    }
    said
}

fn answer(kind: &str, result: serde_json::Value) -> String {
    json!({ "status": "success", "data": { "resultType": kind, "result": result } }).to_string()
}

/// Now, so many seconds later, as `time()` says it.
fn time(later: f64) -> String {
    use flagstaff::clock::{Clock as _, SystemClock};
    let now = SystemClock.now().0 as f64 / 1000.0 + later;
    answer("scalar", json!([now, now.to_string()]))
}

/// A server with the same interface that says as little as may be.
fn reticent(asked: &Asked, later: f64) -> Reply {
    match (asked.path.as_str(), asked.field("query")) {
        ("/api/v1/query", "time()") => Reply::with(time(later)),
        ("/api/v1/query", _) => Reply::with(answer("vector", json!([]))),
        _ => Reply { status: 404, ..Reply::with("no such page") },
    }
}

#[test]
fn others_with_the_same_interface_need_not_say_what_they_are() {
    let server = Fake::serve(|asked| reticent(asked, 0.0));
    let found = prometheus(&server.url, 0);
    found.is(SOURCE, "version", "ok", "not said").is(SOURCE, "ready", "ok", "not said");
    found.is(SOURCE, "data", "warning", "it scrapes nothing").advises(SOURCE, "data", "scrape_configs");
    let asked = server.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.headers.contains(&format!("Bearer {CANARY}"))), "{asked:?}");
    // with a time of ours the server would say ours
    assert!(asked.iter().all(|asked| asked.field("time").is_empty()), "{asked:?}");
}

#[test]
fn a_server_that_says_what_it_is_and_is_not_ready_is_told() {
    let server = Fake::serve(|asked| match asked.path.as_str() {
        "/api/v1/status/buildinfo" => {
            Reply::with(json!({ "data": { "application": "Another", "version": "3.1" } }).to_string())
        }
        "/-/ready" => Reply { status: 503, ..Reply::with("Service Unavailable") },
        _ => reticent(asked, 0.0),
    });
    let found = prometheus(&server.url, 0);
    found.is(SOURCE, "version", "ok", "Another 3.1").is(SOURCE, "ready", "warning", "status 503");
}

#[test]
fn a_clock_that_is_wrong_is_told_with_what_it_does() {
    for (later, side) in [(60.0, "ahead of ours"), (-60.0, "behind ours")] {
        let server = Fake::serve(move |asked| reticent(asked, later));
        let found = prometheus(&server.url, 0);
        found.is(SOURCE, "clock", "warning", side).is(SOURCE, "clock", "warning", "nothing advances");
    }
    let server = Fake::serve(|_| Reply {
        date: Some("Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
        ..Reply::with("requests_total 1\n")
    });
    pages(&[&server.url], 0).is(SOURCE, "clock", "warning", "behind ours").is(SOURCE, "page", "ok", " 1 series");
}

#[test]
fn what_is_no_prometheus_or_does_not_let_us_is_told() {
    type Row = (fn() -> Reply, i32, &'static str);
    let rows: [Row; 6] = [
        (|| Reply { status: 401, ..Reply::with("Unauthorized") }, 4, "status 401"),
        (|| Reply::with("<html>"), 5, "no answer as Prometheus gives it"),
        (|| Reply::with("{}"), 5, "no answer as Prometheus gives it"),
        (|| Reply { status: 302, ..Reply::with("") }, 5, "redirects"),
        (|| Reply { status: 500, ..Reply::with(r#"{"status":"error","error":"out of memory"}"#) }, 5, "out of memory"),
        (|| Reply { after: Duration::from_secs(60), ..Reply::with("") }, 5, "no answer in time"),
    ];
    for (reply, code, seen) in rows {
        let server = Fake::serve(move |_| reply());
        let found = prometheus(&server.url, code);
        found.is(SOURCE, "reachable", "failed", seen).leaves_out(SOURCE, "version");
    }
}

#[test]
fn a_token_that_cannot_be_had_or_is_shown_around_is_told() {
    let server = Fake::serve(|asked| reticent(asked, 0.0));
    for (named, seen) in [
        ("token_file: none", "/none: entity not found"),
        ("token_file: empty", "/empty holds no token"),
        ("token_env: DOCTOR_TOKEN", "the variable DOCTOR_TOKEN is not set"),
    ] {
        let found = found(&format!("prometheus: {{ url: \"{}\", {named} }}", server.url), 4);
        found.is(SOURCE, "login", "failed", seen).leaves_out(SOURCE, "reachable");
    }
    // nothing answers at an address that documents use as examples
    let clear = prometheus("http://198.51.100.7:9090", 5);
    clear.is(SOURCE, "transport", "warning", "unencrypted").is(SOURCE, "reachable", "failed", "");
}

#[test]
fn each_page_is_told_of() {
    let page = Page::serve(&["shop"]);
    let garbage = Fake::serve(|_| Reply::with("<!DOCTYPE html>"));
    let empty = Fake::serve(|_| Reply::with("# nothing yet\n"));
    let locked = Fake::serve(|_| Reply { status: 401, ..Reply::with("") });
    let gone = Fake::serve(|_| Reply { status: 404, ..Reply::with("") });
    let hanging = Fake::serve(|_| Reply { after: Duration::from_secs(60), ..Reply::with("") });
    let rows: [(&str, i32, &str, &str); 7] = [
        (&page.url, 0, "ok", " 8 series, read in "),
        (&empty.url, 0, "warning", "there is no series on it"),
        (&garbage.url, 5, "failed", "not a metrics page: line 1"),
        (&gone.url, 5, "failed", "status 404"),
        (&locked.url, 4, "failed", "status 401"),
        ("http://127.0.0.1:9/metrics", 5, "failed", "refused"),
        (&hanging.url, 5, "failed", "no answer in time"),
    ];
    for (url, code, result, seen) in rows {
        let found = pages(&[url], code);
        found.is(SOURCE, "page", result, seen).is(SOURCE, "page", result, url).leaves_out(SOURCE, "clock");
    }
    // side by side, in the documents' order
    let both = pages(&["http://127.0.0.1:9/metrics", &page.url], 5);
    let things = both.answer["things"].as_array().unwrap();
    let results: Vec<&str> = things.last().unwrap()["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["failed", "ok"]);
}
