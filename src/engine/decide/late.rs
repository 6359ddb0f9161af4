//! Ticks answered late: judged as a run of their own with fresh timers. They can stop and do nothing else.

use super::tick::cause_of_rule;
use super::{Asked, Folding};
use crate::engine::event::Mark;
use crate::engine::input::Late;
use crate::engine::judge::rule_mark;
use crate::engine::state::Timer;

impl Folding<'_> {
    pub(super) fn late(&mut self, late: &Late) {
        if !self.state.is_live() {
            return;
        }
        let plan = self.plan;
        let mut asked = Asked::default();
        for rule in plan.rules.iter().filter(|rule| rule.then.stops()) {
            let mut timer = Timer::default();
            let mut newest = None;
            let mut has_late = false;
            for tick in &late.ticks {
                if tick.at <= self.state.started || newest.is_some_and(|newest| tick.at <= newest) {
                    continue;
                }
                newest = Some(tick.at);
                let mark = rule_mark(plan, self.state, rule, &tick.readings, tick.at, &timer);
                timer.step(mark, Mark::True, tick.at);
                // a run of ticks that were all judged in their time has had its say, and people may have answered it
                has_late = timer.run > 0 && (has_late || tick.late);
                if mark == Mark::True && has_late && timer.run >= plan.rule_ticks(rule.hold_for) {
                    asked.add(self.fired(&rule.name, &rule.then, &rule.condition, &tick.readings, tick.at, &timer));
                    break;
                }
            }
        }
        self.carry_out(late.evaluated, asked, cause_of_rule);
    }
}
