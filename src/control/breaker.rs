//! The blast-radius breaker: whether what several rollouts share would shut down too many of them at one tick. Looked at only
//! when something would be shut down, so that it costs nothing at other times; what it says is recorded with each tick.

use std::collections::{BTreeMap, BTreeSet};

use super::late::LateRun;
use super::pass::Need;
use super::questions::Answers;
use super::rollout::Rollout;
use super::site::Site;
use super::store::{Batch, Stop};
use crate::engine::breaker::{Shared, Trip};
use crate::engine::decide::{Shutdown, late_shutdowns, shutdowns};
use crate::engine::plan::{Arm, Form, Query, Series};
use crate::engine::{Input, Percentage, Plan, Reading, Span, State, Tick, Timestamp};
use crate::spec::documents::BreakerDoc;

/// What the breaker says, by rollout and tick.
#[derive(Debug, Default)]
pub(super) struct Trips(BTreeMap<String, BTreeMap<Timestamp, Vec<Trip>>>);

impl Trips {
    pub(super) fn concerns(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn at(&self, id: &str, tick: Timestamp) -> Vec<Trip> {
        self.0.get(id).and_then(|ticks| ticks.get(&tick)).cloned().unwrap_or_default()
    }
}

/// What a shutdown may have in common with others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Common {
    Query(Query),
    Source(String),
}

/// A rule of a rollout that would shut it down, for nothing that is its flag's own.
struct Firing<'s> {
    id: &'s str,
    rule: String,
    held: bool,
    /// Each with its name in the rollout's plan.
    common: Vec<(Common, Shared)>,
}

impl Site {
    /// What the breaker says of the ticks of a pass, of which `stops` are the stops if nothing is held back. Ticks that were
    /// missed are judged instant by instant, over all rollouts, as they would have been in their time.
    pub(super) fn trips(&self, stops: &[Stop], needs: &[Need], answers: &Answers) -> Trips {
        let mut trips = Trips::default();
        let Some(breaker) = self.breaker().filter(|_| !stops.is_empty()) else { return trips };
        let stopped: BTreeSet<&str> = stops.iter().map(|stop| stop.id.as_str()).collect();
        let concerned = |need: &&Need| {
            let is_held = || self.store.rollout(&need.id).is_some_and(|rollout| !rollout.state.held_back.is_empty());
            stopped.contains(need.id.as_str()) || is_held()
        };
        let mut due: BTreeMap<Timestamp, Vec<(&str, Tick)>> = BTreeMap::new();
        for need in needs.iter().filter(concerned) {
            for tick in self.ticks(need, answers) {
                due.entry(tick.at).or_default().push((&need.id, tick));
            }
        }
        // what is folded here is dropped: only what comes before a tick counts for it
        let mut batch = Batch::default();
        for (at, ticks) in due {
            let silent = silent(&ticks, at, needs, answers);
            let mut firing = Vec::new();
            for (id, tick) in &ticks {
                let (Some(rollout), Some(state)) = (self.store.rollout(id), self.store.state(&batch, id)) else {
                    continue;
                };
                let fires = shutdowns(&rollout.plan, state, tick);
                let common = |series: &Series, index: usize| {
                    let is_missing = tick.readings.get(index).is_some_and(Reading::is_no_data);
                    let source = &series.query.source;
                    if is_missing && silent.contains(source.as_str()) {
                        return Some((Common::Source(source.clone()), Shared::Source(source.clone())));
                    }
                    common_query(series)
                };
                firing.extend(fires.into_iter().filter_map(|it| Firing::of(id, &rollout.plan, state, it, &common)));
            }
            let judged = ticks.iter().map(|(id, _)| *id).collect();
            for (id, found) in self.tripped(breaker, &batch, at, firing, &judged) {
                trips.0.entry(id).or_default().insert(at, found);
            }
            for (id, mut tick) in ticks {
                tick.gates.breaker = trips.at(id, at);
                self.fold_fact(&mut batch, id, Input::Tick(tick));
            }
        }
        trips
    }

    /// What the breaker says of late runs that are judged together: it is put into each of them. Returns whether it says
    /// anything.
    pub(super) fn trip_late(&self, runs: &mut [(String, LateRun)]) -> bool {
        let Some(breaker) = self.breaker() else { return false };
        let newest = runs.iter().filter_map(|(_, run)| run.late.ticks.last()).map(|tick| tick.at).max();
        let Some(newest) = newest else { return false };
        let mut firing = Vec::new();
        for (id, run) in runs.iter() {
            let Some(Rollout { plan, state, .. }) = self.store.rollout(id) else { continue };
            let common = |series: &Series, _| common_query(series);
            let fires = late_shutdowns(plan, state, &run.late);
            firing.extend(fires.into_iter().filter_map(|it| Firing::of(id, plan, state, it, &common)));
        }
        let judged = firing.iter().map(|firing| firing.id).collect();
        let tripped = self.tripped(breaker, &Batch::default(), newest, firing, &judged);
        for (id, run) in runs {
            run.late.breaker = tripped.get(id).cloned().unwrap_or_default();
        }
        !tripped.is_empty()
    }

