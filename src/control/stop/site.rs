//! A project as far as a stop needs it: the Project document, or else the journal's pinned plans; all else may be broken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::report::Recorded;
use crate::backend::Backend;
use crate::clock::Clock;
use crate::control::backends;
use crate::control::error::ControlError;
use crate::control::observe::{self, Ear, Observer};
use crate::control::rollout::Rollout;
use crate::control::spooled::{self, SpooledAct};
use crate::control::store::{Store, is_conflict};
use crate::engine::Timestamp;
use crate::engine::input::Actor;
use crate::engine::plan::{Audience, Target};
use crate::journal::spool::Spool;
use crate::journal::sqlite::SqliteJournal;
use crate::spec::documents::AccessDoc;
use crate::spec::{self, Finding};

/// How long a stop tries to record its intent before it acts.
pub(in crate::control) const RECORDING: Duration = Duration::from_millis(100);
/// How long a stop waits for a long journal to be read before it acts on what the documents say.
const READING: Duration = Duration::from_millis(300);
/// How often a record is written again because others appended meanwhile.
const CONFLICTS: usize = 20;

/// What came of opening the journal, or why there is nothing.
type Opened = Result<Store, String>;

/// A project as far as a stop needs it.
pub struct StopSite {
    journal_path: PathBuf,
    pub(super) dir: PathBuf,
    pub(super) store: Opened,
    /// A journal that is still being read.
    reading: Option<tokio::sync::oneshot::Receiver<Opened>>,
    /// Why the Project document cannot be read: then the pinned plans say where flags live.
    project_fault: Option<Vec<Finding>>,
    spool: Spool,
    pub(super) backends: BTreeMap<String, Arc<dyn Backend>>,
    /// How they are got at, by environment.
    access: BTreeMap<String, AccessDoc>,
    /// Flags by the releases and environments that the documents declare; read only where the journal knows no rollout.
    pub(super) flags: BTreeMap<(String, String), String>,
    /// The documents' audiences, read likewise: without them our part of a flag looks like another hand's.
    pub(super) audiences: BTreeMap<String, Audience>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) actor: Actor,
    /// Who is told of what is asked, read and written.
    ear: Option<Ear>,
}

impl StopSite {
    /// Opens what there is. The Project document is needed, or a journal in the usual place with pinned plans.
    ///
    /// # Errors
    /// Neither of them can be read.
    pub fn open(dir: &Path, actor: Actor, clock: Arc<dyn Clock>) -> Result<StopSite, ControlError> {
        StopSite::open_observed(dir, actor, clock, None)
    }

