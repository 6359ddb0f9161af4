//! Backend: an OpenFeature flagd definition file, which any flagd evaluator serves.
//!
//! The file has no switch apart from the flag's body. So a shutdown makes an *off-marker* beside the file, without any
//! lock, and only then writes the off body; whoever grows looks for the marker after taking the lock, right before the
//! rename and right after it, and writes off if it is there. A writer that was stopped between looking and renaming can
//! bring the feature back for the moment until it looks again; if it dies in that moment, the next tick's reading finds
//! it and switches it off again.

mod file;
mod shape;
mod splice;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use self::file::FlagFile;
use self::shape::{Meaning, Ours};
use super::{Backend, BackendError, Expose, Switch};
use crate::canonical::sha256_hex;
use crate::clock::Answer;
use crate::engine::input::{Observed, Stamp};
use crate::engine::plan::Audience;
use crate::engine::{Exposure, Percentage};

/// How long a write waits for the file's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a shutdown does.
const OFF_PATIENCE: Duration = Duration::from_secs(1);

/// An empty definition file.
const EMPTY: &str = "{\n  \"$schema\": \"https://flagd.dev/schema/v0/flags.json\",\n  \"flags\": {}\n}\n";

/// A flagd definition file.
#[derive(Debug, Clone)]
pub struct Flagd {
    file: FlagFile,
    shown: String,
}

impl Flagd {
    /// The file at `path`, relative to the project's directory.
    pub fn new(project: &Path, path: &str) -> Flagd {
        Flagd { file: FlagFile::new(project.join(path)), shown: path.to_owned() }
    }

    /// For tests: calls `hook` between the steps of a write.
    #[doc(hidden)]
    #[must_use]
    pub fn with_hook(mut self, hook: fn(&'static str, &Path)) -> Flagd {
        self.file.hook = Some(hook);
        self
    }

    fn parse(&self, text: &str) -> Result<Value, BackendError> {
        serde_json::from_str(text).map_err(|error| {
            self.file.unreachable(format!("it is no valid JSON: {error}; evaluators keep the old content"))
        })
    }

    fn observe(&self, flag: &str, audiences: &BTreeMap<String, Audience>) -> Result<Observed, BackendError> {
        let marker = self.file.marker(flag)?;
        let text = self.file.read()?;
        let mut seen = Observed {
            on: marker.is_none(),
            exposure: Exposure::nobody(),
            foreign: None,
            stamp: None,
            other_hand: None,
            revision: "missing".to_owned(),
        };
        let Some(text) = text else {
            seen.on = false;
            return Ok(seen);
        };
        let value = self.parse(&text)?;
        let Some(body) = value.get("flags").and_then(|flags| flags.get(flag)) else {
            seen.on = false;
            return Ok(seen);
        };
        seen.revision = revision(&text, flag);
        match shape::meaning(body, audiences) {
            Meaning::Ours(ours) => {
                // the marker does not reach evaluators: what the file serves is what counts
                seen.on |= !ours.exposure.is_nobody();
                seen.exposure = ours.exposure;
                seen.stamp = Some(ours.stamp);
            }
            Meaning::Nobody(stamp) => seen.stamp = stamp,
            Meaning::Foreign { why, stamp } => {
                seen.on = true;
                seen.foreign = Some(why);
                seen.stamp = stamp;
            }
        }
        Ok(seen)
    }

    fn write(&self, request: &Expose) -> Result<(), BackendError> {
        let flag = request.flag.as_str();
        let Some(_lock) = self.file.lock(PATIENCE) else {
            return Err(self.file.unreachable("another process keeps its lock; nothing was written"));
        };
        self.file.at("after the lock");
        let marker = self.file.marker(flag)?;
        let exposes = !request.exposure.is_nobody();
        if marker.is_some() && exposes && request.switch == Switch::Keep {
            return Err(self.switched_off());
        }
        let text = self.file.read()?.unwrap_or_else(|| EMPTY.to_owned());
        let value = self.parse(&text)?;
        let faults = shape::faults(&value);
        if exposes && let Some(fault) = faults.first() {
            let detail = format!("{fault}; evaluators refuse the whole file until that is mended");
            return Err(BackendError::Refused { place: self.place(), detail });
        }
        self.check(request, &value, &text)?;
        let ours = Ours {
            exposure: request.exposure.clone(),
            stickiness: request.stickiness.clone(),
            stamp: request.stamp.clone(),
        };
        let new = self.spliced(&text, flag, &shape::body(&ours, &request.audiences))?;
        if request.switch == Switch::TurnOn
            && let Some(token) = &marker
        {
            // the off body is still there: without its marker it is off all the same
            self.file.remove_marker(flag, token)?;
            self.file.at("after removing the marker");
        }
        let look = || match self.file.marker(flag)? {
            Some(_) if exposes => Err(self.switched_off()),
            _ => Ok(()),
        };
        self.file.replace(&new, look)?;
        if exposes && self.file.marker(flag)?.is_some() {
            self.write_off(flag)?;
            return Err(self.switched_off());
        }
        self.effective(&faults)
    }

    fn check(&self, request: &Expose, value: &Value, text: &str) -> Result<(), BackendError> {
        let place = self.place();
        let Some(body) = value.get("flags").and_then(|flags| flags.get(&request.flag)) else {
            return match request.revision == "missing" {
                true => Ok(()),
                false => Err(BackendError::Conflict { place, detail: "the flag is gone".to_owned() }),
            };
        };
        if revision(text, &request.flag) != request.revision {
            return Err(BackendError::Conflict { place, detail: "the flag was written by another hand".to_owned() });
        }
        let (stamp, serves) = match shape::meaning(body, &request.audiences) {
            Meaning::Ours(ours) => (Some(ours.stamp), !ours.exposure.is_nobody()),
            Meaning::Nobody(stamp) => (stamp, false),
            Meaning::Foreign { why, .. } => {
                return Err(BackendError::Refused { place, detail: format!("{why}; abort it or put it back first") });
            }
        };
        if let Err(detail) = shape::is_expressible(body) {
            return Err(BackendError::Refused { place, detail });
        }
        match stamp.filter(|stamp| *stamp != request.stamp) {
            Some(other) if !request.take_over && (serves || other.journal != request.stamp.journal) => {
                Err(BackendError::ForeignStamp { place, detail: describe(&other) })
            }
            _ => Ok(()),
        }
    }

    /// Off for everybody: the marker first, then the body, with the lock if it can be had.
    fn off(&self, flag: &str) -> Result<(), BackendError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let marked = self.file.make_marker(flag, &format!("{}-{count}", std::process::id()));
        self.file.at("after the marker");
        let lock = self.file.lock(OFF_PATIENCE);
        let written = self.write_off(flag);
        drop(lock);
        // a marker that could not be made leaves the door open for a slow writer: say so, after having done the rest
        written.and(marked)
    }

