//! "Unleash in ten minutes", line by line as written; only the server is the tests' own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::server::{CLIENT_TOKEN, TOKEN, environment, installed, server};

/// What the page's console blocks say to type, the server's own left out.
fn typed() -> String {
    let page = include_str!("../../../docs/backend-unleash.md");
    let blocks = page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let ours = blocks.filter(|block| !block.contains("docker"));
    let lines: Vec<&str> = ours.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(lines.len() > 10, "{lines:?}");
    lines.join("\n")
}

#[test]
fn the_page_works_line_by_line() {
    let _alone = super::alone();
    let folder = tempfile::tempdir().unwrap();
    let example = folder.path().join("examples/unleash");
    fs::create_dir_all(&example).unwrap();
    for file in ["flagstaff.yaml", "service.mjs"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/unleash").join(file);
        let text = fs::read_to_string(from).unwrap().replace("http://127.0.0.1:4242", &server().url);
        fs::write(example.join(file), text).unwrap();
    }
    let link = format!("ln -s '{}/node_modules' node_modules", installed().display());
    let mut script = typed();
    for (written, here) in [
        ("npm install --no-save unleash-client@6.12.1", link.as_str()),
        ("*:*.for-this-trial", TOKEN),
        ("default:production.for-this-trial", CLIENT_TOKEN),
    ] {
        assert!(script.contains(written), "{written} is not on the page");
        script = script.replace(written, here);
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_flagstaff")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    // as a shell that a person types into: jobs have numbers
    let script = format!("set -em\ntrap 'kill $(jobs -p)' EXIT\n{script}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path()).env("PATH", path).stdin(Stdio::null());
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("everyone") && said.contains("completed"), "{said}");
    assert!(said.contains("ended with 6"), "{said}");
    assert_eq!(server().ours("GET", &environment("checkout-v2"), None)["enabled"], false);
}
