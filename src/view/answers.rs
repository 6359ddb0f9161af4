//! What commands answer: what happened, what stays exposed, and the next command.

use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use crate::control::stop::Recorded;
use crate::control::{CommandReport, StopOutcome, StopReport};
use crate::engine::Phase;

/// An answer for machines.
#[derive(Debug, Clone, Serialize)]
pub struct CommandAnswer {
    /// `flagstaff/command/v1`
    pub schema: &'static str,
    /// `release@environment`.
    pub address: String,
    /// What happened, in a word or two.
    pub outcome: String,
    /// What is exposed now, where that is known.
    pub exposure: Option<String>,
    /// What stands against it.
    pub trouble: Option<String>,
    /// How it can be undone, or what would do.
    pub next: Option<String>,
}

/// A command's answer.
pub fn command(report: &CommandReport) -> CommandAnswer {
    let mut outcome = match report.phase {
        Phase::None => "not started",
        Phase::Running => "running",
        Phase::Paused => "paused",
        Phase::Stopped => "stopped",
        Phase::Completed => "completed",
    }
    .to_owned();
    if !report.changed {
        outcome.push_str(" already");
    }
    let (release, environment) = report.address.split_once('@').unwrap_or((&report.address, ""));
    CommandAnswer {
        schema: "flagstaff/command/v1",
        address: report.address.clone(),
        outcome,
        exposure: Some(report.allowed.to_string()),
        trouble: report.trouble.clone(),
        next: match report.phase {
            Phase::Running => Some(format!("flagstaff run {release} -e {environment}")),
            Phase::Paused if !report.allowed.is_nobody() => Some(format!("flagstaff abort {release} -e {environment}")),
            _ => None,
        },
    }
}

/// A stop's answer.
pub fn stop(report: &StopReport) -> CommandAnswer {
    let seconds = format!("{}.{} s", report.took.0 / 1000, report.took.0 % 1000 / 100);
    let name = report.address.split('@').next().unwrap_or_default();
    let mut trouble = match &report.recorded {
        Recorded::Journal => None,
        Recorded::Spool(why) => Some(format!("not in the journal yet, kept beside it: {why}")),
        Recorded::Nowhere(why) => Some(format!("NOT RECORDED: {why}")),
    };
    let (outcome, exposure, next) = match &report.outcome {
        StopOutcome::Off { was } => {
            (format!("OFF  (was {was})  {seconds}"), Some("nobody".to_owned()), report.undo.clone())
        }
        StopOutcome::AlreadyOff => {
            (format!("OFF  (was off)  {seconds}"), Some("nobody".to_owned()), report.undo.clone())
        }
        StopOutcome::Paused { still } if still.is_nobody() => {
            ("paused, on for nobody".to_owned(), Some("nobody".to_owned()), None)
        }
        StopOutcome::Paused { still } => {
            (format!("paused, still ON for {still}"), Some(still.to_string()), Some(format!("flagstaff abort {name}")))
        }
        StopOutcome::NothingToPause { phase } => (format!("nothing to pause: {}", word(*phase)), None, None),
        StopOutcome::NotOff { why, .. } => {
            let driver = match &report.driver {
                Some(driver) => format!("; {driver} keeps trying"),
                None => "; nobody drives it: keep this running until it is off".to_owned(),
            };
            trouble = Some(format!("{why}{driver}"));
            (format!("NOT OFF  {seconds}"), None, Some(format!("flagstaff abort {name}")))
        }
        StopOutcome::NoSuchFlag => ("no such release or flag".to_owned(), None, None),
    };
    CommandAnswer { schema: "flagstaff/command/v1", address: report.address.clone(), outcome, exposure, trouble, next }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::None => "it has not started",
        Phase::Running => "it is running",
        Phase::Paused => "it is paused",
        Phase::Stopped => "it is off",
        Phase::Completed => "it is completed",
    }
}

/// For people: the address, what happened, and the next command.
pub fn print(printer: &Printer, answer: &CommandAnswer, next: &str) {
    let tone = match answer.outcome.as_str() {
        outcome if outcome.starts_with("NOT") => Tone::Bad,
        outcome if outcome.starts_with("paused") => Tone::Warn,
        _ => Tone::Strong,
    };
    let mut line = format!("{}  {}", safe(&answer.address), printer.tone(&safe(&answer.outcome), tone));
    let says_exposure = answer.outcome.contains("ON for") || answer.outcome.contains("OFF");
    if let Some(exposure) = answer.exposure.as_ref().filter(|_| !says_exposure) {
        line.push_str(&format!(", on for {}", safe(exposure)));
    }
    printer.out(&line);
    if let Some(trouble) = &answer.trouble {
        printer.err(&format!("  {}", safe(trouble)));
    }
    if let Some(command) = &answer.next {
        printer.note(&format!("{next}: {}", safe(command)));
    }
}
