//! What a flag means, body by body.

use serde_json::{Value, json};

use super::{Place, SHARED, exposure, percent, stamp};
use crate::backend::{BackendError, Switch};
use crate::engine::Exposure;
use crate::engine::input::Observed;

fn read(body: Value) -> Observed {
    Place::with(&json!({ "flags": { "f": body } }).to_string()).read("f")
}

type Hand = fn(&mut Value);

/// A body as we write it, changed at one place.
fn ours(change: impl FnOnce(&mut Value)) -> Observed {
    let place = Place::new();
    place.start("f", exposure(&["staff"], 10)).unwrap();
    let mut body = place.json()["flags"]["f"].clone();
    change(&mut body);
    read(body)
}

#[test]
fn a_missing_flag_or_file_is_off_and_says_so() {
    for (place, has_no_place) in [(Place::new(), true), (Place::with("{\"flags\":{}}"), false)] {
        let seen = place.read("f");
        assert!(seen.is_missing() && seen.has_no_place() == has_no_place, "{}", seen.revision);
        assert_eq!((seen.on, seen.exposure, seen.foreign, seen.stamp), (false, Exposure::nobody(), None, None));
    }
}

#[test]
fn what_evaluators_may_not_take_is_said() {
    let gone = Place::new().read("f").unserved.unwrap();
    assert!(gone.contains("put the file back"), "{gone}");
    let place = Place::with(SHARED);
    place.start("checkout", percent(10)).unwrap();
    assert_eq!(place.read("checkout").unserved, None);
    // an evaluator refuses the whole file for one flag, whosever it is
    place.write(&place.text().replace("\"defaultVariant\":\"x\"", "\"defaultVariant\":\"z\""));
    let seen = place.read("checkout");
    assert_eq!((seen.exposure, seen.foreign), (percent(10), None));
    assert!(seen.unserved.is_some_and(|why| why.contains("flag `last`") && why.contains("mended")));
}

#[test]
fn what_was_decided_on_a_file_makes_none_and_the_other_way_round() {
    let place = Place::with("{\"flags\":{}}");
    let request = place.request("f", percent(10), Switch::TurnOn);
    std::fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.backend().set(&request), Err(BackendError::Conflict { .. })));
    assert!(!place.path().exists());
    let request = place.request("f", percent(10), Switch::TurnOn);
    place.write("{\"flags\":{}}");
    assert!(matches!(place.backend().set(&request), Err(BackendError::Conflict { .. })));
    std::fs::remove_file(place.path()).unwrap();
    place.backend().set(&request).unwrap();
    assert_eq!(place.served("f"), percent(10));
}

#[test]
fn enabled_with_a_false_default_and_no_rules_is_nobody() {
    let off = json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" });
    for targeting in [None, Some(json!(null)), Some(json!({}))] {
        let mut body = off.clone();
        if let Some(targeting) = targeting {
            body["targeting"] = targeting;
        }
        let seen = read(body);
        assert_eq!((seen.exposure, seen.foreign), (Exposure::nobody(), None));
    }
}

#[test]
fn whatever_may_serve_somebody_is_foreign() {
    let variants = json!({ "on": true, "off": false });
    for body in [
        json!({ "state": "DISABLED", "variants": variants, "defaultVariant": "off" }),
        json!({ "state": "enabled", "variants": variants, "defaultVariant": "off" }),
        json!({ "variants": variants, "defaultVariant": "off" }),
        json!({ "state": "ENABLED", "variants": variants, "defaultVariant": "on" }),
        json!({ "state": "ENABLED", "variants": variants, "defaultVariant": null }),
        json!({ "state": "ENABLED", "variants": variants }),
        json!({ "state": "ENABLED", "variants": { "": false }, "defaultVariant": "" }),
        json!({ "state": "ENABLED", "variants": { "off": true }, "defaultVariant": "off" }),
        json!({ "state": "ENABLED", "variants": { "off": "off" }, "defaultVariant": "off" }),
        json!({ "state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": { "if": [true, "on"] } }),
        json!({ "state": "ENABLED", "variants": variants, "defaultVariant": "off", "targeting": "on" }),
        json!("off"),
        json!(null),
    ] {
        let seen = read(body.clone());
        assert!(seen.foreign.is_some() && seen.on && seen.reaches_by_foreign(), "{body}");
        assert_eq!(seen.exposure, Exposure::nobody());
    }
}

#[test]
fn what_was_written_reads_back_with_its_stamp() {
    for wanted in
        [exposure(&[], 0), exposure(&["staff"], 0), exposure(&["beta", "staff"], 10), percent(50), percent(100)]
    {
        let place = Place::with(SHARED);
        place.start("checkout", wanted.clone()).unwrap();
        let seen = place.read("checkout");
        assert_eq!((seen.on, seen.exposure, seen.foreign), (true, wanted, None));
        assert_eq!(seen.stamp, Some(stamp("journal", "rollout")));
    }
}

