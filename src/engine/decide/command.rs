//! Human commands: the state table of the design, cell by cell.

use super::{Folding, Growth, Refusal, RefusalKind};
use crate::engine::event::Event;
use crate::engine::exposure::{Exposure, Percentage};
use crate::engine::input::{Actor, Command, HoldKind, Issued, Observation, Observed, Stamp};
use crate::engine::judge::NO_DATA;
use crate::engine::plan::Plan;
use crate::engine::split::SAMPLE_RATIO;
use crate::engine::state::{Cause, EffectKind, Phase};
use crate::engine::time::Timestamp;

/// What `start` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A new rollout may be opened.
    New,
    /// It runs already: nothing to do, and that is fine.
    Running,
}

/// Whether a release may start, given the phase of its newest rollout.
///
/// # Errors
/// Where the state table refuses, with the command that would do.
pub fn may_start(phase: Phase, again: bool) -> Result<Opening, Refusal> {
    match (phase, again) {
        (Phase::None, _) | (Phase::Stopped, true) => Ok(Opening::New),
        (Phase::Running, false) => Ok(Opening::Running),
        (Phase::Running, true) => Err(refuse("it is running", Some("abort"))),
        (Phase::Paused, false) => Err(refuse("it is paused", Some("resume"))),
        (Phase::Paused, true) => Err(refuse("it is paused", Some("abort"))),
        (Phase::Stopped, false) => Err(Refusal {
            kind: RefusalKind::Stopped,
            ..refuse("it was stopped; a stopped rollout does not start again by itself", Some("start --again"))
        }),
        (Phase::Completed, false) => Err(refuse("it is completed", Some("start --again"))),
        (Phase::Completed, true) => Err(refuse("it is completed, and its exposure stands", Some("abort"))),
    }
}

fn refuse(reason: &str, instead: Option<&str>) -> Refusal {
    Refusal { reason: reason.to_owned(), instead: instead.map(str::to_owned), kind: RefusalKind::NotInThisState }
}

fn said(command: &str) -> Option<String> {
    Some(command.to_owned())
}

fn not_ready(reason: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), instead: None, kind: RefusalKind::NotReady }
}

/// Whether a reason names a freeze, as a word of its own.
fn names(reason: &str, name: &str) -> bool {
    let punctuation = |c: char| c.is_ascii_punctuation();
    let name = name.trim_matches(punctuation);
    !name.is_empty() && reason.split_whitespace().any(|word| word.trim_matches(punctuation) == name)
}

struct StartOf<'a> {
    stage: usize,
    stamp: &'a Stamp,
    plan: &'a str,
    again: bool,
    take_over: bool,
}

