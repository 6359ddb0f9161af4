//! Folding an event into the state. All counters live here; nothing is decided.

use super::breaker::HeldBack;
use super::decimal::Decimal;
use super::event::{Credit, Event, Fired, Judged, Mark, Missing};
use super::exposure::Exposure;
use super::input::Actor;
use super::split::SAMPLE_RATIO;
use super::state::{Cause, EffectKind, PersonPause, Phase, State, Timer};
use super::time::Timestamp;

impl State {
    /// Folds one event into the state. Total: any sequence of events gives a state.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started { at, plan, stamp, stage, .. } => {
                *self = State {
                    phase: Phase::Running,
                    plan: plan.clone(),
                    stamp: stamp.clone(),
                    started: *at,
                    stage: *stage,
                    earns_after: *at,
                    version: self.version + 1,
                    // ids go on, so that no answer to an older effect is taken for one to a newer
                    last_effect: self.last_effect,
                    ..State::default()
                };
            }
            Event::Ticked(judged) => self.tick(judged),
            Event::Notified(_) | Event::WouldAct(_) | Event::Advancing { .. } => {}
            Event::HeldBack { fired, trip, .. } => {
                self.held_back.insert(fired.rule.clone(), HeldBack { at: fired.at, trip: trip.clone() });
            }
            Event::Intended(effect) => {
                self.last_effect = effect.id;
                self.asked.insert(effect.to.clone());
                self.taking_over |= effect.take_over;
                self.approvable = false;
                self.effect = Some(effect.clone());
            }
            Event::Effective { at, exposure, stage, changed, .. } => {
                self.effect = None;
                self.drift = None;
                self.effective = Some(*at);
                self.taking_over = false;
                self.touched = None;
                self.exposed |= !exposure.is_nobody();
                if *changed || *stage != self.stage {
                    self.reset_timers();
                    self.reset_bake();
                    self.version += 1;
                }
                self.allowed.clone_from(exposure);
                self.stage = *stage;
            }
            Event::NotApplied { .. } => self.effect = None,
            Event::Withdrawn { .. } => {
                // it may have landed all the same
                self.exposed |= self.effect.take().is_some_and(|effect| !effect.to.is_nobody());
            }
            Event::Confirmed { at, .. } => {
                let kind = self.effect.take().map(|effect| effect.kind);
                self.touched = None;
                self.exposed &= kind != Some(EffectKind::Off);
                if kind == Some(EffectKind::Shrink) && self.phase == Phase::Running {
                    self.effective = Some(*at);
                }
            }
            Event::Paused { at, causes, by, reason, .. } => {
                self.pause(causes.iter().cloned());
                self.say_who(*at, by.as_ref(), reason.as_ref());
                if causes.iter().any(|cause| *cause != Cause::Person) {
                    self.reset_bake();
                }
            }
            Event::RolledBack { at, stage, exposure, cause, because, by: person, reason } => {
                self.pause([cause.clone()]);
                self.say_who(*at, person.as_ref(), reason.as_ref());
                let by = |fired: &Fired| match cause {
                    Cause::Signal(_) => Cause::Signal(fired.rule.clone()),
                    _ => Cause::Rule(fired.rule.clone()),
                };
                self.rolled_back.extend(because.iter().map(by));
                self.stage = *stage;
                self.shrink_to(exposure);
            }
            Event::Stopped { cause, .. } => {
                self.phase = Phase::Stopped;
                self.held_back.clear();
                self.stopped_by = Some(cause.clone());
                self.shrink_to(&Exposure::nobody());
                self.version += 1;
            }
            Event::Resumed { at, .. } => self.let_go(*at),
            Event::Forced { at, stage, .. } => {
                self.let_go(*at);
                self.stage = *stage;
                self.reset_bake();
            }
            Event::Approved { at, by } => {
                self.approvals.insert(by.name.clone());
                self.earns_after = self.earns_after.max(*at);
            }
            Event::Muted { at, rule, index, until, .. } => {
                self.muted.insert(rule.clone(), *until);
                // the rule starts anew when the mute ends: at ticks before that it is silent, and there may be none
                match index {
                    Some(index) => self.rules.get_mut(*index).into_iter().for_each(|timer| *timer = Timer::default()),
                    None if rule == SAMPLE_RATIO => self.split = None,
                    None => self.no_data = Timer::default(),
                }
                self.earns_after = self.earns_after.max(*at);
            }
            Event::Adopted { at, plan, stage, .. } => {
                self.plan.clone_from(plan);
                self.stage = *stage;
                self.earns_after = self.earns_after.max(*at);
                // its rules are others, whatever they are called
                self.held_back.clear();
                self.reset_timers();
                self.reset_bake();
                self.version += 1;
            }
            Event::Reduced { exposure, .. } => {
                self.shrink_to(exposure);
                self.version += 1;
            }
            Event::Drifted { observed, .. } => {
                self.drift = Some(observed.clone());
                self.exposed |= observed.reaches_anybody();
                self.approvable = false;
                self.version += 1;
            }
            Event::DriftEnded { .. } => {
                self.drift = None;
                self.exposed &= self.phase != Phase::Stopped;
            }
            Event::LateWrite { .. } => {
                self.effective = None;
                self.exposed = true;
                self.reset_timers();
                self.reset_bake();
                self.version += 1;
            }
            Event::Touched { hand, .. } => {
                self.touched = Some(hand.clone());
                self.reset_bake();
            }
            Event::Unserved { why, .. } => {
                self.unserved = Some(why.clone());
                self.approvable = false;
            }
            Event::Served { .. } => self.unserved = None,
            Event::Completed { .. } => {
                self.phase = Phase::Completed;
                self.version += 1;
            }
        }
    }

    fn tick(&mut self, judged: &Judged) {
        self.last_tick = Some(judged.at);
        self.judged_here = true;
        self.rules.resize(judged.rules.len(), Timer::default());
        self.lines.resize(judged.lines.len(), Timer::default());
        for (index, (timer, mark)) in self.rules.iter_mut().zip(&judged.rules).enumerate() {
            match judged.weights.iter().find(|(rule, _)| *rule == index) {
                Some((_, weight)) => timer.weigh(*mark, *weight, judged.at),
                None => timer.step(*mark, Mark::True, judged.at),
            }
        }
        for (timer, mark) in self.lines.iter_mut().zip(&judged.lines) {
            timer.step(*mark, Mark::False, judged.at);
        }
        match judged.no_data {
            Some(true) => self.no_data.step(Mark::True, Mark::True, judged.at),
            Some(false) => self.no_data = Timer::default(),
            None => {}
        }
        if judged.split.is_some() {
            self.split.clone_from(&judged.split);
        }
        match judged.credit {
            Credit::Earned => {
                self.baked = self.baked.saturating_add(1);
                if let Some(samples) = judged.samples {
                    self.samples = self.samples.plus(samples);
                }
                self.proofs.extend(judged.proofs.iter().copied());
            }
            // nothing is earned, and what was bad is counted all the same
            Credit::Frozen => self.proofs.extend(judged.proofs.iter().copied()),
            Credit::Restarted => self.reset_bake(),
        }
        self.missing.clone_from(&judged.missing);
        self.approvable = matches!(judged.missing.as_slice(), [Missing::Approval { .. }]);
    }

    fn pause(&mut self, causes: impl IntoIterator<Item = Cause>) {
        self.phase = Phase::Paused;
        self.causes.extend(causes);
        self.approvals.clear();
        self.approvable = false;
        self.version += 1;
    }

    /// Who paused it, if a person did, and what they said.
    fn say_who(&mut self, at: Timestamp, by: Option<&Actor>, reason: Option<&String>) {
        self.pauses.extend(by.map(|by| PersonPause { at, by: by.name.clone(), reason: reason.cloned() }));
    }

    /// A person lets go: resume and force.
    fn let_go(&mut self, at: Timestamp) {
        self.phase = Phase::Running;
        self.causes.clear();
        self.pauses.clear();
        self.rolled_back.clear();
        self.held_back.clear();
        self.approvals.clear();
        self.approvable = false;
        self.drift = None;
        self.effective = None;
        self.earns_after = self.earns_after.max(at);
        self.reset_timers();
        self.version += 1;
    }

    /// Decided or accepted: a shrink counts from here, not from its read-back.
    fn shrink_to(&mut self, exposure: &Exposure) {
        self.allowed.clone_from(exposure);
        self.effective = None;
        self.reset_timers();
        self.reset_bake();
    }

    fn reset_timers(&mut self) {
        self.judged_here = false;
        self.rules.fill(Timer::default());
        self.lines.fill(Timer::default());
        self.no_data = Timer::default();
        self.split = None;
    }

    fn reset_bake(&mut self) {
        self.baked = 0;
        self.samples = Decimal::ZERO;
        self.proofs.clear();
        self.approvals.clear();
        self.approvable = false;
    }
}

impl Timer {
    /// Takes what a condition said at a tick. `hit` is what lengthens the run: true for rules, false for health.
    pub fn step(&mut self, mark: Mark, hit: Mark, at: Timestamp) {
        match mark {
            Mark::Unknown => self.unknown = self.unknown.saturating_add(1),
            mark if mark == hit => {
                self.run = self.run.saturating_add(1);
                self.since.get_or_insert(at);
                self.unknown = 0;
            }
            _ => *self = Timer::default(),
        }
    }
    /// Takes the number of a rule that counts, after a tick whose counts are known.
    pub fn weigh(&mut self, mark: Mark, weight: Decimal, at: Timestamp) {
        *self = Timer {
            run: if mark == Mark::True { self.run.saturating_add(1) } else { 0 },
            since: (weight > Decimal::ZERO).then(|| self.since.unwrap_or(at)),
            unknown: 0,
            weight,
        };
    }
}
