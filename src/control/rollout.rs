//! One rollout as the journal tells it: where it is, and what is kept of its steps and ticks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::record::Step;
use crate::engine::input::{Command, Late, Signal, Tick};
use crate::engine::plan::Target;
use crate::engine::{Event, Input, Plan, Reading, State, Timestamp, Unknown, decide};
use crate::journal::Sequence;

/// How many steps and ticks of a rollout are kept for people to look at.
pub(super) const KEPT: usize = 240;
/// How many ticks that were judged behind newer ones are kept.
const KEPT_BEHIND: usize = 240;
/// How many ticks are kept beyond those that runs of late ticks need.
const SLACK: usize = 16;
/// How many ticks are kept while some of them wait for an answer.
const KEPT_UNANSWERED: usize = 25_000;

/// One rollout, as the journal tells it.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Its id; its stream in the journal.
    pub id: String,
    /// Where its plan was recorded: of two rollouts the one that was opened later is the newer one.
    pub opened: Sequence,
    /// The pinned plan.
    pub plan: Arc<Plan>,
    /// The plan's hash.
    pub plan_hash: String,
    /// Addresses that earlier plans of it named: it may have been left behind there.
    pub former: Vec<Target>,
    /// Where it is.
    pub state: State,
    /// Its newest steps, with their records' sequence.
    pub steps: VecDeque<(Sequence, Step)>,
    /// Its newest ticks with their readings.
    pub ticks: BTreeMap<Timestamp, Vec<Reading>>,
    /// Ticks that a source failed to answer.
    pub unanswered: BTreeSet<Timestamp>,
    /// Ticks that were judged only after newer ones were recorded: the clock had been ahead.
    pub behind: BTreeMap<Timestamp, Vec<Reading>>,
    /// The newest late tick that was judged.
    pub judged_late: Option<Timestamp>,
    /// Ticks answered late whose runs the next ticks may lengthen until a rule fires.
    pub unfinished: BTreeSet<Timestamp>,
    /// Up to which tick those runs have been judged.
    pub judged_to: Timestamp,
    /// Whether what its flag stands in at the backend, a file, was ever seen there.
    pub place_was_seen: bool,
    /// What told the signals apart that have reached it: one that comes again does nothing.
    pub signals: BTreeSet<String>,
    /// The newest tick when timers last started anew: no run goes beyond it.
    pub anew: Timestamp,
}

impl Rollout {
    pub(super) fn new(id: &str, opened: Sequence, plan: Arc<Plan>, plan_hash: String) -> Rollout {
        Rollout {
            id: id.to_owned(),
            opened,
            plan,
            plan_hash,
            former: Vec::new(),
            state: State::default(),
            steps: VecDeque::new(),
            ticks: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            behind: BTreeMap::new(),
            judged_late: None,
            unfinished: BTreeSet::new(),
            judged_to: Timestamp(i64::MIN),
            place_was_seen: false,
            signals: BTreeSet::new(),
            anew: Timestamp(i64::MIN),
        }
    }

    /// Takes in a step that was recorded; of all steps, so many are kept for people to look at.
    pub(super) fn keep(&mut self, sequence: Sequence, step: &Step, for_people: usize) {
        match &step.input {
            Input::Tick(tick) => self.keep_tick(tick),
            Input::Aside(ticks) => {
                let judged = |tick: &&Tick| step.events.iter().any(|event| event.is_of_tick(tick.at));
                ticks.iter().filter(judged).for_each(|tick| self.keep_tick(tick));
            }
            Input::Late(late) => {
                self.keep_late(late);
            }
            Input::Signal(Signal { origin: Some(origin), .. }) => _ = self.signals.insert(origin.key.clone()),
            Input::Command(issued) => {
                if let Command::Adopt { plan, hash } = &issued.command
                    && self.state.plan == *hash
                {
                    if plan.series != self.plan.series {
                        // the readings of the other series mean nothing to the new rules
                        self.ticks.clear();
                        self.unanswered.clear();
                        self.behind.clear();
                    }
                    self.former.retain(|target| *target != plan.target && *target != self.plan.target);
                    if plan.target != self.plan.target {
                        self.former.push(self.plan.target.clone());
                    }
                    self.plan = Arc::new((**plan).clone());
                    self.plan_hash.clone_from(hash);
                }
            }
            _ => {}
        }
        self.place_was_seen |= step.input.observed().is_some_and(|seen| !seen.has_no_place());
        if step.events.iter().any(Event::starts_timers_anew) {
            // so do those of late runs
            self.unfinished.clear();
            self.anew = self.ticks.last_key_value().map_or(self.anew, |(newest, _)| *newest);
        }
        self.steps.push_back((sequence, step.clone()));
        self.forget(for_people);
    }

    /// Lets go of ticks that no run needs any more, and of steps all but the newest so many.
    pub(super) fn forget(&mut self, for_people: usize) {
        // twice the longest run: a late run begins one before its first late tick, and may go on for another
        let longest = usize::try_from(self.plan.longest_run()).unwrap_or(KEPT_UNANSWERED).min(KEPT_UNANSWERED);
        let most = if self.unanswered.is_empty() { KEPT } else { KEPT_UNANSWERED };
        let most = most.max(2 * longest + SLACK);
        while self.ticks.len() > most {
            if let Some((oldest, _)) = self.ticks.pop_first() {
                self.unanswered.remove(&oldest);
            }
        }
        while self.steps.len() > for_people {
            self.steps.pop_front();
        }
    }

    fn keep_tick(&mut self, tick: &Tick) {
        if has_error(&tick.readings) {
            self.unanswered.insert(tick.at);
        }
        self.ticks.insert(tick.at, tick.readings.clone());
    }

    fn keep_late(&mut self, late: &Late) {
        let newest_late = late.ticks.iter().rev().find(|tick| tick.late).map(|tick| tick.at);
        self.judged_late = newest_late.or(self.judged_late);
        for tick in late.ticks.iter().filter(|tick| tick.late) {
            if !self.ticks.contains_key(&tick.at) {
                self.behind.insert(tick.at, tick.readings.clone());
                if self.behind.len() > KEPT_BEHIND {
                    self.behind.pop_first();
                }
                continue;
            }
            self.ticks.insert(tick.at, tick.readings.clone());
            if !has_error(&tick.readings) {
                self.unanswered.remove(&tick.at);
            }
        }
        self.judge_unfinished(late);
    }

    /// Which of a late run's ticks must be judged again with the next ones. All of it follows from what is recorded.
    pub(super) fn judge_unfinished(&mut self, late: &Late) {
        if let Some(last) = late.ticks.last().filter(|last| self.ticks.contains_key(&last.at)) {
            self.unfinished = decide::unfinished(&self.plan, &self.state, &late.ticks);
            self.unfinished.retain(|at| self.ticks.contains_key(at) && *at > self.anew);
            self.judged_to = last.at;
        }
    }

    /// `release@environment`.
    pub fn address(&self) -> String {
        self.plan.address()
    }
}

fn has_error(readings: &[Reading]) -> bool {
    readings.iter().any(|reading| reading.unknown() == Some(Unknown::Error))
}
