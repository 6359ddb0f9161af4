//! What needs somebody comes first, everywhere.

use crate::control::Rollout;
use crate::engine::event::Missing;
use crate::engine::{Phase, Unknown};

/// How much a rollout wants to be looked at, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// Paused or waiting for approval: it goes no further without a person.
    Person,
    /// To be off, and the backend has not confirmed it.
    Stopping,
    /// Running, and something is wrong.
    Unhealthy,
    /// Shut down.
    Stopped,
    /// Running, and all is well.
    Baking,
    /// Over.
    Completed,
}

/// How much a state wants to be looked at.
pub fn attention(rollout: &Rollout) -> Attention {
    let state = &rollout.state;
    match state.phase {
        Phase::Paused => Attention::Person,
        Phase::Running if state.waits_for_approval(&rollout.plan) => Attention::Person,
        // what an older situation lacked says nothing about this one
        Phase::Running if state.judged_here && state.missing.iter().any(is_wrong) => Attention::Unhealthy,
        Phase::Running | Phase::None => Attention::Baking,
        Phase::Stopped if state.is_stopping() => Attention::Stopping,
        Phase::Stopped => Attention::Stopped,
        Phase::Completed => Attention::Completed,
    }
}

fn is_wrong(missing: &Missing) -> bool {
    match missing {
        Missing::Unhealthy { .. } | Missing::RuleTrue { .. } | Missing::Backend { .. } | Missing::NoEvidence => true,
        Missing::Unknown { reason, .. } => *reason != Unknown::Idle,
        _ => false,
    }
}

/// Rollouts with the most urgent first, else by name.
pub fn ordered<'r>(rollouts: &[&'r Rollout]) -> Vec<&'r Rollout> {
    let mut ordered = rollouts.to_vec();
    ordered.sort_by_cached_key(|rollout| (attention(rollout), rollout.address()));
    ordered
}

/// `3 need you, 40 baking, 7 completed`
pub fn counts(of: impl Iterator<Item = Attention>) -> String {
    let all: Vec<Attention> = of.collect();
    let words = [
        (Attention::Person, "need you"),
        (Attention::Stopping, "stopping"),
        (Attention::Unhealthy, "unhealthy"),
        (Attention::Stopped, "shut down"),
        (Attention::Baking, "baking"),
        (Attention::Completed, "completed"),
    ];
    let counted =
        words.into_iter().map(|(kind, word)| (all.iter().filter(|known| **known == kind).count(), kind, word));
    let said = counted.filter(|(count, ..)| *count > 0).map(|(count, kind, word)| match (count, kind) {
        (1, Attention::Person) => "1 needs you".to_owned(),
        _ => format!("{count} {word}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// `50 rollouts`
pub fn rollouts(count: usize) -> String {
    format!("{count} rollout{}", if count == 1 { "" } else { "s" })
}
