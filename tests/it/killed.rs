//! A real `run`, killed at random moments: no acknowledged record is lost, nothing advances twice, and it goes on.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flagstaff::control::record::FoldBody;
use flagstaff::control::replay::replay;
use flagstaff::engine::{Event, Phase, State};
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::verify::verify;
use flagstaff::journal::{Journal, Record, Sequence};

use crate::support::page::Page;

const KILLS: usize = 200;

fn project(dir: &Path, page: &Page) {
    let stages: String = (1..=40).map(|n| format!("    - {{ name: s{n}, percentage: {n}% }}\n")).collect();
    let text = format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: killed }}
spec:
  sources:
    app:
      scrape: {{ targets: ["{}"], every: 20ms }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {{ flagd: {{ path: flags.json }} }} }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: many }}
spec:
  stages:
{stages}---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 40ms
  window: 80ms
  presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code="500"' }} }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {{ name: errors, when: "error_rate > 5%", then: shutdown }} ]
  no_data: {{ after: 1h, then: pause }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: r }}
spec: {{}}
"#,
        page.url
    );
    fs::write(dir.join("flagstaff.yaml"), text).unwrap();
}

fn flagstaff(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(dir).args(args);
    command
}

fn records(dir: &Path) -> (String, Vec<Record>) {
    let mut journal = SqliteJournal::open(&dir.join(".flagstaff/journal.db")).unwrap();
    let records = journal.load(Sequence(0), usize::MAX).unwrap();
    (journal.id().to_owned(), records)
}

/// Folds the newest rollout's events, and checks that each growth goes one stage up and was intended before.
fn state(records: &[Record]) -> State {
    let mut state = State::default();
    let mut stream = String::new();
    for record in records.iter().filter(|record| record.new.kind == "fold") {
        if record.new.stream != stream {
            stream.clone_from(&record.new.stream);
            state = State::default();
        }
        let body: FoldBody = serde_json::from_str(&record.new.body).unwrap();
        for event in body.steps.iter().flat_map(|step| &step.events) {
            if let Event::Effective { stage, effect, .. } = event {
                let open = state.effect.as_ref().expect("a growth is intended before it is effective");
                assert_eq!(open.id, *effect);
                assert!(*stage <= state.stage + 1, "advanced twice: from {} to {stage}", state.stage);
            }
            state.apply(event);
        }
    }
    state
}

#[test]
fn killed_at_two_hundred_moments_it_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let page = Page::serve(&["r"]);
    project(folder.path(), &page);
    let mut random: u64 = 20_261_123;
    let mut reached = 0;
    for kill in 0..KILLS {
        let args = ["run", "r", "-e", "here", "-o", "jsonl"];
        let mut child = flagstaff(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // from before the first record to after several advances
        std::thread::sleep(Duration::from_millis(5 + (random >> 33) % 300));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut told = String::new();
        child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
        if !folder.path().join(".flagstaff/journal.db").exists() {
            continue;
        }
        let (id, records) = records(folder.path());
        verify(&id, &records, None).unwrap_or_else(|damage| panic!("kill {kill}: {damage}"));
        replay(&records).unwrap_or_else(|difference| panic!("kill {kill}: {difference}"));
        for line in told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
            // what was told was recorded before
            if let Some(event) = line.get("event") {
                let event: Event = serde_json::from_value(event.clone()).unwrap();
                let text = flagstaff::canonical::to_string(&event).unwrap();
                assert!(records.iter().any(|record| record.new.body.contains(&text)), "kill {kill}: lost {text}");
            }
        }
        let state = state(&records);
        reached = reached.max(state.stage);
        match state.phase {
            Phase::Paused => {
                // a start whose write was cut off is paused: a person resumes it
                flagstaff(folder.path(), &["resume", "r", "-e", "here"]).output().unwrap();
            }
            Phase::Completed => {
                flagstaff(folder.path(), &["abort", "r"]).output().unwrap();
                flagstaff(folder.path(), &["start", "r", "-e", "here", "--again"]).output().unwrap();
            }
            _ => {}
        }
    }
    assert!(reached > 5, "it hardly advanced between kills: stage {reached}");
    // and a stop arrives
    let off = flagstaff(folder.path(), &["abort", "r"]).output().unwrap();
    assert!(off.status.success(), "{off:?}");
    let file = fs::read_to_string(folder.path().join("flags.json")).unwrap();
    let flags: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(flags["flags"]["r"]["defaultVariant"], "off");
    assert!(flags["flags"]["r"].get("targeting").is_none());
}
