//! In what two plans differ, in the words in which plans are shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::print::said;
use crate::engine::{Exposure, Plan};

/// One thing that two plans say differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PlanDifference")]
pub struct DifferenceRow {
    /// The section and the name: `stages half`.
    pub what: String,
    /// What the first plan says; nothing if it says nothing of it.
    pub from: Option<String>,
    /// What the second one says.
    pub to: Option<String>,
    /// Whether other people are reached: a stage's exposure, or an audience, differs.
    pub reaches: bool,
}

/// Everything in which they differ; where that is in no words of either, one row says so.
pub fn differences(one: &Plan, other: &Plan) -> Vec<DifferenceRow> {
    let mut rows = Vec::new();
    for ((section, before), (_, after)) in said(one).into_iter().zip(said(other)) {
        let (order, before) = (names(&before, &after), by_name(before));
        let after = by_name(after);
        for name in order {
            let (from, to) = (before.get(&name).cloned(), after.get(&name).cloned());
            if from != to {
                let reaches = match section {
                    "stages" => exposure_of(one, &name) != exposure_of(other, &name),
                    "audiences" => true,
                    "plan" => ["flag", "backend", "stickiness"].contains(&name.as_str()),
                    _ => false,
                };
                rows.push(DifferenceRow { what: format!("{section} {name}"), from, to, reaches });
            }
        }
    }
    if rows.is_empty() && one != other {
        rows.push(DifferenceRow { what: "queries".to_owned(), from: None, to: None, reaches: false });
    }
    // what changes for people comes first
    rows.sort_by_key(|row| !row.reaches);
    rows
}

fn exposure_of<'p>(plan: &'p Plan, stage: &str) -> Option<&'p Exposure> {
    plan.stages.iter().find(|known| known.name == stage).map(|stage| &stage.exposure)
}

fn by_name(pairs: Vec<(String, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().collect()
}

/// Every name once, in the order of the second plan, then what only the first one has.
fn names(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in after.iter().chain(before) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
