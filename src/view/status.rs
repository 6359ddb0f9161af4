//! The table of rollouts, grouped by shared cause first.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, TableStyle};
use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use super::words;
use crate::control::Rollout;
use crate::control::served::Served;
use crate::engine::Phase;

/// One rollout in `status -o json`.
#[derive(Debug, Clone, Serialize)]
pub struct StatusRow {
    /// Its id.
    pub rollout: String,
    /// Its release.
    pub release: String,
    /// Its environment.
    pub environment: String,
    /// Its flag's key.
    pub flag: String,
    /// `running`, `paused`, `stopping`, `stopped`, `completed` …
    pub state: String,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed.
    pub exposure: String,
    /// Why it is paused or stopped.
    pub causes: Vec<String>,
    /// Who paused it, and what they said.
    pub said: Vec<String>,
    /// Ticks that earned the bake, and how many are needed.
    pub baked: u32,
    /// How many are needed.
    pub bake: u32,
    /// Who drives it.
    pub driver: Option<String>,
    /// What a person saw: growing commands take it as `--saw`.
    pub version: u64,
}

/// A row.
pub fn row(rollout: &Rollout, driver: Option<String>) -> StatusRow {
    let state = &rollout.state;
    let stage = rollout.plan.stages.get(state.stage);
    StatusRow {
        rollout: rollout.id.clone(),
        release: rollout.plan.release.clone(),
        environment: rollout.plan.environment.clone(),
        flag: rollout.plan.flag.clone(),
        state: words::phase(rollout).to_owned(),
        stage: stage.map(|stage| stage.name.clone()).unwrap_or_default(),
        exposure: safe(&state.allowed.to_string()),
        causes: match state.phase {
            Phase::Paused => state.causes.iter().map(words::cause).collect(),
            _ => state.stopped_by.iter().map(words::cause).collect(),
        },
        said: if state.phase == Phase::Paused { words::pauses(state) } else { Vec::new() },
        baked: state.baked,
        bake: stage.map_or(0, |stage| rollout.plan.ticks(stage.bake)),
        driver,
        version: state.version,
    }
}

/// Below this many columns a rollout takes a few lines instead of a row: a telephone shows 40.
const NARROW: usize = 70;

fn undriven(row: &StatusRow) -> bool {
    row.state == "running" && row.driver.is_none()
}

fn needs_somebody(row: &StatusRow) -> bool {
    undriven(row) || matches!(row.state.as_str(), "paused" | "stopping" | "waiting for approval")
}

fn why(row: &StatusRow) -> String {
    let bake = format!("baked {} of {}", row.baked, row.bake);
    match row.state.as_str() {
        "running" if undriven(row) => format!("{bake}; nobody drives it"),
        "running" => bake,
        _ if row.said.is_empty() => safe(&row.causes.join(", ")),
        // the words are safe already
        _ => format!("{} ({})", safe(&row.causes.join(", ")), row.said.join("; ")),
    }
}

/// The table for people.
pub fn print(printer: &Printer, rows: &[StatusRow], frozen: &[String]) {
    for freeze in frozen {
        printer.out(&printer.tone(&format!("frozen: {}", safe(freeze)), Tone::Warn));
    }
    if rows.is_empty() {
        printer.out("no rollouts yet: `flagstaff start RELEASE -e ENVIRONMENT` begins one");
        return;
    }
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state == "paused") {
        for cause in &row.causes {
            *shared.entry(cause).or_default() += 1;
        }
    }
    for (cause, count) in shared.into_iter().filter(|(_, count)| *count > 1) {
        printer.out(&printer.tone(&format!("cause: {cause} paused {count} rollouts"), Tone::Warn));
    }
    if printer.width < NARROW {
        for row in rows {
            let mark = if needs_somebody(row) { "!" } else { " " };
            printer.out(&format!("{mark} {}@{}", safe(&row.release), safe(&row.environment)));
            printer.out(&format!("    {}, {}, {}", row.state, safe(&row.stage), row.exposure));
            let why = why(row);
            if !why.is_empty() {
                printer.out(&format!("    {why}"));
            }
        }
        return;
    }
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(printer.width).unwrap_or(u16::MAX));
    table.set_header(["", "RELEASE", "STAGE", "EXPOSURE", "STATE", "WHY"]);
    for row in rows {
        let name = format!("{}@{}", safe(&row.release), safe(&row.environment));
        table.add_row([
            if needs_somebody(row) { "!" } else { "" },
            &name,
            &safe(&row.stage),
            &row.exposure,
            &row.state,
            &why(row),
        ]);
    }
    for line in table.lines() {
        printer.out(line.trim_end());
    }
}

/// `status -o json`.
#[derive(Debug, Clone, Serialize)]
pub struct StatusAnswer {
    /// `flagstaff/status/v1`
    pub schema: &'static str,
    /// All rollouts.
    pub rollouts: Vec<StatusRow>,
    /// Freezes that hold.
    pub frozen: Vec<String>,
    /// Why the journal tells nothing, where it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// What the backends serve, where the journal cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Vec<ServedRow>>,
}

/// A flag as its backend serves it, told without the journal.
#[derive(Debug, Clone, Serialize)]
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
        Ok(seen) => (Some(seen.shown().to_string()), None),
        Err(why) => (None, Some(why.clone())),
    };
    let Served { release, environment, flag, .. } = served.clone();
    ServedRow { release, environment, flag, exposure, detail }
}

/// What is served, for people.
pub fn print_served(printer: &Printer, answer: &StatusAnswer) {
    for freeze in &answer.frozen {
        printer.out(&printer.tone(&format!("frozen: {}", safe(freeze)), Tone::Warn));
    }
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