    fn breaker(&self) -> Option<BreakerDoc> {
        self.loaded.project()?.breaker
    }

    /// Which of the rules that fire at a tick are held back, by rollout. `judged`: who is judged at it.
    fn tripped(
        &self,
        breaker: BreakerDoc,
        batch: &Batch,
        at: Timestamp,
        firing: Vec<Firing<'_>>,
        judged: &BTreeSet<&str>,
    ) -> BTreeMap<String, Vec<Trip>> {
        let mut tripped: BTreeMap<String, Vec<Trip>> = BTreeMap::new();
        if firing.iter().all(|firing| firing.held) {
            return tripped;
        }
        let mut by: BTreeMap<&Common, BTreeSet<&str>> = BTreeMap::new();
        let elsewhere: Vec<(Common, &str)> = self.held_elsewhere(at, judged);
        let here = firing.iter().flat_map(|firing| firing.common.iter().map(|(common, _)| (common, firing.id)));
        for (common, id) in here.chain(elsewhere.iter().map(|(common, id)| (common, *id))) {
            by.entry(common).or_default().insert(id);
        }
        let most = by.values().map(BTreeSet::len).max().unwrap_or(0);
        if most < usize::try_from(breaker.least).unwrap_or(usize::MAX) {
            return tripped;
        }
        let of = self.store.rollouts().filter(|rollout| {
            let state = self.store.state(batch, &rollout.id).unwrap_or(&rollout.state);
            state.is_live() && reaches(state)
        });
        let of = u32::try_from(of.count()).unwrap_or(u32::MAX);
        let would = |common: &Common| by.get(common).map_or(0, |ids| u32::try_from(ids.len()).unwrap_or(u32::MAX));
        for Firing { id, rule, common, .. } in firing.iter().filter(|firing| !firing.held) {
            let Some((common, shared)) = common.iter().rev().max_by_key(|(common, _)| would(common)) else { continue };
            let would = would(common);
            if would >= breaker.least && is_above(would, of, breaker) {
                let (rule, shared, limit) = (rule.clone(), shared.clone(), breaker.share);
                tripped.entry((*id).to_owned()).or_default().push(Trip { rule, shared, would, of, limit });
            }
        }
        tripped
    }

    /// Rollouts that are not judged at this tick, by this process, and whose rules were still held back at their newest one:
    /// they would be shut down too, and that others are looked at alone changes nothing about it.
    fn held_elsewhere(&self, at: Timestamp, judged: &BTreeSet<&str>) -> Vec<(Common, &str)> {
        let mut held = Vec::new();
        for rollout in self.store.rollouts().filter(|rollout| !judged.contains(rollout.id.as_str())) {
            let Rollout { id, plan, state, .. } = rollout;
            let is_fresh = state.last_tick.is_some_and(|last| last.plus(plan.every) >= at);
            if !state.is_live() || !is_fresh || !reaches(state) {
                continue;
            }
            let goes_on = |rule: &str, since: Timestamp| state.held_back.get(rule).is_some_and(|it| it.holds(since));
            for (rule, back) in &state.held_back {
                let index = plan.rules.iter().position(|known| known.name == *rule);
                let timer = index.map_or(Some(&state.no_data), |index| state.rules.get(index));
                if timer.and_then(|timer| timer.since).is_none_or(|since| !goes_on(rule, since)) {
                    continue;
                }
                let common = match &back.trip.shared {
                    Shared::Source(source) => Some(Common::Source(source.clone())),
                    Shared::Query { series, .. } => {
                        let series = plan.series.iter().find(|known| known.name == *series);
                        series.and_then(common_query).map(|(common, _)| common)
                    }
                };
                held.extend(common.map(|common| (common, id.as_str())));
            }
        }
        held
    }
}

impl<'s> Firing<'s> {
    /// None where anything that it is judged on is its flag's own, or where it reaches nobody anyway.
    fn of(
        id: &'s str,
        plan: &Plan,
        state: &State,
        Shutdown { rule, series, held }: Shutdown,
        common: &impl Fn(&Series, usize) -> Option<(Common, Shared)>,
    ) -> Option<Firing<'s>> {
        let common = series.iter().map(|index| common(plan.series.get(*index)?, *index));
        let common: Vec<(Common, Shared)> = common.collect::<Option<_>>()?;
        (!common.is_empty() && reaches(state)).then_some(Firing { id, rule, held, common })
    }
}

