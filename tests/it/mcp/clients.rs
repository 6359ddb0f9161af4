//! The official clients for Python and TypeScript, unmodified, in both eras.

use std::process::Command;

use serde_json::{Value, json};

use super::kit::{answer, flagstaff, started};
use crate::support::tools::{installed, run, tool};

/// What each client is to find; both scripts ask the same.
fn asked(command: &mut Command, era: &str) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    let wanted = json!({
        "command": env!("CARGO_BIN_EXE_flagstaff"),
        "args": ["-C", dir, "--as", "ana@acme.example", "mcp", "--allow-write", "--env", "here"],
        "era": era,
    });
    let said = run("Node.js with npm, and Python 3 with pip", command, &wanted.to_string());
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let version = if era == "legacy" { "2025-11-25" } else { "2026-07-28" };
    assert_eq!(said["protocol"], version, "{said:#}");
    assert_eq!(said["server"], "flagstaff");
    assert_eq!(
        said["tools"],
        json!(["status", "explain", "find_flag", "plan", "validate", "audit_log", "schema", "pause", "abort"])
    );
    assert_eq!(said["prompts"], json!(["release_this_change", "clean_up_this_flag"]));
    assert_eq!(said["read_only"], json!(["status", "explain", "find_flag", "plan", "validate", "audit_log", "schema"]));
    assert_eq!(said["status"]["rollouts"].as_array().unwrap().len(), 2);
    assert_eq!(said["explain"]["state"], "running");
    assert!(said["findings"].as_array().unwrap().iter().any(|finding| finding["marked"] == "flga"), "{said:#}");
    assert_eq!(said["refused"]["exit"], 4, "{said:#}");
    assert_eq!(said["paused"]["stops"][0]["outcome"], "paused");
    assert!(said["document"].as_str().unwrap().starts_with("apiVersion: flagstaff/v1\nkind: Project"));
    assert!(said["prompt"].as_str().unwrap().contains("one page checkout"));
    let log = answer(dir, &["audit", "log", "r", "-e", "here"]);
    let who = log["entries"].as_array().unwrap().last().unwrap()["who"].as_str().unwrap().to_owned();
    assert_eq!(who, "ana@acme.example (mcp, client official-client 4.5.6)");
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

fn python(era: &str) {
    let python = installed("python-mcp", "mcp/requirements.txt", |folder| {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", ".", "-r"];
        let mut pip = Command::new("python3");
        run("Python 3 with pip", pip.args(install).arg("requirements.txt").current_dir(folder), "");
    });
    asked(Command::new("python3").arg(tool("mcp/client.py")).arg(&python), era);
}

fn typescript(era: &str) {
    let node = installed("npm-mcp", "mcp/package.json", |folder| {
        let flags = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run("Node.js with npm", Command::new("npm").arg("install").args(flags).current_dir(folder), "");
    });
    asked(Command::new("node").arg(tool("mcp/client.mjs")).arg(&node), era);
}

#[test]
fn python_with_a_handshake() {
    python("legacy");
}

#[test]
fn python_without_a_handshake() {
    python("modern");
}

#[test]
fn typescript_with_a_handshake() {
    typescript("legacy");
}

#[test]
fn typescript_without_a_handshake() {
    typescript("modern");
}
