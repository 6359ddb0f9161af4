//! What growing commands answer: where the rollout is now, what stays exposed, and the next command.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::error::ErrorAnswer;
use super::printer::{Printer, Tone};
use super::safe::safe;
use super::words::StateWord;
use crate::control::CommandReport;
use crate::engine::Phase;

/// What `start`, `approve`, `resume`, `force`, `rollback` and `mute` did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct CommandAnswer {
    /// Every rollout that was commanded.
    pub rollouts: Vec<CommandRow>,
    /// What failed of several; where nothing was done there is an error answer instead.
    pub errors: Vec<ErrorAnswer>,
}

impl Answer for CommandAnswer {
    const NAME: &'static str = "command";
}

/// A rollout after a command.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "CommandedRollout")]
pub struct CommandRow {
    /// `release@environment`.
    pub address: String,
    /// The rollout's id.
    pub rollout: String,
    /// The flag's key.
    pub flag: String,
    /// Where it is now.
    pub state: StateWord,
    /// Whether the command changed anything.
    pub changed: bool,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed now.
    pub exposure: String,
    /// Whether the backend was read back and shows what is allowed.
    pub confirmed: bool,
    /// What stands against it.
    pub trouble: Option<String>,
    /// The next command.
    pub next: Option<String>,
}

/// A command's row.
pub fn row(report: &CommandReport) -> CommandRow {
    let (release, environment) = report.address.split_once('@').unwrap_or((&report.address, ""));
    CommandRow {
        address: report.address.clone(),
        rollout: report.rollout.clone(),
        flag: report.flag.clone(),
        state: StateWord::of_phase(report.phase, !report.unconfirmed),
        changed: report.changed,
        stage: report.stage.clone(),
        exposure: report.allowed.to_string(),
        confirmed: !report.unconfirmed,
        trouble: report.trouble.clone(),
        next: match report.phase {
            Phase::Running => Some(format!("flagstaff run {release} -e {environment}")),
            Phase::Paused if !report.allowed.is_nobody() => Some(format!("flagstaff abort {release} -e {environment}")),
            _ => None,
        },
    }
}

/// For people: the address, what happened, and the next command.
pub fn print(printer: &Printer, row: &CommandRow) {
    let mut state = row.state.text().to_owned();
    if !row.changed {
        state.push_str(" already");
    }
    let tone = match row.state {
        StateWord::NotStarted => Tone::Bad,
        StateWord::Paused => Tone::Warn,
        _ => Tone::Strong,
    };
    let exposure = safe(&row.exposure);
    printer.out(&format!("{}  {}, on for {exposure}", safe(&row.address), printer.tone(&state, tone)));
    // the next command of what runs comes with who drives it
    let next = row.next.as_deref().filter(|_| row.state != StateWord::Running);
    tail(printer, row.trouble.as_deref(), next, "next");
}

/// What stands against it, and what to type next.
pub(super) fn tail(printer: &Printer, trouble: Option<&str>, next: Option<&str>, what_for: &str) {
    if let Some(trouble) = trouble {
        printer.err(&format!("  {}", safe(trouble)));
    }
    if let Some(command) = next {
        printer.note(&format!("{what_for}: {}", safe(command)));
    }
}
