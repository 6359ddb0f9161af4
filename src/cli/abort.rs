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
use crate::view::safe::safe;
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
        let reason = self.reason.as_deref();
        let Some(release) = &self.release else { return self.all(context, site).await };
        let only = context.environment.as_deref();
        tell_of_long(context, &site);
        let reports = site.stop_everywhere(release, only, StopKind::Abort, reason, self.timeout).await;
        if reports.is_empty() {
            return Err(nowhere(context, &site));
        }
        tell_of_unread(context, &site);
        if reports.iter().all(|report| report.outcome == StopOutcome::NoSuchFlag) {
            return Err(Failure::new(Exit::Failed, "no environment has such a release or flag"));
        }
        Ok(told(context, reports.iter()))
    }

    async fn all(&self, context: &Context, mut site: StopSite) -> Result<Exit, Failure> {
        let Ok(known) = site.in_progress(context.clock.now().plus(self.timeout)).await else {
            let why = "the journal cannot be read, so what is in progress is not known: NOTHING WAS STOPPED";
            return Err(by_name(&site, why).await);
        };
        if known.is_empty() && site.knows_nothing() && site.served().await.iter().any(Served::is_of_a_rollout) {
            let why = "the journal knows no rollout, and yet flags are on under the stamp of one: it is another journal, \
                       and NOTHING WAS STOPPED";
            return Err(by_name(&site, why).await);
        }
        // what the journal alone knows is meant too
        let meant = environments(context, &site)?;
        let targets: Vec<_> = known.into_iter().filter(|(_, environment)| meant.contains(environment)).collect();
        if targets.is_empty() {
            if site.project_fault().is_some() {
                return Err(nowhere(context, &site));
            }
            context.printer.note("nothing is in progress");
        }
        let reports = site.stop(&targets, StopKind::Abort, self.reason.as_deref(), self.timeout).await;
        let worst = told(context, reports.iter());
        // who switched it on again may have meant it: it is named, and left to people
        let against = site.on_against_a_stop(&meant).await;
        for (release, environment) in &against {
            let (release, environment) = (safe(release), safe(environment));
            context.printer.err(&format!(
                "{release}@{environment} was stopped and is ON, by another hand: flagstaff abort {release} -e {environment}"
            ));
        }
        Ok(if against.is_empty() { worst } else { worst.worst(Exit::Failed) })
    }
}

/// Whoever waits for a journal is told that nothing else does.
pub(crate) fn tell_of_long(context: &Context, site: &StopSite) {
    if site.is_reading() {
        context.printer.note("the journal takes long to read; what the documents name is stopped meanwhile");
    }
}

/// What was not done, where a journal that is still not there may know of more.
pub(crate) fn tell_of_unread(context: &Context, site: &StopSite) {
    if site.is_reading() && context.environment.is_none() {
        let what = "the journal was not read in time: what only it knows, such as an environment that the documents no longer \
                    name, was not stopped";
        context.printer.err(what);
    }
}

/// Why a stop had nowhere to go, which is no success.
pub(crate) fn nowhere(context: &Context, site: &StopSite) -> Failure {
    let nothing = |what: &str| format!("{what}: NOTHING WAS STOPPED");
    let by_hand =
        "without the Project document and the journal nothing says where flags live: switch it off at the flag backend";
    if site.is_reading() {
        return Failure::new(Exit::Unreachable, nothing("the journal does not come, and the documents name no place"))
            .help(by_hand);
    }
    let unknown = environments(context, site).err().filter(|_| site.project_fault().is_none());
    if let Some(unknown) = unknown {
        return unknown;
    }
    let what = match site.project_fault() {
        Some(_) => "the Project document cannot be read, and the journal in its usual place knows nothing of it",
        None => "the Project document names no environment that can be read",
    };
    Failure {
        findings: site.project_fault().unwrap_or_default().to_vec(),
        ..Failure::new(Exit::Invalid, nothing(what))
    }
    .help(by_hand)
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

/// The environments that a stop is for, as far as the journal has been read: the named one, or all.
pub(crate) fn environments(context: &Context, site: &StopSite) -> Result<Vec<String>, Failure> {
    let all = site.environments();
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
