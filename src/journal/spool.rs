//! Beside the journal: what a stop could not record in time waits here, one file a record, until somebody merges it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Timestamp;

/// More waiting records than this are a fault somewhere else; the newest are still read.
const FILES_AT_MOST: usize = 10_000;

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// Unique: the same record is never merged twice.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened, for whoever merges it.
    pub body: serde_json::Value,
}

/// A folder of waiting records.
#[derive(Debug, Clone)]
pub struct Spool {
    folders: Vec<PathBuf>,
}

impl Spool {
    /// The spool beside a journal, with a second place for when that folder cannot be written.
    pub fn beside(journal: &Path) -> Spool {
        let folder = journal.parent().unwrap_or(Path::new("."));
        let known_as = crate::canonical::sha256_hex(journal.display().to_string().as_bytes());
        let second = std::env::temp_dir().join(format!("flagstaff-spool-{}", &known_as[..16]));
        Spool { folders: vec![folder.join("spool"), second] }
    }

    /// Where records wait, the first choice first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Writes a record durably.
    ///
    /// # Errors
    /// The last folder's error, where none could be written.
    pub fn put(&self, record: &Spooled) -> std::io::Result<PathBuf> {
        let mut last = None;
        for folder in &self.folders {
            match put_into(folder, record) {
                Ok(path) => return Ok(path),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| std::io::Error::other("there is no folder for the spool")))
    }

    /// Everything that waits, oldest first. A file that cannot be understood is moved aside, never removed.
    pub fn pending(&self) -> Vec<(PathBuf, Spooled)> {
        let mut found = Vec::new();
        for folder in &self.folders {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for path in entries.flatten().map(|entry| entry.path()).take(FILES_AT_MOST) {
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                match fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
                    Some(record) => found.push((path, record)),
                    None => _ = fs::rename(&path, path.with_extension("broken")),
                }
            }
        }
        found.sort_by(|(_, left): &(PathBuf, Spooled), (_, right)| (left.at, &left.id).cmp(&(right.at, &right.id)));
        found
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending().is_empty()
    }
}

fn put_into(folder: &Path, record: &Spooled) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string(record).map_err(std::io::Error::other)?.as_bytes())?;
    file.as_file().sync_all()?;
    let name: String = record.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(format!("{:016}-{name}.json", record.at.0.max(0)));
    file.persist(&path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(path)
}
