//! Documents change while a driver runs: what they say now holds growth and says where a stop goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::backends;
use super::observe::Did;
use super::site::Site;
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};
use crate::spec::load::ReleaseRef;
use crate::spec::{self, Loaded};

/// Whoever changes documents is done after this long: an editor, a checkout.
const SETTLED: Span = Span::seconds(10);
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
    /// Reads the documents again if their files have changed. What is asked of sources stays as this process began: a
    /// changed address of one holds growth. While the Project document cannot be read, all that is known stays, and growth
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
