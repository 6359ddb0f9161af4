//! A release on nothing but an open-source Unleash and its clients: the example of the documentation, made quick.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::alone;
use super::clients::Service;
use super::server::{TOKEN, environment, server};

fn project(flag: &str) -> tempfile::TempDir {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/unleash/flagstaff.yaml");
    let mut text = fs::read_to_string(example).unwrap();
    for (slow, quick) in [
        ("http://127.0.0.1:4242", server().url.as_str()),
        ("checkout-v2", flag),
        ("every: 2s", "every: 1s"),
        ("window: 10s", "window: 5s"),
        ("for: 4s", "for: 2s"),
        ("bake: 10s", "bake: 2s"),
    ] {
        assert!(text.contains(slow), "{slow} is not in the example");
        text = text.replace(slow, quick);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flagstaff.yaml"), text).unwrap();
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(folder).args(args).env("UNLEASH_TOKEN", TOKEN).output().unwrap()
}

fn users() -> Vec<Value> {
    let user = |number: usize| match number % 4 {
        0 => {
            json!({ "userId": format!("user-{number}"), "email": "ana@acme.example", "properties": { "email": "ana@acme.example" } })
        }
        _ => json!({ "userId": format!("user-{number}") }),
    };
    (0..1000).map(user).collect()
}

#[test]
fn a_release_completes_on_the_metrics_of_the_servers_own_clients() {
    let _alone = alone();
    let folder = project("impact-good");
    assert!(run(folder.path(), &["validate"]).status.success());
    let mut service = Service::start("serve", "impact-good", &users(), 0.0);
    assert_eq!(service.says(), "serving");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let done = run(folder.path(), &["run", "impact-good", "-e", "production", "-o", "jsonl"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let shown = server().ours("GET", &environment("impact-good"), None);
    let on = shown["strategies"].as_array().unwrap().iter().find(|found| found["disabled"] == false).unwrap();
    assert_eq!((&shown["enabled"], &on["parameters"]["rollout"]), (&true.into(), &"100".into()));
}

#[test]
fn another_is_shut_down_by_them() {
    let _alone = alone();
    let folder = project("impact-bad");
    let mut service = Service::start("serve", "impact-bad", &users(), 0.3);
    assert_eq!(service.says(), "serving");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let done = run(folder.path(), &["run", "impact-bad", "-e", "production", "-o", "jsonl"]);
    assert_eq!(done.status.code(), Some(6), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("error_rate > 5%"), "{done:?}");
    assert_eq!(server().ours("GET", &environment("impact-bad"), None)["enabled"], false);
}
