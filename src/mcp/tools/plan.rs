//! `plan`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Meant, Tool, input};
use crate::control::site::no_release;
use crate::mcp::answer::Given;
use crate::mcp::problem::{FAILED, Problem};
use crate::spec;
use crate::view::plan::{PlanAnswer, PlanRow};
use crate::view::safe::safe;

pub(super) static TOOL: Tool = Tool {
    name: "plan",
    title: "A release with everything resolved",
    description: "Resolves a release from the documents: stages, queries, rules and addresses in each of its environments, \
                  with the file and line of each value. Asks no backend. The same document as \
                  `flagstaff plan RELEASE -o json`.",
    input: input::<Wanted>,
    output: Some("plan"),
    open_world: false,
    does: Does::Read,
    run: |call| Box::pin(async move { planned(&call) }),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The release, by its name or as `release@environment`.
    release: String,
    /// One of its environments; all of them unless named.
    #[serde(default)]
    #[schemars(with = "String")]
    environment: Option<String>,
}

fn planned(call: &Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    let Meant { release, environment } = Meant::of(&wanted.release, wanted.environment.as_deref());
    let loaded = spec::load(&call.setup.dir);
    let Some(known) = loaded.releases().into_iter().find(|known| known.release == release) else {
        let known = loaded.releases().into_iter().map(|known| known.release);
        return Err(Problem::new(FAILED, safe(&no_release(&release, known)), None));
    };
    let environments = environment.map_or(known.environments, |one| vec![one]);
    let mut plans = Vec::new();
    for environment in environments {
        plans.push(PlanRow::from(loaded.plan(&release, &environment).map_err(|found| Problem::invalid(&found))?));
    }
    Given::of(&PlanAnswer { plans })
}
