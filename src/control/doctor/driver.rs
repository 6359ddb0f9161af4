//! Who drives what is under way.

use super::many;
use crate::checkup::Check;
use crate::control::drive::{alive, goes_on};
use crate::control::rollout::Rollout;
use crate::control::store::Store;
use crate::engine::{Span, Timestamp};
use crate::journal::DriverSeen;

/// More rollouts that nobody drives are counted.
const NAMED_AT_MOST: usize = 5;

/// A driver that comes and goes and was not there for so long may have been forgotten.
const AWAY: Span = Span::minutes(5);

/// Whether somebody drives every rollout that goes on by itself, or that reaches somebody: safeguards are armed in a paused
/// one too.
pub(super) fn check(mut store: Store, now: Timestamp, environment: Option<&str>) -> Check {
    let drivers = alive(store.journal().drivers().unwrap_or_default(), now);
    let meant = |rollout: &&Rollout| {
        let state = &rollout.state;
        let is_guarded = state.is_live() && !state.allowed.is_nobody();
        (goes_on(rollout) || is_guarded) && environment.is_none_or(|meant| meant == rollout.plan.environment)
    };
    let (driven, left): (Vec<String>, Vec<String>) = store
        .rollouts()
        .filter(meant)
        .map(Rollout::address)
        .partition(|address| drivers.iter().any(|driver| driver.drives.contains(address)));
    if driven.is_empty() && left.is_empty() {
        return Check::fine("driver", "no rollout is under way");
    }
    if left.is_empty() {
        let drives = drivers.iter().filter(|driver| driver.drives.iter().any(|address| driven.contains(address)));
        let drives: Vec<&DriverSeen> = drives.collect();
        let mut names: Vec<String> = drives.iter().map(|driver| driver.told(now)).collect();
        names.dedup();
        let seen = format!("{} under way, driven by {}", many(driven.len(), "rollout"), names.join(", "));
        let is_away = |driver: &&DriverSeen| driver.comes_and_goes() && now.since(driver.alive) > AWAY;
        return match drives.iter().all(is_away) {
            true => Check::warning(
                "driver",
                seen,
                "see that `flagstaff run --once` is called often, or keep a driver: flagstaff run --stay",
            ),
            false => Check::fine("driver", seen),
        };
    }
    let mut seen = left.iter().take(NAMED_AT_MOST).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = left.len().checked_sub(NAMED_AT_MOST).filter(|more| *more > 0) {
        seen = format!("{seen} and {more} more");
    }
    let seen = format!("nobody drives {seen}: nothing advances there, and no safeguard stops it");
    Check::warning("driver", seen, "start a driver: flagstaff run --stay")
}
