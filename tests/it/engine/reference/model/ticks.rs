//! Ticks: what each condition says, what fires, what is missing.

use std::collections::BTreeSet;

use flagstaff::engine::input::{Late, LateTick, Tick};
use flagstaff::engine::plan::{Action, RollbackStage};
use flagstaff::engine::{Cause, Observation, Phase, Reading, Signal, Timestamp, Unknown};

use super::super::super::kit;
use super::super::shape::{self, Test, Who, rule_name, stage_name};
use super::{Credit, Fact, Model, Mutant, Says};

impl Model<'_> {
    pub(super) fn applies(&self, test: Test) -> bool {
        let percent = self.shape.stages[self.stage()].who.percent;
        let needs_control = matches!(test, Test::AboveControl | Test::CountedAgainstControl);
        !needs_control || (percent > 0 && percent < 100)
    }

    pub(super) fn says(&self, test: Test, readings: &[Reading]) -> Says {
        let number = |series: usize| match readings.get(series) {
            Some(Reading::Value(value)) => {
                Some(value.to_string().parse::<i64>().expect("the tests read whole numbers"))
            }
            _ => None,
        };
        let known = match test {
            Test::Missing(series) if readings.get(series) == Some(&Reading::Unknown(Unknown::Unobserved)) => None,
            Test::Above(series, limit) => number(series).map(|value| value > limit),
            Test::AboveControl => number(kit::ERRORS).zip(number(kit::CONTROL)).map(|(a, b)| 2 * a > 3 * b),
            // told by its evidence: `rule_says`
            Test::Counted | Test::CountedAgainstControl => None,
            Test::Missing(series) => Some(matches!(
                readings.get(series),
                None | Some(Reading::Unknown(Unknown::NoAnswer | Unknown::Error | Unknown::Stale))
            )),
        };
        match known {
            Some(true) => Says::Yes,
            Some(false) => Says::No,
            None => Says::DontKnow,
        }
    }

    pub(super) fn rule_says(&self, rule: usize, readings: &[Reading], at: Timestamp) -> Says {
        let test = self.shape.rules[rule].test;
        let silent = self.muted(&rule_name(rule), at) || !self.applies(test);
        match self.adds(rule, readings) {
            _ if silent => Says::Silent,
            Some(adds) => self.fires(self.evidence(rule, Some(adds))),
            None => self.says(test, readings),
        }
    }

    fn fires(&self, evidence: f64) -> Says {
        if evidence >= shape::THRESHOLD { Says::Yes } else { Says::No }
    }

    /// Failures and all requests of a tick, where both are known.
    fn counts(&self, readings: &[Reading]) -> Option<(f64, f64)> {
        let count = |series: usize| match readings.get(series) {
            Some(Reading::Value(value)) => Some(value.to_string().parse::<f64>().expect("a number").max(0.0)),
            _ => None,
        };
        let (failed, total) = count(shape::FAILED).zip(count(shape::TOTAL))?;
        Some((failed.min(total), total))
    }

    /// What a tick adds to the evidence of a rule that counts: how much likelier its counts are where things are bad.
    pub(super) fn adds(&self, rule: usize, readings: &[Reading]) -> Option<f64> {
        let count = |series: usize| match readings.get(series) {
            Some(Reading::Value(value)) => Some(value.to_string().parse::<f64>().expect("a number").max(0.0)),
            _ => None,
        };
        let both = |failed, total| count(failed).zip(count(total)).map(|(failed, total)| (failed.min(total), total));
        let (failed, total) = both(shape::FAILED, shape::TOTAL)?;
        match self.shape.rules[rule].test {
            Test::Counted => {
                let chance = |p: f64| failed * p.ln() + (total - failed) * (1.0 - p).ln();
                Some(chance(0.6) - chance(0.2))
            }
            Test::CountedAgainstControl => {
                let (theirs, all_theirs) = both(shape::THEIR_FAILED, shape::THEIR_TOTAL)?;
                // of the failures of both groups, each is the exposed group's with this chance
                let chance = |ratio: f64| {
                    let ours = total * ratio / (total * ratio + all_theirs);
                    let of = |count: f64, chance: f64| if count == 0.0 { 0.0 } else { count * chance.ln() };
                    of(failed, ours) + of(theirs, 1.0 - ours)
                };
                Some(chance(6.0) - chance(2.0))
            }
            _ => None,
        }
    }

    /// Whether growth waits for a rule.
    fn guards(&self, rule: usize) -> bool {
        let rule = &self.shape.rules[rule];
        rule.then != Action::Notify && (!rule.observe || self.is(Mutant::ObservedRulesAct))
    }

    /// A line holds while its test does not.
    pub(super) fn line_says(&self, line: usize, readings: &[Reading]) -> Says {
        let test = self.shape.lines[line].0;
        match self.says(test, readings) {
            _ if !self.applies(test) => Says::Silent,
            Says::Yes => Says::No,
            Says::No => Says::Yes,
            says => says,
        }
    }

    pub(super) fn need(&self, need: u32) -> u32 {
        if self.is(Mutant::ForIsOneShort) { need.saturating_sub(1).max(1) } else { need }
    }

    pub(super) fn only_idle(test: Test, readings: &[Reading]) -> bool {
        let unknown = |series: usize| match readings.get(series) {
            Some(Reading::Value(_)) => None,
            Some(Reading::Unknown(reason)) => Some(*reason),
            None => Some(Unknown::NoAnswer),
        };
        test.series().into_iter().filter_map(unknown).all(|reason| reason == Unknown::Idle)
    }

    pub(super) fn tick(&mut self, tick: &Tick) {
        if self.phase() == Phase::Stopped {
            return self.read(tick.evaluated, &tick.gates.backend, false);
        }
        let newest = self.of_this_rollout().find_map(|fact| match fact {
            Fact::Judged { at, .. } | Fact::Start { at, .. } => Some(*at),
            _ => None,
        });
        if !self.live() {
            return;
        }
        if newest.is_some_and(|newest| tick.at <= newest) {
            let ticks = vec![LateTick { at: tick.at, late: true, readings: tick.readings.clone() }];
            return self.late(&Late { evaluated: tick.evaluated, ticks, breaker: Vec::new() });
        }
        self.read(tick.evaluated, &tick.gates.backend, false);
        self.nobody_looked(tick.at);
        let readings = &tick.readings;
        let rules: Vec<Says> =
            (0..self.shape.rules.len()).map(|rule| self.rule_says(rule, readings, tick.at)).collect();
        let lines: Vec<Says> = (0..self.shape.lines.len()).map(|line| self.line_says(line, readings)).collect();
        let stage = self.shape.stages[self.stage()].clone();
        let excused = |test: Test| stage.idle && Self::only_idle(test, readings);

        let (mut unhealthy, mut blocked, mut proven) = (false, false, false);
        for (index, (test, need)) in self.shape.lines.iter().enumerate() {
            // every comparison of these plans reads the exposed group; that it answers proves nothing
            let measured = !matches!(test, Test::Missing(_)) || self.is(Mutant::AnAnswerIsHealth);
            match lines[index] {
                Says::Yes => proven |= measured,
                Says::No => {
                    blocked = true;
                    unhealthy |= self.line_run(index, *need) + 1 >= self.need(*need);
                }
                Says::DontKnow if excused(*test) => proven |= measured,
                Says::DontKnow => blocked |= !self.is(Mutant::EarnsOnUnknown),
                Says::Silent => {}
            }
        }
        for (index, rule) in self.shape.rules.iter().enumerate() {
            let holds = rule.then == Action::Hold;
            if !self.guards(index) {
                continue;
            }
            match rules[index] {
                Says::Yes => {
                    blocked = true;
                    unhealthy |= holds && self.rule_run(index, rule.need) + 1 >= self.need(rule.need);
                }
                Says::DontKnow => blocked |= !excused(rule.test) && !self.is(Mutant::EarnsOnUnknown),
                Says::No | Says::Silent => {}
            }
        }
        let counts = self.counts(readings);
        if self.shape.proof {
            // what counts names the exposed group
            let idle = [shape::FAILED, shape::TOTAL].into_iter().all(|series| {
                matches!(readings.get(series), Some(Reading::Value(_) | Reading::Unknown(Unknown::Idle)))
            });
            let excused = counts.is_some_and(|(_, total)| total > 0.0) || (stage.idle && idle);
            proven |= excused;
            blocked |= !excused && !self.is(Mutant::EarnsOnUnknown);
        }
        blocked |= !proven && !self.is(Mutant::EarnsOnUnknown);
        let settle = if self.is(Mutant::NoSettling) { 0 } else { self.shape.settle as i64 };
        let settled = self.effective().is_some_and(|at| tick.at.0 >= at.0 + settle);
        let newer = self.earns_after().is_none_or(|command| tick.at > command);
        let of_stage = self.phase() == Phase::Running && settled && newer;
        let bad = lines.contains(&Says::No)
            || rules.iter().enumerate().any(|(rule, says)| self.guards(rule) && *says == Says::Yes);
        let credit = if unhealthy {
            Credit::Restart
        } else if !blocked && of_stage {
            Credit::Earned
        } else {
            Credit::Frozen
        };
        let samples = match (readings.get(kit::REQUESTS), stage.samples) {
            (Some(Reading::Value(value)), Some(_)) => value.to_string().parse::<i64>().map_or(0, |v| v.max(0)) as u64,
            _ => 0,
        };
        let no_data = self.no_data(tick, &rules);
        let adds = (0..self.shape.rules.len()).map(|rule| self.adds(rule, readings)).collect();
        self.facts.push(Fact::Judged {
            at: tick.at,
            rules: rules.clone(),
            adds,
            lines,
            credit,
            samples,
            counts: match credit {
                Credit::Earned => counts,
                // of a bad tick what failed, and not what went well
                Credit::Frozen if bad && of_stage => counts.map(|(failed, _)| (failed, failed)),
                _ => None,
            },
            no_data,
        });

        let shows_allowed = match &tick.gates.backend {
            Observation::Seen(seen) => Who::of(&seen.shown()) == self.allowed() && !self.drifted(),
            _ => false,
        };
        let present = tick.present || self.is(Mutant::AdvancesOnCaughtUp);
        let shows_allowed = shows_allowed || (self.is(Mutant::AdvancesOnCaughtUp) && !tick.present);
        let bake = stage.bake.saturating_sub(u32::from(self.is(Mutant::BakeIsOneShort) && stage.bake > 1));
        let else_complete = self.phase() == Phase::Running
            && self.open().is_none()
            && settled
            && newer
            && !blocked
            && self.baked() >= bake
            && stage.samples.is_none_or(|need| self.samples() >= need)
            && (!self.shape.proof || self.is_proven())
            && tick.gates.holds.is_empty()
            && shows_allowed
            && present;
        let approved = self.approvals().len() as u32 >= stage.approvals;
        self.facts.push(Fact::Lacks { nothing: else_complete && approved, only_approval: else_complete && !approved });

        if !self.fire(tick, &rules, no_data) && else_complete && approved {
            let next = self.stage() + 1;
            if next < self.shape.stages.len() {
                self.ask_growth(next, false, tick.evaluated);
            } else {
                self.facts.push(Fact::Complete);
            }
        }
    }

    /// Ticks between the last one and this are unobserved.
    pub(super) fn nobody_looked(&mut self, until: Timestamp) {
        let last = self.of_this_rollout().find_map(|fact| match fact {
            Fact::Judged { at, .. } => Some(*at),
            _ => None,
        });
        let Some(mut at) = last.map(|last| last.plus(kit::EVERY)) else { return };
        let readings = kit::all_unknown(Unknown::Unobserved);
        while at < until {
            let rules = (0..self.shape.rules.len()).map(|rule| self.rule_says(rule, &readings, at)).collect();
            let lines = (0..self.shape.lines.len()).map(|line| self.line_says(line, &readings)).collect();
            let no_data = (self.shape.no_data.is_some() && self.muted("no_data", at)).then_some(false);
            let adds = vec![None; self.shape.rules.len()];
            self.facts.push(Fact::Judged {
                at,
                rules,
                adds,
                lines,
                credit: Credit::Frozen,
                samples: 0,
                counts: None,
                no_data,
            });
            at = at.plus(kit::EVERY);
        }
    }

    pub(super) fn no_data(&self, tick: &Tick, rules: &[Says]) -> Option<bool> {
        let (_, then) = self.shape.no_data.as_ref()?;
        if self.muted("no_data", tick.at) {
            return Some(false);
        }
        let off = match then {
            Action::Shutdown => true,
            Action::Rollback(RollbackStage::Previous) => self.stage() == 0 && !self.is(Mutant::FirstRollbackIsNoStop),
            _ => false,
        };
        if self.phase() == Phase::Paused && !off {
            return None;
        }
        let lines = self.shape.lines.iter().map(|(test, _)| *test).filter(|test| self.applies(*test));
        let armed = (0..rules.len()).filter(|rule| rules[*rule] != Says::Silent && self.guards(*rule));
        let armed = armed.map(|rule| self.shape.rules[rule].test);
        let proof = self.shape.proof.then_some(Test::Counted);
        let needed: BTreeSet<usize> = lines.chain(armed).chain(proof).flat_map(Test::series).collect();
        let reason = |series: usize| match tick.readings.get(series) {
            Some(Reading::Value(_)) => None,
            Some(Reading::Unknown(reason)) => Some(*reason),
            None => Some(Unknown::NoAnswer),
        };
        let reasons: Vec<Unknown> = needed.into_iter().filter_map(reason).collect();
        let idle_counts = self.is(Mutant::IdleIsNoData);
        let counts = |reason: &Unknown| match reason {
            Unknown::Idle => idle_counts,
            Unknown::Unobserved => false,
            _ => true,
        };
        if reasons.iter().any(counts) {
            Some(true)
        } else if reasons.contains(&Unknown::Unobserved) {
            None
        } else {
            Some(false)
        }
    }

    pub(super) fn fire(&mut self, tick: &Tick, rules: &[Says], no_data: Option<bool>) -> bool {
        if self.is(Mutant::PausedRulesSleep) && self.phase() == Phase::Paused {
            return false;
        }
        let mut asked = Vec::new();
        for (index, rule) in self.shape.rules.iter().enumerate() {
            let acts = !rule.observe || self.is(Mutant::ObservedRulesAct);
            if acts && rules[index] == Says::Yes && self.rule_run(index, rule.need) >= self.need(rule.need) {
                asked.push((rule_name(index), rule.then.clone()));
            }
        }
        if let Some((need, then)) = &self.shape.no_data
            && no_data == Some(true)
            && !self.shape.no_data_observes
            && self.no_data_run() >= *need
        {
            asked.push(("no_data".to_owned(), then.clone()));
        }
        self.carry_out(tick.evaluated, &asked, Cause::Rule)
    }

    pub(super) fn signal(&mut self, signal: &Signal) {
        if self.live() {
            self.carry_out(signal.at, &[(signal.name.clone(), signal.then.clone())], Cause::Signal);
        }
    }

    /// "The smallest exposure that any rule asks for wins: shut down, then roll back, then pause."
    pub(super) fn carry_out(&mut self, at: Timestamp, asked: &[(String, Action)], cause: fn(String) -> Cause) -> bool {
        let here = self.stage();
        let (mut off, mut back, mut pause) = (Vec::new(), Vec::new(), Vec::new());
        for (name, then) in asked {
            match then {
                Action::Notify | Action::Hold => {}
                Action::Pause => pause.push(name.clone()),
                Action::Shutdown => off.push(name.clone()),
                Action::Rollback(_) if self.rolled_back(name, cause(name.clone())) => {}
                Action::Rollback(RollbackStage::Previous) if here == 0 => off.push(name.clone()),
                Action::Rollback(RollbackStage::Previous) => back.push((here - 1, name.clone())),
                Action::Rollback(RollbackStage::Named(to)) => match (0..here).find(|stage| stage_name(*stage) == *to) {
                    Some(stage) => back.push((stage, name.clone())),
                    None => pause.push(name.clone()),
                },
            }
        }
        if !off.is_empty() {
            self.stop(at);
            return true;
        }
        if let Some(stage) = back.iter().map(|(stage, _)| *stage).min() {
            let rules: Vec<String> = back.iter().map(|(_, name)| name.clone()).collect();
            self.go_back(at, stage, cause(rules[0].clone()), rules);
        } else if pause.is_empty() {
            return false;
        }
        if !pause.is_empty() {
            self.pause(pause.into_iter().map(cause).collect());
        }
        true
    }

    /// "Happens once per rule until somebody resumes or forces."
    pub(super) fn rolled_back(&self, rule: &str, cause: Cause) -> bool {
        let by_signal = matches!(cause, Cause::Signal(_));
        if self.is(Mutant::RollbackRepeats) {
            return false;
        }
        self.of_this_rollout().take_while(|fact| !matches!(fact, Fact::Resume { .. } | Fact::Force { .. })).any(
            |fact| matches!(fact, Fact::Back { rules, cause, .. } if matches!(cause, Cause::Signal(_)) == by_signal && rules.iter().any(|it| it == rule)),
        )
    }

    pub(super) fn late(&mut self, late: &Late) {
        if !self.live() {
            return;
        }
        let started = self.of_this_rollout().find_map(|fact| match fact {
            Fact::Start { at, .. } => Some(*at),
            _ => None,
        });
        let mut ticks = Vec::new();
        for tick in &late.ticks {
            let after = ticks.last().map_or(started, |last: &&flagstaff::engine::input::LateTick| Some(last.at));
            if after.is_none_or(|after| tick.at > after) {
                ticks.push(tick);
            }
        }
        let mut asked = Vec::new();
        for (index, rule) in self.shape.rules.iter().enumerate().filter(|(_, rule)| rule.then.stops()) {
            if !self.guards(index) {
                continue;
            }
            if rule.test.counts() {
                if self.late_evidence_fires(index, &ticks) {
                    asked.push((rule_name(index), rule.then.clone()));
                }
                continue;
            }
            let says: Vec<Says> = ticks.iter().map(|tick| self.rule_says(index, &tick.readings, tick.at)).collect();
            let fires = (0..ticks.len()).any(|end| {
                let (run, reach) = self.run_of(says[..=end].iter().rev().copied(), Says::Yes, rule.need);
                // what is still unknown has made no run longer than it was in its time
                let hit = |index: usize| ticks[index].late && says[index] == Says::Yes;
                let has_late = (end + 1 - reach..=end).any(hit);
                let has_late = has_late || self.is(Mutant::LateEarlierRunsFire);
                says[end] == Says::Yes && run >= self.need(rule.need) && has_late
            });
            if fires {
                asked.push((rule_name(index), rule.then.clone()));
            }
        }
        self.carry_out(late.evaluated, &asked, Cause::Rule);
    }

    /// Over late and recorded ticks together, from zero: it fires where a late tick is part of the evidence.
    fn late_evidence_fires(&self, rule: usize, ticks: &[&LateTick]) -> bool {
        let silent =
            |tick: &LateTick| self.muted(&rule_name(rule), tick.at) || !self.applies(self.shape.rules[rule].test);
        // by tick, what is known of it
        let adds: Vec<Option<f64>> = ticks.iter().map(|tick| self.adds(rule, &tick.readings)).collect();
        let evidence = |end: usize| {
            let heard = (0..=end).rev().take_while(|index| !silent(ticks[*index]));
            let mut newest_first: Vec<f64> = heard.filter_map(|index| adds[index]).collect();
            if self.is(Mutant::LateEvidenceGoesOn) {
                newest_first.push(self.evidence(rule, None));
            }
            self.largest_sum(&newest_first)
        };
        (0..ticks.len()).any(|end| {
            let known = adds[end].is_some() && !silent(ticks[end]);
            let part = (0..=end).rev().take_while(|index| evidence(*index) > 1e-9);
            let has_late = part.filter(|index| adds[*index].is_some()).any(|index| ticks[index].late);
            known && has_late && self.fires(evidence(end)) == Says::Yes
        })
    }
}
