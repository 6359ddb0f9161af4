//! Computing every decision again from the recorded inputs, and comparing byte by byte.

use std::collections::BTreeMap;

use super::record::{FOLD, FoldBody, PLAN, PlanBody, Step};
use crate::canonical;
use crate::engine::decide::fold;
use crate::engine::input::Command;
use crate::engine::{Event, Input, Plan, State, Tick};
use crate::journal::Record;

/// What a replay found in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Rollouts.
    pub rollouts: usize,
    /// Inputs.
    pub inputs: usize,
    /// Events, all of them equal.
    pub events: usize,
}

/// The first decision that comes out differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence} of {stream}, step {step}: recorded {recorded}, computed {computed}")]
pub struct Difference {
    /// The record.
    pub sequence: u64,
    /// The rollout.
    pub stream: String,
    /// Which step of the record, from 1.
    pub step: usize,
    /// What is recorded.
    pub recorded: String,
    /// What comes out.
    pub computed: String,
}

/// Computes every decision again.
///
/// # Errors
/// The first difference.
pub fn replay(records: &[Record]) -> Result<Replayed, Difference> {
    let mut rollouts: BTreeMap<String, (Plan, State)> = BTreeMap::new();
    let mut done = Replayed::default();
    for record in records {
        let differs = |step: usize, recorded: String, computed: String| Difference {
            sequence: record.sequence.0,
            stream: record.new.stream.clone(),
            step,
            recorded,
            computed,
        };
        let unreadable = |error: serde_json::Error| differs(0, error.to_string(), "a readable body".to_owned());
        match record.new.kind.as_str() {
            PLAN => {
                let body: PlanBody = serde_json::from_str(&record.new.body).map_err(unreadable)?;
                let hash = canonical::hash(&body.plan).unwrap_or_default();
                if hash != body.hash {
                    return Err(differs(0, body.hash, hash));
                }
                rollouts.insert(record.new.stream.clone(), (body.plan, State::default()));
                done.rollouts += 1;
            }
            FOLD => {
                let body: FoldBody = serde_json::from_str(&record.new.body).map_err(unreadable)?;
                let Some((plan, state)) = rollouts.get_mut(&record.new.stream) else {
                    return Err(differs(0, "steps".to_owned(), "a rollout without a plan".to_owned()));
                };
                for (index, step) in body.steps.iter().enumerate() {
                    let taken = as_taken(plan, state, step);
                    let events = match fold(plan, state, taken.as_ref().unwrap_or(&step.input)) {
                        Ok(events) => canonical::to_string(&as_then(events, &step.events)).unwrap_or_default(),
                        Err(refusal) => format!("refused: {refusal}"),
                    };
                    let recorded = canonical::to_string(&step.events).unwrap_or_default();
                    if events != recorded {
                        return Err(differs(index + 1, recorded, events));
                    }
                    done.inputs += 1;
                    done.events += step.events.len();
                    if let Input::Command(issued) = &step.input
                        && let Command::Adopt { plan: adopted, .. } = &issued.command
                    {
                        *plan = (**adopted).clone();
                    }
                }
            }
            _ => {}
        }
    }
    Ok(done)
}

/// Ticks that could not be recorded, as far as the version took them in that recorded what came of them: older ones ended with
/// the first that did anything.
fn as_taken(plan: &Plan, state: &State, step: &Step) -> Option<Input> {
    let Input::Aside(ticks) = &step.input else { return None };
    let gives_the_same = |ticks: &[Tick]| {
        let mut state = state.clone();
        fold(plan, &mut state, &Input::Aside(ticks.to_vec())).is_ok_and(|events| events == step.events)
    };
    let taken = (1..=ticks.len()).rev().find(|taken| gives_the_same(&ticks[..*taken]))?;
    Some(Input::Aside(ticks[..taken].to_vec()))
}

/// Events as the version told them that recorded these: older ones left out what a person said to a rollback. That stands in
/// the command all the same.
fn as_then(mut events: Vec<Event>, recorded: &[Event]) -> Vec<Event> {
    for (event, recorded) in events.iter_mut().zip(recorded) {
        if let (Event::RolledBack { reason, .. }, Event::RolledBack { reason: None, .. }) = (event, recorded) {
            *reason = None;
        }
    }
    events
}
