//! Why a rollout is where it is, and the earliest moment anything can happen.

use super::event::Missing;
use super::input::Hold;
use super::plan::Plan;
use super::state::{Phase, State};
use super::time::{Span, Timestamp};

/// What `explain` and `watch` say first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Everything that is missing now, as far as it is known.
    pub missing: Vec<Missing>,
    /// The instant of the next tick; none where no tick is evaluated any more.
    pub next_tick: Option<Timestamp>,
    /// The earliest moment at which it can advance, or people may approve, if everything is healthy from now on: a tick is
    /// asked `delay` after its instant. None where a person is needed, or where something holds that has no known end.
    pub earliest: Option<Timestamp>,
}

/// Explains a rollout at `now`. `holds`: what holds growth now, where somebody has looked; else what did at the newest
/// tick.
pub fn explain(plan: &Plan, state: &State, holds: Option<&[Hold]>, now: Timestamp) -> Explanation {
    if !state.is_live() {
        return Explanation { missing: Vec::new(), next_tick: None, earliest: None };
    }
    let after = state.last_tick.unwrap_or(state.started).max(now.minus(plan.delay));
    let next = after.floor_to(plan.every).plus(plan.every);
    let missing = missing(plan, state, holds, now);
    let earliest = earliest(plan, state, &missing, next, now);
    Explanation { missing, next_tick: Some(next), earliest }
}

/// What the newest tick found counts while it was judged in the present situation; the rest is known at every moment.
fn missing(plan: &Plan, state: &State, holds: Option<&[Hold]>, now: Timestamp) -> Vec<Missing> {
    let newest: &[Missing] = if state.judged_here { &state.missing } else { &[] };
    let mut missing = Vec::new();
    if state.phase == Phase::Paused {
        missing.push(Missing::Paused);
    }
    if state.effect.is_some() {
        missing.push(Missing::EffectOpen);
    }
    match state.effective.map(|effective| effective.plus(plan.settle)) {
        None => missing.push(Missing::NotEffective),
        Some(until) if now < until => missing.push(Missing::Settling { until }),
        Some(_) => {}
    }
    let of_conditions = |missing: &&Missing| {
        matches!(
            missing,
            Missing::OlderThanCommand
                | Missing::Unhealthy { .. }
                | Missing::RuleTrue { .. }
                | Missing::SampleRatio(_)
                | Missing::Unknown { .. }
                | Missing::NoEvidence
        )
    };
    missing.extend(newest.iter().filter(of_conditions).cloned());
    if let Some(stage) = plan.stages.get(state.stage) {
        let (have, need) = (state.baked, plan.ticks(stage.bake));
        if have < need {
            missing.push(Missing::Bake { have, need });
        }
        let samples = stage.samples.as_ref().map(|samples| samples.at_least);
        if let Some(need) = samples.filter(|need| state.samples < super::Decimal::new(i128::from(*need), 0)) {
            missing.push(Missing::Samples { have: state.samples, need });
        }
        let counted = |line: usize| state.proofs.get(&line).copied().unwrap_or_default();
        missing.extend(State::unproven(plan, state.stage, &counted));
    }
    match holds {
        Some(holds) => missing.extend(holds.iter().map(Missing::held)),
        None => missing.extend(newest.iter().filter(|missing| matches!(missing, Missing::Held { .. })).cloned()),
    }
    let of_the_tick = |missing: &&Missing| matches!(missing, Missing::Backend { .. } | Missing::NotPresent);
    missing.extend(newest.iter().filter(of_the_tick).cloned());
    if state.approvals_missing(plan) > 0 {
        let have = u32::try_from(state.approvals.len()).unwrap_or(u32::MAX);
        missing.push(Missing::Approval { have, need: have.saturating_add(state.approvals_missing(plan)) });
    }
    missing
}

fn earliest(plan: &Plan, state: &State, missing: &[Missing], next: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if state.phase != Phase::Running || state.waits_for_approval(plan) {
        return None;
    }
    let need = plan.ticks(plan.stages.get(state.stage)?.bake).saturating_sub(state.baked);
    let first = match state.effective {
        Some(effective) => ceil_to_tick(plan, effective.plus(plan.settle)).max(next),
        None => ceil_to_tick(plan, now.plus(plan.settle)).max(next),
    };
    // a tick at or before a command that can grow earns nothing
    let first = first.max(state.earns_after.floor_to(plan.every).plus(plan.every));
    let more = u64::from(need.saturating_sub(1)).saturating_mul(plan.every.0);
    let mut earliest = first.plus(Span(more));
    for hold in missing {
        if let Missing::Held { until, .. } = hold {
            // a hold without a known end ends by a person's hand; ticks earn bake under it
            earliest = earliest.max(ceil_to_tick(plan, (*until)?.minus(plan.delay)));
        }
    }
    Some(earliest.plus(plan.delay))
}

fn ceil_to_tick(plan: &Plan, instant: Timestamp) -> Timestamp {
    let floor = instant.floor_to(plan.every);
    if floor == instant { floor } else { floor.plus(plan.every) }
}
