//! The flag file on disk: the sidecar lock, the off-marker, and replacing the file so that every watcher sees it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::BackendError;
use crate::canonical::sha256_hex;

/// A flag file larger than this is not read.
const BYTES_AT_MOST: u64 = 32 * 1024 * 1024;

/// A place for a test to stand between two steps; does nothing otherwise.
pub(super) type Hook = fn(&'static str, &Path);

/// The flag file of one environment.
#[derive(Debug, Clone)]
pub(super) struct FlagFile {
    path: PathBuf,
    pub(super) hook: Option<Hook>,
}

impl FlagFile {
    pub(super) fn new(path: PathBuf) -> FlagFile {
        FlagFile { path, hook: None }
    }

    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn unreachable(&self, detail: impl Into<String>) -> BackendError {
        BackendError::Unreachable { place: self.place(), detail: detail.into() }
    }

    /// The text; `None` where there is no file.
    pub(super) fn read(&self) -> Result<Option<String>, BackendError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreachable(error.to_string())),
        };
        let about = file.metadata().map_err(|error| self.unreachable(error.to_string()))?;
        if !about.is_file() || about.len() > BYTES_AT_MOST {
            return Err(self.unreachable("it is no regular file of at most 32 MiB"));
        }
        let mut text = String::new();
        file.take(BYTES_AT_MOST).read_to_string(&mut text).map_err(|error| self.unreachable(error.to_string()))?;
        Ok(Some(text))
    }

    /// Takes the sidecar lock, waiting at most so long; `None` if somebody else keeps it.
    pub(super) fn lock(&self, patience: Duration) -> Option<File> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.beside("lock")).ok()?;
        let step = Duration::from_millis(10);
        for _ in 0..=patience.as_millis() / step.as_millis() {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(file),
                Err(_) => std::thread::sleep(step),
            }
        }
        None
    }

    /// Replaces the file as a whole, under its own name, with a newer modification time than before: a watcher that
    /// compares times would never see an equal or older one.
    pub(super) fn replace(
        &self,
        text: &str,
        check: impl FnOnce() -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let fail = |error: std::io::Error| self.unreachable(format!("cannot write it: {error}"));
        // a rename over a link would cut the link: write where it points
        let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if folder.ends_with("..data") || target.components().any(|part| part.as_os_str() == "..data") {
            return Err(BackendError::Refused {
                place: self.place(),
                detail: "it is a mounted config map; write where the map is made from".to_owned(),
            });
        }
        let mut temporary = tempfile::Builder::new().prefix(".flagstaff-").tempfile_in(folder).map_err(fail)?;
        temporary.write_all(text.as_bytes()).map_err(fail)?;
        if let Ok(before) = fs::metadata(&target) {
            temporary.as_file().set_permissions(before.permissions()).map_err(fail)?;
            let (old, new) = (before.modified().map_err(fail)?, temporary.as_file().metadata().map_err(fail)?);
            if new.modified().map_err(fail)? <= old {
                temporary.as_file().set_modified(old + Duration::from_millis(1)).map_err(fail)?;
            }
        } else {
            #[cfg(unix)]
            {
                let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
                temporary.as_file().set_permissions(readable).map_err(fail)?;
            }
        }
        temporary.as_file().sync_all().map_err(fail)?;
        self.at("before the last look");
        check()?;
        self.at("before the rename");
        temporary.persist(&target).map_err(|error| fail(error.error))?;
        self.at("after the rename");
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
    }

    /// The off-marker's token; `None` where there is no marker.
    pub(super) fn marker(&self, flag: &str) -> Result<Option<String>, BackendError> {
        match fs::read_to_string(self.marker_path(flag)) {
            Ok(token) => Ok(Some(token)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            // a marker that cannot be read is a marker
            Err(error) => Ok(Some(format!("unreadable: {error}"))),
        }
    }

    /// Makes the off-marker, without any lock. Each one has a token of its own, so that a later one is told apart.
    pub(super) fn make_marker(&self, flag: &str, token: &str) -> Result<(), BackendError> {
        let path = self.marker_path(flag);
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut temporary = tempfile::Builder::new().prefix(".flagstaff-").tempfile_in(folder)?;
            writeln!(temporary, "{token}")?;
            writeln!(temporary, "flag: {flag:?}")?;
            writeln!(temporary, "switched off by flagstaff; `flagstaff start` or `resume` removes this file")?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| self.unreachable(format!("cannot make the off-marker: {error}")))
    }

    /// Removes the off-marker with this token; one that was made later stays.
    pub(super) fn remove_marker(&self, flag: &str, token: &str) -> Result<(), BackendError> {
        if self.marker(flag)?.as_deref() != Some(token) {
            return Ok(());
        }
        fs::remove_file(self.marker_path(flag))
            .map_err(|error| self.unreachable(format!("cannot remove the off-marker: {error}")))
    }

    /// Any key gives a plain file name.
    fn marker_path(&self, flag: &str) -> PathBuf {
        self.beside(&format!("off-{}", &sha256_hex(flag.as_bytes())[..16]))
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.path.file_name().map_or_else(|| OsString::from("flags"), OsString::from);
        name.push(".");
        name.push(what);
        self.path.with_file_name(name)
    }

    pub(super) fn at(&self, step: &'static str) {
        if let Some(hook) = self.hook {
            hook(step, &self.path);
        }
    }
}
