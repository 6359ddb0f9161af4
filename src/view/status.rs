//! The table of rollouts, grouped by shared cause first.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, TableStyle};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::freezes::FreezeRow;
use super::printer::{Printer, Tone};
use super::safe::safe;
use super::words::{self, StateWord};
use crate::control::served::Served;
use crate::control::{Rollout, Site};
use crate::engine::Phase;

/// A rollout as it is now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Rollout")]
pub struct StatusRow {
    /// `release@environment`.
    pub address: String,
    /// Its id.
    pub rollout: String,
    /// Its release.
    pub release: String,
    /// Its environment.
    pub environment: String,
    /// Its flag's key.
    pub flag: String,
    /// Where it is.
    pub state: StateWord,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed.
    pub exposure: String,
    /// Why it is paused or stopped.
    pub causes: Vec<String>,
    /// Who paused it, and what they said.
    pub said: Vec<String>,
    /// Ticks that earned the bake.
    pub baked: u32,
    /// How many ticks are needed.
    pub bake: u32,
    /// Who drives it.
    pub driver: Option<String>,
    /// Counts changes of state, causes, stage and exposure.
    pub version: u64,
}

/// A rollout's row.
pub fn row(rollout: &Rollout, driver: Option<String>) -> StatusRow {
    let state = &rollout.state;
    let stage = rollout.plan.stages.get(state.stage);
    StatusRow {
        address: rollout.address(),
        rollout: rollout.id.clone(),
        release: rollout.plan.release.clone(),
        environment: rollout.plan.environment.clone(),
        flag: rollout.plan.flag.clone(),
        state: StateWord::of(rollout),
        stage: stage.map(|stage| stage.name.clone()).unwrap_or_default(),
        exposure: state.allowed.to_string(),
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

/// Rows of rollouts by their ids, with who drives them now.
pub fn rows(site: &mut Site, ids: &[String]) -> Vec<StatusRow> {
    let drivers = site.drivers();
    let driver = |address: &str| {
        let driving = drivers.iter().find(|driver| driver.drives.iter().any(|driven| driven == address));
        driving.map(|driver| format!("{}@{}", driver.command, driver.host))
    };
    let rollouts = ids.iter().filter_map(|id| site.store.rollout(id));
    rollouts.map(|rollout| row(rollout, driver(&rollout.address()))).collect()
}

/// Below this many columns a rollout takes a few lines instead of a row: a telephone shows 40.
const NARROW: usize = 70;

fn undriven(row: &StatusRow) -> bool {
    row.state == StateWord::Running && row.driver.is_none()
}

fn needs_somebody(row: &StatusRow) -> bool {
    undriven(row) || matches!(row.state, StateWord::Paused | StateWord::Stopping | StateWord::WaitingForApproval)
}

fn why(row: &StatusRow) -> String {
    let bake = format!("baked {} of {}", row.baked, row.bake);
    match row.state {
        StateWord::Running if undriven(row) => format!("{bake}; nobody drives it"),
        StateWord::Running => bake,
        _ if row.said.is_empty() => safe(&row.causes.join(", ")),
        // the words are safe already
        _ => format!("{} ({})", safe(&row.causes.join(", ")), row.said.join("; ")),
    }
}

/// The table for people.
pub fn print(printer: &Printer, rows: &[StatusRow], freezes: &[FreezeRow]) {
    frozen(printer, freezes);
    if rows.is_empty() {
        printer.out("no rollouts yet: `flagstaff start RELEASE -e ENVIRONMENT` begins one");
        return;
    }
    let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state == StateWord::Paused) {
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
            printer.out(&format!("    {}, {}, {}", row.state.text(), safe(&row.stage), safe(&row.exposure)));
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
            &safe(&row.exposure),
            row.state.text(),
            &why(row),
        ]);
    }
    for line in table.lines() {
        printer.out(line.trim_end());
    }
}

fn frozen(printer: &Printer, freezes: &[FreezeRow]) {
    for freeze in freezes {
        let text = format!("frozen: {} until {}", safe(&freeze.name), freeze.until);
        printer.out(&printer.tone(&text, Tone::Warn));
    }
}

/// What `status` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// The newest rollout of every release and environment that is meant.
    pub rollouts: Vec<StatusRow>,
    /// Freezes that hold.
    pub freezes: Vec<FreezeRow>,
    /// Stops that wait beside the journal; the next driver takes them in.
    pub spooled: usize,
    /// Why the journal tells nothing, where it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// What the backends serve, where the journal cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Vec<ServedRow>>,
}

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
        Ok(seen) => (Some(seen.shown().to_string()), None),
        Err(why) => (None, Some(why.clone())),
    };
    let Served { release, environment, flag, .. } = served.clone();
    ServedRow { release, environment, flag, exposure, detail }
}

/// What is served, for people.
pub fn print_served(printer: &Printer, answer: &StatusAnswer) {
    frozen(printer, &answer.freezes);
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

impl Answer for StatusAnswer {
    const NAME: &'static str = "status";
}
