//! The audit log: who or which rule did what, when, and on what evidence.

use serde::Serialize;

use super::words;
use crate::control::Step;
use crate::engine::event::{Event, Fired};
use crate::engine::{Input, Plan};
use crate::telemetry::prometheus::promql;

/// One line of `audit log`.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry {
    /// The record.
    pub sequence: u64,
    /// When.
    pub time: String,
    /// The rollout.
    pub rollout: String,
    /// Who: a person, or a rule.
    pub who: String,
    /// What.
    pub what: String,
    /// Why, as the person said.
    pub reason: Option<String>,
    /// The evidence of rules.
    pub evidence: Vec<Evidence>,
}

/// What a rule saw.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// The rule.
    pub rule: String,
    /// Its condition, with the threshold.
    pub threshold: String,
    /// Since when it held.
    pub since: String,
    /// Name, query and value of each series.
    pub series: Vec<(String, String, String)>,
}

/// The lines of a step.
pub fn entries(sequence: u64, rollout: &str, plan: &Plan, step: &Step) -> Vec<AuditEntry> {
    let (who, reason) = match &step.input {
        Input::Command(issued) => (format!("{} ({})", issued.actor.name, issued.actor.known_by), issued.reason.clone()),
        Input::Signal(signal) => (format!("signal {}", signal.name), None),
        _ => ("rule".to_owned(), None),
    };
    let entry = |event: &Event| {
        let what = words::event(plan, event)?;
        let because: &[Fired] = match event {
            Event::Paused { because, .. } | Event::RolledBack { because, .. } | Event::Stopped { because, .. } => {
                because
            }
            Event::Notified(fired) => std::slice::from_ref(fired),
            _ => &[],
        };
        Some(AuditEntry {
            sequence,
            time: step.at.to_string(),
            rollout: rollout.to_owned(),
            who: who.clone(),
            what,
            reason: reason.clone(),
            evidence: because.iter().map(|fired| evidence(plan, fired)).collect(),
        })
    };
    step.events.iter().filter_map(entry).collect()
}

fn evidence(plan: &Plan, fired: &Fired) -> Evidence {
    let series = fired.evidence.iter().map(|(name, reading)| {
        let series = plan.series.iter().find(|series| series.name == *name);
        let query = series.map(|series| promql::text(&series.query)).unwrap_or_default();
        let unit = series.map_or(crate::engine::plan::Unit::Plain, |series| series.unit);
        (name.clone(), query, words::reading(reading, unit))
    });
    Evidence {
        rule: fired.rule.clone(),
        threshold: plan
            .rules
            .iter()
            .find(|rule| rule.name == fired.rule)
            .map(|rule| rule.text.clone())
            .unwrap_or_default(),
        since: fired.since.to_string(),
        series: series.collect(),
    }
}
