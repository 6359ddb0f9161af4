//! What is written, what is refused, and what survives.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Place, SHARED, exposure, percent, stamp};
use crate::backend::{BackendError, Switch};
use crate::engine::{Exposure, Percentage};

/// The file with one flag taken out of it, bytes otherwise as they are.
fn without_flag(text: &str, flag: &str) -> String {
    let mut text = text.to_owned();
    let at = super::super::json::member(&text, 0, "flags").unwrap().start;
    super::super::json::remove(&mut text, at, flag);
    text
}

#[test]
fn a_file_is_made_where_there_is_none() {
    let place = Place::new();
    place.start("checkout-v2", exposure(&["beta", "staff"], 10)).unwrap();
    assert_eq!(
        place.text(),
        r#"{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "flags": {
    "checkout-v2": {
      "state": "ENABLED",
      "variants": { "on": true, "off": false },
      "defaultVariant": "off",
      "targeting": {
        "if": [
          { "in": ["beta", { "merge": [{ "var": "groups" }] }] },
          "on",
          { "ends_with": [{ "var": "email" }, "@acme.example"] },
          "on",
          { "in": [{ "var": "userId" }, ["u-1", "u-2"]] },
          "on",
          { "fractional": [["on", 10000], ["off", 90000]] }
        ]
      },
      "metadata": {
        "managedBy": "flagstaff",
        "journal": "journal",
        "rollout": "rollout",
        "audiences": "beta,staff",
        "percentage": 10000,
        "stickiness": "targetingKey"
      }
    }
  }
}
"#
    );
}

#[test]
fn weights_are_whole_and_their_total_is_fixed() {
    let place = Place::new();
    for thousandths in [1, 333, 12_500, 99_999] {
        let share = Exposure::percent(Percentage::from_thousandths(thousandths).unwrap());
        place.start("f", share.clone()).unwrap();
        let weights = place.json()["flags"]["f"]["targeting"]["if"][0]["fractional"].clone();
        assert_eq!(weights, json!([["on", thousandths], ["off", 100_000 - thousandths]]));
        assert_eq!(place.served("f"), share);
    }
}

#[test]
fn another_attribute_is_guarded() {
    let place = Place::new();
    let mut request = place.request("f", percent(10), Switch::TurnOn);
    request.stickiness = "userId".to_owned();
    place.backend().set(&request).unwrap();
    let share = &place.json()["flags"]["f"]["targeting"]["if"][0]["if"];
    assert_eq!(share[0], json!({ "!!": [{ "var": "userId" }] }));
    assert_eq!(share[1]["fractional"][0], json!({ "cat": [{ "var": "$flagd.flagKey" }, { "var": "userId" }] }));
    assert_eq!(share[2], "off");
}

#[test]
fn what_is_not_ours_survives_byte_for_byte() {
    let place = Place::with(SHARED);
    for step in [exposure(&["staff"], 0), percent(10), exposure(&["beta"], 50), percent(100), percent(0)] {
        place.start("checkout", step).unwrap();
        assert_eq!(without_flag(&place.text(), "checkout"), without_flag(SHARED, "checkout"));
        // its owner's metadata stays as it was written, and so does the layout of what did not change
        assert!(place.text().contains("\"owner\": \"payments\", \"weight\": 2.50 }"), "{}", place.text());
        assert!(place.text().contains("\"state\": \"ENABLED\", \"variants\": { \"on\": true, \"off\": false },\n"));
    }
    place.backend().off("checkout").unwrap();
    assert_eq!(without_flag(&place.text(), "checkout"), without_flag(SHARED, "checkout"));
    // a flag that was not there is added, and nothing else
    place.start("brand \"new\"", percent(10)).unwrap();
    let now = without_flag(&place.text(), "brand \"new\"");
    assert_eq!(without_flag(&now, "checkout"), without_flag(SHARED, "checkout"));
}

#[test]
fn one_line_files_and_windows_files_keep_their_ways() {
    let place =
        Place::with("{\"flags\":{\"a\":{\"state\":\"ENABLED\",\"variants\":{\"x\":1.0},\"defaultVariant\":\"x\"}}}");
    place.start("f", percent(10)).unwrap();
    assert!(!place.text().contains('\n') && place.text().contains("\"x\":1.0"));
    let place = Place::with("{\r\n  \"flags\": {\r\n  }\r\n}\r\n");
    place.start("f", percent(10)).unwrap();
    assert_eq!(place.text().matches('\n').count(), place.text().matches("\r\n").count());
}

