//! Documents: what they must satisfy, what is said when they do not, and the plan's hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flagstaff::spec::{self, Loaded, Severity, codes};

mod bombs;
mod calendar;
mod cases;
mod exact;
mod fuzz;
mod hash;
mod kinds;
mod promql;

fn project_dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop")
}

fn example_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let names = ["flagstaff.yaml", "flagstaff/audiences.yaml", "flagstaff/templates.yaml", "flagstaff/policies.yaml"];
    let releases = ["flagstaff/releases/checkout-v2.yaml", "flagstaff/releases/search-rank.yaml"];
    for name in names.into_iter().chain(releases) {
        files.push((name.to_owned(), fs::read_to_string(example().join(name)).unwrap()));
    }
    files
}

fn told(loaded: &Loaded) -> Vec<String> {
    let tell = |finding: &spec::Finding| {
        let (line, column) = finding.at.line_column();
        let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        let file = &finding.at.file.name;
        format!("{file}:{line}:{column} {} `{}` {}{help}", finding.code, finding.at.marked(), finding.message)
    };
    loaded.findings.iter().map(tell).collect()
}

fn check(file: &str, from: &str, to: &str, expected: &str) {
    let mut files = example_files();
    let (_, text) = files.iter_mut().find(|(name, _)| name.ends_with(file)).expect("an example file");
    assert!(text.contains(from), "{file} has no `{from}`");
    *text = text.replacen(from, to, 1);
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let told = told(&spec::load(dir.path()));
    assert!(told.iter().any(|line| line.contains(expected)), "{to}: `{expected}` is not in:\n{}", told.join("\n"));
}

#[test]
fn the_example_is_accepted() {
    let loaded = spec::load(&example());
    assert_eq!(told(&loaded), Vec::<String>::new());
    assert_eq!(loaded.releases().len(), 2);
    let plan = loaded.plan("checkout-v2", "production").unwrap().plan;
    assert_eq!(plan.stages[2].exposure.to_string(), "beta-testers + employees + 10%");
    assert!(plan.series.iter().any(|series| series.name == "baseline(error_rate)"));
    assert_eq!(loaded.plan("checkout-v2", "staging").unwrap().plan.template, "quick");
}

#[test]
fn a_releases_own_words_go_before_defaults() {
    let policy = |name: &str, limit: &str| {
        format!(
            "---\napiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: {{ name: {name} }}\nspec:\n  every: 30s\n  \
             window: 5m\n  presets: {{ http: otel }}\n  healthy: [ \"error_rate < {limit}\" ]\n  safeguards: [ {{ name: \
             errors, when: \"error_rate > {limit}\", then: pause }} ]\n"
        )
    };
    let mut texts: Vec<(String, String)> = example_files();
    texts.push(("strict.flagstaff.yaml".to_owned(), policy("strict", "1%") + &policy("lax", "95%")));
    let release = |environments: &str| {
        format!(
            "apiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: own }}\nspec: {{ flag: own, policy: strict, \
             template: quick{environments} }}\n"
        )
    };
    for environments in ["", ", environments: [staging]", ", environments: [ { staging: { policy: lax } } ]"] {
        let mut texts = texts.clone();
        for (_, text) in &mut texts {
            *text = text.replace("policy: web }", "policy: lax }");
        }
        texts.push(("own.flagstaff.yaml".to_owned(), release(environments)));
        let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let dir = project_dir(&files);
        let loaded = spec::load(dir.path());
        let plan = loaded.plan("own", "staging").map_err(|_| told(&loaded)).unwrap().plan;
        let wanted = if environments.contains("lax") { "lax" } else { "strict" };
        assert_eq!((plan.policy.as_str(), plan.template.as_str()), (wanted, "quick"), "{environments}");
        if !environments.is_empty() {
            loaded.plan("own", "production").expect_err("it does not go there");
        }
    }
}

#[test]
fn a_stop_needs_the_project_document_alone() {
    let project = fs::read_to_string(example().join("flagstaff.yaml")).unwrap();
    let dir = project_dir(&[
        ("a.flagstaff.yaml", "}}} nothing like YAML"),
        ("flagstaff.yaml", &format!("kind: [\n---\na: *b\n---\n{project}")),
        ("flagstaff/releases/broken.yaml", "apiVersion: [\n"),
    ]);
    assert_eq!(spec::project_only(dir.path()).unwrap().environments.len(), 2);
    assert!(spec::load(dir.path()).has_errors());
}

