//! The lines that the documentation gives for assistants.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::kit::{Era, Session, started};

/// What a snippet starts: its arguments after `flagstaff`.
fn started_by(snippet: &Value) -> Vec<String> {
    let servers = ["servers", "mcpServers", "mcp"].into_iter().find_map(|key| snippet.get(key)).unwrap();
    let server = &servers["flagstaff"];
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let words = match &server["command"] {
        Value::String(command) => [vec![command.clone()], texts(&server["args"])].concat(),
        command => texts(command),
    };
    assert_eq!(words[0], "flagstaff");
    words[1..].to_vec()
}

#[test]
fn each_starts_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mcp.md")).unwrap();
    let snippets: Vec<&str> = docs.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(snippets.len(), 6);
    for snippet in snippets {
        let snippet: Value = serde_json::from_str(snippet).unwrap();
        let args = started_by(&snippet);
        let (mcp, before) = args.split_last().unwrap();
        assert_eq!(mcp, "mcp");
        let here = dir.to_string_lossy();
        let before: Vec<String> = before.iter().map(|arg| arg.replace("${workspaceFolder}", &here)).collect();
        // options of every command may stand behind it too
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let mut session = Session::begin(dir, Era::Modern, &before);
        session.given("status", json!({}));
        assert_eq!(session.end().code, Some(0));
    }
}

#[test]
fn every_tool_and_prompt_is_in_the_documentation() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mcp.md")).unwrap();
    let mut session = Session::begin(dir, Era::Modern, &["--allow-write", "--env", "here"]);
    for (method, key) in [("tools/list", "tools"), ("prompts/list", "prompts")] {
        let listed = session.ask(method, json!({}))["result"][key].clone();
        for one in listed.as_array().unwrap() {
            let name = format!("`{}`", one["name"].as_str().unwrap());
            assert!(docs.contains(&name), "{name} is not in docs/mcp.md");
        }
    }
    session.end();
}
