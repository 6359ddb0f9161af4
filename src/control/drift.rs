//! Rollouts whose backend serves something else than the journal allows.

use std::fmt;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};

use super::rollout::Rollout;
use super::site::Site;
use crate::clock::within;
use crate::engine::input::{Observation, Observed};
use crate::engine::{Exposure, Phase, Span, State};

/// How many backends are read at once.
const AT_ONCE: usize = 16;

/// What a backend serves of a rollout, where that is not what is allowed.
#[derive(Debug, Clone)]
pub struct Drift {
    /// `release@environment`.
    pub address: String,
    /// The environment.
    pub environment: String,
    /// Where the rollout is.
    pub phase: Phase,
    /// What the journal permits.
    pub allowed: Exposure,
    /// What is served.
    pub served: Serving,
    /// Who changed it, where the backend says so.
    pub by: Option<String>,
    /// Whether somebody gets the feature who may not.
    pub larger: bool,
}

/// What a backend serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serving {
    /// Our part of the flag, with this exposure.
    Ours(Exposure),
    /// Something that is not ours, or not as we wrote it.
    Foreign(String),
    /// It could not be read.
    Unknown(String),
}

impl Site {
    /// Drift of the newest rollout of each flag that the journal still answers for, worst first.
    pub async fn drift(&self, environment: Option<&str>) -> Vec<Drift> {
        let is_meant = |rollout: &&Rollout| {
            environment.is_none_or(|meant| meant == rollout.plan.environment)
                && rollout.state.phase != Phase::None
                && self.store.superseding(rollout).is_none()
        };
        let reads = self.store.rollouts().filter(is_meant).map(|rollout| self.drift_of(rollout));
        let found: Vec<Option<Drift>> = stream::iter(reads).buffered(AT_ONCE).collect().await;
        let mut found: Vec<Drift> = found.into_iter().flatten().collect();
        found.sort_by(|left, right| right.larger.cmp(&left.larger).then_with(|| left.address.cmp(&right.address)));
        found
    }

    /// What the backend serves of a rollout now, where that is not what is allowed. While a growth is under way nothing is
    /// said: it may be either. While a reduction is, whoever still gets more is told of; who gets less is on the way there.
    pub async fn drift_of(&self, rollout: &Rollout) -> Option<Drift> {
        let plan = &rollout.plan;
        if rollout.state.is_growing() {
            return None;
        }
        let seen = self.look_at(rollout).await;
        let (served, by, larger) = compare(&seen, &rollout.state)?;
        if rollout.state.effect.is_some() && !larger {
            return None;
        }
        Some(Drift {
            address: plan.address(),
            environment: plan.environment.clone(),
            phase: rollout.state.phase,
            allowed: rollout.state.allowed.clone(),
            served,
            by,
            larger,
        })
    }

    /// The same of some rollouts, as far as their backends answer soon.
    pub async fn drift_soon(&self, ids: &[String], patience: Span) -> Vec<Drift> {
        let watched = |rollout: &&Rollout| rollout.state.is_live() || rollout.state.phase == Phase::Stopped;
        let live = ids.iter().filter_map(|id| self.store.rollout(id)).filter(watched);
        let reads = live.map(|rollout| within(&*self.clock, patience, self.drift_of(rollout)));
        join_all(reads).await.into_iter().flatten().flatten().collect()
    }
}

impl fmt::Display for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Serving::Ours(exposure) => write!(f, "{exposure}"),
            Serving::Foreign(what) => write!(f, "others ({what})"),
            Serving::Unknown(why) => write!(f, "nobody knows whom ({why})"),
        }
    }
}

fn compare(seen: &Observation, state: &State) -> Option<(Serving, Option<String>, bool)> {
    let allowed = &state.allowed;
    let seen: &Observed = match seen {
        Observation::Seen(seen) => seen,
        Observation::Unreadable(why) => return Some((Serving::Unknown(why.clone()), None, true)),
        Observation::NotRead => return None,
    };
    if let Some(foreign) = seen.foreign.as_ref().filter(|_| seen.on) {
        return Some((Serving::Foreign(foreign.clone()), seen.other_hand.clone(), true));
    }
    if state.is_live() && seen.reaches_anybody() && seen.stamp.as_ref().is_some_and(|stamp| *stamp != state.stamp) {
        let served = format!("{}, under the stamp of another rollout", seen.shown());
        return Some((Serving::Foreign(served), seen.other_hand.clone(), true));
    }
    // what was read back as off is off, whatever became of the file since
    let is_over = state.phase == Phase::Stopped && state.effect.is_none();
    if let Some(why) = state.doubt(seen).filter(|_| !is_over) {
        return Some((Serving::Unknown(why.to_owned()), None, true));
    }
    let shown = seen.shown();
    let larger = !shown.within(allowed);
    (shown != *allowed).then(|| (Serving::Ours(shown), seen.other_hand.clone(), larger))
}
