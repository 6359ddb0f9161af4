//! `abort` as it is typed, against `curl`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::server::{Server, TOKEN, environment};
use crate::{Times, page::Page, project};

const RELEASE: &str = "off-by-abort";

/// Both sides in each round, who comes first by turns. A rollout is begun before each, and the flag switched on between.
pub(super) fn measure(server: &Server, rounds: usize) -> (Times, Times) {
    let (folder, page) = (tempfile::tempdir().expect("a folder"), Page::serve(&[RELEASE]));
    project::write(folder.path(), RELEASE, "1s", &server.url, &page.url);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut start = flagstaff(folder.path(), &["start", RELEASE, "-e", "production"]);
        took(start.args(if round > 0 { vec!["--again"] } else { vec![] }));
        let mut sides =
            [(&mut ours, flagstaff(folder.path(), &["abort", RELEASE, "-e", "production"])), (&mut bare, curl(server))];
        if round % 2 == 1 {
            sides.reverse();
        }
        for (times, mut command) in sides {
            server.ours("POST", &format!("{}/on", environment(RELEASE)), None);
            let time = took(&mut command);
            assert!(!is_on(server), "{command:?} left it on");
            // the first round pays for what is done once
            if round > 0 {
                times.push(time);
            }
        }
    }
    (Times::of(ours), Times::of(bare))
}

fn is_on(server: &Server) -> bool {
    server.ours("GET", &environment(RELEASE), None)["enabled"] == true
}

fn flagstaff(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(folder).args(args).env("SHOP_TOKEN", TOKEN).env("FLAGSTAFF_ACTOR", "bench");
    command
}

fn curl(server: &Server) -> Command {
    let mut command = Command::new("curl");
    command.args(["-sSf", "-X", "POST", "-H"]).arg(format!("Authorization: {TOKEN}"));
    command.arg(format!("{}{}/off", server.url, environment(RELEASE)));
    command
}

/// How long a process takes from its start to its end, in milliseconds.
fn took(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().expect("it starts");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    took
}
