//! Bad days: what a server, or something in its place, may answer. In none of them does anybody get the feature who was
//! not to, and in none does a shutdown count as done that is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flagstaff::backend::{Backend as _, BackendError, Switch};
use flagstaff::checkup::Fault::Unreachable;
use flagstaff::checkup::{Check, Health};
use flagstaff::clock::SystemClock;
use serde_json::json;

use super::proxy::{Call, Fate, Proxy, fake};
use super::server::{Server, TOKEN, environment, server};
use super::{backend_at, expose, exposure, read};

/// What a fault is to be taken for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    Unreachable,
    NotAuthorised,
    Refused,
}

fn taken(error: &BackendError) -> Option<Taken> {
    match error {
        BackendError::Unreachable { .. } => Some(Taken::Unreachable),
        BackendError::NotAuthorised { .. } => Some(Taken::NotAuthorised),
        BackendError::Refused { .. } => Some(Taken::Refused),
        _ => None,
    }
}

type Row = (&'static str, fn() -> Fate, Taken, &'static str);

const JSON: &str = "Content-Type: application/json\r\n";

fn table() -> Vec<Row> {
    use Taken::{NotAuthorised, Refused, Unreachable};
    vec![
        ("401", || fake(401, r#"{"name":"UnauthorizedError","message":"no"}"#), NotAuthorised, "expired"),
        (
            "403",
            || fake(403, r#"{"name":"PermissionError","message":"You need UPDATE_FEATURE"}"#),
            NotAuthorised,
            "UPDATE_FEATURE",
        ),
        (
            "403 of another kind",
            || fake(403, r#"{"message":"expected a different token type"}"#),
            NotAuthorised,
            "different token",
        ),
        (
            "change requests",
            || fake(403, r#"{"name":"NoAccessError","message":"Change requests are enabled in project default"}"#),
            Refused,
            "change requests guard",
        ),
        ("404 of something else", || fake(404, "{}"), Unreachable, "no such page"),
        (
            "404 of another path",
            || fake(404, r#"{"name":"NotFoundError","message":"The path you were looking for is not available."}"#),
            Unreachable,
            "is the address right",
        ),
        ("408", || fake(408, "{}"), Unreachable, "asked again"),
        ("409", || fake(409, r#"{"name":"NameExistsError","message":"it exists"}"#), Refused, "it exists"),
        ("415", || fake(415, r#"{"name":"ContentTypeError","message":"JSON wanted"}"#), Refused, "JSON wanted"),
        (
            "400",
            || fake(400, r#"{"name":"BadDataError","message":"bad","details":[{"message":"at /name"}]}"#),
            Refused,
            "at /name",
        ),
        (
            "400 without a name",
            || fake(400, r#"{"message":"Unexpected end of JSON input"}"#),
            Refused,
            "Unexpected end",
        ),
        ("429", || Fate::Fake(429, String::new(), b"Too many requests".to_vec()), Unreachable, "left alone"),
        (
            "429 with a short wait",
            || Fate::Fake(429, "Retry-After: 1\r\n".to_owned(), b"Too many requests".to_vec()),
            Unreachable,
            "for 1 s",
        ),
        (
            "429 with a long wait",
            || Fate::Fake(429, "Retry-After: 3600\r\n".to_owned(), b"Too many requests".to_vec()),
            Unreachable,
            "for 3600 s",
        ),
        (
            "500",
            || fake(500, r#"{"name":"UnknownError","message":"select secret from"}"#),
            Unreachable,
            "status 500 UnknownError",
        ),
        ("502", || Fate::Fake(502, String::new(), Vec::new()), Unreachable, "status 502"),
        (
            "503",
            || fake(503, r#"{"message":"Unleash is currently in maintenance mode."}"#),
            Unreachable,
            "switching off included",
        ),
        (
            "a page",
            || Fate::Fake(200, "Content-Type: text/html\r\n".to_owned(), b"<!DOCTYPE html>".to_vec()),
            Unreachable,
            "is it an Unleash",
        ),
        ("no JSON", || Fate::Fake(200, JSON.to_owned(), b"{ broken".to_vec()), Unreachable, "is it an Unleash"),
        ("100 MB", || Fate::Fake(200, JSON.to_owned(), vec![b' '; 100_000_000]), Unreachable, "larger than"),
        ("a hang", || Fate::Hang, Unreachable, "no answer in time"),
        ("a reset", || Fate::Lose, Unreachable, ""),
    ]
}

/// Whether a fault befalls a call.
type Befalls = fn(&Call) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_exposes_anybody_or_loses_a_shutdown() {
    let flag = "faults";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let scopes: [(&str, Befalls); 2] = [("every call", |_| true), ("every write", Call::writes)];
    for (name, fault, expected, told) in table() {
        for (scope, befalls) in scopes {
            let proxy =
                Proxy::before(
                    &server().url,
                    move |call| async move { if befalls(&call) { fault() } else { Fate::Pass } },
                );
            let backend = backend_at(&proxy.await.url, TOKEN, false);
            let began = Instant::now();
            let revision = read(&direct, flag).await.revision;
            let request = super::request(flag, exposure(&["beta", "staff"], 50), Switch::Keep, revision);
            let grown = backend.expose(&request).await.unwrap_err();
            assert_eq!(taken(&grown), Some(expected), "{name} at {scope}: {grown:?}");
            assert!(grown.to_string().contains(told), "{name} at {scope}: {grown}");
            assert!(!grown.to_string().contains("secret"), "{name}: {grown}");
            let off = backend.switch_off(flag).await.unwrap_err();
            assert_eq!(taken(&off), Some(expected), "{name} at {scope}: {off:?}");
            // an addition is not repeated, a hang is not waited for twice, and a long wish is not granted
            assert!(began.elapsed() < Duration::from_secs(12), "{name} at {scope}: {:?}", began.elapsed());
            let seen = read(&direct, flag).await;
            assert_eq!((seen.on, seen.shown()), (true, exposure(&["beta"], 10)), "{name} at {scope}");
        }
    }
    // what arrives is done, whatever became of the answer
    let proxy = Proxy::before(&server().url, |call| async move { if call.writes() { Fate::Cut } else { Fate::Pass } });
    let _ = backend_at(&proxy.await.url, TOKEN, false).switch_off(flag).await;
    assert!(!read(&direct, flag).await.on);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_once_is_made_again() {
    let flag = "once-more";
    for fault in [|| Fate::Lose, || Fate::Fake(429, "Retry-After: 1\r\n".to_owned(), Vec::new()), || fake(502, "{}")] {
        let proxy = Proxy::before(&server().url, move |call| async move {
            // what adds, enables or switches on is made once
            let is_once = call.method == "PUT" || (call.method == "POST" && !call.path.ends_with("/off"));
            if call.number % 2 == 0 && !is_once { fault() } else { Fate::Pass }
        });
        let backend = backend_at(&proxy.await.url, TOKEN, false);
        expose(&backend, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
        let proxy =
            Proxy::before(
                &server().url,
                move |call| async move { if call.number % 2 == 0 { fault() } else { Fate::Pass } },
            );
        let unsteady = backend_at(&proxy.await.url, TOKEN, false);
        expose(&unsteady, flag, exposure(&["beta"], 5), Switch::Keep).await.unwrap();
        backend.switch_off(flag).await.unwrap();
        assert!(!read(&backend, flag).await.on);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_enables_or_switches_on_is_sent_once() {
    let flag = "sent-once";
    for (method, end) in [("POST", "/on"), ("PUT", "")] {
        let proxy = Proxy::before(&server().url, move |call| async move {
            match call.method == method && call.path.ends_with(end) {
                // it is done, and nobody is told: a stop may come in now
                true => Fate::Cut,
                false => Fate::Pass,
            }
        });
        let proxy = proxy.await;
        let started =
            expose(&backend_at(&proxy.url, TOKEN, false), flag, exposure(&["beta"], 10), Switch::TurnOn).await;
        assert!(matches!(started, Err(BackendError::Unreachable { .. })), "{started:?}");
        let sent = proxy.calls().iter().filter(|call| call.method == method && call.path.ends_with(end)).count();
        assert_eq!(sent, 1, "{method} {end}");
        backend_at(&server().url, TOKEN, false).switch_off(flag).await.unwrap();
        server().ours("DELETE", &format!("/api/admin/projects/default/features/{flag}"), None);
        server().ours("DELETE", &format!("/api/admin/archive/{flag}"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_go_where_a_redirect_points() {
    let elsewhere = Proxy::open(&server().url).await;
    let to = elsewhere.url.clone();
    let proxy = Proxy::before(&server().url, move |_| {
        let header = format!("Location: {to}/api/admin/user\r\n");
        async move { Fate::Fake(302, header, Vec::new()) }
    });
    let backend = backend_at(&proxy.await.url, TOKEN, false);
    for answer in [backend.read("f", &super::audiences()).await.map(|_| ()), backend.switch_off("f").await] {
        assert!(
            matches!(&answer, Err(BackendError::Refused { detail, .. }) if detail.contains("redirects")),
            "{answer:?}"
        );
    }
    assert_eq!(elsewhere.calls(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_plan_of_its_own_is_recognised() {
    let flag = "planned";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let strategy =
        json!({ "id": "1", "name": "flexibleRollout", "parameters": { "rollout": "20" }, "milestoneId": "m" });
    let production =
        |plans| json!({ "name": "production", "enabled": true, "strategies": [strategy], "releasePlans": plans });
    for plans in [json!([]), json!([{ "id": "p" }])] {
        let body = json!({ "environments": [production(plans)] }).to_string();
        let proxy = Proxy::before(&server().url, move |call| {
            let body = body.clone();
            async move {
                match call.path.ends_with(&format!("/features/{flag}")) {
                    true => fake(200, &body),
                    false => Fate::Pass,
                }
            }
        });
        let backend = backend_at(&proxy.await.url, TOKEN, false);
        let seen = read(&backend, flag).await;
        assert!(seen.foreign.as_ref().is_some_and(|why| why.contains("release plan")), "{seen:?}");
        for switch in [Switch::Keep, Switch::TurnOn] {
            let grown = expose(&backend, flag, exposure(&[], 20), switch).await;
            assert!(
                matches!(&grown, Err(BackendError::Refused { detail, .. }) if detail.contains("release plan")),
                "{grown:?}"
            );
        }
        backend.switch_off(flag).await.unwrap();
        assert!(!read(&direct, flag).await.on);
        expose(&direct, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    }
}

/// A flag's body as the server shows it, changed.
fn body(flag: &str, change: impl Fn(&mut serde_json::Value)) -> String {
    let mut body = server().ours("GET", &format!("/api/admin/projects/default/features/{flag}"), None);
    let environments = body["environments"].as_array_mut().unwrap();
    change(environments.iter_mut().find(|one| one["name"] == "production").unwrap());
    body.to_string()
}

/// A proxy at which a flag is seen in another way than it is.
async fn shown_as(flag: &'static str, change: fn(&mut serde_json::Value)) -> Proxy {
    Proxy::before(&server().url, move |call| async move {
        match call.method == "GET" && call.path.ends_with(&format!("/features/{flag}")) {
            true => fake(200, &body(flag, change)),
            false => Fate::Pass,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_plan_keeps_nothing_from_becoming_smaller() {
    let plan: fn(&mut serde_json::Value) = |environment| environment["releasePlans"] = json!([{ "id": "p" }]);
    let (flag, own) = ("planned-smaller", "planned-own");
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&[], 50), Switch::TurnOn).await.unwrap();
    let backend = backend_at(&shown_as(flag, plan).await.url, TOKEN, false);
    expose(&backend, flag, exposure(&[], 10), Switch::Keep).await.unwrap();
    assert_eq!(read(&direct, flag).await.shown(), exposure(&[], 10));
    // where others share the flag their plan is theirs: it keeps ours from growing, and no stop from being confirmed
    expose(&backend_at(&server().url, TOKEN, true), own, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let backend = backend_at(&shown_as(own, plan).await.url, TOKEN, true);
    let grown = expose(&backend, own, exposure(&[], 20), Switch::Keep).await;
    assert!(matches!(&grown, Err(BackendError::Refused { .. })), "{grown:?}");
    backend.switch_off(own).await.unwrap();
    assert!(!read(&backend, own).await.reaches_anybody());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growth_that_is_refused_midway_takes_back_what_it_enabled() {
    let flag = "midway";
    let direct = backend_at(&server().url, TOKEN, false);
    let from = exposure(&["beta"], 10);
    type Refuses = (&'static str, fn(&Call, usize) -> bool);
    let refuses: [Refuses; 2] = [
        ("the second addition", |call, nth| call.method == "POST" && nth == 1),
        ("the second that is enabled", |call, nth| call.method == "PUT" && nth == 1),
    ];
    for (what, refuses) in refuses {
        direct.switch_off(flag).await.unwrap();
        expose(&direct, flag, from.clone(), Switch::TurnOn).await.unwrap();
        let (posts, puts) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicUsize::new(0)));
        let proxy = Proxy::before(&server().url, move |call| {
            let count = match call.method.as_str() {
                "POST" => posts.fetch_add(1, Ordering::SeqCst),
                "PUT" => puts.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            async move {
                match refuses(&call, count) {
                    true => fake(400, r#"{"name":"BadDataError","message":"250 values are allowed"}"#),
                    false => Fate::Pass,
                }
            }
        });
        let backend = backend_at(&proxy.await.url, TOKEN, false);
        let grown = expose(&backend, flag, exposure(&["beta", "staff"], 50), Switch::Keep).await.unwrap_err();
        assert!(grown.to_string().contains("250 values"), "{what}: {grown}");
        let seen = read(&direct, flag).await;
        assert_eq!((seen.shown(), seen.foreign), (from.clone(), None), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_confirmed_though_segments_cannot_be_read() {
    let flag = "without-segments";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let proxy = Proxy::before(&server().url, |call| async move {
        if call.path.contains("/segments") {
            fake(403, r#"{"name":"PermissionError","message":"no"}"#)
        } else {
            Fate::Pass
        }
    });
    let backend = backend_at(&proxy.await.url, TOKEN, false);
    let segment = flagstaff::engine::plan::Constraint {
        attribute: "beta".to_owned(),
        is: flagstaff::engine::plan::AttributeTest::InSegment,
    };
    let audiences = std::collections::BTreeMap::from([(
        "beta".to_owned(),
        flagstaff::engine::plan::Audience { any: vec![segment] },
    )]);
    assert!(backend.glance(flag, &audiences).await.is_err(), "on, it may reach anybody");
    backend.switch_off(flag).await.unwrap();
    assert!(!backend.glance(flag, &audiences).await.unwrap().reaches_anybody());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_no_flag_that_is_off() {
    let flag = "unreadable";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let without_an_id: fn(&mut serde_json::Value) =
        |environment| _ = environment["strategies"][0].as_object_mut().unwrap().remove("id");
    let backend = backend_at(&shown_as(flag, without_an_id).await.url, TOKEN, false);
    assert!(matches!(backend.read(flag, &super::audiences()).await, Err(BackendError::Unreachable { .. })));
    // words that nobody knows do not say that it is gone
    let proxy = Proxy::before(&server().url, |call| async move {
        match call.path.contains("/features/") {
            true => fake(404, r#"{"name":"NotFoundError","message":"Nothing to see here"}"#),
            false => Fate::Pass,
        }
    });
    let backend = backend_at(&proxy.await.url, TOKEN, false);
    for seen in [backend.read(flag, &super::audiences()).await, backend.glance(flag, &super::audiences()).await] {
        assert!(seen.is_err(), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_repeats_the_token_does_not_show_it() {
    let proxy = Proxy::before(&server().url, |_| async move {
        fake(403, &json!({ "name": "PermissionError", "message": format!("no to {TOKEN}, never") }).to_string())
    });
    let backend = backend_at(&proxy.await.url, TOKEN, false);
    let told = backend.switch_off("f").await.unwrap_err().to_string();
    assert!(!told.contains(TOKEN) && told.contains("no to [token], never"), "{told}");
}

/// A server of its own: it is frozen and put into maintenance.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_database_and_maintenance_are_told_and_end() {
    use rustix::process::{Pid, Signal, kill_process};
    let server = Server::start();
    let flag = "frozen";
    let backend = backend_at(&server.url, TOKEN, false);
    expose(&backend, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let request = super::request(flag, exposure(&[], 50), Switch::Keep, read(&backend, flag).await.revision);
    let send = |processes: &[Pid], signal| processes.iter().for_each(|process| kill_process(*process, signal).unwrap());
    for database in [true, false] {
        let processes = if database { server.database() } else { server.process() };
        send(&processes, Signal::STOP);
        if database {
            assert_eq!(server.call("GET", "/health", "", None).1["health"], "GOOD", "as if nothing were");
        }
        let began = Instant::now();
        for answer in [backend.expose(&request).await, backend.switch_off(flag).await] {
            assert!(matches!(answer, Err(BackendError::Unreachable { .. })), "{answer:?}");
        }
        let checks = backend.examine(&SystemClock).await;
        let hangs = |check: &Check| check.health == Health::Failed(Unreachable) && check.seen == "no answer in time";
        assert!(checks.iter().any(hangs), "{checks:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        send(&processes, Signal::CONT);
        // what timed out may land now: the shutdown, if it has not yet, is sent again
        tokio::time::sleep(Duration::from_secs(1)).await;
        backend.switch_off(flag).await.unwrap();
        let seen = read(&backend, flag).await;
        assert!(!seen.on && seen.exposure.percentage <= flagstaff::engine::Percentage::whole(50));
        expose(&backend, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    }
    // hidden from people, the environment is served all the same
    server.person("POST", "/api/admin/environments/production/off", None);
    assert_eq!(read(&backend, flag).await.shown(), exposure(&[], 10));
    backend.switch_off(flag).await.unwrap();
    assert!(!backend.glance(flag, &super::audiences()).await.unwrap().on);
    server.person("POST", "/api/admin/environments/production/on", None);
    expose(&backend, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    server.person("POST", "/api/admin/maintenance", Some(&json!({ "enabled": true })));
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut passed = false;
    let off = loop {
        // it takes the server some seconds to take its own maintenance seriously
        match backend.switch_off(flag).await {
            Err(error) => break error,
            Ok(()) => passed = true,
        }
        assert!(Instant::now() < deadline, "no maintenance");
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert!(off.to_string().contains("maintenance"), "{off}");
    let checks = backend.examine(&SystemClock).await;
    let maintenance = checks.iter().find(|check| check.name == "maintenance").unwrap();
    assert_eq!(maintenance.health, Health::Failed(Unreachable), "{checks:?}");
    // what was said to be off is, and what was not, is not
    assert_eq!(server.ours("GET", &environment(flag), None)["enabled"].as_bool(), Some(!passed));
}
