//! Everything that a project stands on, looked at side by side before a release needs it.
//!
//! Nothing is changed: what a backend or source says is its own examination's, the journal is opened only where there is
//! one, and what waits in the spool stays there. Like a stop it needs the Project document and no other.

mod driver;
mod journal;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::{join, join_all, join3};

use super::observe::{Did, Ear, Observer};
use super::{backends, site};
use crate::checkup::{Check, Fault};
use crate::clock::{Clock, within};
use crate::engine::Span;
use crate::spec::documents::ProjectDoc;
use crate::spec::{self, Finding, Severity};

/// How long anything is waited for. What knows better where it hangs gives up before.
const PATIENCE: Span = Span::seconds(6);

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its name, where there may be several: an environment's, a source's.
    pub name: Option<String>,
    /// Where it is, for people.
    pub place: Option<String>,
    /// What was found.
    pub checks: Vec<Check>,
}

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The documents.
    Documents,
    /// The journal.
    Journal,
    /// What waits beside the journal.
    Spool,
    /// Who drives.
    Driver,
    /// An environment's backend.
    Backend,
    /// A source.
    Source,
}

/// A project as far as an examination needs it.
pub struct Doctor {
    dir: PathBuf,
    project: Result<ProjectDoc, Vec<Finding>>,
    clock: Arc<dyn Clock>,
    ear: Option<Ear>,
}

impl Doctor {
    /// Of the project in a folder; also where its document cannot be read.
    pub fn of(dir: &Path, clock: Arc<dyn Clock>, observer: Option<Arc<dyn Observer>>) -> Doctor {
        let ear = observer.map(|observer| Ear::new(observer, clock.clone()));
        Doctor { dir: dir.to_owned(), project: spec::project_only(dir), clock, ear }
    }

    /// The project's environments in their order; none where its document cannot be read.
    pub fn environments(&self) -> Vec<String> {
        let known = self.project.iter().flat_map(|project| &project.environments);
        known.map(|environment| environment.name.value.clone()).collect()
    }

    /// Looks at everything at once. The order of what is found does not depend on which answers first.
    pub async fn examine(&self, environment: Option<&str>) -> Vec<Thing> {
        let recorded = join(self.documents(), self.journal(environment));
        let ((documents, recorded), backends, sources) =
            join3(recorded, self.backends(environment), self.sources()).await;
        std::iter::once(documents).chain(recorded).chain(backends).chain(sources).collect()
    }

    async fn documents(&self) -> Thing {
        let (dir, began) = (self.dir.clone(), self.clock.now());
        let loaded = within(&*self.clock, PATIENCE, tokio::task::spawn_blocking(move || spec::load(&dir))).await;
        let check = match loaded {
            Some(Ok(loaded)) => {
                if let Some(ear) = &self.ear {
                    ear.did(&Did::Documents { files: loaded.files, documents: loaded.documents.len() }, began);
                }
                let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
                let warnings = loaded.findings.len() - errors;
                let read = format!("{}, {}", many(loaded.files, "file"), many(loaded.documents.len(), "document"));
                let wrong = format!("{read}: {}, {}", many(errors, "error"), many(warnings, "warning"));
                match (errors, warnings) {
                    (0, 0) => Check::fine("findings", format!("{read}, nothing is wrong with them")),
                    (0, _) => Check::warning("findings", wrong, "flagstaff validate"),
                    _ => Check::failed("findings", Fault::Documents, wrong, "flagstaff validate"),
                }
            }
            _ => Check::failed("findings", Fault::Other, hangs(), "look at the file system that they are on"),
        };
        Thing { kind: Kind::Documents, name: None, place: None, checks: vec![check] }
    }

    async fn backends(&self, environment: Option<&str>) -> Vec<Thing> {
        let Ok(project) = &self.project else { return Vec::new() };
        let backends = backends::all(&self.dir, project, self.ear.as_ref());
        let meant = project.environments.iter().map(|known| &known.name.value);
        let meant = meant.filter(|name| environment.is_none_or(|meant| meant == name.as_str()));
        let looks = meant.map(|name| {
            let backend = backends.get(name).cloned();
            async move {
                let (place, checks) = match backend {
                    Some(backend) => (Some(backend.place()), self.answers(backend.examine(&*self.clock)).await),
                    None => (None, vec![nowhere("the documents do not say where its flags live")]),
                };
                Thing { kind: Kind::Backend, name: Some(name.clone()), place, checks }
            }
        });
        join_all(looks).await
    }

    async fn sources(&self) -> Vec<Thing> {
        let Ok(project) = &self.project else { return Vec::new() };
        let (sources, _) = site::sources(&self.dir, project, &self.clock, self.ear.as_ref());
        let looks = project.sources.iter().map(|document| {
            let source = sources.get(&document.name.value).cloned();
            async move {
                let mut checks = Vec::new();
                let place = source.as_ref().map(|source| source.place());
                if let Some(source) = source {
                    checks.extend(self.answers(source.examine()).await);
                }
                Thing { kind: Kind::Source, name: Some(document.name.value.clone()), place, checks }
            }
        });
        join_all(looks).await
    }

    async fn answers(&self, examination: impl Future<Output = Vec<Check>>) -> Vec<Check> {
        let checks = within(&*self.clock, PATIENCE, examination).await;
        let advice = "check its address, that it runs, and that this machine may reach it";
        checks.unwrap_or_else(|| vec![Check::failed("reachable", Fault::Unreachable, hangs(), advice)])
    }
}

fn nowhere(seen: &str) -> Check {
    Check::failed("findings", Fault::Documents, seen, "flagstaff validate")
}

fn hangs() -> String {
    format!("no answer within {} s", PATIENCE.0 / 1000)
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
