//! One tick: the backend's drift first, then what fired, else advance.

use super::{Asked, Folding, Growth};
use crate::engine::decimal::Decimal;
use crate::engine::detector::Weighed;
use crate::engine::event::{Credit, Event, Fired, Judged, Mark};
use crate::engine::input::{Gates, Late, LateTick, Signal, Tick};
use crate::engine::judge::{NO_DATA, UNKNOWN_RUN_LEAST, judge};
use crate::engine::plan::{Action, Rule};
use crate::engine::reading::{Reading, Unknown};
use crate::engine::split::{Counted, SAMPLE_RATIO};
use crate::engine::state::{Cause, Phase, Timer};
use crate::engine::time::{Span, Timestamp};

impl Folding<'_> {
    pub(super) fn tick(&mut self, tick: &Tick) {
        if self.state.phase == Phase::Stopped {
            // a late write of ours may still bring it back
            self.observe(tick.evaluated, &tick.gates.backend, false);
            return;
        }
        if !self.state.is_live() || tick.at <= self.state.started {
            return;
        }
        if self.state.last_tick.is_some_and(|last| tick.at <= last) {
            // it can stop and do nothing else
            let run = vec![LateTick { at: tick.at, late: true, readings: tick.readings.clone() }];
            let breaker = tick.gates.breaker.clone();
            return self.late(&Late { evaluated: tick.evaluated, ticks: run, breaker });
        }
        self.observe(tick.evaluated, &tick.gates.backend, false);
        self.skipped(tick);
        let asked = self.judged(tick, judge(self.plan, self.state, tick));
        let asked = self.hold_back(tick.evaluated, asked, &tick.gates.breaker, Folding::holds_run);
        // `at` is when it was decided; each rule's own record says which tick it was
        if !self.carry_out(tick.evaluated, asked, cause_of_rule) {
            self.advance(tick);
        }
    }

    /// Ticks that were judged while they could not be recorded: up to the one that stops, or none of them. Without a stop
    /// they are left to be asked again, by whoever records what was answered.
    pub(super) fn aside(&mut self, ticks: &[Tick]) {
        // what is left where nothing shuts it down: everything before the ticks, or up to the last of them that did something
        let mut kept = (self.state.clone(), self.events.len());
        for tick in ticks {
            let is_new = tick.at > self.state.last_tick.map_or(self.state.started, |last| last.max(self.state.started));
            if !self.state.is_live() || !is_new || tick.at > tick.evaluated {
                continue;
            }
            let tick = &Tick { present: false, gates: Gates::default(), ..tick.clone() };
            self.skipped(tick);
            let mut judged = judge(self.plan, self.state, tick);
            if judged.credit == Credit::Earned {
                (judged.credit, judged.samples, judged.proofs) = (Credit::Frozen, None, Vec::new());
            }
            let asked = self.judged(tick, judged);
            // what the breaker says now is not recorded, so it holds nothing back; what it held back before stays so
            let asked = self.hold_back(tick.evaluated, asked, &[], Folding::holds_run);
            let judged = self.events.len();
            self.carry_out(tick.evaluated, asked, cause_of_rule);
            if self.state.phase == Phase::Stopped {
                return;
            }
            // what was sent may be a shutdown that comes after a pause or a rollback
            if self.events.len() > judged {
                kept = (self.state.clone(), self.events.len());
            }
        }
        let events;
        (*self.state, events) = kept;
        self.events.truncate(events);
    }

    /// Ticks between the last one and this that nobody fed are unobserved: they break a running `for` as unknown does.
    pub(super) fn skipped(&mut self, tick: &Tick) {
        let Some(last) = self.state.last_tick else { return };
        let every = self.plan.every.0.max(1);
        let gap = (tick.at.since(last).0 / every).saturating_sub(1);
        if gap == 0 {
            return;
        }
        let state = &*self.state;
        if !state.rules.iter().chain(&state.lines).chain([&state.no_data]).any(|timer| timer.run > 0) {
            return;
        }
        let rules = self.plan.rules.iter().map(|rule| rule.hold_for);
        let lines = self.plan.healthy.iter().map(|line| line.hold_for);
        let longest = rules.chain(lines).map(|hold_for| self.plan.rule_ticks(hold_for)).max().unwrap_or(0);
        // more of them than the longest `for` break nothing more
        for index in 1..=gap.min(u64::from(longest.max(UNKNOWN_RUN_LEAST))) {
            let unobserved = Tick {
                at: last.plus(Span(every.saturating_mul(index))),
                evaluated: tick.evaluated,
                present: false,
                readings: vec![Reading::Unknown(Unknown::Unobserved); self.plan.series.len()],
                gates: Gates::default(),
            };
            let judged = judge(self.plan, self.state, &unobserved);
            self.emit(Event::Ticked(judged));
        }
    }

    /// Records a judgement, and says everything that fires at its tick.
    pub(super) fn judged(&mut self, tick: &Tick, judged: Judged) -> Asked {
        let plan = self.plan;
        let no_data = judged.no_data == Some(true);
        let firing = |(index, number): &(usize, Decimal)| {
            let threshold = plan.rules.get(*index)?.detector.as_ref()?.threshold;
            let before = self.state.rules.get(*index).map_or(Decimal::ZERO, |timer| timer.weight);
            (*number >= threshold).then_some((*index, Weighed { before, number: *number, threshold }))
        };
        let weighed: Vec<(usize, Weighed)> = judged.weights.iter().filter_map(firing).collect();
        let record = self.events.len();
        let split = self.split_found(tick, &judged);
        self.emit(Event::Ticked(judged));
        let mut asked = Asked::default();
        if let Some(found) = split {
            let only_observed = plan.sample_ratio.as_ref().is_some_and(|ratio| ratio.observe);
            self.emit(if only_observed { Event::WouldAct(found) } else { Event::Notified(found) });
        }
        for (index, rule) in plan.rules.iter().enumerate() {
            let Some(Event::Ticked(judged)) = self.events.get(record) else { break };
            let is_true = judged.rules.get(index) == Some(&Mark::True);
            let Some(timer) = self.state.rules.get(index).filter(|_| is_true) else { continue };
            let need = plan.rule_ticks(rule.hold_for);
            if timer.run < need {
                continue;
            }
            let weighed = weighed.iter().find(|(rule, _)| *rule == index).map(|(_, weighed)| *weighed);
            let fired = self.fired(rule, &tick.readings, tick.at, timer, weighed);
            let is_edge = timer.run == need;
            self.take(fired, rule.observe, is_edge, &mut asked);
        }
        if let Some(rule) = plan.no_data.as_ref().filter(|_| no_data) {
            let timer = &self.state.no_data;
            let need = plan.ticks(rule.after);
            if timer.run >= need {
                let fired = self.no_data_fired(&rule.then, tick, timer);
                let is_edge = timer.run == need;
                self.take(fired, rule.observe, is_edge, &mut asked);
            }
        }
        asked
    }

    /// A split that is found at this tick not to be what was configured. It holds, and asks for nothing.
    fn split_found(&self, tick: &Tick, judged: &Judged) -> Option<Fired> {
        let (ratio, after) = (self.plan.sample_ratio.as_ref()?, judged.split.as_deref()?);
        let nothing = Counted::default();
        let before = self.state.split.as_deref().unwrap_or(&nothing);
        let found = ratio.mismatch(self.state.stage, after).filter(|_| before.stands != after.stands)?;
        let mut evidence = Vec::new();
        ratio.each_series(&mut |index| evidence.extend(self.read(index, &tick.readings)));
        Some(Fired {
            rule: SAMPLE_RATIO.to_owned(),
            then: Action::Hold,
            at: tick.at,
            since: found.counted.since.unwrap_or(tick.at),
            evidence,
            weighed: Some(found.weighed(before)),
            mismatch: Some(Box::new(found)),
        })
    }

    /// A series by its name, and what it read.
    fn read(&self, index: usize, readings: &[Reading]) -> Option<(String, Reading)> {
        Some((self.plan.series.get(index)?.name.clone(), readings.get(index)?.clone()))
    }

    /// Takes what fires: what only says so is said when it begins to, a run having that length once.
    fn take(&mut self, fired: Fired, observe: bool, is_edge: bool, asked: &mut Asked) {
        match fired.then {
            _ if observe && is_edge => self.emit(Event::WouldAct(fired)),
            _ if observe => {}
            Action::Notify if is_edge => self.emit(Event::Notified(fired)),
            _ => asked.add(fired),
        }
    }

    pub(super) fn fired(
        &self,
        rule: &Rule,
        readings: &[Reading],
        at: Timestamp,
        timer: &Timer,
        weighed: Option<Weighed>,
    ) -> Fired {
        let mut evidence: Vec<(String, Reading)> = Vec::new();
        rule.each_series(&mut |index| {
            let seen = self.read(index, readings);
            evidence.extend(seen.filter(|(name, _)| !evidence.iter().any(|(known, _)| known == name)));
        });
        let (name, then, since) = (rule.name.clone(), rule.then.clone(), timer.since.unwrap_or(at));
        Fired { rule: name, then, at, since, evidence, weighed, mismatch: None }
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
            weighed: None,
            mismatch: None,
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
            self.intend_growth(next, Growth::ByRule, tick.evaluated);
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
            weighed: None,
            mismatch: None,
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
