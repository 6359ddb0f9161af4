//! `abort`.

use super::stop::{Wanted, stop};
use super::{Does, Tool, input};
use crate::control::StopKind;

pub(super) static TOOL: Tool = Tool {
    name: "abort",
    title: "Switch a feature off for everybody",
    description: "Switches a feature off for everybody in one environment, also one whose rollout is completed. It takes the \
                  feature away from people who have it, and only a person can start it again. The same as \
                  `flagstaff abort RELEASE -e ENVIRONMENT --reason TEXT`.",
    input: input::<Wanted>,
    output: Some("stop"),
    open_world: true,
    does: Does::Reduce,
    run: |call| Box::pin(stop(call, StopKind::Abort)),
};
