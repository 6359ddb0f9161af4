//! Signals over HTTP and from a script: who may send them, what they do, and that each does it once.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::kit::{FLAG_FILE, FLAGS, Serve, flagstaff, is_off, project, status, until, until_state};
use crate::support::page::Page;
use crate::support::schema::{faults, published};

const TOKEN: &str = "canary-token-1";
const SECRET: &str = "whsec_Y2FuYXJ5LXNlY3JldC0x";

pub(super) const SIGNALS: &str = r#"  signals:
    pager: { alertmanager: { release: release, environment: env }, token_file: token, then: pause }
    halt: { alertmanager: { release: release }, token_file: token, then: shutdown }
    back: { grafana: { release: release }, token_file: token, then: { rollback: previous } }
    ci:
      json: { release: /data/release, id: /data/id, detail: /message, when: { /status: [failed, broken] } }
      hmac: { secret_file: secret, style: standard-webhooks }
      then: pause
    kill: { json: {}, releases: [s], environments: [here], token_file: token, then: shutdown }
    lost: { json: {}, releases: [s], token_env: FLAGSTAFF_TEST_NO_SUCH_VARIABLE, then: pause }
"#;

/// A project with signals, its page, and a `serve` that drives `r` and `s` at half.
pub(super) fn at_half(dir: &Path) -> (Page, Serve) {
    let page = Page::serve(FLAGS);
    fs::write(dir.join("token"), TOKEN).unwrap();
    fs::write(dir.join("secret"), SECRET).unwrap();
    project(dir, &page, FLAG_FILE, SIGNALS);
    let serve = Serve::start(dir, &[]);
    for release in ["r", "s"] {
        let start = flagstaff(dir, &["start", release, "-e", "here"]);
        assert!(start.status.success(), "{start:?}");
    }
    until("both reached half", || {
        ["r", "s"].iter().all(|release| status(dir, release)["stage"] == "half").then_some(())
    });
    (page, serve)
}

pub(super) fn alert(release: &str, since: &str, status: &str) -> Value {
    json!({
        "status": status,
        "labels": { "alertname": "Errors", "release": release },
        "annotations": { "summary": "too many\u{1b}[2J errors" },
        "startsAt": since,
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": format!("fp-{release}")
    })
}

pub(super) fn body(alerts: &[Value]) -> String {
    json!({ "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "alerts": alerts }).to_string()
}

pub(super) fn bearer() -> (&'static str, &'static str) {
    ("Authorization", "Bearer canary-token-1")
}

fn results(answer: &super::kit::Answer) -> Vec<String> {
    let answer = answer.json();
    assert_eq!(faults(&published("signal"), &answer), [""; 0], "{answer:#}");
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| format!("{} {}", item["named"].as_str().unwrap(), item["result"].as_str().unwrap())).collect()
}

fn signed(id: &str, at: i64, body: &str) -> Vec<(&'static str, String)> {
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", format!("v1,{signature}")),
    ]
}

