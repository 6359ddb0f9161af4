//! A project with everything it names: documents, journal, spool, backends, sources, clock, and who acts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::backends;
use super::documents::{self, Watched};
use super::error::ControlError;
use super::observe::{self, Did, Ear, Observer};
use super::stop::RECORDING;
use super::store::Store;
use super::under_way::UnderWay;
use crate::backend::Backend;
use crate::clock::Clock;
use crate::engine::decide::{Refusal, RefusalKind};
use crate::engine::input::{Actor, Observation, Observed};
use crate::engine::plan::{SourceAddress, Target};
use crate::engine::{Plan, Timestamp};
use crate::journal::Journal;
use crate::journal::spool::Spool;
use crate::journal::sqlite::{PATIENCE, SqliteJournal};
use crate::spec::Loaded;
use crate::spec::documents::{AccessDoc, ProjectDoc, SourceDoc};
use crate::telemetry::Source;
use crate::telemetry::prometheus::Prometheus;
use crate::telemetry::scrape::Scrape;

/// A project that can be driven.
pub struct Site {
    /// The project's directory.
    pub dir: PathBuf,
    /// Its documents.
    pub loaded: Loaded,
    /// The journal in memory.
    pub store: Store,
    /// What waits beside the journal.
    pub spool: Spool,
    /// By environment.
    pub backends: BTreeMap<String, Arc<dyn Backend>>,
    /// By name.
    pub sources: BTreeMap<String, Arc<dyn Source>>,
    /// The sources that must be kept reading.
    pub scrapes: Vec<Scrape>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who acts.
    pub actor: Actor,
    /// Growths that this process intended and may send, with the backend's revision that they were decided on.
    pub(super) mine: BTreeMap<(String, u64), Option<String>>,
    /// Growths whose requests this process sent and has an end of: nothing of them is under way any more.
    pub(super) ended: BTreeSet<(String, u64)>,
    /// What went wrong with the newest request of a rollout's open effect.
    pub(super) troubles: BTreeMap<String, String>,
    /// When stopped rollouts were last looked at.
    pub(super) looked: BTreeMap<String, Timestamp>,
    /// Stops that were sent and have no end yet.
    pub(super) under_way: UnderWay,
    /// Stops for which a pass waited for nothing else, by rollout and effect.
    pub(super) hurried: BTreeSet<(String, u64)>,
    /// Rollouts whose stop could not be recorded yet, and waits in the spool.
    pub(super) put_aside: BTreeSet<String>,
    /// Signals that could not be recorded yet, by rollout and key.
    pub(super) aside_signals: BTreeSet<(String, String)>,
    /// Releases and environments that the documents declare.
    pub(super) declared: BTreeSet<(String, String)>,
    /// Where sources are asked, by name; nothing where they were given.
    pub(super) asked_at: BTreeMap<String, SourceAddress>,
    /// What tells that documents have changed; nothing where they are no files.
    pub(super) watched: Option<Watched>,
    /// How backends are got at, by environment; the newest that could be read.
    pub(super) access: BTreeMap<String, AccessDoc>,
    /// The same by environment and server; what documents said once stays.
    pub(super) known: backends::Known,
    /// How this process drives, for heartbeats.
    pub(super) driving: Option<crate::journal::DriverSeen>,
    /// Who is told of what is asked, read and written.
    pub(super) ear: Option<Ear>,
}

impl Site {
    /// Opens a project with its journal; the journal is made if there is none.
    ///
    /// # Errors
    /// No project document, or a journal that cannot be used. Other findings stay in `loaded`.
    pub fn open(dir: &Path, actor: Actor, clock: Arc<dyn Clock>) -> Result<Site, ControlError> {
        Site::open_observed(dir, actor, clock, None)
    }