#[test]
fn hostile_files_are_refused_quickly_and_with_a_place() {
    let project = fs::read_to_string(example().join("flagstaff.yaml")).unwrap();
    let bomb = format!("a: &a [x,x]\n{}", (0..50).map(|n| format!("b{n}: [*a,*a]\n")).collect::<String>());
    let dir = project_dir(&[
        ("flagstaff.yaml", &project),
        ("flagstaff/alias.yaml", &bomb),
        ("flagstaff/deep.yaml", &"[".repeat(100_000)),
        ("flagstaff/deep-block.yaml", &(0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()),
        ("flagstaff/nul.yaml", "apiVersion: flagstaff/v1\nkind: \0\n"),
        ("flagstaff/huge.yaml", ""),
        ("flagstaff/duplicate.yaml", "kind: Flag\nkind: Flag\n"),
    ]);
    let folder = dir.path().join("flagstaff");
    fs::write(folder.join("latin.yaml"), b"kind: caf\xe9\n").unwrap();
    fs::File::options().write(true).open(folder.join("huge.yaml")).unwrap().set_len(1 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("fifo.yaml")).status().unwrap().success());
    std::os::unix::fs::symlink("/etc/hostname", folder.join("outside.yaml")).unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
    let loaded = spec::load(dir.path());
    let told = told(&loaded);
    for expected in [
        "flagstaff/alias.yaml:1:7 yaml-anchor",
        "flagstaff/deep.yaml:1:33 yaml-limit",
        "flagstaff/deep-block.yaml:33:33 yaml-limit",
        "flagstaff/nul.yaml:2:7 file",
        "flagstaff/huge.yaml:1:1 file",
        "flagstaff/duplicate.yaml:2:1 duplicate-key",
        "flagstaff/latin.yaml:1:10 file",
        "flagstaff/fifo.yaml:1:1 file",
        "flagstaff/outside.yaml:1:1 file",
    ] {
        assert!(told.iter().any(|line| line.starts_with(expected)), "{expected} is not in:\n{}", told.join("\n"));
    }
}

#[test]
fn every_code_has_a_page() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/spec")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                told_codes_have_pages(&fs::read_to_string(path).unwrap());
            }
        }
    }
}

fn told_codes_have_pages(text: &str) {
    for constructor in ["Finding::error(", "Finding::warning("] {
        for (at, _) in text.match_indices(constructor) {
            let rest = text[at + constructor.len()..].trim_start();
            if let Some(code) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                assert!(codes::page(code).is_some(), "`{code}` has no page");
            }
        }
    }
}

#[test]
fn all_findings_of_all_files_come_at_once() {
    let mut files = example_files();
    for (name, text) in &mut files {
        if name.ends_with("policies.yaml") {
            *text = text.replace("then: pause }", "then: puase }").replace("error_rate < 1%", "eror_rate < 1%");
        }
        if name.ends_with("templates.yaml") {
            *text = text.replace("bake: 4h", "bake: 4hours, colour: red");
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let told = told(&spec::load(dir.path()));
    for expected in ["duration `4hours`", "unknown-key `colour`", "unknown-action `puase`", "condition `eror_rate`"] {
        assert!(told.iter().any(|line| line.contains(expected)), "{expected} is not in:\n{}", told.join("\n"));
    }
    assert!(told.iter().any(|line| line.contains("did you mean `error_rate`?")), "{}", told.join("\n"));
}

#[test]
fn ten_thousand_documents_are_checked() {
    let mut files = example_files();
    let release =
        "apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: r-NUMBER }\nspec: { match: { service: s } }\n---\n";
    let many: String = (0..500).map(|number| release.replace("NUMBER", &number.to_string())).collect();
    files.push(("flagstaff/many.yaml".to_owned(), many));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let dir = project_dir(&files);
    let loaded = spec::load(dir.path());
    assert!(loaded.findings.iter().all(|finding| finding.severity != Severity::Error), "{:?}", told(&loaded));
    assert_eq!(loaded.releases().len(), 502);
}
