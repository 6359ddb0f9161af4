//! The journal in memory: every rollout folded, freezes, and appending at the sequence that was seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::apply::Commit;
use super::error::ControlError;
use super::freeze;
use super::record::{
    APPLIED, AppliedBody, FOLD, FREEZE, FREEZES, FoldBody, Freeze, OFF, OffBody, PLAN, PlanBody, Step, record,
};
use crate::engine::decide::{self, Refusal};
use crate::engine::input::{Command, Hold, HoldKind, Late, Tick};
use crate::engine::plan::Target;
use crate::engine::{Effect, EffectKind, Event, Input, Plan, Reading, State, Timestamp, Unknown};
use crate::journal::verify;
use crate::journal::{Head, Journal, JournalError, NewRecord, Record, Sequence};

/// How many steps and ticks of a rollout are kept for people to look at.
const KEPT: usize = 240;
/// How many ticks are kept beyond those that runs of late ticks need.
const SLACK: usize = 16;
/// How many ticks are kept while some of them wait for an answer.
const KEPT_UNANSWERED: usize = 25_000;

/// How many records are loaded at once: a long journal is never whole in memory.
const AT_ONCE: usize = 4096;

/// How an input is folded: the engine's, or, in tests of what watches over it, a broken one.
pub type Fold = fn(&Plan, &mut State, &Input) -> Result<Vec<Event>, Refusal>;

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
    /// The newest tick when timers last started anew: no run goes beyond it.
    pub anew: Timestamp,
}

/// The journal's content.
pub struct Store {
    journal: Box<dyn Journal>,
    fold: Fold,
    head: Head,
    plans: BTreeMap<String, Arc<Plan>>,
    rollouts: BTreeMap<String, Rollout>,
    newest: BTreeMap<(String, String), String>,
    freezes: Vec<Freeze>,
    spooled: BTreeSet<String>,
    /// Flags that were switched off without a rollout, by key and environment.
    switched_off: BTreeMap<(String, String), Sequence>,
    /// The commit whose documents were applied last.
    applied: Option<Commit>,
}

/// Steps that are folded but not recorded yet.
#[derive(Debug, Default)]
pub struct Batch {
    states: BTreeMap<String, State>,
    steps: BTreeMap<String, FoldBody>,
    first: Vec<NewRecord>,
    opened: BTreeMap<String, Arc<Plan>>,
}

/// A stop that a batch decides.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The rollout.
    pub id: String,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Its state after the decision.
    pub state: State,
    /// What is to be done at the backend.
    pub effect: Effect,
    /// The ticks of the batch, ascending, as they were folded: up to the one that decided it, and what was due after that.
    pub ticks: Vec<Tick>,
}

impl Batch {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.first.is_empty()
    }

    /// A record that stands before the steps.
    pub fn put(&mut self, record: NewRecord) {
        self.first.push(record);
    }

    /// Marks a rollout's steps as coming from a spooled stop.
    pub fn spooled(&mut self, rollout: &str, id: &str) {
        self.steps.entry(rollout.to_owned()).or_insert_with(empty_body).spooled.push(id.to_owned());
    }
}

fn empty_body() -> FoldBody {
    FoldBody { steps: Vec::new(), spooled: Vec::new() }
}

impl Store {
    /// Loads a journal.
    ///
    /// # Errors
    /// The journal's, and records that cannot be understood.
    pub fn load(journal: Box<dyn Journal>) -> Result<Store, ControlError> {
        Store::load_with(journal, decide::fold)
    }

