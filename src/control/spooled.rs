//! Stops and freezes that could not be recorded in time. Nobody appends or grows before they are merged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ControlError;
use super::record::{Freeze, Step, off};
use super::site::Site;
use super::store::{Batch, is_conflict};
use crate::canonical::sha256_hex;
use crate::engine::Input;
use crate::engine::Timestamp;
use crate::engine::input::{Command, Gates, Issued, Observation, Signal, Tick};
use crate::journal::spool::{Spool, SpoolError, Spooled, Waiting};

/// How long the folder beside the journal may take to take in what waits.
const SPOOLING: Duration = Duration::from_secs(1);

/// What waits to be recorded. Only what stops is taken in: a file can do no more than a stop could.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpooledAct {
    /// A pause or an abort.
    Stop(Box<SpooledStop>),
    /// A freeze.
    Freeze(Freeze),
    /// Ticks at which a rule stopped a rollout.
    Ticks(SpooledTicks),
    /// Signals that came in one moment.
    Signals(Vec<SpooledSignal>),
}

/// A signal that waits to be recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpooledSignal {
    /// The rollout.
    pub rollout: String,
    /// The signal.
    pub signal: Signal,
}

impl SpooledSignal {
    /// The rollout, and what tells the signal from others.
    pub(super) fn key(&self) -> Option<(String, String)> {
        Some((self.rollout.clone(), self.signal.origin.as_ref()?.key.clone()))
    }
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

impl SpooledAct {
    /// Why it is not to be taken in, where it asks for more than a stop may.
    fn fault(&self, now: Timestamp) -> Option<String> {
        match self {
            SpooledAct::Stop(stop) => match &stop.issued.command {
                Command::Pause | Command::Abort | Command::Rollback { .. } => None,
                other => Some(format!("it asks for `{}`, and only stops may wait here", other.word())),
            },
            SpooledAct::Freeze(freeze) => {
                (freeze.until <= freeze.at).then(|| "it lifts a freeze, and only stops may wait here".to_owned())
            }
            SpooledAct::Signals(signals) => {
                let ahead = signals.iter().find(|waits| waits.signal.at > now)?;
                Some(format!("it tells of {}, which is yet to come", ahead.signal.at))
            }
            SpooledAct::Ticks(ticks) => {
                let ahead = ticks.ticks.iter().find(|tick| tick.at > now || tick.evaluated > now)?;
                Some(format!("it tells of {}, which is yet to come", ahead.at.max(ahead.evaluated)))
            }
        }
    }
}

/// An act that is being put into the spool. The disk may hang that the journal and the spool beside it are on.
pub(super) struct Aside {
    spool: Spool,
    record: Spooled,
    done: std::sync::mpsc::Receiver<std::io::Result<PathBuf>>,
}

impl Aside {
    /// Begins to put an act into the spool.
    ///
    /// # Errors
    /// Where it cannot be put into words.
    pub(super) fn begin(spool: &Spool, at: Timestamp, what: &str, act: &SpooledAct) -> std::io::Result<Aside> {
        let body = serde_json::to_value(act).map_err(std::io::Error::other)?;
        // two acts of one process in one millisecond are two
        let known_as = sha256_hex(body.to_string().as_bytes());
        let id = format!("{what}-{}-{}-{}", at.0, std::process::id(), &known_as[..16]);
        let (spool, record) = (spool.clone(), Spooled { id, at, body });
        let (tell, done) = std::sync::mpsc::channel();
        let beside = (spool.clone(), record.clone());
        std::thread::spawn(move || {
            // nobody may be waiting any more
            let _ = tell.send(beside.0.put(&beside.1));
        });
        Ok(Aside { spool, record, done })
    }

