//! `plan`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::apply::{Asked, Commit, FlagChange, Proposal, Saved};
use crate::control::drift::Serving;
use crate::control::site::no_release;
use crate::spec;
use crate::view::bar::Bar;
use crate::view::plan::{self, PlanAnswer, PlanRow};
use crate::view::safe::safe;
use crate::view::{proposal, verbose};

/// Show what apply would do, what drifted at backends, and what both mean for rollouts; of one release, everything
/// resolved, and where each value was written
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Show this release with everything resolved instead
    #[arg(value_name = "RELEASE", conflicts_with_all = ["drift", "save", "detailed_exitcode", "start", "adopt"])]
    pub(crate) release: Option<String>,
    /// Show only what backends serve otherwise than the journal allows; documents may be broken
    #[arg(long, conflicts_with = "save")]
    pub(crate) drift: bool,
    /// Keep the plan in a file: `apply FILE` does it only if nothing has changed since
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Plan to start releases that were never started, as `apply --start` would
    #[arg(long, conflicts_with = "drift")]
    pub(crate) start: bool,
    /// Plan to take what others made, and to pin the documents' plans, as `apply --adopt` would
    #[arg(long, conflicts_with = "drift")]
    pub(crate) adopt: bool,
    /// Exit with 2 if anything differs
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(release) = &self.release {
            return resolved(context, release);
        }
        let mut site = context.site()?;
        let environment = context.environment.as_deref();
        if self.drift {
            let drift = site.drift(environment).await;
            let answer = proposal::drift_answer(&drift);
            if !context.printer.machine() {
                proposal::drift(&context.printer, &answer.drift);
                if drift.is_empty() {
                    context.printer.out("no drift: backends serve what the journal allows");
                }
            }
            context.printer.answer(&answer);
            let unknown = drift.iter().any(|drift| matches!(drift.served, Serving::Unknown(_)));
            let differs = self.detailed_exitcode && !drift.is_empty();
            return Ok(if unknown {
                Exit::Unreachable
            } else if differs {
                Exit::Differences
            } else {
                Exit::Done
            });
        }
        if site.loaded.has_errors() {
            return Err(Failure::invalid(site.loaded.findings.clone()));
        }
        let proposed = {
            let bar = Bar::new(&context.printer, "looking at flags");
            site.propose(environment, &|done, all| bar.at(done, all)).await
        };
        let older = site.applied_later(proposed.commit.as_ref()).await?;
        if let Some(last) = &older {
            context.printer.err(&format!("{}: apply refuses them", older_than(last)));
        }
        let answer = proposal::answer(&proposed);
        let options = Asked { adopt: self.adopt, start: self.start };
        if !context.printer.machine() {
            proposal::proposal(&context.printer, &answer, options);
        }
        let asked = asked(&proposed);
        if let Some(path) = &self.save {
            if asked != Exit::Done {
                return Err(Failure::new(asked, "not saved: a plan that does not know everything cannot be compared"));
            }
            if older.is_some() {
                return Err(Failure::new(Exit::Failed, "not saved: apply would refuse it"));
            }
            let saved = Saved::of(&proposed, environment, options);
            saved.write(path).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
            context.printer.note(&format!("saved; do it with: flagstaff apply {}", path.display()));
        }
        context.printer.answer(&answer);
        let differs = self.detailed_exitcode && answer.differs && asked == Exit::Done;
        Ok(if differs { Exit::Differences } else { asked })
    }
}

/// That documents are older than those of a commit that was applied.
pub(crate) fn older_than(last: &Commit) -> String {
    format!("these documents are older than those of commit {}, applied last", last.id)
}

/// Whether everything could be asked for.
pub(crate) fn asked(proposal: &Proposal) -> Exit {
    let of = |change: &FlagChange| match change {
        FlagChange::Unknown { not_authorised: true, .. } => Exit::NotAuthorised,
        FlagChange::Unknown { .. } => Exit::Unreachable,
        _ => Exit::Done,
    };
    let flags = proposal.flags.iter().map(|row| of(&row.change));
    let drift = proposal.drift.iter().map(|drift| match drift.served {
        Serving::Unknown(_) => Exit::Unreachable,
        _ => Exit::Done,
    });
    flags.chain(drift).fold(Exit::Done, Exit::worst)
}

fn resolved(context: &Context, release: &str) -> Result<Exit, Failure> {
    let began = context.clock.now();
    let loaded = spec::load(&context.dir);
    verbose::loaded(&context.printer, &loaded, context.clock.now().since(began));
    let Some(known) = loaded.releases().into_iter().find(|known| known.release == release) else {
        let known = loaded.releases().into_iter().map(|known| known.release);
        return Err(Failure::new(Exit::Failed, safe(&no_release(release, known))));
    };
    let environments: Vec<String> = match &context.environment {
        Some(environment) => vec![environment.clone()],
        None => known.environments,
    };
    let mut plans = Vec::new();
    for environment in environments {
        plans.push(PlanRow::from(loaded.plan(release, &environment).map_err(Failure::invalid)?));
    }
    if context.printer.machine() {
        context.printer.answer(&PlanAnswer { plans });
    } else {
        plans.iter().for_each(|row| plan::print(&context.printer, row));
    }
    Ok(Exit::Done)
}