    /// Loads a journal to be gone on with by another fold.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn load_with(mut journal: Box<dyn Journal>, fold: Fold) -> Result<Store, ControlError> {
        journal.head()?;
        let head = verify::beginning(journal.id());
        let mut store = Store {
            journal,
            fold,
            head,
            plans: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            newest: BTreeMap::new(),
            freezes: Vec::new(),
            spooled: BTreeSet::new(),
            switched_off: BTreeMap::new(),
            applied: None,
        };
        store.refresh()?;
        Ok(store)
    }

    /// The journal itself, for heartbeats and verification.
    pub fn journal(&mut self) -> &mut dyn Journal {
        &mut *self.journal
    }

    /// The journal's id, the first half of every stamp.
    pub fn journal_id(&self) -> &str {
        self.journal.id()
    }

    /// Takes in what others appended. Returns the steps that came, with their rollouts.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn refresh(&mut self) -> Result<Vec<(String, Step)>, ControlError> {
        let mut came = Vec::new();
        loop {
            let records = self.journal.load(self.head.sequence, AT_ONCE)?;
            let last = records.len() < AT_ONCE;
            for record in records {
                // decisions stand on these records: a chain that is broken is no ground to grow on
                let head = verify::follow(&self.head, &record).map_err(|damage| self.unusable(&damage.to_string()))?;
                self.take(&record, &mut came)
                    .map_err(|detail| self.unusable(&format!("record {}: {detail}", record.sequence.0)))?;
                self.head = head;
            }
            if last {
                return Ok(came);
            }
        }
    }

    fn unusable(&self, detail: &str) -> JournalError {
        let detail = format!("{detail}; restore a copy (`flagstaff audit verify` tells whether one is whole)");
        JournalError::Unusable { place: self.journal.place(), detail }
    }

    fn take(&mut self, record: &Record, came: &mut Vec<(String, Step)>) -> Result<(), String> {
        let NewRecord { stream, kind, body, .. } = &record.new;
        let fault = |error: serde_json::Error| format!("its body cannot be understood: {error}");
        match kind.as_str() {
            PLAN => {
                let body: PlanBody = serde_json::from_str(body).map_err(fault)?;
                let plan = Arc::new(body.plan);
                self.plans.insert(body.hash.clone(), plan.clone());
                let key = (plan.release.clone(), plan.environment.clone());
                self.newest.insert(key, stream.clone());
                self.rollouts
                    .entry(stream.clone())
                    .or_insert_with(|| Rollout::new(stream, record.sequence, plan, body.hash));
            }
            FOLD => {
                let body: FoldBody = serde_json::from_str(body).map_err(fault)?;
                // without a plan nothing can act on it; `audit replay` tells of it, and stops must still work
                let Some(rollout) = self.rollouts.get_mut(stream) else { return Ok(()) };
                for step in body.steps {
                    for event in &step.events {
                        rollout.state.apply(event);
                    }
                    rollout.keep(record.sequence, &step);
                    came.push((stream.clone(), step));
                }
                self.spooled.extend(body.spooled);
            }
            FREEZE if stream == FREEZES => {
                let mut freeze: Freeze = serde_json::from_str(body).map_err(fault)?;
                // older journals hold names that two scopes may share
                freeze.name = freeze::name(freeze.environment.as_deref(), freeze.release.as_deref());
                self.spooled.extend(freeze.spooled.clone());
                self.freezes.retain(|known| !known.same_scope(&freeze));
                if freeze.until > freeze.at {
                    self.freezes.push(freeze);
                }
            }
            OFF => {
                let off: OffBody = serde_json::from_str(body).map_err(fault)?;
                self.spooled.extend(off.spooled);
                self.switched_off.insert((off.flag, off.environment), record.sequence);
            }
            APPLIED => {
                let applied: AppliedBody = serde_json::from_str(body).map_err(fault)?;
                self.applied = applied.commit.or(self.applied.take());
            }
            _ => {}
        }
        Ok(())
    }

    /// Folds an input onto a rollout, on top of what the batch holds for it already.
    ///
    /// # Errors
    /// A refused command; nothing is added then.
    pub fn fold(&self, batch: &mut Batch, id: &str, at: Timestamp, input: Input) -> Result<Vec<Event>, Refusal> {
        let known = self.rollouts.get(id);
        let Some(plan) = known.map(|rollout| &rollout.plan).or(batch.opened.get(id)).cloned() else {
            return Ok(Vec::new());
        };
        let mut state = batch.states.get(id).or(known.map(|rollout| &rollout.state)).cloned().unwrap_or_default();
        let events = (self.fold)(&plan, &mut state, &input)?;
        // what changes nothing and is no tick is not worth a record
        let says_nothing = events.is_empty() && !matches!(input, Input::Late(_));
        if !says_nothing {
            batch.states.insert(id.to_owned(), state);
            let body = batch.steps.entry(id.to_owned()).or_insert_with(empty_body);
            body.steps.push(Step { at, input, events: events.clone() });
        }
        Ok(events)
    }

    /// A rollout's state with what the batch holds for it.
    pub fn state<'s>(&'s self, batch: &'s Batch, id: &str) -> Option<&'s State> {
        batch.states.get(id).or_else(|| self.rollouts.get(id).map(|rollout| &rollout.state))
    }

    /// Stops that a batch decides, each with the ticks that led there: they are carried out even where the batch cannot be
    /// recorded.
    pub fn stops_in(&self, batch: &Batch) -> Vec<Stop> {
        let stop = |(id, body): (&String, &FoldBody)| {
            let state = batch.states.get(id)?.clone();
            let effect = state.effect.clone().filter(|effect| effect.kind != EffectKind::Grow)?;
            let known = self.rollouts.get(id)?;
            let ticks = body.steps.iter().filter_map(|step| match &step.input {
                Input::Tick(tick) => Some(tick.clone()),
                _ => None,
            });
            let is_new = known.state.effect.as_ref() != Some(&effect);
            is_new.then(|| Stop {
                id: id.clone(),
                plan: Arc::clone(&known.plan),
                state,
                effect,
                ticks: ticks.collect(),
            })
        };
        batch.steps.iter().filter_map(stop).collect()
    }

    /// Records a batch in one durable commit. On a conflict nothing of it counts: the caller refreshes and judges again.
    ///
    /// # Errors
    /// The journal's.
    pub fn commit(&mut self, now: Timestamp, batch: Batch) -> Result<Vec<(String, Step)>, ControlError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut records = batch.first;
        records.extend(batch.steps.iter().map(|(id, body)| record(now, id, FOLD, body)));
        self.journal.append(self.head.sequence, &records)?;
        self.refresh()
    }

    /// Opens a rollout: its plan's record, in a batch, so that its first step can be folded.
    pub fn open(&self, batch: &mut Batch, now: Timestamp, plan: Plan, hash: String) -> String {
        let prefix = format!("{}#", plan.address());
        let count = self.rollouts.keys().filter(|id| id.starts_with(&prefix)).count();
        let id = format!("{prefix}{}", count + 1);
        batch.opened.insert(id.clone(), Arc::new(plan.clone()));
        batch.put(record(now, &id, PLAN, &PlanBody { hash, plan }));
        id
    }

    /// The commit whose documents were applied last.
    pub fn applied(&self) -> Option<&Commit> {
        self.applied.as_ref()
    }

    /// The newest rollout of each release and environment.
    pub fn rollouts(&self) -> impl Iterator<Item = &Rollout> {
        self.newest.values().filter_map(|id| self.rollouts.get(id))
    }

    /// Every rollout that ever was.
    pub fn all_rollouts(&self) -> impl Iterator<Item = &Rollout> {
        self.rollouts.values()
    }

    /// A rollout by its id.
    pub fn rollout(&self, id: &str) -> Option<&Rollout> {
        self.rollouts.get(id)
    }

    /// The newest rollout of a release in an environment.
    pub fn newest(&self, release: &str, environment: &str) -> Option<&Rollout> {
        self.newest.get(&(release.to_owned(), environment.to_owned())).and_then(|id| self.rollouts.get(id))
    }

    /// The newest rollout of a flag in an environment, of whichever release: the one that has the flag.
    pub fn newest_of_flag(&self, flag: &str, environment: &str) -> Option<&Rollout> {
        let of_flag = |rollout: &&Rollout| rollout.plan.flag == flag && rollout.plan.environment == environment;
        self.rollouts().filter(of_flag).max_by_key(|rollout| rollout.opened)
    }

    /// The rollout that has the flag of this one, if that is another, newer one.
    pub fn superseding(&self, rollout: &Rollout) -> Option<&Rollout> {
        let newest = self.newest_of_flag(&rollout.plan.flag, &rollout.plan.environment)?;
        (newest.id != rollout.id).then_some(newest)
    }

    /// A late run went on with newer ticks, and stopped nothing.
    pub(super) fn judged_unfinished(&mut self, id: &str, late: &Late) {
        if let Some(rollout) = self.rollouts.get_mut(id) {
            rollout.judge_unfinished(late);
        }
    }

    /// Whether any rollout ever saw what flags stand in at an address: a file that was there once is not made anew.
    pub fn place_was_seen(&self, target: &Target) -> bool {
        self.all_rollouts().any(|rollout| rollout.place_was_seen && rollout.plan.target == *target)
    }

    /// Whether a person switched off a flag without a rollout, and nothing was started on it since.
    pub fn is_switched_off(&self, flag: &str, environment: &str) -> bool {
        let Some(off) = self.switched_off.get(&(flag.to_owned(), environment.to_owned())) else { return false };
        self.newest_of_flag(flag, environment).is_none_or(|rollout| rollout.opened < *off)
    }

    /// Whether a spooled stop was merged already.
    pub fn is_merged(&self, spool_id: &str) -> bool {
        self.spooled.contains(spool_id)
    }

    /// Freezes that have not ended.
    pub fn freezes(&self, now: Timestamp) -> Vec<&Freeze> {
        self.freezes.iter().filter(|freeze| freeze.until > now).collect()
    }

    /// The freeze of exactly this scope, if it holds.
    pub fn freeze_of(&self, now: Timestamp, environment: Option<&str>, release: Option<&str>) -> Option<&Freeze> {
        let scope = (environment, release);
        self.freezes(now).into_iter().find(|known| (known.environment.as_deref(), known.release.as_deref()) == scope)
    }

    /// What freezes hold a release in an environment.
    pub fn frozen(&self, now: Timestamp, release: &str, environment: &str) -> Vec<Hold> {
        let applies = |freeze: &&Freeze| {
            freeze.environment.as_deref().is_none_or(|frozen| frozen == environment)
                && freeze.release.as_deref().is_none_or(|frozen| frozen == release)
        };
        let hold = |freeze: &Freeze| Hold {
            kind: HoldKind::Freeze,
            detail: format!("{} until {}", freeze.name, freeze.until),
            until: Some(freeze.until),
        };
        self.freezes(now).into_iter().filter(applies).map(hold).collect()
    }
}

