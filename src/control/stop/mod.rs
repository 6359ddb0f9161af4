//! The stop path: `abort` and `pause`. They need the Project document alone, never ask, and never wait for the journal.

mod haste;
mod report;
mod site;
mod stopping;
#[cfg(test)]
mod tests;
mod was;

use std::sync::Arc;

use futures_util::future::join_all;

use self::haste::Hasty;
pub use self::report::{Recorded, StopOutcome, StopReport};
pub(super) use self::site::RECORDING;
pub use self::site::StopSite;
use self::stopping::{Stopping, switched_off};
use super::drive::alive;
use super::error::ControlError;
use super::record::off;
use super::rollout::Rollout;
use super::spooled::{SpooledAct, SpooledStop};
use super::store::Batch;
use crate::engine::input::{Command, Issued, Observation, Observed, Outcome};
use crate::engine::{Effect, EffectKind, Input, Span, Timestamp};
use crate::journal::DriverSeen;

/// What to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// Off for everybody.
    Abort,
    /// No growth; exposure stays.
    Pause,
}

impl StopSite {
    /// Stops releases or flags, each with its environment: first all intents, then all backends at once, so that one that
    /// hangs delays no other.
    pub async fn stop(
        &mut self,
        targets: &[(String, String)],
        kind: StopKind,
        reason: Option<&str>,
        timeout: Span,
    ) -> Vec<StopReport> {
        let began = self.clock.now();
        self.stop_from(began, targets, kind, reason, timeout, Vec::new()).await
    }

    /// Stops a release or flag in the environment that is named, or in all of them: those of the documents, and those that
    /// only the journal knows. One that takes long to read is waited for until the time is over, while what the documents
    /// name is stopped; only a pause where the documents know the environment does not wait. Without a target there is no
    /// report.
    pub async fn stop_everywhere(
        &mut self,
        name: &str,
        only: Option<&str>,
        kind: StopKind,
        reason: Option<&str>,
        timeout: Span,
    ) -> Vec<StopReport> {
        let began = self.clock.now();
        let targets = |site: &StopSite| -> Vec<(String, String)> {
            let meant = |environment: &String| only.is_none_or(|only| only == environment);
            let environments = site.environments().into_iter().filter(meant);
            environments.map(|environment| (name.to_owned(), environment)).collect()
        };
        let hasty = match self.is_reading() {
            true => self.act_in_haste(&targets(self), only.is_some(), kind, reason, began.plus(timeout)).await,
            false => Vec::new(),
        };
        let targets = targets(self);
        self.stop_from(began, &targets, kind, reason, timeout, hasty).await
    }

    async fn stop_from(
        &mut self,
        began: Timestamp,
        targets: &[(String, String)],
        kind: StopKind,
        reason: Option<&str>,
        timeout: Span,
        mut hasty: Vec<Hasty>,
    ) -> Vec<StopReport> {
        self.look_up_flags(targets);
        let give_up = began.plus(timeout);
        let mut sites: Vec<Stopping> =
            targets.iter().map(|(name, environment)| self.begin(name, environment)).collect();
        for site in &mut sites {
            let done = hasty.iter().find(|done| done.environment == site.environment && done.flag == site.flag);
            site.haste = done.and_then(|done| done.haste.clone());
        }
        let mut recorded: Vec<Option<Recorded>> = Vec::new();
        for site in &sites {
            // a name that only the backend may know is recorded once it is known to be one
            let may_be_nothing = site.id.is_none() && self.journal_is_known();
            recorded.push((!may_be_nothing).then(|| self.intend(site, kind, reason, None, &mut hasty)));
        }
        let clock = Arc::clone(&self.clock);
        let known = self.journal_is_known();
        let acted = join_all(sites.iter().map(|site| site.act(kind, known, give_up, &*clock))).await;
        let unreached: Vec<Vec<String>> = acted.iter().map(|acted| acted.unreached.clone()).collect();
        let (mut outcomes, seen): (Vec<_>, Vec<_>) = acted.into_iter().map(|acted| (acted.outcome, acted.off)).unzip();
        self.settle(targets, &mut outcomes);
        let mut reports = Vec::new();
        let sites = sites.iter().zip(unreached);
        for ((((site, unreached), outcome), seen), recorded) in sites.zip(outcomes).zip(seen).zip(recorded) {
            let recorded = match recorded {
                Some(recorded) => recorded,
                None if matches!(outcome, StopOutcome::NoSuchFlag | StopOutcome::NothingToPause { .. }) => {
                    Hasty::take_back(&mut hasty, &site.environment);
                    Recorded::Journal
                }
                None => self.intend(site, kind, reason, Some(switched_off(&outcome)), &mut hasty),
            };
            if let Some(seen) = seen {
                self.record_outcome(site, seen);
            }
            let driver = matches!(outcome, StopOutcome::NotOff { .. }).then(|| self.driver(&site.address)).flatten();
            // what was off is not to be switched on by an undo
            let undo = if kind == StopKind::Abort && outcome != StopOutcome::AlreadyOff { site.undo() } else { None };
            let (address, rollout) = (site.address.clone(), site.id.clone());
            let took = self.clock.now().since(began);
            reports.push(StopReport { address, rollout, outcome, undo, driver, recorded, unreached, took });
        }
        reports
    }