#[test]
fn a_hand_anywhere_in_our_part_makes_it_foreign_and_keeps_the_stamp() {
    let hands: [(&str, Hand); 9] = [
        ("state", |body| body["state"] = json!("DISABLED")),
        ("default", |body| body["defaultVariant"] = json!("on")),
        ("variants", |body| body["variants"] = json!({ "on": true, "off": true })),
        ("another variant", |body| body["variants"]["maybe"] = json!(true)),
        ("a condition", |body| body["targeting"]["if"][0] = json!(true)),
        ("the share", |body| body["targeting"]["if"][4]["fractional"][0][1] = json!(20_000)),
        ("the order", |body| body["targeting"]["if"][4]["fractional"].as_array_mut().unwrap().reverse()),
        ("the share it claims", |body| body["metadata"]["percentage"] = json!(20_000)),
        ("no share it claims", |body| body["metadata"]["percentage"] = json!("10%")),
    ];
    for (what, hand) in hands {
        let seen = ours(hand);
        assert!(seen.foreign.is_some() && seen.on, "{what}");
        assert_eq!(seen.stamp, Some(stamp("journal", "rollout")), "{what}");
    }
    assert_eq!(ours(|_| ()).foreign, None);
}

#[test]
fn what_others_keep_in_the_metadata_is_theirs() {
    let seen = ours(|body| body["metadata"]["owner"] = json!("payments"));
    assert_eq!((seen.foreign, seen.exposure), (None, exposure(&["staff"], 10)));
}

#[test]
fn an_audience_that_is_defined_otherwise_is_foreign() {
    let place = Place::new();
    place.start("f", exposure(&["staff"], 10)).unwrap();
    let mut audiences = super::audiences();
    audiences.get_mut("staff").unwrap().any.pop();
    let seen = place.backend().observe("f", &audiences).unwrap();
    assert!(seen.foreign.is_some_and(|why| why.contains("targeting")));
}

#[test]
fn a_shared_rule_changes_nothing_of_ours() {
    let place = Place::with(SHARED);
    place.start("checkout", exposure(&["staff"], 0)).unwrap();
    place.write(&place.text().replace("{\"ends_with\":[{\"var\":\"email\"},\"@acme.example\"]}", "true"));
    assert_eq!(place.read("checkout").foreign, None);
    assert!(!place.json()["flags"]["checkout"].to_string().contains("$ref"));
}

#[test]
fn a_hand_that_switched_off_is_nobody_and_no_marker() {
    let seen = ours(|body| {
        body["targeting"] = json!({});
    });
    assert_eq!((seen.on, seen.exposure, seen.foreign), (true, Exposure::nobody(), None));
    assert!(seen.stamp.is_some());
}

#[test]
fn the_marker_is_the_switch_but_what_is_served_counts() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    let before = place.text();
    place.backend().off("f").unwrap();
    assert!(!place.read("f").on);
    place.write(&before);
    let seen = place.read("f");
    assert_eq!((seen.on, seen.exposure), (true, percent(10)));
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_nobody() {
    for text in
        ["", "{", "{}", "[]", "{\"flags\":[]}", "{\"flags\":null}", "{\"flags\":{}} x", "\u{feff}{\"flags\":{}}"]
    {
        let place = Place::with(text);
        let answer = place.backend().observe("f", &super::audiences());
        assert!(matches!(answer, Err(BackendError::Unreachable { .. })), "{text}: {answer:?}");
    }
    let deep = format!("{{\"flags\":{{\"f\":{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Place::with(&deep).backend().observe("f", &super::audiences()).is_err());
    let place = Place::new();
    std::fs::write(place.path(), b"{\"flags\":{}}\xff").unwrap();
    assert!(place.backend().observe("f", &super::audiences()).is_err());
}

#[test]
fn only_regular_files_of_a_sane_size_are_read() {
    let folder = Place::new();
    std::fs::create_dir(folder.path()).unwrap();
    assert!(folder.backend().observe("f", &super::audiences()).is_err());
    // a pipe that nobody writes to must not block
    let pipe = Place::new();
    rustix::fs::mknodat(rustix::fs::CWD, pipe.path(), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(pipe.backend().observe("f", &super::audiences()).is_err());
    let huge = Place::new();
    std::fs::File::create(huge.path()).unwrap().set_len(super::super::disk::BYTES_AT_MOST + 1).unwrap();
    assert!(matches!(huge.backend().observe("f", &super::audiences()), Err(BackendError::Refused { .. })));
    let nowhere = super::Flagd::new(&huge.folder.path().join("gone"), "flags.json");
    assert!(nowhere.observe("f", &super::audiences()).is_err());
}
