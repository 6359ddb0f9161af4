//! `plan` and `apply` on a flag file: what is made reaches nobody, and nothing is released that nobody asked for.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use flagstaff::backend::BackendError;
use flagstaff::clock::SystemClock;
use flagstaff::control::apply::{Commit, Declared, Options};
use flagstaff::control::{ControlError, StartOptions};
use flagstaff::engine::Timestamp;

use crate::cli::{ends, flag, json, live, replace, run};
use crate::support::model::two;

const FILE: &str = "flags.flagd.json";
const FLAG_DOCUMENT: &str = r#"apiVersion: flagstaff/v1
kind: Flag
metadata: { name: my-feature }
spec: { type: experiment, description: the new checkout, owner: payments@acme.example }
"#;
const PROTECTED: [&str; 4] = ["--reason", "PAY-1", "--confirm", "my-feature"];

fn file(dir: &Path) -> String {
    fs::read_to_string(dir.join(FILE)).unwrap()
}

/// Puts another team's flag into the file, under our key.
fn foreign(dir: &Path, body: &Value) {
    let mut whole: Value = serde_json::from_str(&file(dir)).unwrap();
    whole["flags"]["my-feature"] = body.clone();
    fs::write(dir.join(FILE), serde_json::to_string_pretty(&whole).unwrap()).unwrap();
}

fn git(dir: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args(["-c", "user.name=ana", "-c", "user.email=ana@acme.example", "-c", "commit.gpgsign=false"])
        .args(words)
        .output()
        .expect("git: tests/install-servers installs it");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_flag_under_the_stamp_of_another_rollout_is_drift_until_it_is_off() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"], &PROTECTED[..]].concat(), 0);
    let mut flags: Value = serde_json::from_str(&file(dir)).unwrap();
    flags["flags"]["my-feature"]["metadata"]["rollout"] = "another@production#1".into();
    fs::write(dir.join(FILE), serde_json::to_string_pretty(&flags).unwrap()).unwrap();
    let drifted = ends(dir, &["plan", "--drift", "--detailed-exitcode"], 2).out;
    assert!(drifted.contains("under the stamp of another rollout"), "{drifted}");
    ends(dir, &["run", "my-feature"], 7);
    ends(dir, &["abort", "my-feature"], 0);
    ends(dir, &["run", "my-feature", "--once"], 6);
    assert_eq!(json(dir, &["status"], 0)["rollouts"][0]["serves"], Value::Null);
    ends(dir, &["plan", "--drift", "--detailed-exitcode"], 0);
}

#[test]
fn a_flag_is_made_off_for_nobody_and_once() {
    let (dir, _page) = live();
    let dir = dir.path();
    fs::write(dir.join("flagstaff/flags.yaml"), FLAG_DOCUMENT).unwrap();
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("+ my-feature") && planned.contains("1 to create"), "{planned}");
    ends(dir, &["plan", "--detailed-exitcode"], 2);
    assert_eq!(flag(dir, "my-feature"), Value::Null, "a plan wrote something");

    let applied = ends(dir, &["apply", "--yes"], 0).out;
    assert!(applied.contains("created my-feature@production"), "{applied}");
    let made = flag(dir, "my-feature");
    assert_eq!((&made["state"], &made["defaultVariant"]), (&json!("ENABLED"), &json!("off")));
    assert_eq!(made.get("targeting"), None);
    assert_eq!(made["metadata"]["description"], "the new checkout");
    assert_eq!(made["metadata"]["owner"], "payments@acme.example");

    let before = file(dir);
    let again = ends(dir, &["apply", "--yes"], 0).out;
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(file(dir), before);
    ends(dir, &["plan", "--detailed-exitcode"], 0);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert_eq!(log.matches("created my-feature@production").count(), 1, "{log}");
    assert!(log.contains("ana@acme.example"), "{log}");
    ends(dir, &["audit", "verify"], 0);

    // what is said of it is set right, and survives a rollout
    replace(&dir.join("flagstaff/flags.yaml"), "the new checkout", "checkout twice as fast");
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("`the new checkout` becomes `checkout twice as fast`"), "{planned}");
    ends(dir, &["apply", "--yes"], 0);
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    let started = flag(dir, "my-feature");
    assert_eq!(started["metadata"]["description"], "checkout twice as fast");
    assert!(started["metadata"]["rollout"].is_string(), "{started}");
    ends(dir, &["plan", "--detailed-exitcode"], 0);
}

