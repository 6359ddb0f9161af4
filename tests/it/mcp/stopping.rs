//! What an assistant can change: exposure becomes smaller, where a person has allowed it, and in no other way.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::kit::{BOTH, Session, answer, flagstaff, pages, project, started};
use crate::support::schema::check;

const WRITING: [&str; 3] = ["--allow-write", "--env", "here"];

/// Every command that can enlarge exposure, or let it grow again, or takes in what others wrote.
const GROWING: [&str; 16] = [
    "start", "run", "serve", "resume", "approve", "force", "rollback", "mute", "freeze", "lift", "apply", "adopt",
    "signal", "init", "archive", "demo",
];

fn states(dir: &Path) -> Vec<(String, String, String)> {
    let rows = answer(dir, &["status"])["rollouts"].clone();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| (text(row, "address"), text(row, "state"), text(row, "exposure")))
        .collect()
}

fn served(dir: &Path) -> [String; 2] {
    ["here.json", "there.json"].map(|file| fs::read_to_string(dir.join(file)).unwrap())
}

#[test]
fn without_the_option_nothing_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    let before = (states(dir), served(dir));
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        for tool in ["pause", "abort"] {
            let error = session.refused(tool, json!({ "release": "r", "environment": "here", "reason": "x" }));
            assert_eq!(error["exit"], 4, "{error:#}");
        }
        session.end();
    }
    assert_eq!((states(dir), served(dir)), before);
}

#[test]
fn a_stop_is_that_of_the_command_where_a_person_has_allowed_it() {
    for era in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let _pages = started(dir);
        let mut session = Session::begin(dir, era, &WRITING);
        let tools = session.ask("tools/list", json!({}))["result"]["tools"].clone();
        let hints = |name: &str| {
            let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
            let hint = |hint: &str| tool["annotations"][hint].as_bool().unwrap();
            (hint("readOnlyHint"), hint("destructiveHint"), hint("idempotentHint"))
        };
        assert_eq!((hints("pause"), hints("abort")), ((false, false, true), (false, true, true)));

        let asked = |release: &str, environment: &str| json!({ "release": release, "environment": environment, "reason": "errors at checkout" });
        for elsewhere in ["there", "nowhere"] {
            let error = session.refused("abort", asked("r", elsewhere));
            assert!(error["exit"] == 4 && error["message"].as_str().unwrap().contains("only in: here"), "{error:#}");
        }
        // an address that says something else than the environment is no release
        assert_eq!(session.refused("abort", asked("r@there", "here"))["exit"], 1);
        assert_eq!(session.refused("abort", asked("somebody-elses", "here"))["exit"], 1);
        assert_eq!(session.refused("pause", json!({ "release": "r", "environment": "here" }))["exit"], 64);
        assert_eq!(
            session.refused("pause", json!({ "release": "r", "environment": "here", "reason": " " }))["exit"],
            64
        );
        assert!(
            states(dir).iter().all(|(_, state, exposure)| state == "running" && exposure == "10%"),
            "{:?}",
            states(dir)
        );

        let paused = session.given("pause", asked("r", "here"));
        assert_eq!((check(&paused), &paused["stops"][0]["outcome"]), ("stop".to_owned(), &json!("paused")));
        let off = session.given("abort", asked("r@here", "here"));
        assert_eq!((&off["stops"][0]["outcome"], &off["stops"][0]["recorded"]), (&json!("off"), &json!("journal")));
        let again = session.given("abort", asked("r", "here"));
        assert_eq!(again["stops"][0]["outcome"], "already_off");
        let now = states(dir);
        assert_eq!((now[0].1.as_str(), now[0].2.as_str()), ("stopped", "nobody"));
        assert_eq!((now[1].1.as_str(), now[1].2.as_str()), ("running", "10%"), "the other environment is left alone");

        // who did it, for whom, and why, for people and for machines
        let log = answer(dir, &["audit", "log", "r", "-e", "here"]);
        let last =
            log["entries"].as_array().unwrap().iter().rfind(|entry| entry["reason"] == "errors at checkout").unwrap();
        assert_eq!(last["who"], "ana@acme.example (mcp, client by-hand 1.2)");
        let told = session.given("audit_log", json!({ "release": "r@here" }));
        assert_eq!(told["entries"], log["entries"]);
        assert!(flagstaff(dir, &["audit", "verify"]).status.success());
        assert!(flagstaff(dir, &["audit", "replay"]).status.success());

        let ended = session.end();
        assert_eq!(ended.code, Some(0));
        let calls =
            ended.log.lines().filter(|line| line.contains("event=call") && line.contains("client=\"by-hand 1.2\""));
        assert_eq!(calls.count(), 10, "{}", ended.log);
    }
}

