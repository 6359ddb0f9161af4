//! `resume`.

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::Rollout;
use crate::engine::state::Cause;
use crate::engine::{Command, Phase};
use crate::view::safe::safe;
use crate::view::words;

/// Resume a paused rollout
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The release
    #[arg(value_name = "RELEASE", required_unless_present = "all")]
    pub(crate) release: Option<String>,
    /// Resume every rollout that is paused for the cause
    #[arg(long, requires = "cause", conflicts_with = "release")]
    pub(crate) all: bool,
    /// The cause: the name of a rule or signal, no_data, drift, person or not_applied
    #[arg(long, value_name = "CAUSE")]
    pub(crate) cause: Option<String>,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(release) = &self.release {
            return context.grow(release, &self.growing, |rollout| self.for_that_alone(rollout)).await;
        }
        let wanted = self.cause.clone().unwrap_or_default();
        let Some(environment) = &context.environment else {
            return Err(Failure::new(Exit::Usage, "name one environment with -e"));
        };
        let mut site = context.site()?;
        let meant = |rollout: &&Rollout| {
            rollout.plan.environment == *environment
                && rollout.state.phase == Phase::Paused
                && rollout.state.causes.iter().all(|cause| words::cause_key(cause) == wanted)
        };
        let paused: Vec<(String, u64, bool)> = site
            .store
            .rollouts()
            .filter(meant)
            .map(|rollout| (rollout.plan.release.clone(), rollout.state.version, site.is_protected(&rollout.plan)))
            .collect();
        if paused.iter().any(|(.., protected)| *protected) {
            // one undo for one cause: the cause is what is confirmed
            context.confirm(true, &wanted, &self.growing, &format!("resume {} rollouts paused by", paused.len()))?;
        }
        let mut results = Vec::new();
        for (release, saw, _) in paused {
            let reason = self.growing.reason.clone();
            let resumed = site.command(&release, environment, Command::Resume, reason, Some(saw)).await;
            results.push(resumed.map_err(Failure::from));
        }
        if results.is_empty() {
            context.printer.note(&format!("nothing is paused by `{}` alone", safe(&wanted)));
        }
        context.answer(results)
    }

    /// With a cause, what is paused by anything else stays paused.
    fn for_that_alone(&self, rollout: &Rollout) -> Result<Command, Failure> {
        let other = |cause: &&Cause| self.cause.as_ref().is_some_and(|wanted| words::cause_key(cause) != *wanted);
        match rollout.state.causes.iter().find(other) {
            None => Ok(Command::Resume),
            Some(other) => {
                let message = format!("{} is paused by {}", safe(&rollout.address()), words::cause(other));
                Err(Failure::new(Exit::Failed, message).help("leave out --cause to clear every cause"))
            }
        }
    }
}
