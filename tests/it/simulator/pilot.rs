//! The control loop in its smallest form, over the real fold: what the simulator drives, and what its mutants break.

use std::collections::{BTreeMap, BTreeSet};

use flagstaff::backend::{Backend, BackendError, Expose, Switch};
use flagstaff::canonical;
use flagstaff::clock::Clock;
use flagstaff::engine::decide::Refusal;
use flagstaff::engine::input::{Issued, Late, LateTick, Observed, Stamp};
use flagstaff::engine::{
    Actor, Command, Effect, EffectKind, Event, Gates, Input, Observation, Outcome, Phase, Plan, Reading, Span, State,
    Tick, Timestamp, Unknown,
};
use flagstaff::journal::{Journal, JournalError, NewRecord, Sequence};
use flagstaff::telemetry::Source;

use super::backend::Door;
use super::ledger::{Entry, Fallible, Store};
use super::telemetry::Scope;
use super::world::{HostClock, Pid, Shared};

/// The engine's fold, or a broken one.
pub(super) type Fold = fn(&Plan, &mut State, &Input) -> Result<Vec<Event>, Refusal>;

/// A mistake of the loop, made on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Slip {
    #[default]
    None,
    /// Sends growths that have expired.
    IgnoresExpiry,
    /// Writes the next stage before its decision is recorded.
    ActsBeforeItRecords,
    /// Records stops and does not carry them out.
    ForgetsStops,
    /// Records events that the fold did not give.
    RecordsOtherEvents,
    /// Opens a rollout beside a live one.
    OpensTwice,
    /// Writes over any stamp.
    TakesOver,
    /// Says that a pause was done, without recording it.
    SwallowsPauses,
    /// Treats old ticks as present.
    AlwaysPresent,
    /// Sends reductions without looking whether less is there already.
    ShrinksBlindly,
    /// Sends growths without looking whether another hand was there since the tick.
    GrowsBlindly,
}

/// A rollout as the loop knows it.
#[derive(Debug, Clone)]
pub(super) struct Rollout {
    pub(super) plan: Plan,
    pub(super) state: State,
    /// Its newest ticks, and which of them no source answered in time.
    ticks: BTreeMap<Timestamp, Vec<Reading>>,
    unanswered: BTreeSet<Timestamp>,
}

impl Rollout {
    fn new(plan: Plan) -> Rollout {
        Rollout { plan, state: State::default(), ticks: BTreeMap::new(), unanswered: BTreeSet::new() }
    }

    fn keep(&mut self, input: &Input) {
        match input {
            Input::Tick(tick) => {
                if tick.readings.iter().any(is_error) {
                    self.unanswered.insert(tick.at);
                }
                self.ticks.insert(tick.at, tick.readings.clone());
            }
            Input::Late(late) => {
                for tick in late.ticks.iter().filter(|tick| tick.late) {
                    self.unanswered.remove(&tick.at);
                    self.ticks.insert(tick.at, tick.readings.clone());
                }
            }
            _ => {}
        }
    }
}

fn is_error(reading: &Reading) -> bool {
    reading.unknown() == Some(Unknown::Error)
}

/// Why something did not happen.
#[derive(Debug)]
pub(super) enum Trouble {
    Journal(String),
    Refused(String),
}

impl From<JournalError> for Trouble {
    fn from(error: JournalError) -> Trouble {
        Trouble::Journal(error.to_string())
    }
}

pub(super) struct Pilot {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) journal: Fallible,
    pub(super) plan: Plan,
    pub(super) fold: Fold,
    pub(super) slip: Slip,
    clock: HostClock,
    door: Door,
    scope: Scope,
    seen: Sequence,
    pub(super) rollouts: BTreeMap<String, Rollout>,
    /// Growths whose intent this process recorded: only it sends them.
    mine: BTreeSet<(String, u64)>,
}

impl Pilot {
    pub(super) fn new(
        world: &Shared,
        pid: Pid,
        host: usize,
        store: &Store,
        plan: &Plan,
        fold: Fold,
        slip: Slip,
    ) -> Pilot {
        let world = std::sync::Arc::clone(world);
        Pilot {
            journal: Fallible { world: world.clone(), pid, host, inner: store.open() },
            clock: HostClock { world: world.clone(), pid, host },
            door: Door { world: world.clone(), pid, host },
            scope: Scope { world: world.clone(), pid, host, every: plan.every },
            world,
            pid,
            plan: plan.clone(),
            fold,
            slip,
            seen: Sequence(0),
            rollouts: BTreeMap::new(),
            mine: BTreeSet::new(),
        }
    }

    /// Evaluates ticks until it is killed.
    pub(super) async fn drive(mut self) {
        loop {
            // a journal that cannot be used is tried again at the next tick
            let _ = self.pass().await;
            let next = self.due().plus(self.plan.every).plus(self.plan.delay);
            self.clock.sleep_until(next).await;
        }
    }

