//! Beside the journal: what a stop could not record in time waits here, one file a record, until somebody merges it.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Timestamp;

/// More waiting files than this are a fault somewhere else.
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

/// Something waits that cannot be read. Whoever could grow must not go past it.
#[derive(Debug, thiserror::Error)]
#[error("{} waits to be recorded and cannot be read: {detail}; read it, and move it away", path.display())]
pub struct SpoolError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it cannot be read.
    pub detail: String,
}

impl Spool {
    /// The spool beside a journal, with a second place for when that folder cannot be written. Every process finds the
    /// same two, from whatever directory and under whatever name it reaches the journal.
    pub fn beside(journal: &Path) -> Spool {
        let folder = journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let whole =
            folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
        let known_as = crate::canonical::sha256_hex(
            whole.join(journal.file_name().unwrap_or_default()).as_os_str().as_encoded_bytes(),
        );
        // not where TMPDIR says: another process may have another one
        let second = Path::new("/var/tmp").join(format!("flagstaff-spool-{}", &known_as[..16]));
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

    /// Everything that waits, oldest first.
    ///
    /// # Errors
    /// Something that waits and cannot be read: it may be a stop.
    pub fn pending(&self) -> Result<Vec<(PathBuf, Spooled)>, SpoolError> {
        let mut found = Vec::new();
        for folder in &self.folders {
            let fail = |path: &Path, detail: String| SpoolError { path: path.to_owned(), detail };
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(fail(folder, error.to_string())),
            };
            for (index, entry) in entries.enumerate() {
                let path = entry.map_err(|error| fail(folder, error.to_string()))?.path();
                if index >= FILES_AT_MOST {
                    return Err(fail(folder, format!("more than {FILES_AT_MOST} files")));
                }
                if path.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let bytes = match fs::read(&path) {
                    Ok(bytes) => bytes,
                    // merged by another process meanwhile
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(fail(&path, error.to_string())),
                };
                let record = serde_json::from_slice(&bytes).map_err(|error| fail(&path, error.to_string()))?;
                found.push((path, record));
            }
        }
        found.sort_by(|(_, left): &(PathBuf, Spooled), (_, right)| (left.at, &left.id).cmp(&(right.at, &right.id)));
        Ok(found)
    }
}

fn put_into(folder: &Path, record: &Spooled) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    // readable by whoever drives, under whatever user; it holds nothing secret
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(serde_json::to_string(record).map_err(std::io::Error::other)?.as_bytes())?;
    file.as_file().sync_all()?;
    let name: String = record.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(format!("{:016}-{name}.json", record.at.0.max(0)));
    file.persist(&path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(path)
}
