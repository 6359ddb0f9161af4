//! `mute`.

use clap::Args;

use super::args::{Growing, duration};
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::engine::{Command, Span};

/// Silence a rule of one rollout for a while
#[derive(Debug, Args)]
pub(crate) struct Mute {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// The rule's name, no_data or sample_ratio
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) hold_for: Span,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Mute {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let until = context.clock.now().plus(self.hold_for);
        let rule = self.rule;
        context.grow(&self.release, &self.growing, |_| Ok(Command::Mute { rule, until })).await
    }
}
