//! `plan`.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec;
use crate::view::plan::{self, PlanAnswer, PlanRow};
use crate::view::verbose;

/// Show a release with everything resolved, and where each value was written
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

impl Plan {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let began = context.clock.now();
        let loaded = spec::load(&context.dir);
        verbose::loaded(&context.printer, &loaded, context.clock.now().since(began));
        let Some(known) = loaded.releases().into_iter().find(|known| known.release == self.release) else {
            return Err(Failure::new(Exit::Failed, format!("there is no release `{}`", self.release)));
        };
        let environments: Vec<String> = match &context.environment {
            Some(environment) => vec![environment.clone()],
            None => known.environments,
        };
        let mut plans = Vec::new();
        for environment in environments {
            plans.push(PlanRow::from(loaded.plan(&self.release, &environment).map_err(Failure::invalid)?));
        }
        if context.printer.machine() {
            context.printer.answer(&PlanAnswer { plans });
        } else {
            plans.iter().for_each(|row| plan::print(&context.printer, row));
        }
        Ok(Exit::Done)
    }
}