#[test]
fn nobody_is_asked_who_is_not_there() {
    let (dir, _page) = live();
    let refused = ends(dir.path(), &["apply"], 64);
    assert!(refused.err.contains("add --yes"), "{}", refused.err);
    assert_eq!(flag(dir.path(), "my-feature"), Value::Null);
}

#[test]
fn what_somebody_else_made_is_taken_only_where_that_is_asked_for() {
    let (dir, _page) = live();
    let dir = dir.path();
    let on = json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "on" });
    foreign(dir, &on);
    let before = file(dir);
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("not ours, and ON for somebody"), "{planned}");
    let applied = ends(dir, &["apply", "--yes"], 1);
    assert!(applied.err.contains("left as it is: my-feature@production"), "{}", applied.err);
    assert_eq!(file(dir), before);

    // as it is: whoever had it has it, and it cannot be started on
    ends(dir, &["apply", "--yes", "--adopt"], 0);
    let adopted = flag(dir, "my-feature");
    assert_eq!(adopted["metadata"]["managedBy"], "flagstaff");
    for (key, value) in on.as_object().unwrap() {
        assert_eq!(&adopted[key], value);
    }
    let started = run(dir, &[&["start", "my-feature"][..], &PROTECTED].concat());
    assert_eq!(started.code, 1, "{}", started.both());
    assert_eq!(flag(dir, "my-feature")["defaultVariant"], "on");

    // one whose variants are others cannot be
    foreign(dir, &json!({ "state": "ENABLED", "variants": { "a": 1, "b": 2 }, "defaultVariant": "a" }));
    let before = file(dir);
    let refused = ends(dir, &["apply", "--yes", "--adopt"], 1);
    assert!(refused.both().contains("its variants are others"), "{}", refused.both());
    assert_eq!(file(dir), before);
}

#[test]
fn what_reaches_people_without_a_rollout_of_this_journal_is_the_loudest_line() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["apply", "--yes"], 0);
    ends(dir, &["plan", "--detailed-exitcode"], 0);
    // somebody switches on by hand what was only prepared
    let mut whole: Value = serde_json::from_str(&file(dir)).unwrap();
    whole["flags"]["my-feature"]["defaultVariant"] = json!("on");
    fs::write(dir.join(FILE), whole.to_string()).unwrap();
    let planned = ends(dir, &["plan", "--detailed-exitcode"], 2).out;
    assert!(planned.contains("! my-feature  ON for"), "{planned}");
    assert!(planned.contains("and no rollout of this journal allows it"), "{planned}");
    assert!(planned.contains("`flagstaff abort my-feature -e production` switches it off"), "{planned}");
    assert!(planned.contains("1 ON without a rollout") && !planned.contains("nothing to do"), "{planned}");
    ends(dir, &["abort", "my-feature", "-e", "production"], 0);
    let planned = ends(dir, &["plan"], 0).out;
    assert!(!planned.contains("ON for"), "{planned}");

    // and what another journal drives
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    fs::remove_dir_all(dir.join(".flagstaff")).unwrap();
    let answer = json(dir, &["plan", "--detailed-exitcode"], 2);
    let reaches = answer["flags"][0]["reaches"].as_str().unwrap();
    assert!(reaches.starts_with("employees, by rollout my-feature@production#"), "{reaches}");
    assert!(reaches.contains("of another journal"), "{reaches}");
}

