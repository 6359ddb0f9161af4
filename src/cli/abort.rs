//! `abort`.

use clap::Args;

use super::args::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::stop::{Recorded, StopSite};
use crate::control::{StopKind, StopOutcome, StopReport};
use crate::engine::{Phase, Span};
use crate::view::answers;

/// Switch a feature off for everybody
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// The release, or a flag's key
    #[arg(value_name = "RELEASE", required_unless_present = "all")]
    pub(crate) release: Option<String>,
    /// Abort every rollout in progress
    #[arg(long, conflicts_with = "release")]
    pub(crate) all: bool,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Keep trying at most this long where the backend does not answer
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub(crate) timeout: Span,
}

impl Abort {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = open(context)?;
        let targets: Vec<(String, Vec<String>)> = match &self.release {
            Some(release) => vec![(release.clone(), environments(context, &site)?)],
            None => site
                .in_progress()?
                .into_iter()
                .filter(|(_, environment)| context.environment.as_ref().is_none_or(|meant| meant == environment))
                .map(|(release, environment)| (release, vec![environment]))
                .collect(),
        };
        let mut worst = Exit::Done;
        let mut known = targets.is_empty();
        for (name, environments) in targets {
            let reports = site.stop(&name, &environments, StopKind::Abort, self.reason.clone(), self.timeout).await;
            for report in &reports {
                known |= report.outcome != StopOutcome::NoSuchFlag;
                worst = worst.worst(told(context, report));
            }
        }
        if !known {
            return Err(Failure::new(Exit::Failed, "no environment has such a release or flag"));
        }
        Ok(worst)
    }
}

/// What a stop starts from: the Project document, whatever else is broken.
pub(crate) fn open(context: &Context) -> Result<StopSite, Failure> {
    Ok(StopSite::open(&context.dir, context.actor(), context.clock.clone())?)
}

/// The environments that a stop is for: the named one, or all.
pub(crate) fn environments(context: &Context, site: &StopSite) -> Result<Vec<String>, Failure> {
    let all = site.environments();
    match &context.environment {
        None => Ok(all),
        Some(named) if all.contains(named) => Ok(vec![named.clone()]),
        Some(named) => Err(Failure::new(Exit::Usage, format!("there is no environment `{named}`"))
            .help(format!("environments: {}", all.join(", ")))),
    }
}

/// Prints a stop's answer and gives its exit.
pub(crate) fn told(context: &Context, report: &StopReport) -> Exit {
    if report.outcome == StopOutcome::NoSuchFlag {
        return Exit::Done;
    }
    let answer = answers::stop(report);
    if context.printer.machine() {
        context.printer.json(&answer);
    } else {
        let next = match report.outcome {
            StopOutcome::Paused { .. } => "to take it away from everybody",
            StopOutcome::NotOff { .. } => "try again",
            _ => "undo",
        };
        answers::print(&context.printer, &answer, next);
    }
    match report.outcome {
        StopOutcome::NotOff { .. } => Exit::Unreachable,
        StopOutcome::NothingToPause { phase: Phase::None } => Exit::Failed,
        _ if matches!(report.recorded, Recorded::Nowhere(_)) => Exit::Unreachable,
        _ => Exit::Done,
    }
}
