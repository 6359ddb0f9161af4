//! A real Alertmanager sends its webhook to a real `serve`.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::kit::{flagstaff, is_off, status, until};
use super::signals::at_half;

/// A server, ended by its own process id.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn its_webhook_stops_what_it_names_and_its_repeats_do_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let config = format!(
        "route: {{ receiver: flagstaff, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1s }}\n\
         receivers:\n  - name: flagstaff\n    webhook_configs:\n      - url: http://{}/signals/halt\n        http_config: {{ \
         authorization: {{ credentials_file: {} }} }}\n",
        serve.address,
        dir.join("token").display()
    );
    fs::write(dir.join("alertmanager.yml"), config).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", dir.join("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", dir.join("alertmanager").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("no `prometheus-alertmanager` on this machine: tests/install-servers installs it");
    let _server = Server(child);
    let alerts = json!([
        { "labels": { "alertname": "Errors", "release": "r" }, "annotations": { "summary": "too many errors" } },
        { "labels": { "alertname": "Errors", "release": "nobody" } }
    ]);
    let taken = posted(&format!("http://127.0.0.1:{port}/api/v2/alerts"), &alerts.to_string());
    assert!(taken, "Alertmanager takes the alerts");
    until("r is off", || is_off(dir, "r").then_some(()));
    assert_eq!(status(dir, "s")["state"], "running");
    // it repeats itself: each time the same one
    until("it came again, and did nothing", || {
        serve.metric("flagstaff_signals_total{signal=\"halt\",result=\"known\"}").filter(|count| *count >= 1.0)
    });
    assert_eq!(serve.metric("flagstaff_signals_total{signal=\"halt\",result=\"shut-down\"}"), Some(1.0));
    assert!(serve.metric("flagstaff_signals_total{signal=\"halt\",result=\"unknown\"}").unwrap() >= 1.0);
    let log = String::from_utf8(flagstaff(dir, &["audit", "log", "r"]).stdout).unwrap();
    assert!(log.contains("signal halt (alertmanager)") && log.contains("too many errors"), "{log}");
}

/// Posts until it is taken: the server needs a moment to begin.
fn posted(url: &str, body: &str) -> bool {
    until("Alertmanager answers", || {
        let sent = Command::new("python3")
            .args(["-c", POST, url, body])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        sent.success().then_some(true)
    })
}

const POST: &str = "import sys, urllib.request as u\n\
u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), {'Content-Type': 'application/json'}), timeout=5)";
