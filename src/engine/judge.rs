//! Judging one tick: what each condition says, what the tick earns, what is missing. Reads the state, changes nothing.

use std::collections::BTreeSet;

use super::condition::Verdict;
use super::decimal::Decimal;
use super::detector::Weighed;
use super::event::{Credit, Judged, Mark, Missing};
use super::input::{Observation, Tick};
use super::plan::{Action, Plan, RollbackStage, Rule, Stage};
use super::proof::Tally;
use super::reading::{Reading, Unknown};
use super::split::{Counted, SAMPLE_RATIO};
use super::state::{Phase, State, Timer};
use super::time::Timestamp;

/// The name under which `no_data` is muted and recorded.
pub const NO_DATA: &str = "no_data";

/// A run of unknown ticks this short never starts a timer anew.
pub(super) const UNKNOWN_RUN_LEAST: u32 = 3;

/// Judges a tick in the state before it.
pub fn judge(plan: &Plan, state: &State, tick: &Tick) -> Judged {
    let Some(stage) = plan.stages.get(state.stage) else {
        return Judged::nothing(tick.at);
    };
    let judging = Judging { plan, state, stage, tick };
    let (rules, weighed) = judging.rules();
    let weights = weighed.iter().map(|(rule, weighed)| (*rule, weighed.number)).collect();
    let lines = judging.line_marks();
    let split = judging.split();
    let mut health = judging.health(&rules, &weighed, &lines);
    health.obstacles.extend(judging.mismatch(split.as_ref()));
    let credit = judging.credit(&health);
    let samples = match (&stage.samples, credit) {
        (Some(samples), Credit::Earned) => {
            tick.readings.get(samples.series).and_then(Reading::value).filter(|value| !value.is_negative())
        }
        _ => None,
    };
    let proofs = match credit {
        Credit::Earned => judging.proofs(|counts| counts),
        // to leave out what failed at bad ticks would be to choose by the outcome; what went well there earns nothing
        Credit::Frozen if judging.counts() && health.is_bad() => judging.proofs(|(failed, _)| (failed, failed)),
        Credit::Frozen | Credit::Restarted => Vec::new(),
    };
    let no_data = judging.no_data(&rules);
    let split = split.map(Box::new);
    let mut judged =
        Judged { at: tick.at, rules, weights, lines, credit, proofs, samples, no_data, split, missing: Vec::new() };
    judged.missing = judging.missing(&judged, health);
    judged
}

/// What a rule says at a tick, as its timer takes it.
#[derive(Clone, Copy)]
pub(super) struct Says {
    pub(super) mark: Mark,
    /// Of a rule that counts, where its counts are known.
    pub(super) weighed: Option<Weighed>,
}

impl Says {
    pub(super) fn step(self, timer: &mut Timer, at: Timestamp) {
        match self.weighed {
            Some(weighed) => timer.weigh(self.mark, weighed.number, at),
            None => timer.step(self.mark, Mark::True, at),
        }
    }
}

pub(super) fn rule_says(
    plan: &Plan,
    state: &State,
    rule: &Rule,
    readings: &[Reading],
    at: Timestamp,
    timer: &Timer,
) -> Says {
    let muted = state.muted.get(&rule.name).is_some_and(|until| at < *until);
    if muted || !plan.applies(&rule.condition, state.stage) {
        return Says { mark: Mark::Silent, weighed: None };
    }
    let Some(detector) = &rule.detector else {
        let verdict = rule.condition.judge(readings, state.allowed.percentage);
        return Says { mark: mark(verdict, timer, || plan.rule_ticks(rule.hold_for)), weighed: None };
    };
    // what it has counted stands, however long nothing more is known
    let Some(number) = detector.weigh(timer.weight, readings) else {
        return Says { mark: Mark::Unknown, weighed: None };
    };
    let weighed = Weighed { before: timer.weight, number, threshold: detector.threshold };
    Says { mark: if number >= detector.threshold { Mark::True } else { Mark::False }, weighed: Some(weighed) }
}

fn mark(verdict: Verdict, timer: &Timer, need: impl Fn() -> u32) -> Mark {
    match verdict {
        Verdict::True => Mark::True,
        Verdict::False => Mark::False,
        Verdict::Unknown if timer.unknown + 1 >= need().max(UNKNOWN_RUN_LEAST) => Mark::Lapsed,
        Verdict::Unknown => Mark::Unknown,
    }
}