    /// As [`Site::open`], with somebody who is told of everything that is asked, read and written.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_observed(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Site, ControlError> {
        Site::open_within(dir, actor, clock, observer, PATIENCE, Store::load)
    }

    /// As [`Site::open_observed`], for whoever drives without showing anybody what happened: [`Store::load_to_act`].
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_to_serve(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Site, ControlError> {
        Site::open_within(dir, actor, clock, observer, PATIENCE, Store::load_to_act)
    }

    /// As [`Site::open`], for whoever stops: a journal that is locked is waited for as long as stops wait for it.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_to_stop(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Site, ControlError> {
        Site::open_within(dir, actor, clock, observer, RECORDING, Store::load_to_act)
    }

    fn open_within(
        dir: &Path,
        actor: Actor,
        clock: Arc<dyn Clock>,
        observer: Option<Arc<dyn Observer>>,
        patience: Duration,
        load: impl FnOnce(Box<dyn Journal>) -> Result<Store, ControlError>,
    ) -> Result<Site, ControlError> {
        let ear = observer.map(|observer| Ear::new(observer, clock.clone()));
        let began = clock.now();
        let (loaded, watched) = documents::load(dir, &*clock);
        if let Some(ear) = &ear {
            ear.did(&Did::Documents { files: loaded.files, documents: loaded.documents.len() }, began);
        }
        let Some(project) = loaded.project() else { return Err(ControlError::Invalid(loaded.findings)) };
        let journal_path = dir.join(&project.journal);
        let journal = observe::journal(ear.as_ref(), Box::new(SqliteJournal::open_within(&journal_path, patience)?));
        let (sources, scrapes) = sources(dir, project, &clock, ear.as_ref());
        Ok(Site {
            dir: dir.to_owned(),
            store: load(journal)?,
            spool: Spool::beside(&journal_path),
            backends: backends::all(dir, project, ear.as_ref()),
            sources,
            scrapes,
            clock,
            actor,
            mine: BTreeMap::new(),
            troubles: BTreeMap::new(),
            under_way: UnderWay::default(),
            hurried: BTreeSet::new(),
            put_aside: BTreeSet::new(),
            ended: BTreeSet::new(),
            looked: BTreeMap::new(),
            aside_signals: BTreeSet::new(),
            declared: documents::declared(&loaded),
            asked_at: project.sources.iter().map(|it| (it.name.value.clone(), it.address.clone())).collect(),
            watched: Some(watched),
            access: backends::access(project),
            known: backends::known(project),
            driving: None,
            ear,
            loaded,
        })
    }

    /// A site of given parts: for the demo and for tests.
    #[expect(clippy::too_many_arguments, reason = "these are the parts; a struct of them would be this one again")]
    pub fn from_parts(
        dir: &Path,
        loaded: Loaded,
        store: Store,
        spool: Spool,
        backends: BTreeMap<String, Arc<dyn Backend>>,
        sources: BTreeMap<String, Arc<dyn Source>>,
        clock: Arc<dyn Clock>,
        actor: Actor,
    ) -> Site {
        Site {
            dir: dir.to_owned(),
            declared: documents::declared(&loaded),
            watched: None,
            asked_at: BTreeMap::new(),
            access: loaded.project().map(backends::access).unwrap_or_default(),
            known: loaded.project().map(backends::known).unwrap_or_default(),
            loaded,
            store,
            spool,
            backends,
            sources,
            scrapes: Vec::new(),
            clock,
            actor,
            mine: BTreeMap::new(),
            troubles: BTreeMap::new(),
            under_way: UnderWay::default(),
            hurried: BTreeSet::new(),
            put_aside: BTreeSet::new(),
            ended: BTreeSet::new(),
            looked: BTreeMap::new(),
            aside_signals: BTreeSet::new(),
            driving: None,
            ear: None,
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The backend that a plan names: by its pinned address, whatever the environment is called now, or is there at all. To
    /// be acted on; whoever only looks asks [`Site::withheld`] first.
    pub fn backend_of(&self, plan: &Plan) -> Arc<dyn Backend> {
        let present = self.backends.get(&plan.environment);
        match present.filter(|_| self.loaded.target(&plan.environment).as_ref() == Some(&plan.target)) {
            Some(backend) => Arc::clone(backend),
            None => self.connect(&plan.environment, &plan.target),
        }
    }

    /// The backend at an address of an environment's plan: with the credentials that were named for that server, or else
    /// with the environment's present ones. A stop must get there.
    fn connect(&self, environment: &str, target: &Target) -> Arc<dyn Backend> {
        let named = backends::server(target).and_then(|server| self.named_for(environment, server));
        let access = named.or_else(|| self.access.get(environment)).cloned().unwrap_or_default();
        backends::at(&self.dir, target, &access, self.ear.as_ref())
    }

    /// The credentials that documents name for a server, or did since this process began.
    fn named_for(&self, environment: &str, server: &str) -> Option<&AccessDoc> {
        let own = self.known.get(&(environment.to_owned(), server.to_owned()));
        own.or_else(|| self.known.iter().find(|((_, known), _)| known == server).map(|(_, access)| access))
    }

    /// Why nothing is asked at a plan's address: no document names its server any more, so that the environment's present
    /// credentials are for another one. They go there for a stop, and for nothing else.
    pub(super) fn withheld(&self, plan: &Plan) -> Option<String> {
        let server = backends::server(&plan.target)?;
        self.named_for(&plan.environment, server).is_none().then(|| {
            let environment = &plan.environment;
            format!(
                "no document names {server} any more, and the credentials of `{environment}` go there for stops only"
            )
        })
    }

    /// Whether growing asks for a reason and the flag's key: where the plan says so, or the project by now.
    pub fn is_protected(&self, plan: &Plan) -> bool {
        let environments = self.loaded.project().map(|project| project.environments.as_slice()).unwrap_or_default();
        let present = environments.iter().find(|known| known.name.value == plan.environment);
        plan.protected || present.is_none_or(|present| present.protected)
    }

    /// The backend that the present project names, where that is another one than the plan's: a stop goes to both.
    pub(super) fn other_backend_of(&self, plan: &Plan) -> Option<Arc<dyn Backend>> {
        let target = self.loaded.target(&plan.environment)?;
        (target != plan.target).then(|| self.backends.get(&plan.environment).cloned()).flatten()
    }

    /// That there is no release of this name, and which one may be meant.
    pub fn no_release(&self, name: &str) -> String {
        let declared = self.loaded.releases().into_iter().map(|known| known.release);
        let begun = self.store.rollouts().map(|rollout| rollout.plan.release.clone());
        no_release(name, declared.chain(begun))
    }

    /// The backends that earlier plans of a rollout named: it may have been left behind there. The present one is none.
    pub(super) fn former_backends_of(&self, id: &str) -> Vec<Arc<dyn Backend>> {
        let Some(rollout) = self.store.rollout(id) else { return Vec::new() };
        let environment = &rollout.plan.environment;
        let present = self.loaded.target(environment);
        let left = rollout.former.iter().filter(|target| present.as_ref() != Some(*target));
        left.map(|target| self.connect(environment, target)).collect()
    }

    /// Whether the file that a flag would be written into is gone: made anew it would hold our flag alone, and the flags of
    /// all others would be lost.
    pub(super) fn is_gone(&self, plan: &Plan, seen: &Observed) -> bool {
        seen.has_no_place() && self.store.place_was_seen(&plan.target)
    }

    /// Refuses to grow into a file that is gone. A project that never had one gets its first.
    ///
    /// # Errors
    /// What to do.
    pub(super) fn refuse_gone(&self, plan: &Plan, backend: &Observation) -> Result<(), Refusal> {
        match backend {
            Observation::Seen(seen) if self.is_gone(plan, seen) => Err(Refusal {
                reason: gone(&self.backend_of(plan).place()),
                instead: None,
                kind: RefusalKind::NotReady,
            }),
            _ => Ok(()),
        }
    }
}

/// Why a file that is gone is not made anew.
pub(super) fn gone(place: &str) -> String {
    format!("{place} was there and is not any more: put the file back, or all other flags in it would be lost")
}

pub(super) type Sources = (BTreeMap<String, Arc<dyn Source>>, Vec<Scrape>);

/// The sources of a project by name, and those of them that must be kept reading.
pub(super) fn sources(dir: &Path, project: &ProjectDoc, clock: &Arc<dyn Clock>, ear: Option<&Ear>) -> Sources {
    let mut sources: BTreeMap<String, Arc<dyn Source>> = BTreeMap::new();
    let mut scrapes = Vec::new();
    for doc in &project.sources {
        let (told, scrape) = source(dir, doc, clock, ear);
        sources.insert(doc.name.value.clone(), told);
        scrapes.extend(scrape);
    }
    (sources, scrapes)
}

/// That there is no release of this name among some, and which one may be meant.
pub fn no_release(name: &str, known: impl Iterator<Item = String>) -> String {
    let known: std::collections::BTreeSet<String> = known.collect();
    let near = |other: &&String| strsim::damerau_levenshtein(name, other) <= 2 || other.starts_with(name);
    match known.iter().find(near) {
        Some(near) => format!("there is no release `{name}`; did you mean `{near}`?"),
        None => format!("there is no release `{name}`"),
    }
}

/// A source, and what must be kept reading for it.
pub(super) fn source(
    dir: &Path,
    source: &SourceDoc,
    clock: &Arc<dyn Clock>,
    ear: Option<&Ear>,
) -> (Arc<dyn Source>, Option<Scrape>) {
    let name = &source.name.value;
    match &source.address {
        SourceAddress::Scrape { targets, every } => {
            let mut scrape = Scrape::new(targets.clone(), *every, clock.clone());
            if let Some(ear) = ear.cloned() {
                scrape = scrape.telling(Arc::new(move |address, read, began| {
                    ear.did(&Did::Page { address, read }, began);
                }));
            }
            (observe::source(ear, name, Arc::new(scrape.clone())), Some(scrape))
        }
        SourceAddress::Prometheus { url, scrape_every, headers } => {
            let access = backends::source_access(dir, &source.access, headers);
            let prometheus = Prometheus::new(url, access, *scrape_every, clock.clone());
            (observe::source(ear, name, Arc::new(prometheus)), None)
        }
    }
}