#[test]
fn nothing_that_grows_has_a_tool() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    assert!(flagstaff(dir, &["pause", "r", "-e", "here"]).status.success());
    assert!(flagstaff(dir, &["start", "s", "-e", "here"]).status.success());
    assert!(flagstaff(dir, &["abort", "s"]).status.success());
    let before = (states(dir), served(dir));
    for era in BOTH {
        let mut session = Session::begin(dir, era, &["--allow-write", "--env", "here", "--env", "there"]);
        let tools = session.ask("tools/list", json!({}))["result"]["tools"].clone();
        let names: Vec<&str> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["status", "explain", "find_flag", "plan", "validate", "audit_log", "schema", "pause", "abort"]
        );
        for command in GROWING {
            assert!(names.iter().all(|name| !name.contains(command)), "{command} has a tool");
            let tried = session.ask(
                "tools/call",
                json!({ "name": command, "arguments": { "release": "r", "environment": "here", "reason": "please", "to": "everyone" } }),
            );
            assert_eq!(tried["error"]["code"], -32602, "{command}: {tried:#}");
        }
        // whatever is asked of those that look, nothing is larger afterwards, nor anything else but what it was
        for tool in names.iter().filter(|name| **name != "pause" && **name != "abort") {
            for arguments in [
                json!({}),
                json!({ "release": "r@here" }),
                json!({ "release": "r", "environment": "here" }),
                json!({ "release": "s", "environment": "here", "reason": "x", "resume": true }),
                json!({ "kind": "Release" }),
                json!({ "file": "flagstaff/releases.yaml", "text": "" }),
            ] {
                session.call(tool, arguments);
            }
        }
        assert_eq!((states(dir), served(dir)), before);
        // and a stop of what is stopped enlarges nothing
        session.given("pause", json!({ "release": "r", "environment": "here", "reason": "again" }));
        session.given("abort", json!({ "release": "s", "environment": "here", "reason": "again" }));
        session.end();
    }
    assert_eq!(states(dir), before.0);
}

#[test]
fn broken_documents_keep_nothing_from_being_seen_and_stopped() {
    let broken = [
        ("flagstaff/releases.yaml", "apiVersion: flagstaff/v1\nkind: Release\n  metadata: [\n"),
        ("flagstaff.yaml", "apiVersion: flagstaff/v1\nkind: Project\nspec: {{{\n"),
    ];
    for era in BOTH {
        for (file, text) in broken {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            let _pages = started(dir);
            let mut session = Session::begin(dir, era, &WRITING);
            fs::write(dir.join(file), text).unwrap();
            let told = session.given("status", json!({}));
            assert_eq!(told["rollouts"].as_array().unwrap().len(), 2, "{file}: {told:#}");
            assert!(!session.given("validate", json!({}))["findings"].as_array().unwrap().is_empty());
            let off = session.given("abort", json!({ "release": "r", "environment": "here", "reason": "now" }));
            assert_eq!(off["stops"][0]["outcome"], "off", "{file}: {off:#}");
            assert!(!session.given("audit_log", json!({}))["entries"].as_array().unwrap().is_empty(), "{file}");
            session.end();
        }
    }
}