    /// What one environment alone cannot tell: a flag that is missing here and was switched off there is no trouble, and a
    /// release that never began is off.
    fn settle(&self, targets: &[(String, String)], outcomes: &mut [StopOutcome]) {
        let found = |name: &String| {
            targets.iter().zip(outcomes.iter()).any(|((other, _), outcome)| other == name && switched_off(outcome))
        };
        let found: Vec<bool> = targets.iter().map(|(name, _)| found(name)).collect();
        for ((target, outcome), found) in targets.iter().zip(outcomes.iter_mut()).zip(found) {
            match outcome {
                StopOutcome::Unsure { .. } if found => *outcome = StopOutcome::NoSuchFlag,
                StopOutcome::Unsure { why } => {
                    *outcome = StopOutcome::NotOff { why: std::mem::take(why), not_authorised: false }
                }
                StopOutcome::NoSuchFlag if self.flags.contains_key(target) => *outcome = StopOutcome::AlreadyOff,
                _ => {}
            }
        }
    }

    fn rollout(&self, name: &str, environment: &str) -> Option<&Rollout> {
        let store = self.store.as_ref().ok()?;
        store.newest(name, environment).or_else(|| store.newest_of_flag(name, environment))
    }

    fn begin(&self, name: &str, environment: &str) -> Stopping {
        let rollout = self.rollout(name, environment);
        let plan = rollout.map(|rollout| rollout.plan.clone());
        Stopping {
            address: plan.as_ref().map_or_else(|| format!("{name}@{environment}"), |plan| plan.address()),
            flag: match &plan {
                Some(plan) => plan.flag.clone(),
                None => {
                    let declared = self.flags.get(&(name.to_owned(), environment.to_owned()));
                    declared.cloned().unwrap_or_else(|| name.to_owned())
                }
            },
            environment: environment.to_owned(),
            id: rollout.map(|rollout| rollout.id.clone()),
            before: rollout.map(|rollout| rollout.state.clone()),
            pinned: plan.as_ref().map(|plan| self.connect(environment, &plan.target).place()),
            backends: self.addresses(environment, plan.as_ref().map(|plan| &plan.target)),
            former: rollout.map(|rollout| self.former_addresses(rollout)).unwrap_or_default(),
            audiences: plan.as_ref().map_or_else(|| self.audiences.clone(), |plan| plan.audiences.clone()),
            unusable: self.unusable(environment),
            plan,
            haste: None,
        }
    }

    /// Tries the journal for 100 ms, else the spool. What was put there in haste is taken back once it is in the journal.
    fn intend(
        &mut self,
        stopping: &Stopping,
        kind: StopKind,
        reason: Option<&str>,
        confirmed: Option<bool>,
        hasty: &mut Vec<Hasty>,
    ) -> Recorded {
        let Stopping { flag, environment, .. } = stopping;
        let id = stopping.id.as_deref();
        let issued = self.issued(kind, reason);
        let now = issued.at;
        let written = self.record(|store| {
            let mut batch = Batch::default();
            match id {
                Some(id) => _ = store.fold(&mut batch, id, now, Input::Command(Box::new(issued.clone())))?,
                // a bare flag key: no rollout's stream is the place for it
                None if kind == StopKind::Abort => batch.put(off(flag, environment, &issued, confirmed, None)),
                // it waits for the journal that knows the rollout
                None => return Err(ControlError::Failed("the journal knows no rollout of it".to_owned())),
            }
            store.commit(now, batch)
        });
        let waits = Hasty::take(hasty, environment);
        match (written, waits) {
            (Ok(_), waits) => {
                waits.into_iter().for_each(Hasty::forget);
                Recorded::Journal
            }
            (Err(why), Some(Hasty { waits: Ok(_), .. })) => Recorded::Spool(why),
            (Err(why), _) => self.put_aside(issued.at, "stop", &spooled(id, flag, environment, issued), why),
        }
    }

    fn issued(&self, kind: StopKind, reason: Option<&str>) -> Issued {
        Issued {
            command: match kind {
                StopKind::Abort => Command::Abort,
                StopKind::Pause => Command::Pause,
            },
            actor: self.actor.clone(),
            at: self.clock.now(),
            reason: reason.map(str::to_owned),
            saw: None,
            holds: Vec::new(),
            backend: Observation::NotRead,
        }
    }

    /// Records that it is off, as it was read back at all of its addresses.
    fn record_outcome(&mut self, stopping: &Stopping, seen: Observed) {
        let (Ok(store), Some(id)) = (&self.store, &stopping.id) else { return };
        let open = store.rollout(id).and_then(|rollout| rollout.state.effect.clone());
        let Some(Effect { id: effect, kind: EffectKind::Off, .. }) = open else { return };
        let (at, backend) = (self.clock.now(), Observation::Seen(seen));
        let outcome = Input::Outcome(Outcome { effect, at, backend, settled: true, trouble: None });
        // a driver that saw it first has recorded it already
        let _ = self.record(|store| {
            let mut batch = Batch::default();
            store.fold(&mut batch, id, at, outcome.clone())?;
            store.commit(at, batch)
        });
    }

    fn driver(&mut self, address: &str) -> Option<String> {
        let now = self.clock.now();
        let drivers = self.store.as_mut().ok()?.journal().drivers().ok()?;
        let drives = |driver: &DriverSeen| driver.drives.iter().any(|driven| driven == address);
        let alive = alive(drivers, now).into_iter().find(drives)?;
        let since = now.since(alive.alive);
        // one pass is over by now: whether there will be another is for whoever called it
        Some(match alive.command.contains("--once") {
            true => {
                format!("{}@{}, last seen {since} ago, tries again if it is called again", alive.command, alive.host)
            }
            false => format!("{}@{} (alive {since} ago) keeps trying", alive.command, alive.host),
        })
    }
}

fn spooled(rollout: Option<&str>, flag: &str, environment: &str, issued: Issued) -> SpooledAct {
    let (flag, environment) = (flag.to_owned(), environment.to_owned());
    SpooledAct::Stop(Box::new(SpooledStop { rollout: rollout.map(str::to_owned), flag, environment, issued }))
}