#[test]
fn a_saved_plan_is_done_only_while_nothing_has_changed() {
    type Edit = fn(&Path);
    let edits: [(&str, Edit); 4] = [
        ("flag my-feature@production", |dir| {
            foreign(
                dir,
                &json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" }),
            )
        }),
        ("documents of my-feature@production", |dir| {
            replace(&dir.join("flagstaff/policies.yaml"), "error_rate > 2%", "error_rate > 3%")
        }),
        ("rollout my-feature@production", |dir| {
            ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
        }),
        ("flag my-feature@production", |dir| fs::write(dir.join("flagstaff/flags.yaml"), FLAG_DOCUMENT).unwrap()),
    ];
    for (what, edit) in edits {
        let (dir, _page) = live();
        let dir = dir.path();
        ends(dir, &["plan", "--save", "saved.json"], 0);
        edit(dir);
        let before = file(dir);
        let refused = ends(dir, &["apply", "saved.json", "--yes"], 1);
        assert!(refused.err.contains("changed since it was planned") && refused.err.contains(what), "{}", refused.err);
        assert_eq!(file(dir), before, "{what}");
    }
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["plan", "--save", "saved.json"], 0);
    ends(dir, &["apply", "saved.json", "--yes"], 0);
    assert_eq!(flag(dir, "my-feature")["defaultVariant"], "off");
    for (name, text) in
        [("none.json", None), ("odd.json", Some("{\"schema\":\"x\"}")), ("bad.json", Some("\u{1b}[31m"))]
    {
        text.iter().for_each(|text| fs::write(dir.join(name), text).unwrap());
        let refused = ends(dir, &["apply", name, "--yes"], 1);
        assert!(refused.err.contains(name) && !refused.err.contains('\u{1b}'), "{}", refused.err);
    }
}

#[test]
fn a_saved_plan_starts_only_what_was_planned_to_start() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &["plan", "--save", "saved.json"], 0);
    let refused = ends(dir, &[&["apply", "saved.json", "--yes", "--start"][..], &PROTECTED].concat(), 64);
    assert!(refused.err.contains("it was planned without --start"), "{}", refused.err);
    assert_eq!(flag(dir, "my-feature"), Value::Null);
    let planned = ends(dir, &["plan", "--start", "--save", "saved.json"], 0).out;
    assert!(planned.contains("starts: ON for employees at once") && planned.contains("1 to START"), "{planned}");
    ends(dir, &[&["apply", "saved.json", "--yes"][..], &PROTECTED].concat(), 0);
    assert!(flag(dir, "my-feature")["metadata"]["rollout"].is_string());
}

#[test]
fn a_plan_that_cannot_be_adopted_is_told_and_no_success() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    replace(&dir.join("flagstaff/audiences.yaml"), "@acme.example", "@elsewhere.example");
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("REACHES OTHERS  audiences employees"), "{planned}");
    replace(&dir.join("flagstaff/templates.yaml"), "name: internal", "name: inside");
    let args = [&["apply", "--yes", "--adopt"][..], &PROTECTED].concat();
    let answer = json(dir, &args, 1);
    assert_eq!(answer["blocked"][0]["address"], "my-feature@production", "{answer}");
}

