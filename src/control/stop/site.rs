//! A project as far as a stop needs it: the Project document, or else the journal's pinned plans; all else may be broken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::report::Recorded;
use crate::backend::Backend;
use crate::clock::{Clock, within};
use crate::control::backends;
use crate::control::dated::Dated;
use crate::control::drive::alive;
use crate::control::error::ControlError;
use crate::control::observe::{self, Ear, Observer};
use crate::control::rollout::Rollout;
use crate::control::spooled::{self, Aside, SpooledAct};
use crate::control::store::{Store, is_conflict};
use crate::engine::input::Actor;
use crate::engine::plan::{Audience, Target};
use crate::engine::{Phase, Span, Timestamp};
use crate::journal::DriverSeen;
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
/// Of so many stopped rollouts at most it is looked whether they are on all the same, and for so long.
const LOOKED_AT: usize = 200;
const LOOK: Span = Span::seconds(2);

/// Why there is no journal yet.
const IS_LONG: &str = "it is long, or its disk is slow, and still being read";

/// What came of opening the journal, or why there is nothing.
pub(super) type Opened = Result<Store, String>;

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
    /// Environments that the documents name, and whose backend cannot be read there.
    unusable: BTreeSet<String>,
    /// How they are got at, by environment.
    access: BTreeMap<String, AccessDoc>,
    /// Flags by the releases and environments that the documents declare; read only where the journal knows no rollout.
    pub(super) flags: BTreeMap<(String, String), String>,
    /// Freezes by date, where the Project document can be read.
    dated: Dated,
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
                Err(_) => (Err(IS_LONG.to_owned()), Some(reading)),
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
        let dated = project.as_ref().map(|project| Dated::of(project, clock.now())).unwrap_or_default();
        let (backends, unusable, access, project_fault) = match project {
            Ok(project) => {
                let without = project.environments.iter().filter(|environment| environment.target.is_none());
                let unusable = without.map(|environment| environment.name.value.clone()).collect();
                (backends::all(dir, &project, ear.as_ref()), unusable, backends::access(&project), None)
            }
            Err(findings) if store.is_ok() || reading.is_some() => {
                (BTreeMap::new(), BTreeSet::new(), BTreeMap::new(), Some(findings))
            }
            Err(findings) => return Err(ControlError::Invalid(findings)),
        };
        let spool = match &reading {
            None => Spool::beside(&journal_path),
            Some(_) => spool_of_slow(&journal_path),
        };
        Ok(StopSite {
            dir: dir.to_owned(),
            store,
            reading,
            project_fault,
            spool,
            backends,
            unusable,
            access,
            flags: BTreeMap::new(),
            dated,
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
            unusable: BTreeSet::new(),
            access: BTreeMap::new(),
            flags: BTreeMap::new(),
            dated: Dated::default(),
            audiences: BTreeMap::new(),
            clock,
            actor,
            ear: None,
        }
    }

    /// As [`StopSite::from_parts`], with a journal that is still being read.
    #[cfg(test)]
    pub(super) fn still_reading(self, reading: tokio::sync::oneshot::Receiver<Opened>) -> StopSite {
        StopSite { store: Err(IS_LONG.to_owned()), reading: Some(reading), ..self }
    }

    /// The environments of the project, and those in which the journal knows rollouts, as far as it has been read.
    pub fn environments(&self) -> Vec<String> {
        let mut all: Vec<String> = self.backends.keys().chain(&self.unusable).cloned().collect();
        for rollout in self.store.iter().flat_map(Store::rollouts) {
            if !all.contains(&rollout.plan.environment) {
                all.push(rollout.plan.environment.clone());
            }
        }
        all
    }

    /// Freezes by date.
    pub fn dated(&self) -> &Dated {
        &self.dated
    }

    /// Why the Project document cannot be read, where the journal's pinned plans stand in for it.
    pub fn project_fault(&self) -> Option<&[Finding]> {
        self.project_fault.as_deref()
    }

    /// Who drives now.
    pub fn drivers(&mut self) -> Vec<DriverSeen> {
        let now = self.clock.now();
        let known = self.store.as_mut().ok().and_then(|store| store.journal().drivers().ok());
        alive(known.unwrap_or_default(), now)
    }

    /// Takes the journal in, if it was still being read: its disk may hang, and is not waited for longer than until then.
    /// Tells whether there is nothing more to come.
    pub async fn finish_reading(&mut self, give_up: Timestamp) -> bool {
        let Some(reading) = &mut self.reading else { return true };
        let patience = give_up.since(self.clock.now());
        let Some(read) = within(&*self.clock, patience, reading).await else { return false };
        self.store = read.unwrap_or_else(|_| Err("reading it was cut short".to_owned()));
        self.reading = None;
        true
    }

    /// Whether the journal is still being read.
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Why the documents' own backend of an environment cannot be had, where they name the environment.
    pub(super) fn unusable(&self, environment: &str) -> Option<String> {
        let why = || {
            format!(
                "nobody can read in the Project document where the flags of `{environment}` live (flagstaff validate)"
            )
        };
        self.unusable.contains(environment).then(why)
    }

    /// Whether the journal has no rollout at all.
    pub fn knows_nothing(&self) -> bool {
        self.store.as_ref().is_ok_and(|store| store.rollouts().next().is_none())
    }

    /// Addresses of every rollout in progress, for `--all`.
    ///
    /// # Errors
    /// Where the journal cannot be read, or not until then.
    pub async fn in_progress(&mut self, give_up: Timestamp) -> Result<Vec<(String, String)>, ControlError> {
        // what is to be stopped stands nowhere else
        self.finish_reading(give_up).await;
        let store = self.store.as_ref().map_err(|why| ControlError::Unreachable(why.clone()))?;
        let live = store.rollouts().filter(|rollout| rollout.state.is_live() || rollout.state.is_stopping());
        Ok(live.map(|rollout| (rollout.plan.release.clone(), rollout.plan.environment.clone())).collect())
    }

    /// Releases that were stopped and are on all the same, with their environments, as far as backends say so soon.
    pub async fn on_against_a_stop(&self, environments: &[String]) -> Vec<(String, String)> {
        let Ok(store) = &self.store else { return Vec::new() };
        let is_meant = |rollout: &&Rollout| {
            rollout.state.phase == Phase::Stopped
                && !rollout.state.is_stopping()
                && environments.contains(&rollout.plan.environment)
                && store.superseding(rollout).is_none()
        };
        let looks = store.rollouts().filter(is_meant).take(LOOKED_AT).map(async |rollout| {
            let plan = &rollout.plan;
            let backend = self.connect(&plan.environment, &plan.target);
            let seen = within(&*self.clock, LOOK, backend.glance(&plan.flag, &plan.audiences)).await;
            let is_on = matches!(seen, Some(Ok(seen)) if seen.reaches_anybody());
            is_on.then(|| (plan.release.clone(), plan.environment.clone()))
        });
        join_all(looks).await.into_iter().flatten().collect()
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
            Ok(_) => Recorded::Spool(why),
            Err(error) => Recorded::Nowhere(format!("{why}; the spool: {error}")),
        }
    }

    /// Begins to put something into the spool.
    pub(super) fn begin_aside(&self, at: Timestamp, what: &str, act: &SpooledAct) -> std::io::Result<Aside> {
        Aside::begin(&self.spool, at, what, act)
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
        // one whose disk hangs is not asked, and a folder that may not be entered hides one
        self.is_reading() || self.journal_path.try_exists().unwrap_or(true)
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

/// The spool of a journal whose disk may hang: where even the names of its folders are not to be had, they are taken as
/// they were written.
fn spool_of_slow(journal: &Path) -> Spool {
    let (tell, found) = std::sync::mpsc::channel();
    let path = journal.to_owned();
    std::thread::spawn(move || _ = tell.send(Spool::beside(&path)));
    found.recv_timeout(READING).unwrap_or_else(|_| Spool::as_written(journal))
}

fn open_store(path: &Path, ear: Option<&Ear>) -> Result<Store, String> {
    match SqliteJournal::open_existing(path, RECORDING) {
        Ok(Some(journal)) => Store::load(observe::journal(ear, Box::new(journal))).map_err(|error| error.chain()),
        Ok(None) => Err(format!("there is no journal at {}", path.display())),
        Err(error) => Err(error.to_string()),
    }
}