#[test]
fn the_same_again_is_no_other_text() {
    let place = Place::with(SHARED);
    place.start("checkout", exposure(&["staff"], 10)).unwrap();
    let (text, seen) = (place.text(), place.read("checkout"));
    place.grow("checkout", exposure(&["staff"], 10)).unwrap();
    assert_eq!((place.text(), place.read("checkout")), (text, seen));
}

#[test]
fn the_marker_refuses_growth_until_somebody_starts() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    place.backend().off("f").unwrap();
    place.backend().off("f").unwrap();
    for exposure in [percent(50), percent(10), exposure(&["staff"], 0)] {
        let before = place.text();
        assert!(matches!(place.grow("f", exposure), Err(BackendError::SwitchedOff { .. })));
        assert_eq!(place.text(), before);
    }
    place.grow("f", Exposure::nobody()).unwrap();
    assert!(place.is_marked(), "writing nobody does not turn on");
    place.start("f", percent(20)).unwrap();
    assert!(!place.is_marked());
    place.grow("f", percent(50)).unwrap();
    assert_eq!(place.served("f"), percent(50));
}

#[test]
fn a_start_removes_the_marker_it_saw_and_no_later_one() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    place.backend().off("f").unwrap();
    let request = place.request("f", percent(10), Switch::TurnOn);
    place.backend().off("f").unwrap();
    assert!(matches!(place.backend().set(&request), Err(BackendError::SwitchedOff { .. })));
    assert!(place.is_marked() && place.served("f").is_nobody());
}

#[test]
fn a_start_over_a_flag_that_is_marked_and_serves_switches_it_off_first() {
    let place = Place::new();
    place.start("f", percent(50)).unwrap();
    let before = place.text();
    place.backend().off("f").unwrap();
    place.write(&before);
    assert!(matches!(place.start("f", percent(10)), Err(BackendError::Conflict { .. })));
    assert!(place.served("f").is_nobody() && place.is_marked());
    place.start("f", percent(10)).unwrap();
    assert_eq!(place.served("f"), percent(10));
}

#[test]
fn a_marker_that_cannot_be_read_is_a_marker() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    place.backend().off("f").unwrap();
    let marker = place.files().into_iter().find(|name| name.contains(".off-")).unwrap();
    let marker = place.folder.path().join(marker);
    fs::remove_file(&marker).unwrap();
    fs::create_dir(&marker).unwrap();
    assert!(matches!(place.grow("f", percent(10)), Err(BackendError::SwitchedOff { .. })));
    // an empty one, made by a hand with `touch`, too; that one a start can remove
    fs::remove_dir(&marker).unwrap();
    fs::write(&marker, "").unwrap();
    assert!(matches!(place.grow("f", percent(10)), Err(BackendError::SwitchedOff { .. })));
    place.start("f", percent(10)).unwrap();
}

#[test]
fn any_key_gives_a_marker_of_its_own_beside_the_file() {
    let place = Place::new();
    let keys = ["../../etc/passwd", "a/b", "a\\b", "..", "", "é\0\n", "A", "a", "a ", &"x".repeat(5000)];
    for (count, key) in keys.iter().enumerate() {
        place.start(key, percent(10)).unwrap();
        place.backend().off(key).unwrap();
        let markers = place.files().into_iter().filter(|name| name.contains(".off-")).count();
        assert_eq!(markers, count + 1, "{key:?}");
        assert!(place.served(key).is_nobody());
    }
}

#[test]
fn a_flag_that_changed_since_it_was_read_is_a_conflict() {
    let place = Place::with(SHARED);
    let request = place.request("checkout", percent(10), Switch::TurnOn);
    place.start("search-2", percent(10)).unwrap();
    place.backend().set(&request).unwrap();
    // another flag is no conflict; ours is, and so is one that vanished or appeared
    for text in [SHARED.replace("payments", "someone"), "{\"flags\":{}}".to_owned()] {
        place.write(SHARED);
        let request = place.request("checkout", percent(10), Switch::TurnOn);
        place.write(&text);
        assert!(matches!(place.backend().set(&request), Err(BackendError::Conflict { .. })));
        assert_eq!(place.text(), text);
    }
    let request = place.request("checkout", percent(10), Switch::TurnOn);
    place.write(SHARED);
    assert!(matches!(place.backend().set(&request), Err(BackendError::Conflict { .. })));
}

