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
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let site = context.site()?;
        let rollout = context.rollout(&site, &self.release)?;
        let mut answer = explain::answer(rollout, site.now());
        // what holds growth now, whether or not a tick has said so yet
        for hold in site.holds(&rollout.plan) {
            let text = format!("held: {}", hold.detail);
            if rollout.state.is_live() && !answer.missing.contains(&text) {
                answer.missing.push(text);
            }
        }
        if context.printer.machine() {
            context.printer.answer(&answer);
        } else {
            explain::print(&context.printer, &answer);
        }
        Ok(Exit::Done)
    }
}
