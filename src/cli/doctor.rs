//! `doctor`.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::checkup::Health;
use crate::control::doctor::Doctor as Examination;
use crate::view::{doctor, verbose};

/// Look whether everything that releases need is there and lets us, and say what to do where not
///
/// Looks at the documents, the journal, who drives, each environment's backend and each source: whether it can be reached, its
/// version, who we are there, whether we may do what will be needed, and how far its clock is from ours. Changes nothing.
///
/// Ends with 0 if all is well or there are warnings only, 3 if documents are broken, 4 if something does not let us, 5 if
/// something cannot be reached, else with 1.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let observer = verbose::observer(&context.printer);
        let project = Examination::of(&context.dir, context.clock.clone(), observer);
        let known = project.environments();
        if let Some(named) = context.environment.as_ref().filter(|named| !known.is_empty() && !known.contains(named)) {
            return Err(Failure::new(Exit::Usage, format!("there is no environment `{named}`"))
                .help(format!("environments: {}", known.join(", "))));
        }
        let things = project.examine(context.environment.as_deref()).await;
        let answer = doctor::answer(&things);
        match context.printer.machine() {
            true => context.printer.answer(&answer),
            false => doctor::print(&context.printer, &answer),
        }
        let checks = things.iter().flat_map(|thing| &thing.checks);
        Ok(checks.fold(Exit::Done, |worst, check| worst.worst(exit(check.health))))
    }
}

fn exit(health: Health) -> Exit {
    match health {
        Health::Fine | Health::Warning => Exit::Done,
        Health::Failed(fault) => Exit::of_fault(fault),
    }
}