#[test]
fn documents_older_than_the_last_applied_are_refused() {
    let (dir, _page) = live();
    let dir = dir.path();
    git(dir, &["init", "-q", "."]);
    fs::write(dir.join(".gitignore"), format!(".flagstaff/\n{FILE}\n")).unwrap();
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "one"]);
    let first = git(dir, &["rev-parse", "HEAD"]);
    ends(dir, &["apply", "--yes"], 0);
    fs::write(dir.join("flagstaff/flags.yaml"), FLAG_DOCUMENT).unwrap();
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "two"]);
    ends(dir, &["apply", "--yes"], 0);
    let second = git(dir, &["rev-parse", "HEAD"]);
    let before = file(dir);
    git(dir, &["checkout", "-q", &first]);
    let planned = ends(dir, &["plan"], 0);
    assert!(planned.err.contains("older") && planned.err.contains("apply refuses them"), "{}", planned.err);
    ends(dir, &["plan", "--save", "old.json"], 1);
    let refused = ends(dir, &["apply", "--yes", "--start"], 1);
    assert!(refused.err.contains("older") && refused.err.contains(&second), "{}", refused.err);
    assert_eq!(file(dir), before);
    // a revert is a newer commit
    git(dir, &["checkout", "-q", "-b", "back", &second]);
    git(dir, &["revert", "--no-edit", "HEAD"]);
    ends(dir, &["apply", "--yes"], 0);
    // where history is not there to tell, the time of the commits does
    let shallow = tempfile::tempdir().unwrap();
    let from = format!("file://{}", dir.display());
    git(shallow.path(), &["clone", "-q", "--depth", "1", &from, "."]);
    git(shallow.path(), &["commit", "-q", "--allow-empty", "--date", "2001-01-01T00:00:00Z", "-m", "x"]);
    fs::create_dir_all(shallow.path().join(".flagstaff")).unwrap();
    fs::copy(dir.join(".flagstaff/journal.db"), shallow.path().join(".flagstaff/journal.db")).unwrap();
    ends(shallow.path(), &["apply", "--yes"], 0);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains(&format!("applied commit {second}")), "{log}");
}

#[test]
fn drift_is_told_worst_first_and_with_broken_documents_too() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    assert!(ends(dir, &["plan", "--drift", "--detailed-exitcode"], 0).out.contains("no drift"));
    let mut larger = flag(dir, "my-feature");
    larger["defaultVariant"] = json!("on");
    foreign(dir, &larger);
    fs::write(dir.join("flagstaff/broken.yaml"), "apiVersion: flagstaff/v1\nkind: [\n").unwrap();
    let told = ends(dir, &["plan", "--drift", "--detailed-exitcode"], 2).out;
    assert!(told.contains("my-feature@production") && told.contains("MORE than allowed"), "{told}");
    ends(dir, &["plan", "--drift"], 0);
    ends(dir, &["plan"], 3);
    ends(dir, &["apply", "--yes"], 3);
    fs::remove_file(dir.join("flagstaff/broken.yaml")).unwrap();
    let answer = json(dir, &["plan"], 0);
    assert_eq!(answer["drift"][0]["larger"], true);
    assert_eq!(answer["differs"], true);
    foreign(dir, &json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" }));
    let told = ends(dir, &["plan", "--drift"], 0).out;
    assert!(told.contains("less than allowed"), "{told}");
    fs::write(dir.join(FILE), "not JSON").unwrap();
    let told = ends(dir, &["plan", "--drift"], 5).out;
    assert!(told.contains("nobody knows whom"), "{told}");
    ends(dir, &["plan", "--save", "saved.json"], 5);
    assert!(!dir.join("saved.json").exists());
}