    /// Where it waits now. A disk that does not answer is not waited for: then it is in the last place, and, should the
    /// disk come back, beside the journal too, where it is merged once.
    ///
    /// # Errors
    /// Where no folder of the spool can be written.
    pub(super) fn waits(self) -> std::io::Result<PathBuf> {
        self.done.recv_timeout(SPOOLING).unwrap_or_else(|_| self.spool.put_last(&self.record))
    }
}

/// Puts an act into the spool.
///
/// # Errors
/// Where no folder of the spool can be written.
pub(super) fn put_aside(spool: &Spool, at: Timestamp, what: &str, act: &SpooledAct) -> std::io::Result<PathBuf> {
    Aside::begin(spool, at, what, act)?.waits()
}

/// A record that waits, and what it says.
pub(super) struct Understood {
    path: PathBuf,
    record: Spooled,
    pub(super) act: SpooledAct,
}

/// What waits and may be merged, oldest first, and what is refused.
pub(super) fn look(spool: &Spool, now: Timestamp) -> (Vec<Understood>, Vec<SpoolError>) {
    let Waiting { records, mut refused } = spool.look();
    let mut waiting = Vec::new();
    for (path, record) in records {
        match understood(&path, &record, now) {
            Ok(act) => waiting.push(Understood { path, record, act }),
            Err(error) => refused.push(error),
        }
    }
    (waiting, refused)
}

fn understood(path: &Path, record: &Spooled, now: Timestamp) -> Result<SpooledAct, SpoolError> {
    let path = path.to_owned();
    let act: SpooledAct = match serde_json::from_value(record.body.clone()) {
        Ok(act) => act,
        Err(error) => return Err(SpoolError::Unreadable { path, detail: error.to_string() }),
    };
    match act.fault(now) {
        None => Ok(act),
        Some(why) => Err(SpoolError::Refused { path, why, advice: "find out who put it there, and move it away" }),
    }
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

    /// Merges what waits. A merged record acts where it is merged, on the rollout that it names. What is refused keeps no
    /// other from being merged; it holds all growth until a person has looked.
    ///
    /// # Errors
    /// The journal's, and the first thing that was refused.
    pub fn merge_spool(&mut self) -> Result<Vec<(String, Step)>, ControlError> {
        let mut steps = Vec::new();
        let (waiting, refused) = look(&self.spool, self.now());
        for Understood { path, record, act } in waiting {
            while !self.store.is_merged(&record.id) {
                let merged = match &act {
                    SpooledAct::Stop(stop) => self.merge_stop(&record.id, stop),
                    SpooledAct::Ticks(ticks) => self.merge_ticks(&record.id, ticks),
                    SpooledAct::Signals(signals) => self.merge_signals(&record.id, signals),
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
                // this journal knows no such rollout: kept for people to look at, and told by `status` and `doctor`
                self.spool.put_away(&path);
            }
        }
        refused.into_iter().next().map_or(Ok(steps), |error| Err(error.into()))
    }

    /// Folds ticks that were judged without the journal; nothing where it knows no such rollout. What others recorded
    /// meanwhile is not judged again. What was read at the backend then is left out: it is read again, and could settle a
    /// growth.
    fn merge_ticks(
        &mut self,
        record: &str,
        spooled: &SpooledTicks,
    ) -> Result<Option<Vec<(String, Step)>>, ControlError> {
        if self.store.rollout(&spooled.rollout).is_none() {
            return Ok(None);
        }
        let bare = |tick: &Tick| Tick { present: false, gates: Gates::default(), ..tick.clone() };
        let ticks = spooled.ticks.iter().map(bare).collect();
        let mut batch = Batch::default();
        self.fold_fact(&mut batch, &spooled.rollout, Input::Aside(ticks));
        batch.spooled(&spooled.rollout, record);
        self.store.commit(self.now(), batch).map(Some)
    }

    /// Folds signals that could not be recorded when they came. One that has reached its rollout since does nothing more.
    fn merge_signals(
        &mut self,
        record: &str,
        signals: &[SpooledSignal],
    ) -> Result<Option<Vec<(String, Step)>>, ControlError> {
        let mut batch = Batch::default();
        for waits in signals {
            let Some(rollout) = self.store.rollout(&waits.rollout) else { continue };
            let is_new = waits.key().is_none_or(|(_, key)| !rollout.signals.contains(&key));
            if is_new {
                self.fold_fact(&mut batch, &waits.rollout, Input::Signal(waits.signal.clone()));
            }
            batch.spooled(&waits.rollout, record);
        }
        if batch.is_empty() {
            return Ok(None);
        }
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
            batch.put(off(&stop.flag, &stop.environment, &stop.issued, None, Some(record.to_owned())));
            return self.store.commit(self.now(), batch).map(Some);
        };
        let issued = Issued { saw: None, holds: Vec::new(), backend: Observation::NotRead, ..stop.issued.clone() };
        let _ = self.store.fold(&mut batch, &id, self.now(), Input::Command(Box::new(issued)));
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
