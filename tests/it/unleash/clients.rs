//! Those who ask: Unleash's own client for Node.js, and the engine of its other clients. Ten thousand users.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use flagstaff::backend::{Backend as _, Switch};
use serde_json::{Value, json};
use unleash_yggdrasil::{Context, EngineState, UpdateMessage};

use super::server::{CLIENT_TOKEN, installed, server};
use super::{backend, expose, exposure};

/// A service with the client for Node.js.
pub(super) struct Service {
    child: Child,
    input: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
}

impl Service {
    pub(super) fn start(mode: &str, flag: &str, users: &[Value], failing: f64) -> Service {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/unleash/client.mjs");
        let mut child = Command::new("node")
            .arg(tool)
            .arg(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs Node.js ({error}); tests/install-servers installs it"));
        let mut input = child.stdin.take().unwrap();
        let asked = json!({
            "url": server().url, "token": CLIENT_TOKEN, "flag": flag, "users": users, "mode": mode, "failing": failing,
        });
        writeln!(input, "{asked}").unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Service { child, input: Some(input), out }
    }

    pub(super) fn says(&mut self) -> String {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "the client ended");
        line.trim().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}

/// Every fiftieth is staff by mail, two are by name, every fortieth is in the north; the last hundred have no id.
fn users() -> Vec<Value> {
    let user = |number: usize| {
        let mut user = json!({ "userId": format!("user-{number}") });
        if number.is_multiple_of(50) {
            user["email"] = format!("u{number}@acme.example").into();
        }
        if number.is_multiple_of(40) {
            user["region"] = "north-7".into();
        }
        if number >= 9_900 {
            user.as_object_mut().unwrap().remove("userId");
        }
        user
    };
    (0..10_000).map(user).collect()
}

fn is_staff(user: &Value) -> bool {
    user.get("email").is_some() || user["userId"] == "user-17" || user["userId"] == "user-18"
}

fn is_beta(user: &Value) -> bool {
    user.get("region").is_some()
}

/// What both say, once the server serves what was written.
fn evaluate(flag: &str, users: &[Value]) -> Vec<bool> {
    let features = served(flag);
    let mut service = Service::start("evaluate", flag, users, 0.0);
    let node: Vec<bool> = service.says().bytes().map(|answer| answer == b'1').collect();
    let engine = EngineState::default();
    let message: UpdateMessage = serde_json::from_value(features).unwrap();
    assert!(engine.take_state(message).is_none_or(|warnings| warnings.is_empty()));
    let asked = |user: &Value| {
        let mut user = user.clone();
        let properties = user.as_object_mut().unwrap();
        let id = properties.remove("userId");
        let context: Context = serde_json::from_value(json!({ "userId": id, "properties": properties })).unwrap();
        engine.is_enabled(flag, &context, &None)
    };
    let rust: Vec<bool> = users.iter().map(asked).collect();
    assert_eq!(node.len(), users.len());
    assert!(node == rust, "the two clients disagree");
    node
}

/// The server looks for changes once a second.
fn served(flag: &str) -> Value {
    let events = server().ours("GET", &format!("/api/admin/search/events?feature=IS:{flag}&limit=1"), None);
    let newest = events["events"][0]["id"].as_u64().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (_, features) = server().call("GET", "/api/client/features", CLIENT_TOKEN, None);
        if features["meta"]["revisionId"].as_u64().is_some_and(|revision| revision >= newest) {
            return features;
        }
        assert!(Instant::now() < deadline, "the server does not serve what was written");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_users_get_what_was_asked() {
    let (backend, flag, users) = (backend(), "ten-thousand", users());
    let mut switch = Switch::TurnOn;
    let mut before = vec![false; users.len()];
    let mut tenth = Vec::new();
    for (audiences, percent) in
        [(&[][..], 10), (&["beta"], 10), (&["beta", "staff"], 10), (&["beta", "staff"], 50), (&[], 100)]
    {
        expose(&backend, flag, exposure(audiences, percent), switch).await.unwrap();
        switch = Switch::Keep;
        let on = evaluate(flag, &users);
        let lost = before.iter().zip(&on).filter(|(before, on)| **before && !**on).count();
        assert_eq!(lost, 0, "at {audiences:?} and {percent}%");
        let in_audience = |user: &Value| {
            (audiences.contains(&"beta") && is_beta(user)) || (audiences.contains(&"staff") && is_staff(user))
        };
        for (user, on) in users.iter().zip(&on) {
            assert!(*on || !in_audience(user), "{user} is missing at {audiences:?} and {percent}%");
        }
        // who has no id is in no share, but in everybody
        let others: Vec<bool> = users
            .iter()
            .zip(&on)
            .filter(|(user, _)| !in_audience(user) && (percent == 100 || user.get("userId").is_some()))
            .map(|(_, on)| *on)
            .collect();
        let share = others.iter().filter(|on| **on).count() as f64 * 100.0 / others.len() as f64;
        assert!((share - f64::from(percent)).abs() <= 1.0, "{share}% at {audiences:?} and {percent}%");
        println!("{audiences:?} and {percent}%: {} of {}", on.iter().filter(|on| **on).count(), on.len());
        if audiences.is_empty() && percent == 10 {
            tenth = on.clone();
        } else if percent == 10 {
            let union: Vec<bool> = users.iter().zip(&tenth).map(|(user, tenth)| *tenth || in_audience(user)).collect();
            assert!(union == on, "audiences and share are no union at {audiences:?}");
        }
        before = on;
    }
    backend.switch_off(flag).await.unwrap();
    assert!(evaluate(flag, &users).iter().all(|on| !on));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_polls_sees_a_shutdown() {
    let (backend, flag) = (backend(), "polled");
    expose(&backend, flag, exposure(&[], 100), Switch::TurnOn).await.unwrap();
    served(flag);
    let mut service = Service::start("watch", flag, &[json!({ "userId": "user-1" })], 0.0);
    while service.says() != "on" {}
    let began = Instant::now();
    backend.switch_off(flag).await.unwrap();
    let answered = began.elapsed();
    assert_eq!(service.says(), "off");
    println!("off answered after {answered:?}, seen by a client that polls every second after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
