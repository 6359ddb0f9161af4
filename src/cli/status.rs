//! `status`.

use std::path::PathBuf;

use clap::Args;

use super::abort::open;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use crate::control::served::Served;
use crate::control::site::no_release;
use crate::control::stop::StopSite;
use crate::control::{Rollout, Site};
use crate::engine::Span;
use crate::spec::{self, Finding};
use crate::view::freezes;
use crate::view::safe::safe;
use crate::view::served::{self, ServedRow, served_row};
use crate::view::status::{self, StatusAnswer};

/// Show where every rollout is
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The releases; all of them if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
}

/// What `status` can tell from.
enum Known {
    /// The project and its journal.
    All(Box<Site>),
    /// The journal, with what is wrong with the Project document.
    Pinned(Box<StopSite>, Vec<Finding>),
    /// Neither; why the journal tells nothing, where there is one.
    NoJournal(Option<String>),
}

/// Of so many rollouts at most it is read what their backends serve.
const LOOKED_AT: usize = 200;
/// How long that may take.
const LOOK: Span = Span::seconds(2);

impl Status {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = match self.known(context)? {
            Known::All(site) => site,
            Known::Pinned(site, findings) => return Err(self.by_pinned_plans(context, *site, findings)),
            Known::NoJournal(why) => return self.without_journal(context, why).await,
        };
        let begun = |name: &String| site.store.rollouts().any(|rollout| rollout.plan.release == *name);
        let declared = site.loaded.releases();
        let is_known = |name: &&String| begun(name) || declared.iter().any(|known| known.release == **name);
        if let Some(unknown) = self.releases.iter().find(|name| !is_known(name)) {
            return Err(Failure::new(Exit::Failed, safe(&site.no_release(unknown))));
        }
        let ids: Vec<String> = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.is_empty() || self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment))
            .map(|rollout| rollout.id.clone())
            .collect();
        let mut rollouts = status::rows(&mut site, &ids);
        // of very many the journal has to do: their backends have better things to answer
        let looks = if ids.len() <= LOOKED_AT { site.drift_soon(&ids, LOOK).await } else { Vec::new() };
        for drift in &looks {
            rollouts.iter_mut().filter(|row| row.address == drift.address).for_each(|row| row.see(drift));
        }
        let freezes: Vec<_> = site.store.freezes(site.now()).into_iter().map(freezes::row).collect();
        let dated = freezes::dated(&site.dated(), site.now());
        let (spooled, orphans) = (site.spool.waiting(), orphans(&site.spool.orphans()));
        if context.printer.machine() {
            let (journal, served, left_out) = (None, None, None);
            context.printer.answer(&StatusAnswer {
                rollouts,
                freezes,
                dated,
                spooled,
                orphans,
                journal,
                served,
                left_out,
            });
        } else {
            status::print(&context.printer, &rollouts, &freezes, &dated, self.is_narrowed(context));
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

    /// What can be told from.
    fn known(&self, context: &Context) -> Result<Known, Failure> {
        let stops = open(context)?;
        // a journal that knows nothing may stand where another one was lost
        if !stops.has_journal() || stops.knows_nothing() {
            return Ok(Known::NoJournal(None));
        }
        if let Err(why) = stops.store() {
            return Ok(Known::NoJournal(Some(why.clone())));
        }
        if let Some(findings) = stops.project_fault().map(<[Finding]>::to_vec) {
            return Ok(Known::Pinned(Box::new(stops), findings));
        }
        match context.site() {
            Ok(site) => Ok(Known::All(Box::new(site))),
            Err(failure) if failure.exit == Exit::Unreachable => Ok(Known::NoJournal(Some(failure.message))),
            Err(failure) => Err(failure),
        }
    }

    /// Where the Project document cannot be read the journal tells all the same where every rollout is: it is broken when
    /// people are in a hurry. How it is broken is the answer for machines, and the end for people.
    fn by_pinned_plans(&self, context: &Context, mut site: StopSite, findings: Vec<Finding>) -> Failure {
        let drivers = site.drivers();
        let is_meant = |rollout: &&Rollout| {
            (self.releases.is_empty() || self.releases.contains(&rollout.plan.release))
                && context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment)
        };
        if let (Ok(store), false) = (site.store(), context.printer.machine()) {
            let rows = status::rows_of(store.rollouts().filter(is_meant), &drivers, context.clock.now());
            let freezes: Vec<_> = site.freezes().0.iter().map(freezes::row).collect();
            let dated = freezes::dated(site.dated(), context.clock.now());
            status::print(&context.printer, &rows, &freezes, &dated, self.is_narrowed(context));
        }
        Failure::invalid(findings)
    }

    /// Where nothing was ever started, names are those of the documents.
    fn refuse_unknown(&self, context: &Context) -> Result<(), Failure> {
        let known: Vec<String> = spec::load(&context.dir).releases().into_iter().map(|known| known.release).collect();
        match self.releases.iter().find(|name| !known.contains(name)) {
            Some(unknown) => Err(Failure::new(Exit::Failed, safe(&no_release(unknown, known.iter().cloned())))),
            None => Ok(()),
        }
    }

    fn is_narrowed(&self, context: &Context) -> bool {
        !self.releases.is_empty() || context.environment.is_some()
    }

    /// What the backends serve is what is left to be told. `why` is none where there is no journal at all.
    async fn without_journal(self, context: &Context, why: Option<String>) -> Result<Exit, Failure> {
        let site = open(context)?;
        let wanted = |served: &Served| {
            (self.releases.is_empty() || self.releases.contains(&served.release))
                && context.environment.as_ref().is_none_or(|meant| *meant == served.environment)
        };
        let served = site.served().await;
        let lost = site.has_journal() && served.iter().any(Served::is_of_a_rollout);
        let served: Vec<ServedRow> = served.iter().filter(|served| wanted(served)).map(served_row).collect();
        let begun = why.is_some() || lost || (!site.has_journal() && served.iter().any(ServedRow::may_reach));
        let none = || match site.has_journal() {
            true => {
                format!("the one at {} knows no rollout, and flags are on: another one was lost", site.journal_place())
            }
            false => format!("there is none at {}", site.journal_place()),
        };
        let journal = begun.then(|| why.unwrap_or_else(none));
        let freezes = site.freezes().0.iter().map(freezes::row).collect();
        let dated = freezes::dated(site.dated(), context.clock.now());
        let (spooled, orphans) = (site.waiting(), orphans(&site.orphans()));
        let (rollouts, served, left_out) = (Vec::new(), Some(served), None);
        let answer = StatusAnswer { rollouts, freezes, dated, spooled, orphans, journal, served, left_out };
        if answer.journal.is_none() {
            self.refuse_unknown(context)?;
        }
        if context.printer.machine() {
            context.printer.answer(&answer);
        } else if answer.journal.is_some() {
            served::print_served(&context.printer, &answer);
        } else {
            status::print(&context.printer, &[], &answer.freezes, &answer.dated, self.is_narrowed(context));
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
