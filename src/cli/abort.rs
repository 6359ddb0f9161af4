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
        let targets: Vec<(String, String)> = match &self.release {
            Some(release) => {
                let environments = environments(context, &site)?;
                environments.into_iter().map(|environment| (release.clone(), environment)).collect()
            }
            None => {
                let meant =
                    |environment: &String| context.environment.as_ref().is_none_or(|meant| meant == environment);
                site.in_progress()?.into_iter().filter(|(_, environment)| meant(environment)).collect()
            }
        };
        let reports = site.stop(&targets, StopKind::Abort, self.reason.as_deref(), self.timeout).await;
        let known = targets.is_empty() || reports.iter().any(|report| report.outcome != StopOutcome::NoSuchFlag);
        let worst = reports.iter().fold(Exit::Done, |worst, report| worst.worst(told(context, report)));
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
        StopOutcome::NotOff { not_authorised: true, .. } => Exit::NotAuthorised,
        StopOutcome::NotOff { .. } => Exit::Unreachable,
        StopOutcome::NothingToPause { phase: Phase::None } => Exit::Failed,
        _ if matches!(report.recorded, Recorded::Nowhere(_)) => Exit::Unreachable,
        _ => Exit::Done,
    }
}
