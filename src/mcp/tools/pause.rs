//! `pause`.

use super::stop::{Wanted, stop};
use super::{Does, Tool, input};
use crate::control::StopKind;

pub(super) static TOOL: Tool = Tool {
    name: "pause",
    title: "Pause a rollout",
    description: "Pauses the rollout of a release in one environment: nothing grows, and who has the feature keeps it. Only a \
                  person can resume it. The same as `flagstaff pause RELEASE -e ENVIRONMENT --reason TEXT`.",
    input: input::<Wanted>,
    output: Some("stop"),
    open_world: true,
    does: Does::Hold,
    run: |call| Box::pin(stop(call, StopKind::Pause)),
};