fn post_signed(serve: &Serve, headers: &[(&'static str, String)], body: &str) -> super::kit::Answer {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    serve.post("/signals/ci", &headers, body.as_bytes())
}

fn now() -> i64 {
    use flagstaff::clock::Clock as _;
    flagstaff::clock::SystemClock.now().0 / 1000
}

#[test]
fn an_alert_pauses_what_it_names_at_once_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let first = body(&[alert("r", "t1", "firing"), alert("nope", "t1", "firing"), alert("s", "t1", "resolved")]);
    let answer = serve.post("/signals/pager", &[bearer()], first.as_bytes());
    assert_eq!((answer.status, results(&answer)), (200, vec!["r paused".to_owned(), "nope unknown".to_owned()]));
    assert_eq!(status(dir, "r")["state"], "paused", "when it is answered it is so");
    assert_eq!(status(dir, "s")["state"], "running", "one that is resolved does nothing");
    let told = serve.log().into_iter().find(|line| line["event"] == "signal" && line["named"] == "nope");
    assert_eq!(told.expect("it is logged")["result"], "unknown");
    // byte by byte the same, as Alertmanager repeats it
    let again = serve.post("/signals/pager", &[bearer()], first.as_bytes());
    assert_eq!((again.status, results(&again)[0].as_str()), (200, "r known"));
    let nobody = serve.post("/signals/pager", &[bearer()], body(&[alert("nope", "t1", "firing")]).as_bytes());
    assert_eq!((nobody.status, results(&nobody)), (404, vec!["nope unknown".to_owned()]));
    let none = body(&[json!({ "status": "firing", "labels": {}, "startsAt": "t", "fingerprint": "f" })]);
    assert_eq!(serve.post("/signals/pager", &[bearer()], none.as_bytes()).status, 404, "a label that is not there");

    // the record: what it was called, what it came from, its digest, and what named the release
    let log = String::from_utf8(flagstaff(dir, &["audit", "log", "r"]).stdout).unwrap();
    let digest = Sha256::digest(first.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for part in ["signal pager (alertmanager)", "release=r", &format!("sha256:{digest}"), "too many"] {
        assert!(log.contains(part), "`{part}` is not in\n{log}");
    }
    assert!(!log.contains('\u{1b}'), "{log:?}");

    // a person lets it go on: the alert that still fires is known, also to a process that begins anew
    assert!(flagstaff(dir, &["resume", "r", "-e", "here"]).status.success());
    assert_eq!(results(&serve.post("/signals/pager", &[bearer()], first.as_bytes()))[0], "r known");
    drop(serve);
    let serve = Serve::start(dir, &[]);
    assert_eq!(results(&serve.post("/signals/pager", &[bearer()], first.as_bytes()))[0], "r known");
    assert_eq!(status(dir, "r")["state"], "running");
    // one that fires anew is another one
    let anew = body(&[alert("r", "t2", "firing")]);
    assert_eq!(results(&serve.post("/signals/pager", &[bearer()], anew.as_bytes())), ["r paused"]);
    // and so is the same alert with another consequence
    assert_eq!(results(&serve.post("/signals/halt", &[bearer()], anew.as_bytes())), ["r shut-down"]);
    assert!(is_off(dir, "r") && !is_off(dir, "flag-of-s"));
    assert_eq!(serve.metric("flagstaff_signals_total{signal=\"halt\",result=\"shut-down\"}"), Some(1.0));
    let replay = flagstaff(dir, &["audit", "replay"]);
    assert!(replay.status.success(), "{replay:?}");
}

#[test]
fn a_signal_finds_rollouts_in_every_state_and_flags_by_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let post = |signal: &str, release: &str, since: &str| {
        let body = body(&[alert(release, since, "firing")]);
        results(&serve.post(&format!("/signals/{signal}"), &[bearer()], body.as_bytes())).remove(0)
    };
    assert_eq!(post("pager", "q", "t0"), "q nothing", "declared, and never started");
    assert!(flagstaff(dir, &["start", "q", "-e", "here"]).status.success());
    // by the flag's key; a rollback also pauses, and is done once
    assert_eq!(post("back", "flag-of-s", "t1"), "flag-of-s rolled-back");
    let row = status(dir, "s");
    assert_eq!((&row["state"], &row["stage"]), (&json!("paused"), &json!("tenth")), "{row}");
    assert_eq!(post("back", "s", "t2"), "s nothing", "until somebody lets it go on");
    // paused already by another one
    assert_eq!(post("pager", "s", "t1"), "s paused");
    assert_eq!(post("pager", "s", "t2"), "s nothing", "by this one, already");
    assert_eq!(post("halt", "s", "t1"), "s shut-down");
    assert!(is_off(dir, "flag-of-s"));
    for (signal, since) in [("halt", "t2"), ("pager", "t3"), ("back", "t3")] {
        assert_eq!(post(signal, "s", since), "s nothing", "it was stopped");
    }
    until_state(dir, "q", "completed");
    assert_eq!(post("halt", "q", "t1"), "q nothing", "no longer watched");
    assert!(!is_off(dir, "q"));
    assert!(flagstaff(dir, &["audit", "replay"]).status.success());
}

#[test]
fn what_is_forged_cut_off_too_large_or_unknown_changes_nothing_and_tells_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let good = body(&[alert("r", "t1", "firing")]);
    let large = "x".repeat(1024 * 1024 + 1);
    let other = good.replace("\"version\":\"4\"", "\"version\":\"3\"");
    let mut answers = Vec::new();
    let mut refused = |path: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let answer = serve.post(path, headers, body.as_bytes());
        assert_eq!(answer.status, status, "{path} {headers:?}: {answer:?}");
        answers.push(answer.body);
    };
    refused("/signals/pager", &[], &good, 401);
    refused("/signals/pager", &[("Authorization", "Bearer canary-token-2")], &good, 401);
    refused("/signals/pager", &[("Authorization", "Basic Y2FuYXJ5")], &good, 401);
    refused("/signals/nope", &[bearer()], &good, 404);
    refused("/signals/pager", &[bearer()], &large, 413);
    refused("/signals/pager", &[bearer()], &good[..good.len() - 5], 400);
    refused("/signals/pager", &[bearer()], &other, 400);
    refused("/signals/pager", &[bearer()], "{}", 400);
    refused("/signals/pager", &[bearer()], "[[[[\u{0}", 400);
    refused("/signals/pager", &[bearer()], &"[".repeat(100_000), 400);
    refused("/signals/ci", &[bearer()], &good, 401);
    refused("/signals/lost", &[bearer()], "", 503);
    assert_eq!(serve.get("/signals/pager").status, 405);
    // one whose body ends before it is whole
    let headers = [bearer(), ("Content-Length", "100000")];
    assert_ne!(serve.post("/signals/pager", &headers, good.as_bytes()).status, 200);
    let ready = serve.get("/readyz");
    assert!(ready.status == 503 && ready.body.contains("signal lost: the variable"), "{ready:?}");
    for release in ["r", "s"] {
        assert_eq!(status(dir, release)["state"], "running", "{release}");
    }
    let told = format!("{answers:?} {:?} {} {}", serve.log(), serve.get("/metrics").body, ready.body);
    for secret in ["canary-token-1", "canary-secret", "Y2FuYXJ5LXNlY3JldC0x"] {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
    assert!(serve.log().iter().any(|line| line["event"] == "signal-refused"), "{:?}", serve.log());
}