#[test]
fn what_runs_goes_on_by_its_pinned_plan_until_a_person_adopts() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    let pinned = json(dir, &["status"], 0)["rollouts"][0]["plan"].clone();
    replace(&dir.join("flagstaff/policies.yaml"), "error_rate > 2%", "error_rate > 3%");
    let planned = ends(dir, &["plan", "--detailed-exitcode"], 2).out;
    assert!(planned.contains("goes on by its pinned plan"), "{planned}");
    assert!(planned.contains("safeguards errors: error_rate > 2%") && planned.contains("error_rate > 3%"), "{planned}");
    ends(dir, &["apply", "--yes"], 0);
    assert_eq!(json(dir, &["status"], 0)["rollouts"][0]["plan"], pinned);
    // adopting can grow: a protected environment asks
    let asked = ends(dir, &["apply", "--yes", "--adopt"], 64);
    assert!(asked.err.contains("a reason is needed"), "{}", asked.err);
    ends(dir, &[&["apply", "--yes", "--adopt"][..], &PROTECTED].concat(), 0);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(log.contains("adopted") && log.contains("PAY-1"), "{log}");
    ends(dir, &["plan", "--detailed-exitcode"], 0);
    ends(dir, &["audit", "replay"], 0);

    // another exposure at the stage is no plan for this rollout
    let templates = dir.join("flagstaff/templates.yaml");
    let text = fs::read_to_string(&templates).unwrap();
    let first = text.lines().find(|line| line.contains("- { name:")).unwrap().to_owned();
    fs::write(&templates, text.replace(&first, "    - { name: other, percentage: 1%, bake: 1h }")).unwrap();
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("cannot be adopted"), "{planned}");
    let before = file(dir);
    ends(dir, &[&["apply", "--yes", "--adopt"][..], &PROTECTED].concat(), 1);
    assert_eq!(file(dir), before);

    // and a document that is gone holds
    fs::remove_file(dir.join("flagstaff/releases.yaml")).unwrap();
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("no document declares it any more: it holds"), "{planned}");
}

#[test]
fn a_start_is_asked_for_named_and_confirmed() {
    let (dir, _page) = live();
    let dir = dir.path();
    let planned = ends(dir, &["apply", "--yes"], 0);
    assert!(planned.out.contains("not started: my-feature@production"), "{}", planned.both());
    assert_eq!(json(dir, &["status"], 0)["rollouts"], json!([]));
    ends(dir, &["apply", "--yes", "--start"], 64);
    ends(dir, &["apply", "--yes", "--start", "--reason", "PAY-1", "--confirm", "other"], 64);
    assert_eq!(flag(dir, "my-feature").get("targeting"), None);
    let started = ends(dir, &[&["apply", "--yes", "--start"][..], &PROTECTED].concat(), 0).out;
    assert!(started.contains("starts: ON for") && started.contains("started my-feature@production"), "{started}");
    assert!(flag(dir, "my-feature").get("targeting").is_some());
    let again = ends(dir, &[&["apply", "--yes", "--start"][..], &PROTECTED].concat(), 0).out;
    assert!(!again.contains("started"), "{again}");
    // what was stopped is started by a person, by name
    ends(dir, &["abort", "my-feature"], 0);
    let again = ends(dir, &[&["apply", "--yes", "--start"][..], &PROTECTED].concat(), 0).out;
    assert!(!again.contains("started"), "{again}");
    assert_eq!(flag(dir, "my-feature").get("targeting"), None);
}

#[test]
fn of_several_environments_a_start_names_one() {
    let (dir, _page) = live();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "    production:\n",
        "    staging:\n      backend: { flagd: { path: staging.flagd.json } }\n      match: { env: staging }\n    production:\n      match: { env: production }\n",
    );
    replace(&dir.join("flagstaff.yaml"), "environments: [production]", "environments: [staging, production]");
    ends(dir, &["plan", "-e", "nowhere"], 64);
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("2 to create"), "{planned}");
    assert!(planned.find("staging").unwrap() < planned.find("production").unwrap(), "{planned}");
    let refused = ends(dir, &[&["apply", "--yes", "--start"][..], &PROTECTED].concat(), 64);
    assert!(refused.err.contains("-e"), "{}", refused.err);
    assert!(!dir.join("staging.flagd.json").exists());
    ends(dir, &["apply", "--yes", "-e", "staging"], 0);
    assert!(dir.join("staging.flagd.json").exists());
    assert_eq!(flag(dir, "my-feature"), Value::Null);
}

