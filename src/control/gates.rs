//! What holds a rollout's growth from outside: freezes, windows, other releases, changed addresses, documents that are gone.
//! What they say at a tick is recorded with it; none of them keeps a stop from working.

use super::dated::{self, Dated};
use super::rollout::Rollout;
use super::site::Site;
use crate::calendar::window::{Opening, opening};
use crate::engine::calendar::{Dependency, Window};
use crate::engine::explain::{Explanation, explain};
use crate::engine::input::{Hold, HoldKind};
use crate::engine::{Phase, Plan, Timestamp};

/// So often at most a moment is put off in looking for one at which nothing known ahead holds.
const PUT_OFF_AT_MOST: usize = 200;

impl Site {
    /// Everything outside a rollout that holds its growth now.
    pub fn holds(&self, plan: &Plan) -> Vec<Hold> {
        self.holds_at(plan, self.now())
    }

    /// As [`Site::holds`], at a tick that is evaluated now: its window must be open at the tick, and still be open.
    pub(super) fn holds_at(&self, plan: &Plan, tick: Timestamp) -> Vec<Hold> {
        let mut holds = self.frozen(&plan.release, &plan.environment);
        holds.extend(self.held_by_documents(plan));
        holds.extend(outside(plan, tick, self.now()));
        holds.extend(plan.after.iter().filter_map(|after| self.behind(after)));
        holds
    }

    /// What freezes hold a release in an environment, those that were typed and those by date.
    pub(super) fn frozen(&self, release: &str, environment: &str) -> Vec<Hold> {
        let now = self.now();
        let mut holds = self.store.frozen(now, release, environment);
        if let Some(project) = self.loaded.project() {
            let is_release = |name: &str| {
                self.declared.iter().any(|(known, _)| known == name)
                    || self.store.rollouts().any(|rollout| rollout.plan.release == name)
            };
            holds.extend(dated::holds(project, now, release, environment, &is_release));
        }
        holds
    }

    /// Freezes by date.
    pub fn dated(&self) -> Dated {
        self.loaded.project().map(|project| Dated::of(project, self.now())).unwrap_or_default()
    }

    fn held_by_documents(&self, plan: &Plan) -> Vec<Hold> {
        let mut holds = Vec::new();
        let moved = match self.loaded.target(&plan.environment) {
            Some(target) => (target != plan.target).then_some("the environment names another backend than the plan"),
            // without a project nothing is known of it, and that holds anyway
            None => self.loaded.project().map(|_| "the project has no such environment any more"),
        };
        if let Some(detail) = moved {
            holds.push(Hold { kind: HoldKind::AddressChanged, detail: detail.to_owned(), until: None });
        }
        if let Some(project) = self.loaded.project() {
            for (name, address) in &plan.sources {
                let now = project.sources.iter().find(|source| source.name.value == *name);
                if now.is_some_and(|now| now.address != *address) {
                    let detail = format!("source `{name}` has another address than the plan");
                    holds.push(Hold { kind: HoldKind::AddressChanged, detail, until: None });
                }
            }
        }
        for (name, address) in &plan.sources {
            if self.asked_at.get(name).is_some_and(|asked| asked != address) {
                let detail = format!("source `{name}` is still asked at another address than the plan's");
                holds.push(Hold { kind: HoldKind::AddressChanged, detail, until: None });
            }
        }
        if self.watched.as_ref().is_some_and(|watched| watched.is_broken) {
            let detail = "the Project document cannot be read".to_owned();
            holds.push(Hold { kind: HoldKind::DocumentGone, detail, until: None });
        }
        let declared = self.declared.contains(&(plan.release.clone(), plan.environment.clone()));
        if !declared {
            let detail = format!("no document declares {}", plan.address());
            holds.push(Hold { kind: HoldKind::DocumentGone, detail, until: None });
        }
        holds
    }

    /// Why another release is not far enough, where it is not. It is far enough while everybody of the stage gets its
    /// feature, as was read back: also paused, and not any more once it went back or was stopped.
    fn behind(&self, after: &Dependency) -> Option<Hold> {
        let Dependency { release, environment, reached } = after;
        let hold = |why: String| {
            Some(Hold { kind: HoldKind::Dependency, detail: format!("waits for {after}: {why}"), until: None })
        };
        let Some(other) = self.store.newest(release, environment) else { return hold("it has not started".to_owned()) };
        let Rollout { plan, state, .. } = other;
        if let Some(newer) = self.store.superseding(other) {
            return hold(format!("its flag has gone on to {}", newer.address()));
        }
        if self.store.is_switched_off(&plan.flag, environment) {
            return hold("its flag was switched off".to_owned());
        }
        let stage = plan.stages.get(state.stage).map(|stage| stage.name.as_str()).unwrap_or_default();
        match (state.phase, reached) {
            (Phase::None, _) => return hold("it has not started".to_owned()),
            (Phase::Stopped, _) => return hold("it was stopped".to_owned()),
            (Phase::Completed, _) => return None,
            (Phase::Running, None) => return hold(format!("it is at {stage}")),
            (Phase::Paused, None) => return hold(format!("it is paused at {stage}")),
            (Phase::Running | Phase::Paused, Some(_)) => {}
        }
        let wanted = reached.as_deref().and_then(|name| plan.stage_named(name));
        let Some((index, wanted)) = wanted.and_then(|index| Some((index, plan.stages.get(index)?))) else {
            return hold("the plan that it runs has no such stage".to_owned());
        };
        if state.stage < index {
            let paused = if state.phase == Phase::Paused { "paused " } else { "" };
            return hold(format!("it is {paused}at {stage}"));
        }
        let is_served = state.effective.is_some() && wanted.exposure.within(&state.allowed);
        if is_served { None } else { hold(format!("it is on for {} only, as far as was read back", state.allowed)) }
    }

