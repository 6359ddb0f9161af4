//! The table of rollouts, grouped by shared cause first.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, TableStyle};
use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use super::words;
use crate::control::Rollout;
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
        state: words::phase(state).to_owned(),
        stage: stage.map(|stage| stage.name.clone()).unwrap_or_default(),
        exposure: state.allowed.to_string(),
        causes: match state.phase {
            Phase::Paused => state.causes.iter().map(words::cause).collect(),
            _ => state.stopped_by.iter().map(words::cause).collect(),
        },
        baked: state.baked,
        bake: stage.map_or(0, |stage| rollout.plan.ticks(stage.bake)),
        driver,
        version: state.version,
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
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(printer.width).unwrap_or(u16::MAX));
    table.set_header(["", "RELEASE", "STAGE", "EXPOSURE", "STATE", "WHY"]);
    for row in rows {
        let needs_person = matches!(row.state.as_str(), "paused" | "stopping" | "waiting for approval");
        let undriven = row.state == "running" && row.driver.is_none();
        let bake = format!("baked {} of {}", row.baked, row.bake);
        let why = match row.state.as_str() {
            "running" if undriven => format!("{bake}; nobody drives it"),
            "running" => bake,
            _ => row.causes.join(", "),
        };
        let name = format!("{}@{}", safe(&row.release), safe(&row.environment));
        table.add_row([
            if needs_person || undriven { "!" } else { "" },
            &name,
            &safe(&row.stage),
            &row.exposure,
            &row.state,
            &why,
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
}
