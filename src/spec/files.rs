//! Which files are read, and reading them: regular files of the project only, bounded, UTF-8 without NUL.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::finding::{At, Finding, SourceFile};

/// A document file larger than this is refused without being read.
const BYTES_AT_MOST: u64 = 4 * 1024 * 1024;
/// A project with more files than this is refused without reading them.
const FILES_AT_MOST: usize = 50_000;

/// A file that may hold documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Whether no link leads to it: then it needs no look at where it really is.
    plain: bool,
}

/// Whether documents are read from a file of this name, relative to the project: by default, or by what `include:` names.
pub fn is_read(name: &str, include: &[String]) -> bool {
    let by_default = match name.split_once('/') {
        None => name == "flagstaff.yaml" || name.ends_with(".flagstaff.yaml"),
        Some((folder, _)) => folder == "flagstaff" && is_yaml(Path::new(name)),
    };
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let by_include = |pattern: &String| {
        if let Some(above) = pattern.strip_suffix("/**") {
            return name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')) && is_yaml(Path::new(name));
        }
        if let Some(of) = pattern.strip_suffix("/*.yaml").or_else(|| pattern.strip_suffix("/*")) {
            return folder == of && is_yaml(Path::new(name));
        }
        name == pattern || name.strip_prefix(pattern.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    };
    by_default || include.iter().any(by_include)
}

/// A project's directory.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    /// The directory behind all links.
    root: Option<PathBuf>,
    /// The folder that has too many files, once one was met.
    crowded: Option<PathBuf>,
    /// A text that is read as if it stood in a file of the project, with that file's path.
    proposed: Option<(PathBuf, String)>,
}

/// The file of a proposed text is none that would be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no document is read from there: flagstaff.yaml, *.flagstaff.yaml, .yaml files below flagstaff/, and what `include:` names are read"
)]
pub struct NotRead;

impl Tree {
    /// A project's directory.
    pub fn new(dir: &Path) -> Tree {
        Tree { dir: dir.to_owned(), root: fs::canonicalize(dir).ok(), crowded: None, proposed: None }
    }

