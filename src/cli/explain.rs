//! `explain`.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::view::explain;

/// Explain why a rollout is where it is and what happens next
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

impl Explain {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let site = context.site()?;
        let rollout = context.rollout(&site, &self.release)?;
        // what holds growth now, whether or not a tick has said so yet
        let mut answer = explain::answer(rollout, &site.holds(&rollout.plan), site.now());
        if rollout.state.is_live() {
            answer.telemetry = site.trouble_of(rollout).await;
        }
        if context.printer.machine() {
            context.printer.answer(&answer);
        } else {
            explain::print(&context.printer, &answer);
        }
        Ok(Exit::Done)
    }
}
