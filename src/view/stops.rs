//! What stops answer: whether it is off, what stays exposed, where it was recorded, and the undo.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::answers::tail;
use super::printer::{Printer, Tone};
use super::safe::safe;
use crate::control::stop::Recorded;
use crate::control::{StopOutcome, StopReport};
use crate::engine::Phase;

/// What `abort` and `pause` did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StopAnswer {
    /// One for each environment that knows the release or flag.
    pub stops: Vec<StopRow>,
}

impl Answer for StopAnswer {
    const NAME: &'static str = "stop";
}

/// A stop in one environment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Stop")]
pub struct StopRow {
    /// `release@environment`, or `flag@environment`.
    pub address: String,
    /// The rollout's id, where the journal can be read and knows one.
    pub rollout: Option<String>,
    /// What came of it.
    pub outcome: StopWord,
    /// What was exposed before; unknown where it was not seen, or cannot be told.
    pub was: Option<String>,
    /// What is exposed now; unknown where it could not be read back.
    pub exposure: Option<String>,
    /// Where it was recorded.
    pub recorded: RecordedWord,
    /// What stands against it.
    pub trouble: Option<String>,
    /// Who keeps trying where it is not off.
    pub driver: Option<String>,
    /// The next command: the undo of an abort, the abort after a pause.
    pub next: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What came of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopWord {
    /// It was exposed, or nobody knows, and has been read back as off.
    Off,
    /// It was off before.
    AlreadyOff,
    /// No growth from now on.
    Paused,
    /// Not started, off or completed: there was nothing to pause.
    NothingToPause,
    /// It could not be read back as off. Exit 5.
    NotOff,
    /// Neither the backend nor the journal knows it.
    NoSuchFlag,
}

/// Where a stop was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordedWord {
    /// In the journal.
    Journal,
    /// In the spool beside it; the next driver takes it in.
    Spool,
    /// Nowhere. Exit 5.
    Nowhere,
}

/// A stop's row.
pub fn row(report: &StopReport) -> StopRow {
    // in this environment: whoever stopped one is not told to stop all
    let (name, environment) = report.address.split_once('@').unwrap_or((&report.address, ""));
    let (recorded, mut trouble) = match &report.recorded {
        Recorded::Journal => (RecordedWord::Journal, None),
        Recorded::Spool(why) => (RecordedWord::Spool, Some(format!("not in the journal yet, kept beside it: {why}"))),
        Recorded::Nowhere(why) => (RecordedWord::Nowhere, Some(format!("NOT RECORDED: {why}"))),
    };
    let nobody = || Some("nobody".to_owned());
    let abort = || Some(format!("flagstaff abort {name} -e {environment}"));
    let (outcome, was, exposure, next) = match &report.outcome {
        StopOutcome::Off { was } => {
            (StopWord::Off, was.as_ref().map(ToString::to_string), nobody(), report.undo.clone())
        }
        StopOutcome::AlreadyOff => (StopWord::AlreadyOff, nobody(), nobody(), report.undo.clone()),
        StopOutcome::Paused { still } => {
            let next = abort().filter(|_| still.as_ref().is_none_or(|still| !still.is_nobody()));
            let still = still.as_ref().map(ToString::to_string);
            (StopWord::Paused, still.clone(), still, next)
        }
        StopOutcome::NothingToPause { phase } => {
            trouble = Some(word(*phase).to_owned());
            (StopWord::NothingToPause, None, None, None)
        }
        StopOutcome::NotOff { why, .. } | StopOutcome::Unsure { why } => {
            let driver = match &report.driver {
                Some(driver) => format!("; {driver}"),
                None => "; nobody else keeps trying: run it again, with --timeout 1h to keep at it".to_owned(),
            };
            trouble = Some(format!("{why}{driver}"));
            (StopWord::NotOff, None, None, abort())
        }
        StopOutcome::NoSuchFlag => (StopWord::NoSuchFlag, None, None, None),
    };
    if !report.unreached.is_empty() {
        let places = report.unreached.join(", ");
        let told = format!("an earlier plan named {places}, and nobody knows whether it is off there");
        trouble = Some(trouble.map_or_else(|| told.clone(), |trouble| format!("{trouble}; {told}")));
    }
    StopRow {
        address: report.address.clone(),
        rollout: report.rollout.clone(),
        outcome,
        was,
        exposure,
        recorded,
        trouble,
        driver: report.driver.clone(),
        next,
        took_ms: report.took.0,
    }
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
pub fn print(printer: &Printer, row: &StopRow) {
    let seconds = format!("{}.{} s", row.took_ms / 1000, row.took_ms % 1000 / 100);
    let unknown = || "somebody: it is not as flagstaff wrote it".to_owned();
    let exposure = row.exposure.clone().unwrap_or_else(unknown);
    let trouble = row.trouble.as_deref();
    let (text, tone, trouble, what_for) = match row.outcome {
        StopWord::Off => {
            let was = row
                .was
                .as_ref()
                .map_or_else(|| "whom it reached before is not known".to_owned(), |was| format!("was {was}"));
            (format!("OFF  ({was})  {seconds}"), Tone::Strong, trouble, "undo")
        }
        StopWord::AlreadyOff => (format!("OFF  (was off)  {seconds}"), Tone::Strong, trouble, "undo"),
        StopWord::Paused if exposure == "nobody" => ("paused, on for nobody".to_owned(), Tone::Warn, trouble, "undo"),
        StopWord::Paused => {
            (format!("paused, still ON for {exposure}"), Tone::Warn, trouble, "to take it away from everybody")
        }
        StopWord::NothingToPause => {
            (format!("nothing to pause: {}", trouble.unwrap_or_default()), Tone::Strong, None, "next")
        }
        StopWord::NotOff => (format!("NOT OFF  {seconds}"), Tone::Bad, trouble, "try again"),
        StopWord::NoSuchFlag => ("no such release or flag".to_owned(), Tone::Strong, trouble, "next"),
    };
    printer.out(&format!("{}  {}", safe(&row.address), printer.tone(&safe(&text), tone)));
    tail(printer, trouble, row.next.as_deref(), what_for);
}
