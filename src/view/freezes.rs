//! Freezes: what holds growth, until when, and who says so.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::Printer;
use super::safe::safe;
use crate::control::dated::{Dated, DatedFreeze};
use crate::control::record::Freeze;
use crate::engine::Timestamp;

/// What `freeze` did; bare, what is frozen.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FreezeAnswer {
    /// The freeze that was made or lifted; bare, all that were typed and hold.
    pub freezes: Vec<FreezeRow>,
    /// Freezes by date, from the documents: bare, those that are not over; after a lift, those that still hold there.
    pub dated: Vec<DatedRow>,
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

/// A freeze by date, as the Project document has it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "DatedFreeze")]
pub struct DatedRow {
    /// Its name: whoever goes past it names it in the reason.
    pub name: String,
    /// The environments that are frozen; all of them if empty.
    pub environments: Vec<String>,
    /// The releases that are frozen; all of them if empty.
    pub releases: Vec<String>,
    /// From when it holds, RFC 3339.
    pub from: String,
    /// Until when it holds, RFC 3339.
    pub until: String,
    /// Whether it holds now.
    pub holds: bool,
    /// Why.
    pub reason: Option<String>,
    /// Where it stands: `file:line`.
    pub place: String,
}

/// The rows of freezes by date.
pub fn dated(dated: &Dated, now: Timestamp) -> Vec<DatedRow> {
    let row = |freeze: &DatedFreeze| DatedRow {
        name: freeze.name.clone(),
        environments: freeze.environments.clone(),
        releases: freeze.releases.clone(),
        from: freeze.from.to_string(),
        until: freeze.until.to_string(),
        holds: freeze.holds_at(now),
        reason: freeze.reason.clone(),
        place: freeze.place.clone(),
    };
    dated.freezes.iter().map(row).collect()
}

impl DatedRow {
    /// `freeze-christmas until … (production; flagstaff.yaml:12)`.
    pub(super) fn text(&self) -> String {
        let of: Vec<&str> = self.environments.iter().chain(&self.releases).map(String::as_str).collect();
        let of = if of.is_empty() { String::new() } else { format!("{}; ", of.join(", ")) };
        let from = if self.holds { String::new() } else { format!(" from {}", self.from) };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        safe(&format!("{}{from} until {} ({of}{}){reason}", self.name, self.until, self.place))
    }
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
pub fn print(printer: &Printer, freezes: &[FreezeRow], dated: &[DatedRow]) {
    for freeze in freezes {
        let name = safe(&freeze.name);
        printer.out(&match freeze.lifted {
            false => format!("{name} until {}. Safeguards stay armed.", freeze.until),
            true => format!("{name} lifted"),
        });
    }
    for freeze in dated {
        printer.out(&freeze.text());
    }
    if freezes.is_empty() && !dated.iter().any(|freeze| freeze.holds) {
        printer.out("nothing is frozen");
    }
}
