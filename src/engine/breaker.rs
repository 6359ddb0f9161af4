//! The blast-radius breaker as the fold knows it: which shutdowns it holds back at a tick, and why. Whether it trips is found
//! out over many rollouts, outside; what it said to one of them is recorded with the tick.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exposure::Percentage;
use super::time::Timestamp;

/// What the breaker said at a tick about a rule of this rollout: it pauses instead of shutting down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trip {
    /// The rule's name, or `no_data`.
    pub rule: String,
    /// What the rollouts have in common.
    pub shared: Shared,
    /// How many rollouts would be shut down by it at this tick, this one included.
    pub would: u32,
    /// How many rollouts there were in progress that reach anybody.
    pub of: u32,
    /// The share of them above which the breaker trips.
    pub limit: Percentage,
}

/// What several rollouts are judged on at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// One query, that is no flag's own.
    Query {
        /// The source that answers it.
        source: String,
        /// What this plan calls the series.
        series: String,
    },
    /// A source that answered nothing to anybody at this tick.
    Source(String),
}

/// A shutdown that was held back, for as long as no person lets the rollout go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// The tick. A run of the rule that had begun by then stays held back until it ends.
    pub at: Timestamp,
    /// Why.
    pub trip: Trip,
}

impl HeldBack {
    /// Whether a run of the rule that began at this tick is the one that was held back.
    pub fn holds(&self, since: Timestamp) -> bool {
        since <= self.at
    }
}
