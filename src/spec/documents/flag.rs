//! `kind: Flag`: a flag that is declared apart from its releases.

use crate::engine::Span;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text};

/// `kind: Flag`
#[derive(Debug, Clone)]
pub struct FlagDoc {
    /// Its name.
    pub name: Text,
    /// Its key.
    pub key: Text,
    /// What kind of flag it is.
    pub kind: Option<Text>,
    /// What it is for.
    pub description: Option<Text>,
    /// Who answers for it.
    pub owner: Option<Text>,
    /// How long it should live.
    pub expected_lifetime: Option<Span>,
    /// The project at the backend that it belongs to.
    pub project: Option<Text>,
}

/// The types of flags, as OpenFeature backends name them.
const TYPES: [&str; 6] = ["release", "experiment", "operational", "kill-switch", "permission", "sunset"];

pub(super) fn flag(name: Text, spec: &mut Reader<'_, '_>) -> FlagDoc {
    let kind = spec.text("type");
    if let Some(kind) = kind.as_ref().filter(|kind| !TYPES.contains(&kind.value.as_str())) {
        let finding = Finding::error("flag-type", &kind.at, format!("there is no type of flag `{}`", kind.value));
        spec.findings().push(finding.did_you_mean(&kind.value, TYPES));
    }
    FlagDoc {
        key: spec.text("key").unwrap_or_else(|| name.clone()),
        kind,
        description: spec.text("description"),
        owner: spec.text("owner"),
        expected_lifetime: spec.span("expected_lifetime").map(|(span, _)| span),
        project: spec.text("project"),
        name,
    }
}
