//! What real evaluators make of the file: 10,000 users, stage by stage, each with the code's default being `true`.

use serde_json::{Value, json};

use super::evaluators::ask;
use super::{Place, exposure};
use flagstaff::backend::{Backend as _, BackendError, Switch};
use flagstaff::engine::Exposure;

const FLAG: &str = "checkout-v2";

/// The stages of a release, with exposures in thousandths of a percent.
fn stages() -> Vec<Exposure> {
    let everyone = ["beta", "staff"];
    let mut stages = vec![exposure(&["staff"], 0), exposure(&everyone, 0)];
    for thousandths in [1, 1_000, 10_000, 25_000, 50_000, 75_000, 99_000, 100_000] {
        stages.push(exposure(&everyone, thousandths));
    }
    stages
}

/// Users of every sort; most of them ordinary.
fn users() -> Vec<Value> {
    (0..10_000).map(user).collect()
}

fn user(number: usize) -> Value {
    let id = format!("user-{number}");
    let mut user = json!({ "targetingKey": id, "userId": id, "email": format!("{id}@mail.example"), "plan": "free" });
    match number % 100 {
        0..=2 => user["email"] = json!(format!("{id}@acme.example")),
        3 => user["email"] = json!("@acme.example.org"),
        4..=8 => user["groups"] = json!(["alpha", "beta"]),
        9 => user["groups"] = json!(["notbeta", "betamax"]),
        10 => user["groups"] = json!("notbeta"),
        11 => user["region"] = json!("north-1"),
        12 => user["region"] = json!("far-north-1"),
        13 => user = json!({ "email": "nobody@mail.example" }),
        14 => user = json!({}),
        15 => odd(&mut user, number / 100),
        _ => {}
    }
    user
}

/// Attributes of types that nobody meant.
fn odd(user: &mut Value, which: usize) {
    let attribute = ["email", "groups", "region"][which % 3];
    let values = odd_values();
    user[attribute] = values[which % values.len()].clone();
}

fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(0),
        json!(7),
        json!(1.5),
        json!(true),
        json!(false),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!([["beta"]]),
        json!({ "beta": 1 }),
        json!([1, null]),
        json!("1e3"),
        json!(-1),
        json!(1e300),
    ]
}

/// Whether the audiences of an exposure contain a user, said in another way than the file says it.
fn is_member(exposure: &Exposure, user: &Value) -> bool {
    let text = |attribute: &str| user[attribute].as_str().unwrap_or_default();
    let groups = user["groups"].as_array().cloned().unwrap_or_default();
    exposure.audiences.iter().any(|audience| match audience.as_str() {
        "staff" => text("email").ends_with("@acme.example") || ["user-17", "user-18"].contains(&text("userId")),
        "beta" => groups.contains(&json!("beta")) || text("region").starts_with("north-"),
        other => panic!("no such audience: {other}"),
    })
}

/// Writes each stage in turn and keeps the file of each; the last one is after the shutdown.
async fn walk(place: &Place) -> Vec<String> {
    let mut files = Vec::new();
    for (index, stage) in stages().into_iter().enumerate() {
        let switch = if index == 0 { Switch::TurnOn } else { Switch::Keep };
        place.expose(FLAG, stage, switch).await.unwrap();
        files.push(place.text());
    }
    place.backend.switch_off(FLAG).await.unwrap();
    files.push(place.text());
    files
}

async fn prove(stickiness: &str) {
    let mut place = Place::new();
    stickiness.clone_into(&mut place.stickiness);
    let (users, stages, files) = (users(), stages(), walk(&place).await);
    let answers = ask(FLAG, &files, &users);
    for (evaluator, answers) in &answers {
        let answers: Vec<&Vec<bool>> = answers.iter().map(|answer| answer.as_ref().unwrap()).collect();
        for (stage, on) in stages.iter().zip(&answers) {
            check_stage(&format!("{evaluator} by {stickiness}, {stage}"), stickiness, stage, &users, on);
        }
        for (step, pair) in answers.windows(2).take(stages.len() - 1).enumerate() {
            let lost = pair[0].iter().zip(pair[1]).filter(|(before, after)| **before && !**after).count();
            assert_eq!(lost, 0, "{evaluator} by {stickiness}: users lost the feature in growth {step}");
        }
        assert!(answers[stages.len()].iter().all(|on| !on), "{evaluator}: somebody has it after the shutdown");
    }
    // the two of the newer generation agree on every user; the third deals other cards
    assert_eq!(answers[0].1, answers[2].1, "Rust and Python serve different people");
}