#[test]
fn a_foreign_stamp_is_left_alone_unless_it_is_taken_over() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    for other in [stamp("another", "rollout"), stamp("journal", "another")] {
        for exposure in [percent(50), percent(5), Exposure::nobody()] {
            let mut request = place.request("f", exposure, Switch::TurnOn);
            request.stamp = other.clone();
            let before = place.text();
            assert!(matches!(place.backend().set(&request), Err(BackendError::ForeignStamp { .. })));
            assert_eq!(place.text(), before);
        }
    }
    // anybody may switch off, and the stamp says whose it was
    place.backend().off("f").unwrap();
    assert_eq!(place.read("f").stamp, Some(stamp("journal", "rollout")));
    let mut request = place.request("f", percent(5), Switch::TurnOn);
    request.stamp = stamp("another", "rollout");
    assert!(matches!(place.backend().set(&request), Err(BackendError::ForeignStamp { .. })));
    request.take_over = true;
    place.backend().set(&request).unwrap();
    assert_eq!(place.read("f").stamp, Some(stamp("another", "rollout")));
}

#[test]
fn the_next_rollout_of_a_journal_may_have_a_flag_that_serves_nobody() {
    let place = Place::new();
    place.start("f", percent(10)).unwrap();
    place.backend().off("f").unwrap();
    let mut request = place.request("f", percent(5), Switch::TurnOn);
    request.stamp = stamp("journal", "the next one");
    place.backend().set(&request).unwrap();
}

#[test]
fn a_flag_of_others_that_serves_somebody_is_refused_and_can_be_switched_off() {
    for (state, default) in [("ENABLED", "on"), ("DISABLED", "off"), ("DISABLED", "on")] {
        let body = json!({ "state": state, "variants": { "on": true, "off": false }, "defaultVariant": default });
        let place = Place::with(&json!({ "flags": { "f": body } }).to_string());
        for take_over in [false, true] {
            let mut request = place.request("f", percent(50), Switch::TurnOn);
            request.take_over = take_over;
            let Err(BackendError::Refused { detail, .. }) = place.backend().set(&request) else { panic!("{body}") };
            assert!(detail.contains("flagstaff abort f"), "{detail}");
        }
        place.backend().off("f").unwrap();
        assert!(place.served("f").is_nobody());
        place.start("f", percent(10)).unwrap();
    }
}

#[test]
fn other_variants_are_refused_and_say_what_to_do() {
    for variants in [json!({ "true": true, "false": false }), json!({ "on": true, "off": false, "dark": true })] {
        let name = if variants.get("false").is_some() { "false" } else { "off" };
        let body = json!({ "state": "ENABLED", "variants": variants, "defaultVariant": name });
        let place = Place::with(&json!({ "flags": { "f": body } }).to_string());
        let Err(BackendError::Refused { detail, .. }) = place.start("f", percent(10)) else { panic!("{body}") };
        assert!(detail.contains("\"on\": true, \"off\": false"), "{detail}");
    }
}

#[test]
fn our_flag_changed_by_a_hand_is_not_grown_by_rules_but_can_be_set_right_by_a_person() {
    let place = Place::new();
    place.start("f", exposure(&["staff"], 10)).unwrap();
    let changed = place.text().replace("[\"on\", 10000]", "[\"on\", 30000]");
    place.write(&changed);
    assert!(matches!(place.grow("f", percent(5)), Err(BackendError::Refused { .. })));
    assert_eq!(place.text(), changed);
    place.start("f", exposure(&["staff"], 10)).unwrap();
    assert_eq!(place.served("f"), exposure(&["staff"], 10));
    place.write(&changed);
    place.grow("f", Exposure::nobody()).unwrap();
    assert!(place.served("f").is_nobody());
}

#[test]
fn an_audience_nobody_defined_is_refused() {
    let place = Place::new();
    let request = place.request("f", exposure(&["nobody-knows"], 10), Switch::TurnOn);
    assert!(matches!(place.backend().set(&request), Err(BackendError::Refused { .. })));
    assert!(!place.path().exists());
}

