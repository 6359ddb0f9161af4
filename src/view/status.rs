//! The table of rollouts, grouped by shared cause first.

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, TableStyle};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::attention::{Attention, attention, counts, rollouts};
use super::freezes::{DatedRow, FreezeRow};
use super::printer::{Printer, Tone};
use super::safe::safe;
use super::served::ServedRow;
use super::text;
use super::words::{self, StateWord};
use crate::control::drift::Drift;
use crate::control::{Rollout, Site};
use crate::engine::event::Missing;
use crate::engine::{Phase, State, Timestamp};
use crate::journal::DriverSeen;

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
    /// What the backend serves, where that is not what is allowed.
    pub serves: Option<String>,
    /// Why it is not known whether what is allowed is what is served, and what to do; until then nothing is confirmed.
    pub unserved: Option<String>,
    /// Why it is paused or stopped.
    pub causes: Vec<String>,
    /// Shutdowns that the breaker held back, and why.
    pub held_back: Vec<String>,
    /// Who paused it, and what they said.
    pub said: Vec<String>,
    /// Rules that stop nothing now.
    pub mutes: Vec<MuteRow>,
    /// Ticks that earned the bake.
    pub baked: u32,
    /// How many ticks are needed.
    pub bake: u32,
    /// Who drives it.
    pub driver: Option<String>,
    /// Counts changes of state, causes, stage and exposure.
    pub version: u64,
    /// How much it wants to be looked at.
    #[serde(skip)]
    pub attention: Attention,
    /// Who gets the feature, for people.
    #[serde(skip)]
    pub on: String,
    /// The bake and what else is missing, for people.
    #[serde(skip)]
    pub progress: String,
}

impl StatusRow {
    /// What was read at the backend just now counts for more than what a driver has noticed.
    pub fn see(&mut self, drift: &Drift) {
        self.serves = Some(drift.served.to_string());
        self.on = safe(&format!("{}, {} allowed", drift.served, drift.allowed));
        if drift.larger {
            self.attention = self.attention.min(Attention::Person);
        }
    }
}

/// A rule that a person silenced.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Mute")]
pub struct MuteRow {
    /// The rule's name, or `no_data`.
    pub rule: String,
    /// Until when, RFC 3339.
    pub until: String,
}

/// The rules of a rollout that stop nothing now.
pub fn mutes(state: &State, now: Timestamp) -> Vec<MuteRow> {
    state.mutes(now).map(|(rule, until)| MuteRow { rule: rule.to_owned(), until: until.to_string() }).collect()
}

/// A rollout's row.
pub fn row(rollout: &Rollout, driver: Option<String>, now: Timestamp) -> StatusRow {
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
        serves: words::served(state),
        unserved: words::unserved(state).map(str::to_owned),
        causes: match state.phase {
            Phase::Paused => state.causes.iter().map(words::cause).collect(),
            _ => state.stopped_by.iter().map(words::cause).collect(),
        },
        held_back: words::held_back(state),
        said: if state.phase == Phase::Paused { words::pauses(state) } else { Vec::new() },
        mutes: mutes(state, now),
        baked: state.baked,
        bake: stage.map_or(0, |stage| rollout.plan.ticks(stage.bake)),
        driver,
        version: state.version,
        attention: attention(rollout),
        on: words::exposed(state),
        progress: progress(rollout),
    }
}

/// Rows of rollouts that the journal alone tells of.
pub fn rows_of<'r>(
    rollouts: impl Iterator<Item = &'r Rollout>,
    drivers: &[DriverSeen],
    now: Timestamp,
) -> Vec<StatusRow> {
    let driver = |address: &str| {
        let driving = drivers.iter().find(|driver| driver.drives.iter().any(|driven| driven == address));
        driving.map(|driver| driver.told(now))
    };
    rollouts.map(|rollout| row(rollout, driver(&rollout.address()), now)).collect()
}

