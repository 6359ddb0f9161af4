//! One process that drives 1,000 releases from one metrics page: how long a tick takes, and how much memory it needs.
//!
//! `cargo bench --bench many [RELEASES]`. The bound is a tick well under a second.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "the page is the tests' own, and may")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use flagstaff::clock::{Clock, SystemClock};
use flagstaff::control::{Site, StartOptions};
use flagstaff::engine::{Actor, Span};

#[path = "../tests/it/support/page.rs"]
mod page;

const EVERY: Span = Span::seconds(5);
const TICKS: usize = 12;

fn project(dir: &Path, url: &str, releases: usize) {
    let mut text = format!(
        "apiVersion: flagstaff/v1\nkind: Project\nmetadata: {{ name: many }}\nspec:\n  sources:\n    app:\n      \
         scrape: {{ targets: [\"{url}\"], every: 1s }}\n      arms: {{ flag: flag, variant: variant }}\n  \
         environments:\n    here: {{ backend: {{ flagd: {{ path: flags.json }} }} }}\n---\n\
         apiVersion: flagstaff/v1\nkind: ReleaseTemplate\nmetadata: {{ name: t }}\nspec:\n  stages:\n    \
         - {{ name: tenth, percentage: 10%, bake: 10m }}\n    - {{ name: everyone, percentage: 100%, bake: 10m }}\n---\n\
         apiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: {{ name: p }}\nspec:\n  every: 5s\n  window: 4s\n  \
         presets: {{ http: {{ duration: http_request_duration_seconds, failed: 'code=\"500\"' }} }}\n  \
         healthy: [ \"error_rate < 1%\", \"p99 < 500ms\" ]\n  safeguards:\n    \
         - {{ name: errors, when: \"error_rate > 5%\", for: 10s, then: shutdown }}\n  \
         no_data: {{ after: 1h, then: pause }}\n"
    );
    for number in 0..releases {
        let _ =
            write!(text, "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: r{number} }}\nspec: {{}}\n");
    }
    std::fs::write(dir.join("flagstaff.yaml"), text).expect("a project");
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let releases = numbers.first().copied().unwrap_or(1000);
    let flags: Vec<String> = (0..releases).map(|number| format!("r{number}")).collect();
    let page = page::Page::serve(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = tempfile::tempdir().expect("a folder");
    // healthy traffic: nothing stops, every rollout is judged at every tick
    page.failing.store(false, Ordering::SeqCst);
    project(folder.path(), &page.url, releases);
    let actor = Actor { name: "bench".to_owned(), known_by: "--as".to_owned() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut site = Site::open(folder.path(), actor, clock.clone()).expect("a project");

    let began = Instant::now();
    for flag in &flags {
        site.start(flag, "here", &StartOptions::default()).await.expect("a start");
    }
    println!("{releases} starts: {:.1} s", began.elapsed().as_secs_f64());

    let ids: BTreeSet<String> = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
    let mut reading = tokio::task::JoinSet::new();
    for scrape in &site.scrapes {
        let series = site.store.rollouts().flat_map(|rollout| &rollout.plan.series);
        scrape.watch(&series.map(|series| series.query.clone()).collect::<Vec<_>>());
        let scrape = scrape.clone();
        reading.spawn(async move { scrape.keep_reading().await });
    }
    let mut ticks = Vec::new();
    while ticks.len() < TICKS {
        let began = Instant::now();
        let passed = site.pass(&ids).await.expect("a pass");
        let ticked = passed.steps.iter().filter(|(_, step)| matches!(step.input, flagstaff::engine::Input::Tick(_)));
        if ticked.count() >= releases {
            ticks.push(began.elapsed().as_secs_f64());
        }
        let next = passed.next.unwrap_or(clock.now().plus(EVERY));
        clock.sleep_until(next.max(clock.now().plus(Span(20)))).await;
    }
    ticks.sort_by(f64::total_cmp);
    let (median, slowest) = (ticks[TICKS / 2], ticks[TICKS - 1]);
    println!("a tick of {releases} releases: median {median:.3} s, slowest {slowest:.3} s, every {} s", EVERY.0 / 1000);
    println!("memory, the metrics page of the bench included: {} MiB at most", memory_mib());
}
