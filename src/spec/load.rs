//! Loading a project: all documents of all files, and everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::documents::{Body, Document, FlagDoc, PolicyDoc, ProjectDoc, read};
use super::files::{Found, NotRead, Tree};
use super::finding::{At, Finding, Severity, SourceFile};
use super::index::{Index, Parts};
use super::resolve::{Resolved, draft, resolve, unused};
use super::{checks, yaml};
use crate::engine::plan::{Audience, Target};

/// Of one file's findings, before it is compared with others, no more than these are told.
const FINDINGS_AT_MOST: usize = 1000;
/// So many files are one share of a thread's work.
const SHARE: usize = 32;

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
    /// The names of the files that were asked for; empty where all are.
    named: BTreeSet<String>,
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
    load_paths(dir, &[])
}

/// A file as it would be: it takes the place of what is there under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name, relative to the project.
    pub name: String,
    /// What would stand in it.
    pub text: String,
}

/// As [`load`], as it would be with a file that is not written yet.
///
/// # Errors
/// No documents are read from a file of that name, by default or by what `include` names.
pub fn load_proposed(dir: &Path, draft: &Draft, include: &[String]) -> Result<Loaded, NotRead> {
    let mut tree = Tree::new(dir);
    tree.propose(&draft.name, draft.text.clone(), include)?;
    Ok(load_tree(dir, tree, &[]))
}

/// Loads the default set and the named files and folders; of findings, where any are named, only those in them.
pub fn load_paths(dir: &Path, named: &[PathBuf]) -> Loaded {
    load_tree(dir, Tree::new(dir), named)
}

fn load_tree(dir: &Path, mut tree: Tree, named: &[PathBuf]) -> Loaded {
    let default = tree.discover();
    let mut loaded = read_files(dir, &tree, &default);
    let include = loaded.project().map(ProjectDoc::included).unwrap_or_default();
    let named: Vec<Found> = named.iter().flat_map(|path| tree.include(&path.to_string_lossy())).collect();
    let known: BTreeSet<&Path> = default.iter().map(|found| found.path.as_path()).collect();
    let mut more: Vec<Found> = include.iter().flat_map(|pattern| tree.include(pattern)).collect();
    more.extend(named.iter().cloned());
    more.retain(|found| !known.contains(found.path.as_path()));
    more.sort();
    more.dedup_by(|left, right| left.path == right.path);
    loaded.add(read_files(dir, &tree, &more));
    loaded.findings.extend(tree.crowded());
    loaded.check(named.is_empty());
    if !named.is_empty() {
        let names: BTreeSet<String> = named.iter().map(|found| tree.name(&found.path)).collect();
        loaded.findings.retain(|finding| names.contains(&finding.at.file.name));
        loaded.named = names;
    }
    loaded
}

/// Every file that [`load`] would read, with what tells that it was changed. Reads no content.
pub fn stamps(dir: &Path, include: &[String]) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut tree = Tree::new(dir);
    let mut files = tree.discover();
    files.extend(include.iter().flat_map(|pattern| tree.include(pattern)));
    let stamp = |found: Found| {
        // of a link, what it leads to
        let about = std::fs::metadata(&found.path).ok();
        let (length, changed) = about.map_or((0, None), |about| (about.len(), about.modified().ok()));
        (found.path, length, changed)
    };
    files.into_iter().map(stamp).collect()
}

/// Only the Project document: what a stop needs. Every other document may be broken.
///
/// # Errors
/// The findings that keep even this from being read.
pub fn project_only(dir: &Path) -> Result<ProjectDoc, Vec<Finding>> {
    let mut tree = Tree::new(dir);
    let mut findings = Vec::new();
    for found in tree.discover() {
        let (documents, more) = read_file(&tree, &found);
        findings.extend(more);
        for document in documents {
            if let Body::Project(project) = document.body {
                return Ok(*project);
            }
        }
    }
    findings.extend(tree.crowded());
    if findings.is_empty() {
        findings.push(no_project(dir));
    }
    Err(findings)
}

