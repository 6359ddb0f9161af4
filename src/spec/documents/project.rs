//! `kind: Project`: where things live.

use std::collections::BTreeMap;

use super::backend::{AccessDoc, backend};
use super::breaker::{BreakerDoc, breaker};
use super::calendar::{FreezeDoc, freezes};
use super::layer::{Layer, layer};
use super::notification::{NotificationDoc, notification};
use super::signal::{SignalDoc, signal};
use super::source::{SourceDoc, source};
use crate::engine::plan::Target;
use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text, read_texts};
use crate::spec::yaml::Node;

/// `kind: Project`
#[derive(Debug, Clone)]
pub struct ProjectDoc {
    /// Its name.
    pub name: Text,
    /// The journal's file, relative to the project.
    pub journal: String,
    /// Extra files.
    pub include: Vec<Text>,
    /// The attribute users are kept together by.
    pub stickiness: String,
    /// Sources.
    pub sources: Vec<SourceDoc>,
    /// Environments in the order of promotion.
    pub environments: Vec<EnvironmentDoc>,
    /// What releases take where they say nothing.
    pub defaults: Layer,
    /// The environments of a release that names none.
    pub default_environments: Vec<Text>,
    /// Groups of people.
    pub people: BTreeMap<String, Vec<String>>,
    /// Freezes by date.
    pub freezes: Vec<FreezeDoc>,
    /// Where something of them could not be read: what it would hold is not known.
    pub freezes_fault: Option<At>,
    /// When rules pause instead of shutting down; nothing where they always shut down.
    pub breaker: Option<BreakerDoc>,
    /// Alerts from outside that may stop rollouts.
    pub signals: Vec<SignalDoc>,
    /// Who is told when a rollout becomes something else.
    pub notifications: Vec<NotificationDoc>,
}

/// An environment.
#[derive(Debug, Clone)]
pub struct EnvironmentDoc {
    /// Its name.
    pub name: Text,
    /// Its flags.
    pub target: Option<(Target, At)>,
    /// How to get at them: nothing of it enters a plan.
    pub access: AccessDoc,
    /// Whether growth asks for the flag's key and a reason.
    pub protected: bool,
    /// What releases take here.
    pub layer: Layer,
}

/// Where the journal is unless the project says otherwise.
pub const JOURNAL: &str = ".flagstaff/journal.db";

impl ProjectDoc {
    /// What `include:` names.
    pub fn included(&self) -> Vec<String> {
        self.include.iter().map(|text| text.value.clone()).collect()
    }
}

pub(super) fn project(name: Text, spec: &mut Reader<'_, '_>) -> ProjectDoc {
    let mut journal = JOURNAL.to_owned();
    if let Some(node) = spec.get("journal") {
        let mut reader = Reader::new(node, "`journal`", spec.findings());
        if let Some(path) = reader.text("sqlite") {
            journal = path.value;
        }
        reader.later(&["postgres"]);
        reader.finish();
    }
    let mut sources = Vec::new();
    if let Some(node) = spec.get("sources") {
        for (name, node) in Reader::new(node, "`sources`", spec.findings()).entries() {
            sources.extend(source(name, node, spec.findings()));
        }
    }
    let mut environments = Vec::new();
    if let Some(node) = spec.need("environments") {
        for (name, node) in Reader::new(node, "`environments`", spec.findings()).entries() {
            environments.push(environment(name, node, spec.findings()));
        }
    }
    let (mut defaults, mut default_environments) = (Layer::default(), Vec::new());
    if let Some(node) = spec.get("defaults") {
        let mut reader = Reader::new(node, "`defaults`", spec.findings());
        defaults = layer(&mut reader);
        default_environments = reader.texts("environments").unwrap_or_default();
        reader.finish();
    }
    let mut people = BTreeMap::new();
    if let Some(node) = spec.get("people") {
        for (group, node) in Reader::new(node, "`people`", spec.findings()).entries() {
            let names = read_texts(node, spec.findings());
            people.insert(group.value, names.into_iter().map(|name| name.value).collect());
        }
    }
    let (freezes, freezes_fault) = freezes(spec);
    let breaker = breaker(spec);
    let mut signals = Vec::new();
    if let Some(node) = spec.get("signals") {
        for (name, node) in Reader::new(node, "`signals`", spec.findings()).entries() {
            signals.extend(signal(name, node, spec.findings()));
        }
    }
    let mut notifications = Vec::new();
    if let Some(node) = spec.get("notifications") {
        for (name, node) in Reader::new(node, "`notifications`", spec.findings()).entries() {
            notifications.push(notification(name, node, spec.findings()));
        }
    }
    ProjectDoc {
        name,
        journal,
        include: spec.texts("include").unwrap_or_default(),
        stickiness: spec.text("stickiness").map_or_else(|| "targetingKey".to_owned(), |text| text.value),
        sources,
        environments,
        defaults,
        default_environments,
        people,
        freezes,
        freezes_fault,
        breaker,
        signals,
        notifications,
    }
}

fn environment(name: Text, node: &Node, findings: &mut Vec<Finding>) -> EnvironmentDoc {
    let mut reader = Reader::new(node, "an environment", findings);
    let (target, access) = match reader.need("backend") {
        Some(node) => backend(node, reader.findings()),
        None => (None, AccessDoc::default()),
    };
    // what cannot be read may have been meant to protect
    let is_said = reader.key_at("protected").is_some();
    let protected = reader.flag("protected").unwrap_or(is_said);
    let layer = layer(&mut reader);
    reader.finish();
    EnvironmentDoc { name, target, access, protected, layer }
}
