//! Stops and freezes that could not be recorded in time. Nobody appends or grows before they are merged.

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::record::{Freeze, Step, off};
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::engine::Input;
use crate::engine::input::{Command, Issued};

/// What waits to be recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpooledAct {
    /// A pause or an abort.
    Stop(Box<SpooledStop>),
    /// A freeze.
    Freeze(Freeze),
}

/// A stop that waits to be recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpooledStop {
    /// The rollout it names; none where the journal could not even be read: then the newest one of the flag.
    pub rollout: Option<String>,
    /// The flag.
    pub flag: String,
    /// The environment.
    pub environment: String,
    /// The command.
    pub issued: Issued,
}

impl Site {
    /// Takes in what others appended, and what waits in the spool. Nothing may be awaited between this and an append or
    /// a growth: nobody appends or grows past a stop that waits.
    ///
    /// # Errors
    /// The journal's.
    pub fn hear(&mut self) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = self.store.refresh()?;
        steps.extend(self.merge_spool()?);
        Ok(steps)
    }

    /// Merges what waits. A merged record acts where it is merged, on the rollout that it names.
    ///
    /// # Errors
    /// The journal's.
    pub fn merge_spool(&mut self) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        for (path, record) in self.spool.pending() {
            let Ok(act) = serde_json::from_value::<SpooledAct>(record.body.clone()) else {
                // not ours to understand: kept, and out of the way
                let _ = std::fs::rename(&path, path.with_extension("broken"));
                continue;
            };
            while !self.store.is_merged(&record.id) {
                let merged = match &act {
                    SpooledAct::Stop(stop) => self.merge_stop(&record.id, stop),
                    SpooledAct::Freeze(freeze) => {
                        let freeze = Freeze { spooled: Some(record.id.clone()), ..freeze.clone() };
                        self.store.record_freeze(self.now(), &freeze).map(|_| Some(Vec::new()))
                    }
                };
                match merged {
                    Ok(Some(more)) => steps.extend(more),
                    Ok(None) => break,
                    Err(error) if is_conflict(&error) => steps.extend(self.store.refresh()?),
                    Err(error) => return Err(error),
                }
            }
            if self.store.is_merged(&record.id) {
                let _ = std::fs::remove_file(&path);
            } else {
                // this journal knows no such rollout: kept for people to look at
                let _ = std::fs::rename(&path, path.with_extension("orphan"));
            }
        }
        Ok(steps)
    }

    /// Folds a stop onto the rollout that it names. Where the journal knows none, an abort is recorded as the flag's, and
    /// a pause, which did nothing, is nothing.
    fn merge_stop(&mut self, record: &str, stop: &SpooledStop) -> Result<Option<Vec<(String, Step)>>, ControlError> {
        let mut batch = Batch::default();
        let named = stop.rollout.clone().filter(|id| self.store.rollout(id).is_some());
        let Some(id) = named.or_else(|| self.rollout_of(stop)) else {
            if stop.rollout.is_some() || stop.issued.command != Command::Abort {
                return Ok(None);
            }
            batch.put(off(&stop.flag, &stop.environment, &stop.issued, Some(record.to_owned())));
            return self.store.commit(self.now(), batch).map(Some);
        };
        let _ = self.store.fold(&mut batch, &id, self.now(), Input::Command(Box::new(stop.issued.clone())));
        batch.spooled(&id, record);
        self.store.commit(self.now(), batch).map(Some)
    }

    /// The newest rollout of the flag. Nobody starts anything while a stop waits, so that it had begun when the stop was
    /// typed, whatever the clocks say.
    fn rollout_of(&self, stop: &SpooledStop) -> Option<String> {
        let fits = |rollout: &&super::Rollout| {
            // without a journal or documents, a release's name may have been taken for a flag's key
            (rollout.plan.flag == stop.flag || rollout.plan.release == stop.flag)
                && rollout.plan.environment == stop.environment
        };
        let newest = self.store.all_rollouts().filter(fits).max_by_key(|rollout| rollout.opened);
        newest.map(|rollout| rollout.id.clone())
    }
}
