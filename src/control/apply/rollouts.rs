//! What documents say about rollouts that run, and about releases that were never started.

use std::collections::BTreeMap;

use super::DeclaredPlan;
use crate::control::rollout::Rollout;
use crate::control::site::Site;
use crate::engine::input::{Actor, Command, Issued, Observation};
use crate::engine::{Exposure, Input, Phase, Plan, decide};

/// A rollout, or a release that was never started in an environment.
#[derive(Debug, Clone)]
pub struct RolloutRow {
    /// The release.
    pub release: String,
    /// The environment.
    pub environment: String,
    /// The flag's key.
    pub flag: String,
    /// Whether growing asks for a reason and the flag's key.
    pub protected: bool,
    /// Where it is.
    pub phase: Phase,
    /// The rollout's version as seen.
    pub saw: Option<u64>,
    /// What the documents say of it.
    pub declared: Declared,
}

/// What documents say of a rollout.
#[derive(Debug, Clone)]
pub enum Declared {
    /// Another plan than the pinned one.
    Otherwise {
        /// The pinned plan.
        pinned: DeclaredPlan,
        /// The declared one.
        declared: DeclaredPlan,
        /// Why it cannot be adopted, where it cannot.
        refused: Option<String>,
    },
    /// Nothing: it holds.
    NotAtAll,
    /// Something that cannot be read.
    Invalid(String),
    /// It was never started.
    NotStarted {
        /// The plan.
        declared: DeclaredPlan,
        /// Who gets the feature at once if it is.
        first: Exposure,
    },
}

impl RolloutRow {
    /// `release@environment`.
    pub fn address(&self) -> String {
        format!("{}@{}", self.release, self.environment)
    }
}

/// Declared plans, or why there is none, by release and environment.
pub(super) type Plans = BTreeMap<(String, String), Result<DeclaredPlan, String>>;

impl Site {
    pub(super) fn rollout_rows(&self, plans: &Plans, environment: Option<&str>) -> Vec<RolloutRow> {
        let is_meant = |of: &str| environment.is_none_or(|meant| meant == of);
        let mut rows = Vec::new();
        for rollout in self.store.rollouts().filter(|rollout| is_meant(&rollout.plan.environment)) {
            if !rollout.state.is_live() || self.store.superseding(rollout).is_some() {
                continue;
            }
            let key = (rollout.plan.release.clone(), rollout.plan.environment.clone());
            let declared = match plans.get(&key) {
                None => Declared::NotAtAll,
                Some(Err(why)) => Declared::Invalid(why.clone()),
                Some(Ok(declared)) if declared.hash == rollout.plan_hash => continue,
                Some(Ok(declared)) => Declared::Otherwise {
                    pinned: DeclaredPlan { hash: rollout.plan_hash.clone(), plan: rollout.plan.clone() },
                    declared: declared.clone(),
                    refused: refused(rollout, declared, &self.actor),
                },
            };
            let (phase, saw) = (rollout.state.phase, Some(rollout.state.version));
            rows.push(self.rollout_row(&rollout.plan, phase, saw, declared));
        }
        for ((release, of), declared) in plans.iter().filter(|((_, of), _)| is_meant(of)) {
            if let (Ok(declared), None) = (declared, self.store.newest(release, of)) {
                let plan = declared.plan.clone();
                let first = plan.stages.first().map_or_else(Exposure::nobody, |stage| stage.exposure.clone());
                let declared = Declared::NotStarted { declared: declared.clone(), first };
                rows.push(self.rollout_row(&plan, Phase::None, None, declared));
            }
        }
        rows.sort_by_key(RolloutRow::address);
        rows
    }

    fn rollout_row(&self, plan: &Plan, phase: Phase, saw: Option<u64>, declared: Declared) -> RolloutRow {
        RolloutRow {
            release: plan.release.clone(),
            environment: plan.environment.clone(),
            flag: plan.flag.clone(),
            protected: self.is_protected(plan),
            phase,
            saw,
            declared,
        }
    }
}

/// Why the engine would refuse to adopt a plan, now and by its own rules. Whatever else a person must say is left out.
fn refused(rollout: &Rollout, declared: &DeclaredPlan, actor: &Actor) -> Option<String> {
    let issued = Issued {
        command: Command::Adopt { plan: Box::new((*declared.plan).clone()), hash: declared.hash.clone() },
        actor: actor.clone(),
        at: rollout.ticks.keys().next_back().copied().unwrap_or_default(),
        reason: Some(String::new()),
        saw: Some(rollout.state.version),
        holds: Vec::new(),
        backend: Observation::NotRead,
    };
    let mut state = rollout.state.clone();
    let folded = decide::fold(&rollout.plan, &mut state, &Input::Command(Box::new(issued)));
    folded.err().map(|refusal| refusal.reason)
}
