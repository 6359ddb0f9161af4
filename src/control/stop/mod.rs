//! The stop path: `abort` and `pause`. They need the Project document alone, never ask, and never wait for the journal.

mod report;
mod stopping;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

pub use self::report::{Recorded, StopOutcome, StopReport};
use self::stopping::Stopping;
use super::backends;
use super::error::ControlError;
use super::pass::look;
use super::record::Step;
use super::spooled::SpooledStop;
use super::store::{Batch, Rollout, Store, is_conflict};
use crate::backend::Backend;
use crate::canonical::sha256_hex;
use crate::clock::Clock;
use crate::engine::input::{Actor, Command, Issued, Observation, Outcome};
use crate::engine::plan::Target;
use crate::engine::{Effect, EffectKind, Input, Span, Timestamp};
use crate::journal::Journal;
use crate::journal::spool::{Spool, Spooled};
use crate::journal::sqlite::SqliteJournal;
use crate::spec;
use crate::spec::documents::AccessDoc;

/// How long a stop tries to record its intent before it acts.
const RECORDING: Duration = Duration::from_millis(100);
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
    /// How they are got at, by environment.
    access: BTreeMap<String, AccessDoc>,
    /// Flags by the releases that the documents declare; read only where the journal knows no rollout.
    flags: BTreeMap<String, String>,
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
            backends: backends::all(dir, &project),
            access: backends::access(&project),
            flags: BTreeMap::new(),
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
            access: BTreeMap::new(),
            flags: BTreeMap::new(),
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
        let releases = spec::load(&self.dir).releases();
        self.flags = releases.into_iter().map(|declared| (declared.release, declared.flag)).collect();
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
            plan,
        }
    }

    /// Every address that the plan or the present project names: a stop goes to both.
    fn addresses(&self, environment: &str, pinned: Option<&Target>) -> Vec<Arc<dyn Backend>> {
        let mut found: Vec<Arc<dyn Backend>> = self.backends.get(environment).cloned().into_iter().collect();
        if let Some(target) = pinned {
            let access = self.access.get(environment).cloned().unwrap_or_default();
            let pinned = backends::at(&self.dir, target, &access);
            if !found.iter().any(|known| known.place() == pinned.place()) {
                found.push(pinned);
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
        let why = match (&mut self.store, id) {
            // a bare flag key without a rollout: there is no stream to record it in
            (Ok(_), None) => return Recorded::Journal,
            (Ok(store), Some(id)) => {
                store.journal().set_patience(RECORDING);
                match append(store, id, self.clock.now(), &Input::Command(Box::new(issued.clone()))) {
                    Ok(_) => return Recorded::Journal,
                    Err(error) => chain(&error),
                }
            }
            (Err(why), _) => why.clone(),
        };
        let stop = SpooledStop {
            rollout: id.map(str::to_owned),
            flag: flag.clone(),
            environment: environment.clone(),
            issued: issued.clone(),
        };
        let body = serde_json::to_value(&stop).unwrap_or_default();
        // two stops of one process in one millisecond are two
        let known_as = sha256_hex(body.to_string().as_bytes());
        let id = format!("stop-{}-{}-{}", issued.at.0, std::process::id(), &known_as[..16]);
        let record = Spooled { id, at: issued.at, body };
        match self.spool.put(&record) {
            Ok(_) => Recorded::Spool(why),
            Err(error) => Recorded::Nowhere(format!("{why}; the spool: {error}")),
        }
    }

    async fn record_outcome(&mut self, stopping: &Stopping) {
        let (Ok(store), Some(id), Some(plan)) = (&mut self.store, &stopping.id, &stopping.plan) else { return };
        let Some(backend) = stopping.backends.first() else { return };
        let open = store.rollout(id).and_then(|rollout| rollout.state.effect.clone());
        let Some(Effect { id: effect, kind: EffectKind::Off, .. }) = open else { return };
        let seen @ Observation::Seen(_) = look(&**backend, plan, &*self.clock).await else { return };
        let at = self.clock.now();
        let outcome = Input::Outcome(Outcome { effect, at, backend: seen, settled: true, trouble: None });
        // a driver that saw it first has recorded it already
        let _ = append(store, id, at, &outcome);
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
    match SqliteJournal::open_existing(path) {
        Ok(Some(mut journal)) => {
            journal.set_patience(RECORDING);
            Store::load(Box::new(journal)).map_err(|error| chain(&error))
        }
        Ok(None) => Err(format!("there is no journal at {}", path.display())),
        Err(error) => Err(error.to_string()),
    }
}

fn append(store: &mut Store, id: &str, now: Timestamp, input: &Input) -> Result<Vec<(String, Step)>, ControlError> {
    let mut tried = BTreeSet::new();
    loop {
        let mut batch = Batch::default();
        store.fold(&mut batch, id, now, input.clone())?;
        match store.commit(now, batch) {
            Err(error) if is_conflict(&error) && tried.len() < 20 => {
                tried.insert(tried.len());
                store.refresh()?;
            }
            done => return done,
        }
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