#[test]
fn off_is_off_whatever_the_flag_was() {
    let variants = json!({ "on": true, "off": false });
    for (body, name) in [
        (json!({ "state": "DISABLED", "variants": variants, "defaultVariant": "on" }), "off"),
        (json!({ "state": "ENABLED", "variants": variants, "targeting": { "if": [true, "on"] } }), "off"),
        (json!({ "state": "ENABLED", "variants": { "yes": true, "no": false }, "defaultVariant": "yes" }), "no"),
        (json!({ "state": "ENABLED", "variants": { "yes": true }, "defaultVariant": "yes" }), "off"),
        (json!({ "state": "ENABLED", "variants": { "off": true }, "defaultVariant": "off" }), "flagstaff-off"),
        (json!({ "state": "ENABLED", "variants": { "": false, "on": true }, "defaultVariant": "" }), "off"),
        (json!({ "state": "nonsense" }), "off"),
        (json!(null), "off"),
        (json!([]), "off"),
    ] {
        let place = Place::with(&json!({ "flags": { "f": body } }).to_string());
        place.backend().off("f").unwrap();
        let now = &place.json()["flags"]["f"];
        assert_eq!((&now["state"], &now["defaultVariant"]), (&json!("ENABLED"), &json!(name)), "{body}");
        assert_eq!((&now["variants"][name], now.get("targeting")), (&json!(false), None), "{body}");
    }
}

#[test]
fn off_of_a_flag_that_is_not_there_is_written_since_missing_means_the_codes_default() {
    let place = Place::with(SHARED);
    place.backend().off("no-such-flag").unwrap();
    assert!(place.served("no-such-flag").is_nobody());
    assert_eq!(without_flag(&place.text(), "no-such-flag"), SHARED);
    // without a file there is nobody to tell, and one with a single flag would take all others away
    let place = Place::new();
    place.backend().off("f").unwrap();
    assert!(!place.path().exists() && place.is_marked());
}

#[test]
fn a_flag_without_an_off_is_refused_and_marked() {
    let body = json!({ "state": "ENABLED", "variants": { "red": "#f00", "blue": "#00f" }, "defaultVariant": "red" });
    let place = Place::with(&json!({ "flags": { "f": body } }).to_string());
    assert!(matches!(place.backend().off("f"), Err(BackendError::Refused { .. })));
    assert!(place.is_marked());
}

#[test]
fn a_broken_file_refuses_growth_and_says_that_a_shutdown_is_not_effective() {
    let place = Place::with(SHARED);
    place.start("checkout", percent(50)).unwrap();
    place.write(&place.text().replace("\"DISABLED\"", "\"off\""));
    let Err(BackendError::Refused { detail, .. }) = place.grow("checkout", percent(60)) else { panic!() };
    assert!(detail.contains("flag `search`"), "{detail}");
    // what gets smaller is written
    assert!(matches!(place.grow("checkout", percent(40)), Err(BackendError::NotEffective { .. })));
    assert_eq!(place.served("checkout"), percent(40));
    let Err(BackendError::NotEffective { detail, .. }) = place.backend().off("checkout") else { panic!() };
    assert!(detail.contains("flag `search`"), "{detail}");
    assert!(place.served("checkout").is_nobody());
    // what is no JSON cannot be written into; the marker holds until it is mended
    place.write("{ \"flags\": {");
    assert!(matches!(place.backend().off("checkout"), Err(BackendError::NotEffective { .. })));
    assert_eq!(place.text(), "{ \"flags\": {");
    assert!(place.is_marked());
}

#[test]
fn what_stands_there_twice_refuses_growth() {
    for text in [
        r#"{ "flags": { "a": {"state":"ENABLED","variants":{"x":1},"defaultVariant":"x"}, "a": {"state":"ENABLED","variants":{"x":1},"defaultVariant":"x"} } }"#,
        r#"{ "flags": {}, "flags": {} }"#,
    ] {
        let Err(BackendError::Refused { detail, .. }) = Place::with(text).start("f", percent(10)) else { panic!() };
        assert!(detail.contains("twice"), "{detail}");
    }
}

