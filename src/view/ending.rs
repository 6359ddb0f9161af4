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
        lines.push(format!("and {} more: flagstaff status", count(more)));
    }
    lines
}

fn line(rollout: &Rollout) -> Option<String> {
    let (plan, state) = (&rollout.plan, &rollout.state);
    if !state.is_live() || (state.allowed.is_nobody() && state.drift.is_none()) {
        return None;
    }
    let (release, environment) = (safe(&plan.release), safe(&plan.environment));
    let address = safe(&rollout.address());
    let stage = plan.stages.get(state.stage).map(|stage| safe(&stage.name)).unwrap_or_default();
    let still = format!("still ON for {}", words::exposed(state));
    Some(match state.phase {
        Phase::Running if state.waits_for_approval(plan) => {
            format!("{address} waits for approval at {stage}, {still}: flagstaff approve {release} -e {environment}")
        }
        Phase::Paused => format!(
            "{address} paused ({}), {still}; nobody guards it now: flagstaff run {release} -e {environment} --stay",
            words::causes(state)
        ),
        _ => format!(
            "{address} running at {stage}, {still}; nobody drives it now: flagstaff run {release} -e {environment}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{approvable, completed, paused, running, shut_down};
    use super::*;

    #[test]
    fn whoever_is_left_exposed_is_named_with_what_to_type() {
        let rollouts = [approvable("a", 3), paused("c", 0), running("d", 2), shut_down("x", 2), completed("y")];
        let said = lines(&rollouts.iter().collect::<Vec<_>>());
        assert_eq!(
            said,
            [
                "a@staging waits for approval at half, still ON for beta-testers + employees + 50%: \
             flagstaff approve a -e staging",
                "c@staging paused (errors), still ON for employees; nobody guards it now: \
             flagstaff run c -e staging --stay",
                "d@staging running at ten-percent, still ON for beta-testers + employees + 10%; nobody drives it now: \
             flagstaff run d -e staging",
            ]
        );
    }

    #[test]
    fn of_many_the_first_are_named() {
        let rollouts: Vec<Rollout> = (0..50).map(|number| paused(&format!("r{number}"), 1)).collect();
        let said = lines(&rollouts.iter().collect::<Vec<_>>());
        assert_eq!(said.len(), SHOWN + 1);
        assert_eq!(said[SHOWN], "and 45 rollouts more: flagstaff status");
    }
}
