//! `approve`.

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::engine::Command;

/// Agree to leave the stage a rollout is at
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Approve {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.grow(&self.release, &self.growing, |_| Ok(Command::Approve)).await
    }
}