fn no_project(dir: &Path) -> Finding {
    let file = SourceFile::new("flagstaff.yaml", String::new());
    let at = At { file, start: 0, end: 0 };
    if !dir.is_dir() {
        let finding = Finding::error("no-project", &at, format!("there is no directory {}", dir.display()));
        return finding.help("`-C DIR` or FLAGSTAFF_DIR says where the project is");
    }
    let finding = Finding::error("no-project", &at, format!("there is no Project document in {}", dir.display()));
    finding.help("`flagstaff init` makes one; `-C DIR` or FLAGSTAFF_DIR says where it is")
}

fn read_file(tree: &Tree, found: &Found) -> (Vec<Document>, Vec<Finding>) {
    match tree.read(found) {
        Ok(file) => read_text(&file),
        Err(finding) => (Vec::new(), vec![*finding]),
    }
}

fn read_text(file: &Arc<SourceFile>) -> (Vec<Document>, Vec<Finding>) {
    let (mut documents, mut findings) = (Vec::new(), Vec::new());
    for node in yaml::parse(file, &mut findings) {
        documents.extend(read(&node, &mut findings));
    }
    if let Some(first) = findings.get(FINDINGS_AT_MOST) {
        let message = format!("and {} more findings in this file", findings.len() - FINDINGS_AT_MOST);
        let last = Finding::error("many", &first.at, message);
        findings.truncate(FINDINGS_AT_MOST);
        findings.push(last);
    }
    (documents, findings)
}

/// Reads files side by side; their order does not depend on which is done first.
fn read_files(dir: &Path, tree: &Tree, files: &[Found]) -> Loaded {
    // few files are read faster than a thread starts
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(files.len().div_ceil(SHARE));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let share = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = files.chunks(SHARE).nth(share) else { break done };
            done.push((share, part.iter().map(|found| read_file(tree, found)).collect::<Vec<_>>()));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            // a thread that panicked would have lost documents: that is no result
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(share, _)| *share);
    let mut loaded = Loaded { dir: dir.to_owned(), files: files.len(), ..Loaded::default() };
    for (documents, findings) in done.into_iter().flat_map(|(_, part)| part) {
        loaded.documents.extend(documents);
        loaded.findings.extend(findings);
    }
    loaded
}

