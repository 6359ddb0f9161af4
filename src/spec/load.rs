//! Loading a project: all documents of all files, and everything that is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks;
use super::documents::{Document, ProjectDoc, read};
use super::finding::{At, Finding, Severity, SourceFile};
use super::resolve::{Index, Resolved, resolve};
use super::{files, yaml};
use crate::engine::plan::{Audience, Target};

/// A project's documents.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The project's directory.
    pub dir: PathBuf,
    /// All documents that could be read.
    pub documents: Vec<Document>,
    /// Everything that is wrong, by file and place.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
}

/// A release and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRef {
    /// Its name.
    pub release: String,
    /// Its flag's key.
    pub flag: String,
    /// Its environments, in order.
    pub environments: Vec<String>,
}

/// Loads the default set of files, and what `include:` adds.
pub fn load(dir: &Path) -> Loaded {
    let paths = files::discover(dir);
    let mut loaded = read_files(dir, &paths);
    let include: Vec<String> = loaded
        .project()
        .map(|project| project.include.iter().map(|text| text.value.clone()).collect())
        .unwrap_or_default();
    let mut more: Vec<PathBuf> = include.iter().flat_map(|pattern| files::include(dir, pattern)).collect();
    more.retain(|path| !paths.contains(path));
    more.sort();
    more.dedup();
    let added = read_files(dir, &more);
    loaded.documents.extend(added.documents);
    loaded.findings.extend(added.findings);
    loaded.files += added.files;
    loaded.check();
    loaded
}

/// Loads the default set, and reports of the named files only.
pub fn load_paths(dir: &Path, paths: &[PathBuf]) -> Loaded {
    let mut loaded = load(dir);
    let known: Vec<PathBuf> = files::discover(dir);
    let named: Vec<PathBuf> = paths.iter().flat_map(|path| files::include(dir, &path.to_string_lossy())).collect();
    let mut outside: Vec<PathBuf> = named.iter().filter(|path| !known.contains(path)).cloned().collect();
    outside.sort();
    let added = read_files(dir, &outside);
    loaded.documents.extend(added.documents);
    loaded.findings.retain(|finding| finding.code != "no-project" || outside.is_empty());
    loaded.findings.extend(added.findings);
    loaded.files += added.files;
    loaded.check();
    let names: Vec<String> =
        named.iter().map(|path| path.strip_prefix(dir).unwrap_or(path).to_string_lossy().replace('\\', "/")).collect();
    loaded.findings.retain(|finding| names.contains(&finding.at.file.name));
    loaded
}

/// Only the Project document: what a stop needs. Every other document may be broken.
///
/// # Errors
/// The findings that keep even this from being read.
pub fn project_only(dir: &Path) -> Result<ProjectDoc, Vec<Finding>> {
    let mut loaded = Loaded::default();
    for path in files::discover(dir) {
        let read = read_files(dir, &[path]);
        loaded.findings.extend(read.findings);
        for document in read.documents {
            if let Document::Project(project) = document {
                return Ok(*project);
            }
        }
    }
    if loaded.findings.is_empty() {
        loaded.findings.push(no_project(dir));
    }
    Err(loaded.findings)
}

fn no_project(dir: &Path) -> Finding {
    let file = std::sync::Arc::new(SourceFile { name: "flagstaff.yaml".to_owned(), text: String::new() });
    let at = At { file, start: 0, end: 0 };
    let finding = Finding::error("no-project", &at, format!("there is no Project document in {}", dir.display()));
    finding.help("`flagstaff init` makes one; `-C DIR` or FLAGSTAFF_DIR says where it is")
}

