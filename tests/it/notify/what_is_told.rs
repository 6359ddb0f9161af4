//! What messages say, who can check them, and what never stands in one.

use std::fs;
use std::process::Command;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::kit::{Delivery, Receiver, SECRET, done, page, telling, until_half};
use crate::serve::kit::{Serve, flagstaff, until, until_state};
use crate::support::schema::check;
use crate::support::tools::{installed, run, tool};

/// As a receiver takes them in that is written with the libraries of others.
fn by_others(secret: &str, deliveries: &[Delivery]) -> Vec<Value> {
    let folder = installed("npm-webhooks", "webhooks/package.json", |folder| {
        let flags = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run("Node.js with npm", Command::new("npm").arg("install").args(flags).current_dir(folder), "");
    });
    let deliveries: Vec<Value> =
        deliveries.iter().map(|delivery| json!({ "headers": delivery.headers, "body": delivery.body })).collect();
    let asked = json!({ "secret": secret, "deliveries": deliveries }).to_string();
    let mut node = Command::new("node");
    node.arg(tool("webhooks/receive.mjs")).arg(folder);
    serde_json::from_str(&run("Node.js with npm", &mut node, &asked)).unwrap()
}

#[test]
fn each_edge_is_told_once_signed_with_what_led_to_it_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver, slack) = (page(), Receiver::answering(200), Receiver::answering(200));
    fs::write(dir.join("slack"), format!("{}/canary-slack-path\n", slack.url)).unwrap();
    fs::write(dir.join("key"), "canary-header-key\n").unwrap();
    let url = &receiver.url;
    let more = format!(
        "    team: {{ slack: {{ url_file: slack }}, events: [paused, stopped] }}\n    elsewhere: {{ webhook: {{ url: \
         \"{url}/keyed\", secret_file: secret, headers: {{ X-Key: {{ file: key }}, X-Team: t }} }}, events: started }}\n"
    );
    telling(dir, &page, &receiver, &more);
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here", "--as", "ana"]);
    until_half(dir, "r");
    let reason = "<!channel> & @here: too <https://x.example|slow>";
    done(dir, &["pause", "r", "--reason", reason, "--as", "bo"]);
    done(dir, &["resume", "r", "-e", "here", "--reason", "it was not"]);
    until("settled again", || (crate::serve::kit::status(dir, "r")["state"] == "running").then_some(()));
    page.failing.store(true, Ordering::SeqCst);
    until_state(dir, "r", "stopped");
    let at = |path: &'static str| receiver.taken().into_iter().filter(move |delivery| delivery.path == path);
    let told = until("all is told", || {
        let told: Vec<Delivery> = at("/pager").collect();
        told.last().is_some_and(|last| last.told() == "r@here stopped").then_some(told)
    });
    let words: Vec<String> = told.iter().map(Delivery::told).collect();
    let expected = ["started", "advanced", "paused", "resumed", "stopping", "stopped"].map(|it| format!("r@here {it}"));
    assert_eq!(words, expected);

    // signed and understood by what others wrote, and by nobody with another secret
    let events = by_others(SECRET, &told);
    for (delivery, event) in told.iter().zip(&events) {
        assert_eq!(check(&event["data"]), "notification");
        assert_eq!(event["id"].as_str(), delivery.headers.get("webhook-id").map(String::as_str));
        assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/flagstaff/served")));
        assert_eq!(event["type"], format!("dev.flagstaff.rollout.{}.v1", event["data"]["event"].as_str().unwrap()));
    }
    let other = SECRET.replace("MDE=", "MDI=").replace("AwMQ", "AwMg");
    assert!(by_others(&other, &told[..1])[0].is_null(), "{other}");
    let mut ids: Vec<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), told.len());

    // what led there
    let data: Vec<&Value> = events.iter().map(|event| &event["data"]).collect();
    assert_eq!((&data[0]["actor"]["name"], &data[0]["exposure"]), (&json!("ana"), &json!("nobody")));
    assert_eq!((&data[1]["stage"], &data[1]["exposure"]), (&json!("half"), &json!("50%")));
    assert_eq!((&data[2]["actor"]["name"], &data[2]["reason"]), (&json!("bo"), &json!(reason)));
    assert_eq!(data[2]["causes"], json!(["person"]));
    assert_eq!((&data[3]["reason"], &data[3]["exposure"]), (&json!("it was not"), &json!("50%")));
    let evidence = &data[4]["evidence"][0];
    assert_eq!((&evidence["rule"], &evidence["threshold"]), (&json!("errors"), &json!("error_rate > 5%")));
    assert!(evidence["series"][0]["value"].as_str().unwrap().ends_with('%'), "{evidence}");
    assert_eq!((&data[4]["exposure"], &data[5]["exposure"]), (&json!("nobody"), &json!("nobody")));

    // for people, and nothing in it acts
    let texts = until("both are told in Slack", || {
        let texts: Vec<String> =
            slack.taken().iter().map(|it| it.json()["text"].as_str().unwrap().to_owned()).collect();
        (texts.len() == 2).then_some(texts)
    });
    assert_eq!(
        texts[0],
        "r@here: paused by bo: &lt;!channel&gt; &amp; @\u{200b}here: too &lt;https://x.example|slow&gt;. Allowed: 50%"
    );
    assert_eq!(texts[1], "r@here: off, as read back at the backend. Allowed: nobody");
    assert!(slack.taken().iter().all(|delivery| delivery.path == "/canary-slack-path"));
    let keyed: Vec<Delivery> = at("/keyed").collect();
    assert_eq!(keyed.iter().map(Delivery::told).collect::<Vec<_>>(), ["r@here started"]);
    assert_eq!(keyed[0].headers["x-key"], "canary-header-key");

    let metrics = until("all is counted", || {
        let page = serve.get("/metrics").body;
        let has = |line: &str| page.contains(&format!("flagstaff_notifications_{line}\n"));
        let all = has("total{notification=\"pager\",result=\"delivered\"} 6")
            && has("waiting{notification=\"pager\"} 0")
            && has("waiting{notification=\"team\"} 0");
        all.then_some(page)
    });
    let log = format!("{:?}", serve.log());
    assert_eq!(serve.end("-TERM"), Some(0));
    let mut everything = log + &metrics;
    for delivery in told.iter().chain(&slack.taken()) {
        everything += &delivery.body;
    }
    for args in [&["audit", "log"][..], &["status", "-o", "json"], &["doctor", "-v"], &["validate", "-v"]] {
        everything += &format!("{:?}", flagstaff(dir, args));
    }
    for entry in fs::read_dir(dir.join(".flagstaff")).unwrap() {
        let path = entry.unwrap().path();
        everything += &fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    }
    for canary in ["canary-slack-path", "canary-header-key", SECRET, SECRET.trim_start_matches("whsec_")] {
        assert!(!everything.contains(canary), "{canary} is somewhere");
    }
}

