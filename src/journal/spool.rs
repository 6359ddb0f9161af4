//! Beside the journal: what a stop could not record in time waits here, one file a record, until somebody merges it.
//!
//! Whoever can write here decides what is recorded, so that only files of ours and of root's are taken in, from folders
//! that nobody else can write.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use crate::engine::Timestamp;

/// More waiting files than this are a fault somewhere else.
const FILES_AT_MOST: usize = 10_000;
/// Who else may write.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with it people take away and rename their own files only.
const STICKY: u32 = 0o1000;
/// Files that wait.
const WAITS: &str = "json";
/// Files that nothing could be made of.
const ORPHAN: &str = "orphan";

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

/// Something waits that is not taken in. Whoever could grow must not go past it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Nobody can tell what it is.
    #[error("{} waits to be recorded and cannot be read: {detail}; read it, and move it away", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be read.
        detail: String,
    },
    /// It may be anybody's, or asks for what only a command may.
    #[error("{} waits to be recorded and is refused: {why}; {advice}", path.display())]
    Refused {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        advice: &'static str,
    },
}

/// What a look into the spool found.
#[derive(Debug, Default)]
pub struct Waiting {
    /// What can be taken in, oldest first.
    pub records: Vec<(PathBuf, Spooled)>,
    /// What cannot: it may be a stop.
    pub refused: Vec<SpoolError>,
}

impl Spool {
    /// The spool beside a journal, with a second place for when that folder cannot be written. Every process finds the
    /// same two, from whatever directory and under whatever name it reaches the journal.
    pub fn beside(journal: &Path) -> Spool {
        let folder = journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let whole =
            folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
        Spool::of(journal, folder, &whole)
    }

    /// As [`Spool::beside`], without asking the disk: the same two where no link leads to the journal's folder.
    pub fn as_written(journal: &Path) -> Spool {
        let folder = journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Spool::of(journal, folder, &whole)
    }

    fn of(journal: &Path, folder: &Path, whole: &Path) -> Spool {
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

    /// As [`Spool::put`], into the last place alone: for when the others do not answer.
    ///
    /// # Errors
    /// That place's error.
    pub fn put_last(&self, record: &Spooled) -> std::io::Result<PathBuf> {
        let none = || std::io::Error::other("there is no folder for the spool");
        put_into(self.folders.last().ok_or_else(none)?, record)
    }

    /// Everything that waits: one thing that is refused keeps no other from being taken in.
    pub fn look(&self) -> Waiting {
        let mut found = Waiting::default();
        for folder in &self.folders {
            found.look_into(folder);
        }
        found.records.sort_by(|(_, left), (_, right)| (left.at, &left.id).cmp(&(right.at, &right.id)));
        found
    }

    /// How much waits; what is refused waits too.
    pub fn waiting(&self) -> usize {
        let Waiting { records, refused } = self.look();
        records.len() + refused.len()
    }

    /// Everything that waits, oldest first.
    ///
    /// # Errors
    /// Something that waits and is not taken in: it may be a stop.
    pub fn pending(&self) -> Result<Vec<(PathBuf, Spooled)>, SpoolError> {
        let Waiting { records, refused } = self.look();
        refused.into_iter().next().map_or(Ok(records), Err)
    }

    /// What was put away because the journal knows no such rollout, for people to look at.
    pub fn orphans(&self) -> Vec<PathBuf> {
        let entries = self.folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is(ORPHAN)).collect();
        found.sort();
        found
    }

    /// Puts away a record that nothing can be made of.
    pub fn put_away(&self, path: &Path) {
        // what cannot be renamed waits on, and is told as waiting
        let _ = fs::rename(path, path.with_extension(ORPHAN));
    }
}

