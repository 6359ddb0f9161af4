//! The fold: judges an input, applies its events to the state, and returns them to be recorded.

mod breaker;
mod command;
mod late;
mod observe;
mod tick;

use std::collections::BTreeSet;

use super::event::{Event, Fired};
use super::exposure::Exposure;
use super::input::{Actor, Input};
use super::plan::{Action, Plan, RollbackStage};
use super::state::{Cause, Effect, EffectKind, Phase, State};
use super::time::Timestamp;

pub use breaker::{Shutdown, late_shutdowns, shutdowns};
pub use command::{Opening, may_start};
pub use late::unfinished;

/// Why a command was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What stands against it, for people.
    pub reason: String,
    /// The command that would do, without `flagstaff` before it, where there is one. The engine says the verb and its
    /// options; whoever knows where it happens adds the address: [`Refusal::at`].
    pub instead: Option<String>,
    /// Which branch callers take.
    pub kind: RefusalKind,
}

impl Refusal {
    /// The same with the release and environment in the command that would do, so that it can be typed as it stands.
    #[must_use]
    pub fn at(self, release: &str, environment: &str) -> Refusal {
        let addressed = |instead: String| {
            let (verb, options) = instead.split_once(' ').unwrap_or((&instead, ""));
            match verb {
                // it is about documents, not about one release
                "apply" => format!("apply {options} -e {environment}"),
                verb => format!("{verb} {release} -e {environment} {options}").trim_end().to_owned(),
            }
        };
        Refusal { instead: self.instead.map(addressed), ..self }
    }
}

/// The branches that callers tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// The state table has no such cell.
    NotInThisState,
    /// The rollout was shut down or aborted: exit 6 for `start`.
    Stopped,
    /// State, causes or exposure changed after what the person saw.
    Changed,
    /// A freeze that the reason does not name; its name.
    Frozen(String),
    /// Something is missing that the command needs (approval too early …).
    NotReady,
    /// The backend could not be read.
    Unreachable,
    /// Another rollout's or journal's stamp.
    ForeignStamp,
    /// The actor may not do this: not a member of the groups that may.
    NotAuthorised,
}

/// Folds one input: the returned events have been applied to `state` already.
///
/// An input that means nothing any more (a tick of a completed rollout, a tick at or before the start) yields no
/// events. A refused command leaves the state as it was.
///
/// # Errors
/// A command that the state table, the gates or the reason refuse.
pub fn fold(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    // nearly every input makes one event, and events are large
    let mut folding = Folding { plan, state, events: Vec::with_capacity(1) };
    match input {
        Input::Tick(tick) => folding.tick(tick),
        Input::Aside(ticks) => folding.aside(ticks),
        Input::Late(late) => folding.late(late),
        Input::Command(issued) => folding.command(issued)?,
        Input::Signal(signal) => folding.signal(signal),
        Input::Outcome(outcome) => folding.outcome(outcome),
        Input::Seen { at, backend } => folding.observe(*at, backend, false),
    }
    Ok(folding.events)
}

/// One input being folded: every event goes through [`Folding::emit`], so that what is decided next sees it.
struct Folding<'a> {
    plan: &'a Plan,
    state: &'a mut State,
    events: Vec<Event>,
}

/// What is asked for at once by everything that fired: the smallest exposure wins.
#[derive(Default)]
struct Asked {
    shutdown: Vec<Fired>,
    rollback: Vec<Fired>,
    pause: Vec<Fired>,
}

/// Who wants a growth, and what it may do about the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// The next stage, by rule; the switch stays as it is.
    ByRule,
    /// A force, by a person; the switch stays as it is.
    Forced {
        /// Whether it may write over another stamp.
        take_over: bool,
    },
    /// A start or a resume, by a person: turns the switch on, last.
    Switching {
        /// Whether it may write over another stamp.
        take_over: bool,
    },
}

/// Where a rollback ends.
enum Destination {
    Off,
    Stage(usize),
    /// The named stage is not below: only pause.
    Here,
}

impl Asked {
    fn add(&mut self, fired: Fired) {
        match fired.then {
            Action::Shutdown => self.shutdown.push(fired),
            Action::Rollback(_) => self.rollback.push(fired),
            Action::Pause => self.pause.push(fired),
            Action::Notify | Action::Hold => {}
        }
    }
}

