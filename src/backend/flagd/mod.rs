//! Backend: an OpenFeature flagd definition file, which any flagd evaluator serves.
//!
//! The file has no switch apart from the flag's body. So a shutdown makes an *off-marker* beside the file, without any
//! lock, and only then writes the off body; whoever grows looks for the marker after taking the lock, right before the
//! rename and right after it, and writes off if it is there. What closes the gap between the last look and the rename
//! is the ticket of [`disk`]: the shutdown withdraws it, and the rename fails.

mod body;
mod disk;
mod document;
mod examine;
mod faults;
mod json;
mod latest;
mod marker;
mod prepare;
mod read;
mod steps;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::disk::{DiskError, Target};
use self::latest::Latest;
use self::steps::Steps;
use super::{Backend, BackendError, Expose, Prepare, Standing};
use crate::checkup::{Check, Fault};
use crate::clock::{Answer, Clock};
use crate::engine::Percentage;
use crate::engine::input::Observed;
use crate::engine::plan::Audience;

/// How long a write waits for the file's lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a shutdown does, before it goes ahead without.
const OFF_PATIENCE: Duration = Duration::from_secs(1);
/// After this long a file system that does not answer counts as unreachable; what was begun may still happen.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A flagd definition file.
#[derive(Debug, Clone)]
pub struct Flagd {
    path: PathBuf,
    shown: String,
    patience: Duration,
    off_patience: Duration,
    latest: Arc<Latest>,
    steps: Steps,
}

impl Flagd {
    /// The file at `path`, relative to the project's directory.
    pub fn new(project: &Path, path: &str) -> Flagd {
        Flagd {
            path: project.join(path),
            shown: path.to_owned(),
            patience: PATIENCE,
            off_patience: OFF_PATIENCE,
            latest: Arc::default(),
            steps: Steps::default(),
        }
    }

    /// For tests: `at` is called between any two steps of a write or a shutdown, by name, and may wait there as long as
    /// another process could come between, or panic as if the process died there. It waits for no lock of others.
    pub fn stepping(self, at: impl Fn(&'static str) + Send + Sync + 'static) -> Flagd {
        Flagd { steps: Steps::told(at), patience: Duration::ZERO, off_patience: Duration::ZERO, ..self }
    }

    fn target(&self) -> Result<Target, BackendError> {
        Target::find(&self.path).map_err(|error| self.disk(error))
    }

    fn unparsable(&self, detail: &str) -> BackendError {
        self.unreachable(format!("{detail}; evaluators keep serving what they read before"))
    }

    fn disk(&self, error: DiskError) -> BackendError {
        match error {
            DiskError::Trouble(detail) => self.unreachable(detail),
            DiskError::Refused(detail) => self.refused(detail),
        }
    }

    fn unreachable(&self, detail: impl Into<String>) -> BackendError {
        BackendError::Unreachable { place: self.place(), detail: detail.into() }
    }

    fn refused(&self, detail: impl Into<String>) -> BackendError {
        BackendError::Refused { place: self.place(), detail: detail.into() }
    }

    /// Runs file operations where they block nobody, for a bounded time.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Flagd) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let this = self.clone();
        match tokio::time::timeout(ANSWER_WITHIN, tokio::task::spawn_blocking(move || work(&this))).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(self.unreachable(format!("the work on it was cut short: {error}"))),
            Err(_) => Err(self.unreachable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
        }
    }

    /// Between two steps.
    fn at(&self, step: &'static str) {
        self.steps.at(step);
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
        let (flag, audiences) = (flag.to_owned(), audiences.clone());
        Box::pin(self.blocking(move |this| this.observe(&flag, &audiences)))
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        let request = request.clone();
        Box::pin(self.blocking(move |this| this.set(&request)))
    }

    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        let request = request.clone();
        Box::pin(self.blocking(move |this| this.would_write(&request)))
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        let flag = flag.to_owned();
        Box::pin(self.blocking(move |this| this.off(&flag)))
    }

    fn standing<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        let flag = flag.to_owned();
        Box::pin(self.blocking(move |this| this.stands(&flag)))
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        let request = request.clone();
        Box::pin(self.blocking(move |this| this.make(&request)))
    }

    fn examine<'a>(&'a self, _clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async move {
            let checks = self.blocking(Flagd::checks).await;
            let hangs = |error: BackendError| {
                let advice = "look at the file system that it is on";
                vec![Check::failed("file", Fault::Unreachable, error.to_string(), advice)]
            };
            checks.unwrap_or_else(hangs)
        })
    }
}
