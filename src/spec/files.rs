//! Which files are read, and reading them: regular files of the project only, bounded, UTF-8 without NUL.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{At, Finding, SourceFile};

/// A document file larger than this is refused without being read.
const BYTES_AT_MOST: u64 = 4 * 1024 * 1024;
/// More files than this are refused.
const FILES_AT_MOST: usize = 100_000;

/// The default set: `flagstaff.yaml`, `*.flagstaff.yaml` and everything below `flagstaff/`, sorted.
pub fn discover(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in listed(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "flagstaff.yaml" || name.ends_with(".flagstaff.yaml") {
            found.push(path);
        } else if name == "flagstaff" && path.is_dir() {
            below(&path, &mut found);
        }
    }
    found.sort();
    found
}

/// What `include:` names: a file, a folder, or a pattern of the form `folder/**` or `folder/*.yaml`.
pub fn include(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Some(folder) = pattern.strip_suffix("/**") {
        below(&dir.join(folder), &mut found);
    } else if let Some(folder) = pattern.strip_suffix("/*.yaml").or_else(|| pattern.strip_suffix("/*")) {
        found.extend(listed(&dir.join(folder)).into_iter().filter(|path| is_yaml(path)));
    } else if dir.join(pattern).is_dir() {
        below(&dir.join(pattern), &mut found);
    } else {
        found.push(dir.join(pattern));
    }
    found.sort();
    found
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Folders behind links are not entered: there is no way out of the project, and no loop.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in listed(folder) {
        if found.len() >= FILES_AT_MOST {
            return;
        }
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
        if is_folder {
            below(&path, found);
        } else if is_yaml(&path) {
            found.push(path);
        }
    }
}

/// Reads one file of the project.
pub fn read(dir: &Path, path: &Path) -> Result<Arc<SourceFile>, Box<Finding>> {
    let name = path.strip_prefix(dir).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let refuse = |text: String, at: usize, message: String| {
        let file = Arc::new(SourceFile { name: name.clone(), text });
        let end = file.text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        Box::new(Finding::error("file", &At { file, start: at, end }, message))
    };
    let fail = |message: &str| refuse(String::new(), 0, message.to_owned());
    let real = fs::canonicalize(path).map_err(|error| fail(&format!("cannot be read: {error}")))?;
    let root = fs::canonicalize(dir).map_err(|error| fail(&format!("the project cannot be read: {error}")))?;
    if !real.starts_with(&root) {
        return Err(fail("is a link out of the project"));
    }
    // looked at before it is opened: opening a FIFO waits for a writer
    let about = fs::metadata(&real).map_err(|error| fail(&format!("cannot be read: {error}")))?;
    if !about.is_file() {
        return Err(fail("is no regular file"));
    }
    if about.len() > BYTES_AT_MOST {
        return Err(fail(&format!("is larger than {} MiB", BYTES_AT_MOST >> 20)));
    }
    let mut bytes = Vec::new();
    fs::File::open(&real)
        .and_then(|file| file.take(BYTES_AT_MOST).read_to_end(&mut bytes))
        .map_err(|error| fail(&format!("cannot be read: {error}")))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Err(refuse(text, good, "is not UTF-8 here".to_owned()));
        }
    };
    if let Some(at) = text.find('\0') {
        return Err(refuse(text, at, "has a NUL character".to_owned()));
    }
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Arc::new(SourceFile { name, text }))
}
