//! `plan` and `apply` on the live server.

use serde_json::{Value, json};

use super::end_to_end::{Shop, told};
use super::server::{CLIENT_TOKEN, environment, server};

const FEATURES: &str = "/api/admin/projects/default/features";

fn feature(flag: &str) -> Value {
    server().ours("GET", &format!("{FEATURES}/{flag}"), None)
}

fn events(flag: &str) -> u64 {
    server().ours("GET", &format!("/api/admin/events/{flag}"), None)["totalEvents"].as_u64().unwrap()
}

#[test]
fn a_flag_is_made_for_nobody_once_and_a_release_starts_on_it() {
    let shop = Shop::new("prepared");
    let document = r#"apiVersion: flagstaff/v1
kind: Flag
metadata: { name: prepared }
spec: { type: experiment, description: the new checkout, owner: payments }
"#;
    std::fs::create_dir_all(shop.dir().join("flagstaff")).unwrap();
    std::fs::write(shop.dir().join("flagstaff/flags.yaml"), document).unwrap();
    let planned = shop.run(&["plan"], 0);
    assert!(planned.contains("+ prepared"), "{planned}");
    shop.run(&["apply"], 64);
    shop.run(&["plan", "--detailed-exitcode"], 2);
    shop.run(&["apply", "--yes"], 0);

    let made = feature("prepared");
    assert_eq!(
        (&made["type"], &made["description"]),
        (&json!("experiment"), &json!("the new checkout (owner: payments)"))
    );
    let shown = shop.shown();
    assert_eq!(shown["enabled"], false);
    let [strategy] = shown["strategies"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!((&strategy["disabled"], &strategy["parameters"]["rollout"]), (&json!(true), &json!("0")));
    assert_eq!(shop.served(), None);

    let before = events("prepared");
    let again = shop.run(&["apply", "--yes"], 0);
    assert!(again.contains("nothing to do"), "{again}");
    shop.run(&["plan", "--detailed-exitcode"], 0);
    assert_eq!(events("prepared"), before, "an apply that changes nothing wrote something");

    let path = shop.dir().join("flagstaff/flags.yaml");
    std::fs::write(&path, document.replace("the new checkout", "checkout twice as fast")).unwrap();
    shop.run(&["apply", "--yes"], 0);
    assert_eq!(feature("prepared")["description"], "checkout twice as fast (owner: payments)");

    shop.run(&["start", "prepared", "-e", "production"], 0);
    let shown = shop.shown();
    assert_eq!(shown["enabled"], true);
    // the share that was prepared is the one of the rollout now
    let titles: Vec<&str> =
        shown["strategies"].as_array().unwrap().iter().filter_map(|one| one["title"].as_str()).collect();
    assert_eq!(titles.iter().filter(|title| title.ends_with(":percentage")).count(), 1, "{titles:?}");
    shop.run(&["plan", "--detailed-exitcode"], 0);
    shop.run(&["abort", "prepared"], 0);
}

#[test]
fn what_a_person_made_is_taken_only_where_that_is_asked_for() {
    let shop = Shop::new("theirs");
    server().person("POST", FEATURES, Some(&json!({ "name": "theirs", "description": "made by hand" })));
    let strategy = json!({ "name": "flexibleRollout", "parameters": { "rollout": "25", "groupId": "theirs", "stickiness": "userId" } });
    server().person("POST", &format!("{}/strategies", environment("theirs")), Some(&strategy));
    server().person("POST", &format!("{}/on", environment("theirs")), None);
    let before = shop.shown();
    let planned = shop.run(&["plan"], 0);
    assert!(planned.contains("not ours, and ON for somebody"), "{planned}");
    shop.run(&["apply", "--yes"], 1);
    assert_eq!(shop.shown(), before);
    shop.run(&["apply", "--yes", "--adopt"], 0);
    let shown = shop.shown();
    assert_eq!(shown["enabled"], true);
    let (ours, theirs): (Vec<&Value>, Vec<&Value>) = shown["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .partition(|one| one["title"].as_str().is_some_and(|title| title.starts_with("flagstaff:")));
    assert_eq!((ours.len(), &ours[0]["disabled"]), (1, &json!(true)));
    assert_eq!(theirs, before["strategies"].as_array().unwrap().iter().collect::<Vec<_>>());
    assert_eq!(feature("theirs")["description"], "made by hand");
    // whoever has it keeps it, and nothing starts beside it
    let refused = shop.run(&["start", "theirs", "-e", "production"], 1);
    assert!(refused.contains("not ours") || refused.contains("reaches"), "{refused}");
    assert_eq!(shop.shown()["enabled"], true);
}

#[test]
fn what_a_person_switched_on_before_any_rollout_is_the_loudest_line() {
    let shop = Shop::new("on-by-hand");
    shop.run(&["apply", "--yes"], 0);
    // without an enabled strategy, the server makes one for everybody
    server().person("POST", &format!("{}/on", environment("on-by-hand")), None);
    let planned = shop.run(&["plan", "--detailed-exitcode"], 2);
    assert!(planned.contains("! on-by-hand  ON for"), "{planned}");
    shop.run(&["abort", "on-by-hand"], 0);
    assert_eq!(shop.shown()["enabled"], false);
}

#[test]
fn a_flag_that_the_user_of_the_token_made_by_hand_is_not_ours() {
    let shop = Shop::new("made-by-hand");
    let token = server().user("pipeline-user", 2);
    let body = json!({ "name": "made-by-hand", "description": "in the browser" });
    assert_eq!(server().call("POST", FEATURES, &token, Some(&body)).0, 201);
    let run = |args: &[&str], code| told(shop.command(args).env("SHOP_TOKEN", &token).output().unwrap(), code, args);
    let planned = run(&["plan"], 0);
    assert!(planned.contains("not ours, for nobody"), "{planned}");
    run(&["apply", "--yes"], 1);
    assert_eq!(shop.shown()["strategies"], json!([]));
    run(&["apply", "--yes", "--adopt"], 0);
    run(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn what_a_start_could_not_write_opens_no_rollout() {
    let shop = Shop::new("refused-start");
    shop.run(&["apply", "--yes"], 0);
    // below the switch it reaches nobody yet; with the switch it would
    let strategy =
        json!({ "name": "flexibleRollout", "parameters": { "rollout": "25", "groupId": "x", "stickiness": "userId" } });
    server().person("POST", &format!("{}/strategies", environment("refused-start")), Some(&strategy));
    let start = ["start", "refused-start", "-e", "production"];
    let refused = shop.run(&start, 1);
    assert!(refused.contains("is not ours, and is enabled") && refused.contains("nothing was started"), "{refused}");
    server().person("DELETE", &format!("{FEATURES}/refused-start"), None);
    let refused = shop.run(&start, 1);
    assert!(refused.contains("archived"), "{refused}");
    let status = shop.run(&["status"], 0);
    assert!(status.contains("no rollouts yet"), "{status}");
}

#[test]
fn a_place_that_is_not_there_has_no_missing_flags() {
    let shop = Shop::new("nowhere");
    for (from, to, why) in [
        ("environment: production", "environment: prod", "has no environment prod, only development, production"),
        ("environment: prod", "project: nope, environment: production", "there is no project nope"),
    ] {
        shop.replace(from, to);
        let planned = shop.run(&["plan"], 0);
        assert!(planned.contains("x nowhere") && planned.contains(why), "{planned}");
        let started = shop.run(&["start", "nowhere", "-e", "production"], 1);
        assert!(started.contains(why), "{started}");
        let status = shop.run(&["status"], 0);
        assert!(status.contains("no rollouts yet"), "{status}");
    }
}

#[test]
fn a_death_between_making_and_preparing_is_mended_by_the_next() {
    let shop = Shop::new("half-made");
    server().ours("POST", FEATURES, Some(&json!({ "name": "half-made" })));
    let planned = shop.run(&["plan"], 0);
    assert!(planned.contains("prepare it for this environment"), "{planned}");
    shop.run(&["apply", "--yes"], 0);
    assert_eq!(shop.shown()["strategies"].as_array().unwrap().len(), 1);
    shop.run(&["plan", "--detailed-exitcode"], 0);
}

#[test]
fn what_cannot_be_done_is_told_and_leaves_everything_as_it_is() {
    let shop = Shop::new("filed-away");
    server().ours("POST", FEATURES, Some(&json!({ "name": "filed-away" })));
    server().ours("DELETE", &format!("{FEATURES}/filed-away"), None);
    let planned = shop.run(&["plan"], 0);
    assert!(planned.contains("archived"), "{planned}");
    let applied = shop.run(&["apply", "--yes"], 1);
    assert!(applied.contains("1 blocked"), "{applied}");
    let answer = shop.run(&["apply", "--yes", "-o", "json"], 1);
    assert!(answer.contains("\"blocked\"") && answer.contains("it is archived"), "{answer}");

    let args = ["apply", "--yes"];
    let text = told(shop.command(&args).env("SHOP_TOKEN", CLIENT_TOKEN).output().unwrap(), 4, &args);
    assert!(text.contains("does not let us"), "{text}");
    shop.replace(&server().url, "http://127.0.0.1:9");
    let text = shop.run(&["plan"], 5);
    assert!(text.contains("cannot reach"), "{text}");
    shop.run(&["apply", "--yes"], 5);
}
