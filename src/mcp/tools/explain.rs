//! `explain`.

use futures_util::FutureExt as _;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Meant, Tool, input};
use crate::engine::Phase;
use crate::mcp::answer::Given;
use crate::mcp::problem::Problem;
use crate::view::explain;

pub(super) static TOOL: Tool = Tool {
    name: "explain",
    title: "Why a rollout is where it is",
    description: "Explains one rollout: why it is where it is, everything that is missing for its next step, the newest \
                  values, the earliest moment it can go on, and the commands that a person can type. The same document as \
                  `flagstaff explain RELEASE -o json`.",
    input: input::<Wanted>,
    output: Some("explain"),
    open_world: true,
    does: Does::Read,
    run: |call| explained(call).boxed_local(),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The release, by its name or as `release@environment`.
    release: String,
    /// Its environment; not needed where only one has a rollout in progress.
    #[serde(default)]
    #[schemars(with = "String")]
    environment: Option<String>,
}

async fn explained(call: Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    of(&call, &Meant::of(&wanted.release, wanted.environment.as_deref())).await
}

/// Explains the rollout that is meant.
pub(super) async fn of(call: &Call, meant: &Meant) -> Result<Given, Problem> {
    let site = call.site()?;
    let rollout = meant.rollout(&site)?;
    let mut answer = explain::answer(rollout, &site.explain(rollout), site.now());
    if rollout.state.is_live() {
        answer.telemetry = site.trouble_of(rollout).await;
    }
    if rollout.state.is_live() || rollout.state.phase == Phase::Stopped {
        answer.see(site.drift_of(rollout).await.as_ref());
    }
    Given::of(&answer)
}