fn check_stage(what: &str, stickiness: &str, stage: &Exposure, users: &[Value], on: &[bool]) {
    let thousandths = stage.percentage.thousandths();
    let (mut dealt, mut won) = (0u32, 0u32);
    for (user, on) in users.iter().zip(on) {
        if thousandths == 100_000 {
            assert!(on, "{what}: not everybody has it: {user}");
        } else if is_member(stage, user) {
            assert!(on, "{what}: a member lacks it: {user}");
        } else if user[stickiness].as_str().is_none_or(str::is_empty) {
            assert!(!on, "{what}: somebody who cannot be dealt a share has it: {user}");
        } else {
            dealt += 1;
            won += u32::from(*on);
        }
    }
    if thousandths == 0 {
        assert_eq!(won, 0, "{what}: somebody outside the audiences has it");
    } else if thousandths < 100_000 {
        let share = f64::from(won) * 100.0 / f64::from(dealt);
        let wanted = f64::from(thousandths) / 1000.0;
        assert!((share - wanted).abs() <= 1.0, "{what}: {share}% of {dealt}");
    }
}

#[tokio::test]
async fn real_evaluators_serve_what_was_asked_by_targeting_key() {
    prove("targetingKey").await;
}

#[tokio::test]
async fn real_evaluators_serve_what_was_asked_by_another_attribute() {
    prove("userId").await;
}

