//! One controller with very many active rollouts: how long a pass over one tick of all of them takes, how late that would be
//! at `every: 30s`, and how much memory it needs.
//!
//! `cargo bench --bench controller [ROLLOUTS]` (100,000 unless said). Journal and engine are the real ones. Telemetry and
//! backends answer in this process, at once; time is moved on by hand. The bounds of the design: no tick late, under 1 GiB.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use flagstaff::backend::{Backend, BackendError, Expose, Prepare, Standing};
use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock};
use flagstaff::control::Site;
use flagstaff::control::store::{Batch, Store};
use flagstaff::engine::input::{Issued, Observed, Outcome, Stamp};
use flagstaff::engine::plan::{Audience, Query};
use flagstaff::engine::{Actor, Command, Decimal, Exposure, Input, Observation, Percentage, Reading, Span, Timestamp};
use flagstaff::journal::spool::Spool;
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::spec::{self, Loaded};
use flagstaff::telemetry::{Answered, Source};

const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
const EVERY: Span = Span::seconds(30);
const PASSES: i64 = 5;
/// Rollouts that are opened in one commit.
const AT_ONCE: usize = 2000;

/// Time as the bench sets it: whoever waits is done at once.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.now() < instant {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Healthy, a little different each time.
struct Steady(AtomicU64);

impl Steady {
    fn answer(&self) -> Answered {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        let reading = Reading::Value(Decimal::new(100_000_000_000 + i128::from(count % 99_999_989), -14));
        Answered { reading, detail: None }
    }
}

impl Source for Steady {
    fn place(&self) -> String {
        "steady".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move { queries.iter().map(|_| self.answer()).collect() })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            let instants = std::iter::successors(Some(from), |at| Some(at.plus(every))).take_while(|at| *at <= to);
            instants.map(|at| (at, queries.iter().map(|_| self.answer()).collect())).collect()
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move { queries.iter().map(|_| Ok(())).collect() })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

/// Flags in memory.
struct Flags(Mutex<BTreeMap<String, Observed>>);

impl Flags {
    fn set(&self, flag: &str, observed: Observed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(flag.to_owned(), observed);
    }
}

impl Backend for Flags {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn resolution(&self) -> Percentage {
        Percentage::whole(1)
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        _: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(flag).cloned();
        let gone = || BackendError::Unreachable { place: self.place(), detail: "no such flag".to_owned() };
        Box::pin(async move { seen.ok_or_else(gone) })
    }

    fn expose<'a>(&'a self, _: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn rehearse<'a>(&'a self, _: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn switch_off<'a>(&'a self, _: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn standing<'a>(&'a self, _: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(async { Ok(Standing::Missing) })
    }

    fn prepare<'a>(&'a self, _: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn examine<'a>(&'a self, _: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

fn documents(dir: &Path, releases: usize) -> Loaded {
    let project = "apiVersion: flagstaff/v1\nkind: Project\nmetadata: { name: many }\nspec:\n  sources:\n    prom:\n      \
                   prometheus: { url: \"http://127.0.0.1:9\" }\n      arms: { flag: flag, variant: variant }\n  \
                   environments:\n    here: { backend: { flagd: { path: flags.json } } }\n---\n\
                   apiVersion: flagstaff/v1\nkind: ReleaseTemplate\nmetadata: { name: t }\nspec:\n  stages:\n    \
                   - { name: tenth, percentage: 10%, bake: 24h }\n    - { name: everyone, percentage: 100%, bake: 24h }\n\
                   ---\napiVersion: flagstaff/v1\nkind: ThresholdPolicy\nmetadata: { name: p }\nspec:\n  every: 30s\n  \
                   delay: 5s\n  window: 5m\n  presets: { http: otel }\n  healthy: [ \"error_rate < 1%\", \"p99 < 500ms\" ]\n  \
                   safeguards:\n    - { name: errors, when: \"error_rate > 2%\", for: 2m, then: pause }\n    \
                   - { name: latency, when: \"p99 > 1500ms and requests > 100\", for: 1m, then: shutdown }\n  \
                   no_data: { after: 10m, then: pause }\n";
    std::fs::write(dir.join("flagstaff.yaml"), project).expect("a project");
    std::fs::create_dir(dir.join("flagstaff")).expect("a folder");
    // files of 500 releases each: those that are larger than a person's are refused
    for file in 0..releases.div_ceil(500) {
        let mut text = String::new();
        for number in (file * 500..releases).take(500) {
            let name = format!("r{number}");
            let _ = write!(
                text,
                "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
            );
        }
        std::fs::write(dir.join(format!("flagstaff/{file}.yaml")), text).expect("releases");
    }
    let loaded = spec::load(dir);
    assert!(!loaded.has_errors(), "{:?}", loaded.findings.first());
    loaded
}

