//! The journal in memory: every rollout folded, freezes, and appending at the sequence that was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::apply::Commit;
use super::error::ControlError;
use super::freeze;
use super::record::{
    APPLIED, AppliedBody, FOLD, FREEZE, FREEZES, FoldBody, Freeze, OFF, OffBody, PLAN, PlanBody, Step, record,
};
use super::rollout::{KEPT, Rollout};
use crate::engine::decide::{self, Refusal};
use crate::engine::input::{Hold, HoldKind, Late, Tick};
use crate::engine::plan::Target;
use crate::engine::{Effect, EffectKind, Event, Input, Plan, State, Timestamp};
use crate::journal::verify;
use crate::journal::{Head, Journal, JournalError, NewRecord, Record, Sequence};

/// How many records are loaded at once: a long journal is never whole in memory.
const AT_ONCE: usize = 4096;

/// So many signals of a rollout are recorded though they change nothing. After that only those that do.
const SIGNALS_KEPT: usize = 1000;

/// How an input is folded: the engine's, or, in tests of what watches over it, a broken one.
pub type Fold = fn(&Plan, &mut State, &Input) -> Result<Vec<Event>, Refusal>;

/// The journal's content.
pub struct Store {
    journal: Box<dyn Journal>,
    fold: Fold,
    head: Head,
    plans: BTreeMap<String, Arc<Plan>>,
    rollouts: BTreeMap<String, Rollout>,
    newest: BTreeMap<(String, String), String>,
    /// The rollout that was opened last on each flag, by key and environment: every pass asks for it, of each rollout.
    of_flag: BTreeMap<(String, String), String>,
    /// How many steps of each rollout are kept for people to look at.
    for_people: usize,
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

    /// Drops what was folded onto a rollout, to fold it anew.
    pub fn forget(&mut self, rollout: &str) {
        self.states.remove(rollout);
        self.steps.remove(rollout);
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
    pub fn load_with(journal: Box<dyn Journal>, fold: Fold) -> Result<Store, ControlError> {
        Store::load_keeping(journal, fold, KEPT)
    }

    /// Loads a journal for whoever shows nobody what happened: of each rollout's past it keeps what decisions stand on, which is
    /// a fraction of the memory.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn load_to_act(journal: Box<dyn Journal>) -> Result<Store, ControlError> {
        Store::load_keeping(journal, decide::fold, 1)
    }

    fn load_keeping(mut journal: Box<dyn Journal>, fold: Fold, for_people: usize) -> Result<Store, ControlError> {
        journal.head()?;
        let head = verify::beginning(journal.id());
        let mut store = Store {
            journal,
            fold,
            head,
            plans: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            newest: BTreeMap::new(),
            of_flag: BTreeMap::new(),
            for_people,
            freezes: Vec::new(),
            spooled: BTreeSet::new(),
            switched_off: BTreeMap::new(),
            applied: None,
        };
        store.catch_up(&mut |_, _| ())?;
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

    /// How far the journal has been taken in.
    pub fn sequence(&self) -> Sequence {
        self.head.sequence
    }

    /// Takes in what others appended. Returns the steps that came, with their rollouts.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn refresh(&mut self) -> Result<Vec<(String, Step)>, ControlError> {
        let mut came = Vec::new();
        self.catch_up(&mut |id, step| came.push((id.to_owned(), step)))?;
        Ok(came)
    }

    fn catch_up(&mut self, came: &mut dyn FnMut(&str, Step)) -> Result<(), ControlError> {
        loop {
            let records = self.journal.load(self.head.sequence, AT_ONCE)?;
            let last = records.len() < AT_ONCE;
            for record in records {
                // decisions stand on these records: a chain that is broken is no ground to grow on
                let head = verify::follow(&self.head, &record).map_err(|damage| self.unusable(&damage.to_string()))?;
                self.take(&record, came)
                    .map_err(|detail| self.unusable(&format!("record {}: {detail}", record.sequence.0)))?;
                self.head = head;
            }
            if last {
                return Ok(());
            }
        }
    }

    fn unusable(&self, detail: &str) -> JournalError {
        let detail = format!("{detail}; restore a copy (`flagstaff audit verify` tells whether one is whole)");
        JournalError::Unusable { place: self.journal.place(), detail }
    }

    fn take(&mut self, record: &Record, came: &mut dyn FnMut(&str, Step)) -> Result<(), String> {
        let NewRecord { stream, kind, body, .. } = &record.new;
        let fault = |error: serde_json::Error| format!("its body cannot be understood: {error}");
        match kind.as_str() {
            PLAN => {
                let body: PlanBody = serde_json::from_str(body).map_err(fault)?;
                let plan = Arc::new(body.plan);
                self.plans.insert(body.hash.clone(), plan.clone());
                let key = (plan.release.clone(), plan.environment.clone());
                self.newest.insert(key, stream.clone());
                self.of_flag.insert((plan.flag.clone(), plan.environment.clone()), stream.clone());
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
                    rollout.keep(record.sequence, &step, self.for_people);
                    came(stream, step);
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
        // what changes nothing and is no tick is not worth a record; a signal is, so that it does nothing when it is replayed
        let is_new_signal = matches!(input, Input::Signal(_))
            && state.is_live()
            && known.is_some_and(|rollout| rollout.signals.len() < SIGNALS_KEPT);
        let says_nothing = events.is_empty() && !matches!(input, Input::Late(_)) && !is_new_signal;
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
        let count = self.rollouts.range(prefix.clone()..).take_while(|(id, _)| id.starts_with(&prefix)).count();
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
        self.of_flag.get(&(flag.to_owned(), environment.to_owned())).and_then(|id| self.rollouts.get(id))
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

/// Whether an error says that somebody appended meanwhile.
pub fn is_conflict(error: &ControlError) -> bool {
    matches!(error, ControlError::Journal(JournalError::Conflict { .. }))
}
