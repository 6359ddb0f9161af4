//! Driving rollouts in the foreground until each has ended or needs a person.

use std::collections::BTreeSet;

use super::effects::Patience;
use super::error::ControlError;
use super::record::Step;
use super::rollout::Rollout;
use super::site::Site;
use crate::engine::input::{Hold, HoldKind};
use crate::engine::{Event, Phase, Span, Timestamp};
use crate::journal::DriverSeen;

/// A driver looks at the journal at least this often, so that other people's commands are noticed soon.
pub(super) const LOOK: Span = Span::seconds(1);

/// A journal that cannot be used for so long is not waited for any more, unless the driver is to stay.
const TROUBLE_AT_MOST: Span = Span::minutes(10);
/// For how long a driver that comes back from time to time counts as one.
const COMES_BACK: Span = Span::minutes(15);

/// How long a drive goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// For one pass.
    Once,
    /// Until every rollout has ended or needs a person.
    PersonIsNeeded,
    /// Until no rollout exposes anybody and is not completed.
    NobodyIsExposed,
}

/// What a drive shows.
pub enum Seen<'s> {
    /// A step of a rollout, by whoever.
    Step(&'s Rollout, &'s Step),
    /// A pass could not be recorded; it is tried again.
    Trouble(&'s ControlError),
    /// A pass is over: all rollouts as they are now.
    Pass(&'s [&'s Rollout], Timestamp),
}

impl Site {
    /// Drives rollouts; `see` is told of every step, by whoever. Ends when none is left that goes on by itself.
    ///
    /// # Errors
    /// The journal's.
    pub async fn drive(
        &mut self,
        ids: &BTreeSet<String>,
        until: Until,
        see: &mut (dyn FnMut(Seen<'_>) + Send),
    ) -> Result<(), ControlError> {
        let series = ids.iter().filter_map(|id| self.store.rollout(id)).flat_map(|rollout| &rollout.plan.series);
        let queries: Vec<_> = series.map(|series| series.query.clone()).collect();
        let mut reading = tokio::task::JoinSet::new();
        for scrape in &self.scrapes {
            scrape.watch(&queries);
            let scrape = scrape.clone();
            // reads pages and touches no backend; ends with this drive
            reading.spawn(async move { scrape.keep_reading().await });
        }
        // whoever ends after one pass leaves nothing under way
        let patience = if until == Until::Once { Patience::ToTheEnd } else { Patience::Short };
        let mut trouble_since = None;
        loop {
            let passed = match self.pass_with(ids, patience).await {
                Ok(passed) => passed,
                Err(error) if until == Until::Once => return Err(error),
                // nothing grows unrecorded; a lock goes away, a full disk is emptied: look again soon
                Err(error) => {
                    let since = *trouble_since.get_or_insert(self.now());
                    if until == Until::PersonIsNeeded && self.now().since(since) > TROUBLE_AT_MOST {
                        return Err(error);
                    }
                    see(Seen::Trouble(&error));
                    self.rest(self.now().plus(LOOK)).await;
                    continue;
                }
            };
            trouble_since = None;
            for (id, step) in &passed.steps {
                if let Some(rollout) = self.store.rollout(id).filter(|_| ids.contains(id)) {
                    see(Seen::Step(rollout, step));
                }
            }
            let rollouts: Vec<&Rollout> = ids.iter().filter_map(|id| self.store.rollout(id)).collect();
            see(Seen::Pass(&rollouts, self.now()));
            let now = self.now();
            let rollouts = || ids.iter().filter_map(|id| self.store.rollout(id));
            let ended = match until {
                Until::Once => {
                    self.beat(ids, now, now.plus(COMES_BACK));
                    true
                }
                Until::PersonIsNeeded => rollouts().all(|rollout| !goes_on(rollout) || self.is_held_for_good(rollout)),
                Until::NobodyIsExposed => rollouts().all(|rollout| !goes_on(rollout) && !rollout.state.is_live()),
            };
            if ended {
                return Ok(());
            }
            let next = passed.next.map_or(now.plus(LOOK), |next| next.min(now.plus(LOOK))).max(now.plus(Span(20)));
            self.beat(ids, now, next);
            self.rest(next).await;
        }
    }

    /// Whether a running rollout goes nowhere before a person does something about its documents. A reduction that is
    /// still to be done is waited for.
    pub fn is_held_for_good(&self, rollout: &Rollout) -> bool {
        let by_documents = |hold: &Hold| matches!(hold.kind, HoldKind::AddressChanged | HoldKind::DocumentGone);
        let settled = self.watched.as_ref().is_none_or(|watched| watched.are_settled(self.now()));
        settled
            && rollout.state.phase == Phase::Running
            && rollout.state.effect.is_none()
            && self.holds(&rollout.plan).iter().any(by_documents)
    }

    /// Says that this process drives. Failing to say so is no reason to stop.
    pub(super) fn beat(&mut self, ids: &BTreeSet<String>, now: Timestamp, next: Timestamp) {
        let Some(driving) = &mut self.driving else { return };
        // once a few seconds is enough for others to see
        if now.since(driving.alive) < Span::seconds(5) {
            return;
        }
        driving.alive = now;
        driving.next = next;
        driving.drives = ids.iter().filter_map(|id| self.store.rollout(id)).map(Rollout::address).collect();
        let seen = driving.clone();
        let _ = self.store.journal().heartbeat(&seen);
    }

    /// Declares this process a driver: others see it in `status`.
    pub fn declare_driver(&mut self, command: &str, host: &str) {
        self.driving = Some(DriverSeen {
            command: command.to_owned(),
            host: host.to_owned(),
            pid: std::process::id(),
            alive: Timestamp(0),
            next: Timestamp(0),
            drives: Vec::new(),
        });
    }

    /// Takes back what [`Site::declare_driver`] said.
    pub fn retire_driver(&mut self) {
        if let Some(seen) = self.driving.take() {
            let _ = self.store.journal().retire(&seen);
        }
    }

    /// Who drives now, by `release@environment`.
    pub fn drivers(&mut self) -> Vec<DriverSeen> {
        let now = self.now();
        alive(self.store.journal().drivers().unwrap_or_default(), now)
    }
}

/// Those of some drivers that have not missed the time at which they would be back, and that have not died on this host.
pub(super) fn alive(drivers: Vec<DriverSeen>, now: Timestamp) -> Vec<DriverSeen> {
    let on_time = |driver: &DriverSeen| now <= driver.next.plus(Span::seconds(15));
    drivers.into_iter().filter(|driver| on_time(driver) && !has_died(driver)).collect()
}

/// One that comes back from time to time is not there in between.
fn has_died(driver: &DriverSeen) -> bool {
    let here = rustix::system::uname();
    let pid = i32::try_from(driver.pid).ok().and_then(rustix::process::Pid::from_raw);
    !driver.comes_and_goes()
        && driver.host == here.nodename().to_string_lossy()
        && pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Whether a rollout goes on by itself: it runs, or something is still to be done at its backend. One that only waits for
/// approval needs a person.
pub fn goes_on(rollout: &Rollout) -> bool {
    let state = &rollout.state;
    match state.phase {
        Phase::Running => !state.waits_for_approval(&rollout.plan),
        Phase::Paused | Phase::Stopped => state.effect.is_some(),
        Phase::None | Phase::Completed => false,
    }
}

/// Whether a step is worth a line where there is no live screen.
pub fn is_news(step: &Step) -> bool {
    step.events.iter().any(|event| !matches!(event, Event::Ticked(_)))
}
