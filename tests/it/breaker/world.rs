//! Releases of two kinds in one environment: `r0` … are judged on a metric of the whole service and on one of their own, `q0` …
//! on one of their own alone.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock};
use flagstaff::control::drive::Until;
use flagstaff::control::replay::replay;
use flagstaff::control::{Site, StartOptions, Store};
use flagstaff::engine::decimal::Decimal;
use flagstaff::engine::plan::Query;
use flagstaff::engine::{Command, Input, Phase, Reading, Signal, Span, Timestamp, Unknown};
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::{DriverSeen, Head, Journal, JournalError, NewRecord, Record, Sequence};
use flagstaff::telemetry::{Answered, Source};

use crate::support::model::{BEGIN, Model, Virtual, open};

/// From this tick on something is bad, in seconds.
pub(super) const BREACH: u64 = 600;
/// Its third bad tick, the one at which a rule with `for: 60s` fires, is asked then.
pub(super) const FIRES: u64 = BREACH + 60 + 1;

pub(super) fn seconds(after: u64) -> Timestamp {
    BEGIN.plus(Span::seconds(after))
}

/// What the source knows; instants in seconds.
#[derive(Default)]
pub(super) struct Truth {
    /// When the whole service fails.
    pub(super) lost: Option<(u64, u64)>,
    /// When every question ends with an error.
    pub(super) errs: Option<(u64, u64)>,
    /// Whether it knows afterwards what it did not answer in time.
    pub(super) remembers: bool,
    /// Flags whose own requests fail from the breach on.
    pub(super) sick: BTreeSet<String>,
    /// Flags of which there is nothing from the breach on.
    pub(super) unheard: BTreeSet<String>,
    /// Whether the other source hangs from the breach on.
    pub(super) other_hangs: bool,
}

struct Teller {
    truth: Arc<Mutex<Truth>>,
    clock: Arc<dyn Clock>,
    is_other: bool,
}

impl Teller {
    fn answer(&self, query: &Query, at: Timestamp) -> Answered {
        let truth = self.truth.lock().unwrap();
        let within = |span: Option<(u64, u64)>, at: Timestamp| {
            let after = at.since(BEGIN).0 / 1000;
            span.is_some_and(|(from, to)| from <= after && after < to)
        };
        let is_own = query.matchers.iter().any(|matcher| matcher.label == "flag");
        let breach = at >= seconds(BREACH);
        let asked = if truth.remembers { self.clock.now() } else { at };
        let reading = if within(truth.errs, asked) {
            Reading::Unknown(Unknown::Error)
        } else if is_own && breach && truth.unheard.contains(&query.flag) {
            Reading::Unknown(Unknown::NoAnswer)
        } else {
            let bad = if is_own { breach && truth.sick.contains(&query.flag) } else { within(truth.lost, at) };
            Reading::Value(Decimal::new(1, if bad { -1 } else { -3 }))
        };
        Answered { reading, detail: None }
    }

    async fn wait(&self) {
        let hangs = self.is_other && self.truth.lock().unwrap().other_hangs;
        if hangs && self.clock.now() >= seconds(BREACH) {
            std::future::pending::<()>().await;
        }
    }
}

impl Source for Teller {
    fn place(&self) -> String {
        "teller".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move {
            self.wait().await;
            queries.iter().map(|query| self.answer(query, at)).collect()
        })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            self.wait().await;
            let count = to.since(from).0 / every.0;
            let instants = (0..=count).map(|tick| from.plus(Span(every.0 * tick)));
            instants.map(|at| (at, queries.iter().map(|query| self.answer(query, at)).collect())).collect()
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move { queries.iter().map(|_| Ok(())).collect() })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

/// A journal whose disk may be full.
struct OnDisk(SqliteJournal, Arc<AtomicBool>);

impl Journal for OnDisk {
    fn place(&self) -> String {
        self.0.place()
    }

    fn id(&self) -> &str {
        self.0.id()
    }

    fn head(&mut self) -> Result<Head, JournalError> {
        self.0.head()
    }

    fn append(&mut self, expected: Sequence, records: &[NewRecord]) -> Result<Head, JournalError> {
        self.could_append()?;
        self.0.append(expected, records)
    }

    fn could_append(&mut self) -> Result<(), JournalError> {
        match self.1.load(Ordering::SeqCst) {
            true => Err(JournalError::Unusable { place: self.place(), detail: "the disk is full".to_owned() }),
            false => self.0.could_append(),
        }
    }

    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError> {
        self.0.load(after, at_most)
    }