    /// Why a rollout is where it is, and the earliest moment anything can happen, with all that is known ahead.
    pub fn explain(&self, rollout: &Rollout) -> Explanation {
        let Rollout { plan, state, .. } = rollout;
        let now = self.now();
        let explained = explain(plan, state, Some(&self.holds(plan)), now);
        let dated = self.dated();
        let dated = dated.freezes.iter().filter(|it| it.touches(Some(&plan.environment), Some(&plan.release)));
        let frozen: Vec<(Timestamp, Timestamp)> = dated.map(|freeze| (freeze.from, freeze.until)).collect();
        let earliest = explained.earliest.and_then(|at| put_off(plan, at, &frozen));
        Explanation { earliest, ..explained }
    }
}

/// The first moment, not before one, at which windows and freezes known ahead let a tick that is asked then grow. None where
/// none is in sight.
pub fn put_off(plan: &Plan, earliest: Timestamp, frozen: &[(Timestamp, Timestamp)]) -> Option<Timestamp> {
    let ceil = |at: Timestamp| {
        let floor = at.floor_to(plan.every);
        if floor == at { floor } else { floor.plus(plan.every) }
    };
    let mut asked = earliest;
    for _ in 0..PUT_OFF_AT_MOST {
        let tick = asked.minus(plan.delay);
        let closed = [tick, asked].into_iter().find_map(|at| match opening(&plan.windows, at) {
            Opening::Open => None,
            Opening::At(opens) => Some(Some(opens)),
            Opening::Unknown(_) => Some(None),
        });
        let over =
            frozen.iter().filter(|(from, until)| *from <= asked && asked < *until).map(|(_, until)| *until).max();
        let next = match (closed, over) {
            (None, None) => return Some(asked),
            (Some(None), _) => return None,
            (Some(Some(opens)), _) => ceil(opens),
            (None, Some(over)) => ceil(over.minus(plan.delay)),
        };
        asked = next.plus(plan.delay);
    }
    None
}

/// Why a tick is outside of a plan's windows, or what it found comes too late for them.
fn outside(plan: &Plan, tick: Timestamp, now: Timestamp) -> Option<Hold> {
    let names =
        || plan.windows.iter().map(|window: &Window| format!("`{}`", window.text)).collect::<Vec<_>>().join(", ");
    let hold = |detail: String, until| Some(Hold { kind: HoldKind::Window, detail, until });
    for at in [tick, now] {
        match opening(&plan.windows, at) {
            Opening::Open => {}
            Opening::At(opens) => {
                let which = if plan.windows.len() > 1 { "windows" } else { "window" };
                return hold(format!("outside of the {which} {}, open next at {opens}", names()), Some(opens));
            }
            Opening::Unknown(why) => return hold(format!("outside of the window {}: {why}", names()), None),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::window::parse;
    use crate::engine::Span;

    fn plan(windows: &[&str]) -> Plan {
        let mut plan: Plan = serde_json::from_str(include_str!("../../tests/fixtures/plan.json")).unwrap();
        (plan.every, plan.delay) = (Span::seconds(30), Span::seconds(15));
        plan.windows = windows.iter().map(|text| parse(text).unwrap()).collect();
        plan
    }

    /// So many minutes of a Thursday, the first of January 1970.
    fn at(minutes: u64) -> Timestamp {
        Timestamp(0).plus(Span::minutes(minutes))
    }

    #[test]
    fn a_moment_is_put_off_until_nothing_that_is_known_holds() {
        let delay = Span::seconds(15);
        let asked = |minutes| at(minutes).plus(delay);
        let free = plan(&[]);
        assert_eq!(put_off(&free, asked(60), &[]), Some(asked(60)));
        let window = plan(&["daily 09:00-10:00 UTC"]);
        assert_eq!(put_off(&window, asked(60), &[]), Some(asked(540)));
        assert_eq!(put_off(&window, asked(560), &[]), Some(asked(560)));
        // the tick is inside, and the window is over when it is asked
        let last = at(600).minus(Span::seconds(30)).plus(Span::seconds(45));
        assert_eq!(put_off(&window, last, &[]), Some(asked(540 + 1440)));
        // one freeze after another, then the window of the next day
        let frozen = [(at(550), at(580)), (at(570), at(1000))];
        assert_eq!(put_off(&window, asked(560), &frozen), Some(asked(540 + 1440)));
        // the first tick that is asked when it is over
        assert_eq!(put_off(&free, asked(560), &[(at(0), at(570))]), Some(asked(570)));
    }

    #[test]
    fn there_is_no_moment_where_no_tick_fits() {
        let mut narrow = plan(&["daily 09:00-09:01 UTC"]);
        narrow.delay = Span::minutes(2);
        assert_eq!(put_off(&narrow, at(2), &[]), None);
        let mut unknown = plan(&["daily 09:00-10:00 UTC"]);
        unknown.windows[0].zone = "Europe/Atlantis".to_owned();
        assert_eq!(put_off(&unknown, at(2), &[]), None);
        let held = outside(&unknown, at(0), at(0)).expect("what nobody can say holds");
        assert!(held.until.is_none() && held.detail.contains("Europe/Atlantis"), "{held:?}");
    }
}
