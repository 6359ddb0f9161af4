//! `explain`.

use clap::Args;

use super::context::{Context, driver_of};
use super::exit::{Exit, Failure};
use crate::engine::Phase;
use crate::view::{explain, words};

/// Explain why a rollout is where it is and what happens next
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

impl Explain {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let drivers = site.drivers();
        let rollout = context.rollout(&site, &self.release)?;
        // what holds growth now, whether or not a tick has said so yet
        let mut answer = explain::answer(rollout, &site.explain(rollout), site.now());
        if rollout.state.is_live() {
            answer.telemetry = site.trouble_of(rollout).await;
        }
        if rollout.state.is_live() || rollout.state.phase == Phase::Stopped {
            answer.see(site.drift_of(rollout).await.as_ref());
        }
        if context.printer.machine() {
            context.printer.answer(&answer);
        } else {
            let driver = driver_of(&drivers, &rollout.address(), site.now());
            let driven = rollout.state.is_live().then(|| words::driven(driver.as_deref(), &rollout.plan));
            explain::print(&context.printer, &answer, driven.as_deref());
        }
        Ok(Exit::Done)
    }
}