struct Judging<'a> {
    plan: &'a Plan,
    state: &'a State,
    stage: &'a Stage,
    tick: &'a Tick,
}

/// What stands between a tick and its credit.
struct Health {
    unhealthy: bool,
    obstacles: Vec<Missing>,
}

impl Health {
    /// Whether anything measured was bad, as opposed to missing.
    fn is_bad(&self) -> bool {
        let is_bad =
            |it: &Missing| matches!(it, Missing::Unhealthy { .. } | Missing::RuleTrue { .. } | Missing::SampleRatio(_));
        self.obstacles.iter().any(is_bad)
    }
}

impl Judging<'_> {
    /// The mark of each rule, and the numbers of those that count, by the rule's index: most rules count nothing.
    fn rules(&self) -> (Vec<Mark>, Vec<(usize, Weighed)>) {
        let fresh = Timer::default();
        let mut weighed = Vec::new();
        let judge = |(index, rule): (usize, &Rule)| {
            let timer = self.state.rules.get(index).unwrap_or(&fresh);
            let says = rule_says(self.plan, self.state, rule, &self.tick.readings, self.tick.at, timer);
            weighed.extend(says.weighed.map(|weighed| (index, weighed)));
            says.mark
        };
        let marks = self.plan.rules.iter().enumerate().map(judge).collect();
        (marks, weighed)
    }

    fn line_marks(&self) -> Vec<Mark> {
        let fresh = Timer::default();
        let lines = self.plan.healthy.iter().enumerate();
        lines
            .map(|(index, line)| {
                if !self.plan.applies(&line.condition, self.state.stage) {
                    return Mark::Silent;
                }
                if let Some(proof) = &line.proof {
                    // it is proven over many ticks: one of them says only whether it counts
                    let counted = proof.counts.of(&self.tick.readings);
                    // nothing happened: that says no more than an idle tick does
                    return if counted.is_some_and(|(_, total)| total > Decimal::ZERO) {
                        Mark::True
                    } else {
                        Mark::Unknown
                    };
                }
                let timer = self.state.lines.get(index).unwrap_or(&fresh);
                let verdict = line.condition.judge(&self.tick.readings, self.state.allowed.percentage);
                mark(verdict, timer, || self.plan.rule_ticks(line.hold_for))
            })
            .collect()
    }

    fn health(&self, rules: &[Mark], weighed: &[(usize, Weighed)], lines: &[Mark]) -> Health {
        let mut health = Health { unhealthy: false, obstacles: Vec::new() };
        let mut unknown = BTreeSet::new();
        let mut proven = false;
        for (index, (line, mark)) in self.plan.healthy.iter().zip(lines).enumerate() {
            match mark {
                Mark::True => proven |= self.plan.measures_exposed(&line.condition),
                Mark::False => {
                    let run = self.state.lines.get(index).map_or(0, |timer| timer.run) + 1;
                    health.unhealthy |= run >= self.plan.rule_ticks(line.hold_for);
                    health.obstacles.push(Missing::Unhealthy { line: index });
                }
                Mark::Unknown | Mark::Lapsed => {
                    let mut needs = Vec::new();
                    line.each_series(&mut |index| needs.push(index));
                    let is_known = needs.iter().all(|index| self.unknown_reason(*index).is_none());
                    if is_known && !self.idle_enough(&needs) && !health.obstacles.contains(&Missing::NoEvidence) {
                        // counts that say that nothing happened
                        health.obstacles.push(Missing::NoEvidence);
                    }
                    proven |= self.idle_enough(&needs) && self.plan.measures_exposed(&line.condition);
                    self.collect_unknown(&needs, &mut unknown);
                }
                Mark::Silent => {}
            }
        }
        for (index, (rule, mark)) in self.plan.rules.iter().zip(rules).enumerate() {
            if !rule.guards() {
                continue;
            }
            match mark {
                Mark::True => {
                    let have = self.state.rules.get(index).map_or(0, |timer| timer.run) + 1;
                    let need = self.plan.rule_ticks(rule.hold_for);
                    health.unhealthy |= rule.then == Action::Hold && have >= need;
                    let weighed = weighed.iter().find(|(rule, _)| *rule == index).map(|(_, it)| Box::new(*it));
                    health.obstacles.push(Missing::RuleTrue { rule: index, have, need, weighed });
                }
                Mark::Unknown | Mark::Lapsed => {
                    let mut needs = Vec::new();
                    rule.each_series(&mut |index| needs.push(index));
                    self.collect_unknown(&needs, &mut unknown);
                }
                Mark::False | Mark::Silent => {}
            }
        }
        health.obstacles.extend(unknown.into_iter().map(|(series, reason)| Missing::Unknown { series, reason }));
        if !proven && health.obstacles.is_empty() {
            health.obstacles.push(Missing::NoEvidence);
        }
        health
    }

    /// All that was counted for each line that is to be proven, with this tick's.
    fn proofs(&self, counted: impl Fn((Decimal, Decimal)) -> (Decimal, Decimal)) -> Vec<(usize, Tally)> {
        let lines = self.plan.healthy.iter().enumerate();
        let tallied = lines.filter_map(|(index, line)| {
            let counts = counted(line.proof.as_ref()?.counts.of(&self.tick.readings)?);
            Some((index, self.state.proofs.get(&index).copied().unwrap_or_default().and(counts)))
        });
        tallied.collect()
    }

    /// What is counted of the groups after this tick. Before a stage has settled, not everybody knows of its exposure, and
    /// where less is exposed than the stage says, nobody has configured a split.
    fn split(&self) -> Option<Counted> {
        let ratio = self.plan.sample_ratio.as_ref()?;
        let is_muted = self.state.muted.get(SAMPLE_RATIO).is_some_and(|until| self.tick.at < *until);
        let is_settled = self.settled_at().is_some_and(|settled| self.tick.at >= settled);
        if is_muted || !is_settled || self.state.allowed != self.stage.exposure {
            return None;
        }
        let nothing = Counted::default();
        let before = self.state.split.as_deref().unwrap_or(&nothing);
        ratio.count(self.state.stage, before, &self.tick.readings, self.tick.at)
    }

    /// A split that holds growth: found at this tick, or before it and not over.
    fn mismatch(&self, split: Option<&Counted>) -> Option<Missing> {
        let ratio = self.plan.sample_ratio.as_ref().filter(|ratio| !ratio.observe)?;
        let counted = split.or(self.state.split.as_deref())?;
        ratio.mismatch(self.state.stage, counted).map(|mismatch| Missing::SampleRatio(Box::new(mismatch)))
    }

    fn unknown_reason(&self, index: usize) -> Option<Unknown> {
        self.tick.readings.get(index).map_or(Some(Unknown::NoAnswer), Reading::unknown)
    }

    /// Whether series are unknown for lack of traffic only, at a stage where that earns.
    fn idle_enough(&self, needs: &[usize]) -> bool {
        let idle = |index: &usize| self.unknown_reason(*index).is_none_or(|reason| reason == Unknown::Idle);
        self.stage.idle_bakes && needs.iter().all(idle)
    }

    fn collect_unknown(&self, needs: &[usize], into: &mut BTreeSet<(usize, Unknown)>) {
        if !self.idle_enough(needs) {
            into.extend(needs.iter().filter_map(|index| Some((*index, self.unknown_reason(*index)?))));
        }
    }

    fn settled_at(&self) -> Option<Timestamp> {
        self.state.effective.map(|effective| effective.plus(self.plan.settle))
    }

    /// Whether what is measured at this tick is of this stage, and of its own time.
    fn counts(&self) -> bool {
        self.state.phase == Phase::Running
            && self.settled_at().is_some_and(|settled| self.tick.at >= settled)
            && self.tick.at > self.state.earns_after
    }

    fn credit(&self, health: &Health) -> Credit {
        if health.unhealthy {
            // also while paused or settling: a pause freezes what is earned, it does not hide what is broken
            Credit::Restarted
        } else if self.counts() && health.obstacles.is_empty() {
            Credit::Earned
        } else {
            Credit::Frozen
        }
    }

    /// Whether a reading that `healthy` or an armed rule needs was missing; `None` where the tick does not count.
    fn no_data(&self, rules: &[Mark]) -> Option<bool> {
        let rule = self.plan.no_data.as_ref()?;
        if self.state.muted.get(NO_DATA).is_some_and(|until| self.tick.at < *until) {
            return Some(false);
        }
        // from the first stage a rollback is an abort
        let back_to_nobody = rule.then == Action::Rollback(RollbackStage::Previous) && self.state.stage == 0;
        let shuts_down = rule.then == Action::Shutdown || back_to_nobody;
        if self.state.phase != Phase::Running && !shuts_down {
            return None;
        }
        if self.tick.readings.len() >= self.plan.series.len() && self.tick.readings.iter().all(Reading::is_known) {
            return Some(false);
        }
        let (mut missing, mut unobserved) = (false, false);
        let mut need = |index: usize| match self.unknown_reason(index) {
            None | Some(Unknown::Idle) => {}
            Some(Unknown::Unobserved) => unobserved = true,
            Some(_) => missing = true,
        };
        for line in &self.plan.healthy {
            if self.plan.applies(&line.condition, self.state.stage) {
                line.each_series(&mut need);
            }
        }
        for (rule, mark) in self.plan.rules.iter().zip(rules) {
            if *mark != Mark::Silent && rule.guards() {
                rule.each_series(&mut need);
            }
        }
        // where nobody looked, it neither adds nor resets
        if missing || !unobserved { Some(missing) } else { None }
    }

    /// Everything that is missing for the next step, in the order in which people should read it.
    fn missing(&self, judged: &Judged, health: Health) -> Vec<Missing> {
        let mut missing = Vec::new();
        if self.state.phase != Phase::Running {
            missing.push(Missing::Paused);
        }
        if self.state.effect.is_some() {
            missing.push(Missing::EffectOpen);
        }
        match self.settled_at() {
            None => missing.push(Missing::NotEffective),
            Some(until) if self.tick.at < until => missing.push(Missing::Settling { until }),
            Some(_) => {}
        }
        if self.tick.at <= self.state.earns_after {
            missing.push(Missing::OlderThanCommand);
        }
        missing.extend(health.obstacles);
        let earned = u32::from(judged.credit == Credit::Earned);
        let kept = judged.credit != Credit::Restarted;
        let have = if kept { self.state.baked.saturating_add(earned) } else { 0 };
        let need = self.plan.ticks(self.stage.bake);
        if have < need {
            missing.push(Missing::Bake { have, need });
        }
        if let Some(samples) = &self.stage.samples {
            let before = if kept { self.state.samples } else { Decimal::ZERO };
            let have = judged.samples.map_or(before, |more| before.plus(more));
            if have < Decimal::new(i128::from(samples.at_least), 0) {
                missing.push(Missing::Samples { have, need: samples.at_least });
            }
        }
        let before = |line: usize| self.state.proofs.get(&line).filter(|_| kept).copied();
        let counted = |line: usize| {
            let now = judged.proofs.iter().find(|(index, _)| *index == line).map(|(_, tally)| *tally);
            now.or_else(|| before(line)).unwrap_or_default()
        };
        missing.extend(State::unproven(self.plan, self.state.stage, &counted));
        missing.extend(self.tick.gates.holds.iter().map(Missing::held));
        if let Some(detail) = self.backend_obstacle() {
            missing.push(Missing::Backend { detail });
        }
        if !self.tick.present {
            missing.push(Missing::NotPresent);
        }
        if let Some(approval) = &self.stage.approval {
            let have = if kept { u32::try_from(self.state.approvals.len()).unwrap_or(u32::MAX) } else { 0 };
            if have < approval.count {
                missing.push(Missing::Approval { have, need: approval.count });
            }
        }
        missing
    }

    fn backend_obstacle(&self) -> Option<String> {
        match &self.tick.gates.backend {
            Observation::NotRead => Some("not read for this tick".to_owned()),
            Observation::Unreadable(detail) => Some(detail.clone()),
            Observation::Seen(seen) if self.state.doubt(seen).is_some() => seen.unserved.clone(),
            Observation::Seen(_) if self.state.drift.is_some() => {
                Some("shows something else than is allowed".to_owned())
            }
            Observation::Seen(seen) if seen.shown() != self.state.allowed => {
                Some(format!("shows {} where {} is allowed", seen.shown(), self.state.allowed))
            }
            Observation::Seen(_) => None,
        }
    }
}

impl Judged {
    fn nothing(at: Timestamp) -> Judged {
        Judged {
            at,
            rules: Vec::new(),
            weights: Vec::new(),
            lines: Vec::new(),
            credit: Credit::Frozen,
            proofs: Vec::new(),
            samples: None,
            no_data: None,
            split: None,
            missing: vec![Missing::NoEvidence],
        }
    }
}