#[test]
fn a_signed_message_counts_once_in_its_window_whatever_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    let text = |release: &str, id: &str, status: &str| {
        json!({ "status": status, "message": "m", "data": { "release": release, "id": id } }).to_string()
    };
    let (first, second) = (text("r", "1", "failed"), text("s", "2", "broken"));
    let (early, late) = (signed("msg_1", now() - 20, &first), signed("msg_2", now(), &second));
    // the later one comes first
    assert_eq!(results(&post_signed(&serve, &late, &second)), ["s paused"]);
    assert_eq!(results(&post_signed(&serve, &early, &first)), ["r paused"]);
    assert_eq!(results(&post_signed(&serve, &early, &first)), ["r known"], "replayed");
    // what was signed for one body proves no other, and no other id
    assert_eq!(post_signed(&serve, &early, &second).status, 401);
    assert_eq!(post_signed(&serve, &signed("msg_3", now() - 400, &first), &first).status, 401, "too old");
    assert_eq!(post_signed(&serve, &signed("msg_3", now() + 400, &first), &first).status, 401, "yet to come");
    // another message about the same thing
    assert_eq!(results(&post_signed(&serve, &signed("msg_4", now(), &first), &first)), ["r known"]);
    let fine = text("r", "5", "fine");
    let answer = post_signed(&serve, &signed("msg_5", now(), &fine), &fine);
    assert_eq!((answer.status, results(&answer)), (200, vec![]), "it asks for nothing");
    let wrong = json!({ "status": "failed", "data": { "release": {} } }).to_string();
    let answer = post_signed(&serve, &signed("msg_6", now(), &wrong), &wrong);
    assert!(answer.status == 400 && answer.body.contains("/data/release"), "{answer:?}");
}

#[test]
fn senders_of_unleash_signals_are_repointed_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    assert_eq!(serve.post("/api/signal-endpoint/kill", &[("Authorization", "other")], b"").status, 401);
    // the token alone, and no body
    let answer = serve.post("/api/signal-endpoint/kill", &[("Authorization", TOKEN)], b"");
    assert_eq!((answer.status, results(&answer)), (200, vec!["s shut-down".to_owned()]));
    assert!(is_off(dir, "flag-of-s") && !is_off(dir, "r"));
}

#[test]
fn a_script_sends_one_without_a_server_and_who_it_was_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_page, serve) = at_half(dir);
    drop(serve);
    let signal = |args: &[&str]| flagstaff(dir, &[&["--as", "deploy-bot", "signal"], args].concat());
    let paused = signal(&["pager", "--release", "r", "--detail", "smoke test failed"]);
    assert!(
        paused.status.success() && String::from_utf8_lossy(&paused.stdout).contains("r@here  paused"),
        "{paused:?}"
    );
    assert!(!is_off(dir, "r"));
    let off = signal(&["halt", "--release", "r", "-e", "here", "-o", "json"]);
    let answer: Value = serde_json::from_slice(&off.stdout).unwrap();
    assert_eq!(faults(&published("signal"), &answer), [""; 0], "{answer:#}");
    assert_eq!((off.status.code(), &answer["items"][0]["result"]), (Some(0), &json!("shut-down")));
    assert!(is_off(dir, "r"), "when it returns it is off");
    let log = String::from_utf8(flagstaff(dir, &["audit", "log", "r"]).stdout).unwrap();
    assert!(log.contains("signal pager (flagstaff signal, deploy-bot, --as)"), "{log}");
    assert!(log.contains("smoke test failed"), "{log}");
    assert_eq!(signal(&["pager", "--release", "nope"]).status.code(), Some(1));
    assert_eq!(signal(&["nope", "--release", "r"]).status.code(), Some(64));
    assert_eq!(signal(&["kill", "--release", "s", "-e", "nowhere"]).status.code(), Some(64));
}
