//! `create`: documents of a new flag, checked with all others before a byte is written.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{ends, flag, json, live};

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

/// Every file of the documents, with what stands in it.
fn documents(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(dir.join("flagstaff"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.push(("flagstaff.yaml".to_owned(), read(dir, "flagstaff.yaml")));
    files.sort();
    files
}

#[test]
fn a_flag_and_its_release_stand_in_a_file_of_their_own_and_nobody_gets_anything() {
    let (dir, _page) = live();
    let dir = dir.path();
    let words = ["create", "cart-v2", "--description", "New cart: # faster", "--owner", "payments@acme.example"];
    let made =
        ends(dir, &[&words[..], &["--lifetime", "40d", "--label", "team=payments", "--to", "production"]].concat(), 0);
    assert!(made.out.contains("new: flagstaff/cart-v2.yaml"), "{}", made.out);
    assert!(made.err.contains("next: flagstaff plan"), "{}", made.err);
    let text = read(dir, "flagstaff/cart-v2.yaml");
    assert_eq!(
        text,
        "apiVersion: flagstaff/v1\nkind: Flag\nmetadata: { name: cart-v2 }\nspec:\n  type: release\n  \
         description: \"New cart: # faster\"\n  owner: \"payments@acme.example\"\n  expected_lifetime: 40d\n---\n\
         apiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: cart-v2, labels: { team: payments } }\nspec:\n  \
         flag: cart-v2\n  environments: [production]\n"
    );
    assert!(made.out.contains("description: \"New cart: # faster\""), "it shows what it writes: {}", made.out);
    ends(dir, &["validate"], 0);
    assert!(ends(dir, &["plan"], 0).out.contains("+ cart-v2"));
    assert_eq!(flag(dir, "cart-v2"), Value::Null, "the backend was not asked for");
}

#[test]
fn at_the_backend_it_is_off_for_nobody_and_others_are_left_alone() {
    let (dir, _page) = live();
    let dir = dir.path();
    let made = json(dir, &["create", "cart-v2", "--at-backend"], 0);
    assert_eq!(made["backends"][0]["address"], "cart-v2@production");
    assert_eq!((&made["written"], &made["next"]), (&"new".into(), &"flagstaff start cart-v2 -e ENV".into()));
    assert_eq!(flag(dir, "cart-v2")["defaultVariant"], "off");
    assert_eq!(flag(dir, "my-feature"), Value::Null, "only the new flag was asked for");
    // it stands for no commit of all documents, and starts nothing
    assert_eq!(json(dir, &["status"], 0)["rollouts"], Value::Array(Vec::new()));
}

#[test]
fn a_file_that_is_there_is_added_to_and_kept_as_it_is() {
    let (dir, _page) = live();
    let dir = dir.path();
    let before = format!("{}# the end, without a line feed", read(dir, "flagstaff/releases.yaml"));
    fs::write(dir.join("flagstaff/releases.yaml"), &before).unwrap();
    let made = json(dir, &["create", "cart-v2", "--file", "flagstaff/releases.yaml"], 0);
    assert_eq!(made["written"], "added");
    let after = read(dir, "flagstaff/releases.yaml");
    assert!(after.starts_with(&format!("{before}\n---\n")), "{after}");
    ends(dir, &["validate"], 0);
    // without being told, it adds to nothing
    fs::write(dir.join("flagstaff/other.yaml"), "# mine\n").unwrap();
    let refused = ends(dir, &["create", "other"], 1);
    assert!(refused.err.contains("--file adds to it"), "{}", refused.err);
    assert_eq!(read(dir, "flagstaff/other.yaml"), "# mine\n");
}

#[test]
fn what_would_be_wrong_is_told_with_its_place_and_nothing_is_written() {
    let (dir, _page) = live();
    let dir = dir.path();
    let before = documents(dir);
    let wrong = json(dir, &["create", "cart-v2", "--template", "standart"], 3);
    let finding = &wrong["findings"][0];
    assert_eq!((&finding["code"], &finding["file"]), (&"unknown-template".into(), &"flagstaff/cart-v2.yaml".into()));
    assert!(finding["help"].as_str().unwrap().contains("standard"), "{finding}");
    for (words, code, says) in [
        (&["create", "a b"][..], 3, "this cannot be a name"),
        (&["create", "cart", "--type", "relase"], 3, "there is no type of flag"),
        (&["create", "cart", "--lifetime", "soon"], 3, "lifetime"),
        (&["create", "cart", "--to", "nowhere"], 3, "nowhere"),
        (&["create", "my-feature"], 1, "is declared already, in flagstaff/releases.yaml:"),
        (&["create", "cart", "--release", "my-feature"], 1, "is declared already"),
        (&["create", "myFeature"], 1, "differ in case and separators only"),
        (&["create", "cart", "--file", "../out.yaml"], 1, "inside the project"),
        (&["create", "cart", "--file", "/tmp/out.yaml"], 1, "inside the project"),
        (&["create", "cart", "--file", "elsewhere/cart.yaml"], 1, "no document is read from there"),
        (&["create", "cart", "--file", "flagstaff/cart.txt"], 1, "must end in .yaml"),
        (&["create", "cart", "--snippet", "rust", "--sdk", "unleash"], 64, "enum"),
        (&["create", "cart", "--label", "team"], 64, "KEY=VALUE"),
    ] {
        let refused = ends(dir, words, code);
        assert!(refused.err.contains(says), "{words:?}: {}", refused.err);
    }
    for (words, says) in [
        (&["create", "cart", "--to", "production,production"][..], "names `production` twice"),
        (&["create", "cart", "-e", "nope"], "there is no environment `nope`"),
        (&["create", "cart", "--label", "=x"], "KEY=VALUE"),
    ] {
        assert!(ends(dir, words, 64).err.contains(says), "{words:?}");
    }
    assert_eq!(documents(dir), before);
    let go = ends(dir, &["create", "cart-v2", "--dry-run", "--snippet", "go"], 0).out;
    assert!(go.contains("\n    // new\n"), "no tab, and no escape for one: {go}");
    json(dir, &["create", "cart-v2", "--dry-run", "--snippet", "go"], 0);
    assert_eq!(documents(dir), before, "a dry run wrote something");
    // whoever insists gets it
    ends(dir, &["create", "myFeature", "--anyway"], 0);
    // a document that cannot be read may be the one that declares it
    fs::write(dir.join("flagstaff/broken.yaml"), "kind: [").unwrap();
    ends(dir, &["create", "cart-v2"], 3);
    assert!(!dir.join("flagstaff/cart-v2.yaml").exists());
}

#[test]
fn a_link_out_of_the_project_is_not_written_through() {
    let (dir, _page) = live();
    let (dir, outside) = (dir.path(), tempfile::tempdir().unwrap());
    let target = outside.path().join("target.yaml");
    fs::write(&target, "# theirs\n").unwrap();
    std::os::unix::fs::symlink(&target, dir.join("flagstaff/link.yaml")).unwrap();
    // `validate` refuses it too, so that nothing is made beside it
    ends(dir, &["create", "cart-v2", "--file", "flagstaff/link.yaml"], 3);
    fs::remove_file(dir.join("flagstaff/link.yaml")).unwrap();
    let empty = outside.path().join("empty");
    fs::create_dir(&empty).unwrap();
    std::os::unix::fs::symlink(&empty, dir.join("flagstaff/folder")).unwrap();
    let refused = ends(dir, &["create", "cart-v2", "--file", "flagstaff/folder/new.yaml"], 1);
    assert!(refused.err.contains("leads out of the project"), "{}", refused.err);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(&target).unwrap(), "# theirs\n");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "something was written outside");
}

#[test]
fn flags_that_may_be_the_same_are_told() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["create", "sidebar", "--description", "The shopping cart beside all results"], 0);
    let made =
        json(dir, &["create", "new-cart", "--description", "Shows the shopping cart beside results", "--dry-run"], 0);
    assert_eq!(made["alike"][0]["flag"], "sidebar", "{made}");
    assert_eq!(made["alike"][0]["place"], "flagstaff/sidebar.yaml:3");
    let other = json(dir, &["create", "night-mode", "--dry-run"], 0);
    assert_eq!(other["alike"], Value::Array(Vec::new()));
}
