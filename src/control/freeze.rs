//! Freezes: rules grow nothing while one holds; safeguards stay armed.

use super::error::ControlError;
use super::record::{FREEZE, FREEZES, Freeze, record};
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::engine::Timestamp;

/// The name of a freeze: one per scope, so that freezing one environment leaves the freeze of another alone.
pub fn name(environment: Option<&str>, release: Option<&str>) -> String {
    match (release, environment) {
        (Some(release), Some(environment)) => format!("freeze-{release}@{environment}"),
        (Some(scope), None) | (None, Some(scope)) => format!("freeze-{scope}"),
        (None, None) => "freeze-all".to_owned(),
    }
}

impl Site {
    /// Freezes an environment, a release, or both; without either, everything.
    ///
    /// # Errors
    /// The journal's.
    pub fn freeze(
        &mut self,
        environment: Option<String>,
        release: Option<String>,
        until: Timestamp,
        reason: Option<String>,
    ) -> Result<Freeze, ControlError> {
        self.store.refresh()?;
        let now = self.now();
        let name = name(environment.as_deref(), release.as_deref());
        // a second freeze never ends the first one sooner: that would be a lift, which asks
        let standing = self.store.freezes(now).into_iter().filter(|freeze| freeze.name == name);
        let until = standing.map(|freeze| freeze.until).fold(until, Timestamp::max);
        let freeze = Freeze { name, environment, release, until, at: now, by: self.actor.clone(), reason };
        self.record_freeze(freeze)
    }

    /// Ends a freeze by its name.
    ///
    /// # Errors
    /// No such freeze, or the journal's.
    pub fn lift(&mut self, name: &str, reason: Option<String>) -> Result<Freeze, ControlError> {
        self.store.refresh()?;
        let now = self.now();
        let found = self.store.freezes(now).into_iter().find(|freeze| freeze.name == name).cloned();
        let found = found.ok_or_else(|| ControlError::NotFound(format!("there is no freeze `{name}`")))?;
        self.record_freeze(Freeze { until: now, at: now, by: self.actor.clone(), reason, ..found })
    }

    fn record_freeze(&mut self, freeze: Freeze) -> Result<Freeze, ControlError> {
        loop {
            self.hear()?;
            let mut batch = Batch::default();
            batch.put(record(freeze.at, FREEZES, FREEZE, &freeze));
            match self.store.commit(self.now(), batch) {
                Ok(_) => return Ok(freeze),
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
