//! The server and the project of the bench.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A real server, ended by its own process id.
pub(crate) struct Prometheus {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// A server that scrapes these pages, each with its environment as a label.
    pub(crate) fn serve(folder: &Path, pages: &[String]) -> Prometheus {
        let mut config =
            "global: { scrape_interval: 5s }\nscrape_configs:\n  - job_name: shop\n    static_configs:\n".to_owned();
        for (number, page) in pages.iter().enumerate() {
            let target = page.trim_start_matches("http://").trim_end_matches("/metrics");
            let _ = writeln!(config, "      - {{ targets: ['{target}'], labels: {{ env: e{number} }} }}");
        }
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("no `prometheus` on this machine: tests/install-servers installs it");
        Prometheus { child, url: format!("http://127.0.0.1:{port}") }
    }
}

/// One policy for all releases; environments with so many of them each, on one server.
pub(crate) fn write(dir: &Path, url: &str, flags: &[String], of_one: usize) {
    let mut text = format!(
        "apiVersion: flagstaff/v1\nkind: Project\nmetadata: {{ name: many }}\nspec:\n  sources:\n    prom:\n      \
         prometheus: {{ url: \"{url}\", scrape_every: 5s }}\n      arms: {{ flag: flag, variant: variant }}\n  \
         environments:\n"
    );
    for number in 0..flags.len().div_ceil(of_one) {
        let _ = writeln!(
            text,
            "    e{number}: {{ backend: {{ flagd: {{ path: e{number}.json }} }}, match: {{ env: e{number} }} }}"
        );
    }
    text.push_str(
        "---\napiVersion: flagstaff/v1\nkind: ReleaseTemplate\nmetadata: { name: t }\nspec:\n  stages:\n    \
         - { name: tenth, percentage: 10%, bake: 8h }\n    - { name: everyone, percentage: 100%, bake: 8h }\n---\n\
         apiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: { name: p }\nspec:\n  every: 30s\n  window: 20s\n  \
         presets: { http: { duration: http_request_duration_seconds, failed: 'code=\"500\"' } }\n  \
         healthy: [ \"error_rate < 1%\", \"p99 < 500ms\" ]\n  safeguards:\n    \
         - { name: errors, when: \"error_rate > 5%\", for: 1m, then: shutdown }\n  \
         no_data: { after: 8h, then: pause }\n",
    );
    for (number, flag) in flags.iter().enumerate() {
        let environment = number / of_one;
        let _ = write!(
            text,
            "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {flag} }}\nspec: {{ environments: [e{environment}] }}\n"
        );
    }
    std::fs::write(dir.join("flagstaff.yaml"), text).expect("a project");
}
