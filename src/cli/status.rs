//! `status`.

use std::path::PathBuf;

use clap::Args;

use super::abort::open;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use crate::control::Site;
use crate::control::served::Served;
use crate::view::freezes;
use crate::view::status::{self, ServedRow, StatusAnswer, served_row};

/// Show where every rollout is
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The releases; all of them if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
}

impl Status {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = match self.site(context)? {
            Ok(site) => site,
            Err(why) => return self.without_journal(context, why).await,
        };
        let ids: Vec<String> = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.is_empty() || self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment))
            .map(|rollout| rollout.id.clone())
            .collect();
        let rollouts = status::rows(&mut site, &ids);
        let freezes: Vec<_> = site.store.freezes(site.now()).into_iter().map(freezes::row).collect();
        let (spooled, orphans) = (site.spool.waiting(), orphans(&site.spool.orphans()));
        if context.printer.machine() {
            context.printer.answer(&StatusAnswer { rollouts, freezes, spooled, orphans, journal: None, served: None });
        } else {
            status::print(&context.printer, &rollouts, &freezes);
            if spooled > 0 {
                let what = "stops or freezes wait beside the journal; the next driver takes them in";
                context.printer.err(&format!("{spooled} {what}"));
            }
            status::print_orphans(&context.printer, &orphans);
        }
        let named = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment));
        Ok(named.fold(Exit::Done, |worst, rollout| worst.worst(ended(rollout))))
    }

    /// The project with its journal; or why the journal tells nothing.
    fn site(&self, context: &Context) -> Result<Result<Site, Option<String>>, Failure> {
        let stops = open(context)?;
        if !stops.has_journal() {
            return Ok(Err(None));
        }
        if let Err(why) = stops.store() {
            return Ok(Err(Some(why.clone())));
        }
        match context.site() {
            Ok(site) => Ok(Ok(site)),
            Err(failure) if failure.exit == Exit::Unreachable => Ok(Err(Some(failure.message))),
            Err(failure) => Err(failure),
        }
    }

    /// What the backends serve is what is left to be told. `why` is none where there is no journal at all.
    async fn without_journal(self, context: &Context, why: Option<String>) -> Result<Exit, Failure> {
        let site = open(context)?;
        let wanted = |served: &Served| {
            (self.releases.is_empty() || self.releases.contains(&served.release))
                && context.environment.as_ref().is_none_or(|meant| *meant == served.environment)
        };
        let served: Vec<ServedRow> =
            site.served().await.iter().filter(|served| wanted(served)).map(served_row).collect();
        let begun = why.is_some() || served.iter().any(ServedRow::may_reach);
        let journal = begun.then(|| why.unwrap_or_else(|| format!("there is none at {}", site.journal_place())));
        let freezes = site.freezes().0.iter().map(freezes::row).collect();
        let (spooled, orphans) = (site.waiting(), orphans(&site.orphans()));
        let answer = StatusAnswer { rollouts: Vec::new(), freezes, spooled, orphans, journal, served: Some(served) };
        if context.printer.machine() {
            context.printer.answer(&answer);
        } else if answer.journal.is_some() {
            status::print_served(&context.printer, &answer);
        } else {
            status::print(&context.printer, &[], &answer.freezes);
        }
        if !context.printer.machine() {
            status::print_orphans(&context.printer, &answer.orphans);
        }
        match &answer.journal {
            None => Ok(Exit::Done),
            Some(why) => Err(Failure::new(Exit::Unreachable, format!("the journal cannot be used: {why}"))
                .help("`flagstaff abort`, `pause` and `freeze` work without it")),
        }
    }
}

fn orphans(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}
