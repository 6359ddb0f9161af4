//! The stop path: `abort` and `pause`. They need the Project document alone, never ask, and never wait for the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::ControlError;
use super::record::Step;
use super::site::backends;
use super::spooled::SpooledStop;
use super::store::{Batch, Rollout, Store, is_conflict};
use crate::backend::Backend;
use crate::backend::flagd::Flagd;
use crate::clock::Clock;
use crate::engine::input::{Actor, Command, Issued, Observation, Observed, Outcome};
use crate::engine::plan::{Audience, Target};
use crate::engine::{Effect, EffectKind, Exposure, Input, Phase, Span, Timestamp};
use crate::journal::Journal;
use crate::journal::spool::{Spool, Spooled};
use crate::journal::sqlite::SqliteJournal;
use crate::spec;

/// How long a stop tries to record its intent before it acts.
const RECORDING: Duration = Duration::from_millis(100);
/// How long one try at the backend may take.
const TRY: Duration = Duration::from_secs(5);
/// How long between tries.
const BETWEEN: Span = Span(250);

/// What to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// Off for everybody.
    Abort,
    /// No growth; exposure stays.
    Pause,
}

/// What came of it in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopOutcome {
    /// It was exposed, and has been read back as off.
    Off {
        /// What it was.
        was: Exposure,
    },
    /// It was off before.
    AlreadyOff,
    /// No growth from now on.
    Paused {
        /// What stays exposed.
        still: Exposure,
    },
    /// Nothing to pause there: not started, stopped or completed.
    NothingToPause {
        /// Where it is.
        phase: Phase,
    },
    /// It could not be read back as off.
    NotOff {
        /// Why.
        why: String,
    },
    /// The backend has no such flag, and the journal no such rollout.
    NoSuchFlag,
}

/// What came of a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    /// `release@environment`, or `flag@environment`.
    pub address: String,
    /// What happened.
    pub outcome: StopOutcome,
    /// How it can be undone.
    pub undo: Option<String>,
    /// Who keeps trying, where it is not off.
    pub driver: Option<String>,
    /// Whether it is in the journal; else it waits in the spool, or nowhere.
    pub recorded: Recorded,
    /// How long it took.
    pub took: Span,
}

/// Where a stop was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// In the journal.
    Journal,
    /// In the spool beside it, and why.
    Spool(String),
    /// Nowhere, and why.
    Nowhere(String),
}

/// A project as far as a stop needs it.
pub struct StopSite {
    journal_path: PathBuf,
    dir: PathBuf,
    store: Result<Store, String>,
    spool: Spool,
    backends: BTreeMap<String, Arc<dyn Backend>>,
    clock: Arc<dyn Clock>,
    actor: Actor,
}

impl StopSite {
    /// Opens what there is: the Project document is needed, everything else may be broken.
    ///
    /// # Errors
    /// No readable Project document.
    pub fn open(dir: &Path, actor: Actor, clock: Arc<dyn Clock>) -> Result<StopSite, ControlError> {
        let project = spec::project_only(dir).map_err(ControlError::Invalid)?;
        let journal_path = dir.join(&project.journal);
        Ok(StopSite {
            dir: dir.to_owned(),
            store: open_store(&journal_path),
            spool: Spool::beside(&journal_path),
            backends: backends(dir, &project),
            journal_path,
            clock,
            actor,
        })
    }

    /// The environments of the project.
    pub fn environments(&self) -> Vec<String> {
        self.backends.keys().cloned().collect()
    }