#[test]
fn of_several_environments_an_adoption_names_one() {
    let (dir, _page) = live();
    let dir = dir.path();
    replace(
        &dir.join("flagstaff.yaml"),
        "    production:\n",
        "    staging:\n      backend: { flagd: { path: staging.flagd.json } }\n      match: { env: staging }\n    production:\n      match: { env: production }\n",
    );
    replace(&dir.join("flagstaff.yaml"), "environments: [production]", "environments: [staging, production]");
    for environment in ["staging", "production"] {
        ends(dir, &[&["start", "my-feature", "-e", environment][..], &PROTECTED].concat(), 0);
    }
    replace(&dir.join("flagstaff/policies.yaml"), "error_rate > 2%", "error_rate > 3%");
    let refused = ends(dir, &[&["apply", "--yes", "--adopt"][..], &PROTECTED].concat(), 64);
    assert!(refused.err.contains("--adopt names one of them with -e"), "{}", refused.err);
    let log = ends(dir, &["audit", "log"], 0).out;
    assert!(!log.contains("adopted"), "{log}");
    ends(dir, &["apply", "--yes", "--adopt", "-e", "staging"], 0);
    let planned = ends(dir, &["plan"], 0).out;
    assert!(planned.contains("my-feature@production") && !planned.contains("my-feature@staging"), "{planned}");
    // what adopts nothing names nothing
    ends(dir, &["apply", "--yes"], 0);
}

#[tokio::test]
async fn a_flag_that_may_not_be_edited_keeps_no_other_from_being_made() {
    let mut world = two(Arc::new(SystemClock));
    let documents = world.dir.path().join("flagstaff.yaml");
    replace(
        &documents,
        "spec: { environments: [slow], source: other }",
        "spec: { environments: [fast], source: other }",
    );
    world = world.again();
    world.fast.ways.lock().unwrap().forbidden = Some("r".to_owned());
    let proposal = world.site.propose(None, &|_, _| ()).await;
    let rows = world.site.apply(&proposal, &Options::default(), &|_, _| ()).await.unwrap();
    let failed: Vec<&str> = rows.iter().filter(|row| row.error.is_some()).map(|row| row.address.as_str()).collect();
    assert_eq!((rows.len(), failed), (2, vec!["r@fast"]));
    assert_eq!(world.fast.log.all("prepared s").len(), 1);
}

#[tokio::test]
async fn a_commit_is_not_applied_while_a_flag_could_not_be_asked_about() {
    let mut world = two(Arc::new(SystemClock));
    world.slow.ways.lock().unwrap().standing = Some(world.slow.unreachable());
    for (error, known) in [(Some(world.slow.unreachable()), false), (None, true)] {
        world.slow.ways.lock().unwrap().standing = error;
        let mut proposal = world.site.propose(None, &|_, _| ()).await;
        proposal.commit = Some(Commit { id: "c0ffee".to_owned(), at: Timestamp(1), dirty: false });
        world.site.apply(&proposal, &Options::default(), &|_, _| ()).await.unwrap();
        assert_eq!(world.site.store.applied().is_some(), known);
    }
}

#[tokio::test]
async fn what_is_started_is_what_was_planned() {
    let mut world = two(Arc::new(SystemClock));
    let proposal = world.site.propose(Some("fast"), &|_, _| ()).await;
    // somebody pulls while flags are made
    replace(&world.dir.path().join("flagstaff.yaml"), "percentage: 10%", "percentage: 40%");
    world = world.again();
    let options = Options { start: true, ..Options::default() };
    let rows = world.site.apply(&proposal, &options, &|_, _| ()).await.unwrap();
    let started = rows.iter().find(|row| row.address == "r@fast" && row.done.word() == "started").unwrap();
    let Some(ControlError::Refused(refusal)) = &started.error else { panic!("{started:?}") };
    assert!(refusal.reason.contains("documents changed"), "{refusal:?}");
    assert!(world.site.store.rollouts().next().is_none() && world.fast.log.all("expose").is_empty());
    // looked at again, it is
    let proposal = world.site.propose(Some("fast"), &|_, _| ()).await;
    assert!(proposal.rollouts.iter().any(|row| matches!(row.declared, Declared::NotStarted { .. })));
    let rows = world.site.apply(&proposal, &options, &|_, _| ()).await.unwrap();
    assert!(rows.iter().all(|row| row.error.is_none()), "{rows:?}");
    assert_eq!(world.fast.log.all("expose").len(), 1);
}

