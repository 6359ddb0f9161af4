//! The README's tour, typed line by line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cli::{ends, live};

/// What is typed in a part of the README, without what stands behind `#`.
fn typed(from: &str, to: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let part = text.split(from).nth(1).unwrap().split(to).next().unwrap();
    let lines = part.lines().filter_map(|line| line.strip_prefix("$ flagstaff "));
    lines.map(|line| words(line.split(" #").next().unwrap())).collect()
}

fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn the_tour_works_line_by_line() {
    let commands = typed("## Five minutes", "## Exit codes");
    assert!(commands.len() >= 12, "{commands:?}");
    // the starter that `init` makes, with a page that answers
    let (dir, _page) = live();
    for command in &commands {
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        match args[0] {
            "init" => {
                let fresh = tempfile::tempdir().unwrap();
                ends(fresh.path(), &args, 0);
                ends(fresh.path(), &["validate"], 0);
            }
            "run" => {
                let mut run = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
                let run = run.args(&args).current_dir(dir.path()).env_remove("FLAGSTAFF_DIR");
                let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                std::thread::sleep(Duration::from_secs(3));
                assert!(run.try_wait().unwrap().is_none(), "it drives until somebody ends it");
                assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
                assert_eq!(run.wait().unwrap().code(), Some(130));
            }
            _ => _ = ends(dir.path(), &args, 0),
        }
    }
}

#[test]
fn the_tours_documents_are_the_starters() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let fresh = tempfile::tempdir().unwrap();
    ends(fresh.path(), &["init"], 0);
    let made = ["templates", "policies"]
        .map(|name| fs::read_to_string(fresh.path().join(format!("flagstaff/{name}.yaml"))).unwrap());
    for line in shown.lines().filter(|line| *line != "---") {
        assert!(made.iter().any(|text| text.contains(line)), "`{line}` is not in the starter");
    }
}
