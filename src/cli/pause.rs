//! `pause`.

use clap::Args;

use super::abort::{environments, open_in_haste, told};
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::{StopKind, StopOutcome, StopReport};
use crate::engine::{Phase, Span};

/// Pause rollouts: nothing grows, exposure stays as it is
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = open_in_haste(context)?;
        let environments = environments(context, &mut site).await?;
        let targets: Vec<_> = environments.into_iter().map(|environment| (self.release.clone(), environment)).collect();
        let reports = site.stop(&targets, StopKind::Pause, self.reason.as_deref(), Span(0)).await;
        // where it never began there is nothing to say, if it did elsewhere
        let begun = |report: &&StopReport| {
            let none = StopOutcome::NothingToPause { phase: Phase::None };
            report.outcome != none && report.outcome != StopOutcome::NoSuchFlag
        };
        if !reports.iter().any(|report| begun(&report)) {
            return Err(Failure::new(Exit::Failed, format!("`{}` has no rollout to pause", self.release))
                .help("flagstaff status"));
        }
        Ok(told(context, reports.iter().filter(begun)))
    }
}
