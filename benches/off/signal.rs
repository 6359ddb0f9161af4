//! A signal to a real `serve`, against the bare call; and beside it what people build of an alert rule, Alertmanager, a webhook
//! and curl. When the environment went off is what the server itself has recorded.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::server::{Server, TOKEN, environment};
use crate::{Times, page::Page, project};

const RELEASE: &str = "off-by-signal";
const OFF: &str = "feature-environment-disabled";

/// What was measured, in milliseconds until the server has recorded the off.
pub(super) struct Measured {
    /// From sending the signal.
    pub(super) signal: Times,
    /// From sending the bare call.
    pub(super) bare: Times,
    /// From the first failing answer, by rule, Alertmanager, webhook and curl.
    pub(super) chain: Times,
}

/// A process; killed by its own id.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

/// When the newest off of the flag was recorded, milliseconds since the epoch; waits for one after `since`.
fn off_at(server: &Server, since: f64) -> f64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let events = server.ours("GET", &format!("/api/admin/events/{RELEASE}"), None);
        let offs = events["events"].as_array().into_iter().flatten().filter(|event| event["type"] == OFF);
        let times = offs.filter_map(|event| event["createdAt"].as_str()).map(milliseconds);
        if let Some(at) = times.filter(|at| *at + 1.0 >= since).reduce(f64::min) {
            return at;
        }
        assert!(Instant::now() < until, "it was not switched off");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `2026-01-02T03:04:05.678Z` as milliseconds since the epoch.
fn milliseconds(text: &str) -> f64 {
    let time: jiff::Timestamp = text.parse().expect("a time of the server");
    time.as_millisecond() as f64
}

fn ask(address: &str, path: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn serve(dir: &Path) -> (Process, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flagstaff"))
        .arg("-C")
        .arg(dir)
        .args(["serve", "--listen", "127.0.0.1:0", "-o", "json"])
        .env("SHOP_TOKEN", TOKEN)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let listening = lines.find(|line| line.contains("\"listening\"")).expect("it says where");
    std::thread::spawn(move || lines.for_each(drop));
    let line: serde_json::Value = serde_json::from_str(&listening).expect("a line of JSON");
    (Process(child), line["address"].as_str().expect("an address").to_owned())
}

fn start(dir: &Path, again: bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(dir).args(["start", RELEASE, "-e", "production"]).args(again.then_some("--again"));
    command.env("SHOP_TOKEN", TOKEN).env("FLAGSTAFF_ACTOR", "bench").stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("it starts").success());
}