#[tokio::test]
async fn no_attribute_of_any_type_makes_an_evaluator_err() {
    // an error would serve the code's default, which is `true` here; a share of 0.001% serves none of these
    let mut users = Vec::new();
    for attribute in ["targetingKey", "userId", "email", "groups", "region", "$flagd"] {
        for value in odd_values() {
            let mut user = json!({ "targetingKey": "somebody", "userId": "somebody" });
            user[attribute] = value;
            users.push(user);
        }
    }
    for stickiness in ["targetingKey", "userId", "email", "groups", "not.there"] {
        let mut place = Place::new();
        stickiness.clone_into(&mut place.stickiness);
        place.expose(FLAG, exposure(&["beta", "staff"], 1), Switch::TurnOn).await.unwrap();
        for (evaluator, answers) in ask(FLAG, &[place.text()], &users) {
            for (user, on) in users.iter().zip(answers[0].as_ref().unwrap()) {
                assert!(!on, "{evaluator} by {stickiness}: {user}");
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_takes_it_from_some_and_gives_it_to_nobody() {
    let place = Place::new();
    place.expose(FLAG, exposure(&["staff"], 50_000), Switch::TurnOn).await.unwrap();
    let mut files = vec![place.text()];
    place.expose(FLAG, exposure(&["staff"], 10_000), Switch::Keep).await.unwrap();
    files.push(place.text());
    place.expose(FLAG, Exposure::nobody(), Switch::Keep).await.unwrap();
    files.push(place.text());
    for (evaluator, answers) in ask(FLAG, &files, &users()) {
        let [half, tenth, nobody] = answers.as_slice() else { panic!("three files") };
        let (half, tenth) = (half.as_ref().unwrap(), tenth.as_ref().unwrap());
        assert!(half.iter().zip(tenth).all(|(before, after)| *before || !*after), "{evaluator}: somebody got it");
        assert!(tenth.contains(&true) && half != tenth);
        assert!(!nobody.as_ref().unwrap().contains(&true), "{evaluator}: somebody has it");
    }
}

/// A flag that every evaluator accepts, changed.
fn file(change: impl FnOnce(&mut Value)) -> Value {
    let flag = json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" });
    let mut file = json!({ "flags": { "other": flag } });
    change(&mut file);
    file
}

/// Files of other teams, sound and broken, as a change of a sound one.
fn neighbours() -> Vec<(&'static str, Value)> {
    let flag = |name: &'static str, member: &'static str, value: Value| {
        (name, file(|file| file["flags"]["other"][member] = value))
    };
    let without = |name: &'static str, member: &'static str| {
        (name, file(|file| drop(file["flags"]["other"].as_object_mut().unwrap().shift_remove(member))))
    };
    let top = |name: &'static str, member: &'static str, value: Value| (name, file(|file| file[member] = value));
    vec![
        ("sound", file(|_| ())),
        flag("disabled", "state", json!("DISABLED")),
        flag("state in small letters", "state", json!("enabled")),
        without("no state", "state"),
        without("no variants", "variants"),
        flag("empty variants", "variants", json!({})),
        flag("variants in a list", "variants", json!(["on"])),
        flag("variants of two types", "variants", json!({ "on": true, "off": "no" })),
        without("no default", "defaultVariant"),
        flag("a null default", "defaultVariant", json!(null)),
        flag("a default that is no variant", "defaultVariant", json!("maybe")),
        flag("a number for a default", "defaultVariant", json!(1)),
        flag("an empty default", "defaultVariant", json!("")),
        flag("an unknown member", "description", json!("the other one")),
        flag("a member of other tools", "source", json!("x")),
        flag("null targeting", "targeting", json!(null)),
        flag("targeting that is no rule", "targeting", json!("on")),
        flag("an unknown operator", "targeting", json!({ "if": [{ "nonesuch": [] }, "on"] })),
        flag("a dangling reference", "targeting", json!({ "if": [{ "$ref": "nobody" }, "on"] })),
        flag("null metadata", "metadata", json!(null)),
        flag("metadata in a list", "metadata", json!([])),
        flag("a null in metadata", "metadata", json!({ "owner": null })),
        flag("an object in metadata", "metadata", json!({ "owner": {} })),
        flag("metadata without a name", "metadata", json!({ "": 1 })),
        top("evaluators in a list", "$evaluators", json!([1])),
        top("a text for evaluators", "$evaluators", json!("x")),
        top("shared rules", "$evaluators", json!({ "staff": { "==": [1, 1] } })),
        top("a null in the metadata of all", "metadata", json!({ "version": null })),
        top("a text for the metadata of all", "metadata", json!("x")),
        top("an unknown member of all", "$comment", json!("x")),
        top("a flag that is null", "flags", json!({ "other": null })),
    ]
}

#[tokio::test]
async fn growth_is_refused_exactly_where_an_evaluator_refuses_the_file() {
    let cases = neighbours();
    let files: Vec<String> = cases.iter().map(|(_, file)| file.to_string()).collect();
    let answers = ask("other", &files, &[]);
    for (index, (name, file)) in cases.iter().enumerate() {
        let refusing: Vec<_> =
            answers.iter().filter(|(_, answers)| answers[index].is_none()).map(|(who, _)| *who).collect();
        let place = Place::with(&file.to_string());
        let grown = place.expose(FLAG, exposure(&[], 10_000), Switch::TurnOn).await;
        let refused = matches!(grown, Err(BackendError::Refused { .. }));
        assert_eq!(refused, !refusing.is_empty(), "{name}: refused by {refusing:?}, and here: {grown:?}");
        assert!(refused || grown.is_ok(), "{name}: {grown:?}");
    }
}

#[tokio::test]
async fn a_shutdown_beside_a_broken_flag_is_written_and_says_that_it_is_not_effective() {
    let place = Place::with(&file(|_| ()).to_string());
    place.expose(FLAG, exposure(&[], 10_000), Switch::TurnOn).await.unwrap();
    std::fs::write(
        place.path(),
        place.text().replacen("\"ENABLED\"", "\"BROKEN\"", 2).replacen("BROKEN", "ENABLED", 1),
    )
    .unwrap();
    assert!(place.text().contains("BROKEN"));
    let answer = place.backend.switch_off(FLAG).await;
    let Err(BackendError::NotEffective { detail, .. }) = answer else { panic!("{answer:?}") };
    assert!(detail.contains("flag `other`") || detail.contains(FLAG), "{detail}");
    assert!(place.read(FLAG).await.exposure.is_nobody());
    let mended = place.text().replace("BROKEN", "ENABLED");
    for (evaluator, answers) in ask(FLAG, &[mended], &users()) {
        assert!(!answers[0].as_ref().unwrap().contains(&true), "{evaluator}");
    }
}