    fn due(&self) -> Timestamp {
        self.clock.now().minus(self.plan.delay).floor_to(self.plan.every)
    }

    pub(super) fn refresh(&mut self) -> Result<(), Trouble> {
        for record in self.journal.load(self.seen)? {
            self.seen = record.sequence;
            let entry: Entry = serde_json::from_str(&record.new.body).expect("we wrote it");
            let rollout = self
                .rollouts
                .entry(record.new.stream.clone())
                .or_insert_with(|| Rollout::new(entry.plan.clone().expect("the first record carries the plan")));
            for event in &entry.events {
                rollout.state.apply(event);
            }
            rollout.keep(&entry.input);
        }
        Ok(())
    }

    /// Judges an input on the newest state and records it, again if somebody appended meanwhile.
    fn record(&mut self, stream: &str, input: &Input) -> Result<Vec<Event>, Trouble> {
        loop {
            self.refresh()?;
            let known = self.rollouts.get(stream).cloned();
            let first = known.is_none();
            let Rollout { plan, mut state, .. } = known.unwrap_or_else(|| Rollout::new(self.plan.clone()));
            let is_start = matches!(input, Input::Command(issued) if matches!(issued.command, Command::Start { .. }));
            if is_start && self.slip != Slip::OpensTwice && self.rollouts.values().any(|other| other.state.is_live()) {
                return Err(Trouble::Refused("another rollout is live".to_owned()));
            }
            let mut events =
                (self.fold)(&plan, &mut state, input).map_err(|refusal| Trouble::Refused(refusal.to_string()))?;
            if events.is_empty() && !matches!(input, Input::Late(_)) {
                return Ok(events);
            }
            if self.slip == Slip::RecordsOtherEvents && events.len() > 1 {
                events.pop();
            }
            let at = self.clock.now();
            let entry = Entry { plan: first.then_some(plan), input: input.clone(), events: events.clone() };
            let body = canonical::to_string(&entry).expect("plain data");
            let record = NewRecord { at, stream: stream.to_owned(), kind: "entry".to_owned(), body };
            match self.journal.append(self.seen, &[record]) {
                Ok(_) => {}
                Err(JournalError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                if let Event::Intended(effect) = event {
                    self.mine.insert((stream.to_owned(), effect.id));
                }
                if !matches!(event, Event::Ticked(_)) {
                    let text = format!("{event:?}");
                    let text: String = text.chars().take(110).collect();
                    self.world.with(|inner| inner.say(format!("p{} {stream}: {text}", self.pid)));
                }
            }
            self.refresh()?;
            return Ok(events);
        }
    }

    async fn pass(&mut self) -> Result<(), Trouble> {
        self.refresh()?;
        let streams: Vec<String> = self.rollouts.keys().cloned().collect();
        for stream in streams {
            self.evaluate(&stream).await?;
            self.ask_again(&stream).await?;
            self.carry_out(&stream).await?;
        }
        Ok(())
    }

    async fn look(&self) -> Observation {
        match self.door.read(&self.plan.flag, &self.plan.audiences).await {
            Ok(seen) => Observation::Seen(seen),
            Err(error) => Observation::Unreadable(error.to_string()),
        }
    }

    async fn evaluate(&mut self, stream: &str) -> Result<(), Trouble> {
        let Some(Rollout { state, plan, .. }) = self.rollouts.get(stream).cloned() else { return Ok(()) };
        match state.phase {
            Phase::Stopped => {
                let backend = self.look().await;
                self.record(stream, &Input::Seen { at: self.clock.now(), backend })?;
                return Ok(());
            }
            Phase::Completed | Phase::None => return Ok(()),
            Phase::Running | Phase::Paused => {}
        }
        let due = self.due();
        let after = state.last_tick.unwrap_or(state.started);
        if due <= after {
            return Ok(());
        }
        let queries: Vec<_> = plan.series.iter().map(|series| series.query.clone()).collect();
        let from = after.floor_to(plan.every).plus(plan.every).max(due.minus(plan.catch_up).floor_to(plan.every));
        if from < due {
            for (at, answers) in self.scope.range(&queries, from, due.minus(plan.every), plan.every).await {
                let readings = answers.into_iter().map(|answered| answered.reading).collect();
                self.tick(stream, at, false, readings, Observation::NotRead)?;
            }
        }
        let readings: Vec<Reading> =
            self.scope.instant(&queries, due).await.into_iter().map(|answered| answered.reading).collect();
        let backend = self.look().await;
        let present = self.due() == due || self.slip == Slip::AlwaysPresent;
        if self.slip == Slip::ActsBeforeItRecords {
            self.act_first(&plan, &state, &backend).await;
        }
        self.tick(stream, due, present, readings, backend)
    }

    /// Asks again for ticks that no source answered, once the newest one was answered: they can only stop.
    async fn ask_again(&mut self, stream: &str) -> Result<(), Trouble> {
        let Some(rollout) = self.rollouts.get(stream).filter(|rollout| rollout.state.is_live()) else { return Ok(()) };
        let (Some(first), Some(last)) = (rollout.unanswered.first().copied(), rollout.unanswered.last().copied())
        else {
            return Ok(());
        };
        if rollout.ticks.last_key_value().is_none_or(|(_, readings)| readings.iter().any(is_error)) {
            return Ok(());
        }
        let (plan, recorded, unanswered) = (rollout.plan.clone(), rollout.ticks.clone(), rollout.unanswered.clone());
        let queries: Vec<_> = plan.series.iter().map(|series| series.query.clone()).collect();
        let rows = self.scope.range(&queries, first, last, plan.every).await;
        let answers: BTreeMap<Timestamp, Vec<Reading>> = rows
            .into_iter()
            .map(|(at, answers)| (at, answers.into_iter().map(|answered| answered.reading).collect()))
            .collect();
        let longest = plan.rules.iter().map(|rule| plan.rule_ticks(rule.hold_for)).max().unwrap_or(1);
        let from = first.minus(Span(plan.every.0 * u64::from(longest)));
        let ticks = recorded.range(from..=last).map(|(at, readings)| {
            let late = unanswered.contains(at);
            let answer = answers.get(at).filter(|answer| late && !answer.iter().any(is_error));
            LateTick { at: *at, late, readings: answer.unwrap_or(readings).clone() }
        });
        let late = Late { evaluated: self.clock.now(), ticks: ticks.collect() };
        self.record(stream, &Input::Late(late)).map(|_| ())
    }

    fn tick(
        &mut self,
        stream: &str,
        at: Timestamp,
        present: bool,
        readings: Vec<Reading>,
        backend: Observation,
    ) -> Result<(), Trouble> {
        let gates = Gates { backend, holds: Vec::new() };
        let tick = Tick { at, evaluated: self.clock.now(), present, readings, gates };
        self.record(stream, &Input::Tick(tick)).map(|_| ())
    }

    /// The mistake [`Slip::ActsBeforeItRecords`].
    async fn act_first(&self, plan: &Plan, state: &State, backend: &Observation) {
        let (Observation::Seen(seen), Some(next)) = (backend, plan.stages.get(state.stage + 1)) else { return };
        let enough = state.phase == Phase::Running && state.baked + 1 >= plan.ticks(plan.stages[state.stage].bake);
        if enough && state.effect.is_none() && seen.stamp.as_ref() == Some(&state.stamp) {
            let _ = self.door.expose(&self.request(state, seen, &next.exposure, Switch::Keep, false)).await;
        }
    }

    fn request(
        &self,
        state: &State,
        seen: &Observed,
        to: &flagstaff::engine::Exposure,
        switch: Switch,
        take_over: bool,
    ) -> Expose {
        Expose {
            flag: self.plan.flag.clone(),
            exposure: to.clone(),
            audiences: self.plan.audiences.clone(),
            stickiness: self.plan.stickiness.clone(),
            stamp: state.stamp.clone(),
            switch,
            revision: seen.revision.clone(),
            take_over: take_over || self.slip == Slip::TakesOver,
        }
    }

    /// Carries out the open effect, if it is ours to carry out, and records what came of it.
    pub(super) async fn carry_out(&mut self, stream: &str) -> Result<(), Trouble> {
        // one effect may lead to another: a late write, a drift; and each waits for the next pass in the end
        for _ in 0..3 {
            let Some(Rollout { state, .. }) = self.rollouts.get(stream).cloned() else { return Ok(()) };
            let Some(effect) = state.effect.clone() else { return Ok(()) };
            let (backend, settled) = match effect.kind {
                EffectKind::Off => self.switch_off().await,
                EffectKind::Shrink => self.shrink(&state, &effect).await,
                EffectKind::Grow => {
                    let expired = effect.expires.is_some_and(|expires| self.clock.now() >= expires);
                    let is_mine = self.mine.remove(&(stream.to_owned(), effect.id));
                    if is_mine && (!expired || self.slip == Slip::IgnoresExpiry) {
                        self.grow(&state, &effect).await
                    } else if expired {
                        (self.look().await, false)
                    } else {
                        return Ok(());
                    }
                }
            };
            let at = self.clock.now();
            self.refresh()?;
            let outcome = Outcome { effect: effect.id, at, backend, settled, trouble: None };
            if self.record(stream, &Input::Outcome(outcome))?.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn switch_off(&self) -> (Observation, bool) {
        if self.slip == Slip::ForgetsStops {
            return (Observation::NotRead, false);
        }
        let _ = self.door.switch_off(&self.plan.flag).await;
        (self.look().await, true)
    }

    async fn shrink(&self, state: &State, effect: &Effect) -> (Observation, bool) {
        let backend = self.look().await;
        let Observation::Seen(seen) = &backend else { return (backend, true) };
        let foreign = seen.stamp.as_ref().is_some_and(|stamp| *stamp != state.stamp);
        let less = seen.shown().within(&effect.to) && self.slip != Slip::ShrinksBlindly;
        if foreign || less {
            return (backend, true);
        }
        let sent = self.door.expose(&self.request(state, seen, &effect.to, Switch::Keep, false)).await;
        (self.look().await, !matches!(sent, Err(BackendError::Unreachable { .. })))
    }

    async fn grow(&self, state: &State, effect: &Effect) -> (Observation, bool) {
        let backend = self.look().await;
        let Observation::Seen(seen) = &backend else { return (backend, true) };
        let expired = effect.expires.is_some_and(|expires| self.clock.now() >= expires);
        let foreign = seen.stamp.as_ref().is_some_and(|stamp| *stamp != state.stamp);
        let own_old =
            seen.stamp.as_ref().is_some_and(|stamp| stamp.journal == state.stamp.journal) && state.allowed.is_nobody();
        let may = (!foreign || own_old || effect.take_over || self.slip == Slip::TakesOver)
            && (!expired || self.slip == Slip::IgnoresExpiry)
            && (effect.by_person || seen.shown() == state.allowed || self.slip == Slip::GrowsBlindly)
            && !seen.reaches_by_foreign();
        if !may {
            return (backend, true);
        }
        let switch = if effect.switch_on { Switch::TurnOn } else { Switch::Keep };
        let sent = self.door.expose(&self.request(state, seen, &effect.to, switch, effect.take_over)).await;
        (self.look().await, !matches!(sent, Err(BackendError::Unreachable { .. })))
    }

    /// The newest rollout: what a person means.
    pub(super) fn newest(&self) -> Option<(String, Rollout)> {
        self.rollouts.iter().next_back().map(|(stream, rollout)| (stream.clone(), rollout.clone()))
    }

    /// One human command, from the look at the status to the answer.
    pub(super) async fn obey(
        &mut self,
        command: Command,
        actor: &str,
        reason: Option<&str>,
    ) -> Result<String, Trouble> {
        self.refresh()?;
        let newest = self.newest();
        let can_grow = command.can_grow();
        let mut command = command;
        let stream = match (&mut command, newest.as_ref()) {
            (Command::Start { stamp, again, plan, .. }, newest) => {
                let phase = newest.map_or(Phase::None, |(_, rollout)| rollout.state.phase);
                let opening = flagstaff::engine::decide::may_start(phase, *again);
                if self.slip != Slip::OpensTwice {
                    let opening = opening.map_err(|refusal| Trouble::Refused(refusal.to_string()))?;
                    if opening == flagstaff::engine::decide::Opening::Running {
                        return Err(Trouble::Refused("it runs already".to_owned()));
                    }
                }
                let id = format!("{}-{:04}-p{}", self.journal.id(), self.rollouts.len(), self.pid);
                *stamp = Stamp { journal: self.journal.id().to_owned(), rollout: id.clone() };
                *plan = canonical::hash(&self.plan).expect("plain data");
                *again = false;
                id
            }
            (_, Some((stream, _))) => stream.clone(),
            (_, None) => return Err(Trouble::Refused("it has not started".to_owned())),
        };
        let saw = newest.map(|(_, rollout)| rollout.state.version);
        let mut backend = Observation::NotRead;
        if can_grow {
            if self.rollouts.contains_key(&stream) {
                self.evaluate(&stream).await?;
            }
            backend = self.look().await;
        }
        if self.slip == Slip::SwallowsPauses && command == Command::Pause {
            return Ok(stream);
        }
        let issued = Issued {
            command,
            actor: Actor { name: actor.to_owned(), known_by: "simulated".to_owned() },
            at: self.clock.now(),
            reason: reason.map(str::to_owned),
            saw,
            holds: Vec::new(),
            backend,
        };
        self.record(&stream, &Input::Command(Box::new(issued)))?;
        self.carry_out(&stream).await?;
        Ok(stream)
    }

    /// A stop that cannot be recorded acts first and goes on trying to record.
    pub(super) async fn stop(&mut self, command: Command, actor: &str) -> Result<String, Trouble> {
        loop {
            match self.obey(command.clone(), actor, None).await {
                Err(Trouble::Journal(_)) => {
                    if command == Command::Abort {
                        self.switch_off().await;
                    }
                    let again = self.clock.now().plus(Span::seconds(5));
                    self.clock.sleep_until(again).await;
                }
                done => return done,
            }
        }
    }
}