impl Folding<'_> {
    pub(super) fn command(&mut self, issued: &Issued) -> Result<(), Refusal> {
        if self.can_grow(&issued.command) {
            self.guard_growth(issued)?;
        }
        let at = issued.at;
        let by = &issued.actor;
        match &issued.command {
            Command::Start { stage, stamp, plan, again, take_over } => match may_start(self.state.phase, *again)? {
                Opening::Running => Ok(()),
                Opening::New => {
                    self.start(issued, &StartOf { stage: *stage, stamp, plan, again: *again, take_over: *take_over })
                }
            },
            Command::Pause => self.pause_by_person(issued),
            Command::Resume => self.resume(issued),
            Command::Approve => self.approve(issued),
            Command::Force { stage } => self.force(issued, *stage),
            Command::Rollback { stage } => self.rollback_by_person(issued, *stage),
            Command::Abort => {
                self.abort(at, by);
                Ok(())
            }
            Command::Adopt { plan, hash } => self.adopt(at, plan, hash, by),
            Command::Mute { rule, until } => self.mute(at, rule, *until, by),
        }
    }

    /// A force to a stage below is a rollback: it never asks and never waits.
    fn can_grow(&self, command: &Command) -> bool {
        match command {
            Command::Force { stage } => *stage > self.state.stage,
            command => command.can_grow(),
        }
    }

    /// What every command that can grow must satisfy. Fails closed.
    fn guard_growth(&self, issued: &Issued) -> Result<(), Refusal> {
        let is_start = matches!(issued.command, Command::Start { .. });
        if !is_start && issued.saw != Some(self.state.version) {
            return Err(Refusal {
                reason: "its state, causes or exposure changed after what you saw".to_owned(),
                instead: Some("status".to_owned()),
                kind: RefusalKind::Changed,
            });
        }
        for hold in &issued.holds {
            let name = hold.detail.split_whitespace().next().unwrap_or_default().trim_end_matches(':');
            let named = issued.reason.as_deref().is_some_and(|reason| names(reason, name));
            if hold.kind == HoldKind::Freeze && !named {
                return Err(Refusal {
                    reason: format!("frozen: {}; a reason that names `{name}` goes past it", hold.detail),
                    instead: Some("freeze --lift".to_owned()),
                    kind: RefusalKind::Frozen(name.to_owned()),
                });
            }
            let adopts = matches!(issued.command, Command::Adopt { .. });
            if hold.kind == HoldKind::AddressChanged && !adopts && !is_start {
                return Err(Refusal {
                    reason: format!("an address changed: {}; adopt the documents' plan first", hold.detail),
                    instead: Some("apply --adopt".to_owned()),
                    kind: RefusalKind::NotReady,
                });
            }
        }
        Ok(())
    }

    fn seen<'i>(&self, issued: &'i Issued) -> Result<&'i Observed, Refusal> {
        match &issued.backend {
            Observation::Seen(seen) => Ok(seen),
            Observation::Unreadable(detail) => Err(Refusal {
                kind: RefusalKind::Unreachable,
                ..not_ready(format!("the backend cannot be read: {detail}"))
            }),
            Observation::NotRead => Err(not_ready("the backend was not read")),
        }
    }

    fn start(&mut self, issued: &Issued, start: &StartOf<'_>) -> Result<(), Refusal> {
        let seen = self.seen(issued)?;
        let first = self.plan.stages.get(start.stage).ok_or_else(|| not_ready("the plan has no such stage"))?;
        if seen.shown() != Exposure::nobody() || seen.reaches_by_foreign() {
            let shown = seen.foreign.clone().unwrap_or_else(|| seen.shown().to_string());
            // a start begins with few, and would take it away from the rest
            return Err(Refusal {
                reason: format!("the flag already reaches somebody: {shown}; switch it off first"),
                instead: Some("abort".to_owned()),
                kind: RefusalKind::NotReady,
            });
        }
        let foreign = seen.stamp.as_ref().is_some_and(|stamp| stamp.journal != start.stamp.journal);
        if foreign && !(start.take_over && issued.reason.is_some()) {
            return Err(Refusal {
                reason: "the flag carries the stamp of another journal".to_owned(),
                instead: Some(format!("start {}--take-over --reason WHY", if start.again { "--again " } else { "" })),
                kind: RefusalKind::ForeignStamp,
            });
        }
        if start.stage != 0 && !start.again {
            return Err(refuse("a first start is at the first stage", Some("start --again --at STAGE")));
        }
        if first.exposure.percentage == Percentage::FULL && self.plan.full_start_reason.is_none() {
            return Err(not_ready("that stage is 100%, and the template does not allow a full start"));
        }
        self.emit(Event::Started {
            at: issued.at,
            plan: start.plan.to_owned(),
            stamp: start.stamp.clone(),
            stage: start.stage,
            by: issued.actor.clone(),
        });
        self.intend_growth(start.stage, Growth::Switching { take_over: start.take_over }, issued.at);
        Ok(())
    }

    /// Every person's pause is recorded, also on a paused rollout: whoever resumes must have seen it.
    fn pause_by_person(&mut self, issued: &Issued) -> Result<(), Refusal> {
        match self.state.phase {
            Phase::None => return Err(refuse("it has not started", Some("start"))),
            Phase::Stopped | Phase::Completed => return Ok(()),
            Phase::Running | Phase::Paused => {}
        }
        let causes = self.new_causes(vec![Cause::Person]);
        let (by, reason) = (Some(issued.actor.clone()), issued.reason.clone());
        self.withdraw_growth();
        self.emit(Event::Paused { at: issued.at, causes, because: Vec::new(), by, reason });
        Ok(())
    }

    fn resume(&mut self, issued: &Issued) -> Result<(), Refusal> {
        match self.state.phase {
            Phase::None => Err(refuse("it has not started", Some("start"))),
            Phase::Running => Ok(()),
            Phase::Stopped => {
                Err(Refusal { kind: RefusalKind::Stopped, ..refuse("it was stopped", Some("start --again")) })
            }
            Phase::Completed => Err(refuse("it is completed", Some("rollback"))),
            Phase::Paused => {
                let seen = self.seen(issued)?;
                self.refuse_doubtful(seen)?;
                self.refuse_foreign(seen)?;
                self.refuse_changed(seen)?;
                self.withdraw_growth();
                self.emit(Event::Resumed { at: issued.at, by: issued.actor.clone() });
                let take_over = self.state.taking_over;
                self.intend_growth(self.state.stage, Growth::Switching { take_over }, issued.at);
                Ok(())
            }
        }
    }

    /// Nothing grows on what may not be what is served.
    fn refuse_doubtful(&self, seen: &Observed) -> Result<(), Refusal> {
        match self.state.doubt(seen) {
            Some(why) => Err(not_ready(format!("it is not known what is served: {why}"))),
            None => Ok(()),
        }
    }

    fn refuse_foreign(&self, seen: &Observed) -> Result<(), Refusal> {
        // a start that did not land left the stamp that it was allowed to write over
        let ours = &self.state.stamp;
        let may_replace =
            |stamp: &Stamp| self.state.allowed.is_nobody() && (stamp.journal == ours.journal || self.state.taking_over);
        if seen.stamp.as_ref().is_some_and(|stamp| stamp != ours && !may_replace(stamp)) {
            return Err(Refusal {
                reason: "the flag carries another rollout's stamp".to_owned(),
                instead: Some("abort".to_owned()),
                kind: RefusalKind::ForeignStamp,
            });
        }
        if seen.reaches_by_foreign() {
            let what = seen.foreign.clone().unwrap_or_default();
            return Err(not_ready(format!("the flag reaches people by another hand: {what}; remove that first")));
        }
        Ok(())
    }

    /// What is exposed now must be what the person saw: what is allowed, or the drift that the rollout is paused for.
    fn refuse_changed(&self, seen: &Observed) -> Result<(), Refusal> {
        let (shown, allowed) = (seen.shown(), &self.state.allowed);
        let known = self.state.drift.is_some() || self.state.effect.is_some();
        if shown == *allowed || (known && !shown.within(allowed)) {
            return Ok(());
        }
        Err(Refusal {
            reason: format!("the flag shows {shown} where {allowed} is allowed, which you have not seen"),
            instead: Some("status".to_owned()),
            kind: RefusalKind::Changed,
        })
    }

    /// Only a start and a resume switch on: a force under an off switch would reach nobody.
    fn refuse_switched_off(&self, seen: &Observed) -> Result<(), Refusal> {
        match (seen.on, self.state.phase) {
            (true, _) => Ok(()),
            (false, Phase::Paused) => Err(refuse("the flag is switched off", Some("resume"))),
            (false, _) => Err(refuse("the flag is not switched on yet", Some("explain"))),
        }
    }

    /// An approval is of the last tick: what holds growth since then, or shows otherwise, makes it void.
    fn refuse_held(&self, issued: &Issued) -> Result<(), Refusal> {
        if let Some(hold) = issued.holds.iter().find(|hold| hold.kind != HoldKind::Freeze) {
            return Err(not_ready(format!("growth is held since the last tick: {}", hold.detail)));
        }
        let seen = self.seen(issued)?;
        self.refuse_doubtful(seen)?;
        self.refuse_foreign(seen)?;
        self.refuse_changed(seen)
    }

    fn approve(&mut self, issued: &Issued) -> Result<(), Refusal> {
        let (at, by) = (issued.at, &issued.actor);
        match self.state.phase {
            Phase::Running => {}
            Phase::None => return Err(refuse("it has not started", Some("start"))),
            Phase::Paused => return Err(refuse("it is paused", Some("resume"))),
            Phase::Stopped => return Err(refuse("it was stopped", Some("start --again"))),
            Phase::Completed => return Err(refuse("it is completed", Some("status"))),
        }
        let stage = self.plan.stages.get(self.state.stage);
        let Some(approval) = stage.and_then(|stage| stage.approval.as_ref()) else {
            return Err(Refusal { instead: said("explain"), ..not_ready("this stage asks for no approval") });
        };
        // a group without members lets nobody approve; only where no group is named anybody may
        if !approval.groups.is_empty() && !approval.people.contains(&by.name) {
            return Err(Refusal {
                reason: format!("{} is not in {}", by.name, approval.groups.join(", ")),
                instead: None,
                kind: RefusalKind::NotAuthorised,
            });
        }
        if !self.state.approvable {
            return Err(Refusal {
                instead: Some("explain".to_owned()),
                ..not_ready("something else is still missing, so there is nothing to approve yet")
            });
        }
        if self.state.approvals.contains(&by.name) {
            return Err(not_ready(format!("{} approved it already; another person is needed", by.name)));
        }
        self.refuse_held(issued)?;
        self.emit(Event::Approved { at, by: by.clone() });
        Ok(())
    }

    fn force(&mut self, issued: &Issued, stage: usize) -> Result<(), Refusal> {
        if stage >= self.plan.stages.len() {
            return Err(Refusal { instead: said("explain"), ..not_ready("the plan has no such stage") });
        }
        match self.state.phase {
            Phase::None => Err(refuse("it has not started", Some("start"))),
            _ if stage < self.state.stage => self.rollback_by_person(issued, Some(stage)),
            Phase::Stopped => Err(refuse("it was stopped", Some("start --again"))),
            Phase::Completed => Err(refuse("it is completed", Some("rollback"))),
            Phase::Running if stage == self.state.stage => {
                Err(refuse("it is at that stage: nothing to do", Some("explain")))
            }
            Phase::Paused if stage == self.state.stage => Err(refuse("it is paused at that stage", Some("resume"))),
            Phase::Running | Phase::Paused => {
                let seen = self.seen(issued)?;
                self.refuse_doubtful(seen)?;
                self.refuse_foreign(seen)?;
                self.refuse_changed(seen)?;
                self.refuse_switched_off(seen)?;
                self.withdraw_growth();
                self.emit(Event::Forced { at: issued.at, stage, by: issued.actor.clone() });
                self.intend_growth(stage, Growth::Forced { take_over: self.state.taking_over }, issued.at);
                Ok(())
            }
        }
    }

    fn rollback_by_person(&mut self, issued: &Issued, to: Option<usize>) -> Result<(), Refusal> {
        match self.state.phase {
            Phase::None => return Err(refuse("it has not started", Some("start"))),
            // off already: nothing is smaller
            Phase::Stopped => return Ok(()),
            Phase::Running | Phase::Paused | Phase::Completed => {}
        }
        match to.or_else(|| self.state.stage.checked_sub(1)) {
            None => self.abort(issued.at, &issued.actor),
            Some(stage) if stage < self.state.stage => {
                let person = (issued.actor.clone(), issued.reason.clone());
                self.roll_back(issued.at, stage, Cause::Person, Vec::new(), Some(person));
            }
            Some(stage) if stage == self.state.stage => {
                return Err(refuse("it is at that stage", Some("rollback")));
            }
            Some(stage) => {
                let name = self.plan.stages.get(stage).map(|stage| format!("force --to {}", stage.name));
                let instead = name.unwrap_or_else(|| "explain".to_owned());
                return Err(refuse("that stage is not below the current one", Some(&instead)));
            }
        }
        Ok(())
    }

    fn abort(&mut self, at: Timestamp, by: &Actor) {
        if self.state.phase != Phase::Stopped {
            self.stop(at, Cause::Person, Vec::new(), Some(by.clone()));
        } else if self.state.effect.is_none() {
            self.intend(EffectKind::Off, Exposure::nobody(), at);
        }
    }

    fn refuse_not_live(&self, reason: &str, when_completed: &str) -> Result<(), Refusal> {
        match self.state.phase {
            Phase::Running | Phase::Paused => Ok(()),
            Phase::None => Err(refuse(reason, Some("start"))),
            Phase::Stopped => Err(refuse(reason, Some("start --again"))),
            Phase::Completed => Err(refuse(reason, Some(when_completed))),
        }
    }

    fn adopt(&mut self, at: Timestamp, plan: &Plan, hash: &str, by: &Actor) -> Result<(), Refusal> {
        self.refuse_not_live("only a running or paused rollout adopts a plan", "abort")?;
        if self.state.is_growing() {
            return Err(not_ready("a growth is under way; try again when it is settled"));
        }
        let same_rollout = plan.release == self.plan.release
            && plan.flag == self.plan.flag
            && plan.environment == self.plan.environment;
        let current = self.plan.stages.get(self.state.stage);
        let adopted = current.and_then(|current| {
            let index = plan.stage_named(&current.name)?;
            let same = plan.stages[index].exposure == current.exposure
                && plan.stickiness == self.plan.stickiness
                && current
                    .exposure
                    .audiences
                    .iter()
                    .all(|name| plan.audiences.get(name) == self.plan.audiences.get(name));
            same.then_some(index)
        });
        match adopted {
            Some(stage) if same_rollout => {
                self.emit(Event::Adopted { at, plan: hash.to_owned(), stage, by: by.clone() });
                Ok(())
            }
            _ => Err(not_ready("the new plan has no stage of this name with the same exposure")),
        }
    }

    fn mute(&mut self, at: Timestamp, rule: &str, until: Timestamp, by: &Actor) -> Result<(), Refusal> {
        self.refuse_not_live("only a running or paused rollout has armed rules", "status")?;
        let index = self.plan.rules.iter().position(|known| known.name == rule);
        let others = [Some(NO_DATA), self.plan.sample_ratio.as_ref().map(|_| SAMPLE_RATIO)];
        if index.is_none() && !others.contains(&Some(rule)) {
            let names = self.plan.rules.iter().map(|rule| rule.name.as_str()).chain(others.into_iter().flatten());
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(not_ready(format!("there is no rule `{rule}`; rules: {names}")));
        }
        if until <= at {
            return Err(not_ready("a mute must end later than now"));
        }
        self.emit(Event::Muted { at, rule: rule.to_owned(), index, until, by: by.clone() });
        Ok(())
    }
}
