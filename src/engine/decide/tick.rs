//! One tick: the backend's drift first, then what fired, else advance.

use super::{Asked, Folding};
use crate::engine::condition::Condition;
use crate::engine::event::{Event, Fired, Mark};
use crate::engine::input::{Signal, Tick};
use crate::engine::judge::{NO_DATA, judge};
use crate::engine::plan::Action;
use crate::engine::reading::Reading;
use crate::engine::state::{Cause, Phase, Timer};
use crate::engine::time::Timestamp;

impl Folding<'_> {
    pub(super) fn tick(&mut self, tick: &Tick) {
        if self.state.phase == Phase::Stopped {
            // a late write of ours may still bring it back
            self.observe(tick.evaluated, &tick.gates.backend, false);
            return;
        }
        let is_its = tick.at > self.state.started && self.state.last_tick.is_none_or(|last| tick.at > last);
        if !self.state.is_live() || !is_its {
            return;
        }
        self.observe(tick.evaluated, &tick.gates.backend, false);
        let judged = judge(self.plan, self.state, tick);
        let marks = judged.rules.clone();
        let no_data = judged.no_data == Some(true);
        self.emit(Event::Ticked(judged));
        let asked = self.what_fired(tick, &marks, no_data);
        // `at` is when it was decided; each rule's own record says which tick it was
        if !self.carry_out(tick.evaluated, asked, cause_of_rule) {
            self.advance(tick);
        }
    }

    fn what_fired(&mut self, tick: &Tick, marks: &[Mark], no_data: bool) -> Asked {
        let plan = self.plan;
        let mut asked = Asked::default();
        for (index, (rule, mark)) in plan.rules.iter().zip(marks).enumerate() {
            let Some(timer) = self.state.rules.get(index) else { continue };
            let need = plan.rule_ticks(rule.hold_for);
            if *mark != Mark::True || timer.run < need {
                continue;
            }
            let fired = self.fired(&rule.name, &rule.then, &rule.condition, &tick.readings, tick.at, timer);
            match rule.then {
                // a run has this length once: that is the edge
                Action::Notify if timer.run == need => self.emit(Event::Notified(fired)),
                _ => asked.add(fired),
            }
        }
        if let Some(rule) = plan.no_data.as_ref().filter(|_| no_data) {
            let timer = &self.state.no_data;
            let need = plan.ticks(rule.after);
            if timer.run >= need {
                let fired = self.no_data_fired(&rule.then, tick, timer);
                match rule.then {
                    Action::Notify if timer.run == need => self.emit(Event::Notified(fired)),
                    _ => asked.add(fired),
                }
            }
        }
        asked
    }

    pub(super) fn fired(
        &self,
        name: &str,
        then: &Action,
        condition: &Condition,
        readings: &[Reading],
        at: Timestamp,
        timer: &Timer,
    ) -> Fired {
        let mut evidence: Vec<(String, Reading)> = Vec::new();
        condition.each_series(&mut |index| {
            if let (Some(series), Some(reading)) = (self.plan.series.get(index), readings.get(index))
                && !evidence.iter().any(|(seen, _)| *seen == series.name)
            {
                evidence.push((series.name.clone(), reading.clone()));
            }
        });
        Fired { rule: name.to_owned(), then: then.clone(), at, since: timer.since.unwrap_or(at), evidence }
    }

    fn no_data_fired(&self, then: &Action, tick: &Tick, timer: &Timer) -> Fired {
        let series = self.plan.series.iter().zip(&tick.readings);
        Fired {
            rule: NO_DATA.to_owned(),
            then: then.clone(),
            at: tick.at,
            since: timer.since.unwrap_or(tick.at),
            evidence: series
                .filter(|(_, reading)| reading.is_no_data())
                .map(|(series, reading)| (series.name.clone(), reading.clone()))
                .collect(),
        }
    }

    /// Grows by one stage, or completes, if nothing at all is missing.
    fn advance(&mut self, tick: &Tick) {
        if self.state.phase != Phase::Running || !self.state.missing.is_empty() || self.state.effect.is_some() {
            return;
        }
        let next = self.state.stage + 1;
        if next < self.plan.stages.len() {
            self.emit(Event::Advancing { stage: next, at: tick.at });
            self.intend_growth(next, false, false, tick.evaluated);
        } else {
            self.emit(Event::Completed { at: tick.at });
        }
    }

    pub(super) fn signal(&mut self, signal: &Signal) {
        if !self.state.is_live() {
            return;
        }
        let fired = Fired {
            rule: signal.name.clone(),
            then: signal.then.clone(),
            at: signal.at,
            since: signal.at,
            evidence: Vec::new(),
        };
        if signal.then == Action::Notify {
            self.emit(Event::Notified(fired));
            return;
        }
        let mut asked = Asked::default();
        asked.add(fired);
        self.carry_out(signal.at, asked, |name| Cause::Signal(name.to_owned()));
    }
}

pub(super) fn cause_of_rule(name: &str) -> Cause {
    Cause::Rule(name.to_owned())
}