impl Rollout {
    pub(super) fn new(id: &str, opened: Sequence, plan: Arc<Plan>, plan_hash: String) -> Rollout {
        Rollout {
            id: id.to_owned(),
            opened,
            plan,
            plan_hash,
            state: State::default(),
            steps: VecDeque::new(),
            ticks: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            behind: BTreeMap::new(),
            judged_late: None,
            unfinished: BTreeSet::new(),
            judged_to: Timestamp(i64::MIN),
            place_was_seen: false,
            anew: Timestamp(i64::MIN),
        }
    }

    pub(super) fn keep(&mut self, sequence: Sequence, step: &Step) {
        match &step.input {
            Input::Tick(tick) => self.keep_tick(tick),
            Input::Aside(ticks) => {
                let judged = |tick: &&Tick| step.events.iter().any(|event| event.is_of_tick(tick.at));
                ticks.iter().filter(judged).for_each(|tick| self.keep_tick(tick));
            }
            Input::Late(late) => {
                self.keep_late(late);
            }
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
        // twice the longest run: a late run begins one before its first late tick, and may go on for another
        let longest = usize::try_from(self.plan.longest_run()).unwrap_or(KEPT_UNANSWERED).min(KEPT_UNANSWERED);
        let most = if self.unanswered.is_empty() { KEPT } else { KEPT_UNANSWERED };
        let most = most.max(2 * longest + SLACK);
        while self.ticks.len() > most {
            if let Some((oldest, _)) = self.ticks.pop_first() {
                self.unanswered.remove(&oldest);
            }
        }
        self.steps.push_back((sequence, step.clone()));
        while self.steps.len() > KEPT {
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
                if self.behind.len() > KEPT {
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

/// Whether an error says that somebody appended meanwhile.
pub fn is_conflict(error: &ControlError) -> bool {
    matches!(error, ControlError::Journal(JournalError::Conflict { .. }))
}
