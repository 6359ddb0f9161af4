//! Documents of a new flag and its release: written down, checked with all others, and only then put into a file.

mod alike;
mod documents;
mod file;

use std::path::PathBuf;

pub use self::alike::Alike;
pub use self::file::{Written, write};

use crate::spec::documents::ProjectDoc;
use crate::spec::{Draft, Finding, Loaded, Severity, load_proposed};

/// What somebody wants.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The flag's key.
    pub flag: String,
    /// The release's name; the key unless said.
    pub release: Option<String>,
    /// What kind of flag it is.
    pub kind: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How long it should live, as it is written: `40d`.
    pub expected_lifetime: Option<String>,
    /// The release template, where it is not the project's.
    pub template: Option<String>,
    /// The threshold policy, where it is not the project's.
    pub policy: Option<String>,
    /// Where it goes, in order, where that is not where all go.
    pub environments: Vec<String>,
    /// Labels of the release.
    pub labels: Vec<(String, String)>,
    /// The file, relative to the project: one that is there is added to, below what stands in it. Where nothing is said, a
    /// file of its own.
    pub file: Option<String>,
}

/// What would be written.
#[derive(Debug, Clone)]
pub struct Drafted {
    /// The file as it would be.
    pub draft: Draft,
    /// The new documents in it.
    pub documents: String,
    /// The file as it is, where it is there.
    pub before: Option<String>,
    /// The release's name.
    pub release: String,
    /// Flags that are declared already and may be the same.
    pub alike: Vec<Alike>,
}

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The flag or release is declared already.
    #[error("`{name}` is declared already, in {place}")]
    Declared {
        /// Its name or key.
        name: String,
        /// File and line.
        place: String,
    },
    /// A file that cannot be used.
    #[error("`{name}`: {why}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The documents would be wrong.
    #[error("the new documents would be wrong, so nothing was written")]
    Invalid(Vec<Finding>),
}

impl Wish {
    /// The release's name.
    pub fn release(&self) -> &str {
        self.release.as_deref().unwrap_or(&self.flag)
    }

    /// Whether neither flag nor release is declared.
    ///
    /// # Errors
    /// The one that is, with its place.
    pub fn untaken(&self, loaded: &Loaded) -> Result<(), CreateError> {
        match alike::declared(loaded, &self.flag, self.release()) {
            Some((name, place)) => Err(CreateError::Declared { name, place }),
            None => Ok(()),
        }
    }

    /// The documents in their place, checked as `validate` would with all others. Writes nothing.
    ///
    /// # Errors
    /// What is declared already, a file that cannot be used, and findings that would not be there without the new documents.
    pub fn drafted(&self, loaded: &Loaded) -> Result<Drafted, CreateError> {
        self.untaken(loaded)?;
        let name = match &self.file {
            Some(name) => file::inside(name)?,
            None => format!("flagstaff/{}.yaml", file::plain(self.release())),
        };
        file::stays(&loaded.dir, &name)?;
        let before = file::read(&loaded.dir.join(&name), &name)?;
        if self.file.is_none() && before.is_some() {
            return Err(CreateError::File { name, why: "it is there already; --file adds to it".to_owned() });
        }
        let documents = documents::text(self);
        let text = match &before {
            Some(before) => file::joined(before, &documents),
            None => documents.clone(),
        };
        let draft = Draft { name, text };
        let include = loaded.project().map(ProjectDoc::included).unwrap_or_default();
        let with = load_proposed(&loaded.dir, &draft, &include)
            .map_err(|error| CreateError::File { name: draft.name.clone(), why: error.to_string() })?;
        // the same finding may stand elsewhere already: what counts is whether there are more of them now
        let like = |all: &[Finding], one: &Finding| {
            all.iter().filter(|it| it.code == one.code && it.message == one.message).count()
        };
        let is_new = |finding: &&Finding| {
            finding.severity == Severity::Error && like(&with.findings, finding) > like(&loaded.findings, finding)
        };
        let findings: Vec<Finding> = with.findings.iter().filter(is_new).cloned().collect();
        if !findings.is_empty() {
            return Err(CreateError::Invalid(findings));
        }
        let alike = alike::alike(loaded, self);
        Ok(Drafted { draft, documents, before, release: self.release().to_owned(), alike })
    }
}

impl Drafted {
    /// Where it goes.
    pub fn path(&self, loaded: &Loaded) -> PathBuf {
        loaded.dir.join(&self.draft.name)
    }
}
