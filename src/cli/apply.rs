//! `apply`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::plan::{asked, older_than};
use crate::control::Site;
use crate::control::apply::{Asked, Declared, FlagChange, Options, Proposal, Saved};
use crate::view::bar::Bar;
use crate::view::proposal::{self, ApplyAnswer, BlockedRow};
use crate::view::safe::safe;

/// Make backends as the documents say: create flags, off, for nobody; nothing is released unless --start says so
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A plan that `plan --save` kept; it is done only if nothing has changed since
    #[arg(value_name = "FILE")]
    pub(crate) saved: Option<PathBuf>,
    /// Take flags that somebody else made, and pin the documents' plans to rollouts that run by others
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Start releases that were never started
    #[arg(long)]
    pub(crate) start: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Confirm by a flag's key what --adopt and --start do in a protected environment; once for each
    #[arg(long, value_name = "KEY")]
    pub(crate) confirm: Vec<String>,
}

impl Apply {
    pub(crate) async fn run(mut self, context: &Context) -> Result<Exit, Failure> {
        let saved = self.saved.as_ref().map(|path| Saved::read(path)).transpose();
        let saved = saved.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let environment = match &saved {
            Some(saved) if context.environment.is_some() && saved.environment != context.environment => {
                return Err(Failure::new(Exit::Usage, "the saved plan is for other environments").help("leave out -e"));
            }
            Some(saved) => saved.environment.clone(),
            None => context.environment.clone(),
        };
        let asked_for = self.asked(saved.as_ref())?;
        (self.adopt, self.start) = (asked_for.adopt, asked_for.start);
        let mut site = context.site()?;
        if site.loaded.has_errors() {
            return Err(Failure::invalid(site.loaded.findings.clone()));
        }
        let proposed = {
            let bar = Bar::new(&context.printer, "looking at flags");
            site.propose(environment.as_deref(), &|done, all| bar.at(done, all)).await
        };
        if let Some(saved) = &saved {
            let compared = saved.compare(&Saved::of(&proposed, environment.as_deref(), asked_for));
            compared.map_err(|error| Failure::new(Exit::Failed, error.to_string()).help("plan again, and look"))?;
        }
        if let Some(last) = site.applied_later(proposed.commit.as_ref()).await? {
            return Err(Failure::new(Exit::Failed, older_than(&last))
                .help("check out that commit or a later one; to go back, commit a revert"));
        }
        let answer = proposal::answer(&proposed);
        if !context.printer.machine() {
            proposal::proposal(&context.printer, &answer, asked_for);
        }
        let left = self.left(&proposed);
        let options = self.confirmed(context, &site, &proposed, environment.as_deref())?;
        let rows = {
            let bar = Bar::new(&context.printer, "making flags");
            site.apply(&proposed, &options, &|done, all| bar.at(done, all)).await?
        };
        let shown = proposal::applied_rows(&rows);
        if !context.printer.machine() {
            proposal::applied(&context.printer, &shown);
            for address in &left {
                context.printer.note(&format!("left as it is: {}; see --adopt", safe(address)));
            }
        }
        let blocked = self.blocked(&proposed);
        let undone = if blocked.is_empty() && left.is_empty() { Exit::Done } else { Exit::Failed };
        context.printer.answer(&ApplyAnswer { commit: proposed.commit.clone(), rows: shown, left, blocked });
        let failed = rows.into_iter().filter_map(|row| row.error).map(|error| Failure::from(error).exit);
        Ok(failed.fold(asked(&proposed).worst(undone), Exit::worst))
    }

    /// What is asked for: what was planned, where a saved plan is applied. Nothing is added to it that nobody saw in it.
    fn asked(&self, saved: Option<&Saved>) -> Result<Asked, Failure> {
        let typed = Asked { adopt: self.adopt, start: self.start };
        let Some(planned) = saved.map(|saved| saved.asked) else { return Ok(typed) };
        for (typed, planned, option) in
            [(typed.start, planned.start, "--start"), (typed.adopt, planned.adopt, "--adopt")]
        {
            if typed && !planned {
                let message = format!("it was planned without {option}, so nobody saw what that would do");
                let help = format!("flagstaff plan {option} --save FILE, and apply that");
                return Err(Failure::new(Exit::Usage, message).help(help));
            }
        }
        Ok(planned)
    }

    /// What nothing can be done about, with the reasons.
    fn blocked(&self, proposed: &Proposal) -> Vec<BlockedRow> {
        let flags = proposed.flags.iter().filter_map(|row| match &row.change {
            FlagChange::Blocked(why) | FlagChange::Unknown { why, .. } => Some((row.address(), why.clone())),
            _ => None,
        });
        let plans = proposed.rollouts.iter().filter_map(|row| match &row.declared {
            Declared::Otherwise { refused: Some(why), .. } if self.adopt => Some((row.address(), why.clone())),
            _ => None,
        });
        flags.chain(plans).map(|(address, trouble)| BlockedRow { address, trouble }).collect()
    }

    /// Flags that only `--adopt` touches.
    fn left(&self, proposed: &Proposal) -> Vec<String> {
        let foreign = proposed.flags.iter().filter(|row| matches!(row.change, FlagChange::Adopt { .. }) && !self.adopt);
        foreign.map(|row| row.address()).collect()
    }

    /// Asks, where there is something to do.
    fn confirmed(
        &self,
        context: &Context,
        site: &Site,
        proposed: &Proposal,
        environment: Option<&str>,
    ) -> Result<Options, Failure> {
        let is_done = |change: &FlagChange| match change {
            FlagChange::Create | FlagChange::Change { .. } => true,
            FlagChange::Adopt { .. } => self.adopt,
            _ => false,
        };
        let mut does = proposed.flags.iter().any(|row| is_done(&row.change));
        for row in &proposed.rollouts {
            let (option, what) = match &row.declared {
                Declared::NotStarted { .. } if self.start => ("--start", "start"),
                Declared::Otherwise { refused: None, .. } if self.adopt => ("--adopt", "adopt the documents' plan of"),
                _ => continue,
            };
            if environment.is_none() && goes_to_several(site, &row.release) {
                let message = format!("`{}` goes to several environments", safe(&row.release));
                return Err(Failure::new(Exit::Usage, message).help(format!("{option} names one of them with -e")));
            }
            does = true;
            let confirm = self.confirm.iter().find(|key| **key == row.flag).cloned();
            let growing = Growing { reason: self.reason.clone(), confirm };
            context.confirm(row.protected, &row.flag, &growing, &format!("{what} {}", row.address()))?;
        }
        if does && !self.yes {
            if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
                let message = "nobody is there to be asked, so nothing was done";
                return Err(Failure::new(Exit::Usage, message).help("add --yes"));
            }
            let asked = dialoguer::Confirm::new().with_prompt("do this?").default(false).interact();
            if !asked.unwrap_or(false) {
                return Err(Failure::new(Exit::Failed, "nothing was done"));
            }
        }
        Ok(Options { adopt: self.adopt, start: self.start, reason: self.reason.clone() })
    }
}

fn goes_to_several(site: &Site, release: &str) -> bool {
    site.loaded.releases().iter().any(|known| known.release == release && known.environments.len() > 1)
}
