//! Freezes by date, from the present documents: holding is safe, so they need no journal and no pinned plan.

use crate::engine::Timestamp;
use crate::engine::input::{Hold, HoldKind};
use crate::spec::documents::{FreezeDoc, ProjectDoc};

/// A freeze by date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedFreeze {
    /// Named by the reason of whoever goes past it.
    pub name: String,
    /// The environments that are frozen; all of them if none is named.
    pub environments: Vec<String>,
    /// The releases that are frozen; all of them if none is named.
    pub releases: Vec<String>,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Where it stands: `file:line`.
    pub place: String,
}

impl DatedFreeze {
    fn of(doc: &FreezeDoc) -> DatedFreeze {
        DatedFreeze {
            name: format!("freeze-{}", doc.name.value),
            environments: doc.environments.iter().map(|name| name.value.clone()).collect(),
            releases: doc.releases.iter().map(|name| name.value.clone()).collect(),
            from: doc.from,
            until: doc.to,
            reason: doc.reason.clone(),
            place: doc.at.place(),
        }
    }

    /// Whether it holds at an instant.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether anything of a scope is in it; where one is not named, all are meant.
    pub fn touches(&self, environment: Option<&str>, release: Option<&str>) -> bool {
        let is_in = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_none_or(|name| names.iter().any(|known| known == name))
        };
        is_in(&self.environments, environment) && is_in(&self.releases, release)
    }

    fn hold(&self) -> Hold {
        Hold {
            kind: HoldKind::Freeze,
            detail: format!("{} until {} ({})", self.name, self.until, self.place),
            until: Some(self.until),
        }
    }
}

/// The freezes of a project by date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dated {
    /// Those that are not over, those that end first first.
    pub freezes: Vec<DatedFreeze>,
    /// Why there may be more, where something of them cannot be read.
    pub fault: Option<String>,
}

impl Dated {
    /// What a project says.
    pub fn of(project: &ProjectDoc, now: Timestamp) -> Dated {
        let mut freezes: Vec<DatedFreeze> =
            project.freezes.iter().filter(|doc| doc.to > now).map(DatedFreeze::of).collect();
        freezes.sort_by(|left, right| (left.until, &left.name).cmp(&(right.until, &right.name)));
        Dated { freezes, fault: fault(project) }
    }

    /// Those that touch anything of a scope, or have its name.
    pub fn meant<'d>(&'d self, environment: Option<&'d str>, release: Option<&'d str>) -> Vec<&'d DatedFreeze> {
        let is_named = |it: &DatedFreeze| {
            release.is_some_and(|name| it.name == name || it.name.strip_prefix("freeze-") == Some(name))
        };
        self.freezes.iter().filter(|it| it.touches(environment, release) || is_named(it)).collect()
    }
}

/// Named by the reason of whoever goes past a freeze that cannot be understood.
pub(super) const UNREADABLE: &str = "freeze-unreadable";

fn fault(project: &ProjectDoc) -> Option<String> {
    let place = project.freezes_fault.as_ref()?.place();
    Some(format!("a freeze in the documents cannot be read ({place})"))
}

/// What holds a release in an environment by date, now. What cannot be read, or names what is not there, may have been meant
/// for it.
pub(super) fn holds(
    project: &ProjectDoc,
    now: Timestamp,
    release: &str,
    environment: &str,
    is_release: &dyn Fn(&str) -> bool,
) -> Vec<Hold> {
    let is_environment = |name: &String| project.environments.iter().any(|known| known.name.value == *name);
    let present = project.freezes.iter().filter(|doc| doc.from <= now && now < doc.to).map(DatedFreeze::of);
    let frozen = present.filter(|freeze| {
        freeze.touches(Some(environment), Some(release))
            || !freeze.environments.iter().all(is_environment)
            || !freeze.releases.iter().all(|name| is_release(name))
    });
    let fault = fault(project).map(|why| {
        let detail = format!("{why}: it may be meant for this");
        let named = Hold { kind: HoldKind::Freeze, detail: format!("{UNREADABLE}: {detail}"), until: None };
        // a person is needed at the documents, and whoever goes past it says so
        [Hold { kind: HoldKind::DocumentGone, detail, until: None }, named]
    });
    frozen.map(|freeze| freeze.hold()).chain(fault.into_iter().flatten()).collect()
}