    /// As [`StopSite::open`], with somebody who is told of everything that is asked, read and written.
    ///
    /// # Errors
    /// As [`StopSite::open`].
    pub fn open_observed(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<StopSite, ControlError> {
        StopSite::open_with(dir, actor, clock, observer, |path, ear| (open_store(path, ear), None))
    }

    /// As [`StopSite::open`]; a journal that takes long to read is not waited for.
    ///
    /// # Errors
    /// As [`StopSite::open`].
    pub fn open_in_haste(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<StopSite, ControlError> {
        StopSite::open_with(dir, actor, clock, observer, |path, ear| {
            let ear = ear.cloned();
            let (path, (send, soon), (later, reading)) =
                (path.to_owned(), std::sync::mpsc::channel(), tokio::sync::oneshot::channel());
            std::thread::spawn(move || {
                let opened = open_store(&path, ear.as_ref());
                // the first one is gone once nobody waits for it any more
                if let Err(std::sync::mpsc::SendError(opened)) = send.send(opened) {
                    let _ = later.send(opened);
                }
            });
            match soon.recv_timeout(READING) {
                Ok(opened) => (opened, None),
                Err(_) => (Err("it is long, and still being read".to_owned()), Some(reading)),
            }
        })
    }

    fn open_with(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
        read: impl FnOnce(&Path, Option<&Ear>) -> (Opened, Option<tokio::sync::oneshot::Receiver<Opened>>),
    ) -> Result<StopSite, ControlError> {
        let ear = observer.map(|observer| Ear::new(observer, clock.clone()));
        let project = spec::project_only(dir);
        let journal = project.as_ref().map_or(spec::documents::JOURNAL, |project| project.journal.as_str());
        let journal_path = dir.join(journal);
        let (store, reading) = read(&journal_path, ear.as_ref());
        let (backends, access, project_fault) = match project {
            Ok(project) => (backends::all(dir, &project, ear.as_ref()), backends::access(&project), None),
            Err(findings) if store.is_ok() || reading.is_some() => (BTreeMap::new(), BTreeMap::new(), Some(findings)),
            Err(findings) => return Err(ControlError::Invalid(findings)),
        };
        Ok(StopSite {
            dir: dir.to_owned(),
            store,
            reading,
            project_fault,
            spool: Spool::beside(&journal_path),
            backends,
            access,
            flags: BTreeMap::new(),
            audiences: BTreeMap::new(),
            journal_path,
            clock,
            actor,
            ear,
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
            reading: None,
            project_fault: None,
            spool: Spool::beside(journal_path),
            backends,
            access: BTreeMap::new(),
            flags: BTreeMap::new(),
            audiences: BTreeMap::new(),
            clock,
            actor,
            ear: None,
        }
    }

    /// The environments of the project, and those in which the journal knows rollouts.
    pub fn environments(&self) -> Vec<String> {
        let mut all: Vec<String> = self.backends.keys().cloned().collect();
        for rollout in self.store.iter().flat_map(Store::rollouts) {
            if !all.contains(&rollout.plan.environment) {
                all.push(rollout.plan.environment.clone());
            }
        }
        all
    }

    /// Why the Project document cannot be read, where the journal's pinned plans stand in for it.
    pub fn project_fault(&self) -> Option<&[Finding]> {
        self.project_fault.as_deref()
    }

    /// Takes the journal in, if it was still being read.
    pub async fn finish_reading(&mut self) {
        if let Some(reading) = self.reading.take() {
            self.store = reading.await.unwrap_or_else(|_| Err("reading it was cut short".to_owned()));
        }
    }

    /// Whether the journal is still being read.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Whether the journal has no rollout at all.
    pub fn knows_nothing(&self) -> bool {
        self.store.as_ref().is_ok_and(|store| store.rollouts().next().is_none())
    }

    /// Addresses of every rollout in progress, for `--all`.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn in_progress(&mut self) -> Result<Vec<(String, String)>, ControlError> {
        // what is to be stopped stands nowhere else, however long it takes to read
        self.finish_reading().await;
        let store = self.store.as_ref().map_err(|why| ControlError::Unreachable(why.clone()))?;
        let live = store.rollouts().filter(|rollout| rollout.state.is_live() || rollout.state.is_stopping());
        Ok(live.map(|rollout| (rollout.plan.release.clone(), rollout.plan.environment.clone())).collect())
    }

    /// Without a rollout only the documents can tell which flag a release is about. They may be as broken as they like:
    /// what cannot be read there is taken for the flag's key.
    pub(super) fn look_up_flags(&mut self, targets: &[(String, String)]) {
        if targets.iter().all(|(name, environment)| self.rollout(name, environment).is_some()) {
            return;
        }
        let loaded = spec::load(&self.dir);
        self.audiences = loaded.audiences();
        for declared in loaded.releases() {
            for environment in declared.environments {
                self.flags.insert((declared.release.clone(), environment), declared.flag.clone());
            }
        }
    }

    /// Whether what the journal says about rollouts is all there is: it can be read, or nothing ever began.
    pub(super) fn journal_is_known(&self) -> bool {
        self.store.is_ok() || !self.has_journal()
    }

    /// The backend at an address that a plan of this environment pinned.
    pub(super) fn connect(&self, environment: &str, target: &Target) -> Arc<dyn Backend> {
        let access = self.access.get(environment).cloned().unwrap_or_default();
        backends::at(&self.dir, target, &access, self.ear.as_ref())
    }

    /// Every address that the plan or the present project names: a stop goes to both.
    pub(super) fn addresses(&self, environment: &str, pinned: Option<&Target>) -> Vec<Arc<dyn Backend>> {
        let mut found: Vec<Arc<dyn Backend>> = self.backends.get(environment).cloned().into_iter().collect();
        if let Some(target) = pinned {
            let pinned = self.connect(environment, target);
            if !found.iter().any(|known| known.place() == pinned.place()) {
                found.push(pinned);
            }
        }
        found
    }

    /// The addresses that earlier plans of a rollout named, and neither the present one nor the project does.
    pub(super) fn former_addresses(&self, rollout: &Rollout) -> Vec<Arc<dyn Backend>> {
        let environment = &rollout.plan.environment;
        let present = self.addresses(environment, Some(&rollout.plan.target));
        let former = rollout.former.iter().map(|target| self.connect(environment, target));
        former.filter(|former| present.iter().all(|known| known.place() != former.place())).collect()
    }

    /// Puts into the spool what could not be recorded, and why.
    pub(in crate::control) fn put_aside(&self, at: Timestamp, what: &str, act: &SpooledAct, why: String) -> Recorded {
        match spooled::put_aside(&self.spool, at, what, act) {
            Ok(()) => Recorded::Spool(why),
            Err(error) => Recorded::Nowhere(format!("{why}; the spool: {error}")),
        }
    }

    /// Tries the journal for 100 ms, hearing others who append meanwhile.
    ///
    /// # Errors
    /// Why it could not be recorded.
    pub(in crate::control) fn record<T>(
        &mut self,
        mut write: impl FnMut(&mut Store) -> Result<T, ControlError>,
    ) -> Result<T, String> {
        let store = self.store.as_mut().map_err(|why| why.clone())?;
        for _ in 0..CONFLICTS {
            match write(store) {
                Err(error) if is_conflict(&error) => _ = store.refresh().map_err(|error| error.chain())?,
                done => return done.map_err(|error| error.chain()),
            }
        }
        Err("it is written faster than it can be read".to_owned())
    }

    /// Makes the journal where there is none yet. Failing to leaves the reason where the store would be.
    pub(in crate::control) fn make_journal(&mut self) {
        if self.store.is_err() && !self.has_journal() {
            let made = SqliteJournal::open_within(&self.journal_path, RECORDING).map_err(ControlError::from);
            self.store = made
                .and_then(|journal| Store::load(observe::journal(self.ear.as_ref(), Box::new(journal))))
                .map_err(|error| error.chain());
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
        // a folder that may not be entered hides one
        self.journal_path.try_exists().unwrap_or(true)
    }

    /// Everything that waits beside the journal and can be understood, oldest first.
    pub(in crate::control) fn spooled(&self) -> Vec<SpooledAct> {
        let (waiting, _) = spooled::look(&self.spool, self.now());
        waiting.into_iter().map(|waits| waits.act).collect()
    }

    /// The project's directory.
    pub(in crate::control) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The backend of an environment.
    pub(in crate::control) fn backend(&self, environment: &str) -> Option<Arc<dyn Backend>> {
        self.backends.get(environment).cloned()
    }

    /// The time.
    pub(in crate::control) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// How much waits beside the journal; what cannot be read waits too.
    pub fn waiting(&self) -> usize {
        self.spool.waiting()
    }

    /// What waited, and nothing could be made of.
    pub fn orphans(&self) -> Vec<PathBuf> {
        self.spool.orphans()
    }

    /// Now.
    pub(in crate::control) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who acts.
    pub(in crate::control) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Where the journal is, for people.
    pub fn journal_place(&self) -> String {
        self.journal_path.display().to_string()
    }
}

fn open_store(path: &Path, ear: Option<&Ear>) -> Result<Store, String> {
    match SqliteJournal::open_existing(path, RECORDING) {
        Ok(Some(journal)) => Store::load(observe::journal(ear, Box::new(journal))).map_err(|error| error.chain()),
        Ok(None) => Err(format!("there is no journal at {}", path.display())),
        Err(error) => Err(error.to_string()),
    }
}