    fn heartbeat(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.0.heartbeat(driver)
    }

    fn retire(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.0.retire(driver)
    }

    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError> {
        self.0.drivers()
    }
}

fn documents(no_data: &str, breaker: &str, sharing: usize, others: usize) -> String {
    let release = |(name, policy): (String, &str)| {
        format!(
            "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{ policy: {policy} }}\n"
        )
    };
    let sharing = (0..sharing).map(|index| (format!("r{index}"), "sharing"));
    let others = (0..others).map(|index| (format!("q{index}"), "own"));
    let releases: String = sharing.chain(others).map(release).collect();
    let policy = |name: &str, rules: &str| {
        format!(
            r#"---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: {name} }}
spec:
  every: 30s
  delay: 1s
  window: 5m
  metrics:
    error_rate: {{ ratio: {{ of: failed_total, over: all_total }} }}
    lost: {{ scope: service, ratio: {{ of: lost_total, over: sent_total }} }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {rules}{{ name: errors, when: "error_rate > 5%", for: 60s, then: shutdown }} ]
  {no_data}
"#
        )
    };
    let shared = r#"{ name: shared, when: "lost > 5%", for: 60s, then: shutdown }, "#;
    let policies = policy("sharing", shared) + &policy("own", "");
    format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: many }}
spec:
  sources:
    app: {{ prometheus: {{ url: "http://127.0.0.1:9" }}, arms: {{ flag: flag, variant: variant }} }}
    other: {{ prometheus: {{ url: "http://127.0.0.1:9/other" }}, arms: {{ flag: flag, variant: variant }} }}
  environments:
    here: {{ backend: {{ flagd: {{ path: here.json }} }} }}
  defaults: {{ template: long, source: app }}
  {breaker}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: long }}
spec: {{ stages: [ {{ name: half, percentage: 50%, bake: 100h }}, {{ name: most, percentage: 90%, bake: 100h }} ] }}
{policies}{releases}"#
    )
}

/// Everything is started, and nobody drives yet.
pub(super) struct World {
    pub(super) site: Site,
    pub(super) truth: Arc<Mutex<Truth>>,
    pub(super) backend: Arc<Model>,
    /// Whether the journal's disk is full.
    pub(super) full: Arc<AtomicBool>,
    clock: Arc<Virtual>,
    pub(super) dir: tempfile::TempDir,
}

impl World {
    pub(super) fn of(breaker: &str, sharing: usize, others: usize) -> World {
        World::with("no_data: { after: 24h, then: pause }", breaker, sharing, others)
    }

    pub(super) fn with(no_data: &str, breaker: &str, sharing: usize, others: usize) -> World {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flagstaff.yaml"), documents(no_data, breaker, sharing, others)).unwrap();
        let clock = Virtual::at(BEGIN);
        let backend = Model::new("here", clock.clone());
        let site = open(dir.path(), clock.clone());
        let mut world = World { site, truth: Arc::default(), backend, full: Arc::default(), clock, dir };
        world.ports();
        let names = world.site.loaded.releases().into_iter().map(|known| known.release);
        let names: Vec<String> = names.collect();
        let site = &mut world.site;
        let all = async {
            for name in names {
                site.start(&name, "here", &StartOptions::default()).await.unwrap();
            }
        };
        world.clock.run(seconds(BREACH / 2), all).expect("all are started by then");
        world
    }