/// Rows of rollouts by their ids, with who drives them now.
pub fn rows(site: &mut Site, ids: &[String]) -> Vec<StatusRow> {
    let (drivers, now) = (site.drivers(), site.now());
    let rollouts: Vec<&Rollout> = ids.iter().filter_map(|id| site.store.rollout(id)).collect();
    let mut rows = rows_of(rollouts.iter().copied(), &drivers, now);
    for (row, rollout) in rows.iter_mut().zip(rollouts) {
        if site.is_held_for_good(rollout) {
            // it goes no further before somebody does something about its documents
            row.attention = Attention::Person;
        }
    }
    rows
}

/// Below this many columns a rollout takes a few lines instead of a row: a telephone shows 40.
const NARROW: usize = 70;

fn undriven(row: &StatusRow) -> bool {
    matches!(row.state, StateWord::Running | StateWord::WaitingForApproval) && row.driver.is_none()
}

fn needs_somebody(row: &StatusRow) -> bool {
    row.attention <= Attention::Unhealthy || undriven(row)
}

fn why(row: &StatusRow) -> String {
    let why = match row.state {
        StateWord::Running if undriven(row) => format!("nobody drives it; {}", row.progress),
        StateWord::Running | StateWord::WaitingForApproval => row.progress.clone(),
        // it begins with the cause
        _ if row.said.is_empty() && !row.held_back.is_empty() => row.held_back.join("; "),
        _ if row.said.is_empty() => safe(&row.causes.join(", ")),
        // the words are safe already
        _ => format!("{} ({})", safe(&row.causes.join(", ")), row.said.join("; ")),
    };
    match row.unserved.as_deref().map(safe) {
        // a tick has said it among what is missing
        Some(unserved) if !why.contains(&unserved) => format!("{why}; not confirmed: {unserved}"),
        _ => why,
    }
}

/// How far the bake is, and what else is missing: a full bake that lacks samples says which.
fn progress(rollout: &Rollout) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let Some(stage) = plan.stages.get(state.stage) else { return String::new() };
    let need = plan.ticks(stage.bake);
    let mut parts = vec![match state.baked >= need {
        true => "baked".to_owned(),
        false => format!("baked {} of {need}", state.baked),
    }];
    parts.extend(state.missing.iter().filter(|_| state.judged_here).filter_map(|missing| match missing {
        Missing::Bake { .. } | Missing::Paused => None,
        Missing::Samples { have, need } => Some(format!("{have} of {need} samples")),
        other => Some(words::missing(plan, other)),
    }));
    parts.join("; ")
}

/// What all rows come to, what they share, and who drives.
fn overview(printer: &Printer, rows: &[StatusRow]) {
    let kinds = counts(rows.iter().map(|row| row.attention));
    printer.out(&printer.tone(&format!("{}: {kinds}", rollouts(rows.len())), Tone::Strong));
    let mut shared: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state == StateWord::Paused) {
        for cause in &row.causes {
            *shared.entry((cause, &row.environment)).or_default() += 1;
        }
    }
    for ((cause, environment), count) in shared.into_iter().filter(|(_, count)| *count > 1) {
        let (cause, environment) = (safe(cause), safe(environment));
        let text = format!("cause: {cause} paused {} in {environment}", rollouts(count));
        printer.out(&printer.tone(&text, Tone::Warn));
        let of_cause = format!("{cause}: ");
        let is_held = |row: &&StatusRow| row.held_back.iter().any(|held| held.starts_with(&of_cause));
        let held = rows.iter().filter(|row| safe(&row.environment) == environment).filter(is_held).count();
        if held > 0 {
            let text = format!("  the breaker held back that it shuts down {held} of them: they are still ON");
            printer.out(&printer.tone(&text, Tone::Bad));
            printer.out(&format!("  flagstaff abort --all -e {environment}"));
        }
        printer.out(&format!("  flagstaff resume --all --cause {cause} -e {environment}"));
    }
    let mut drivers: BTreeMap<&str, usize> = BTreeMap::new();
    for driver in rows.iter().filter_map(|row| row.driver.as_deref()) {
        *drivers.entry(driver).or_default() += 1;
    }
    if rows.len() > 1 {
        for (driver, count) in drivers {
            printer.out(&format!("{} drives {}", safe(driver), rollouts(count)));
        }
        let left = rows.iter().filter(|row| undriven(row)).count();
        if left > 0 {
            printer.out(&printer.tone(&format!("nobody drives {}: flagstaff run", rollouts(left)), Tone::Warn));
        }
        printer.out("");
    }
}

