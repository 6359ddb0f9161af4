//! `status`.

use clap::Args;

use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use crate::view::freezes;
use crate::view::status::{self, StatusAnswer};

/// Show where every rollout is
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The releases; all of them if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let ids: Vec<String> = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.is_empty() || self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment))
            .map(|rollout| rollout.id.clone())
            .collect();
        let rollouts = status::rows(&mut site, &ids);
        let freezes: Vec<_> = site.store.freezes(site.now()).into_iter().map(freezes::row).collect();
        let spooled = site.spool.pending().len();
        if context.printer.machine() {
            context.printer.answer(&StatusAnswer { rollouts, freezes, spooled });
        } else {
            status::print(&context.printer, &rollouts, &freezes);
            if spooled > 0 {
                context.printer.err(&format!("{spooled} stops wait beside the journal; the next driver takes them in"));
            }
        }
        let named = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment));
        Ok(named.fold(Exit::Done, |worst, rollout| worst.worst(ended(&rollout.state))))
    }
}
