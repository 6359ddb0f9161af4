//! What people see: pictures that are redrawn in place, widths, ASCII, colours, and hostile names.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::cli::replace;
use crate::support::page::Page;
use crate::support::terminal::Session;

/// Names as somebody might write them who wants a terminal to obey.
const HOSTILE: &str = "\\e[2J\\u202e\\a\\r\\u009b31m\\nFORGED";

/// `evil` stands in names, which `validate` refuses, and `words` in everything else.
fn project(dir: &Path, page: &Page, releases: &[&str], evil: &str, words: &str) {
    let mut text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: "p{evil}" }}
spec:
  sources:
    "app{evil}":
      scrape: {{ targets: ["{}"], every: 200ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    "here{evil}": {{ backend: {{ flagd: {{ path: flags.json }} }} }}
  defaults: {{ environments: ["here{evil}"], template: "quick{evil}", policy: "web{evil}" }}
  people: {{ "rm{words}": ["bo{words}"] }}
---
apiVersion: flagstaff/v1
kind: Audience
metadata: {{ name: "staff{evil}" }}
spec: {{ any: [ {{ attribute: "email{words}", ends_with: "@acme.example{words}" }} ] }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: "quick{evil}" }}
spec:
  stages:
    - {{ name: "inside{evil}", audiences: ["staff{evil}"], bake: 1s }}
    - {{ name: "tenth{evil}", percentage: 10%, bake: 1s, approval: {{ from: ["rm{words}"], count: 1 }} }}
    - {{ name: "everyone{evil}", percentage: 100%, bake: 10m }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: "web{evil}" }}
spec:
  every: 1s
  window: 800ms
  presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code="500"' }} }}
  healthy: [ "error_rate < 1%" ]
  safeguards:
    - {{ name: "errors{evil}", when: "error_rate > 5%", for: 1s, then: {{ rollback: "inside{evil}" }} }}
  no_data: {{ after: 1h, then: pause }}
"#,
        page.url
    );
    for release in releases {
        text.push_str(&format!(
            "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: \"{release}{evil}\" }}\nspec: {{ flag: {release} }}\n"
        ));
    }
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

fn flagstaff(dir: &Path, envs: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(dir).args(args).stdin(Stdio::null());
    for unset in ["COLUMNS", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(unset);
    }
    command.envs(envs.iter().copied()).output().unwrap()
}

fn both(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn run_redraws_in_place_and_leaves_one_picture() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("r{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = Page::serve(&names);
    project(dir.path(), &page, &names, "", "");
    replace(&dir.path().join("flagstaff.yaml"), "bake: 1s", "bake: 1h");
    let mut session = Session::start(dir.path(), (80, 24), &format!("run {} -e here", names.join(" ")));
    std::thread::sleep(Duration::from_secs(9));
    session.types(b"\x03");
    let (seen, sent) = session.ends();
    let text = seen.text();
    assert_eq!(seen.count("30 rollouts: "), 1, "{text}");
    let (at, lines) = (text.lines().position(|line| line.starts_with("30 rollouts: ")).unwrap(), seen.lines());
    assert_eq!(at, 0, "nothing stands above it:\n{text}");
    assert!(lines.iter().any(|line| line.trim_start().starts_with("… ") && line.contains(" more: ")), "{text}");
    assert!(text.contains("interrupted: ") && text.contains("flagstaff"), "{text}");
    assert!(!text.contains("^C"), "the echo of Ctrl-C is drawn over:\n{text}");
    // each picture ends with one erase below it; only what changed is drawn, and nothing more often than four times a second
    let pictures = sent.matches("\u{1b}[J").count();
    assert!((2..=50).contains(&pictures), "{pictures} pictures:\n{text}");
}

#[test]
fn watch_ends_below_its_picture_and_run_says_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(dir.path(), &page, &["r"], "", "");
    let started = flagstaff(dir.path(), &[], &["start", "r", "-e", "here"]);
    assert!(both(&started).contains("nobody drives it: flagstaff run r -e here"), "{}", both(&started));
    let watching = Session::start(dir.path(), (100, 30), "watch r -e here");
    let run = flagstaff(dir.path(), &[], &["run", "r", "-e", "here"]);
    assert_eq!(run.status.code(), Some(7), "{}", both(&run));
    let left = "r@here waits for approval at tenth, still ON for staff + 10%: flagstaff approve r -e here";
    assert!(both(&run).lines().any(|line| line == left), "{}", both(&run));
    let (seen, _) = watching.ends();
    let (text, lines) = (seen.text(), seen.lines());
    assert_eq!(lines[0], "r@here  waiting for approval at tenth, on for staff + 10%", "{text}");
    assert!(lines[1].starts_with("  why   0 of 1 people approved"), "{text}");
    assert!(lines[2].starts_with("  next  a person: flagstaff approve r -e here"), "{text}");
    assert_eq!(seen.count("  why "), 1, "{text}");
    assert_eq!(lines.iter().rfind(|line| !line.is_empty()).unwrap(), "r@here  waiting for approval", "{text}");
    let paused = flagstaff(dir.path(), &[], &["pause", "r"]);
    assert!(paused.status.success());
    let run = both(&flagstaff(dir.path(), &[], &["run", "r", "-e", "here"]));
    let left = "r@here paused (person), still ON for staff + 10%; nobody guards it now: flagstaff run r -e here --stay";
    assert!(run.lines().any(|line| line == left), "{run}");
}