impl Folding<'_> {
    fn emit(&mut self, event: Event) {
        self.state.apply(&event);
        self.events.push(event);
    }

    /// Records an effect that must be carried out.
    fn intend(&mut self, kind: EffectKind, to: Exposure, at: Timestamp) {
        let stage = self.state.stage;
        self.emit(Event::Intended(Effect {
            id: self.state.last_effect + 1,
            kind,
            to,
            stage,
            switch_on: false,
            by_person: false,
            expires: None,
            take_over: false,
            at,
        }));
    }

    /// Records a growth. It expires when the next tick falls due: evidence is not fresh for longer.
    fn intend_growth(&mut self, stage: usize, growth: Growth, at: Timestamp) {
        let Some(to) = self.plan.stages.get(stage).map(|stage| stage.exposure.clone()) else { return };
        let next_due = at.minus(self.plan.delay).floor_to(self.plan.every).plus(self.plan.every).plus(self.plan.delay);
        self.emit(Event::Intended(Effect {
            id: self.state.last_effect + 1,
            kind: EffectKind::Grow,
            to,
            stage,
            switch_on: matches!(growth, Growth::Switching { .. }),
            by_person: growth != Growth::ByRule,
            expires: Some(next_due),
            take_over: matches!(growth, Growth::Switching { take_over: true } | Growth::Forced { take_over: true }),
            at,
        }));
    }

    /// Gives up an open growth. Its value stays suspect: if it lands all the same, it is set back.
    fn withdraw_growth(&mut self) {
        if let Some(effect) = self.state.effect.as_ref().filter(|effect| effect.kind == EffectKind::Grow) {
            let effect = effect.id;
            self.emit(Event::Withdrawn { effect });
        }
    }

    /// Off for everybody.
    fn stop(&mut self, at: Timestamp, cause: Cause, because: Vec<Fired>, by: Option<Actor>) {
        self.withdraw_growth();
        self.emit(Event::Stopped { at, cause, because, by });
        self.intend(EffectKind::Off, Exposure::nobody(), at);
    }

    /// Back to a stage, paused; never larger than what is allowed now.
    fn roll_back(
        &mut self,
        at: Timestamp,
        stage: usize,
        cause: Cause,
        because: Vec<Fired>,
        person: Option<(Actor, Option<String>)>,
    ) {
        let Some(target) = self.plan.stages.get(stage) else { return };
        let exposure = target.exposure.meet(&self.state.allowed);
        self.withdraw_growth();
        let (by, reason) = person.map_or((None, None), |(by, reason)| (Some(by), reason));
        self.emit(Event::RolledBack { at, stage, exposure: exposure.clone(), cause, because, by, reason });
        self.intend(EffectKind::Shrink, exposure, at);
    }

    /// Adds causes; says nothing where all of them stand already.
    fn pause(&mut self, at: Timestamp, causes: Vec<Cause>, because: Vec<Fired>) {
        let new = self.new_causes(causes);
        if new.is_empty() && self.state.phase == Phase::Paused {
            return;
        }
        self.withdraw_growth();
        self.emit(Event::Paused { at, causes: new, because, by: None, reason: None });
    }

    fn new_causes(&self, causes: Vec<Cause>) -> BTreeSet<Cause> {
        causes.into_iter().filter(|cause| !self.state.causes.contains(cause)).collect()
    }

    fn destination(&self, to: &RollbackStage) -> Destination {
        let current = self.state.stage;
        match to {
            RollbackStage::Previous => current.checked_sub(1).map_or(Destination::Off, Destination::Stage),
            RollbackStage::Named(name) => match self.plan.stage_named(name) {
                Some(stage) if stage < current => Destination::Stage(stage),
                _ => Destination::Here,
            },
        }
    }

    /// Does what was asked for, the smallest exposure first. Returns whether anything stopped.
    fn carry_out(&mut self, at: Timestamp, asked: Asked, cause_of: impl Fn(&str) -> Cause) -> bool {
        let mut off = asked.shutdown;
        let mut back: Option<(usize, Vec<Fired>)> = None;
        let mut pause = asked.pause;
        for fired in asked.rollback {
            if self.state.rolled_back.contains(&cause_of(&fired.rule)) {
                continue;
            }
            let Action::Rollback(to) = &fired.then else { continue };
            match self.destination(to) {
                Destination::Off => off.push(fired),
                Destination::Here => pause.push(fired),
                Destination::Stage(stage) => {
                    let (lowest, reasons) = back.get_or_insert((stage, Vec::new()));
                    *lowest = stage.min(*lowest);
                    reasons.push(fired);
                }
            }
        }
        if let Some(first) = off.first() {
            let cause = cause_of(&first.rule);
            let because = off.into_iter().chain(back.into_iter().flat_map(|(_, fired)| fired)).chain(pause).collect();
            self.stop(at, cause, because, None);
            return true;
        }
        if let Some((stage, mut because)) = back {
            let cause = cause_of(&because[0].rule);
            let others: Vec<Cause> = pause.iter().map(|fired| cause_of(&fired.rule)).collect();
            because.extend(pause);
            self.roll_back(at, stage, cause, because, None);
            if !others.is_empty() {
                self.pause(at, others, Vec::new());
            }
            return true;
        }
        if pause.is_empty() {
            return false;
        }
        let causes = pause.iter().map(|fired| cause_of(&fired.rule)).collect();
        self.pause(at, causes, pause);
        true
    }
}
