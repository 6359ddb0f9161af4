//! A plan in a file: everything it stands on, so that it is applied only while nothing of that has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Card, Declared, FlagChange, FlagRow, Proposal};
use crate::canonical;

const SCHEMA: &str = "flagstaff/saved-plan/v1";

/// Ten thousand flags take a few of these.
const BYTES_AT_MOST: u64 = 64 * 1024 * 1024;

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    schema: String,
    /// The environment that was planned for; all of them if none.
    pub environment: Option<String>,
    /// What was planned beside what is always done.
    #[serde(default)]
    pub asked: Asked,
    /// What was seen of each thing, by its name.
    seen: BTreeMap<String, String>,
}

/// What is asked for beside what is always done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Take over what others made, and pin declared plans.
    pub adopt: bool,
    /// Start what was never started.
    pub start: bool,
}

/// Why a saved plan cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It cannot be read or written.
    #[error("{path} cannot be used: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It is no saved plan of this version.
    #[error("{path} is no saved plan: {why}")]
    Foreign {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// What it stands on has changed.
    #[error("changed since it was planned: {}", _0.join(", "))]
    Changed(Vec<String>),
}

impl Saved {
    /// What a proposal stands on.
    pub fn of(proposal: &Proposal, environment: Option<&str>, asked: Asked) -> Saved {
        let mut seen: BTreeMap<String, String> =
            proposal.flags.iter().map(|row| (format!("flag {}", row.address()), flag(row))).collect();
        seen.extend(proposal.commit.iter().map(|commit| {
            let beside = if commit.dirty { ", with changes beside it" } else { "" };
            ("commit".to_owned(), format!("{}{beside}", commit.id))
        }));
        let declared = |(address, hash): (&String, &String)| (format!("documents of {address}"), hash.clone());
        seen.extend(proposal.declared.iter().map(declared));
        let standing = |(address, standing): (&String, &String)| (format!("rollout {address}"), standing.clone());
        seen.extend(proposal.standing.iter().map(standing));
        seen.extend(proposal.rollouts.iter().filter_map(|row| match &row.declared {
            Declared::Otherwise { refused, .. } => {
                let what = refused.clone().unwrap_or_else(|| "may be adopted".to_owned());
                Some((format!("adoption of {}", row.address()), what))
            }
            _ => None,
        }));
        Saved { schema: SCHEMA.to_owned(), environment: environment.map(str::to_owned), asked, seen }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is too long, or is something else.
    pub fn read(path: &Path) -> Result<Saved, SavedError> {
        let name = path.display().to_string();
        let bytes = bounded(path).map_err(|error| SavedError::File { path: name.clone(), error })?;
        let saved: Saved = serde_json::from_slice(&bytes)
            .map_err(|error| SavedError::Foreign { path: name.clone(), why: error.to_string() })?;
        match saved.schema == SCHEMA {
            true => Ok(saved),
            false => Err(SavedError::Foreign { path: name, why: format!("its schema is `{}`", saved.schema) }),
        }
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SavedError> {
        let text = canonical::to_string(self).unwrap_or_default();
        let name = path.display().to_string();
        std::fs::write(path, text + "\n").map_err(|error| SavedError::File { path: name, error })
    }

    /// Whether what this plan stands on is what is seen now.
    ///
    /// # Errors
    /// What has changed.
    pub fn compare(&self, now: &Saved) -> Result<(), SavedError> {
        let names: BTreeSet<&String> = self.seen.keys().chain(now.seen.keys()).collect();
        let changed = names.into_iter().filter(|name| self.seen.get(*name) != now.seen.get(*name));
        let changed: Vec<String> = changed.cloned().collect();
        if changed.is_empty() { Ok(()) } else { Err(SavedError::Changed(changed)) }
    }
}

fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(BYTES_AT_MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn flag(row: &FlagRow) -> String {
    let change = match &row.change {
        FlagChange::Nothing => "as it should be".to_owned(),
        FlagChange::Create => "missing".to_owned(),
        FlagChange::Change { prepare, fields } => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {:?} {:?}", field.field, field.from, field.to)).collect();
            format!("ours, {}: {}", if *prepare { "unprepared" } else { "prepared" }, fields.join(", "))
        }
        FlagChange::Adopt { reaches } => format!("not ours, reaches {}", reaches.as_deref().unwrap_or("nobody")),
        FlagChange::Blocked(why) => format!("blocked: {why}"),
        FlagChange::Unknown { why, .. } => format!("unknown: {why}"),
    };
    let Card { kind, description, owner } = &row.card;
    let exposed = row.exposed.as_deref().map(|whom| format!(", on for {whom}")).unwrap_or_default();
    format!("{} {} {:?} {change}{exposed}", row.place, row.stickiness, [kind, description, owner])
}
