//! The flag file on disk: where it really is, its lock, and replacing it whole so that every watcher sees it.
//!
//! A writer takes a *ticket*, an empty file beside the flag file, withdraws the tickets of all others, and only then
//! reads. It fills its ticket and renames it over the flag file. A ticket that was withdrawn meanwhile cannot be
//! renamed any more. So of two writers that overlap one always fails and begins anew, whatever became of the lock: a
//! writer that was stopped for an hour before its rename wakes up to find that it cannot.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Mode, OFlags};

/// A flag file larger than this is neither read nor written.
pub(super) const BYTES_AT_MOST: u64 = 32 * 1024 * 1024;

/// How often a lock that somebody else holds is asked for.
const LOCK_STEP: Duration = Duration::from_millis(10);

/// Why something could not be done with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// It may work later.
    #[error("{0}")]
    Trouble(String),
    /// It will not work like this.
    #[error("{0}")]
    Refused(String),
}

impl From<std::io::Error> for DiskError {
    fn from(error: std::io::Error) -> DiskError {
        DiskError::Trouble(error.to_string())
    }
}

/// The file that is read and replaced: links are followed, since a rename over a link would cut it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    path: PathBuf,
    folder: PathBuf,
}

impl Target {
    /// Finds the file behind a path. The file itself may be missing, its folder not.
    pub(super) fn find(path: &Path) -> Result<Target, DiskError> {
        let found = match fs::canonicalize(path) {
            Ok(found) => found,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            Err(_) if fs::symlink_metadata(path).is_ok() => {
                return Err(DiskError::Refused("it is a link to a file that does not exist".to_owned()));
            }
            Err(_) => {
                let name = path.file_name().ok_or_else(|| DiskError::Refused("it names no file".to_owned()))?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let no_folder = |error| DiskError::Trouble(format!("its folder cannot be found: {error}"));
                fs::canonicalize(folder).map_err(no_folder)?.join(name)
            }
        };
        let folder = found.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Target { path: found, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path beside the file, named after it.
    pub(super) fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.name().to_owned();
        name.push(".");
        name.push(what);
        self.folder.join(name)
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Refuses a mounted config map: there, whole folders are swapped behind links, and a write would be lost or undone.
    pub(super) fn check_writable(&self) -> Result<(), DiskError> {
        let hidden = |part: Component<'_>| {
            let part = part.as_os_str().to_string_lossy();
            part.starts_with("..") && part.len() > 2
        };
        if self.path.components().any(hidden) {
            let detail = "it is mounted from a config map (`..data`); write to where the map is made from";
            return Err(DiskError::Refused(detail.to_owned()));
        }
        Ok(())
    }

    /// The text; `None` where there is no file.
    pub(super) fn read(&self) -> Result<Option<String>, DiskError> {
        // non-blocking: opening a pipe must not wait for somebody to write into it
        let file =
            match rustix::fs::open(&self.path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(rustix::io::Errno::NOENT) => return Ok(None),
                Err(error) => return Err(std::io::Error::from(error).into()),
            };
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(DiskError::Refused("it is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(BYTES_AT_MOST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_AT_MOST {
            return Err(DiskError::Refused("it is larger than 32 MiB".to_owned()));
        }
        String::from_utf8(bytes).map(Some).map_err(|_| DiskError::Trouble("it is not UTF-8 text".to_owned()))
    }

    /// Takes the lock beside the file, waiting at most so long; `None` if somebody else keeps it.
    pub(super) fn lock(&self, patience: Duration) -> Result<Option<File>, DiskError> {
        // for reading, so that users who share the folder can share the lock
        let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::open(self.beside("lock"), flags, Mode::from_raw_mode(0o666));
        let file = File::from(file.map_err(std::io::Error::from)?);
        let mut left = patience;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if !left.is_zero() => {
                    std::thread::sleep(LOCK_STEP);
                    left = left.saturating_sub(LOCK_STEP);
                }
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => return Ok(None),
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }

    /// Takes a ticket and withdraws everybody else's. What is read after this stays true until the ticket is used, or
    /// it cannot be used.
    pub(super) fn ticket(&self) -> Result<Ticket, DiskError> {
        let prefix = self.ticket_prefix();
        let temporary = tempfile::Builder::new().prefix(&prefix).tempfile_in(&self.folder)?;
        let (file, path) = temporary.keep().map_err(|error| error.error)?;
        let ticket = Ticket { path, file };
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_ticket = path.file_name().is_some_and(|name| starts_with(name, &prefix));
            if is_ticket && path != ticket.path {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
        }
        Ok(ticket)
    }

    fn ticket_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(self.name());
        prefix.push(".flagstaff-");
        prefix
    }

    /// Renames a filled ticket over the file. `false` if it was withdrawn: nothing was written.
    pub(super) fn replace(&self, ticket: Ticket) -> Result<bool, DiskError> {
        match fs::rename(&ticket.path, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Makes a rename last over a power cut.
    pub(super) fn sync_folder(&self) -> Result<(), DiskError> {
        Ok(File::open(&self.folder).and_then(|folder| folder.sync_all())?)
    }

    /// Fills a ticket: the text, the file's mode and owner, and a modification time after the file's, since a watcher
    /// that compares times never sees an equal or older one.
    pub(super) fn fill(&self, ticket: &mut Ticket, text: &str) -> Result<(), DiskError> {
        if text.len() as u64 > BYTES_AT_MOST {
            return Err(DiskError::Refused("it would grow beyond 32 MiB".to_owned()));
        }
        ticket.file.write_all(text.as_bytes())?;
        match fs::metadata(&self.path) {
            Ok(before) => {
                keep_owner(&ticket.file, &before)?;
                ticket.file.set_permissions(before.permissions())?;
                make_newer(&ticket.file, before.modified()?)?;
            }
            Err(_) => ticket.file.set_permissions(fs::Permissions::from_mode(0o644))?,
        }
        Ok(ticket.file.sync_all()?)
    }
}

fn keep_owner(file: &File, before: &fs::Metadata) -> Result<(), DiskError> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (before.uid(), before.gid()) {
        return Ok(());
    }
    let kept = std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()));
    // the owner may not be ours to give; as long as everybody may read the file, evaluators still can
    if kept.is_err() && before.mode() & 0o004 == 0 {
        let detail = "its owner cannot be kept, and others may not read it: evaluators could lose it";
        return Err(DiskError::Refused(detail.to_owned()));
    }
    Ok(())
}

/// Some file systems keep times in steps of a millisecond, a second or two.
fn make_newer(file: &File, before: SystemTime) -> Result<(), DiskError> {
    for step in [0, 1, 1000, 2000] {
        if file.metadata()?.modified()? > before {
            return Ok(());
        }
        file.set_modified(before + Duration::from_millis(step))?;
    }
    if file.metadata()?.modified()? > before {
        return Ok(());
    }
    Err(DiskError::Trouble("its modification time cannot be made newer: watchers would not see the change".to_owned()))
}

fn starts_with(name: &OsStr, prefix: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
}

/// A writer's right to replace the file, as long as nobody withdraws it.
#[derive(Debug)]
pub(super) struct Ticket {
    path: PathBuf,
    file: File,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // a panic stands for a crash in tests, and a crash leaves the ticket behind; the next writer withdraws it
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
