//! Resolved plans, with where each value was written.

mod difference;
mod print;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use crate::engine::Plan;
use crate::spec::Resolved;

pub use self::difference::{DifferenceRow, differences};
pub use self::print::print;

/// What `plan` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanAnswer {
    /// One for each environment that was asked for.
    pub plans: Vec<PlanRow>,
}

impl Answer for PlanAnswer {
    const NAME: &'static str = "plan";
}

/// A plan with its hash and origins.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PinnedPlan")]
pub struct PlanRow {
    /// `release@environment`.
    pub address: String,
    /// SHA-256 of the plan's canonical JSON (RFC 8785), in hexadecimal.
    pub hash: String,
    /// Where each value was written (`file:line`), or why it is what it is, by its path in the plan.
    pub origins: BTreeMap<String, String>,
    /// The plan.
    pub plan: Plan,
}

impl From<Resolved> for PlanRow {
    fn from(resolved: Resolved) -> PlanRow {
        let Resolved { hash, origins, plan, .. } = resolved;
        PlanRow { address: plan.address(), hash, origins, plan }
    }
}