/// Both sides in each round, who comes first by turns; then `chains` rounds of the chain.
pub(super) fn measure(server: &Server, rounds: usize, chains: usize) -> Measured {
    let (folder, page) = (tempfile::tempdir().expect("a folder"), Page::serve(&[RELEASE]));
    let dir = folder.path();
    page.failing.store(false, Ordering::SeqCst);
    project::write(dir, RELEASE, "1h", &server.url, &page.url);
    let file = dir.join("flagstaff.yaml");
    let signals = "  signals:\n    halt: { json: { release: /release, id: /id }, token_file: token, then: shutdown }\n  environments:\n";
    let text = std::fs::read_to_string(&file).expect("the project").replace("  environments:\n", signals);
    std::fs::write(&file, text).expect("the project");
    std::fs::write(dir.join("token"), "a-token-of-the-bench-0123456789").expect("a token");
    start(dir, false);
    let (_serve, address) = serve(dir);
    let unleash = server.url.trim_start_matches("http://").to_owned();
    let (mut signal, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        if round > 0 {
            start(dir, true);
        }
        let by_signal = || {
            let body = format!("{{\"release\":\"{RELEASE}\",\"id\":\"{round}\"}}");
            let sent = now();
            let answer = ask(&address, "/signals/halt", "Bearer a-token-of-the-bench-0123456789", &body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            off_at(server, sent) - sent
        };
        let by_call = || {
            server.ours("POST", &format!("{}/on", environment(RELEASE)), None);
            let sent = now();
            ask(&unleash, &format!("{}/off", environment(RELEASE)), TOKEN, "");
            off_at(server, sent) - sent
        };
        // what is begun is stopped by the signal first: the bare call finds a rollout that is over
        let ours = by_signal();
        let theirs = by_call();
        // the first round pays for what is done once
        if round > 0 {
            signal.push(ours);
            bare.push(theirs);
        }
    }
    let chain = chain(server, dir, &page, chains);
    Measured { signal: Times::of(signal), bare: Times::of(bare), chain: Times::of(chain) }
}

/// From the first failing answer to off: scraped and judged each second, sent on at once.
fn chain(server: &Server, dir: &Path, page: &Page, rounds: usize) -> Vec<f64> {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let (prometheus, alertmanager) = (free(), free());
    let hook = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (hook_at, off) =
        (hook.local_addr().expect("an address"), format!("{}{}/off", server.url, environment(RELEASE)));
    std::thread::spawn(move || {
        for stream in hook.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut head = [0_u8; 65536];
            let size = stream.read(&mut head).unwrap_or(0);
            if String::from_utf8_lossy(&head[..size]).contains("\"status\":\"firing\"") {
                let curl = ["-sSf", "-X", "POST", "-H"];
                let _ = Command::new("curl").args(curl).arg(format!("Authorization: {TOKEN}")).arg(&off).output();
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let target = page.url.trim_start_matches("http://").trim_end_matches("/metrics");
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("a file");
    write(
        "prometheus.yml",
        format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [ rules.yml ]\n\
             alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: [\"127.0.0.1:{alertmanager}\"] }} ] }} ] }}\n\
             scrape_configs: [ {{ job_name: shop, static_configs: [ {{ targets: [\"{target}\"] }} ] }} ]\n"
        ),
    );
    let failing = "sum(rate(http_request_duration_seconds_count{code=\\\"500\\\"}[3s]))";
    let all = "sum(rate(http_request_duration_seconds_count[3s]))";
    write(
        "rules.yml",
        format!("groups: [ {{ name: g, rules: [ {{ alert: Errors, expr: \"{failing} / {all} > 0.05\" }} ] }} ]\n"),
    );
    write(
        "alertmanager.yml",
        format!(
            "route: {{ receiver: r, group_wait: 0s, group_interval: 1s, repeat_interval: 1h }}\n\
             receivers: [ {{ name: r, webhook_configs: [ {{ url: \"http://{hook_at}/\" }} ] }} ]\n"
        ),
    );
    let run = |program: &str, args: &[String]| {
        let child = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Process(child.expect("tests/install-servers installs it"))
    };
    let at = |name: &str| dir.join(name).display().to_string();
    let _alertmanager = run(
        "prometheus-alertmanager",
        &[
            format!("--config.file={}", at("alertmanager.yml")),
            format!("--storage.path={}", at("alertmanager")),
            format!("--web.listen-address=127.0.0.1:{alertmanager}"),
            "--cluster.listen-address=".to_owned(),
        ],
    );
    let _prometheus = run(
        "prometheus",
        &[
            format!("--config.file={}", at("prometheus.yml")),
            format!("--storage.tsdb.path={}", at("data")),
            format!("--web.listen-address=127.0.0.1:{prometheus}"),
        ],
    );
    // long enough to have scraped what is healthy, and to be over what was not
    let rest = Duration::from_secs(12);
    let mut times = Vec::new();
    for _ in 0..rounds {
        std::thread::sleep(rest);
        server.ours("POST", &format!("{}/on", environment(RELEASE)), None);
        let began = now();
        page.failing.store(true, Ordering::SeqCst);
        times.push(off_at(server, began) - began);
        page.failing.store(false, Ordering::SeqCst);
    }
    times
}