/// Opens and starts all of them, so many in one commit.
fn fill(store: &mut Store, loaded: &Loaded, flags: &Flags) {
    let mut plans = loaded.plans().into_iter().peekable();
    while plans.peek().is_some() {
        let mut batch = Batch::default();
        for (_, _, resolved) in plans.by_ref().take(AT_ONCE) {
            let resolved = resolved.expect("a plan");
            let (flag, hash) = (resolved.plan.flag.clone(), resolved.hash.clone());
            let stage = resolved.plan.stages[0].exposure.clone();
            let id = store.open(&mut batch, BEGIN, resolved.plan, resolved.hash);
            let stamp = Stamp { journal: store.journal_id().to_owned(), rollout: id.clone() };
            let seen = |on, exposure, stamp| Observed {
                on,
                exposure,
                foreign: None,
                stamp,
                other_hand: None,
                revision: "1".to_owned(),
                unserved: None,
            };
            let command = Command::Start { stage: 0, stamp: stamp.clone(), plan: hash, again: false, take_over: false };
            let issued = Issued {
                command,
                actor: Actor { name: "bench".to_owned(), known_by: "--as".to_owned() },
                at: BEGIN,
                reason: None,
                saw: None,
                holds: Vec::new(),
                backend: Observation::Seen(seen(false, Exposure::nobody(), None)),
            };
            store.fold(&mut batch, &id, BEGIN, Input::Command(Box::new(issued))).expect("a start");
            let shown = seen(true, stage, Some(stamp));
            flags.set(&flag, shown.clone());
            let backend = Observation::Seen(shown);
            let outcome = Outcome { effect: 1, at: BEGIN, backend, settled: true, trouble: None };
            store.fold(&mut batch, &id, BEGIN, Input::Outcome(outcome)).expect("an outcome");
        }
        store.commit(BEGIN, batch).expect("a commit");
    }
}

fn memory_mib(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(of));
    line.and_then(|size| size.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let releases = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, path) = (folder.path(), folder.path().join("journal.db"));
    let loaded = documents(dir, releases);
    println!("documents in memory: {} MiB", memory_mib("VmRSS:"));
    let journal = SqliteJournal::open(&path).expect("a journal");
    let mut store = Store::load_to_act(Box::new(journal)).expect("a store");
    let flags = Arc::new(Flags(Mutex::default()));
    let began = Instant::now();
    fill(&mut store, &loaded, &flags);
    println!("{releases} rollouts opened in {:.1} s; {} MiB", began.elapsed().as_secs_f64(), memory_mib("VmRSS:"));
    let clock = Arc::new(Hand(AtomicI64::new(BEGIN.0)));
    let actor = Actor { name: "bench".to_owned(), known_by: "--as".to_owned() };
    let backends = BTreeMap::from([("here".to_owned(), flags as Arc<dyn Backend>)]);
    let source: Arc<dyn Source> = Arc::new(Steady(AtomicU64::new(0)));
    let sources = BTreeMap::from([("prom".to_owned(), source)]);
    let spool = Spool::beside(&path);
    let mut site = Site::from_parts(dir, loaded, store, spool, backends, sources, clock.clone(), actor);
    let ids: BTreeSet<String> = site.store.rollouts().map(|rollout| rollout.id.clone()).collect();

    let mut took = Vec::new();
    for pass in 1..=PASSES {
        clock.0.store(BEGIN.plus(Span(EVERY.0 * pass.unsigned_abs())).plus(Span::seconds(5)).0, Ordering::SeqCst);
        let began = Instant::now();
        let passed = site.pass(&ids).await.expect("a pass");
        let ticks = passed.steps.iter().filter(|(_, step)| matches!(step.input, Input::Tick(_))).count();
        assert_eq!(ticks, releases, "every rollout is judged at every tick");
        took.push(began.elapsed().as_secs_f64());
    }
    took.sort_by(f64::total_cmp);
    let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "a pass over a tick of {releases}: median {median:.2} s, slowest {slowest:.2} s; the next falls due after 30 s"
    );
    println!("memory, what the bench's flags take included: {} MiB at most", memory_mib("VmHWM:"));
    let size = std::fs::metadata(&path).map_or(0, |file| file.len()) / 1024 / 1024;
    println!("journal: {size} MiB after {PASSES} ticks");
}