    /// So many more releases, in an environment of their own.
    pub(super) fn elsewhere(&mut self, count: usize) {
        let path = self.dir.path().join("flagstaff.yaml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let here = "    here: { backend: { flagd: { path: here.json } } }\n";
        let there = "    there: { backend: { flagd: { path: there.json } }, match: { env: there } }\n";
        text = text.replace(here, &format!("{}{there}", here.replace(" } }\n", " }, match: { env: here } }\n")));
        text = text.replace("policy: sharing }", "policy: sharing, environments: [here] }");
        text = text.replace("policy: own }", "policy: own, environments: [here] }");
        let names: Vec<String> = (0..count).map(|index| format!("z{index}")).collect();
        for name in &names {
            text += &format!(
                "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: {name} }}\nspec: {{ policy: own, environments: [there] }}\n"
            );
        }
        std::fs::write(&path, text).unwrap();
        self.again();
        self.site.backends.insert("there".to_owned(), Model::new("there", self.clock.clone()));
        let site = &mut self.site;
        let all = async {
            for name in names {
                site.start(&name, "there", &StartOptions::default()).await.unwrap();
            }
        };
        self.clock.run(seconds(BREACH - 60), all).expect("all are started by then");
    }

    fn ports(&mut self) {
        let path = self.dir.path().join(".flagstaff/journal.db");
        let journal = OnDisk(SqliteJournal::open(&path).unwrap(), self.full.clone());
        self.site.store = Store::load(Box::new(journal)).unwrap();
        self.site.backends.insert("here".to_owned(), self.backend.clone());
        for name in ["app", "other"] {
            let (truth, clock) = (self.truth.clone(), self.clock.clone());
            let teller: Arc<dyn Source> = Arc::new(Teller { truth, clock, is_other: name == "other" });
            self.site.sources.insert(name.to_owned(), teller);
        }
    }

    /// As another process sees it, whatever is wrong with the documents.
    pub(super) fn again(&mut self) {
        let actor = self.site.actor.clone();
        self.site = Site::open(self.dir.path(), actor, self.clock.clone()).unwrap();
        self.ports();
    }

    /// One more release, whose source is the other one.
    pub(super) fn declare_elsewhere(&mut self) {
        let path = self.dir.path().join("flagstaff.yaml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: z }\nspec: { policy: own, source: other }\n";
        std::fs::write(&path, text).unwrap();
        self.again();
        let site = &mut self.site;
        let started = async { site.start("z", "here", &StartOptions::default()).await.unwrap() };
        self.clock.run(seconds(BREACH / 2), started).expect("it is started by then");
    }

    /// One driver drives all until an instant, in seconds.
    pub(super) fn drive(&mut self, until: u64) {
        let ids: BTreeSet<String> = self.site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
        self.drive_ids(&ids, until).expect("the journal is well");
    }

    /// The same of some releases.
    pub(super) fn drive_only(&mut self, releases: &[&str], until: u64) {
        let rollouts = self.site.store.rollouts().filter(|rollout| releases.contains(&rollout.plan.release.as_str()));
        let ids: BTreeSet<String> = rollouts.map(|rollout| rollout.id.clone()).collect();
        self.drive_ids(&ids, until).expect("the journal is well");
    }

    /// The same, where passes fail.
    pub(super) fn drive_badly(&mut self, until: u64) {
        let ids: BTreeSet<String> = self.site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
        let _ = self.drive_ids(&ids, until);
    }

    fn drive_ids(&mut self, ids: &BTreeSet<String>, until: u64) -> Result<(), flagstaff::control::ControlError> {
        let mut nothing = |_: flagstaff::control::drive::Seen<'_>| {};
        let driving = self.site.drive(ids, Until::NobodyIsExposed, &mut nothing);
        self.clock.run(seconds(until), driving).unwrap_or(Ok(()))
    }

    /// Nobody looks until then.
    pub(super) fn away_until(&mut self, until: u64) {
        let clock = self.clock.clone();
        self.clock.run(seconds(until + 1), clock.sleep_until(seconds(until)));
    }

    pub(super) fn command(&mut self, release: &str, command: Command) {
        let (until, site) = (self.clock.now().plus(Span::seconds(20)), &mut self.site);
        let done = self.clock.run(until, site.command(release, "here", command, None, None));
        done.expect("it does not take that long").unwrap();
    }

    /// What the desk does with a signal.
    pub(super) fn signal(&mut self, release: &str, signal: Signal) {
        let id = self.site.store.newest(release, "here").unwrap().id.clone();
        let mut batch = flagstaff::control::store::Batch::default();
        let now = self.clock.now();
        self.site.store.fold(&mut batch, &id, now, Input::Signal(signal)).unwrap();
        self.site.store.commit(now, batch).unwrap();
    }

    pub(super) fn phase(&self, release: &str) -> Phase {
        self.site.store.newest(release, "here").unwrap().state.phase
    }

    /// How many releases of a kind are in a phase.
    pub(super) fn are(&self, phase: Phase, kind: &str) -> usize {
        let rollouts = self.site.store.rollouts().filter(|rollout| rollout.plan.release.starts_with(kind));
        rollouts.filter(|rollout| rollout.state.phase == phase).count()
    }

    /// Every decision comes out as it was recorded.
    pub(super) fn replays(&mut self) {
        let records = self.site.store.journal().load(Sequence::default(), usize::MAX).unwrap();
        replay(&records).unwrap();
    }
}

/// Whether a release's feature is on for anybody, as far as the journal allows.
pub(super) fn on(site: &Site, release: &str) -> bool {
    !site.store.newest(release, "here").unwrap().state.allowed.is_nobody()
}
