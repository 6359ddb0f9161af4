//! Every line of docs/edge-cases.md names the tests that hold it, and they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names of all tests below a folder.
fn tests(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                match name {
                    Some(name) if is_test => {
                        into.insert(name.to_owned());
                        is_test = false;
                    }
                    _ => is_test |= line == "#[test]" || line.starts_with("#[tokio::test"),
                }
            }
        }
    }
}

#[test]
fn every_line_is_held_by_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeSet::new();
    tests(&root.join("tests"), &mut known);
    tests(&root.join("src"), &mut known);
    let page = fs::read_to_string(root.join("docs/edge-cases.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| when"));
    let mut count = 0;
    for row in rows {
        let named = row.rsplit("| ").next().unwrap().trim_end_matches(" |");
        let names: Vec<&str> = named.split(", ").map(|name| name.trim_matches('`')).collect();
        assert!(!names.is_empty() && names.iter().all(|name| known.contains(*name)), "no such test: {row}");
        count += 1;
    }
    assert!(count > 50, "the page was not read: {count} lines");
}
