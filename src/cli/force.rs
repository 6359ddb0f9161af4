//! `force`.

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::Rollout;
use crate::engine::Command;

/// Move a rollout to a stage without waiting
#[derive(Debug, Args)]
pub(crate) struct Force {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// The stage; the next one unless named
    #[arg(long, value_name = "STAGE")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Force {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let to = self.to;
        let choose = |rollout: &Rollout| match &to {
            None => Ok(Command::Force { stage: rollout.state.stage + 1 }),
            Some(name) => stage(rollout, name).map(|stage| Command::Force { stage }),
        };
        context.grow(&self.release, &self.growing, choose).await
    }
}

/// A stage by its name.
pub(crate) fn stage(rollout: &Rollout, name: &str) -> Result<usize, Failure> {
    rollout.plan.stage_named(name).ok_or_else(|| {
        let known: Vec<&str> = rollout.plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        Failure::new(Exit::Failed, format!("there is no stage `{name}`")).help(format!("stages: {}", known.join(", ")))
    })
}
