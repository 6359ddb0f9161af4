//! `plan`.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec;
use crate::spec::yaml;
use crate::view;
use crate::view::printer::Format;

/// Show a release with everything resolved, and where each value was written
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

#[derive(Serialize)]
struct PlanAnswer {
    schema: &'static str,
    hash: String,
    origins: std::collections::BTreeMap<String, String>,
    plan: crate::engine::Plan,
}

impl Plan {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let loaded = spec::load(&context.dir);
        let Some(known) = loaded.releases().into_iter().find(|known| known.release == self.release) else {
            return Err(Failure::new(Exit::Failed, format!("there is no release `{}`", self.release)));
        };
        let environments: Vec<String> = match &context.environment {
            Some(environment) => vec![environment.clone()],
            None => known.environments,
        };
        for environment in environments {
            let resolved = loaded.plan(&self.release, &environment).map_err(Failure::invalid)?;
            let answer = PlanAnswer {
                schema: "flagstaff/plan/v1",
                hash: resolved.hash,
                origins: resolved.origins,
                plan: resolved.plan,
            };
            match context.printer.format {
                Format::Json | Format::Jsonl => context.printer.json(&answer),
                Format::Yaml => {
                    let text = yaml::to_string(&answer).map_err(|error| Failure::new(Exit::Failed, error))?;
                    context.printer.data(&format!("---\n{}", text.trim_end()));
                }
                Format::Human => {
                    view::plan::print(&context.printer, &answer.plan, &answer.origins, &answer.hash);
                }
            }
        }
        Ok(Exit::Done)
    }
}
