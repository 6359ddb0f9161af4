//! A release in an environment becomes a plan: precedence is entry > release > environment > defaults.

mod building;
mod origins;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::documents::{Layer, PolicyDoc, ReleaseDoc};
use super::finding::{Finding, Severity};
use super::index::{Found, Index, Parts, Sound};
use crate::canonical;
use crate::engine::Span;
use crate::engine::plan::{Plan, SourceAddress};
use building::Building;

/// A plan, its name, and where its values came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The plan.
    pub plan: Plan,
    /// SHA-256 of its canonical bytes.
    pub hash: String,
    /// For each part of the plan, where it was written.
    pub origins: BTreeMap<String, String>,
    /// What is probably not meant.
    pub warnings: Vec<Finding>,
}

/// Resolves a release in an environment.
pub(super) fn resolve(sound: &Sound<'_, '_>) -> Result<Resolved, Vec<Finding>> {
    let parts = sound.parts();
    let (plan, mut findings) = draft(parts);
    findings.extend(super::checks::release(parts));
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    match plan {
        Some(plan) if errors.is_empty() => {
            let hash = canonical::hash(&plan).map_err(|error| {
                vec![Finding::error("plan", &parts.release.name.at, format!("has no canonical form: {error}"))]
            })?;
            Ok(Resolved { hash, origins: origins::origins(parts), plan, warnings })
        }
        _ => Err(errors),
    }
}

/// A plan with all that is wrong with it: to be told of, not to be used.
pub(super) fn draft(parts: &Parts<'_, '_>) -> (Option<Plan>, Vec<Finding>) {
    let mut building = Building { parts, keys: Vec::new(), findings: Vec::new() };
    let plan = building.plan();
    let mut findings = building.findings;
    if let Some(plan) = &plan {
        findings.extend(super::checks::plan(parts, plan));
    }
    (plan, findings)
}

/// What is wrong with a policy that no release uses, as far as that does not depend on the release.
pub(super) fn unused(index: &Index<'_>, policy: &Found<'_, PolicyDoc>) -> Vec<Finding> {
    // these depend on the template and the source
    const DEPENDS: [&str; 9] = [
        "diluted",
        "long-window",
        "no-arms",
        "no-evidence",
        "samples",
        "settle",
        "short-every",
        "short-window",
        "unknown-stage",
    ];
    let name = policy.doc.name.clone();
    let stand_in =
        ReleaseDoc { flag: name.clone(), name, layer: Layer::default(), environments: Vec::new(), after: None };
    let Some(parts) = Parts::of_unused(index, *policy, &stand_in) else { return Vec::new() };
    let (_, mut findings) = draft(&parts);
    findings.retain(|finding| !DEPENDS.contains(&finding.code) && Arc::ptr_eq(&finding.at.file, &policy.at.file));
    findings
}

/// How often a source sees new samples.
pub(super) fn scrape_every(address: &SourceAddress) -> Span {
    match address {
        SourceAddress::Prometheus { scrape_every, .. } => *scrape_every,
        SourceAddress::Scrape { every, .. } => *every,
    }
}