#[tokio::test]
async fn only_what_does_not_answer_is_unreachable() {
    let refused = BackendError::Refused { place: "fast".to_owned(), detail: "no such environment".to_owned() };
    let mut world = two(Arc::new(SystemClock));
    world.fast.ways.lock().unwrap().read = Some(refused);
    let started = world.site.start("r", "fast", &StartOptions::default()).await;
    assert!(matches!(&started, Err(ControlError::Failed(why)) if why.contains("no such environment")), "{started:?}");
    world.fast.ways.lock().unwrap().read = Some(world.fast.unreachable());
    let started = world.site.start("r", "fast", &StartOptions::default()).await;
    assert!(matches!(started, Err(ControlError::Unreachable(_))), "{started:?}");

    // and what a start by `apply` was refused, or not told
    let conflict = BackendError::Conflict { place: "fast".to_owned(), detail: "it changed".to_owned() };
    for (error, is_unreachable) in [(conflict, false), (world.fast.unreachable(), true)] {
        let mut world = two(Arc::new(SystemClock));
        world.fast.ways.lock().unwrap().expose = Some(error);
        let proposal = world.site.propose(Some("fast"), &|_, _| ()).await;
        let options = Options { start: true, ..Options::default() };
        let rows = world.site.apply(&proposal, &options, &|_, _| ()).await.unwrap();
        let error = rows.iter().find_map(|row| row.error.as_ref()).expect("it did not start");
        assert_eq!(matches!(error, ControlError::Unreachable(_)), is_unreachable, "{error:?}");
        assert_eq!(matches!(error, ControlError::Failed(_)), !is_unreachable, "{error:?}");
    }
}

#[tokio::test]
async fn what_a_stop_has_not_reached_yet_is_drift() {
    let mut world = two(Arc::new(SystemClock));
    world.site.start("r", "fast", &StartOptions::default()).await.unwrap();
    assert!(world.site.drift(None).await.is_empty());
    world.fast.ways.lock().unwrap().off = Some(world.fast.unreachable());
    let rollback = flagstaff::engine::Command::Rollback { stage: None };
    let report = world.site.command("r", "fast", rollback, None, None).await.unwrap();
    assert!(report.unconfirmed, "{report:?}");
    let drift = world.site.drift(None).await;
    assert!(matches!(drift.as_slice(), [only] if only.larger && only.address == "r@fast"), "{drift:?}");
    // nobody is served any more: what is left is to be told so
    world.fast.ways.lock().unwrap().off = None;
    flagstaff::backend::Backend::switch_off(&*world.fast, "r").await.unwrap();
    assert!(world.site.drift(None).await.is_empty());
}

#[test]
fn a_stop_that_is_not_confirmed_is_no_silence() {
    let (dir, _page) = live();
    let dir = dir.path();
    ends(dir, &[&["start", "my-feature"][..], &PROTECTED].concat(), 0);
    let kept = fs::read(dir.join(FILE)).unwrap();
    fs::remove_file(dir.join(FILE)).unwrap();
    ends(dir, &["abort", "my-feature", "--timeout", "1s"], 5);
    let told = ends(dir, &["plan", "--drift", "--detailed-exitcode"], 5).out;
    assert!(told.contains("my-feature@production") && told.contains("put the file back"), "{told}");
    fs::write(dir.join(FILE), kept).unwrap();
    let told = ends(dir, &["plan", "--drift", "--detailed-exitcode"], 2).out;
    assert!(told.contains("MORE than allowed"), "{told}");
    ends(dir, &["abort", "my-feature"], 0);
    ends(dir, &["plan", "--drift", "--detailed-exitcode"], 0);
}
