//! Freezes: what holds growth, until when, and who says so.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::Printer;
use super::safe::safe;
use crate::control::record::Freeze;

/// What `freeze` did; bare, what is frozen.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FreezeAnswer {
    /// The freeze that was made or lifted; bare, all that hold.
    pub freezes: Vec<FreezeRow>,
}

impl Answer for FreezeAnswer {
    const NAME: &'static str = "freeze";
}

/// A freeze.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Freeze")]
pub struct FreezeRow {
    /// Its name: whoever goes past it names it in the reason.
    pub name: String,
    /// The environment that is frozen; all of them if none.
    pub environment: Option<String>,
    /// The release that is frozen; all of them if none.
    pub release: Option<String>,
    /// When it was made or lifted, RFC 3339.
    pub at: String,
    /// Until when it holds, RFC 3339.
    pub until: String,
    /// Whether it was lifted.
    pub lifted: bool,
    /// Who froze or lifted it.
    pub by: String,
    /// Where that name came from.
    pub known_by: String,
    /// Why.
    pub reason: Option<String>,
}

/// A freeze's row.
pub fn row(freeze: &Freeze) -> FreezeRow {
    FreezeRow {
        name: freeze.name.clone(),
        environment: freeze.environment.clone(),
        release: freeze.release.clone(),
        at: freeze.at.to_string(),
        until: freeze.until.to_string(),
        lifted: freeze.until <= freeze.at,
        by: freeze.by.name.clone(),
        known_by: freeze.by.known_by.clone(),
        reason: freeze.reason.clone(),
    }
}

/// For people.
pub fn print(printer: &Printer, freezes: &[FreezeRow]) {
    for freeze in freezes {
        let name = safe(&freeze.name);
        printer.out(&match freeze.lifted {
            false => format!("{name} until {}. Safeguards stay armed.", freeze.until),
            true => format!("{name} lifted"),
        });
    }
    if freezes.is_empty() {
        printer.out("nothing is frozen");
    }
}