fn tone_of(row: &StatusRow) -> Option<Tone> {
    match row.attention {
        Attention::Person | Attention::Unhealthy => Some(Tone::Warn),
        Attention::Stopping | Attention::Stopped => Some(Tone::Bad),
        Attention::Completed => Some(Tone::Good),
        Attention::Baking => undriven(row).then_some(Tone::Warn),
    }
}

/// The table for people: one line for all of them, shared causes, then a row each, most urgent first.
pub fn print(printer: &Printer, rows: &[StatusRow], freezes: &[FreezeRow], dated: &[DatedRow], narrowed: bool) {
    frozen(printer, freezes, dated);
    if rows.is_empty() {
        let what = if narrowed { "no rollout of it yet" } else { "no rollouts yet" };
        printer.out(&format!("{what}: `flagstaff start RELEASE -e ENVIRONMENT` begins one"));
        return;
    }
    overview(printer, rows);
    let mut rows: Vec<&StatusRow> = rows.iter().collect();
    rows.sort_by_key(|row| (!needs_somebody(row), row.attention, &row.release, &row.environment));
    if printer.width < NARROW {
        rows.iter().for_each(|row| print_narrow(printer, row, rows.len() > 8));
    } else {
        print_table(printer, &rows);
    }
    muted(printer, &rows);
    if let [row] = rows.as_slice() {
        if let Some(driver) = &row.driver {
            printer.out(&format!("driven by {}", safe(driver)));
        } else if undriven(row) {
            let (release, environment) = (safe(&row.release), safe(&row.environment));
            printer.out(&format!("nobody drives it: flagstaff run {release} -e {environment}"));
        }
    }
}

/// A few lines; of many rollouts those that need nobody take one.
fn print_narrow(printer: &Printer, row: &StatusRow, many: bool) {
    let toned = |text: &str| tone_of(row).map_or_else(|| text.to_owned(), |tone| printer.tone(text, tone));
    let mark = if needs_somebody(row) { "!" } else { " " };
    let name = format!("{}@{}", safe(&row.release), safe(&row.environment));
    let why = why(row);
    if many && row.attention > Attention::Unhealthy {
        let how = if row.state == StateWord::Running { why.as_str() } else { row.state.text() };
        let line = format!("{mark} {name} {} {how}", row.on);
        printer.out(&toned(&text::clip(&line, printer.width)));
        return;
    }
    printer.out(&toned(&text::clip(&format!("{mark} {name}"), printer.width)));
    let stage = if row.exposure == "nobody" { String::new() } else { format!("{}, ", safe(&row.stage)) };
    printer.out(&format!("    {}, {stage}on for {}", row.state.text(), row.on));
    if !why.is_empty() {
        printer.out(&format!("    {why}"));
    }
}

fn print_table(printer: &Printer, rows: &[&StatusRow]) {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(printer.width).unwrap_or(u16::MAX));
    table.set_header(["", "RELEASE", "STAGE", "EXPOSURE", "STATE", "WHY"]);
    for row in rows {
        table.add_row([
            if needs_somebody(row) { "!" } else { "" },
            &format!("{}@{}", safe(&row.release), safe(&row.environment)),
            &safe(&row.stage),
            &row.on,
            row.state.text(),
            &why(row),
        ]);
    }
    // the first line is the header; the lines of a row that is broken have the tone of its first
    let mut of = rows.iter();
    let mut tone = None;
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if index > 0 && line.chars().take(4).any(|c| !c.is_whitespace()) {
            tone = of.next().and_then(|row| tone_of(row));
        }
        printer.out(&tone.map_or_else(|| line.to_owned(), |tone| printer.tone(line, tone)));
    }
}

