//! Ticks answered late: judged as a run of their own with fresh timers. They can stop and do nothing else.

use std::collections::BTreeSet;

use super::tick::cause_of_rule;
use super::{Asked, Folding};
use crate::engine::decimal::Decimal;
use crate::engine::detector::Weighed;
use crate::engine::event::Mark;
use crate::engine::input::{Late, LateTick};
use crate::engine::judge::rule_says;
use crate::engine::plan::{Plan, Rule};
use crate::engine::state::{State, Timer};
use crate::engine::time::Timestamp;

/// How a rule's run over late and recorded ticks ends.
enum Run<'t> {
    /// It fires at this tick.
    Fires(&'t LateTick, Timer, Option<Weighed>),
    /// It goes on beyond the last tick; these late ones lengthened it.
    Open(BTreeSet<Timestamp>),
}

fn run<'t>(plan: &Plan, state: &State, rule: &Rule, ticks: &'t [LateTick]) -> Run<'t> {
    let mut timer = Timer::default();
    let mut newest = None;
    let mut late = BTreeSet::new();
    for tick in ticks {
        if tick.at <= state.started || newest.is_some_and(|newest| tick.at <= newest) {
            continue;
        }
        newest = Some(tick.at);
        let says = rule_says(plan, state, rule, &tick.readings, tick.at, &timer);
        says.step(&mut timer, tick.at);
        // what a rule counts goes on while its number is not zero
        if timer.since.is_none() {
            late.clear();
        }
        let lengthens = says.mark == Mark::True || says.weighed.is_some_and(|weighed| weighed.number > Decimal::ZERO);
        if tick.late && lengthens {
            late.insert(tick.at);
        }
        // a run of ticks that were all judged in their time has had its say, and people may have answered it
        if says.mark == Mark::True && !late.is_empty() && timer.run >= plan.rule_ticks(rule.hold_for) {
            return Run::Fires(tick, timer, says.weighed);
        }
    }
    Run::Open(late)
}

/// The late ticks of runs that the ticks after these may yet lengthen until they fire: those must be judged together
/// with them.
pub fn unfinished(plan: &Plan, state: &State, ticks: &[LateTick]) -> BTreeSet<Timestamp> {
    let mut open = BTreeSet::new();
    for rule in plan.rules.iter().filter(|rule| rule.stops()) {
        if let Run::Open(late) = run(plan, state, rule, ticks) {
            open.extend(late);
        }
    }
    open
}

/// Everything that fires on a late run.
pub(super) fn asked_late(folding: &Folding<'_>, late: &Late) -> Asked {
    let mut asked = Asked::default();
    for rule in folding.plan.rules.iter().filter(|rule| rule.stops()) {
        if let Run::Fires(tick, timer, weighed) = run(folding.plan, folding.state, rule, &late.ticks) {
            asked.add(folding.fired(rule, &tick.readings, tick.at, &timer, weighed));
        }
    }
    asked
}

impl Folding<'_> {
    pub(super) fn late(&mut self, late: &Late) {
        if !self.state.is_live() {
            return;
        }
        let asked = asked_late(self, late);
        let asked = self.hold_back(late.evaluated, asked, &late.breaker, Folding::holds_late);
        self.carry_out(late.evaluated, asked, cause_of_rule);
    }
}
