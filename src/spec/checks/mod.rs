//! What documents must satisfy beyond their shape: within a document, between documents, and of a resolved plan.

mod after;
mod backend;
mod freezes;
mod names;
mod plan;
mod policy;
mod project;
mod release;
mod template;

use std::collections::BTreeMap;

use super::documents::{Body, Document};
use super::finding::Finding;
use super::index::Index;
use super::load::ReleaseRef;
use super::reader::Text;

pub(super) use plan::plan;
pub(super) use project::{apart, read_the_same};
pub(super) use release::release;

/// Checks within and between documents.
pub(super) fn all(documents: &[Document], index: &Index<'_>, releases: &[ReleaseRef]) -> Vec<Finding> {
    let mut findings = Vec::new();
    names::check(documents, &mut findings);
    unique_names(documents, &mut findings);
    for document in documents {
        match &document.body {
            Body::Template(template) => template::check(template, index, &mut findings),
            Body::Policy(policy) => policy::check(policy, &mut findings),
            _ => {}
        }
    }
    if let Some(found) = index.project {
        project::check(found.doc, &mut findings);
        freezes::check(found.doc, index, &mut findings);
    }
    one_release_per_flag(index, releases, &mut findings);
    names_of_flags(index, releases, &mut findings);
    after::cycles(index, releases, &mut findings);
    signals_name_releases(index, releases, &mut findings);
    findings
}

/// A signal that is always about a release that nobody declares would stop nothing.
fn signals_name_releases(index: &Index<'_>, releases: &[ReleaseRef], findings: &mut Vec<Finding>) {
    let signals = index.project.iter().flat_map(|found| &found.doc.signals);
    for name in signals.flat_map(|signal| &signal.releases) {
        let known = || releases.iter().flat_map(|known| [known.release.as_str(), known.flag.as_str()]);
        if !known().any(|known| known == name.value) {
            let message = format!("there is no release or flag `{}`", name.value);
            findings.push(Finding::error("unknown-release", &name.at, message).did_you_mean(&name.value, known()));
        }
    }
}

fn unique_names(documents: &[Document], findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<(&str, &str), &Text> = BTreeMap::new();
    for document in documents {
        let (kind, name) = document.name();
        // there is one project, whatever its name
        let key = if kind == "Project" { "" } else { name.value.as_str() };
        let first = *seen.entry((kind, key)).or_insert(name);
        if !std::ptr::eq(first, name) {
            let message = format!("there are two {kind} documents `{}`", name.value);
            let help = format!("the other one is at {}; names are unique per kind", first.at.place());
            findings.push(Finding::error("duplicate-name", &name.at, message).help(help));
        }
    }
}

/// Stops take a release's name or a flag's key: one word must not mean two things.
fn names_of_flags(index: &Index<'_>, releases: &[ReleaseRef], findings: &mut Vec<Finding>) {
    let each = releases.iter().flat_map(|known| known.environments.iter().map(move |it| ((&known.flag, it), known)));
    let by_flag: BTreeMap<_, &ReleaseRef> = each.collect();
    for ReleaseRef { release, flag, environments } in releases.iter().filter(|known| known.release != known.flag) {
        let other = environments.iter().find_map(|environment| by_flag.get(&(release, environment)));
        if let (Some(other), Some(found)) = (other, index.releases.get(release.as_str())) {
            let message = format!("this is the flag of release `{}` too, and its own is `{flag}`", other.release);
            let finding = Finding::error("flag-name", &found.doc.name.at, message);
            findings.push(finding.help("`abort` takes either, and must mean one thing: give it another name"));
        }
    }
}

fn one_release_per_flag(index: &Index<'_>, releases: &[ReleaseRef], findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for ReleaseRef { release, flag, environments } in releases {
        for environment in environments {
            let other = *taken.entry((flag, environment)).or_insert(release);
            let Some(found) = index.releases.get(release.as_str()).filter(|_| other != release) else { continue };
            let message = format!("flag `{flag}` in {environment} belongs to release `{other}` already");
            findings.push(Finding::error("same-flag", &found.doc.flag.at, message));
        }
    }
}
