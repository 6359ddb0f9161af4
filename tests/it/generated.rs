//! The man pages, completion scripts and schemas in the repository are what the commands and types say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn files(root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for folder in ["man", "completions", "schemas"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}

#[test]
fn man_pages_completions_and_schemas_are_current() {
    let made = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("generate").arg(made.path()).status().unwrap();
    assert!(status.success());
    let (kept, made) = (files(Path::new(env!("CARGO_MANIFEST_DIR"))), files(made.path()));
    assert!(made.len() > 40, "{:?}", made.keys());
    assert_eq!(kept.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert!(kept.get(name) == Some(text), "{name} is not current: cargo run -- generate .");
    }
}

#[test]
fn every_answer_has_a_published_schema_and_the_binary_prints_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    let mut folders = vec![root.join("src/view")];
    let mut files_of = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files_of.push(path) }
        }
    }
    for path in files_of {
        let text = fs::read_to_string(path).unwrap();
        let marked = text.split("const NAME: &'static str = \"").skip(1);
        names.extend(marked.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    assert!(names.len() > 10, "{names:?}");
    let printed = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_flagstaff")).arg("schema").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let kept = files(root);
    for name in &names {
        assert_eq!(kept.get(&format!("schemas/{name}.v1.json")), Some(&printed(&[name])), "{name} is not published");
    }
    assert_eq!(kept.get("schemas/documents.v1.json"), Some(&printed(&[])));
    let schemas = kept.keys().filter(|name| name.starts_with("schemas/")).count();
    assert_eq!(schemas, names.len() + 1, "a schema of an answer that is gone");
}
