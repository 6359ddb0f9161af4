//! The file of a new flag: a new one, or one that is added to, with what stands in it kept as it is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path};

use super::{CreateError, Drafted};
use crate::spec::Loaded;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A new file.
    New,
    /// More in a file that was there.
    Added,
}

/// A name inside the project, with plain separators.
pub(super) fn inside(name: &str) -> Result<String, CreateError> {
    let fault = |why: &str| CreateError::File { name: name.to_owned(), why: why.to_owned() };
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str().ok_or_else(|| fault("it is no UTF-8"))?),
            Component::CurDir => {}
            _ => return Err(fault("it must be a path inside the project, from its directory")),
        }
    }
    match parts.last() {
        Some(last) if last.ends_with(".yaml") || last.ends_with(".yml") => Ok(parts.join("/")),
        _ => Err(fault("it must end in .yaml")),
    }
}

/// Whether the folder that a file would stand in is the project's, behind all links.
pub(super) fn stays(dir: &Path, name: &str) -> Result<(), CreateError> {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let folder = dir.join(name).ancestors().skip(1).find_map(real);
    match (real(dir), folder) {
        (Some(dir), Some(folder)) if folder.starts_with(&dir) => Ok(()),
        _ => Err(CreateError::File { name: name.to_owned(), why: "its folder leads out of the project".to_owned() }),
    }
}

/// A file's name that means nothing to a file system: what else a flag's key may hold becomes `-`.
pub(super) fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().map(keep).collect::<String>().trim_start_matches('.').to_owned()
}

/// What stands in a file; nothing where there is none.
pub(super) fn read(path: &Path, name: &str) -> Result<Option<String>, CreateError> {
    let fault = |why: String| CreateError::File { name: name.to_owned(), why };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error.to_string())),
        Ok(about) if !about.is_file() => return Err(fault("it is no regular file".to_owned())),
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(|error| fault(error.to_string()))
}

/// What stands in a file, as it is, and more documents below it.
pub(super) fn joined(before: &str, documents: &str) -> String {
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    // a file that ends its last document begins the next one already
    let is_open = before.trim_end().ends_with("\n---") || before.trim().is_empty();
    let mark = if is_open { "" } else { "---\n" };
    format!("{before}{gap}{mark}{documents}")
}

/// Writes what was drafted, unless the file is no longer what it was drafted on.
///
/// # Errors
/// A file that changed meanwhile, or cannot be written; then it is as it was.
pub fn write(loaded: &Loaded, drafted: &Drafted) -> Result<Written, CreateError> {
    let (name, path) = (&drafted.draft.name, drafted.path(loaded));
    let fault = |why: String| CreateError::File { name: name.clone(), why };
    let failed = |error: io::Error| fault(error.to_string());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    if drafted.before.is_none() {
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => fault("somebody else has just made it; nothing was written".to_owned()),
            _ => failed(error),
        })?;
        let written = file.write_all(drafted.draft.text.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // half a file would be half a document
            let _ = fs::remove_file(&path);
            return Err(failed(error));
        }
        return Ok(Written::New);
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let replaced = replace(&path, &beside, drafted, name);
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced.map(|()| Written::Added)
}

fn replace(path: &Path, beside: &Path, drafted: &Drafted, name: &str) -> Result<(), CreateError> {
    let fault = |why: String| CreateError::File { name: name.to_owned(), why };
    let failed = |error: io::Error| fault(error.to_string());
    let mode = fs::metadata(path).map_err(failed)?.permissions();
    let mut file = OpenOptions::new().write(true).create_new(true).open(beside).map_err(failed)?;
    file.write_all(drafted.draft.text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::set_permissions(beside, mode).map_err(failed)?;
    // somebody who saved the file meanwhile loses nothing
    if read(path, name)? != drafted.before {
        return Err(fault("it was changed meanwhile; nothing was written".to_owned()));
    }
    fs::rename(beside, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_file_is_kept_and_a_document_more_stands_below() {
        assert_eq!(joined("a: 1\n", "b: 2\n"), "a: 1\n---\nb: 2\n");
        assert_eq!(joined("a: 1 # last", "b: 2\n"), "a: 1 # last\n---\nb: 2\n");
        assert_eq!(joined("a: 1\n---\n", "b: 2\n"), "a: 1\n---\nb: 2\n");
        assert_eq!(joined("", "b: 2\n"), "b: 2\n");
    }

    #[test]
    fn names_stay_inside_the_project() {
        assert_eq!(inside("./flagstaff/a.yaml").ok().as_deref(), Some("flagstaff/a.yaml"));
        assert!(inside("../a.yaml").is_err() && inside("/tmp/a.yaml").is_err() && inside("a.txt").is_err());
        assert_eq!(plain("../team:search/v2"), "-team-search-v2");
    }
}
