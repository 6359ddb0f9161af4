//! Human commands on a rollout that exists.

use std::collections::BTreeSet;

use super::dated::UNREADABLE;
use super::effects::Patience;
use super::error::ControlError;
use super::record::{Freeze, Step};
use super::rollout::Rollout;
use super::site::Site;
use super::store::{Batch, is_conflict};
use super::ticks::next_due;
use crate::engine::decide::{Refusal, RefusalKind};
use crate::engine::input::{Command, Issued, Observation};
use crate::engine::{EffectKind, Event, Exposure, Input, Phase, Plan, Span};

/// How often a command is judged again because others appended meanwhile.
const CONFLICTS: usize = 20;
/// Less time than this before a tick falls due is too short to write and read back; half a tick where that is less.
const ROOM: Span = Span::seconds(2);

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandReport {
    /// `release@environment`.
    pub address: String,
    /// The rollout's id.
    pub rollout: String,
    /// The flag's key.
    pub flag: String,
    /// Where it is now.
    pub phase: Phase,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed now.
    pub allowed: Exposure,
    /// Whether something is still to be done at the backend.
    pub unconfirmed: bool,
    /// Whether the command changed anything.
    pub changed: bool,
    /// Why it did not happen at the backend, where it did not.
    pub trouble: Option<String>,
    /// What was folded on the way.
    pub steps: Vec<Step>,
}

