//! The port as the rest of flagstaff uses it, on the live server.

use std::collections::BTreeMap;

use flagstaff::backend::{Backend as _, BackendError, Switch};
use flagstaff::engine::plan::{AttributeTest, Audience, Constraint};
use flagstaff::engine::{Exposure, Percentage};
use serde_json::{Value, json};

use super::server::{TOKEN, environment, server};
use super::{audiences, backend, backend_at, expose, exposure, read, request, stamp};

fn strategies(flag: &str) -> Vec<Value> {
    let body = server().ours("GET", &format!("{}/strategies", environment(flag)), None);
    body.as_array().unwrap().clone()
}

fn enabled(flag: &str) -> bool {
    server().ours("GET", &environment(flag), None)["enabled"].as_bool().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_from_nothing_to_everybody_and_off() {
    let backend = backend();
    assert_eq!(backend.resolution(), Percentage::whole(1));
    assert_eq!(read(&backend, "whole").await.revision, "missing");
    for (switch, wanted) in [
        (Switch::TurnOn, exposure(&["beta"], 0)),
        (Switch::Keep, exposure(&["beta", "staff"], 10)),
        (Switch::Keep, exposure(&["beta", "staff"], 50)),
        (Switch::Keep, exposure(&[], 100)),
        (Switch::Keep, exposure(&["beta", "staff"], 10)),
        (Switch::Keep, exposure(&["beta"], 0)),
        (Switch::Keep, exposure(&[], 0)),
        (Switch::Keep, exposure(&["beta"], 5)),
    ] {
        expose(&backend, "whole", wanted.clone(), switch).await.unwrap();
        let seen = read(&backend, "whole").await;
        assert_eq!((seen.on, seen.exposure, seen.foreign), (true, wanted, None));
        assert_eq!((seen.stamp, seen.other_hand), (Some(stamp("rollout")), None));
    }
    backend.switch_off("whole").await.unwrap();
    backend.switch_off("whole").await.unwrap();
    let seen = read(&backend, "whole").await;
    assert_eq!((seen.on, seen.shown(), enabled("whole")), (false, Exposure::nobody(), false));
    let grown = expose(&backend, "whole", exposure(&["beta"], 6), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "{grown:?}");
    expose(&backend, "whole", exposure(&[], 1), Switch::TurnOn).await.unwrap();
    assert_eq!(read(&backend, "whole").await.shown(), exposure(&[], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_what_is_there_writes_nothing() {
    let backend = backend();
    expose(&backend, "twice", exposure(&["staff"], 10), Switch::TurnOn).await.unwrap();
    let before = read(&backend, "twice").await;
    expose(&backend, "twice", exposure(&["staff"], 10), Switch::Keep).await.unwrap();
    expose(&backend, "twice", exposure(&["staff"], 10), Switch::TurnOn).await.unwrap();
    assert_eq!(read(&backend, "twice").await, before);
    assert_eq!(strategies("twice").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_change_is_seen_named_and_not_written_over() {
    let (backend, flag) = (backend(), "touched");
    expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let before = read(&backend, flag).await;
    let share = strategies(flag).into_iter().find(|found| found["title"].as_str().unwrap().ends_with("percentage"));
    let path = format!("{}/strategies/{}", environment(flag), share.unwrap()["id"].as_str().unwrap());
    let patch = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
    server().person("PATCH", &path, Some(&patch("/parameters/rollout", "50".into())));
    let seen = read(&backend, flag).await;
    assert_eq!((seen.exposure, seen.foreign), (exposure(&["beta"], 50), None));
    assert!(
        seen.other_hand.as_ref().is_some_and(|hand| hand.contains("feature-strategy-update")),
        "{:?}",
        seen.other_hand
    );
    let stale = backend.expose(&request(flag, exposure(&["beta"], 20), Switch::Keep, before.revision)).await;
    assert!(matches!(stale, Err(BackendError::Conflict { .. })), "{stale:?}");
    // a change that clients disagree about is at worst everybody
    server().person("PATCH", &path, Some(&patch("/parameters/rollout", "12.5".into())));
    let seen = read(&backend, flag).await;
    assert!(seen.foreign.is_some() && seen.exposure == exposure(&[], 100), "{seen:?}");
    let grown = expose(&backend, flag, exposure(&["beta"], 20), Switch::Keep).await;
    assert!(grown.is_ok(), "smaller than what it may mean: {grown:?}");
    assert_eq!(strategies(flag).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_of_others_is_foreign_and_keeps_us_from_growing() {
    let (backend, flag) = (backend(), "shared");
    expose(&backend, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let theirs = json!({ "name": "flexibleRollout", "title": "theirs", "parameters": { "rollout": "100" } });
    let theirs = server().person("POST", &format!("{}/strategies", environment(flag)), Some(&theirs));
    let seen = read(&backend, flag).await;
    assert!(seen.reaches_by_foreign() && seen.foreign.unwrap().contains("theirs"));
    let grown = expose(&backend, flag, exposure(&[], 20), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::Refused { .. })), "{grown:?}");
    expose(&backend, flag, exposure(&[], 5), Switch::Keep).await.unwrap();
    backend.switch_off(flag).await.unwrap();
    let started = expose(&backend, flag, exposure(&[], 5), Switch::TurnOn).await;
    assert!(matches!(started, Err(BackendError::Refused { .. })), "{started:?}");
    assert!(!enabled(flag));
    let path = format!("{}/strategies/{}", environment(flag), theirs["id"].as_str().unwrap());
    server().person("PATCH", &path, Some(&json!([{ "op": "replace", "path": "/disabled", "value": true }])));
    expose(&backend, flag, exposure(&[], 5), Switch::TurnOn).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_others_share_the_flag_a_shutdown_takes_ours_away() {
    let (backend, flag) = (backend_at(&server().url, TOKEN, true), "own");
    server().person("POST", "/api/admin/projects/default/features", Some(&json!({ "name": flag, "type": "release" })));
    let theirs = json!({ "name": "flexibleRollout", "title": "theirs", "parameters": { "rollout": "3" } });
    server().person("POST", &format!("{}/strategies", environment(flag)), Some(&theirs));
    let blind = expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await;
    assert!(matches!(blind, Err(BackendError::Refused { .. })), "theirs would be on with ours: {blind:?}");
    server().person("POST", &format!("{}/on", environment(flag)), None);
    assert!(!read(&backend, flag).await.on, "nothing of ours");
    expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    expose(&backend, flag, exposure(&["beta"], 20), Switch::Keep).await.unwrap();
    let seen = read(&backend, flag).await;
    assert_eq!((seen.on, seen.foreign.clone(), seen.shown()), (true, None, exposure(&["beta"], 20)));
    backend.switch_off(flag).await.unwrap();
    let seen = read(&backend, flag).await;
    assert_eq!((seen.on, seen.shown(), enabled(flag)), (false, Exposure::nobody(), true));
    let left: Vec<Value> = strategies(flag).into_iter().filter(|found| found["disabled"] == false).collect();
    assert_eq!((left.len(), &left[0]["title"]), (1, &json!("theirs")));
    let grown = expose(&backend, flag, exposure(&["beta"], 30), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "{grown:?}");
    expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    assert_eq!(read(&backend, flag).await.shown(), exposure(&["beta"], 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stamp_is_switched_off_and_nothing_else() {
    let (backend, flag) = (backend(), "stamped");
    expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let mut theirs = request(flag, exposure(&["beta"], 20), Switch::Keep, read(&backend, flag).await.revision);
    theirs.stamp.journal = "another".to_owned();
    let grown = backend.expose(&theirs).await;
    assert!(matches!(grown, Err(BackendError::ForeignStamp { .. })), "{grown:?}");
    backend.switch_off(flag).await.unwrap();
    theirs.switch = Switch::TurnOn;
    theirs.revision = read(&backend, flag).await.revision;
    assert!(matches!(backend.expose(&theirs).await, Err(BackendError::ForeignStamp { .. })));
    theirs.take_over = true;
    backend.expose(&theirs).await.unwrap();
    let seen = read(&backend, flag).await;
    assert_eq!((seen.stamp.clone(), seen.shown()), (Some(theirs.stamp), exposure(&["beta"], 20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_flags_and_wrong_places_are_named() {
    let backend = backend();
    expose(&backend, "archived", exposure(&[], 10), Switch::TurnOn).await.unwrap();
    server().person("DELETE", "/api/admin/projects/default/features/archived", None);
    let seen = read(&backend, "archived").await;
    assert_eq!((seen.on, seen.shown(), seen.revision.as_str()), (false, Exposure::nobody(), "archived"));
    // whoever accepts it as a reduction says whose hand it was, and what it did
    assert!(seen.other_hand.as_ref().is_some_and(|hand| hand.contains("feature-archived")), "{seen:?}");
    backend.switch_off("archived").await.unwrap();
    let grown = expose(&backend, "archived", exposure(&[], 20), Switch::TurnOn).await;
    assert!(matches!(&grown, Err(BackendError::Refused { detail, .. }) if detail.contains("revive")), "{grown:?}");

    expose(&backend, "elsewhere", exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let access = || flagstaff::backend::unleash::Access {
        token: Some(super::saying(TOKEN)),
        certificates: flagstaff::http::Certificates::default(),
    };
    for (project, environment, named) in [("default", "productoin", "production"), ("shop", "production", "default")] {
        let wrong = flagstaff::backend::unleash::Unleash::new(&server().url, project, environment, false, access());
        let answer = wrong.read("elsewhere", &audiences()).await;
        assert!(matches!(&answer, Err(BackendError::Refused { detail, .. }) if detail.contains(named)), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_may_not_are_told_apart() {
    let flag = "tokens";
    expose(&backend(), flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    for (token, named) in [("*:*.unknown", "unknown"), (super::server::CLIENT_TOKEN, "admin token")] {
        let backend = backend_at(&server().url, token, false);
        let answer = backend.read(flag, &audiences()).await;
        assert!(
            matches!(&answer, Err(BackendError::NotAuthorised { detail, .. }) if detail.contains(named)),
            "{answer:?}"
        );
        let off = backend.switch_off(flag).await;
        assert!(matches!(off, Err(BackendError::NotAuthorised { .. })), "{off:?}");
    }
    let viewer = backend_at(&server().url, &server().user("viewer", 3), false);
    assert_eq!(read(&viewer, flag).await.shown(), exposure(&[], 10));
    let off = viewer.switch_off(flag).await;
    assert!(matches!(off, Err(BackendError::NotAuthorised { .. })), "{off:?}");
    let grown = expose(&viewer, flag, exposure(&[], 20), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::NotAuthorised { .. })), "{grown:?}");
    let editor = backend_at(&server().url, &server().user("editor", 2), false);
    expose(&editor, flag, exposure(&[], 20), Switch::Keep).await.unwrap();
    assert_eq!(read(&editor, flag).await.other_hand, None);
    assert!(read(&backend(), flag).await.other_hand.unwrap().contains("editor"));
    editor.switch_off(flag).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_a_segment_of_the_servers_and_a_change_of_it_is_seen() {
    let (backend, flag) = (backend(), "segmented");
    let constraint = |values: &[&str]| json!([{ "contextName": "userId", "operator": "IN", "values": values }]);
    let segment = json!({ "name": "pilots", "constraints": constraint(&["u-1"]) });
    let id = server().person("POST", "/api/admin/segments", Some(&segment))["id"].as_u64().unwrap();
    let test = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
    let in_beta = test("region", AttributeTest::StartsWith("north-".to_owned()));
    let audiences = BTreeMap::from([(
        "pilots".to_owned(),
        Audience { any: vec![test("pilots", AttributeTest::InSegment), in_beta] },
    )]);
    let expose = async |exposure, switch| {
        let revision = backend.read(flag, &audiences).await.unwrap().revision;
        let request =
            flagstaff::backend::Expose { audiences: audiences.clone(), ..request(flag, exposure, switch, revision) };
        backend.expose(&request).await
    };
    expose(exposure(&["pilots"], 10), Switch::TurnOn).await.unwrap();
    let seen = backend.read(flag, &audiences).await.unwrap();
    assert_eq!((seen.shown(), seen.foreign), (exposure(&["pilots"], 10), None));
    assert!(strategies(flag).iter().any(|strategy| strategy["segments"] == json!([id])));
    // whoever changes the segment changes whom the flag reaches, and the flag has no event of it
    let path = format!("/api/admin/segments/{id}");
    let wider = json!({ "name": "pilots", "constraints": constraint(&["u-1", "u-2"]) });
    server().person("PUT", &path, Some(&wider));
    let seen = backend.read(flag, &audiences).await.unwrap();
    assert!(seen.foreign.as_ref().is_some_and(|why| why.contains("segment")), "{seen:?}");
    let grown = expose(exposure(&["pilots"], 20), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::Refused { .. })), "{grown:?}");
    // a person who has seen it takes it as it is
    expose(exposure(&["pilots"], 10), Switch::TurnOn).await.unwrap();
    let seen = backend.read(flag, &audiences).await.unwrap();
    assert_eq!((seen.shown(), seen.foreign), (exposure(&["pilots"], 10), None));
    let missing =
        BTreeMap::from([("pilots".to_owned(), Audience { any: vec![test("none", AttributeTest::InSegment)] })]);
    let revision = seen.revision;
    let absent = request(flag, exposure(&["pilots"], 10), Switch::Keep, revision);
    let absent = backend.expose(&flagstaff::backend::Expose { audiences: missing, ..absent }).await;
    assert!(
        matches!(&absent, Err(BackendError::Refused { detail, .. }) if detail.contains("no segment `none`")),
        "{absent:?}"
    );
    backend.switch_off(flag).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_replaced_is_picked_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let access = flagstaff::backend::unleash::Access {
        token: Some(flagstaff::http::Credential::File(file.clone())),
        certificates: flagstaff::http::Certificates::default(),
    };
    let backend = flagstaff::backend::unleash::Unleash::new(&server().url, "default", "production", false, access);
    let refused =
        async || matches!(backend.read("rotated", &audiences()).await, Err(BackendError::NotAuthorised { .. }));
    assert!(refused().await, "there is no file");
    for (token, good) in [("*:*.old", false), (TOKEN, true), ("*:*.old", true), (TOKEN, true)] {
        std::fs::write(&file, token).unwrap();
        assert_eq!(refused().await, !good, "{token}");
    }
}
