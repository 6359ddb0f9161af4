//! `abort`.

use clap::Args;

use super::args::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::served::Served;
use crate::control::stop::{Recorded, StopSite};
use crate::control::{ControlError, StopKind, StopOutcome, StopReport};
use crate::engine::input::Observed;
use crate::engine::{Phase, Span};
use crate::view::stops::{self, StopAnswer};
use crate::view::verbose;

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
        let mut site = open_in_haste(context)?;
        let targets: Vec<(String, String)> = match &self.release {
            Some(release) => {
                let environments = environments(context, &mut site).await?;
                environments.into_iter().map(|environment| (release.clone(), environment)).collect()
            }
            None => {
                let meant = environments(context, &mut site).await?;
                let Ok(known) = site.in_progress().await else {
                    let why = "the journal cannot be read, so what is in progress is not known: NOTHING WAS STOPPED";
                    return Err(by_name(&site, why).await);
                };
                if known.is_empty() && site.knows_nothing() && site.served().await.iter().any(Served::is_of_a_rollout) {
                    let why = "the journal knows no rollout, and yet flags are on under the stamp of one: it is another \
                               journal, and NOTHING WAS STOPPED";
                    return Err(by_name(&site, why).await);
                }
                if known.is_empty() {
                    context.printer.note("nothing is in progress");
                }
                known.into_iter().filter(|(_, environment)| meant.contains(environment)).collect()
            }
        };
        let reports = site.stop(&targets, StopKind::Abort, self.reason.as_deref(), self.timeout).await;
        let known = targets.is_empty() || reports.iter().any(|report| report.outcome != StopOutcome::NoSuchFlag);
        if !known {
            return Err(Failure::new(Exit::Failed, "no environment has such a release or flag"));
        }
        Ok(told(context, reports.iter()))
    }
}

/// Without its journal nobody knows which rollouts are in progress, and a feature that was completed long ago is not to be
/// taken away by mistake: what is on is named instead, with the words that stop it.
async fn by_name(site: &StopSite, why: &str) -> Failure {
    let on = site.served().await.into_iter().filter(|served| served.seen.as_ref().is_ok_and(Observed::reaches_anybody));
    let commands: Vec<String> =
        on.map(|served| format!("flagstaff abort {} -e {}", served.release, served.environment)).collect();
    Failure::new(Exit::Unreachable, why).help(match commands.is_empty() {
        true => "the backends show none of the documents' flags on".to_owned(),
        false => format!("these are on: {}", commands.join("; ")),
    })
}

/// What a stop starts from: the Project document, whatever else is broken.
pub(crate) fn open(context: &Context) -> Result<StopSite, Failure> {
    told_of_project(context, {
        let observer = verbose::observer(&context.printer);
        StopSite::open_observed(&context.dir, context.actor(), context.clock.clone(), observer)
    })
}

/// As [`open`], without waiting for a long journal.
pub(crate) fn open_in_haste(context: &Context) -> Result<StopSite, Failure> {
    told_of_project(context, {
        let observer = verbose::observer(&context.printer);
        StopSite::open_in_haste(&context.dir, context.actor(), context.clock.clone(), observer)
    })
}

fn told_of_project(context: &Context, opened: Result<StopSite, ControlError>) -> Result<StopSite, Failure> {
    let site = opened.map_err(|error| {
        Failure::from(error).help("without the Project document and the journal nothing says where flags live: switch it off at the flag backend")
    })?;
    if site.project_fault().is_some() {
        context.printer.err(
            "the Project document cannot be read (flagstaff validate): the journal's pinned plans say where flags live",
        );
    }
    Ok(site)
}

/// The environments that a stop is for: the named one, or all.
pub(crate) async fn environments(context: &Context, site: &mut StopSite) -> Result<Vec<String>, Failure> {
    let mut all = site.environments();
    if context.environment.as_ref().is_some_and(|named| !all.contains(named)) {
        // one that only the journal remembers
        site.finish_reading().await;
        all = site.environments();
    }
    match &context.environment {
        None => Ok(all),
        Some(named) if all.contains(named) => Ok(vec![named.clone()]),
        Some(named) => Err(Failure::new(Exit::Usage, format!("there is no environment `{named}`"))
            .help(format!("environments: {}", all.join(", ")))),
    }
}

/// Prints the answer of stops and gives its exit. Where a flag is not known there is nothing to say.
pub(crate) fn told<'r>(context: &Context, reports: impl Iterator<Item = &'r StopReport>) -> Exit {
    let mut answer = StopAnswer::default();
    let mut worst = Exit::Done;
    for report in reports.filter(|report| report.outcome != StopOutcome::NoSuchFlag) {
        let row = stops::row(report);
        if !context.printer.machine() {
            stops::print(&context.printer, &row);
        }
        answer.stops.push(row);
        worst = worst.worst(exit(report));
    }
    context.printer.answer(&answer);
    worst
}

fn exit(report: &StopReport) -> Exit {
    match report.outcome {
        StopOutcome::NotOff { not_authorised: true, .. } => Exit::NotAuthorised,
        StopOutcome::NotOff { .. } | StopOutcome::Unsure { .. } => Exit::Unreachable,
        StopOutcome::NothingToPause { phase: Phase::None } => Exit::Failed,
        _ if matches!(report.recorded, Recorded::Nowhere(_)) => Exit::Unreachable,
        _ => Exit::Done,
    }
}