    /// As if a file that documents are read from had this text, whether it is there or not. Nothing is written.
    ///
    /// # Errors
    /// Documents are read from no file of that name, by default or by what `include` names.
    pub fn propose(&mut self, name: &str, text: String, include: &[String]) -> Result<(), NotRead> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !is_read(name, include) || name.contains(['\0', '\\']) || !name.split('/').all(plain) {
            return Err(NotRead);
        }
        self.proposed = Some((self.dir.join(name), text));
        Ok(())
    }

    /// The default set: `flagstaff.yaml`, `*.flagstaff.yaml` and everything below `flagstaff/`, sorted; what stands in
    /// the directory itself goes first, since it is where the Project document is looked for.
    pub fn discover(&mut self) -> Vec<Found> {
        let (mut top, mut found) = (Vec::new(), Vec::new());
        for entry in listed(&self.dir) {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "flagstaff.yaml" || name.ends_with(".flagstaff.yaml") {
                top.push(Found { plain: entry.regular && self.root.is_some(), path: entry.path });
            } else if name == "flagstaff" && entry.path.is_dir() {
                self.below(&entry.path, &mut found);
            }
        }
        if let Some((path, _)) = &self.proposed {
            let at_top = path.parent() == Some(&self.dir);
            let list = if at_top { &mut top } else { &mut found };
            if !list.iter().any(|known| known.path == *path) {
                list.push(Found { path: path.clone(), plain: true });
                list.sort();
            }
        }
        top.append(&mut found);
        top
    }

    /// What `include:` names: a file, a folder, or a pattern of the form `folder/**` or `folder/*.yaml`.
    pub fn include(&mut self, pattern: &str) -> Vec<Found> {
        let mut found = Vec::new();
        if let Some(folder) = pattern.strip_suffix("/**") {
            self.below(&self.dir.join(folder), &mut found);
        } else if let Some(folder) = pattern.strip_suffix("/*.yaml").or_else(|| pattern.strip_suffix("/*")) {
            let files = listed(&self.dir.join(folder)).into_iter().filter(|entry| is_yaml(&entry.path));
            found.extend(files.map(|entry| Found { path: entry.path, plain: false }));
        } else if self.dir.join(pattern).is_dir() {
            self.below(&self.dir.join(pattern), &mut found);
        } else {
            found.push(Found { path: self.dir.join(pattern), plain: false });
        }
        found
    }

    /// The finding about a folder with too many files.
    pub fn crowded(&self) -> Option<Finding> {
        let file = SourceFile::new(self.name(self.crowded.as_ref()?), String::new());
        let message = format!("has more than {FILES_AT_MOST} files; none of them was read");
        let finding = Finding::error("file", &At { file, start: 0, end: 0 }, message);
        Some(finding.help("several documents may stand in one file, between lines of `---`"))
    }

    /// Folders behind links are not entered: there is no way out of the project, and no loop.
    fn below(&mut self, folder: &Path, found: &mut Vec<Found>) {
        let inside = fs::canonicalize(folder).is_ok_and(|real| self.holds(&real));
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in listed(&next) {
                if entry.folder {
                    folders.push(entry.path);
                } else if is_yaml(&entry.path) {
                    found.push(Found { plain: inside && entry.regular, path: entry.path });
                }
            }
            if found.len() > FILES_AT_MOST {
                self.crowded = Some(folder.to_owned());
                found.clear();
                return;
            }
        }
        found.sort();
    }

    fn holds(&self, real: &Path) -> bool {
        self.root.as_ref().is_some_and(|root| real.starts_with(root))
    }

    /// A path as it is shown: relative to the project.
    pub fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// Reads one file of the project.
    ///
    /// # Errors
    /// Why it is refused, where.
    pub fn read(&self, found: &Found) -> Result<Arc<SourceFile>, Box<Finding>> {
        let fail = |message: String| Box::new(refusal(&self.name(&found.path), String::new(), 0, message));
        if let Some((_, text)) = self.proposed.as_ref().filter(|(path, _)| *path == found.path) {
            if text.len() as u64 > BYTES_AT_MOST {
                return Err(fail(format!("is larger than {} MiB", BYTES_AT_MOST >> 20)));
            }
            return self.text(found, text.clone().into_bytes());
        }
        let cannot = |error: std::io::Error| fail(format!("cannot be read: {}", reason(&error)));
        let mut path = found.path.clone();
        if !found.plain {
            path = fs::canonicalize(&found.path).map_err(cannot)?;
            if !self.holds(&path) {
                return Err(fail("lies outside of the project, or is a link that leads out of it".to_owned()));
            }
            // looked at before it is opened: opening a device can do things
            if !fs::metadata(&path).map_err(cannot)?.is_file() {
                return Err(fail("is no regular file".to_owned()));
            }
        }
        // should it have become a FIFO or a link since: neither is waited for nor followed
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY).bits();
        let file = fs::File::options().read(true).custom_flags(flags.cast_signed()).open(&path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if !about.is_file() {
            return Err(fail("is no regular file".to_owned()));
        }
        if about.len() > BYTES_AT_MOST {
            return Err(fail(format!("is larger than {} MiB", BYTES_AT_MOST >> 20)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
        file.take(BYTES_AT_MOST).read_to_end(&mut bytes).map_err(cannot)?;
        self.text(found, bytes)
    }

    fn text(&self, found: &Found, bytes: Vec<u8>) -> Result<Arc<SourceFile>, Box<Finding>> {
        let name = self.name(&found.path);
        let refuse = |text, at, message: &str| Err(Box::new(refusal(&name, text, at, message.to_owned())));
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let wide = error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]);
                let message = if wide { "is UTF-16; documents are UTF-8" } else { "is not UTF-8 here" };
                return refuse(String::from_utf8_lossy(error.as_bytes()).into_owned(), good, message);
            }
        };
        if let Some(at) = text.find('\0') {
            return refuse(text, at, "has a NUL character");
        }
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(SourceFile::new(name, text))
    }
}

fn refusal(name: &str, text: String, at: usize, message: String) -> Finding {
    let file = SourceFile::new(name, text);
    let end = file.text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    Finding::error("file", &At { file, start: at, end }, message)
}

/// The reason without the system's number for it.
fn reason(error: &std::io::Error) -> String {
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return "its links lead in a circle".to_owned();
    }
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

struct Listed {
    path: PathBuf,
    regular: bool,
    folder: bool,
}

fn listed(folder: &Path) -> Vec<Listed> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(2 * FILES_AT_MOST);
    let mut paths: Vec<Listed> = entries
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            Some(Listed { path: entry.path(), regular: kind.is_file(), folder: kind.is_dir() })
        })
        .collect();
    paths.sort_by(|left, right| left.path.cmp(&right.path));
    paths
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}
