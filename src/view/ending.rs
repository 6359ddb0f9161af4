//! What `run` says when it ends and somebody still has a feature that nobody looks after.

use super::attention::rollouts as count;
use super::safe::safe;
use super::words;
use crate::control::Rollout;
use crate::engine::Phase;

/// More lines than this are not read: then it is the first few.
const MOST: usize = 10;
const SHOWN: usize = 5;

/// A line for each rollout that is exposed and neither completed nor stopped: who still has it, and what to type.
pub fn lines(rollouts: &[&Rollout]) -> Vec<String> {
    let mut lines: Vec<String> = rollouts.iter().filter_map(|rollout| line(rollout)).collect();
    if lines.len() > MOST {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {} more: flagstaff status", count(more)));
    }
    lines
}

fn line(rollout: &Rollout) -> Option<String> {
    let (plan, state) = (&rollout.plan, &rollout.state);
    if state.allowed.is_nobody() || !state.is_live() {
        return None;
    }
    let (release, environment) = (safe(&plan.release), safe(&plan.environment));
    let address = safe(&rollout.address());
    let stage = plan.stages.get(state.stage).map(|stage| safe(&stage.name)).unwrap_or_default();
    let still = format!("still ON for {}", safe(&state.allowed.to_string()));
    Some(match state.phase {
        Phase::Running if state.approvable => {
            format!("{address} waits for approval at {stage}, {still}: flagstaff approve {release} -e {environment}")
        }
        Phase::Paused => format!(
            "{address} paused ({}), {still}; nobody guards it now: flagstaff run {release} -e {environment} --stay",
            words::why(state)
        ),
        _ => format!(
            "{address} running at {stage}, {still}; nobody drives it now: flagstaff run {release} -e {environment}"
        ),
    })
}