/// The question that a series asks, where it is no flag's own: equal for all rollouts that ask it.
fn common_query(series: &Series) -> Option<(Common, Shared)> {
    let mut query = series.query.clone();
    let names_flag = matches!(&query.form, Form::Raw { text } if text.replace(' ', "").contains("{{flag}}"));
    if series.arm != Arm::Service || names_flag {
        return None;
    }
    query.flag.clear();
    let counts = matches!(query.form, Form::Count { .. } | Form::RatioCount { .. } | Form::SlowCount { .. });
    if !counts {
        // how far apart ticks are is part of a count, and of nothing else
        query.every = Span(0);
    }
    let shared = Shared::Query { source: query.source.clone(), series: series.name.clone() };
    Some((Common::Query(query), shared))
}

/// The sources that answered nothing to anybody for an instant, of those that some ticks have no answer of.
fn silent<'n>(ticks: &[(&str, Tick)], at: Timestamp, needs: &'n [Need], answers: &Answers) -> BTreeSet<&'n str> {
    let judged: BTreeSet<&str> = ticks.iter().map(|(id, _)| *id).collect();
    let judged = needs.iter().filter(|need| judged.contains(need.id.as_str()));
    let missing = judged.flat_map(|need| need.series.iter().filter(|query| !answers.told(at, query)));
    let sources: BTreeSet<&str> = missing.map(|query| query.source.as_str()).collect();
    let tells = |source: &&str| {
        let mut asked = needs.iter().flat_map(|need| need.series.iter()).filter(|query| query.source == **source);
        asked.any(|query| answers.told(at, query))
    };
    sources.into_iter().filter(|source| !tells(source)).collect()
}

fn is_above(would: u32, of: u32, breaker: BreakerDoc) -> bool {
    let whole = u64::from(Percentage::FULL.thousandths());
    u64::from(would) * whole > u64::from(breaker.share.thousandths()) * u64::from(of)
}

/// Whether a rollout gives its feature to anybody, or is about to.
fn reaches(state: &State) -> bool {
    !state.allowed.is_nobody() || state.effect.as_ref().is_some_and(|effect| !effect.to.is_nobody())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(arm: Arm, form: Form, flag: &str, every: Span) -> Series {
        let plan: Plan = serde_json::from_str(include_str!("../../tests/fixtures/plan.json")).unwrap();
        let mut series = plan.series[0].clone();
        (series.arm, series.query.form, series.query.every) = (arm, form, every);
        (series.query.flag, series.query.matchers) = (flag.to_owned(), Vec::new());
        series
    }

    fn common(arm: Arm, form: &Form, flag: &str, every: u64) -> Option<Common> {
        common_query(&series(arm, form.clone(), flag, Span::seconds(every))).map(|(common, _)| common)
    }

    #[test]
    fn one_query_is_the_same_question_whoever_asks_it() {
        let of = crate::engine::plan::Selector { metric: "lost_total".to_owned(), matchers: Vec::new() };
        let ratio = Form::Ratio { of: of.clone(), over: of.clone() };
        let count = Form::Count { of };
        let raw = |text: &str| Form::Raw { text: text.to_owned() };
        let of_service = |form: &Form, flag, every| common(Arm::Service, form, flag, every);
        for form in [&ratio, &count, &raw("max(queue{ {{ match }} })")] {
            assert!(of_service(form, "a", 30).is_some());
            assert_eq!(of_service(form, "a", 30), of_service(form, "b", 30), "{form:?}");
            assert_eq!(common(Arm::Exposed, form, "a", 30), None);
            assert_eq!(common(Arm::Control, form, "a", 30), None);
        }
        assert_eq!(of_service(&ratio, "a", 30), of_service(&ratio, "b", 60));
        assert_ne!(of_service(&count, "a", 30), of_service(&count, "b", 60));
        assert_ne!(of_service(&ratio, "a", 30), of_service(&count, "a", 30));
        for text in ["queue{ {{ match }}, flag=\"{{ flag }}\" }", "queue{ {{match}}, flag=\"{{flag}}\" }"] {
            assert_eq!(of_service(&raw(text), "a", 30), None, "{text}");
        }
    }

    #[test]
    fn it_trips_above_its_share_and_not_at_it() {
        let breaker = BreakerDoc { share: Percentage::whole(30), least: 2 };
        assert!(!is_above(3, 10, breaker) && is_above(4, 10, breaker) && is_above(1, 3, breaker));
    }
}
