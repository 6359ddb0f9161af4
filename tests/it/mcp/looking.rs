//! What an assistant can look at, in both eras.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::kit::{BOTH, Era, Session, answer, flagstaff, started};
use crate::support::schema::{check, faults, published};

const READING: [&str; 7] = ["status", "explain", "find_flag", "plan", "validate", "audit_log", "schema"];

#[test]
fn tools_say_what_they_take_give_and_do() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let listed = session.ask("tools/list", json!({}))["result"].clone();
        let tools = listed["tools"].as_array().unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, READING, "reading is all there is unless a person says otherwise");
        for tool in tools {
            let hints = &tool["annotations"];
            assert_eq!((&hints["readOnlyHint"], &hints["destructiveHint"]), (&json!(true), &json!(false)), "{tool:#}");
            assert!(hints["idempotentHint"].is_boolean() && hints["openWorldHint"].is_boolean(), "{tool:#}");
            for schema in [&tool["inputSchema"], &tool["outputSchema"]] {
                assert!(jsonschema::meta::is_valid(schema) && schema["type"] == "object", "{schema:#}");
            }
            // the published schema, as it is
            if let Some(title) = tool["outputSchema"]["title"].as_str() {
                let name = title.strip_prefix("flagstaff/").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
                assert_eq!(tool["outputSchema"], published(name));
            }
        }
        if era == Era::Modern {
            assert_eq!(listed["resultType"], "complete");
            assert!(listed["ttlMs"].is_u64() && listed["cacheScope"].is_string(), "{listed:#}");
        }
        assert_eq!(session.end().code, Some(0));
    }
}

#[test]
fn answers_are_those_of_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    assert!(flagstaff(dir, &["pause", "r", "-e", "here", "--reason", "look"]).status.success());
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let mut given = |tool: &str, arguments: Value, schema: &str| {
            let document = session.given(tool, arguments);
            assert_eq!(check(&document), schema);
            document
        };
        assert_eq!(given("status", json!({}), "status"), answer(dir, &["status"]));
        assert_eq!(given("status", json!({ "release": "r@there" }), "status"), answer(dir, &["status", "r@there"]));
        let explained = given("explain", json!({ "release": "r", "environment": "here" }), "explain");
        assert_eq!((&explained["state"], &explained["stage"]), (&json!("paused"), &json!("tenth")));
        assert!(explained["commands"][0].as_str().unwrap().starts_with("flagstaff resume r"), "{explained:#}");
        assert_eq!(given("plan", json!({ "release": "r" }), "plan"), answer(dir, &["plan", "r"]));
        assert_eq!(given("validate", json!({}), "findings"), answer(dir, &["validate"]));
        let log = answer(dir, &["audit", "log", "r", "-e", "here"])["entries"].as_array().unwrap().clone();
        let told = given("audit_log", json!({ "release": "r@here", "last": 1 }), "audit-log");
        assert_eq!(told["entries"], json!([log.last().unwrap()]));
        let found = given("find_flag", json!({ "words": "CHECKOUT" }), "flags");
        assert_eq!((found["flags"].as_array().unwrap().len(), &found["flags"][0]["flag"]), (1, &json!("r")));
        let states: Vec<&Value> =
            found["flags"][0]["releases"].as_array().unwrap().iter().map(|release| &release["state"]).collect();
        assert_eq!(states, ["paused", "running"]);
        let all = given("find_flag", json!({}), "flags");
        assert_eq!(all["flags"][1]["releases"][0]["state"], "not_started", "{all:#}");
        let short = given("find_flag", json!({ "limit": 1 }), "flags");
        assert_eq!((short["flags"].as_array().unwrap().len(), &short["left_out"]), (1, &json!(1)));
        let cut = given("status", json!({ "limit": 1 }), "status");
        assert_eq!((&cut["rollouts"][0]["state"], &cut["left_out"]), (&json!("paused"), &json!(1)));
        let schema = session.given("schema", json!({ "kind": "Release" }));
        assert_eq!(schema, answer(dir, &["schema", "Release"]));
        assert_eq!(session.end().code, Some(0));
    }
}

#[test]
fn what_cannot_be_answered_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        for (tool, arguments, code, words) in [
            ("status", json!({ "release": "rr" }), 1, "did you mean `r`?"),
            ("status", json!({ "environment": "hree" }), 64, "the project has: here, there"),
            ("explain", json!({ "release": "r" }), 64, "name one of here, there"),
            ("explain", json!({ "release": "s" }), 1, "has no rollout yet"),
            ("explain", json!({}), 64, "missing field `release`"),
            ("plan", json!({ "release": "nope" }), 1, "there is no release `nope`"),
            ("schema", json!({ "kind": "Guardrail" }), 64, "known: "),
            ("status", json!({ "relaese": "r" }), 64, "unknown field `relaese`"),
            ("status", json!({ "limit": "many" }), 64, "invalid type"),
            ("validate", json!({ "text": "a: 1" }), 64, "go together"),
        ] {
            let error = session.refused(tool, arguments);
            assert_eq!(error["exit"], code, "{tool}: {error:#}");
            assert!(error["message"].as_str().unwrap().contains(words), "{tool}: {error:#}");
        }
        session.end();
    }
}

