//! What an examination found: one line a check, what to do below it.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::{Printer, Tone};
use super::safe::safe;
use super::text;
use crate::checkup::{Check, Fault, Health};
use crate::control::doctor::{Kind, Thing};

/// What `doctor` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DoctorAnswer {
    /// Everything that was looked at: what is recorded first, then backends and sources in the documents' order.
    pub things: Vec<ThingRow>,
    /// How many checks are as they are needed.
    pub ok: usize,
    /// How many will do, and somebody should look.
    pub warnings: usize,
    /// How many will not do.
    pub failed: usize,
}

impl Answer for DoctorAnswer {
    const NAME: &'static str = "doctor";
}

/// Something that was looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Thing")]
pub struct ThingRow {
    /// What it is.
    pub kind: KindWord,
    /// An environment's or a source's name.
    pub name: Option<String>,
    /// Where it is.
    pub place: Option<String>,
    /// What was found. What could not be looked at because something before it failed is left out.
    pub checks: Vec<CheckRow>,
}

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Kind")]
pub enum KindWord {
    /// All documents.
    Documents,
    /// The journal.
    Journal,
    /// What waits beside the journal.
    Spool,
    /// Who drives.
    Driver,
    /// An environment's backend.
    Backend,
    /// A source.
    Source,
}

/// One thing that was checked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub struct CheckRow {
    /// A word that stays the same: `reachable`, `permissions` …
    pub check: &'static str,
    /// How it is.
    pub result: ResultWord,
    /// What kind of failure it is, where it failed.
    pub fault: Option<FaultWord>,
    /// What was seen.
    pub seen: String,
    /// What to do.
    pub advice: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Result")]
pub enum ResultWord {
    /// As it is needed.
    Ok,
    /// It will do, and somebody should look.
    Warning,
    /// It will not do.
    Failed,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Fault")]
pub enum FaultWord {
    /// Documents are wrong: exit 3.
    Documents,
    /// It does not let us: exit 4.
    NotAuthorised,
    /// It does not answer, or not as what it is taken for: exit 5.
    Unreachable,
    /// Anything else: exit 1.
    Other,
}

/// The answer about everything that was looked at.
pub fn answer(things: &[Thing]) -> DoctorAnswer {
    let things: Vec<ThingRow> = things.iter().map(thing).collect();
    let count = |wanted| things.iter().flat_map(|thing| &thing.checks).filter(|check| check.result == wanted).count();
    DoctorAnswer {
        ok: count(ResultWord::Ok),
        warnings: count(ResultWord::Warning),
        failed: count(ResultWord::Failed),
        things,
    }
}

fn thing(thing: &Thing) -> ThingRow {
    ThingRow {
        kind: match thing.kind {
            Kind::Documents => KindWord::Documents,
            Kind::Journal => KindWord::Journal,
            Kind::Spool => KindWord::Spool,
            Kind::Driver => KindWord::Driver,
            Kind::Backend => KindWord::Backend,
            Kind::Source => KindWord::Source,
        },
        name: thing.name.clone(),
        place: thing.place.clone(),
        checks: thing.checks.iter().map(check).collect(),
    }
}

fn check(check: &Check) -> CheckRow {
    let (result, fault) = match check.health {
        Health::Fine => (ResultWord::Ok, None),
        Health::Warning => (ResultWord::Warning, None),
        Health::Failed(fault) => (ResultWord::Failed, Some(fault)),
    };
    let fault = fault.map(|fault| match fault {
        Fault::Documents => FaultWord::Documents,
        Fault::NotAuthorised => FaultWord::NotAuthorised,
        Fault::Unreachable => FaultWord::Unreachable,
        Fault::Other => FaultWord::Other,
    });
    CheckRow { check: check.name, result, fault, seen: check.seen.clone(), advice: check.advice.clone() }
}

/// Where what was seen begins, behind the result and the check's name.
const SEEN_AT: usize = 24;

/// For people.
pub fn print(printer: &Printer, answer: &DoctorAnswer) {
    for thing in &answer.things {
        let kind = match thing.kind {
            KindWord::Documents => "documents",
            KindWord::Journal => "journal",
            KindWord::Spool => "spool",
            KindWord::Driver => "driver",
            KindWord::Backend => "backend",
            KindWord::Source => "source",
        };
        let name = thing.name.as_ref().map(|name| format!(" {}", safe(name))).unwrap_or_default();
        let place = thing.place.as_ref().map(|place| format!("  {}", safe(place))).unwrap_or_default();
        printer.out(&format!("{}{place}", printer.tone(&format!("{kind}{name}"), Tone::Strong)));
        thing.checks.iter().for_each(|check| print_check(printer, check));
    }
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (ok, failed) = (answer.ok, answer.failed);
    let checks = many(ok + answer.warnings + failed, "check");
    let tone = match (failed, answer.warnings) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warn,
        _ => Tone::Bad,
    };
    let sum = format!("{checks}: {ok} ok, {}, {failed} failed", many(answer.warnings, "warning"));
    printer.out(&printer.tone(&sum, tone));
}

fn print_check(printer: &Printer, check: &CheckRow) {
    let (word, tone) = match check.result {
        ResultWord::Ok => ("ok", Tone::Good),
        ResultWord::Warning => ("warning", Tone::Warn),
        ResultWord::Failed => ("failed", Tone::Bad),
    };
    let word = printer.tone(&text::pad(word, 8), tone);
    printer.hung(&format!("  {word} {}{}", text::pad(check.check, 13), safe(&check.seen)), SEEN_AT);
    if let Some(advice) = &check.advice {
        let lead = " ".repeat(SEEN_AT - 11);
        printer.hung(&format!("{lead}what to do: {}", safe(advice)), SEEN_AT);
    }
}
