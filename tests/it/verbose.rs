//! `-v`: what was read, asked and written is on stderr, no secret is, and stdout stays the answer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::page::Page;

fn project(dir: &Path, page: &Page) {
    let text = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: verbose }
spec:
  sources:
    app:
      scrape: { targets: ["PAGE"], every: 200ms }
      arms: { flag: flag, variant: variant }
    prom:
      prometheus: { url: "http://127.0.0.1:9", token_file: token, scrape_every: 200ms }
      arms: { flag: flag, variant: variant }
  environments:
    here: { backend: { flagd: { path: flags.json } } }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: steps }
spec: { stages: [ { name: tenth, percentage: 10%, bake: 10m }, { name: everyone, percentage: 100%, bake: 10m } ] }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 1s
  window: 800ms
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "error_rate < 1%" ]
  safeguards: [ { name: errors, when: "error_rate > 5%", for: 1s, then: shutdown } ]
  no_data: { after: 1h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: { source: app }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: unreachable }
spec: { source: prom }
"#;
    fs::write(dir.join("flagstaff.yaml"), text.replace("PAGE", &page.url)).unwrap();
    fs::write(dir.join("token"), "hush-token\n").unwrap();
}

/// Stdout and stderr.
fn flagstaff(dir: &Path, args: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    let done = command.args(args).current_dir(dir).env_remove("FLAGSTAFF_DIR").output().unwrap();
    let (out, err) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(!format!("{out}{err}").contains("hush"), "{args:?} told a secret\n{out}\n{err}");
    (out, err)
}

#[test]
fn verbose_tells_what_was_read_asked_and_written_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, page) = (folder.path(), Page::serve(&["r"]));
    project(dir, &page);
    let told = |args: &[&str], wanted: &[&str]| {
        let (_, quiet) = flagstaff(dir, args);
        assert!(!quiet.contains(" ms)"), "{args:?} tells it unasked: {quiet}");
        let (out, err) = flagstaff(dir, &[args, &["-v"]].concat());
        for text in wanted {
            assert!(err.contains(text), "{args:?}: `{text}` is not told\n{err}");
        }
        assert!(!out.contains(" ms)"), "{args:?}: {out}");
        (out, err)
    };
    told(&["validate"], &["documents: 1 files, 5 documents ("]);
    told(&["plan", "r"], &["documents: 1 files"]);
    let (_, err) = flagstaff(dir, &["start", "r", "-e", "here", "-v"]);
    for text in [
        "source app (http://127.0.0.1:",
        "page http://127.0.0.1:",
        " samples (",
        "looked for (",
        "http_request_duration_seconds_count",
        "backend flags.json: read r: not there (",
        "backend flags.json: wrote r on for 10%: done (",
        "backend flags.json: read r: on for 10% (",
        " appended, ends at ",
    ] {
        assert!(err.contains(text), "`{text}` is not told\n{err}");
    }
    // a new tick is due
    std::thread::sleep(Duration::from_millis(1200));
    let (_, err) = flagstaff(dir, &["run", "r", "--once", "-v"]);
    for text in ["documents: ", "records read (", " asked at 20", "backend flags.json: read r: on for 10%"] {
        assert!(err.contains(text), "`{text}` is not told\n{err}");
    }
    told(&["audit", "verify"], &["records read ("]);
    told(&["start", "unreachable", "-e", "here"], &["source prom (http://127.0.0.1:9): "]);
    let (out, _) =
        told(&["abort", "r", "-o", "json"], &["backend flags.json: switched r off: done (", " appended, ends at "]);
    assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
}
