//! The house: which room may stand on which, and who may know clap, the time and the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms it may use. A room always may use itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("canonical", &[]),
    ("env", &[]),
    ("clock", &["engine"]),
    ("calendar", &["engine"]),
    ("checkup", &["engine"]),
    ("http", &["env"]),
    ("spec", &["engine", "canonical", "calendar"]),
    ("forecast", &["engine", "spec"]),
    ("journal", &["engine", "canonical", "clock"]),
    ("telemetry", &["engine", "clock", "checkup", "http"]),
    ("backend", &["engine", "canonical", "clock", "checkup", "http"]),
    (
        "control",
        &[
            "engine",
            "canonical",
            "calendar",
            "clock",
            "checkup",
            "env",
            "http",
            "spec",
            "journal",
            "telemetry",
            "backend",
        ],
    ),
    ("serve", &["engine", "canonical", "clock", "http", "spec", "control"]),
    (
        "view",
        &[
            "engine",
            "canonical",
            "checkup",
            "env",
            "spec",
            "forecast",
            "journal",
            "telemetry",
            "backend",
            "control",
            "serve",
        ],
    ),
    ("notify", &["engine", "clock", "http", "spec", "journal", "control", "view"]),
    (
        "demo",
        &["engine", "canonical", "clock", "env", "http", "spec", "journal", "telemetry", "backend", "control", "view"],
    ),
    ("mcp", &["engine", "clock", "spec", "journal", "control", "serve", "view"]),
    (
        "cli",
        &[
            "engine",
            "canonical",
            "clock",
            "checkup",
            "env",
            "spec",
            "forecast",
            "journal",
            "telemetry",
            "backend",
            "control",
            "serve",
            "view",
            "notify",
            "demo",
            "mcp",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// What only some rooms may name, with those rooms.
const RESERVED: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("dialoguer", &["cli"]),
    ("indicatif", &["view"]),
    ("comfy_table", &["view"]),
    ("miette", &["view", "cli"]),
    ("rusqlite", &["journal"]),
    ("reqwest", &["http"]),
    ("serde_yaml", &["spec"]),
    ("rmcp", &["mcp"]),
    ("jiff", &["calendar", "http"]),
    ("SystemTime::now", &["clock"]),
    ("Instant::now", &["clock"]),
    ("env::var", &["env"]),
];

/// What the engine must not even name.
const IMPURE: &[&str] = &[
    "tokio",
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "HashMap",
    "HashSet",
    "f64",
    "f32",
    "async",
    "rand",
    "SystemTime",
];

#[test]
fn rooms_stand_only_on_those_below() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut broken = Vec::new();
    for (path, room, code) in sources() {
        let allowed = *arrows.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not on the map: {path}"));
        for (number, line) in code.lines().enumerate() {
            for used in rooms_named(line) {
                if used != room && !allowed.contains(&used.as_str()) && arrows.contains_key(used.as_str()) {
                    broken.push(format!("{path}:{}: {room} uses {used}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "arrows that point upwards:\n{}", broken.join("\n"));
}

#[test]
fn what_is_reserved_stays_in_its_room() {
    let mut broken = Vec::new();
    for (path, room, code) in sources() {
        for (number, line) in code.lines().enumerate() {
            for (name, rooms) in RESERVED {
                let qualified = line.contains(&format!("{name}::")) || line.contains(&format!("{name}("));
                if qualified && !rooms.contains(&room.as_str()) {
                    broken.push(format!("{path}:{}: {room} names {name}", number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "reserved names outside their room:\n{}", broken.join("\n"));
}

#[test]
fn the_engine_is_pure() {
    let mut broken = Vec::new();
    for (path, _, code) in sources().into_iter().filter(|(_, room, _)| room == "engine") {
        for (number, line) in code.lines().enumerate() {
            for word in IMPURE.iter().filter(|word| has_word(line, word)) {
                broken.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "the engine reaches outside itself:\n{}", broken.join("\n"));
}

#[test]
fn every_test_file_is_registered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(root.join("main.rs")).unwrap();
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        if module != "main" {
            let declared = main.lines().any(|line| line.trim() == format!("mod {module};"));
            assert!(declared, "tests/it/{name} is not declared in tests/it/main.rs: its tests never run");
        }
    }
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let machine = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/fa", "rm/"].concat()];
    let registries = [["crates", ".io/"].concat(), ["registry.", "npmjs"].concat(), ["pypi", ".org"].concat()];
    let mut broken = Vec::new();
    for folder in ["src", "tests", "docs", "examples", "benches", "man", "completions", "schemas", ".ci"] {
        for path in files_below(&root.join(folder)) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for (number, line) in text.lines().enumerate() {
                if machine.iter().chain(&registries).any(|word| line.contains(word.as_str())) {
                    broken.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "paths of a machine or hosts of a registry:\n{}", broken.join("\n"));
}

/// Path, room and code (comments and unit tests removed) of every source file.
fn sources() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for path in files_below(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let room = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let is_test_file = relative.ends_with("tests.rs") || relative.contains("/tests/");
        if relative.ends_with(".rs") && !is_test_file {
            sources.push((relative, room, production_code(&fs::read_to_string(&path).unwrap())));
        }
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The text up to the unit tests, with comments blanked and lines kept.
fn production_code(text: &str) -> String {
    let body = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    body.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect::<Vec<_>>().join("\n")
}

fn rooms_named(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            // `use crate::{a::…, b::…}` hides the arrow: say each on its own line
            assert!(!rest.starts_with('{'), "one `use crate::room::…` per line, please: {line}");
        }
        rooms.push(name);
    }
    if let Some(at) = line.find("flagstaff::") {
        let rest = &line[at + "flagstaff::".len()..];
        rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
    }
    rooms
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        boundary(before) && boundary(after)
    })
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
