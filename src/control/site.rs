//! A project with everything it names: documents, journal, spool, backends, sources, clock, and who acts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ControlError;
use super::store::Store;
use crate::backend::Backend;
use crate::backend::flagd::Flagd;
use crate::clock::Clock;
use crate::engine::input::{Actor, Hold, HoldKind};
use crate::engine::plan::{SourceAddress, Target};
use crate::engine::{Plan, Timestamp};
use crate::journal::spool::Spool;
use crate::journal::sqlite::SqliteJournal;
use crate::spec::documents::{ProjectDoc, SourceDoc};
use crate::spec::{self, Loaded};
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
    /// Growths that this process intended, and may send.
    pub(super) mine: BTreeSet<(String, u64)>,
    /// Growths whose requests this process sent and has an end of: nothing of them is under way any more.
    pub(super) ended: BTreeSet<(String, u64)>,
    /// How this process drives, for heartbeats.
    pub(super) driving: Option<crate::journal::DriverSeen>,
}

impl Site {
    /// Opens a project with its journal; the journal is made if there is none.
    ///
    /// # Errors
    /// No project document, or a journal that cannot be used. Other findings stay in `loaded`.
    pub fn open(dir: &Path, actor: Actor, clock: Arc<dyn Clock>) -> Result<Site, ControlError> {
        let loaded = spec::load(dir);
        let Some(project) = loaded.project() else { return Err(ControlError::Invalid(loaded.findings)) };
        let journal_path = dir.join(&project.journal);
        let journal = SqliteJournal::open(&journal_path)?;
        let (sources, scrapes) = sources(dir, project, &clock);
        Ok(Site {
            dir: dir.to_owned(),
            store: Store::load(Box::new(journal))?,
            spool: Spool::beside(&journal_path),
            backends: backends(dir, project),
            sources,
            scrapes,
            clock,
            actor,
            mine: BTreeSet::new(),
            ended: BTreeSet::new(),
            driving: None,
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
            loaded,
            store,
            spool,
            backends,
            sources,
            scrapes: Vec::new(),
            clock,
            actor,
            mine: BTreeSet::new(),
            ended: BTreeSet::new(),
            driving: None,
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The backend that a plan names: by its pinned address, whatever the environment is called now.
    pub fn backend_of(&self, plan: &Plan) -> Option<Arc<dyn Backend>> {
        if self.loaded.target(&plan.environment).is_none_or(|target| target == plan.target) {
            return self.backends.get(&plan.environment).cloned();
        }
        let Target::Flagd { path } = &plan.target;
        Some(Arc::new(Flagd::new(&self.dir, path)))
    }

    /// Everything outside a rollout that holds its growth now.
    pub fn holds(&self, plan: &Plan) -> Vec<Hold> {
        let mut holds = self.store.frozen(self.now(), &plan.release, &plan.environment);
        if self.loaded.target(&plan.environment).is_some_and(|target| target != plan.target) {
            let detail = "the environment names another backend than the plan".to_owned();
            holds.push(Hold { kind: HoldKind::AddressChanged, detail, until: None });
        }
        if let Some(project) = self.loaded.project() {
            for (name, address) in &plan.sources {
                let now = project.sources.iter().find(|source| source.name.value == *name);
                if now.is_some_and(|now| now.address != *address) {
                    let detail = format!("source `{name}` has another address than the plan");
                    holds.push(Hold { kind: HoldKind::AddressChanged, detail, until: None });
                }
            }
        }
        let declared = self
            .loaded
            .releases()
            .iter()
            .any(|known| known.release == plan.release && known.environments.contains(&plan.environment));
        if !declared {
            let detail = format!("no document declares {}", plan.address());
            holds.push(Hold { kind: HoldKind::DocumentGone, detail, until: None });
        }
        holds
    }
}

/// The backends of a project, by environment.
pub fn backends(dir: &Path, project: &ProjectDoc) -> BTreeMap<String, Arc<dyn Backend>> {
    let mut backends: BTreeMap<String, Arc<dyn Backend>> = BTreeMap::new();
    for environment in &project.environments {
        if let Some((Target::Flagd { path }, _)) = &environment.target {
            backends.insert(environment.name.value.clone(), Arc::new(Flagd::new(dir, path)));
        }
    }
    backends
}

type Sources = (BTreeMap<String, Arc<dyn Source>>, Vec<Scrape>);

fn sources(dir: &Path, project: &ProjectDoc, clock: &Arc<dyn Clock>) -> Sources {
    let mut sources: BTreeMap<String, Arc<dyn Source>> = BTreeMap::new();
    let mut scrapes = Vec::new();
    for source in &project.sources {
        let name = source.name.value.clone();
        match &source.address {
            SourceAddress::Scrape { targets, every } => {
                let scrape = Scrape::new(targets.clone(), *every, clock.clone());
                scrapes.push(scrape.clone());
                sources.insert(name, Arc::new(scrape));
            }
            SourceAddress::Prometheus { url, scrape_every } => {
                let prometheus = Prometheus::new(url, token(dir, source), *scrape_every, clock.clone());
                sources.insert(name, Arc::new(prometheus));
            }
        }
    }
    (sources, scrapes)
}

/// The bearer token, from where the documents say; what cannot be read is told by the first query.
fn token(dir: &Path, source: &SourceDoc) -> Option<String> {
    let from_env = source.token_env.as_deref().and_then(crate::env::get);
    let from_file = || {
        let path = dir.join(source.token_file.as_deref()?);
        std::fs::read_to_string(path).ok().map(|token| token.trim().to_owned())
    };
    from_env.or_else(from_file)
}
