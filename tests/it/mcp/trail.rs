//! Every call is in the audit trail, and the journal is not flooded.

use std::fs;

use serde_json::{Value, json};

use super::kit::{BOTH, Session, answer, flagstaff, started};

fn records(dir: &std::path::Path) -> u64 {
    answer(dir, &["audit", "verify"])["records"].as_u64().unwrap()
}

#[test]
fn what_was_asked_is_one_record_with_its_client() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let before = records(dir);
        let mut session = Session::begin(dir, era, &[]);
        for _ in 0..30 {
            session.given("status", json!({}));
        }
        session.given("explain", json!({ "release": "r", "environment": "here" }));
        session.refused("abort", json!({ "release": "r@here", "environment": "here", "reason": "x" }));
        session.ask("tools/call", json!({ "name": "resume", "arguments": {} }));
        session.ask("resources/read", json!({ "uri": "flagstaff://documents/flagstaff.yaml" }));
        session.ask("prompts/get", json!({ "name": "clean_up_this_flag", "arguments": { "flag": "r" } }));
        assert_eq!(records(dir), before, "nothing while the session goes on");
        session.end();
        assert_eq!(records(dir), before + 1);
        let log = answer(dir, &["audit", "log"]);
        let last = log["entries"].as_array().unwrap().last().unwrap();
        assert_eq!(last["who"], "ana@acme.example (mcp, client by-hand 1.2)");
        assert_eq!(
            last["what"],
            "asked: status 30 times, explain r@here, abort r@here (not answered), tool resume (not answered), \
             resource flagstaff://documents/flagstaff.yaml, prompt clean_up_this_flag"
        );
        // of one release, what was asked about it
        let of = answer(dir, &["audit", "log", "r", "-e", "here"]);
        let asked: Vec<&Value> = of["entries"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["what"].as_str().unwrap().starts_with("asked"))
            .collect();
        assert_eq!(asked.last().unwrap()["what"], "asked: explain r@here, abort r@here (not answered)");
        let elsewhere = answer(dir, &["audit", "log", "s"]);
        assert_eq!(elsewhere["entries"], json!([]));
    }
    // nothing follows from it
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
    assert_eq!(answer(dir, &["status"])["rollouts"].as_array().unwrap().len(), 2);
    assert!(flagstaff(dir, &["pause", "r"]).status.success());
}

#[test]
fn where_a_stop_waits_beside_the_journal_nothing_is_put_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let _pages = started(dir);
    for era in BOTH {
        let before = records(dir);
        let mut session = Session::begin(dir, era, &[]);
        session.given("status", json!({}));
        let spool = dir.join(".flagstaff/spool");
        fs::create_dir_all(&spool).unwrap();
        fs::write(spool.join("9-odd.json"), "{}").unwrap();
        let log = session.end().log;
        assert!(log.contains("calls are in this log only"), "{log}");
        fs::remove_file(spool.join("9-odd.json")).unwrap();
        assert_eq!(records(dir), before);
    }
}