#[test]
fn a_broken_flag_of_ours_is_mended_by_switching_it_off() {
    let place = Place::with(r#"{ "flags": { "f": { "state": "ENABLED", "variants": {} } } }"#);
    place.backend().off("f").unwrap();
    assert!(place.served("f").is_nobody());
}

#[test]
fn each_write_is_newer_than_what_it_replaces() {
    let place = Place::with(SHARED);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    fs::File::open(place.path()).unwrap().set_modified(far).unwrap();
    let mut before = far;
    for step in 1..6 {
        place.start("checkout", percent(step)).unwrap();
        let now = fs::metadata(place.path()).unwrap().modified().unwrap();
        assert!(now > before, "write {step} is not newer");
        before = now;
    }
    place.backend().off("checkout").unwrap();
    assert!(fs::metadata(place.path()).unwrap().modified().unwrap() > before);
}

#[test]
fn mode_and_owner_are_kept() {
    let place = Place::with(SHARED);
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
    // giving a file away needs privileges; without them the owner is ours before and after
    let _ = std::os::unix::fs::chown(place.path(), Some(12_345), Some(12_346));
    let before = fs::metadata(place.path()).unwrap();
    place.start("checkout", percent(10)).unwrap();
    let after = fs::metadata(place.path()).unwrap();
    let of = |about: &fs::Metadata| (about.mode(), about.uid(), about.gid());
    assert_eq!(of(&after), of(&before));
    assert_ne!(after.ino(), before.ino(), "it was replaced, not written into");
}

#[test]
fn a_link_stays_a_link_and_its_file_is_replaced() {
    let place = Place::new();
    let real = place.folder.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("shop.json"), SHARED).unwrap();
    std::os::unix::fs::symlink("real/shop.json", place.path()).unwrap();
    place.start("checkout", percent(10)).unwrap();
    assert!(fs::symlink_metadata(place.path()).unwrap().is_symlink());
    let written: Value = serde_json::from_str(&fs::read_to_string(real.join("shop.json")).unwrap()).unwrap();
    assert_eq!(written["flags"]["checkout"]["metadata"]["percentage"], 10_000);
    // both names mean one file: one lock, one marker
    super::Flagd::new(&real, "shop.json").off("checkout").unwrap();
    assert!(matches!(place.grow("checkout", percent(20)), Err(BackendError::SwitchedOff { .. })));
}

#[test]
fn a_link_to_nothing_and_a_config_map_are_refused() {
    let place = Place::new();
    std::os::unix::fs::symlink("gone.json", place.path()).unwrap();
    assert!(place.backend().observe("f", &super::audiences()).is_err());
    assert!(place.backend().off("f").is_err());

    let place = Place::new();
    let folder = place.folder.path();
    fs::create_dir(folder.join("..2026_11_23")).unwrap();
    fs::write(folder.join("..2026_11_23/flags.json"), SHARED).unwrap();
    std::os::unix::fs::symlink("..2026_11_23", folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/flags.json", place.path()).unwrap();
    let Err(BackendError::Refused { detail, .. }) = place.start("checkout", percent(10)) else { panic!() };
    assert!(detail.contains("config map"), "{detail}");
    assert!(matches!(place.backend().off("checkout"), Err(BackendError::Refused { .. })));
    assert_eq!(place.text(), SHARED);
}

#[test]
fn two_environments_know_nothing_of_each_other() {
    let (staging, production) = (Place::with(SHARED), Place::with(SHARED));
    staging.start("checkout", percent(100)).unwrap();
    production.start("checkout", percent(10)).unwrap();
    staging.backend().off("checkout").unwrap();
    assert_eq!(production.served("checkout"), percent(10));
    production.grow("checkout", percent(50)).unwrap();
    assert!(staging.served("checkout").is_nobody() && staging.is_marked() && !production.is_marked());
}

#[test]
fn a_file_does_not_grow_beyond_what_is_read() {
    let limit = usize::try_from(super::super::disk::BYTES_AT_MOST).unwrap();
    let full = format!("{SHARED}{}", " ".repeat(limit - SHARED.len()));
    let place = Place::with(&full);
    assert!(matches!(place.start("checkout", percent(10)), Err(BackendError::Refused { .. })));
    assert!(place.text() == full && place.files().len() == 2, "the file and its lock: {:?}", place.files());
}

#[test]
fn a_shutdown_whose_marker_cannot_be_made_writes_off_and_says_so() {
    let place = Place::new();
    place.start("f", percent(50)).unwrap();
    place.backend().off("f").unwrap();
    let marker = place.files().into_iter().find(|name| name.contains(".off-")).unwrap();
    place.start("f", percent(50)).unwrap();
    fs::create_dir_all(place.folder.path().join(&marker).join("in the way")).unwrap();
    let answer = place.backend().off("f");
    let Err(BackendError::Unreachable { detail, .. }) = answer else { panic!("{answer:?}") };
    assert!(detail.contains("off-marker"), "{detail}");
    assert!(place.served("f").is_nobody());
}