impl Site {
    /// Commands a rollout. What can grow first has the ticks that are due evaluated, and the backend read. `saw` is the
    /// version of the state that the person looked at; none stands for the newest one that is known here, for whoever looks
    /// and acts at once.
    ///
    /// # Errors
    /// A refusal, no such rollout, or the journal's.
    pub async fn command(
        &mut self,
        release: &str,
        environment: &str,
        command: Command,
        reason: Option<String>,
        saw: Option<u64>,
    ) -> Result<CommandReport, ControlError> {
        self.hear()?;
        let rollout = self.store.newest(release, environment).ok_or_else(|| {
            ControlError::NotFound(format!("{release}@{environment} has no rollout; `flagstaff start` begins one"))
        })?;
        let id = rollout.id.clone();
        let saw = saw.unwrap_or(rollout.state.version);
        let ids = BTreeSet::from([id.clone()]);
        // what takes away waits for nothing: no tick, no look at the backend
        let can_grow = command.can_grow() && !command.shrinks(rollout.state.stage);
        if can_grow {
            let plan = rollout.plan.clone();
            self.room_to_grow(&plan).await;
            // unknown is an answer: a source that is down does not keep a person from deciding
            self.pass_due(&ids).await?;
        }
        for _ in 0..CONFLICTS {
            let backend = if can_grow { self.read_backend(&id).await } else { Observation::NotRead };
            self.hear()?;
            if can_grow {
                self.record(&[(id.clone(), Input::Seen { at: self.now(), backend: backend.clone() })])?;
            }
            match self.issue(&id, &command, reason.clone(), saw, backend) {
                Ok(steps) => {
                    let changed = !steps.is_empty();
                    let more = self.carry_out(&ids, Patience::ToTheEnd).await?;
                    return self.report(&id, changed, &[steps, more].concat());
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ControlError::Failed("the journal is written faster than it can be read".to_owned()))
    }

    /// Passes until the ticks that are due are recorded, by whomever.
    async fn pass_due(&mut self, ids: &BTreeSet<String>) -> Result<(), ControlError> {
        for _ in 0..CONFLICTS {
            if !self.pass_with(ids, Patience::ToTheEnd).await?.overtaken {
                return Ok(());
            }
        }
        Err(ControlError::Failed("the journal is written faster than it can be read".to_owned()))
    }

    /// A growth expires when the next tick falls due. Typed right before that, it waits until just after.
    pub(super) async fn room_to_grow(&self, plan: &Plan) {
        let now = self.now();
        let due = next_due(plan, now);
        if due.since(now) < Span((plan.every.0 / 2).min(ROOM.0)) {
            self.clock.sleep_until(due).await;
        }
    }

    fn issue(
        &mut self,
        id: &str,
        command: &Command,
        reason: Option<String>,
        saw: u64,
        backend: Observation,
    ) -> Result<Vec<(String, Step)>, ControlError> {
        let now = self.now();
        // two releases may share a flag, one after the other: only the newest rollout has it
        if let Some(rollout) = self.store.rollout(id)
            && let Some(newer) = self.store.superseding(rollout)
        {
            let (flag, newer) = (&rollout.plan.flag, newer.address());
            return Err(ControlError::Failed(format!("flag `{flag}` has gone on to {newer}; command that one")));
        }
        let holds = self.store.rollout(id).map(|rollout| self.holds(&rollout.plan)).unwrap_or_default();
        let issued = Issued {
            command: command.clone(),
            actor: self.actor.clone(),
            at: now,
            reason,
            saw: Some(saw),
            holds,
            backend: backend.clone(),
        };
        if matches!(command, Command::Resume | Command::Force { .. })
            && let Some(rollout) = self.store.rollout(id)
        {
            self.refuse_gone(&rollout.plan, &backend)?;
        }
        let mut batch = Batch::default();
        let folded = self.store.fold(&mut batch, id, now, Input::Command(Box::new(issued)));
        let events = folded.map_err(|refusal| match self.store.rollout(id) {
            Some(rollout) => self.refused(refusal, &rollout.plan),
            None => refusal.into(),
        })?;
        let steps = self.store.commit(now, batch)?;
        self.own(id, &events, &backend);
        Ok(steps)
    }

    /// A refusal whose command can be typed as it stands.
    pub(super) fn refused(&self, refusal: Refusal, plan: &Plan) -> ControlError {
        let RefusalKind::Frozen(name) = &refusal.kind else {
            return refusal.at(&plan.release, &plan.environment).into();
        };
        if *name == UNREADABLE || self.dated().freezes.iter().any(|freeze| freeze.name == *name) {
            // nobody can lift what stands in the documents
            return Refusal { instead: None, ..refusal }.into();
        }
        // what is lifted is the freeze, with its own scope
        let named = |freeze: &&&Freeze| freeze.name == *name;
        let freezes = self.store.freezes(self.now());
        let scope = freezes.iter().find(named).map(|freeze| {
            let release = freeze.release.as_ref().map(|release| format!(" {release}")).unwrap_or_default();
            let environment = freeze.environment.as_ref().map(|it| format!(" -e {it}")).unwrap_or_default();
            format!("freeze{release} --lift{environment}")
        });
        Refusal { instead: scope.or_else(|| refusal.instead.clone()), ..refusal }.into()
    }

    /// Remembers the growths that this process intended, and what they were decided on: nobody else may send them, and
    /// they are not sent over anything else.
    pub(super) fn own(&mut self, id: &str, events: &[Event], seen: &Observation) {
        let revision = match seen {
            Observation::Seen(seen) => Some(seen.revision.clone()),
            _ => None,
        };
        for event in events {
            if let Event::Intended(effect) = event {
                self.mine.insert((id.to_owned(), effect.id), revision.clone());
            }
        }
    }

    /// Why what is allowed was not read back.
    fn trouble_with(&self, rollout: &Rollout) -> Option<String> {
        let open = rollout.state.effect.as_ref()?;
        let of_request = self.troubles.get(&rollout.id).cloned();
        Some(of_request.unwrap_or_else(|| match open.kind {
            EffectKind::Grow => "it was sent, and not read back yet".to_owned(),
            _ => "it was sent, and is still to be read back: whoever drives it keeps trying".to_owned(),
        }))
    }

    /// What a rollout looks like after a command.
    ///
    /// # Errors
    /// Where the rollout is gone.
    pub(super) fn report(
        &self,
        id: &str,
        changed: bool,
        steps: &[(String, Step)],
    ) -> Result<CommandReport, ControlError> {
        let rollout = self
            .store
            .rollout(id)
            .ok_or_else(|| ControlError::Failed(format!("rollout {id} is not in the journal")))?;
        let trouble = steps.iter().rev().find_map(|(of, step)| match &step.input {
            Input::Outcome(outcome) if of == id => outcome.trouble.clone(),
            _ => None,
        });
        Ok(CommandReport {
            address: rollout.address(),
            rollout: id.to_owned(),
            flag: rollout.plan.flag.clone(),
            phase: rollout.state.phase,
            stage: rollout.plan.stages.get(rollout.state.stage).map(|stage| stage.name.clone()).unwrap_or_default(),
            allowed: rollout.state.allowed.clone(),
            unconfirmed: rollout.state.effect.is_some(),
            changed,
            trouble: trouble.or_else(|| self.trouble_with(rollout)),
            steps: steps.iter().filter(|(of, _)| of == id).map(|(_, step)| step.clone()).collect(),
        })
    }
}
