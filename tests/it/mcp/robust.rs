//! Whatever comes in, the session goes on; and it ends when it is to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::kit::{BOTH, Era, Session, flagstaff, started};

#[test]
fn what_is_no_message_is_left_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::without_handshake(dir, era, &[]);
        // before anything was said, too
        for line in ["", "garbage", "{", "\u{0}\u{1}", "[1,2]", "null", "{\"jsonrpc\":\"2.0\"}", "{\"id\":null}"] {
            session.write(line);
        }
        session.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        session.write(r#"{"jsonrpc":"2.0","id":77,"result":{}}"#);
        if era == Era::Legacy {
            session.ask(
                "initialize",
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a", "version": "" } }),
            );
        }
        session.given("status", json!({}));
        session.write("garbage");
        session.write(r#"{"jsonrpc":"2.0","id":78,"result":{}}"#);
        for (method, params) in [
            ("tools/call", json!({ "name": 5 })),
            ("tools/call", json!({})),
            ("tools/call", json!({ "name": "status", "arguments": [1] })),
            ("tools/call", json!({ "name": "no_such_tool", "arguments": {} })),
            ("tools/call", json!({ "name": "x".repeat(100_000) })),
            ("no/such/method", json!({})),
            ("resources/read", json!({ "uri": 5 })),
            ("resources/list", json!({ "cursor": "odd" })),
            ("sampling/createMessage", json!({})),
        ] {
            let answered = session.ask(method, params.clone());
            assert!(answered["error"]["code"].is_i64(), "{method} {params}: {answered:#}");
            assert!(answered.to_string().len() < 3000, "{method}: {} bytes", answered.to_string().len());
        }
        session.given("status", json!({}));
        assert_eq!(session.end().code, Some(0));
    }
}

#[test]
fn sizes_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let error = session.refused("status", json!({ "release": "x".repeat(100_000) }));
        assert!(error["exit"] == 64 && error.to_string().len() < 500, "{error:#}");
        let error = session.refused("validate", json!({ "file": "flagstaff/x.yaml", "text": "#".repeat(2 << 20) }));
        assert!(error["message"].as_str().unwrap().contains("longer than"), "{error:#}");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let told = session.given("validate", json!({ "file": "flagstaff/x.yaml", "text": deep }));
        assert!(!told["findings"].as_array().unwrap().is_empty());
        // a line without an end takes no memory
        session.write(&format!(r#"{{"jsonrpc":"2.0","id":900,"method":"{}"}}"#, "x".repeat(9 << 20)));
        let answered = session.read();
        assert!(answered["error"]["message"].as_str().unwrap().contains("longer than 8 MiB"), "{answered:#}");
        session.given("status", json!({}));
        session.end();
    }
}

#[test]
fn calls_side_by_side_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &["--allow-write", "--env", "here"]);
        let mut asked = BTreeSet::new();
        for n in 0..60 {
            let (tool, arguments) = match n % 4 {
                0 => ("status", json!({})),
                1 => ("explain", json!({ "release": "r@there" })),
                2 => ("validate", json!({})),
                _ => ("pause", json!({ "release": "r", "environment": "here", "reason": "many at once" })),
            };
            asked.insert(session.send("tools/call", json!({ "name": tool, "arguments": arguments })));
        }
        while !asked.is_empty() {
            let answered = session.read();
            assert!(answered["result"]["isError"] == false, "{answered:#}");
            assert!(asked.remove(&answered["id"].as_u64().unwrap()), "answered twice: {answered:#}");
        }
        session.end();
        assert!(flagstaff(dir, &["audit", "replay"]).status.success());
    }
}

#[test]
fn versions_that_are_not_known_are_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    // the handshake answers with one that both may know
    let mut session = Session::without_handshake(dir, Era::Legacy, &[]);
    let answered = session.ask(
        "initialize",
        json!({ "protocolVersion": "2999-01-01", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" } }),
    );
    assert_eq!(answered["result"]["protocolVersion"], "2025-11-25", "{answered:#}");
    assert_eq!(answered["result"]["serverInfo"]["name"], "flagstaff");
    session.end();

    let mut session = Session::begin(dir, Era::Modern, &[]);
    let discovered = session.ask("server/discover", json!({}))["result"].clone();
    let versions: Vec<&str> =
        discovered["supportedVersions"].as_array().unwrap().iter().map(|version| version.as_str().unwrap()).collect();
    assert!(versions.contains(&"2026-07-28") && versions.contains(&"2025-11-25"), "{discovered:#}");
    session.write(
        &json!({
            "jsonrpc": "2.0", "id": 500, "method": "tools/list",
            "params": { "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2999-01-01",
                "io.modelcontextprotocol/clientCapabilities": {},
            } },
        })
        .to_string(),
    );
    let refused = session.read();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(500), &json!(-32022)), "{refused:#}");
    assert!(refused["error"]["data"]["supported"].as_array().unwrap().contains(&json!("2026-07-28")), "{refused:#}");
    session.given("status", json!({}));
    session.end();
}

#[test]
fn it_ends_with_its_client_and_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        // a client that goes without a word, before and after the handshake
        assert_eq!(Session::without_handshake(dir, era, &[]).end().code, Some(0));
        assert_eq!(Session::begin(dir, era, &[]).end().code, Some(0));
        // what was asked before the end is answered
        let mut session = Session::begin(dir, era, &["--allow-write", "--env", "here"]);
        let id = session.send(
            "tools/call",
            json!({ "name": "abort", "arguments": { "release": "r", "environment": "here", "reason": "last words" } }),
        );
        session.hang_up();
        let answered = session.read();
        assert_eq!((&answered["id"], &answered["result"]["isError"]), (&json!(id), &json!(false)), "{answered:#}");
        assert_eq!(session.wait().code, Some(0));
        let log: Value = super::kit::answer(dir, &["audit", "log", "r", "-e", "here"]);
        assert!(log["entries"].as_array().unwrap().iter().any(|entry| entry["reason"] == "last words"));
        for (signal, code) in [("TERM", 0), ("INT", 130)] {
            let mut session = Session::begin(dir, era, &[]);
            session.given("status", json!({}));
            let told =
                std::process::Command::new("kill").args([format!("-{signal}"), session.pid().to_string()]).status();
            assert!(told.unwrap().success());
            assert_eq!(session.wait().code, Some(code), "{signal}");
        }
        assert!(flagstaff(dir, &["start", "r", "--again", "-e", "here"]).status.success());
    }
}

#[test]
fn wrong_usage_is_said_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for (args, words) in [
        (&["mcp", "--allow-write"][..], "--env"),
        (&["mcp", "--env", "here"], "--allow-write"),
        (&["mcp", "--allow-write", "--env", "hree"], "there is no environment `hree`"),
        (&["mcp", "-e", "here"], "all environments"),
    ] {
        let done = flagstaff(dir, args);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(64), "{args:?}: {said}");
        assert!(said.contains(words) && done.stdout.is_empty(), "{args:?}: {said}");
    }
}