impl Waiting {
    fn look_into(&mut self, folder: &Path) {
        let unreadable = |path: &Path, detail: String| SpoolError::Unreadable { path: path.to_owned(), detail };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(error) => return self.refused.push(unreadable(folder, error.to_string())),
        };
        let mut files = Vec::new();
        for (index, entry) in entries.enumerate() {
            match entry {
                Err(error) => return self.refused.push(unreadable(folder, error.to_string())),
                Ok(_) if index >= FILES_AT_MOST => {
                    return self.refused.push(unreadable(folder, format!("more than {FILES_AT_MOST} files")));
                }
                Ok(entry) => files.push(entry.path()),
            }
        }
        files.retain(|path| is(WAITS)(path));
        // an empty folder that others can write says nothing
        if files.is_empty() {
            return;
        }
        match fs::symlink_metadata(folder) {
            Err(error) => return self.refused.push(unreadable(folder, error.to_string())),
            Ok(about) => {
                if let Some(why) = folder_fault(&about) {
                    let advice = "look at what is in it; then remove it, or make it yours (chown, chmod 700)";
                    return self.refused.push(SpoolError::Refused { path: folder.to_owned(), why, advice });
                }
            }
        }
        for path in files {
            match read(&path) {
                Ok(Some(record)) => self.records.push((path, record)),
                // merged by another process meanwhile
                Ok(None) => {}
                Err(error) => self.refused.push(error),
            }
        }
    }
}

fn is(extension: &'static str) -> impl Fn(&PathBuf) -> bool {
    move |path| path.extension().is_some_and(|found| found == extension)
}

/// Whose it is, where that is neither us nor root.
fn stranger(about: &Metadata) -> Option<String> {
    let owner = about.uid();
    let is_known = owner == 0 || owner == geteuid().as_raw();
    (!is_known).then(|| format!("it belongs to user {owner}, neither to you nor to root"))
}

fn folder_fault(about: &Metadata) -> Option<String> {
    if !about.is_dir() {
        return Some("it is no folder".to_owned());
    }
    // in a sticky folder nobody takes away our files, and whose a file is tells who put it there
    let open = about.mode() & OTHERS_WRITE != 0 && about.mode() & STICKY == 0;
    stranger(about).or_else(|| open.then(|| "others can write it".to_owned()))
}

fn file_fault(about: &Metadata) -> Option<String> {
    if !about.is_file() {
        return Some("it is no regular file".to_owned());
    }
    stranger(about).or_else(|| (about.mode() & OTHERS_WRITE != 0).then(|| "others can write it".to_owned()))
}

/// Reads a waiting file; nothing where it is gone.
fn read(path: &Path) -> Result<Option<Spooled>, SpoolError> {
    let unreadable = |detail: String| SpoolError::Unreadable { path: path.to_owned(), detail };
    let refused = |why: String| {
        let advice = "look at it; then remove it, or make it yours (chown, chmod 600)";
        SpoolError::Refused { path: path.to_owned(), why, advice }
    };
    // a link may lead to anything, and a pipe has no end
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let is_link = fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
            return Err(if is_link {
                refused("it is no regular file".to_owned())
            } else {
                unreadable(error.to_string())
            });
        }
    };
    // of what was opened, whatever stands under the name now
    let about = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    if let Some(why) = file_fault(&about) {
        return Err(refused(why));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
}

fn put_into(folder: &Path, record: &Spooled) -> std::io::Result<PathBuf> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = fs::symlink_metadata(folder)?;
    if about.is_dir() && about.uid() == geteuid().as_raw() && about.mode() & OTHERS_WRITE != 0 {
        // ours, from when it was made less carefully
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    // what is put where others rule would not be taken in
    if let Some(why) = folder_fault(&fs::symlink_metadata(folder)?) {
        return Err(std::io::Error::other(format!("{}: {why}", folder.display())));
    }
    // 0600: whoever reads it knows that nobody else wrote it
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string(record).map_err(std::io::Error::other)?.as_bytes())?;
    file.as_file().sync_all()?;
    let name: String = record.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(format!("{:016}-{name}.{WAITS}", record.at.0.max(0)));
    file.persist(&path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}
