//! Unleash: a real server, and what may stand in its place.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Found, examined_with, project};
use crate::support::server::{Fake, Reply};
use crate::unleash::proxy::{Fate, Proxy, fake};
use crate::unleash::server::{CLIENT_TOKEN, TOKEN, server};

const BACKEND: &str = "backend production";

fn at(url: &str, more: &str) -> String {
    let token = "token_env: DOCTOR_TOKEN";
    let (project, environment) =
        if more.is_empty() { ("default", "production") } else { more.split_once('/').unwrap() };
    let place = format!("url: \"{url}\", project: {project}, environment: {environment}");
    format!("production: {{ backend: {{ unleash: {{ {place}, {token} }} }} }}")
}

/// What is found at an address with a token; the token must be in nothing that is said or kept.
fn found(url: &str, more: &str, token: Option<&str>, code: i32) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let dir: &Path = folder.path();
    project(dir, &[], &[&at(url, more)]);
    let found = examined_with(dir, token, &[], code);
    let secret = token.and_then(|token| token.rsplit_once(['.', ':'])).map(|(_, secret)| secret);
    if let Some(secret) = secret {
        assert!(!found.said.contains(secret), "the token is told: {}", found.said);
    }
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 1, "something was made");
    found
}

#[test]
fn an_admin_token_may_do_everything() {
    let found = found(&server().url, "", Some(TOKEN), 0);
    found.is(BACKEND, "reachable", "ok", " ms").is(BACKEND, "version", "ok", "Unleash 8.2.0, open source");
    found.is(BACKEND, "token", "ok", "an admin token, admin");
    found.is(BACKEND, "permissions", "ok", "switch on and off in project default, environment production");
    found.is(BACKEND, "project", "ok", "project default has environment production");
    found.is(BACKEND, "events", "ok", "can be read").is(BACKEND, "maintenance", "ok", "it takes writes");
    found.is(BACKEND, "clock", "ok", "no more than 1 s from ours").leaves_out(BACKEND, "transport");
    assert!(found.said.contains(&format!("examined {} (production): 8 checks (", server().url)), "{}", found.said);
}

#[test]
fn whose_a_token_is_and_what_it_may_not() {
    let (editor, viewer) = (server().user("doctor-editor", 2), server().user("doctor-viewer", 3));
    let may = found(&server().url, "", Some(&editor), 0);
    may.is(BACKEND, "token", "ok", "that of user doctor-editor").is(
        BACKEND,
        "permissions",
        "ok",
        "make and describe flags",
    );
    let may_not = found(&server().url, "", Some(&viewer), 4);
    may_not.is(BACKEND, "token", "ok", "that of user doctor-viewer").is(BACKEND, "events", "ok", "");
    for missing in
        ["CREATE_FEATURE)", "CREATE_FEATURE_STRATEGY", "UPDATE_FEATURE_STRATEGY", "UPDATE_FEATURE_ENVIRONMENT"]
    {
        may_not.is(BACKEND, "permissions", "failed", missing).advises(BACKEND, "permissions", "Editor");
    }
}

#[test]
fn a_token_that_does_not_do_is_told() {
    for (token, seen) in [
        (Some(CLIENT_TOKEN), "different token type"),
        (Some("user:canary-of-nobody"), "unknown or has expired"),
        (Some("two words"), "holds no token"),
        (None, "the variable DOCTOR_TOKEN is not set"),
    ] {
        let found = found(&server().url, "", token, 4);
        found.is(BACKEND, "reachable", "ok", "").is(BACKEND, "token", "failed", seen);
        found.advises(BACKEND, "token", "personal access token").leaves_out(BACKEND, "permissions");
        // what a server says to everybody is known all the same
        found.is(BACKEND, "clock", "ok", "").leaves_out(BACKEND, "version");
    }
}

#[test]
fn a_project_or_environment_that_is_not_there_is_told() {
    let found_at = |more| found(&server().url, more, Some(TOKEN), 1);
    let found = found_at("nope/production");
    found.is(BACKEND, "project", "failed", "there is no project nope").advises(BACKEND, "project", "id");
    let found = found_at("default/prod");
    found.is(BACKEND, "project", "failed", "project default has no environment prod, only development, production");
}

#[test]
fn an_address_below_the_servers_own_and_a_certificate_that_is_not_there_are_told() {
    let found = found(&format!("{}/api/admin", server().url), "", Some(TOKEN), 5);
    found.is(BACKEND, "token", "failed", "no such page").advises(BACKEND, "token", "check `url`");
    let found = self::found(&format!("{}\", ca_file: \"nope.pem", server().url), "", Some(TOKEN), 1);
    found.is(BACKEND, "certificates", "failed", "nope.pem").advises(BACKEND, "certificates", "check `ca_file`");
}

