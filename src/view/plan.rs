//! Resolved plans, with where each value was written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::Printer;
use super::safe::safe;
use crate::engine::Plan;
use crate::spec::Resolved;

/// What `plan` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanAnswer {
    /// One for each environment that was asked for.
    pub plans: Vec<PlanRow>,
}

impl Answer for PlanAnswer {
    const NAME: &'static str = "plan";
}

/// A plan with its hash and origins.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "PinnedPlan")]
pub struct PlanRow {
    /// `release@environment`.
    pub address: String,
    /// SHA-256 of the plan's canonical JSON (RFC 8785), in hexadecimal.
    pub hash: String,
    /// Where each value was written (`file:line`), or why it is what it is, by its path in the plan.
    pub origins: BTreeMap<String, String>,
    /// The plan.
    pub plan: Plan,
}

impl From<Resolved> for PlanRow {
    fn from(resolved: Resolved) -> PlanRow {
        let Resolved { hash, origins, plan, .. } = resolved;
        PlanRow { address: plan.address(), hash, origins, plan }
    }
}

/// For people.
pub fn print(printer: &Printer, answer: &PlanRow) {
    let (plan, out) = (&answer.plan, |text: String| printer.out(&text));
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
    for series in plan.series.iter().filter(|series| series.query.born_later) {
        out(format!("  metric {} is born later: start does not look for it", safe(&series.name)));
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
