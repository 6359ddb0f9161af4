//! How the process is doing: counted where things happen, read by `/readyz`, `/metrics` and the watchdog.
//!
//! A lock is held for as long as a number takes to be written; whoever drives never waits for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::control::{Rollout, Step};
use crate::engine::input::{Observation, Outcome};
use crate::engine::plan::Action;
use crate::engine::{Event, Input, Phase, Plan, Span, Timestamp, Unknown};

/// Without a pass for so long the process is not ready: what it drives may be late.
const PASS_WITHIN: Span = Span::minutes(1);
/// So many rollouts are kept by the time at which they fall due, the first one first.
const DUE_KEPT: usize = 20;
/// A tick is that late before anybody is told, or as much as one `every`, if that is more.
const GRACE: Span = Span::seconds(10);

/// How the process is doing.
#[derive(Debug, Default)]
pub struct Vitals(Mutex<Counts>);

/// When a rollout's next tick falls due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// `release@environment`.
    pub address: String,
    /// When.
    pub at: Timestamp,
    /// How much later it is late.
    grace: Span,
}

/// What was counted. Everything is since the process began.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// When the process began.
    pub(super) began: Option<Timestamp>,
    /// When a pass was finished and recorded last.
    pub(super) last_pass: Option<Timestamp>,
    /// Why the journal could not be used at the last pass.
    pub(super) trouble: Option<String>,
    /// Those that fall due first.
    pub(super) due: Vec<Due>,
    /// Rollouts by state.
    pub(super) states: BTreeMap<&'static str, u64>,
    pub(super) passes: u64,
    pub(super) passes_failed: u64,
    pub(super) ticks: u64,
    /// Present ticks, and by how much they were judged after they fell due, in milliseconds.
    pub(super) present: u64,
    pub(super) delay: u64,
    /// Unreadable backends and effects that failed, by environment.
    pub(super) backend_errors: BTreeMap<String, u64>,
    /// Queries without an answer, by source.
    pub(super) telemetry_errors: BTreeMap<String, u64>,
    /// What was decided, by what and who.
    pub(super) decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// Applied documents, by what came of it.
    pub(super) applied: BTreeMap<&'static str, u64>,
    /// Signals, by name and what came of them.
    pub(super) signals: BTreeMap<(String, &'static str), u64>,
    /// Messages to others, by notification and what came of them.
    pub(super) notifications: BTreeMap<(String, &'static str), u64>,
    /// Messages that wait, by notification.
    pub(super) waiting: BTreeMap<String, u64>,
    /// What does not work for now and is no part of driving, by what it is about.
    pub(super) faults: BTreeMap<String, String>,
}

impl Vitals {
    /// Of a process that began now.
    pub fn since(began: Timestamp) -> Vitals {
        Vitals(Mutex::new(Counts { began: Some(began), ..Counts::default() }))
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        // counts are whole after every line
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a step of a rollout, by whoever.
    pub fn step(&self, rollout: &Rollout, step: &Step) {
        let mut counts = self.counts();
        match &step.input {
            Input::Tick(tick) => {
                counts.ticks += 1;
                if tick.present {
                    counts.present += 1;
                    counts.delay += tick.evaluated.since(tick.at.plus(rollout.plan.delay)).0;
                }
                counts.backend(&rollout.plan, &tick.gates.backend);
                for (series, reading) in rollout.plan.series.iter().zip(&tick.readings) {
                    if reading.unknown() == Some(Unknown::Error) {
                        *counts.telemetry_errors.entry(series.query.source.clone()).or_default() += 1;
                    }
                }
            }
            Input::Seen { backend, .. } => counts.backend(&rollout.plan, backend),
            Input::Outcome(Outcome { trouble: Some(_), .. }) => counts.backend_error(&rollout.plan),
            _ => {}
        }
        let by = match &step.input {
            Input::Command(_) => "person",
            Input::Signal(_) => "signal",
            _ => "rule",
        };
        for event in &step.events {
            if let Some(what) = decision(event) {
                *counts.decisions.entry((what, by)).or_default() += 1;
            }
        }
    }

    /// A pass was finished and recorded. Returns whether the one before could not be.
    pub fn pass(&self, rollouts: &[&Rollout], now: Timestamp) -> bool {
        let mut due: Vec<(Timestamp, &Rollout)> =
            rollouts.iter().filter_map(|rollout| Some((next_due(rollout)?, *rollout))).collect();
        let kept = due.len().min(DUE_KEPT);
        if kept < due.len() {
            due.select_nth_unstable_by_key(kept, |(at, _)| *at);
        }
        due.truncate(kept);
        due.sort_by_key(|(at, _)| *at);
        let mut states = BTreeMap::from(["running", "paused", "stopping", "stopped", "completed"].map(|it| (it, 0)));
        for rollout in rollouts {
            let state = match rollout.state.phase {
                Phase::Running => "running",
                Phase::Paused => "paused",
                Phase::Stopped if rollout.state.is_stopping() => "stopping",
                Phase::Stopped => "stopped",
                Phase::Completed => "completed",
                Phase::None => continue,
            };
            *states.entry(state).or_default() += 1;
        }
        let grace = |rollout: &Rollout| rollout.plan.every.max(GRACE);
        let due = due.into_iter().map(|(at, rollout)| Due { address: rollout.address(), at, grace: grace(rollout) });
        let mut counts = self.counts();
        counts.due = due.collect();
        counts.states = states;
        counts.passes += 1;
        counts.last_pass = Some(now);
        counts.trouble.take().is_some()
    }

    /// A pass could not be recorded. Returns whether the one before could.
    pub fn trouble(&self, why: &str) -> bool {
        let mut counts = self.counts();
        counts.passes_failed += 1;
        counts.trouble.replace(why.to_owned()).is_none()
    }

    /// The documents were applied, or could not be.
    pub fn applied(&self, done: bool) {
        let mut counts = self.counts();
        *counts.applied.entry(if done { "done" } else { "failed" }).or_default() += 1;
    }

    /// A signal came; what came of it in one word of ours.
    pub fn signal(&self, name: &str, what: &'static str) {
        *self.counts().signals.entry((name.to_owned(), what)).or_default() += 1;
    }

    /// Messages to others came to something; to what in one word of ours.
    pub fn notified(&self, notification: &str, what: &'static str, count: u64) {
        *self.counts().notifications.entry((notification.to_owned(), what)).or_default() += count;
    }

    /// How many messages wait, by notification.
    pub fn notifications_wait(&self, waiting: BTreeMap<String, u64>) {
        self.counts().waiting = waiting;
    }

    /// Something does not work for now, or does again. Returns whether that is news.
    pub fn fault(&self, about: &str, why: Option<&str>) -> bool {
        let mut counts = self.counts();
        let before = match why {
            Some(why) => counts.faults.insert(about.to_owned(), why.to_owned()),
            None => counts.faults.remove(about),
        };
        before.as_deref() != why
    }

    /// Rollouts whose next tick should have been judged by now, the one that waits longest first. Of many only the first.
    pub fn overdue(&self, now: Timestamp) -> Vec<Due> {
        self.counts().due.iter().filter(|due| due.is_late(now)).cloned().collect()
    }

    /// Why the process is not ready; empty if it is.
    pub fn faults(&self, now: Timestamp) -> Vec<String> {
        let overdue = self.overdue(now);
        let counts = self.counts();
        let mut faults = Vec::new();
        let since = counts.last_pass.or(counts.began).unwrap_or(now);
        match counts.last_pass {
            None => faults.push("no pass has been finished yet".to_owned()),
            Some(_) if now.since(since) > PASS_WITHIN => {
                faults.push(format!("no pass has been finished for {}", Span(now.since(since).0 / 1000 * 1000)));
            }
            Some(_) => {}
        }
        faults.extend(counts.trouble.iter().map(|why| format!("the journal: {why}")));
        faults.extend(overdue.iter().map(|due| format!("{} is late: its tick fell due at {}", due.address, due.at)));
        faults.extend(counts.faults.iter().map(|(about, why)| format!("{about}: {why}")));
        faults
    }
}

impl Due {
    /// Whether it is late by more than passes take.
    fn is_late(&self, now: Timestamp) -> bool {
        now > self.at.plus(self.grace)
    }
}

impl Counts {
    fn backend(&mut self, plan: &Plan, seen: &Observation) {
        if matches!(seen, Observation::Unreadable(_)) {
            self.backend_error(plan);
        }
    }

    fn backend_error(&mut self, plan: &Plan) {
        *self.backend_errors.entry(plan.environment.clone()).or_default() += 1;
    }
}

/// When the first tick that is not judged yet falls due; nothing where none will be judged.
fn next_due(rollout: &Rollout) -> Option<Timestamp> {
    let (plan, state) = (&rollout.plan, &rollout.state);
    if !state.is_live() || plan.every.0 == 0 {
        return None;
    }
    let last = state.last_tick.map_or(state.started, |last| last.max(state.started));
    Some(last.floor_to(plan.every).plus(plan.every).plus(plan.delay))
}

/// What an event decided, in a word; nothing for what only tells.
fn decision(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Started { .. } => "start",
        Event::Advancing { .. } => "advance",
        Event::Completed { .. } => "complete",
        Event::Paused { .. } => "pause",
        Event::RolledBack { .. } => "rollback",
        Event::Stopped { .. } => "shutdown",
        Event::Resumed { .. } => "resume",
        Event::Forced { .. } => "force",
        Event::Notified(fired) if fired.then == Action::Notify => "notify",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::SystemClock;
    use crate::engine::State;
    use crate::journal::Sequence;
    use crate::serve::line::Line;
    use crate::serve::watchdog;

    fn rollout(release: &str, last_tick: Timestamp) -> Rollout {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        let plan = crate::spec::load(&dir).plan("checkout-v2", "production").expect("the example resolves").plan;
        let plan = Plan { release: release.to_owned(), every: Span::seconds(30), delay: Span::seconds(15), ..plan };
        let state = State { phase: Phase::Running, last_tick: Some(last_tick), ..State::default() };
        Rollout {
            id: format!("{release}@production#1"),
            opened: Sequence(1),
            plan: Arc::new(plan),
            plan_hash: String::new(),
            former: Vec::new(),
            state,
            steps: VecDeque::new(),
            ticks: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            behind: BTreeMap::new(),
            judged_late: None,
            judged_to: Timestamp(0),
            place_was_seen: true,
            signals: Default::default(),
            anew: Timestamp(0),
            unfinished: BTreeSet::new(),
        }
    }

    #[test]
    fn a_rollout_is_late_one_tick_after_its_due_time_and_the_process_is_not_ready_then() {
        let vitals = Vitals::since(Timestamp(0));
        assert_eq!(vitals.faults(Timestamp(0)), ["no pass has been finished yet"]);
        let (early, late) = (rollout("early", Timestamp(90_000)), rollout("late", Timestamp(60_000)));
        let mut over = rollout("over", Timestamp(0));
        over.state.phase = Phase::Completed;
        vitals.pass(&[&early, &late, &over], Timestamp(110_000));
        // the tick of 90 s is asked at 105 s, and must have been judged 30 s later
        assert_eq!(vitals.faults(Timestamp(135_000)), [""; 0]);
        let faults = vitals.faults(Timestamp(135_001));
        assert_eq!(faults, ["late@production is late: its tick fell due at 1970-01-01T00:01:45.000Z"]);
        assert!(vitals.faults(Timestamp(170_001))[0].starts_with("no pass has been finished for 1m"), "{faults:?}");
        vitals.pass(&[&rollout("late", Timestamp(120_000))], Timestamp(136_000));
        assert_eq!(vitals.faults(Timestamp(137_000)), [""; 0]);
        assert!(vitals.trouble("locked") && !vitals.trouble("locked"), "told once");
        assert_eq!(vitals.faults(Timestamp(137_000)), ["the journal: locked"]);
    }

    #[test]
    fn of_many_rollouts_those_that_fall_due_first_are_kept() {
        let vitals = Vitals::since(Timestamp(0));
        let all: Vec<Rollout> = (0..100).rev().map(|n| rollout(&format!("r{n}"), Timestamp(n * 30_000))).collect();
        vitals.pass(&all.iter().collect::<Vec<_>>(), Timestamp(0));
        let overdue = vitals.overdue(Timestamp(100_000_000));
        assert_eq!(overdue.len(), DUE_KEPT);
        assert_eq!((overdue[0].address.as_str(), overdue[19].address.as_str()), ("r0@production", "r19@production"));
    }

    #[tokio::test]
    async fn the_watchdog_tells_once_of_what_is_late_though_the_loop_stands_still() {
        let vitals = Arc::new(Vitals::since(Timestamp(0)));
        vitals.pass(&[&rollout("stuck", Timestamp(60_000))], Timestamp(100_000));
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let log = Arc::new(move |line: &Line| heard.lock().unwrap().push((line.event, line.fields[0].1.clone())));
        let watching = watchdog::watch(vitals, Arc::new(SystemClock), log);
        let _ = tokio::time::timeout(Duration::from_millis(2500), watching).await;
        assert_eq!(*told.lock().unwrap(), [("overdue", "stuck@production".to_owned())]);
    }
}
