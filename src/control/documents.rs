//! Documents change while a driver runs: what they say now holds growth and says where a stop goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::backends;
use super::observe::Did;
use super::site::{self, Site};
use crate::clock::Clock;
use crate::engine::plan::SourceAddress;
use crate::engine::{Span, Timestamp};
use crate::spec::documents::SourceDoc;
use crate::spec::load::ReleaseRef;
use crate::spec::{self, Loaded};

/// Whoever changes documents is done after this long: an editor, a checkout.
pub(super) const SETTLED: Span = Span::seconds(10);
/// Looking whether anything changed takes no more than this share of the time.
const SHARE: u64 = 20;

/// What tells that documents have changed.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    files: Vec<(PathBuf, u64, Option<SystemTime>)>,
    include: Vec<String>,
    /// Looking again before this is too early.
    next: Timestamp,
    /// When this process saw that they had changed.
    changed: Option<Timestamp>,
    /// Whether the Project document cannot be read as it is now.
    pub(super) is_broken: bool,
}

impl Watched {
    fn look(dir: &Path, include: Vec<String>, clock: &dyn Clock) -> Watched {
        let began = clock.now();
        let files = spec::stamps(dir, &include);
        let now = clock.now();
        let next = now.plus(Span(now.since(began).0.saturating_mul(SHARE)));
        Watched { files, include, next, changed: None, is_broken: false }
    }

    /// Whether any of the files is another one than when this was looked at.
    pub(super) fn have_changed(&self, dir: &Path, clock: &dyn Clock) -> bool {
        Watched::look(dir, self.include.clone(), clock).files != self.files
    }

    /// Whether they are as somebody means them, and not in the middle of being written or checked out.
    pub(super) fn are_settled(&self, now: Timestamp) -> bool {
        !self.is_broken && self.changed.is_none_or(|changed| now.since(changed) >= SETTLED)
    }
}

/// Loads a project's documents, and what tells that they have changed since.
pub(super) fn load(dir: &Path, clock: &dyn Clock) -> (Loaded, Watched) {
    // what is changed while it is read is read again
    let before = Watched::look(dir, Vec::new(), clock);
    let loaded = spec::load(dir);
    let include = include(&loaded);
    let watched = if include.is_empty() { before } else { Watched::look(dir, include, clock) };
    (loaded, watched)
}

fn include(loaded: &Loaded) -> Vec<String> {
    loaded.project().iter().flat_map(|project| &project.include).map(|text| text.value.clone()).collect()
}

/// Every release with each of its environments.
pub(super) fn declared(loaded: &Loaded) -> BTreeSet<(String, String)> {
    let each = |known: ReleaseRef| known.environments.into_iter().map(move |env| (known.release.clone(), env));
    loaded.releases().into_iter().flat_map(each).collect()
}

impl Site {
    /// Takes in sources that the documents name by now: new ones, and those that moved once no rollout in progress is pinned
    /// to where they were. Until then they are asked there, and growth by the other address is held.
    pub(super) fn follow_sources(&mut self) {
        let is_usable = self.watched.as_ref().is_some_and(|watched| !watched.is_broken);
        let Some(project) = self.loaded.project().filter(|_| is_usable) else { return };
        let is_pinned = |name: &str, address: &SourceAddress| {
            let mut live = self.store.rollouts().filter(|rollout| rollout.state.is_live());
            live.any(|rollout| rollout.plan.sources.iter().any(|(known, at)| known == name && at == address))
        };
        let is_due = |doc: &&SourceDoc| match self.asked_at.get(&doc.name.value) {
            Some(asked) => *asked != doc.address && !is_pinned(&doc.name.value, asked),
            None => true,
        };
        for doc in project.sources.iter().filter(is_due).cloned().collect::<Vec<_>>() {
            let (source, scrape) = site::source(&self.dir, &doc, &self.clock, self.ear.as_ref());
            self.sources.insert(doc.name.value.clone(), source);
            self.scrapes.extend(scrape);
            self.asked_at.insert(doc.name.value, doc.address);
        }
    }

    /// Reads the documents again if their files have changed. Where sources are asked stays as it is: a changed
    /// address of one holds growth. While the Project document cannot be read, all that is known stays, and growth
    /// is held.
    pub fn reread(&mut self) {
        let Some(watched) = &self.watched else { return };
        let began = self.clock.now();
        if began < watched.next {
            return;
        }
        let now = Watched::look(&self.dir, watched.include.clone(), &*self.clock);
        if now.files == watched.files {
            let Watched { changed, is_broken, .. } = *watched;
            self.watched = Some(Watched { changed, is_broken, ..now });
            return;
        }
        let (loaded, watched) = load(&self.dir, &*self.clock);
        let is_broken = loaded.project().is_none();
        let changed = Some(self.clock.now());
        if let Some(ear) = &self.ear {
            ear.did(&Did::Documents { files: loaded.files, documents: loaded.documents.len() }, began);
        }
        let watched = match include(&self.loaded) {
            // what it includes is in the document that cannot be read
            known if is_broken && !known.is_empty() => Watched::look(&self.dir, known, &*self.clock),
            _ => watched,
        };
        self.watched = Some(Watched { changed, is_broken, ..watched });
        let Some(project) = loaded.project() else { return };
        // an environment that is gone is stopped with the credentials it had
        self.access.extend(backends::access(project));
        self.known.extend(backends::known(project));
        self.backends = backends::all(&self.dir, project, self.ear.as_ref());
        self.declared = declared(&loaded);
        self.loaded = loaded;
    }
}