/// Reads files side by side; their order does not depend on which is done first.
fn read_files(dir: &Path, paths: &[PathBuf]) -> Loaded {
    let read_one = |path: &PathBuf| {
        let mut findings = Vec::new();
        let mut documents = Vec::new();
        match files::read(dir, path) {
            Ok(file) => {
                for node in yaml::parse(&file, &mut findings) {
                    documents.extend(read(&node, &mut findings));
                }
            }
            Err(finding) => findings.push(*finding),
        }
        (documents, findings)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = paths.len().div_ceil(threads).max(16);
    let mut loaded = Loaded { dir: dir.to_owned(), files: paths.len(), ..Loaded::default() };
    std::thread::scope(|scope| {
        let parts: Vec<_> = paths
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(read_one).collect::<Vec<_>>()))
            .collect();
        for part in parts {
            for (documents, findings) in part.join().unwrap_or_default() {
                loaded.documents.extend(documents);
                loaded.findings.extend(findings);
            }
        }
    });
    loaded
}

impl Loaded {
    /// The project, if its document could be read.
    pub fn project(&self) -> Option<&ProjectDoc> {
        self.documents.iter().find_map(|document| match document {
            Document::Project(project) => Some(&**project),
            _ => None,
        })
    }

    /// Whether anything keeps the documents from being used.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Every release with its environments.
    pub fn releases(&self) -> Vec<ReleaseRef> {
        let mut releases = Vec::new();
        for document in &self.documents {
            if let Document::Release(release) = document {
                let named = release.environments.iter().map(|(name, _)| name.value.clone());
                let mut environments: Vec<String> = named.collect();
                if environments.is_empty() {
                    environments = self.default_environments();
                }
                releases.push(ReleaseRef {
                    release: release.name.value.clone(),
                    flag: release.flag.value.clone(),
                    environments,
                });
            }
        }
        releases.sort_by(|left, right| left.release.cmp(&right.release));
        releases
    }

    /// The definitions of all audiences that can be read.
    pub fn audiences(&self) -> BTreeMap<String, Audience> {
        let audience = |document: &Document| match document {
            Document::Audience(found) => Some((found.name.value.clone(), found.audience.clone())),
            _ => None,
        };
        self.documents.iter().filter_map(audience).collect()
    }

    fn default_environments(&self) -> Vec<String> {
        let Some(project) = self.project() else { return Vec::new() };
        let named: Vec<String> = project.default_environments.iter().map(|name| name.value.clone()).collect();
        if !named.is_empty() {
            return named;
        }
        project.environments.iter().map(|environment| environment.name.value.clone()).collect()
    }

    /// A release in an environment with everything resolved.
    ///
    /// # Errors
    /// The findings that stand against it.
    pub fn plan(&self, release: &str, environment: &str) -> Result<Resolved, Vec<Finding>> {
        resolve(self, &Index::new(&self.documents), release, environment)
    }

    /// The flag file of an environment, for stops.
    pub fn target(&self, environment: &str) -> Option<Target> {
        let environments = &self.project()?.environments;
        let found = environments.iter().find(|known| known.name.value == environment)?;
        found.target.as_ref().map(|(target, _)| target.clone())
    }

    fn check(&mut self) {
        self.findings.retain(|finding| !checks::CODES.contains(&finding.code));
        if self.project().is_none() && !self.findings.iter().any(|finding| finding.severity == Severity::Error) {
            self.findings.push(no_project(&self.dir));
        }
        let mut found = checks::all(self);
        let index = Index::new(&self.documents);
        for ReleaseRef { release, environments, .. } in self.releases() {
            for environment in environments {
                match resolve(self, &index, &release, &environment) {
                    Ok(resolved) => found.extend(resolved.warnings),
                    Err(findings) => found.extend(findings),
                }
            }
        }
        self.findings.extend(found);
        self.findings.sort_by(|left, right| {
            let key = |finding: &Finding| (finding.at.file.name.clone(), finding.at.start, finding.code);
            key(left).cmp(&key(right)).then_with(|| left.message.cmp(&right.message))
        });
        // a policy's fault is found once for each release that uses it
        self.findings.dedup();
    }
}
