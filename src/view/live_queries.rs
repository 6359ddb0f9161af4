//! What `validate --live` asked.

use schemars::JsonSchema;
use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use crate::control::live::Looked;

/// What was asked of the sources.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Live")]
pub struct LiveRow {
    /// How many distinct queries there are.
    pub queries: usize,
    /// Sources that could not be asked: nothing is known of their queries.
    pub unreachable: Vec<UnreachableRow>,
}

/// A source that could not be asked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "UnreachableSource")]
pub struct UnreachableRow {
    /// Its name.
    pub source: String,
    /// Where it is.
    pub place: String,
    /// Why it could not be asked.
    pub why: String,
}

/// For machines.
pub fn row(looked: &Looked) -> LiveRow {
    let unreachable = looked.unreachable.iter().map(|it| UnreachableRow {
        source: it.source.clone(),
        place: it.place.clone(),
        why: it.why.clone(),
    });
    LiveRow { queries: looked.queries, unreachable: unreachable.collect() }
}

/// For people.
pub fn print(printer: &Printer, looked: &Looked) {
    for it in &looked.unreachable {
        let text = format!("source {} ({}) could not be asked: {}", safe(&it.source), safe(&it.place), safe(&it.why));
        printer.err(&printer.tone(&text, Tone::Bad));
    }
    let many = |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    printer.out(&format!("asked: {}", many(looked.queries, "query", "queries")));
}