#[test]
fn every_call_sees_documents_and_journal_as_they_are_now() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for (round, era) in BOTH.into_iter().enumerate() {
        let name = format!("late{round}");
        let mut session = Session::begin(dir, era, &[]);
        let state = |session: &mut Session| session.given("explain", json!({ "release": "r@here" }))["state"].clone();
        assert_eq!(state(&mut session), "running");
        assert!(flagstaff(dir, &["pause", "r", "-e", "here"]).status.success());
        assert_eq!(state(&mut session), "paused");
        assert!(flagstaff(dir, &["resume", "r", "-e", "here"]).status.success());
        let more = format!("apiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{}}\n");
        fs::write(dir.join(format!("flagstaff/{name}.yaml")), more).unwrap();
        assert_eq!(session.given("find_flag", json!({ "words": name }))["flags"][0]["flag"], name);
        session.end();
    }
}

#[test]
fn resources_are_documents_rollouts_and_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    fs::write(dir.join("secret.yaml"), "token: hunter2\n").unwrap();
    fs::write(dir.join("flagstaff/a file ü.yaml"), "# see https://ana:hunter2@acme.example\n").unwrap();
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let listed = session.ask("resources/list", json!({}))["result"]["resources"].clone();
        let uris: BTreeSet<&str> = listed.as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
        for uri in [
            "flagstaff://documents/flagstaff.yaml",
            "flagstaff://documents/flagstaff/a%20file%20%C3%BC.yaml",
            "flagstaff://rollouts/r@here",
            "flagstaff://schema/Release",
            "flagstaff://schema/documents",
            "flagstaff://schema/status",
        ] {
            assert!(uris.contains(uri), "{uri}: {uris:?}");
        }
        for uri in &uris {
            let read = session.ask("resources/read", json!({ "uri": uri }))["result"]["contents"][0].clone();
            assert_eq!(read["uri"], **uri, "{uri}");
            let text = read["text"].as_str().unwrap();
            assert!(!text.contains("hunter2"), "{uri}: {text}");
            if read["mimeType"] == "application/json" {
                serde_json::from_str::<Value>(text).unwrap();
            }
        }
        let rollout = session.ask("resources/read", json!({ "uri": "flagstaff://rollouts/r@here" }));
        let document: Value = serde_json::from_str(rollout["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(faults(&published("explain"), &document), Vec::<String>::new());
        for nothing in [
            "flagstaff://documents/secret.yaml",
            "flagstaff://documents/../secret.yaml",
            "flagstaff://documents/flagstaff/%2e%2e/secret.yaml",
            "flagstaff://documents//etc/passwd",
            "flagstaff://rollouts/r@nowhere",
            "flagstaff://schema/nope",
            "file:///etc/passwd",
            "",
        ] {
            let error = session.ask("resources/read", json!({ "uri": nothing }))["error"].clone();
            let expected = if era == Era::Modern { -32602 } else { -32002 };
            assert_eq!(error["code"], expected, "{nothing}: {error:#}");
        }
        let templates = session.ask("resources/templates/list", json!({}));
        assert_eq!(templates["result"]["resourceTemplates"].as_array().unwrap().len(), 3);
        session.end();
    }
}

#[test]
fn prompts_are_there_with_their_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let mut session = Session::begin(dir, era, &[]);
        let listed = session.ask("prompts/list", json!({}))["result"]["prompts"].clone();
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["release_this_change", "clean_up_this_flag"]);
        let got = session.ask(
            "prompts/get",
            json!({ "name": "release_this_change", "arguments": { "change": "one page checkout" } }),
        );
        let text = got["result"]["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(text.contains("one page checkout") && text.contains("a person types"), "{text}");
        let missing = session.ask("prompts/get", json!({ "name": "clean_up_this_flag" }));
        assert_eq!(missing["error"]["code"], -32602, "{missing:#}");
        // what prompts speak of is there
        for template in ["release_this_change", "clean_up_this_flag"] {
            let arguments = json!({ "change": "c", "flag": "f" });
            let arguments = match template {
                "release_this_change" => json!({ "change": arguments["change"] }),
                _ => json!({ "flag": arguments["flag"] }),
            };
            let got = session.ask("prompts/get", json!({ "name": template, "arguments": arguments }));
            let text = got["result"]["messages"][0]["content"]["text"].as_str().unwrap().to_owned();
            for named in
                text.split('`').skip(1).step_by(2).filter(|named| named.contains('_') || READING.contains(named))
            {
                let known = READING.contains(&named) || named == "not_started";
                assert!(known, "{template} speaks of `{named}`");
            }
        }
        session.end();
    }
}