/// What people type about one release, from the start to the end; the exit does not matter.
fn everything(release: &str, environment: &str, evil: &str) -> Vec<Vec<String>> {
    let typed = [
        "validate|plan R|start R -e E --reason because|status|status R|explain R -e E|run R -e E --once",
        "wait R -e E --timeout 2s|pause R -e E --reason because|run R -e E|status|explain R -e E",
        "wait R -e E --timeout 1s|resume R -e E|mute R errors -e E --for 1m --reason because|run R -e E|explain R -e E",
        "approve R -e E|force R -e E --to nowhere|rollback R -e E --reason because|freeze R -e E --for 1h|freeze",
        "status|audit log|audit verify|audit replay|abort R -e E --reason because|status|explain R -e E|start R -e E",
        "start nobody|abort nobody|plan nobody|status -e nowhere|wait R -e E --until nothing|watch R -e E|run R -e E",
    ];
    let words = |line: &str| {
        let word = |word: &str| match word {
            "R" => release.to_owned(),
            "E" => environment.to_owned(),
            "because" | "nobody" | "nowhere" | "nothing" | "errors" => format!("{word}{evil}"),
            other => other.to_owned(),
        };
        line.split(' ').map(word).collect()
    };
    typed.join("|").split('|').map(words).collect()
}

#[test]
fn no_name_is_obeyed_by_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    let evil = "\u{1b}[2J\u{202e}\u{7}\r\u{9b}31m\nFORGED";
    let actor = format!("ana{evil}");
    let mut seen = String::new();
    // names are refused, and told of; everything else that people write goes all the way
    let hostile = [(HOSTILE, format!("r{evil}"), format!("here{evil}")), ("", "r".to_owned(), "here".to_owned())];
    let commands = hostile.iter().flat_map(|(names, release, environment)| {
        everything(release, environment, evil).into_iter().map(move |typed| (*names, typed))
    });
    let mut written = None;
    for (names, typed) in commands {
        if written.replace(names) != Some(names) {
            project(dir.path(), &page, &["r"], names, HOSTILE);
        }
        let args: Vec<&str> = typed.iter().map(String::as_str).collect();
        for format in ["human", "json"] {
            // what changes something is said once
            let reads = ["validate", "plan", "status", "explain", "audit"].contains(&args[0]);
            if format == "json" && !reads {
                continue;
            }
            let envs = [("FLAGSTAFF_ACTOR", actor.as_str()), ("LC_ALL", "C.UTF-8")];
            let said = both(&flagstaff(dir.path(), &envs, &[&args[..], &["-o", format]].concat()));
            let raw = said.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
            assert_eq!(raw, None, "{args:?} -o {format}:\n{said:?}");
            assert!(!said.lines().any(|line| line.starts_with("FORGED")), "{args:?} -o {format}:\n{said}");
            seen.push_str(&said);
        }
    }
    for word in ["waiting for approval", "paused", "OFF", "by ana", "safeguards", "records, unbroken"] {
        assert!(seen.contains(word), "the hostile project did not get as far as `{word}`:\n{seen}");
    }
    // and at a terminal, where there are colours and pictures: the emulator fails at what we do not send ourselves
    let (shown, _) = Session::start(dir.path(), (80, 24), "-C . watch r --color always").ends();
    assert!(shown.text().contains("stopped"), "{}", shown.text());
    assert_eq!(shown.count("FORGED"), 0, "{}", shown.text());
}

#[test]
fn nothing_is_wider_than_asked_nor_more_than_ascii_where_that_is_all_there_is() {
    for columns in [40, 80, 200] {
        let dir = tempfile::tempdir().unwrap();
        let page = Page::serve(&["r"]);
        project(dir.path(), &page, &["r"], "", "");
        let width = columns.to_string();
        for (index, typed) in everything("r", "here", "").into_iter().enumerate() {
            let args: Vec<&str> = typed.iter().map(String::as_str).collect();
            let envs: &[(&str, &str)] = match index % 2 {
                0 => &[("COLUMNS", &width), ("LC_ALL", "C"), ("NO_COLOR", "1")],
                _ => &[("COLUMNS", &width), ("LC_ALL", "C.UTF-8"), ("TERM", "dumb")],
            };
            let said = both(&flagstaff(dir.path(), envs, &args));
            assert!(said.is_ascii(), "{args:?} {envs:?}: {said}");
            assert!(!said.contains('\u{1b}'), "{args:?} {envs:?}: {said:?}");
            // a command is one line, so that it can be copied, and so are hashes
            let copied = |line: &&str| line.contains("flagstaff ") || line.len() >= 64 && !line.trim().contains(' ');
            for line in said.lines().filter(|line| !copied(line) && !line.starts_with("head: ")) {
                assert!(line.chars().count() <= columns, "{args:?} at {columns}: {line}");
            }
        }
    }
}

#[test]
fn colours_are_used_where_asked_and_no_color_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(dir.path(), &page, &["r"], "", "");
    let coloured = |envs: &[(&str, &str)], args: &[&str]| both(&flagstaff(dir.path(), envs, args)).contains('\u{1b}');
    assert!(coloured(&[], &["validate", "--color", "always"]));
    assert!(!coloured(&[("NO_COLOR", "1")], &["validate"]));
    assert!(!coloured(&[], &["validate"]), "no terminal, no colour");
    let at_terminal = |args: &str, envs: &[(&str, &str)]| {
        Session::start_with(dir.path(), (80, 24), args, envs).ends().1.contains("\u{1b}[")
    };
    assert!(at_terminal("validate", &[]));
    assert!(!at_terminal("validate --color never", &[]));
    assert!(!at_terminal("validate", &[("NO_COLOR", "1")]));
    assert!(!at_terminal("validate", &[("TERM", "dumb")]));
}
