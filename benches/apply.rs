//! `apply` of 1,000 flags at a real Unleash, against the bare calls that it makes at the same concurrency, in one run.
//!
//! `cargo bench --bench apply [FLAGS]`; needs what the tests against a real Unleash need. The bound of the design: the whole
//! process takes at most 1.2 times the bare calls. The server slows down with the flags it has, so both sides take
//! turns, twice, and each goes first once.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "the server is the tests' own, and may")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

// the tests do more with it
#[allow(dead_code)]
#[path = "../tests/it/unleash/server.rs"]
mod server;

use server::TOKEN;

/// As many as `apply` looks at, and makes, at once.
const AT_ONCE: usize = 16;
const FLAGS: usize = 1000;

fn project(dir: &Path, url: &str, prefix: &str, flags: usize) {
    let made = Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("init").current_dir(dir).output().unwrap();
    assert!(made.status.success());
    let path = dir.join("flagstaff.yaml");
    let backend = format!(r#"unleash: {{ url: "{url}", environment: production, token_env: SHOP_TOKEN }}"#);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("flagd: { path: flags.flagd.json }", &backend).replace("targetingKey", "userId");
    std::fs::write(path, text).unwrap();
    let release = |number: usize| {
        let name = format!("{prefix}-{number:04}");
        format!("---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{}}\n")
    };
    let releases: String = (0..flags).map(release).collect();
    std::fs::write(dir.join("flagstaff/releases.yaml"), releases).unwrap();
}

/// The whole process, from its start to its end.
fn apply(dir: &Path) -> (Duration, String) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    let done = command.args(["apply", "--yes"]).current_dir(dir).env("SHOP_TOKEN", TOKEN).output().unwrap();
    let took = began.elapsed();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    (took, String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The same three calls a flag: whether it is there, making it, and a strategy that reaches nobody.
async fn bare(url: &str, prefix: &str, flags: usize) -> Duration {
    let began = Instant::now();
    let client = reqwest::Client::new();
    let next = Arc::new(AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, next) = (client.clone(), Arc::clone(&next));
        let (url, prefix) = (format!("{url}/api/admin/projects/default/features"), prefix.to_owned());
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= flags {
                    return;
                }
                let flag = format!("{prefix}-{number:04}");
                let environment = format!("{url}/{flag}/environments/production");
                let found = client.get(&environment).header("Authorization", TOKEN).send().await.unwrap();
                assert_eq!(found.status().as_u16(), 404);
                found.bytes().await.unwrap();
                let parameters = json!({ "groupId": flag, "rollout": "0", "stickiness": "userId" });
                let strategy = json!({
                    "name": "flexibleRollout", "title": "bare", "disabled": true, "constraints": [],
                    "parameters": parameters, "segments": [], "variants": [],
                });
                let flag = json!({ "name": flag, "type": "release", "description": "bare" });
                for (path, body) in [(url.clone(), flag), (format!("{environment}/strategies"), strategy)] {
                    let request = client.post(path).header("Authorization", TOKEN);
                    let request = request.header("Content-Type", "application/json").body(body.to_string());
                    let done = request.send().await.unwrap();
                    assert!(done.status().is_success(), "{}", done.status());
                    done.bytes().await.unwrap();
                }
            }
        });
    }
    writers.join_all().await;
    began.elapsed()
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn main() {
    let flags = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(FLAGS);
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let server = server::server();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("load at the beginning: {}", load());
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for round in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        project(dir.path(), &server.url, &format!("ours-{round}"), flags);
        let mut sides = [false, true];
        sides.rotate_left(round);
        for is_bare in sides {
            if is_bare {
                let took = runtime.block_on(bare(&server.url, &format!("bare-{round}"), flags));
                println!("  the bare calls: {:.2} s", took.as_secs_f64());
                theirs += took;
            } else {
                let (took, _) = apply(dir.path());
                println!("  flagstaff apply --yes: {:.2} s", took.as_secs_f64());
                ours += took;
            }
        }
        let (took, said) = apply(dir.path());
        assert!(said.contains("nothing to do"), "{said}");
        println!("  the same again, to no effect: {:.2} s", took.as_secs_f64());
    }
    println!("{flags} flags, twice: ratio {:.2}, at most 1.2", ours.as_secs_f64() / theirs.as_secs_f64());
    println!("load at the end: {}", load());
}
