//! `freeze`.

use clap::Args;

use super::abort::{environments, open, open_in_haste};
use super::args::{Growing, duration};
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::dated::Dated;
use crate::control::stop::{Recorded, StopSite};
use crate::control::{self, Site};
use crate::engine::Span;
use crate::view::freezes::{self, DatedRow, FreezeAnswer};
use crate::view::safe::safe;

/// How long a freeze of an environment that the documents do not name waits for the journal.
const READING: Span = Span::seconds(10);

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
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.lift {
            return self.lift(context);
        }
        // to freeze nobody waits for a long journal; to list, it must be read
        let mut site = if self.hold_for.is_some() { open_in_haste(context)? } else { open(context)? };
        if environments(context, &site).is_err() {
            // one that only the journal remembers
            site.finish_reading(context.clock.now().plus(READING)).await;
        }
        environments(context, &site)?;
        let Some(hold_for) = self.hold_for else {
            if self.release.is_none() && context.environment.is_none() {
                return list(context, &site);
            }
            return Err(
                Failure::new(Exit::Usage, "NOT FROZEN: say for how long").help("add --for 4h, or --lift to end one")
            );
        };
        // what ends as it begins would only end a standing one: that is a lift, which asks
        if hold_for == Span(0) {
            let what = "NOT FROZEN: a freeze of no length would freeze nothing";
            return Err(Failure::new(Exit::Usage, what).help("add --for 4h, or --lift to end one"));
        }
        let release = self.release.as_ref().map(|name| {
            site.release_called(name).ok_or_else(|| {
                let what = format!("NOT FROZEN: no document declares `{}`, and it has no rollout", safe(name));
                Failure::new(Exit::Failed, what).help("flagstaff status lists the rollouts")
            })
        });
        let release = release.transpose()?;
        let reason = self.growing.reason.clone();
        let (freeze, recorded) = site.freeze(context.environment.clone(), release, hold_for, reason);
        show(context, std::slice::from_ref(&freeze), Vec::new());
        Ok(match recorded {
            Recorded::Journal => Exit::Done,
            Recorded::Spool(why) => {
                context
                    .printer
                    .err(&format!("it waits beside the journal, and holds from when that can be used: {why}"));
                Exit::Done
            }
            Recorded::Nowhere(why) => {
                return Err(Failure::new(Exit::Unreachable, format!("NOT FROZEN: it could not be recorded: {why}")));
            }
        })
    }

    fn lift(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let scope = self.release.clone().or_else(|| context.environment.clone()).unwrap_or_else(|| "all".to_owned());
        let (environment, release) = (context.environment.as_deref(), self.release.as_deref());
        // nobody is asked about what cannot be lifted
        let saw = site.typed_until(environment, release)?;
        let protected = self.protected(context, &site);
        context.confirm(protected, &scope, &self.growing, "lift the freeze of")?;
        let lifted = site.lift(environment, release, self.growing.reason.clone(), Some(saw))?;
        let dated = site.dated();
        let meant = dated.meant(environment, release).into_iter().filter(|freeze| freeze.holds_at(site.now()));
        let still: Vec<_> = meant.cloned().collect();
        show(context, &[lifted], freezes::dated(&Dated { freezes: still, fault: None }, site.now()));
        Ok(Exit::Done)
    }

    /// Ending a freeze lets rules grow again: it is confirmed where any environment it covers is protected.
    fn protected(&self, context: &Context, site: &Site) -> bool {
        let Some(project) = site.loaded.project() else { return true };
        let covered = |name: &str| context.environment.as_ref().is_none_or(|meant| meant == name);
        project.environments.iter().any(|environment| covered(&environment.name.value) && environment.protected)
    }
}

fn list(context: &Context, site: &StopSite) -> Result<Exit, Failure> {
    let (frozen, unreadable) = site.freezes();
    show(context, &frozen, freezes::dated(site.dated(), context.clock.now()));
    if let Some(fault) = &site.dated().fault {
        context.printer.err(&format!("{fault}: until it can be, rules grow nothing (flagstaff validate)"));
    }
    match unreadable {
        None => Ok(Exit::Done),
        Some(why) => Err(Failure::new(Exit::Unreachable, format!("the journal cannot be read: {why}"))
            .help("what is shown waits beside it; there may be more")),
    }
}

fn show(context: &Context, frozen: &[control::record::Freeze], dated: Vec<DatedRow>) {
    let rows: Vec<_> = frozen.iter().map(freezes::row).collect();
    if context.printer.machine() {
        context.printer.answer(&FreezeAnswer { freezes: rows, dated });
    } else {
        freezes::print(&context.printer, &rows, &dated);
    }
}