/// What is silenced stops nothing: whoever looks must not take it for a guard.
fn muted(printer: &Printer, rows: &[&StatusRow]) {
    for row in rows {
        for MuteRow { rule, until } in &row.mutes {
            let text = format!("muted: {} of {} until {until}", safe(rule), safe(&row.address));
            printer.out(&printer.tone(&text, Tone::Warn));
        }
    }
}

pub(super) fn frozen(printer: &Printer, freezes: &[FreezeRow], dated: &[DatedRow]) {
    let typed = freezes.iter().map(|freeze| format!("{} until {}", safe(&freeze.name), freeze.until));
    let dated = dated.iter().filter(|freeze| freeze.holds).map(DatedRow::text);
    for freeze in typed.chain(dated) {
        printer.out(&printer.tone(&format!("frozen: {freeze}"), Tone::Warn));
    }
}

/// Stops that nothing could be made of: they may have been meant for a rollout of another journal.
pub fn print_orphans(printer: &Printer, orphans: &[String]) {
    for path in orphans {
        let what = "the journal knows no rollout that this stop is about: look at it, and remove it";
        printer.err(&format!("{}: {what}", safe(path)));
    }
}

/// What `status` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct StatusAnswer {
    /// The newest rollout of every release and environment that is meant.
    pub rollouts: Vec<StatusRow>,
    /// Freezes that were typed and hold.
    pub freezes: Vec<FreezeRow>,
    /// Freezes by date that are not over, from the documents.
    pub dated: Vec<DatedRow>,
    /// Stops that wait beside the journal; the next driver takes them in.
    pub spooled: usize,
    /// Files beside the journal that were put away: it knows no rollout that they are about.
    pub orphans: Vec<String>,
    /// Why the journal tells nothing, where it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<String>,
    /// What the backends serve, where the journal cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<Vec<ServedRow>>,
    /// How many rollouts that are meant are not among these, where the answer was to be short: those that want to be looked
    /// at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
}

impl StatusAnswer {
    /// Keeps so many rollouts, and of them those that want to be looked at most.
    pub fn shorten(&mut self, most: usize) {
        if self.rollouts.len() > most {
            self.left_out = Some(self.rollouts.len() - most);
            self.rollouts.sort_by_key(|row| row.attention);
            self.rollouts.truncate(most);
        }
    }
}

impl Answer for StatusAnswer {
    const NAME: &'static str = "status";
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{NOW, paused, running};
    use super::*;
    use crate::engine::Decimal;

    #[test]
    fn a_full_bake_says_what_else_is_missing() {
        let mut rollout = running("a", 0);
        let need = rollout.plan.ticks(rollout.plan.stages[0].bake);
        rollout.state.baked = need + 6;
        rollout.state.missing = vec![Missing::Samples { have: Decimal::whole(0), need: 50 }];
        assert_eq!(row(&rollout, None, NOW).progress, "baked; 0 of 50 samples");
        rollout.state.baked = 3;
        rollout.state.missing = vec![Missing::Bake { have: 3, need }];
        assert_eq!(row(&rollout, None, NOW).progress, format!("baked 3 of {need}"));
    }

    #[test]
    fn what_needs_somebody_is_marked_and_so_is_what_nobody_drives() {
        let driven = Some("run@host".to_owned());
        assert!(needs_somebody(&row(&paused("a", 1), driven.clone(), NOW)));
        assert!(needs_somebody(&row(&running("a", 1), None, NOW)));
        assert!(!needs_somebody(&row(&running("a", 1), driven, NOW)));
    }
}