    fn write_off(&self, flag: &str) -> Result<(), BackendError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        let value = self.parse(&text)?;
        let Some(body) = value.get("flags").and_then(|flags| flags.get(flag)) else { return Ok(()) };
        let faults = shape::faults(&value);
        let new = self.spliced(&text, flag, &off_body(body))?;
        if new != text {
            self.file.replace(&new, || Ok(()))?;
        }
        self.effective(&faults)
    }

    fn effective(&self, faults: &[String]) -> Result<(), BackendError> {
        match faults.first() {
            None => Ok(()),
            Some(fault) => Err(BackendError::NotEffective {
                place: self.place(),
                detail: format!("{fault}; evaluators keep serving the old content until that is mended"),
            }),
        }
    }

    fn spliced(&self, text: &str, flag: &str, body: &Value) -> Result<String, BackendError> {
        let pretty = serde_json::to_string_pretty(body).unwrap_or_default().replace('\n', "\n    ");
        splice::with_member(text, &["flags", flag], &pretty)
            .ok_or_else(|| self.file.unreachable("it has no `flags` object"))
    }

    fn switched_off(&self) -> BackendError {
        BackendError::SwitchedOff {
            place: self.place(),
            detail: "an off-marker is there; only start and resume remove it".to_owned(),
        }
    }
}

impl Backend for Flagd {
    fn place(&self) -> String {
        self.shown.clone()
    }

    fn resolution(&self) -> Percentage {
        Percentage::from_thousandths(1).unwrap_or(Percentage::ZERO)
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        let (this, flag, audiences) = (self.clone(), flag.to_owned(), audiences.clone());
        Box::pin(self.blocking(move || this.observe(&flag, &audiences)))
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        let (this, request) = (self.clone(), request.clone());
        Box::pin(self.blocking(move || this.write(&request)))
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        let (this, flag) = (self.clone(), flag.to_owned());
        Box::pin(self.blocking(move || this.off(&flag)))
    }
}

impl Flagd {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(self.file.unreachable(format!("the write was cut short: {error}"))),
        }
    }
}

/// Off, with whatever variants the flag has: ENABLED, an explicit false default, no targeting.
fn off_body(before: &Value) -> Value {
    let mut body = before.clone();
    let Some(map) = body.as_object_mut() else {
        return serde_json::json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" });
    };
    let variants = map.get("variants").and_then(Value::as_object);
    let off = variants.and_then(|variants| variants.iter().find(|(_, value)| **value == Value::Bool(false)));
    let name = off.map(|(name, _)| name.clone());
    if name.is_none() {
        map.insert("variants".to_owned(), serde_json::json!({ "on": true, "off": false }));
    }
    map.insert("state".to_owned(), "ENABLED".into());
    map.insert("defaultVariant".to_owned(), name.unwrap_or_else(|| "off".to_owned()).into());
    map.remove("targeting");
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("managedBy").and_then(Value::as_str) == Some("flagstaff")
    {
        metadata.insert("audiences".to_owned(), "".into());
        metadata.insert("percentage".to_owned(), 0.into());
    }
    body
}

fn revision(text: &str, flag: &str) -> String {
    sha256_hex(splice::member(text, &["flags", flag]).unwrap_or_default().as_bytes())
}

fn describe(stamp: &Stamp) -> String {
    format!("rollout {} of journal {}", stamp.rollout, stamp.journal)
}
