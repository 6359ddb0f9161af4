//! The stop path: `abort` and `pause`. They need the Project document alone, never ask, and never wait for the journal.

mod report;
mod stopping;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

pub use self::report::{Recorded, StopOutcome, StopReport};
use self::stopping::Stopping;
use super::error::ControlError;
use super::pass::look;
use super::record::off;
use super::site::backends;
use super::spooled::{SpooledAct, SpooledStop};
use super::store::{Batch, Rollout, Store, is_conflict};
use crate::backend::Backend;
use crate::backend::flagd::Flagd;
use crate::canonical::sha256_hex;
use crate::clock::Clock;
use crate::engine::input::{Actor, Command, Issued, Observation, Outcome};
use crate::engine::plan::{Audience, Target};
use crate::engine::{Effect, EffectKind, Input, Span, Timestamp};
use crate::journal::spool::{Spool, Spooled};
use crate::journal::sqlite::SqliteJournal;
use crate::spec;

/// How long a stop tries to record its intent before it acts.
const RECORDING: Duration = Duration::from_millis(100);
/// How often a record is written again because others appended meanwhile.
const CONFLICTS: usize = 20;
/// What to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// Off for everybody.
    Abort,
    /// No growth; exposure stays.
    Pause,
}

/// A project as far as a stop needs it.
pub struct StopSite {
    journal_path: PathBuf,
    dir: PathBuf,
    store: Result<Store, String>,
    spool: Spool,
    backends: BTreeMap<String, Arc<dyn Backend>>,
    /// Flags by the releases that the documents declare; read only where the journal knows no rollout.
    flags: BTreeMap<String, String>,
    /// The documents' audiences, read likewise: without them our part of a flag looks like another hand's.
    audiences: BTreeMap<String, Audience>,
    clock: Arc<dyn Clock>,
    actor: Actor,
}

impl StopSite {
    /// Opens what there is: the Project document is needed, everything else may be broken.
    ///
    /// # Errors
    /// No readable Project document.
    pub fn open(dir: &Path, actor: Actor, clock: Arc<dyn Clock>) -> Result<StopSite, ControlError> {
        let project = spec::project_only(dir).map_err(ControlError::Invalid)?;
        let journal_path = dir.join(&project.journal);
        Ok(StopSite {
            dir: dir.to_owned(),
            store: open_store(&journal_path),
            spool: Spool::beside(&journal_path),
            backends: backends(dir, &project),
            flags: BTreeMap::new(),
            audiences: BTreeMap::new(),
            journal_path,
            clock,
            actor,
        })
    }

    /// A stop path of given parts: for tests. The store may be missing, with the reason.
    pub fn from_parts(
        dir: &Path,
        journal_path: &Path,
        store: Result<Store, String>,
        backends: BTreeMap<String, Arc<dyn Backend>>,
        clock: Arc<dyn Clock>,
        actor: Actor,
    ) -> StopSite {
        StopSite {
            dir: dir.to_owned(),
            journal_path: journal_path.to_owned(),
            store,
            spool: Spool::beside(journal_path),
            backends,
            flags: BTreeMap::new(),
            audiences: BTreeMap::new(),
            clock,
            actor,
        }
    }

    /// The environments of the project.
    pub fn environments(&self) -> Vec<String> {
        self.backends.keys().cloned().collect()
    }

