//! What `create` made, or would make.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::{Printer, Tone};
use super::proposal::AppliedRow;
use super::safe::safe;
use super::snippet::{Language, Sdk};
use crate::control::create::{Alike, Drafted, Written};

/// What `create` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CreateAnswer {
    /// The flag's key.
    pub flag: String,
    /// The release.
    pub release: String,
    /// The file, relative to the project.
    pub file: String,
    /// Whether anything was written, and how.
    pub written: WrittenWord,
    /// The new documents.
    pub documents: String,
    /// Flags that are declared already and may be the same, the likest first.
    pub alike: Vec<AlikeRow>,
    /// What was done at backends, where that was asked for.
    pub backends: Vec<AppliedRow>,
    /// Code that asks for the flag, where that was asked for.
    pub snippet: Option<SnippetRow>,
    /// The next command.
    pub next: String,
}

/// How documents were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenWord {
    /// Nothing was written.
    No,
    /// A new file.
    New,
    /// Below what stood in the file.
    Added,
}

/// A flag that may be the same.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AlikeRow {
    /// Its key.
    pub flag: String,
    /// What it is for.
    pub description: Option<String>,
    /// File and line.
    pub place: String,
}

/// Code that asks for the flag.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SnippetRow {
    /// Whose SDK.
    pub sdk: Sdk,
    /// The language.
    pub language: Language,
    /// The code.
    pub code: String,
}

impl Answer for CreateAnswer {
    const NAME: &'static str = "create";
}

impl From<Option<Written>> for WrittenWord {
    fn from(written: Option<Written>) -> WrittenWord {
        match written {
            None => WrittenWord::No,
            Some(Written::New) => WrittenWord::New,
            Some(Written::Added) => WrittenWord::Added,
        }
    }
}

/// Rows of flags that may be the same.
pub fn alike(alike: &[Alike]) -> Vec<AlikeRow> {
    let row = |alike: &Alike| AlikeRow {
        flag: alike.flag.clone(),
        description: alike.description.clone(),
        place: alike.place.clone(),
    };
    alike.iter().map(row).collect()
}

/// What would be written, for people.
pub fn print(printer: &Printer, drafted: &Drafted) {
    for row in alike(&drafted.alike) {
        let said = row.description.map(|said| format!(": {}", safe(&said))).unwrap_or_default();
        let (flag, place) = (safe(&row.flag), safe(&row.place));
        printer.out(&printer.tone(&format!("there is `{flag}` already, in {place}{said}"), Tone::Warn));
    }
    let what = if drafted.before.is_some() { "added to" } else { "new:" };
    printer.out(&printer.tone(&format!("# {what} {}", safe(&drafted.draft.name)), Tone::Dim));
    printer.out(&safe_lines(&drafted.documents));
}

/// Documents and code keep their lines; everything else in them is made safe.
pub fn safe_lines(text: &str) -> String {
    // a terminal's tabs are as wide as it likes
    text.lines().map(|line| safe(&line.replace('\t', "    "))).collect::<Vec<_>>().join("\n")
}
