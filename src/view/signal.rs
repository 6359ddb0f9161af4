//! What came of a signal.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::{Printer, Tone};
use super::safe::safe;
use crate::control::signal::{RecordedWord, SignalRow, SignalWord};

/// What `signal` answers, and `POST /signals/NAME` of `serve`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SignalAnswer {
    /// The signal's name.
    pub signal: String,
    /// One for each release or flag that it named, in each environment.
    pub items: Vec<SignalRow>,
    /// How many alerts the sender left out, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<u64>,
}

impl Answer for SignalAnswer {
    const NAME: &'static str = "signal";
}

/// Prints a row.
pub fn print(printer: &Printer, row: &SignalRow) {
    let place = safe(row.address.as_ref().unwrap_or(&row.named));
    let (text, tone) = match row.result {
        SignalWord::Paused => ("paused", Tone::Good),
        SignalWord::RolledBack => ("rolled back, and paused", Tone::Good),
        SignalWord::ShutDown => ("OFF", Tone::Good),
        SignalWord::Notified => ("told", Tone::Good),
        SignalWord::CarryingOut => ("NOT YET", Tone::Bad),
        SignalWord::Known => ("known: the same signal was there before", Tone::Dim),
        SignalWord::Nothing => ("nothing to do", Tone::Dim),
        SignalWord::Unknown => ("unknown", Tone::Warn),
    };
    let detail = row.detail.as_ref().map(|detail| format!(": {}", safe(detail))).unwrap_or_default();
    printer.out(&format!("{place}  {}{detail}", printer.tone(text, tone)));
    if row.recorded == Some(RecordedWord::Nowhere) {
        printer.err("it could be recorded neither in the journal nor beside it");
    }
}
