//! `freeze`.

use clap::Args;

use super::args::{Growing, duration};
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::Site;
use crate::control::freeze::name;
use crate::engine::Span;
use crate::view::freezes::{self, FreezeAnswer};

/// Keep rules from growing anything; bare, list what is frozen
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    /// Freeze one release only
    #[arg(value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "lift")]
    pub(crate) hold_for: Option<Span>,
    /// End it
    #[arg(long)]
    pub(crate) lift: bool,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Freeze {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let now = site.now();
        let scope = self.release.clone().or_else(|| context.environment.clone()).unwrap_or_else(|| "all".to_owned());
        let frozen = if self.lift {
            let protected = self.protected(context, &site);
            context.confirm(protected, &scope, &self.growing, "lift the freeze of")?;
            let freeze =
                site.lift(&name(context.environment.as_deref(), self.release.as_deref()), self.growing.reason.clone())?;
            vec![freeze]
        } else if let Some(span) = self.hold_for {
            let until = now.plus(span);
            vec![site.freeze(context.environment.clone(), self.release.clone(), until, self.growing.reason.clone())?]
        } else {
            site.store.freezes(now).into_iter().cloned().collect()
        };
        let rows: Vec<_> = frozen.iter().map(freezes::row).collect();
        if context.printer.machine() {
            context.printer.answer(&FreezeAnswer { freezes: rows });
        } else {
            freezes::print(&context.printer, &rows);
        }
        Ok(Exit::Done)
    }

    /// Ending a freeze lets rules grow again: it is confirmed where any environment it covers is protected.
    fn protected(&self, context: &Context, site: &Site) -> bool {
        let Some(project) = site.loaded.project() else { return true };
        let covered = |name: &str| context.environment.as_ref().is_none_or(|meant| meant == name);
        project.environments.iter().any(|environment| covered(&environment.name.value) && environment.protected)
    }
}
