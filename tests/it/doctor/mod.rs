//! `doctor`: what it finds, what it says to do, how it ends, and that it changes nothing.
#![allow(clippy::disallowed_methods, reason = "a real server takes real time")]

mod flag_file;
mod recorded;
mod sources;
mod unleash;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::schema;

/// Everything at once takes no longer than its slowest part, and that no longer than this; a loaded machine takes some more.
const AT_MOST: Duration = Duration::from_secs(9);

/// A project with these sources and environments, each a line of YAML, and nothing else.
fn project(dir: &Path, sources: &[&str], environments: &[&str]) {
    let map = |lines: &[&str]| match lines {
        [] => " {}".to_owned(),
        lines => lines.iter().map(|line| format!("\n    {line}")).collect::<String>(),
    };
    let text = format!(
        "apiVersion: flagstaff/v1\nkind: Project\nmetadata: {{ name: doctor }}\nspec:\n  stickiness: userId\n  \
         sources:{}\n  environments:{}\n",
        map(sources),
        map(environments)
    );
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

/// Something that says what the token of these tests is.
const TOKEN_VARIABLE: &str = "DOCTOR_TOKEN";

/// What one examination found.
struct Found {
    answer: Value,
    /// Everything that was said, in every way in which it can be said.
    said: String,
}

impl Found {
    /// A check of a thing of this kind; of the first one with this name, where one is asked for.
    fn check(&self, thing: &str, check: &str) -> &Value {
        let (kind, name) = thing.split_once(' ').map_or((thing, None), |(kind, name)| (kind, Some(name)));
        let things = self.answer["things"].as_array().unwrap();
        let is_meant = |thing: &&Value| thing["kind"] == kind && name.is_none_or(|name| thing["name"] == name);
        let mut checks = things.iter().filter(is_meant).flat_map(|thing| thing["checks"].as_array().unwrap());
        checks.find(|known| known["check"] == check).unwrap_or(&Value::Null)
    }

    /// Insists on a result, and on what was seen.
    fn is(&self, thing: &str, check: &str, result: &str, seen: &str) -> &Found {
        let found = self.check(thing, check);
        assert_eq!(found["result"], result, "{thing}: {check}\n{:#}", self.answer);
        assert!(found["seen"].as_str().unwrap().contains(seen), "{thing}: `{seen}` is not in {found}");
        self
    }

    /// Insists on what is to be done.
    fn advises(&self, thing: &str, check: &str, advice: &str) -> &Found {
        let found = self.check(thing, check);
        assert!(found["advice"].as_str().is_some_and(|text| text.contains(advice)), "{thing}: {found}");
        self
    }

    /// Insists on a check having been left out.
    fn leaves_out(&self, thing: &str, check: &str) -> &Found {
        assert_eq!(self.check(thing, check), &Value::Null, "{:#}", self.answer);
        self
    }
}

/// Examines with a token, for machines and for people; insists on the code, on the published schema, on the order and on
/// something to do for whatever is not as it should be.
fn examined_with(dir: &Path, token: Option<&str>, args: &[&str], code: i32) -> Found {
    let examine = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
        command.arg("doctor").args(args).args(more).current_dir(dir).stdin(Stdio::null());
        command.env_remove("FLAGSTAFF_DIR").env_remove(TOKEN_VARIABLE).envs(token.map(|token| (TOKEN_VARIABLE, token)));
        let began = Instant::now();
        let output = command.output().unwrap();
        assert!(began.elapsed() < AT_MOST, "it took {:?}", began.elapsed());
        output
    };
    let both = |output: &Output| [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat();
    let (machine, people) = (examine(&["-o", "json", "-v"]), examine(&[]));
    let said = both(&machine) + &both(&people);
    assert_eq!((machine.status.code(), people.status.code()), (Some(code), Some(code)), "{said}");
    let answer: Value = serde_json::from_slice(&machine.stdout).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert_eq!(schema::check(&answer), "doctor");
    let out = String::from_utf8(people.stdout).unwrap();
    for thing in answer["things"].as_array().unwrap() {
        for check in thing["checks"].as_array().unwrap() {
            assert_eq!(check["advice"].is_null(), check["result"] == "ok", "nothing to do about {check}");
            assert_eq!(check["fault"].is_null(), check["result"] != "failed", "{check}");
            let (result, name) = (check["result"].as_str().unwrap(), check["check"].as_str().unwrap());
            assert!(out.contains(&format!("  {result:8} {name}")), "people are not told of {check}\n{out}");
        }
    }
    let count = |key: &str| answer[key].as_u64().unwrap();
    let sum = format!("{} ok, {} warning", count("ok"), count("warnings"));
    assert!(out.lines().last().unwrap().contains(&sum), "{out}");
    Found { answer, said }
}

fn examined(dir: &Path, args: &[&str], code: i32) -> Found {
    examined_with(dir, None, args, code)
}

/// Every file below a folder with its content, and every folder.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        // a reader of the journal maps its index, which holds nothing of its own
        if name.ends_with("-shm") || name.ends_with("-wal") {
            continue;
        }
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(name, Vec::new());
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// Examines as an ordinary user, whoever runs the tests, and insists on the code.
fn examined_by_nobody(dir: &Path, code: i32) -> Found {
    let mut words: Vec<&str> = Vec::new();
    if rustix::process::getuid().is_root() {
        // in a namespace of its own nobody has root's privilege, and the same files stay one's own
        words = vec!["unshare", "-U", "--map-user=1000", "--map-group=1000"];
        if !Command::new(words[0]).args(&words[1..]).arg("true").output().is_ok_and(|done| done.status.success()) {
            words = vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        }
    }
    words.extend([env!("CARGO_BIN_EXE_flagstaff"), "doctor", "-o", "json"]);
    let output =
        Command::new(words[0]).args(&words[1..]).current_dir(dir).env_remove("FLAGSTAFF_DIR").output().unwrap();
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    Found { answer: serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{said}")), said }
}

/// A folder in which nobody can make anything.
fn closed(folder: &Path, closed: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(if closed { 0o555 } else { 0o755 })).unwrap();
}