#[test]
fn what_rules_only_say_and_what_hands_do_is_told_to_whom_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    let all = "[started, advanced, paused, rolled-back, stopping, stopped, completed, resumed, forced, drifted, notified, would-act]";
    let more =
        format!("    all: {{ webhook: {{ url: \"{}/all\", secret_file: secret }}, events: {all} }}\n", receiver.url);
    telling(dir, &page, &receiver, &more);
    let written = fs::read_to_string(dir.join("flagstaff.yaml")).unwrap();
    let rules = "safeguards: [ { name: chatty, when: \"requests > 0\", then: notify }, \
                 { name: shy, when: \"requests > 0\", observe: true, then: pause }, ";
    fs::write(dir.join("flagstaff.yaml"), written.replace("safeguards: [ ", rules)).unwrap();
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    let at = |path: &str| -> Vec<String> {
        let there = receiver.taken().into_iter().filter(|delivery| delivery.path == path);
        there.map(|delivery| delivery.told().split(' ').next_back().unwrap().to_owned()).collect()
    };
    let until_at_all = |word: &str| until(word, || at("/all").iter().any(|told| told == word).then_some(()));
    until_half(dir, "r");
    until_at_all("notified");
    until_at_all("would-act");
    done(dir, &["force", "r", "--to", "everyone", "-e", "here", "--reason", "all of it"]);
    until_at_all("forced");
    done(dir, &["rollback", "r", "--to", "tenth", "-e", "here"]);
    until_at_all("rolled-back");
    let mut flags: Value = serde_json::from_str(&fs::read_to_string(dir.join("flags.json")).unwrap()).unwrap();
    flags["flags"]["r"] =
        json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "on" });
    fs::write(dir.join("flags.json"), flags.to_string()).unwrap();
    until_at_all("drifted");
    assert_eq!(serve.end("-TERM"), Some(0));
    let all = at("/all");
    let place = |word: &str| all.iter().position(|told| told == word).unwrap_or_else(|| panic!("{word}: {all:?}"));
    assert!(place("forced") < place("rolled-back") && place("rolled-back") < place("drifted"), "{all:?}");
    assert_eq!(all.iter().filter(|word| *word == "advanced").count(), 2, "half, and by force everyone: {all:?}");
    // unless it is asked for, what would have been done is not told
    assert!(!at("/pager").iter().any(|word| word == "would-act"));
    let without: Vec<String> = all.into_iter().filter(|word| word != "would-act").collect();
    assert_eq!(at("/pager"), without);
}

#[test]
fn a_secret_that_is_not_one_is_named_and_not_shown_and_nothing_is_sent_unsigned() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (page, receiver) = (page(), Receiver::answering(200));
    telling(dir, &page, &receiver, "    team: { slack: { url_file: slack } }\n");
    fs::write(dir.join("secret"), "whsec_Y2FuYXJ5\n").unwrap();
    fs::write(dir.join("slack"), "http://canary.flags.example/x\n").unwrap();
    let serve = Serve::start(dir, &[]);
    done(dir, &["start", "r", "-e", "here"]);
    let failed = |name: &str| {
        let is_of = |line: &Value| line["event"] == "notification" && line["notification"] == name;
        until("a line", || serve.log().into_iter().find(|line| is_of(line)))
    };
    let (pager, team) = (failed("pager"), failed("team"));
    assert!(pager["why"].as_str().unwrap().contains("24 bytes or more in base64"), "{pager}");
    assert!(team["why"].as_str().unwrap().contains("`https://…` is expected"), "{team}");
    assert!(!format!("{:?}", serve.log()).contains("anary"), "{:?}", serve.log());
    assert!(receiver.came().is_empty());
    // once it is right, what waited is told
    fs::write(dir.join("secret"), SECRET).unwrap();
    let is_told = || receiver.taken().first().is_some_and(|first| first.told() == "r@here started");
    until("what waited is told, the oldest first", || is_told().then_some(()));
}
