//! Stops and freezes that could not be recorded in time. Nobody appends or grows before they are merged.

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::record::{Freeze, Step, off};
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::canonical::sha256_hex;
use crate::engine::Input;
use crate::engine::Timestamp;
use crate::engine::input::{Command, Issued, Tick};
use crate::journal::spool::{Spool, SpoolError, Spooled};

/// What waits to be recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpooledAct {
    /// A pause or an abort.
    Stop(Box<SpooledStop>),
    /// A freeze.
    Freeze(Freeze),
    /// Ticks at which a rule stopped a rollout.
    Ticks(SpooledTicks),
}

/// Ticks that a driver judged while the journal could not be written, up to the one at which a rule stopped the rollout. The
/// stop was sent at once; merged, the ticks tell why, and can stop and do nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpooledTicks {
    /// The rollout.
    pub rollout: String,
    /// Ascending, none of them recorded.
    pub ticks: Vec<Tick>,
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

/// Puts an act into the spool.
///
/// # Errors
/// Where no folder of the spool can be written.
pub(super) fn put_aside(spool: &Spool, at: Timestamp, what: &str, act: &SpooledAct) -> std::io::Result<()> {
    let body = serde_json::to_value(act).map_err(std::io::Error::other)?;
    // two acts of one process in one millisecond are two
    let known_as = sha256_hex(body.to_string().as_bytes());
    let id = format!("{what}-{}-{}-{}", at.0, std::process::id(), &known_as[..16]);
    spool.put(&Spooled { id, at, body }).map(|_| ())
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
        for (path, record) in self.spool.pending()? {
            let act = serde_json::from_value::<SpooledAct>(record.body.clone());
            let act = act.map_err(|error| SpoolError { path: path.clone(), detail: error.to_string() })?;
            while !self.store.is_merged(&record.id) {
                let merged = match &act {
                    SpooledAct::Stop(stop) => self.merge_stop(&record.id, stop),
                    SpooledAct::Ticks(ticks) => self.merge_ticks(&record.id, ticks),
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

    /// Folds ticks that were judged without the journal; nothing where it knows no such rollout. What others recorded
    /// meanwhile is not judged again.
    fn merge_ticks(
        &mut self,
        record: &str,
        spooled: &SpooledTicks,
    ) -> Result<Option<Vec<(String, Step)>>, ControlError> {
        let Some(rollout) = self.store.rollout(&spooled.rollout) else { return Ok(None) };
        let last = rollout.state.last_tick;
        let mut batch = Batch::default();
        for tick in spooled.ticks.iter().filter(|tick| last.is_none_or(|last| tick.at > last)) {
            let tick = Tick { present: false, ..tick.clone() };
            self.fold_fact(&mut batch, &spooled.rollout, Input::Tick(tick));
        }
        batch.spooled(&spooled.rollout, record);
        self.store.commit(self.now(), batch).map(Some)
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
