//! Why a rollout is where it is, and the earliest moment anything can happen.

use super::event::Missing;
use super::plan::Plan;
use super::state::{Phase, State};
use super::time::Timestamp;

/// What `explain` and `watch` say first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Everything that was missing at the newest tick; before the first tick, what is known to be.
    pub missing: Vec<Missing>,
    /// The instant of the next tick; none where no tick is evaluated any more.
    pub next_tick: Option<Timestamp>,
    /// The earliest tick that can advance it if everything is healthy from now on; none where a person is needed.
    pub earliest: Option<Timestamp>,
}

/// Explains a rollout at `now`.
pub fn explain(plan: &Plan, state: &State, now: Timestamp) -> Explanation {
    let live = state.is_live();
    let after = state.last_tick.unwrap_or(state.started).max(now.minus(plan.delay));
    let next_tick = live.then(|| after.floor_to(plan.every).plus(plan.every));
    let missing = match state.last_tick {
        Some(_) => state.missing.clone(),
        None if state.effective.is_none() => vec![Missing::NotEffective],
        None => Vec::new(),
    };
    let earliest = next_tick.filter(|_| state.phase == Phase::Running).and_then(|next| {
        let need = plan.ticks(plan.stages.get(state.stage)?.bake).saturating_sub(state.baked);
        let first = match state.effective {
            Some(effective) => ceil_to_tick(plan, effective.plus(plan.settle)).max(next),
            None => ceil_to_tick(plan, now.plus(plan.settle)).max(next),
        };
        // a tick at or before a command that can grow earns nothing
        let first = first.max(state.earns_after.floor_to(plan.every).plus(plan.every));
        let more = u64::from(need.saturating_sub(1)).saturating_mul(plan.every.0);
        Some(first.plus(super::Span(more)))
    });
    Explanation { missing, next_tick, earliest }
}

fn ceil_to_tick(plan: &Plan, instant: Timestamp) -> Timestamp {
    let floor = instant.floor_to(plan.every);
    if floor == instant { floor } else { floor.plus(plan.every) }
}
