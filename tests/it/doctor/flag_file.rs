//! Flag files.

use std::fs;
use std::path::Path;

use super::{Found, closed, content, examined, examined_by_nobody, project};
use crate::cli::{ends, live, replace};

const SOUND: &str = r#"{"flags":{"a":{"state":"ENABLED","variants":{"on":true,"off":false},"defaultVariant":"on"}}}"#;

fn here(path: &str) -> String {
    format!("here: {{ backend: {{ flagd: {{ path: {path} }} }} }}")
}

/// A project whose flag file has this text.
fn with(text: &str, code: i32) -> Found {
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), &[], &[&here("flags.json")]);
    fs::write(folder.path().join("flags.json"), text).unwrap();
    let before = content(folder.path());
    let found = examined(folder.path(), &[], code);
    assert_eq!(content(folder.path()), before, "it was changed");
    found
}

#[test]
fn a_file_is_read_as_evaluators_read_it() {
    let found = with(SOUND, 0);
    found.is("backend here", "file", "ok", "flags in it: 1").is("backend here", "flags", "ok", "every evaluator");
    found.is("backend here", "writable", "ok", "").is("backend here", "markers", "ok", "none");
    let found = with("{ broken", 5);
    found.is("backend here", "file", "failed", "no valid JSON").leaves_out("backend here", "flags");
    with(r#"{"flags":[]}"#, 5).is("backend here", "file", "failed", "no `flags` object");
    let broken = SOUND.replace("\"defaultVariant\":\"on\"", "\"defaultVariant\":\"none\"");
    with(&broken, 1).is("backend here", "flags", "failed", "flag `a`: `defaultVariant` is `none`");
    let many: Vec<String> = (0..5).map(|index| format!("\"f{index}\":{{}}")).collect();
    with(&format!("{{\"flags\":{{{}}}}}", many.join(",")), 1).is("backend here", "flags", "failed", "and 2 more");
}

#[test]
fn a_place_where_no_file_can_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    project(dir, &[], &[&here("none/flags.json")]);
    let found = examined(dir, &[], 5);
    found.is("backend here", "file", "failed", "folder cannot be found").leaves_out("backend here", "writable");
    fs::create_dir_all(dir.join("..data-1")).unwrap();
    fs::write(dir.join("..data-1/flags.json"), SOUND).unwrap();
    std::os::unix::fs::symlink("..data-1/flags.json", dir.join("mounted.json")).unwrap();
    project(dir, &[], &[&here("mounted.json")]);
    examined(dir, &[], 1).is("backend here", "writable", "failed", "config map");
    std::os::unix::fs::symlink("nowhere", dir.join("link.json")).unwrap();
    project(dir, &[], &[&here("link.json")]);
    examined(dir, &[], 1).is("backend here", "file", "failed", "does not exist");
}

#[test]
fn a_folder_that_is_closed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let flags = dir.join("flags");
    fs::create_dir(&flags).unwrap();
    fs::write(flags.join("flags.json"), SOUND).unwrap();
    project(dir, &[], &[&here("flags/flags.json")]);
    examined_by_nobody(dir, 0).is("backend here", "writable", "ok", "");
    closed(&flags, true);
    let found = examined_by_nobody(dir, 5);
    closed(&flags, false);
    found.is("backend here", "writable", "failed", "nothing can be made in its folder");
    found.is("backend here", "file", "ok", "flags in it: 1");
}

#[test]
fn markers_are_told_and_files_that_say_something_else() {
    let (folder, _page) = live();
    let dir = folder.path();
    let backend = "backend production";
    ends(dir, &["start", "my-feature", "--reason", "PAY-1", "--confirm", "my-feature"], 0);
    examined(dir, &[], 0).is(backend, "markers", "ok", "none");
    let served = fs::read(dir.join("flags.flagd.json")).unwrap();
    ends(dir, &["abort", "my-feature"], 0);
    examined(dir, &[], 0).is(backend, "markers", "ok", "kept off until the next start: my-feature");
    // a deployment puts back the file as it was
    fs::write(dir.join("flags.flagd.json"), served).unwrap();
    let found = examined(dir, &[], 0);
    found.is(backend, "markers", "warning", "still serves somebody: my-feature");
    found.advises(backend, "markers", "flagstaff abort my-feature");
    replace(&dir.join("flags.flagd.json"), "\"my-feature\"", "\"renamed\"");
    examined(dir, &[], 0).is(backend, "markers", "ok", "not in the file: 1");
}

#[test]
fn nothing_is_left_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir: &Path = folder.path();
    project(dir, &[], &[&here("flags.json")]);
    fs::write(dir.join("flags.json"), SOUND).unwrap();
    let changed = || fs::metadata(dir).unwrap().modified().unwrap();
    let before = changed();
    examined(dir, &[], 0);
    assert_eq!(changed(), before, "something was made in the folder, if only for a moment");
}