    /// Addresses of every rollout in progress, for `--all`.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn in_progress(&self) -> Result<Vec<(String, String)>, ControlError> {
        let store = self.store.as_ref().map_err(|why| ControlError::Unreachable(why.clone()))?;
        let live = store.rollouts().filter(|rollout| rollout.state.is_live() || rollout.state.is_stopping());
        Ok(live.map(|rollout| (rollout.plan.release.clone(), rollout.plan.environment.clone())).collect())
    }

    /// Stops releases or flags, each with its environment: first all intents, then all backends at once, so that one that
    /// hangs delays no other.
    pub async fn stop(
        &mut self,
        targets: &[(String, String)],
        kind: StopKind,
        reason: Option<&str>,
        timeout: Span,
    ) -> Vec<StopReport> {
        let began = self.clock.now();
        self.look_up_flags(targets);
        let give_up = began.plus(timeout);
        let sites: Vec<Stopping> = targets.iter().map(|(name, environment)| self.begin(name, environment)).collect();
        let mut recorded: Vec<Option<Recorded>> = Vec::new();
        for site in &sites {
            // a name that only the backend may know is recorded once it is known to be one
            let may_be_nothing = kind == StopKind::Abort && site.id.is_none() && self.journal_is_known();
            recorded.push((!may_be_nothing).then(|| self.intend(site, kind, reason)));
        }
        let clock = Arc::clone(&self.clock);
        let known = self.journal_is_known();
        let outcomes = join_all(sites.iter().map(|site| site.act(kind, known, give_up, &*clock))).await;
        let mut reports = Vec::new();
        for ((site, outcome), recorded) in sites.iter().zip(outcomes).zip(recorded) {
            let recorded = match recorded {
                Some(recorded) => recorded,
                None if outcome == StopOutcome::NoSuchFlag => Recorded::Journal,
                None => self.intend(site, kind, reason),
            };
            if kind == StopKind::Abort {
                self.record_outcome(site).await;
            }
            let driver = matches!(outcome, StopOutcome::NotOff { .. }).then(|| self.driver(&site.address)).flatten();
            let undo = if kind == StopKind::Abort { site.undo() } else { None };
            let (address, rollout) = (site.address.clone(), site.id.clone());
            let took = self.clock.now().since(began);
            reports.push(StopReport { address, rollout, outcome, undo, driver, recorded, took });
        }
        reports
    }

    /// Without a rollout only the documents can tell which flag a release is about. They may be as broken as they like:
    /// what cannot be read there is taken for the flag's key.
    fn look_up_flags(&mut self, targets: &[(String, String)]) {
        if targets.iter().all(|(name, environment)| self.rollout(name, environment).is_some()) {
            return;
        }
        let loaded = spec::load(&self.dir);
        self.audiences = loaded.audiences();
        self.flags = loaded.releases().into_iter().map(|declared| (declared.release, declared.flag)).collect();
    }

    /// Whether what the journal says about rollouts is all there is: it can be read, or nothing ever began.
    fn journal_is_known(&self) -> bool {
        self.store.is_ok() || !self.journal_path.exists()
    }

    fn rollout(&self, name: &str, environment: &str) -> Option<&Rollout> {
        let store = self.store.as_ref().ok()?;
        store.newest(name, environment).or_else(|| store.newest_of_flag(name, environment))
    }

    fn begin(&self, name: &str, environment: &str) -> Stopping {
        let rollout = self.rollout(name, environment);
        let plan = rollout.map(|rollout| rollout.plan.clone());
        Stopping {
            address: plan.as_ref().map_or_else(|| format!("{name}@{environment}"), |plan| plan.address()),
            flag: match &plan {
                Some(plan) => plan.flag.clone(),
                None => self.flags.get(name).cloned().unwrap_or_else(|| name.to_owned()),
            },
            environment: environment.to_owned(),
            id: rollout.map(|rollout| rollout.id.clone()),
            before: rollout.map(|rollout| rollout.state.clone()),
            backends: self.addresses(environment, plan.as_ref().map(|plan| &plan.target)),
            audiences: plan.as_ref().map_or_else(|| self.audiences.clone(), |plan| plan.audiences.clone()),
            plan,
        }
    }

    /// Every address that the plan or the present project names: a stop goes to both.
    fn addresses(&self, environment: &str, pinned: Option<&Target>) -> Vec<Arc<dyn Backend>> {
        let mut found: Vec<Arc<dyn Backend>> = self.backends.get(environment).cloned().into_iter().collect();
        if let Some(Target::Flagd { path }) = pinned {
            let pinned = Flagd::new(&self.dir, path);
            if !found.iter().any(|known| known.place() == pinned.place()) {
                found.push(Arc::new(pinned));
            }
        }
        found
    }

    /// Tries the journal for 100 ms, else the spool.
    fn intend(&mut self, stopping: &Stopping, kind: StopKind, reason: Option<&str>) -> Recorded {
        let Stopping { flag, environment, .. } = stopping;
        let id = stopping.id.as_deref();
        let issued = Issued {
            command: match kind {
                StopKind::Abort => Command::Abort,
                StopKind::Pause => Command::Pause,
            },
            actor: self.actor.clone(),
            at: self.clock.now(),
            reason: reason.map(str::to_owned),
            saw: None,
            holds: Vec::new(),
            backend: Observation::NotRead,
        };
        let now = issued.at;
        let written = self.record(|store| {
            let mut batch = Batch::default();
            match id {
                Some(id) => _ = store.fold(&mut batch, id, now, Input::Command(Box::new(issued.clone())))?,
                // a bare flag key: no rollout's stream is the place for it
                None if kind == StopKind::Abort => batch.put(off(flag, environment, &issued, None)),
                None => {}
            }
            store.commit(now, batch)
        });
        let why = match written {
            Ok(_) => return Recorded::Journal,
            Err(why) => why,
        };
        let stop = SpooledStop {
            rollout: id.map(str::to_owned),
            flag: flag.clone(),
            environment: environment.clone(),
            issued: issued.clone(),
        };
        self.put_aside(issued.at, "stop", &SpooledAct::Stop(Box::new(stop)), why)
    }

    /// Puts into the spool what could not be recorded, and why.
    pub(super) fn put_aside(&self, at: Timestamp, what: &str, act: &SpooledAct, why: String) -> Recorded {
        let body = serde_json::to_value(act).unwrap_or_default();
        // two acts of one process in one millisecond are two
        let known_as = sha256_hex(body.to_string().as_bytes());
        let id = format!("{what}-{}-{}-{}", at.0, std::process::id(), &known_as[..16]);
        match self.spool.put(&Spooled { id, at, body }) {
            Ok(_) => Recorded::Spool(why),
            Err(error) => Recorded::Nowhere(format!("{why}; the spool: {error}")),
        }
    }

    /// Tries the journal for 100 ms, hearing others who append meanwhile.
    ///
    /// # Errors
    /// Why it could not be recorded.
    pub(super) fn record<T>(
        &mut self,
        mut write: impl FnMut(&mut Store) -> Result<T, ControlError>,
    ) -> Result<T, String> {
        let store = self.store.as_mut().map_err(|why| why.clone())?;
        for _ in 0..CONFLICTS {
            match write(store) {
                Err(error) if is_conflict(&error) => _ = store.refresh().map_err(|error| chain(&error))?,
                done => return done.map_err(|error| chain(&error)),
            }
        }
        Err("it is written faster than it can be read".to_owned())
    }

    /// Makes the journal where there is none yet. Failing to leaves the reason where the store would be.
    pub(super) fn make_journal(&mut self) {
        if self.store.is_err() && !self.has_journal() {
            let made = SqliteJournal::open_within(&self.journal_path, RECORDING).map_err(ControlError::from);
            self.store = made.and_then(|journal| Store::load(Box::new(journal))).map_err(|error| chain(&error));
        }
    }

    /// The journal's content, or why it cannot be read.
    ///
    /// # Errors
    /// Why it cannot be read, or that there is none.
    pub fn store(&self) -> Result<&Store, &String> {
        self.store.as_ref()
    }

    /// Whether there is a journal, readable or not.
    pub fn has_journal(&self) -> bool {
        self.journal_path.exists()
    }

    /// Everything that waits beside the journal and can be understood, oldest first.
    pub(super) fn spooled(&self) -> Vec<SpooledAct> {
        self.spool.pending().into_iter().filter_map(|(_, record)| serde_json::from_value(record.body).ok()).collect()
    }

    /// The project's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The backend of an environment.
    pub(super) fn backend(&self, environment: &str) -> Option<Arc<dyn Backend>> {
        self.backends.get(environment).cloned()
    }

    /// The time.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who acts.
    pub(super) fn actor(&self) -> &Actor {
        &self.actor
    }

    async fn record_outcome(&mut self, stopping: &Stopping) {
        let (Ok(store), Some(id), Some(plan)) = (&self.store, &stopping.id, &stopping.plan) else { return };
        let Some(backend) = stopping.backends.first() else { return };
        let open = store.rollout(id).and_then(|rollout| rollout.state.effect.clone());
        let Some(Effect { id: effect, kind: EffectKind::Off, .. }) = open else { return };
        let seen @ Observation::Seen(_) = look(&**backend, plan, &*self.clock).await else { return };
        let at = self.clock.now();
        let outcome = Input::Outcome(Outcome { effect, at, backend: seen, settled: true, trouble: None });
        // a driver that saw it first has recorded it already
        let _ = self.record(|store| {
            let mut batch = Batch::default();
            store.fold(&mut batch, id, at, outcome.clone())?;
            store.commit(at, batch)
        });
    }

    fn driver(&mut self, address: &str) -> Option<String> {
        let now = self.clock.now();
        let drivers = self.store.as_mut().ok()?.journal().drivers().ok()?;
        let alive = drivers.into_iter().find(|driver| {
            driver.drives.iter().any(|driven| driven == address) && now <= driver.next.plus(Span::seconds(30))
        })?;
        Some(format!("{}@{} (alive {} ago)", alive.command, alive.host, now.since(alive.alive)))
    }

    /// Where the journal is, for people.
    pub fn journal_place(&self) -> String {
        self.journal_path.display().to_string()
    }
}

fn open_store(path: &Path) -> Result<Store, String> {
    match SqliteJournal::open_existing(path, RECORDING) {
        Ok(Some(journal)) => Store::load(Box::new(journal)).map_err(|error| chain(&error)),
        Ok(None) => Err(format!("there is no journal at {}", path.display())),
        Err(error) => Err(error.to_string()),
    }
}

fn chain(error: &ControlError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
