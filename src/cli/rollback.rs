//! `rollback`.

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::force::stage;
use crate::control::Rollout;
use crate::engine::Command;

/// Go back to a smaller stage, and pause
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// The stage; the one before unless named
    #[arg(long, value_name = "STAGE")]
    pub(crate) to: Option<String>,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let growing = Growing { reason: self.reason, confirm: None };
        let to = self.to;
        let choose = |rollout: &Rollout| match &to {
            None => Ok(Command::Rollback { stage: None }),
            Some(name) => stage(rollout, name).map(|stage| Command::Rollback { stage: Some(stage) }),
        };
        context.grow(&self.release, &growing, choose).await
    }
}
