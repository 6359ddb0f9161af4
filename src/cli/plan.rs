//! `plan`.

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec;
use crate::spec::yaml;
use crate::view::printer::Format;
use crate::view::safe::safe;

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
                Format::Human => print(context, &answer),
            }
        }
        Ok(Exit::Done)
    }
}

fn print(context: &Context, answer: &PlanAnswer) {
    let (plan, out) = (&answer.plan, |text: String| context.printer.out(&text));
    let origin = |path: String| answer.origins.get(&path).map(|origin| format!("   # {origin}")).unwrap_or_default();
    out(format!("{}  plan {}", safe(&plan.address()), answer.hash.get(..12).unwrap_or_default()));
    out(format!("  flag {}{}", safe(&plan.flag), origin("flag".to_owned())));
    out(format!(
        "  every {}, settle {}, asked {} late{}",
        plan.every,
        plan.settle,
        plan.delay,
        origin("every".to_owned())
    ));
    out("  stages".to_owned());
    for (index, stage) in plan.stages.iter().enumerate() {
        out(format!(
            "    {:<14} {:<32} bake {}{}",
            safe(&stage.name),
            stage.exposure.to_string(),
            stage.bake,
            origin(format!("stages[{index}]"))
        ));
    }
    out("  healthy".to_owned());
    for (index, line) in plan.healthy.iter().enumerate() {
        out(format!("    {}{}", safe(&line.text), origin(format!("healthy[{index}]"))));
    }
    out("  safeguards".to_owned());
    for (index, rule) in plan.rules.iter().enumerate() {
        let hold = rule.hold_for.map(|hold| format!(" for {hold}")).unwrap_or_default();
        out(format!(
            "    {:<12} {}{hold}: {}{}",
            safe(&rule.name),
            safe(&rule.text),
            rule.then.word(),
            origin(format!("rules[{index}]"))
        ));
    }
}