    /// Addresses of every rollout in progress, for `--all`.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn in_progress(&self) -> Result<Vec<(String, String)>, ControlError> {
        let store = self.store.as_ref().map_err(|why| ControlError::Unreachable(why.clone()))?;
        let live = store.rollouts().filter(|rollout| rollout.state.is_live() || rollout.state.is_stopping());
        Ok(live.map(|rollout| (rollout.plan.release.clone(), rollout.plan.environment.clone())).collect())
    }

    /// Stops a release or flag in the given environments.
    pub async fn stop(
        &mut self,
        name: &str,
        environments: &[String],
        kind: StopKind,
        reason: Option<String>,
        timeout: Span,
    ) -> Vec<StopReport> {
        let mut reports = Vec::new();
        let give_up = self.clock.now().plus(timeout);
        for environment in environments {
            reports.push(self.stop_one(name, environment, kind, reason.clone(), give_up).await);
        }
        reports
    }

    fn rollout(&self, name: &str, environment: &str) -> Option<&Rollout> {
        let store = self.store.as_ref().ok()?;
        store.newest(name, environment).or_else(|| {
            store.rollouts().find(|rollout| rollout.plan.flag == name && rollout.plan.environment == environment)
        })
    }

    async fn stop_one(
        &mut self,
        name: &str,
        environment: &str,
        kind: StopKind,
        reason: Option<String>,
        give_up: Timestamp,
    ) -> StopReport {
        let began = self.clock.now();
        let rollout = self.rollout(name, environment);
        let plan = rollout.map(|rollout| rollout.plan.clone());
        let id = rollout.map(|rollout| rollout.id.clone());
        let before = rollout.map(|rollout| (rollout.state.phase, rollout.state.allowed.clone(), rollout.state.stage));
        let flag = plan.as_ref().map_or_else(|| name.to_owned(), |plan| plan.flag.clone());
        let audiences = plan.as_ref().map(|plan| plan.audiences.clone()).unwrap_or_default();
        let mut report = StopReport {
            address: plan.as_ref().map_or_else(|| format!("{name}@{environment}"), |plan| plan.address()),
            outcome: StopOutcome::NoSuchFlag,
            undo: None,
            driver: None,
            recorded: Recorded::Journal,
            took: Span(0),
        };
        let command = match kind {
            StopKind::Abort => Command::Abort,
            StopKind::Pause => Command::Pause,
        };
        let was = before.as_ref().map(|(_, allowed, _)| allowed.clone());
        if kind == StopKind::Pause {
            report.outcome = match &before {
                Some((Phase::Running | Phase::Paused, allowed, _)) => StopOutcome::Paused { still: allowed.clone() },
                Some((phase, ..)) => StopOutcome::NothingToPause { phase: *phase },
                None if self.store.is_ok() => StopOutcome::NothingToPause { phase: Phase::None },
                // the journal cannot be read: the stop is spooled, and what the backend shows is what stays exposed
                None => self.shown(environment, &flag, &audiences).await,
            };
            report.recorded = self.intend(id.as_deref(), &flag, environment, command, reason);
            report.took = self.clock.now().since(began);
            return report;
        }
        let addresses = self.addresses(environment, plan.as_ref().map(|plan| &plan.target));
        // an unreadable journal may know the flag; where there is none, nothing ever began
        let journal_is_known = self.store.is_ok() || !self.journal_path.exists();
        if id.is_none() && journal_is_known && self.is_unknown(&addresses, &flag).await {
            return report;
        }
        report.recorded = self.intend(id.as_deref(), &flag, environment, command, reason);
        if let (Some(plan), Some((phase, _, stage))) = (&plan, &before)
            && *phase != Phase::Stopped
        {
            let stage = plan.stages.get(*stage).map(|stage| stage.name.clone()).unwrap_or_default();
            report.undo = Some(format!("flagstaff start {} -e {environment} --again --at {stage}", plan.release));
        }
        report.outcome = self.switch_off(&addresses, &flag, &audiences, was, give_up).await;
        self.record_outcome(id.as_deref(), &addresses, &flag, &audiences).await;
        if matches!(report.outcome, StopOutcome::NotOff { .. }) {
            report.driver = self.driver(&report.address);
        }
        report.took = self.clock.now().since(began);
        report
    }

    /// Every address that the plan or the present project names: a stop goes to both.
    fn addresses(&self, environment: &str, pinned: Option<&Target>) -> Vec<Arc<dyn Backend>> {
        let mut found: Vec<Arc<dyn Backend>> = self.backends.get(environment).cloned().into_iter().collect();
        if let Some(Target::Flagd { path }) = pinned {
            let pinned = Flagd::new(&self.dir, path);
            if !found.iter().any(|known| known.place() == pinned.place()) {
                found.push(Arc::new(pinned));
            }
        }
        found
    }

    async fn is_unknown(&self, addresses: &[Arc<dyn Backend>], flag: &str) -> bool {
        let audiences = BTreeMap::new();
        for backend in addresses {
            let read = tokio::time::timeout(TRY, backend.read(flag, &audiences)).await;
            if !matches!(read, Ok(Ok(seen)) if seen.revision == "missing") {
                return false;
            }
        }
        true
    }

    async fn shown(&self, environment: &str, flag: &str, audiences: &BTreeMap<String, Audience>) -> StopOutcome {
        let Some(backend) = self.backends.get(environment) else { return StopOutcome::NoSuchFlag };
        match tokio::time::timeout(TRY, backend.read(flag, audiences)).await {
            Ok(Ok(seen)) if seen.revision == "missing" => StopOutcome::NoSuchFlag,
            Ok(Ok(seen)) => StopOutcome::Paused { still: seen.shown() },
            _ => StopOutcome::NotOff { why: "neither the journal nor the backend can be read".to_owned() },
        }
    }

    async fn switch_off(
        &self,
        addresses: &[Arc<dyn Backend>],
        flag: &str,
        audiences: &BTreeMap<String, Audience>,
        was: Option<Exposure>,
        give_up: Timestamp,
    ) -> StopOutcome {
        let mut shown_before = None;
        for backend in addresses {
            if let Ok(Ok(seen)) = tokio::time::timeout(TRY, backend.read(flag, audiences)).await {
                shown_before.get_or_insert(seen);
            }
        }
        loop {
            let mut why = None;
            for backend in addresses {
                let sent = tokio::time::timeout(TRY, backend.switch_off(flag)).await;
                let read = tokio::time::timeout(TRY, backend.read(flag, audiences)).await;
                why = match (sent, read) {
                    (Ok(Ok(())), Ok(Ok(seen))) if is_off(&seen) => continue,
                    (Ok(Err(error)), _) | (_, Ok(Err(error))) => Some(error.to_string()),
                    (Ok(Ok(())), Ok(Ok(_))) => Some(format!("{} still shows it", backend.place())),
                    _ => Some(format!("{} does not answer", backend.place())),
                };
            }
            let Some(why) = why else { break };
            if self.clock.now().plus(BETWEEN) >= give_up {
                return StopOutcome::NotOff { why };
            }
            self.clock.sleep_until(self.clock.now().plus(BETWEEN)).await;
        }
        let exposed = shown_before.as_ref().is_some_and(|seen| !is_off(seen));
        match was.filter(|was| !was.is_nobody()).or_else(|| shown_before.map(|seen| seen.shown())) {
            Some(was) if exposed => StopOutcome::Off { was },
            _ => StopOutcome::AlreadyOff,
        }
    }

    /// Tries the journal for 100 ms, else the spool.
    fn intend(
        &mut self,
        id: Option<&str>,
        flag: &str,
        environment: &str,
        command: Command,
        reason: Option<String>,
    ) -> Recorded {
        let issued = Issued {
            command,
            actor: self.actor.clone(),
            at: self.clock.now(),
            reason,
            saw: None,
            holds: Vec::new(),
            backend: Observation::NotRead,
        };
        let why = match (&mut self.store, id) {
            // a bare flag key without a rollout: there is no stream to record it in
            (Ok(_), None) => return Recorded::Journal,
            (Ok(store), Some(id)) => {
                store.journal().set_patience(RECORDING);
                match append(store, id, self.clock.now(), &Input::Command(Box::new(issued.clone()))) {
                    Ok(_) => return Recorded::Journal,
                    Err(error) => chain(&error),
                }
            }
            (Err(why), _) => why.clone(),
        };
        let stop = SpooledStop {
            rollout: id.map(str::to_owned),
            flag: flag.to_owned(),
            environment: environment.to_owned(),
            issued: issued.clone(),
        };
        let record = Spooled {
            id: format!("stop-{}-{}-{environment}", issued.at.0, std::process::id()),
            at: issued.at,
            body: serde_json::to_value(&stop).unwrap_or_default(),
        };
        match self.spool.put(&record) {
            Ok(_) => Recorded::Spool(why),
            Err(error) => Recorded::Nowhere(format!("{why}; the spool: {error}")),
        }
    }

    async fn record_outcome(
        &mut self,
        id: Option<&str>,
        addresses: &[Arc<dyn Backend>],
        flag: &str,
        audiences: &BTreeMap<String, Audience>,
    ) {
        let (Ok(store), Some(id), Some(backend)) = (&mut self.store, id, addresses.first()) else { return };
        let open = store.rollout(id).and_then(|rollout| rollout.state.effect.clone());
        let Some(Effect { id: effect, kind: EffectKind::Off, .. }) = open else { return };
        let Ok(Ok(seen)) = tokio::time::timeout(TRY, backend.read(flag, audiences)).await else { return };
        let at = self.clock.now();
        let backend = Observation::Seen(seen);
        let outcome = Input::Outcome(Outcome { effect, at, backend, settled: true, trouble: None });
        // a driver that saw it first has recorded it already
        let _ = append(store, id, at, &outcome);
    }

    fn driver(&mut self, address: &str) -> Option<String> {
        let now = self.clock.now();
        let drivers = self.store.as_mut().ok()?.journal().drivers().ok()?;
        let alive = drivers.into_iter().find(|driver| {
            driver.drives.iter().any(|driven| driven == address) && now <= driver.next.plus(Span::seconds(30))
        })?;
        Some(format!("{}@{} (alive {} ago)", alive.command, alive.host, now.since(alive.alive)))
    }

    /// Where the journal is, for people.
    pub fn journal_place(&self) -> String {
        self.journal_path.display().to_string()
    }
}

fn open_store(path: &Path) -> Result<Store, String> {
    match SqliteJournal::open_existing(path) {
        Ok(Some(mut journal)) => {
            journal.set_patience(RECORDING);
            Store::load(Box::new(journal)).map_err(|error| chain(&error))
        }
        Ok(None) => Err(format!("there is no journal at {}", path.display())),
        Err(error) => Err(error.to_string()),
    }
}

fn append(store: &mut Store, id: &str, now: Timestamp, input: &Input) -> Result<Vec<(String, Step)>, ControlError> {
    let mut tried = BTreeSet::new();
    loop {
        let mut batch = Batch::default();
        store.fold(&mut batch, id, now, input.clone())?;
        match store.commit(now, batch) {
            Err(error) if is_conflict(&error) && tried.len() < 20 => {
                tried.insert(tried.len());
                store.refresh()?;
            }
            done => return done,
        }
    }
}

fn chain(error: &ControlError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn is_off(seen: &Observed) -> bool {
    !seen.on || (seen.exposure.is_nobody() && seen.foreign.is_none())
}