impl Loaded {
    /// The project, if its document could be read.
    pub fn project(&self) -> Option<&ProjectDoc> {
        self.documents.iter().find_map(|document| match &document.body {
            Body::Project(project) => Some(&**project),
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
        let default = self.default_environments();
        for document in &self.documents {
            if let Body::Release(release) = &document.body {
                let named = release.environments.iter().map(|entry| entry.name.value.clone());
                let mut environments: Vec<String> = named.collect();
                if environments.is_empty() {
                    environments.clone_from(&default);
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
        let audience = |document: &Document| match &document.body {
            Body::Audience(found) => Some((found.name.value.clone(), found.audience.clone())),
            _ => None,
        };
        self.documents.iter().filter_map(audience).collect()
    }

    /// Where releases go that do not say so.
    pub fn default_environments(&self) -> Vec<String> {
        let Some(project) = self.project() else { return Vec::new() };
        let named: Vec<String> = project.default_environments.iter().map(|name| name.value.clone()).collect();
        if !named.is_empty() {
            return named;
        }
        project.environments.iter().map(|environment| environment.name.value.clone()).collect()
    }

    /// A release in an environment with everything resolved. Refused where an error stands in any document that it
    /// depends on.
    ///
    /// # Errors
    /// The findings that stand against it.
    pub fn plan(&self, release: &str, environment: &str) -> Result<Resolved, Vec<Finding>> {
        let index = Index::new(&self.documents);
        resolve(&Parts::find(&index, release, environment)?.sound(&self.findings)?)
    }

    /// As [`Loaded::plan`], of every release in each of its environments.
    pub fn plans(&self) -> Vec<(String, String, Result<Resolved, Vec<Finding>>)> {
        let index = Index::new(&self.documents);
        let resolved = |release: &str, environment: &str| {
            resolve(&Parts::find(&index, release, environment)?.sound(&self.findings)?)
        };
        let mut plans = Vec::new();
        for ReleaseRef { release, environments, .. } in self.releases() {
            for environment in environments {
                let plan = resolved(&release, &environment);
                plans.push((release.clone(), environment, plan));
            }
        }
        plans
    }

    /// A policy by its name.
    pub fn policy(&self, name: &str) -> Option<&PolicyDoc> {
        self.documents.iter().find_map(|document| match &document.body {
            Body::Policy(policy) if policy.name.value == name => Some(&**policy),
            _ => None,
        })
    }

    /// Whether a policy stands in a file that was asked for.
    pub fn is_asked_for(&self, policy: &str) -> bool {
        let asked = |policy: &PolicyDoc| self.named.contains(&policy.name.at.file.name);
        self.named.is_empty() || self.policy(policy).is_some_and(asked)
    }

    /// Whether a place is in a file that was asked for.
    pub fn is_about(&self, at: &At) -> bool {
        self.named.is_empty() || self.named.contains(&at.file.name)
    }

    /// Takes in what was found elsewhere, in its order.
    pub fn add_findings(&mut self, more: Vec<Finding>) {
        self.findings.extend(more);
        self.sort();
    }

    /// Flags that are declared apart from their releases.
    pub fn flags(&self) -> impl Iterator<Item = &FlagDoc> {
        self.documents.iter().filter_map(|document| match &document.body {
            Body::Flag(flag) => Some(&**flag),
            _ => None,
        })
    }

    /// Where the flags of an environment live.
    pub fn target(&self, environment: &str) -> Option<Target> {
        let environments = &self.project()?.environments;
        let found = environments.iter().find(|known| known.name.value == environment)?;
        found.target.as_ref().map(|(target, _)| target.clone())
    }

    fn add(&mut self, more: Loaded) {
        self.documents.extend(more.documents);
        self.findings.extend(more.findings);
        self.files += more.files;
    }

    fn check(&mut self, project_needed: bool) {
        let index = Index::new(&self.documents);
        let releases = self.releases();
        let mut found = checks::all(&self.documents, &index, &releases);
        if project_needed
            && index.project.is_none()
            && self.findings.iter().all(|finding| finding.severity != Severity::Error)
        {
            found.push(no_project(&self.dir));
        }
        // what is wrong with a template under a policy is the same for all releases that use both
        let mut drafted = BTreeSet::new();
        for ReleaseRef { release, environments, .. } in &releases {
            let mut before = Vec::new();
            for environment in environments {
                match Parts::find(&index, release, environment) {
                    Ok(parts) => {
                        found.extend(checks::release(&parts));
                        found.extend(parts.reads_the_same_as(&before));
                        before.push(parts.reads());
                        if drafted.insert(parts.kin()) {
                            found.extend(draft(&parts).1);
                        }
                    }
                    Err(findings) => found.extend(findings),
                }
            }
        }
        let used: BTreeSet<&str> = drafted.iter().map(|[_, _, policy, _]| *policy).collect();
        for (_, policy) in index.policies.iter().filter(|(name, _)| !used.contains(*name)) {
            found.extend(unused(&index, policy));
        }
        self.findings.extend(found);
        self.sort();
    }

    fn sort(&mut self) {
        let key = |finding: &'_ Finding| (finding.at.start, finding.code);
        self.findings.sort_by(|left, right| {
            let files = left.at.file.name.cmp(&right.at.file.name);
            files.then_with(|| key(left).cmp(&key(right))).then_with(|| left.message.cmp(&right.message))
        });
        self.findings.dedup();
    }
}
