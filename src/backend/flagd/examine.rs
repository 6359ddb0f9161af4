//! Whether the file is there, evaluators take it, and it could be replaced; without writing anything.

use std::collections::BTreeMap;
use std::fs;

use rustix::fs::{Access, access};

use super::Flagd;
use super::body::{self, Meaning};
use super::disk::{DiskError, Target};
use super::document::Document;
use super::marker::Marker;
use crate::backend::BackendError;
use crate::checkup::{Check, Fault};

/// More broken flags than this are counted.
const NAMED_AT_MOST: usize = 3;

impl Flagd {
    /// Everything about the file that does not depend on a flag.
    pub(super) fn checks(&self) -> Result<Vec<Check>, BackendError> {
        let target = match Target::find(&self.path) {
            Ok(target) => target,
            Err(error) => {
                let advice = "make its folder, or correct `path`: it is relative to the project's directory";
                return Ok(vec![failed("file", &error, advice)]);
            }
        };
        let mut checks = Vec::new();
        let document = match target.read().map(|text| text.map(Document::parse).transpose()) {
            Ok(Ok(document)) => document,
            Ok(Err(detail)) => {
                let seen = format!("{detail}; evaluators keep serving what they read before");
                checks.push(Check::failed("file", Fault::Unreachable, seen, MEND));
                None
            }
            Err(error) => {
                checks.push(failed("file", &error, "let flagstaff's user read it"));
                None
            }
        };
        match &document {
            Some(document) => {
                let flags =
                    document.value.get("flags").and_then(serde_json::Value::as_object).map_or(0, |map| map.len());
                checks.push(Check::fine("file", format!("flags in it: {flags}")));
                checks.push(accepted(document));
            }
            None if checks.is_empty() => checks
                .push(Check::fine("file", "none yet: the first start makes it; one that was there must be put back")),
            None => {}
        }
        checks.push(writable(&target));
        checks.push(markers(&target, document.as_ref()));
        Ok(checks)
    }
}

const MEND: &str = "mend the file; until then a shutdown is not effective, and is tried again and again";

fn failed(name: &'static str, error: &DiskError, advice: &str) -> Check {
    let fault = match error {
        DiskError::Trouble(_) => Fault::Unreachable,
        DiskError::Refused(_) => Fault::Other,
    };
    Check::failed(name, fault, error.to_string(), advice)
}

/// Whether every evaluator takes the file as it is.
fn accepted(document: &Document) -> Check {
    let faults = &document.faults;
    if faults.is_empty() {
        return Check::fine("flags", "every evaluator takes the file");
    }
    let mut seen = faults.iter().take(NAMED_AT_MOST).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = faults.len().checked_sub(NAMED_AT_MOST).filter(|more| *more > 0) {
        seen = format!("{seen}; and {more} more");
    }
    let advice = "mend it: evaluators refuse the whole file meanwhile, so that no change of any flag is seen";
    Check::failed("flags", Fault::Other, seen, advice)
}

/// By what the system says of the folder: a file is replaced by another one, so that its own mode does not count.
fn writable(target: &Target) -> Check {
    if let Err(error) = target.check_writable() {
        return failed("writable", &error, "let `path` name a file in a folder of its own");
    }
    match access(target.folder(), Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::fine("writable", "it could be replaced"),
        Err(error) => Check::failed(
            "writable",
            Fault::Unreachable,
            format!("nothing can be made in its folder: {}", std::io::Error::from(error)),
            "let flagstaff's user write into the folder: the file is replaced whole, so that its own mode does not do",
        ),
    }
}

/// Markers that lie about, and flags of which the file says something else than their marker.
fn markers(target: &Target, document: Option<&Document>) -> Check {
    let prefix = target.beside("off-");
    let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes();
    let entries = fs::read_dir(target.folder()).into_iter().flatten().flatten();
    let lying = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix)).count();
    if lying == 0 {
        return Check::fine("markers", "none");
    }
    let flags = document.and_then(|document| document.value.get("flags")?.as_object());
    let marked = flags.into_iter().flatten().filter(|(key, _)| Marker::of(target, key).token().is_some());
    let (on, off): (Vec<_>, Vec<_>) = marked.partition(|(_, body)| match body::meaning(body, &BTreeMap::new()) {
        Meaning::Nobody(_) => false,
        Meaning::Ours(ours) => !ours.exposure.is_nobody(),
        Meaning::Foreign { .. } => true,
    });
    let names = |flags: &[(&String, _)]| flags.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(", ");
    if !on.is_empty() {
        let seen = format!("marked as off, and the file still serves somebody: {}", names(&on));
        let advice = format!("flagstaff abort {}", on.first().map(|(key, _)| key.as_str()).unwrap_or_default());
        return Check::warning("markers", seen, advice);
    }
    match off.len() {
        0 => Check::fine("markers", format!("for flags that are not in the file: {lying}")),
        _ => Check::fine("markers", format!("kept off until the next start: {}", names(&off))),
    }
}
