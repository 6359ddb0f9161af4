//! What others are told when a rollout becomes something else.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, Document};
use super::audit::{self, Evidence};
use super::safe::safe;
use super::words;
use crate::control::Step;
use crate::engine::{Actor, Edge, Event, Input, Plan, Standing};

/// Longer texts from outside are cut, in characters: receivers have bounds of their own.
const TEXT_AT_MOST: usize = 2000;

/// What others are told when a rollout becomes something else: the `data` of a CloudEvent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Notification {
    /// What it became: `paused`, `stopping` … as documents name it under `events`.
    pub event: String,
    /// One line for people.
    pub text: String,
    /// The rollout's id.
    pub rollout: String,
    /// Its release.
    pub release: String,
    /// Its environment.
    pub environment: String,
    /// Its flag's key.
    pub flag: String,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed.
    pub exposure: String,
    /// Who: a person, a rule, a signal, or what was read at the backend.
    pub who: String,
    /// The person, if one did.
    pub actor: Option<Actor>,
    /// Why, as the person said.
    pub reason: Option<String>,
    /// For what it was paused, rolled back or stopped.
    pub causes: Vec<String>,
    /// The rules with their thresholds and what they saw; of a completion, what it was decided on.
    pub evidence: Vec<Evidence>,
    /// The journal's record that says so.
    pub record: u64,
}

impl Answer for Notification {
    const NAME: &'static str = "notification";
}

/// What is told of an edge, as a document; none for an event that is no news.
pub fn notification(
    record: u64,
    rollout: &str,
    plan: &Plan,
    step: &Step,
    event: &Event,
    edge: Edge,
    now: &Standing,
) -> Option<Value> {
    let entry = audit::entry(record, rollout, plan, step, event)?;
    let stage = plan.stages.get(now.stage).map(|stage| stage.name.clone()).unwrap_or_default();
    let exposure = now.allowed.to_string();
    let what = match edge {
        Edge::Stopped => "off, as read back at the backend".to_owned(),
        _ => entry.what,
    };
    let mut text = format!("{}: {what}", safe(&plan.address()));
    if let Some(reason) = entry.reason.as_ref().map(|reason| safe(reason)).filter(|reason| !text.contains(reason)) {
        text = format!("{text} ({reason})");
    }
    let told = Notification {
        event: edge.word().to_owned(),
        // at the end, and never cut off: who still gets it
        text: match (edge, plan.stages.get(now.stage)) {
            (Edge::Started, Some(stage)) => {
                format!("{}. Allowed: {}, once it has been read back", cut(&text), safe(&stage.exposure.to_string()))
            }
            _ => format!("{}. Allowed: {}", cut(&text), safe(&exposure)),
        },
        rollout: rollout.to_owned(),
        release: plan.release.clone(),
        environment: plan.environment.clone(),
        flag: plan.flag.clone(),
        stage,
        exposure,
        who: cut(&entry.who),
        actor: match &step.input {
            Input::Command(issued) => Some(issued.actor.clone()),
            Input::Signal(signal) => signal.origin.as_ref().and_then(|origin| origin.by.clone()),
            _ => None,
        },
        reason: entry.reason.as_deref().map(cut),
        causes: causes(event),
        evidence: entry.evidence,
        record,
    };
    serde_json::to_value(Document::of(&told)).ok()
}

fn causes(event: &Event) -> Vec<String> {
    match event {
        Event::Paused { causes, .. } => causes.iter().map(words::cause).collect(),
        Event::RolledBack { cause, .. } | Event::Stopped { cause, .. } => vec![words::cause(cause)],
        _ => Vec::new(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_AT_MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
