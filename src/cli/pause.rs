//! `pause`.

use clap::Args;

use super::abort::{nowhere, open_in_haste, tell_of_long, tell_of_unread, told};
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::{StopKind, StopOutcome, StopReport};
use crate::engine::{Phase, Span};

/// How long a pause without `-e` waits for a journal that may name more environments than the documents.
const READING: Span = Span::seconds(10);

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
        let (only, reason) = (context.environment.as_deref(), self.reason.as_deref());
        tell_of_long(context, &site);
        let reports = site.stop_everywhere(&self.release, only, StopKind::Pause, reason, READING).await;
        if reports.is_empty() {
            return Err(nowhere(context, &site));
        }
        tell_of_unread(context, &site);
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