#[test]
fn without_its_journal_what_is_served_is_told_and_stopped() {
    for era in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let _pages = started(dir);
        let mut session = Session::begin(dir, era, &WRITING);
        let journal = dir.join(".flagstaff/journal.db");
        fs::write(&journal, "this is no journal").unwrap();
        let told = session.given("status", json!({}));
        assert!(told["journal"].is_string() && told["served"][0]["exposure"] == "10%", "{told:#}");
        let off = session.given("abort", json!({ "release": "r", "environment": "here", "reason": "now" }));
        assert_eq!((&off["stops"][0]["outcome"], &off["stops"][0]["recorded"]), (&json!("off"), &json!("spool")));
        session.end();
        assert_eq!(fs::read_to_string(&journal).unwrap(), "this is no journal");
    }
}

#[test]
fn a_stop_waits_for_no_look() {
    for era in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let _pages = started(dir);
        // a backend that takes connections and says nothing (its token is any text), and no journal that could answer instead
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = format!(
            "    far: {{ backend: {{ unleash: {{ url: \"http://{}\", project: default, environment: production, token_env: FLAGSTAFF_ACTOR }} }} }}\n",
            silent.local_addr().unwrap()
        );
        let project = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
        fs::write(dir.join("flagstaff.yaml"), project + &far).unwrap();
        fs::write(dir.join(".flagstaff/journal.db"), "this is no journal").unwrap();
        let mut session = Session::begin(dir, era, &WRITING);
        let looks: Vec<u64> =
            (0..6).map(|_| session.send("tools/call", json!({ "name": "status", "arguments": {} }))).collect();
        let stop = json!({ "release": "r", "environment": "here", "reason": "now" });
        let stop = session.send("tools/call", json!({ "name": "abort", "arguments": stop }));
        let first = session.read();
        assert_eq!(first["id"], stop, "a look was answered first: {first:#}");
        assert_eq!(first["result"]["structuredContent"]["stops"][0]["outcome"], "off", "{first:#}");
        for _ in &looks {
            let told = session.read();
            assert_eq!(told["result"]["isError"], false, "{told:#}");
        }
        session.end();
    }
}

#[test]
fn a_stop_that_was_asked_for_is_not_called_off() {
    for era in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let _pages = started(dir);
        let mut session = Session::begin(dir, era, &WRITING);
        let stop = json!({ "release": "r", "environment": "here", "reason": "now" });
        let id = session.send("tools/call", json!({ "name": "abort", "arguments": stop }));
        let params = json!({ "requestId": id, "reason": "changed my mind" });
        session.write(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string());
        session.hang_up();
        // whether there is an answer is for the client, and it said that it wants none
        session.drain();
        assert_eq!(session.wait().code, Some(0));
        assert_eq!(states(dir)[0].1, "stopped");
    }
}

#[test]
fn a_look_makes_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let pages = pages();
    project(dir, &pages);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &WRITING);
        assert_eq!(session.given("status", json!({})), answer(dir, &["status"]));
        let found = session.given("find_flag", json!({}));
        assert_eq!(found["flags"][0]["releases"][0]["state"], "not_started", "{found:#}");
        session.refused("explain", json!({ "release": "r@here" }));
        session.refused("audit_log", json!({}));
        // without a journal, too, what no document knows is somebody else's
        let stop = json!({ "release": "somebody-elses", "environment": "here", "reason": "x" });
        assert!(session.refused("abort", stop)["message"].as_str().unwrap().contains("no document and no rollout"));
        session.end();
    }
    assert!(!dir.join(".flagstaff").exists());
}

#[test]
fn the_room_names_no_call_that_grows() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mcp")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let code = fs::read_to_string(entry.path()).unwrap();
            read += 1;
            for word in [
                "control::apply",
                "control::command",
                "control::drive",
                "control::freeze",
                "control::pass",
                "control::serving",
                "control::signal",
                "control::start",
                "StartOptions",
                "engine::Command",
                "backend::",
                "std::process",
                ".command(",
                ".hear(",
                "fs::write",
            ] {
                assert!(!code.contains(word), "{} names {word}", entry.path().display());
            }
        }
    }
    assert!(read > 15, "the room was not found");
}
