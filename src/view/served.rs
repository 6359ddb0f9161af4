//! What backends serve: the answer that is left where the journal tells nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use super::status::{StatusAnswer, frozen};
use crate::control::served::Served;
use crate::engine::input::Observed;

/// A flag as its backend serves it, told without the journal.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Served")]
pub struct ServedRow {
    /// The release that declares it.
    pub release: String,
    /// Its environment.
    pub environment: String,
    /// Its key.
    pub flag: String,
    /// Who gets the feature; none where that cannot be told.
    pub exposure: Option<String>,
    /// Why it cannot be told: another hand's part, a backend that cannot be read.
    pub detail: Option<String>,
}

impl ServedRow {
    /// Whether it reaches somebody, as far as is known.
    pub fn may_reach(&self) -> bool {
        self.exposure.as_deref() != Some("nobody")
    }
}

/// A row of what is served.
pub fn served_row(served: &Served) -> ServedRow {
    let (exposure, detail) = match &served.seen {
        Ok(seen) if seen.reaches_by_foreign() => (None, seen.foreign.clone()),
        Ok(Observed { unserved: Some(why), .. }) => (None, Some(why.clone())),
        Ok(seen) => (Some(seen.shown().to_string()), None),
        Err(why) => (None, Some(why.clone())),
    };
    let Served { release, environment, flag, .. } = served.clone();
    ServedRow { release, environment, flag, exposure, detail }
}

/// What is served, for people.
pub fn print_served(printer: &Printer, answer: &StatusAnswer) {
    frozen(printer, &answer.freezes, &answer.dated);
    printer.out(&printer.tone("the journal cannot be used; below is what the backends serve", Tone::Warn));
    for row in answer.served.iter().flatten() {
        let mark = if row.may_reach() { "!" } else { " " };
        let name = format!("{}@{}", safe(&row.release), safe(&row.environment));
        let what = match row.exposure.as_deref() {
            Some("nobody") => "off".to_owned(),
            Some(exposure) => format!("on for {}", safe(exposure)),
            None => format!("unknown: {}", safe(row.detail.as_deref().unwrap_or_default())),
        };
        printer.out(&format!("{mark} {name}  {what}"));
    }
}