#[test]
fn what_is_no_unleash_never_sees_the_token() {
    type Row = (fn() -> Reply, &'static str);
    let rows: [Row; 5] = [
        (|| Reply::with("{}"), "not as an Unleash does"),
        (|| Reply::with("<!DOCTYPE html><title>Hello</title>"), "is it an Unleash"),
        (|| Reply { status: 404, ..Reply::with("{}") }, "no such page"),
        (|| Reply { status: 302, ..Reply::with("") }, "redirects"),
        (|| Reply { status: 503, ..Reply::with("") }, "status 503"),
    ];
    for (reply, seen) in rows {
        let server = Fake::serve(move |_| reply());
        let found = found(&server.url, "", Some(TOKEN), 5);
        found.is(BACKEND, "reachable", "failed", seen).advises(BACKEND, "reachable", "check `url`");
        found.leaves_out(BACKEND, "token").leaves_out(BACKEND, "clock");
        let asked = server.asked.lock().unwrap();
        assert!(!asked.is_empty());
        assert!(asked.iter().all(|asked| !asked.headers.to_ascii_lowercase().contains("authorization")), "{asked:?}");
    }
}

#[test]
fn a_server_that_is_down_or_hangs_is_not_waited_for() {
    let down = found("http://127.0.0.1:9", "", Some(TOKEN), 5);
    down.is(BACKEND, "reachable", "failed", "refused");
    let hanging = Fake::serve(|_| Reply { after: Duration::from_secs(60), ..Reply::with("") });
    let hangs = found(&hanging.url, "", Some(TOKEN), 5);
    hangs.is(BACKEND, "reachable", "failed", "no answer in time");
    // a token that travels unencrypted to another machine; nothing answers at an address that documents use as examples
    let clear = found("http://198.51.100.7:4242", "", Some(TOKEN), 5);
    clear.is(BACKEND, "transport", "warning", "unencrypted").advises(BACKEND, "transport", "https://");
    clear.is(BACKEND, "reachable", "failed", "");
}

#[test]
fn a_command_that_never_says_the_token_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let backend = at(&server().url, "").replace("token_env: DOCTOR_TOKEN", "token_command: [sleep, \"60\"]");
    project(folder.path(), &[], &[&backend]);
    let found = examined_with(folder.path(), None, &[], 4);
    found.is(BACKEND, "token", "failed", "`sleep` says nothing within 5 s").is(BACKEND, "reachable", "ok", "");
}

/// What is found where a server answers this to one path, and the real one to all others.
async fn with_answer(path: &'static str, answer: Value, code: i32) -> Found {
    let proxy = Proxy::before(&server().url, move |call| {
        let answer = answer.to_string();
        async move { if call.path.starts_with(path) { fake(200, &answer) } else { Fate::Pass } }
    });
    let proxy = proxy.await;
    let found = found(&proxy.url, "", Some(TOKEN), code);
    assert!(proxy.calls().iter().all(|call| !call.writes()), "it writes: {:?}", proxy.calls());
    found
}

/// The server is shared with other tests: it is not put into maintenance, but said to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_is_told_with_what_it_means() {
    let answer = json!({ "version": "8.2.0", "environment": "Open Source", "maintenanceMode": true });
    let found = with_answer("/api/admin/ui-config", answer, 5).await;
    found.is(BACKEND, "maintenance", "failed", "refuses every write, switching off included");
    found.advises(BACKEND, "maintenance", "end it in Unleash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_count_where_they_were_given() {
    let all = [
        "CREATE_FEATURE",
        "UPDATE_FEATURE",
        "CREATE_FEATURE_STRATEGY",
        "UPDATE_FEATURE_STRATEGY",
        "DELETE_FEATURE_STRATEGY",
    ];
    let of_project = |environment: &str, switch_in: &str, without: &str| {
        let mut permissions: Vec<Value> = all
            .iter()
            .filter(|name| **name != without)
            .map(|name| json!({ "permission": name, "project": "default", "environment": environment }))
            .collect();
        permissions.push(json!({ "permission": "UPDATE_FEATURE_ENVIRONMENT", "project": switch_in }));
        json!({ "user": { "id": 7, "email": "flagstaff@acme.example" }, "permissions": permissions })
    };
    for (answer, code, result, seen) in [
        (of_project("production", "default", ""), 0, "ok", "it may"),
        (of_project("*", "*", ""), 0, "ok", "it may"),
        (
            of_project("production", "other", ""),
            4,
            "failed",
            "it may not switch on and off (UPDATE_FEATURE_ENVIRONMENT) in",
        ),
        (of_project("development", "default", ""), 4, "failed", "DELETE_FEATURE_STRATEGY"),
        (of_project("production", "default", "CREATE_FEATURE"), 0, "warning", "it may not make flags (CREATE_FEATURE)"),
        (of_project("production", "default", "UPDATE_FEATURE"), 0, "warning", "describe flags (UPDATE_FEATURE)"),
    ] {
        let found = with_answer("/api/admin/user", answer, code).await;
        found.is(BACKEND, "permissions", result, seen).is(
            BACKEND,
            "token",
            "ok",
            "that of user flagstaff@acme.example",
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_and_a_clock_that_is_wrong_are_told() {
    let proxy = Proxy::before(&server().url, |call| async move {
        let refusal = r#"{"name":"PermissionError","message":"You need READ_EVENTS"}"#;
        match call.path.as_str() {
            path if path.starts_with("/api/admin/search/events") => fake(403, refusal),
            path if path.starts_with("/api/admin/ui-config") => {
                let header = "Content-Type: application/json\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
                Fate::Fake(200, header.to_owned(), br#"{"version":"8.2.0","environment":"Enterprise"}"#.to_vec())
            }
            _ => Fate::Pass,
        }
    });
    let found = found(&proxy.await.url, "", Some(TOKEN), 4);
    found.is(BACKEND, "events", "failed", "READ_EVENTS").advises(BACKEND, "events", "changes by hand");
    found.is(BACKEND, "clock", "warning", "behind ours").advises(BACKEND, "clock", "NTP");
    found.is(BACKEND, "version", "ok", "Unleash 8.2.0, Enterprise");
}
