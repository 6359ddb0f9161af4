//! The off-marker: a small file beside the flag file that says "off" before, and longer than, the flag's body does.
//!
//! Each marker has a token of its own. A start removes exactly the marker that its person saw, never a later one: it
//! moves the marker aside, looks what it got, and puts back what it did not mean.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::disk::Target;
use crate::canonical::sha256_hex;

/// A marker longer than this is not one of ours; it still counts.
const BYTES_AT_MOST: u64 = 64 * 1024;

/// The off-marker of one flag.
pub(super) struct Marker {
    path: PathBuf,
    aside: PathBuf,
    folder: PathBuf,
    flag: String,
}

/// What became of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The marker is gone.
    Removed,
    /// There is another one than the one that was meant: it stays.
    AnotherOne,
}

impl Marker {
    pub(super) fn of(target: &Target, flag: &str) -> Marker {
        // readable for people, unique for machines, a plain file name for any key
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let readable: String = flag.chars().filter(|c| plain(*c)).take(40).collect();
        let name = format!("off-{readable}-{}", &sha256_hex(flag.as_bytes())[..12]);
        Marker {
            path: target.beside(&name),
            aside: target.beside(&format!("{name}.removing")),
            folder: target.folder().to_owned(),
            flag: flag.to_owned(),
        }
    }

    /// The marker's whole text; `None` where there is no marker. One that cannot be read is a marker.
    pub(super) fn token(&self) -> Option<String> {
        // in this order a marker on its way aside, or back, is never missed
        [&self.path, &self.aside, &self.path].into_iter().find_map(|path| read(path))
    }

    /// Makes the marker, over any older one, in one step and without a lock.
    pub(super) fn make(&self) -> std::io::Result<()> {
        let mut temporary = tempfile::Builder::new().prefix(".flagstaff-off-").tempfile_in(&self.folder)?;
        let token = temporary.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(temporary, "{token}-{}", std::process::id())?;
        writeln!(temporary, "flag: {:?}", self.flag)?;
        writeln!(temporary, "Switched off by flagstaff. While this file is here nothing exposes anybody to the flag;")?;
        writeln!(temporary, "`flagstaff start` and `flagstaff resume` remove it. See the page on the flag file.")?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        temporary.as_file().set_permissions(readable)?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path).map_err(|error| error.error)?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// Removes the marker with this text. Only for whoever holds the file's lock.
    pub(super) fn remove(&self, token: &str) -> std::io::Result<Removal> {
        if let Some(left) = read(&self.aside) {
            // a start died between moving it aside and removing it
            if left != token && read(&self.path).is_none() {
                return Ok(Removal::AnotherOne);
            }
            fs::remove_file(&self.aside)?;
        }
        match fs::rename(&self.path, &self.aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removal::Removed),
            other => other?,
        }
        let meant = read(&self.aside).as_deref() == Some(token);
        if !meant {
            match fs::hard_link(&self.aside, &self.path) {
                // there is a newer one still: as good
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        fs::remove_file(&self.aside)?;
        fs::File::open(&self.folder)?.sync_all()?;
        Ok(if meant { Removal::Removed } else { Removal::AnotherOne })
    }
}

fn read(path: &Path) -> Option<String> {
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("unreadable: {error}")),
        Ok(about) => about,
    };
    if !about.is_file() || about.len() > BYTES_AT_MOST {
        return Some("unreadable: not a small regular file".to_owned());
    }
    match fs::read(path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(format!("unreadable: {error}")),
    }
}
