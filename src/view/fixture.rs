//! Fixed rollouts for the tests of views.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::control::{Rollout, Step};
use crate::engine::event::{Fired, Missing};
use crate::engine::plan::Action;
use crate::engine::state::Timer;
use crate::engine::{Cause, Decimal, Event, Input, Observation, Phase, Plan, Reading, Span, State, Timestamp, Unknown};
use crate::journal::Sequence;

/// The instant at which the tests look.
pub(super) const NOW: Timestamp = Timestamp(1_709_209_845_000);

pub(super) fn plan(release: &str) -> Plan {
    static EXAMPLE: OnceLock<Plan> = OnceLock::new();
    let example = EXAMPLE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        crate::spec::load(&dir).plan("checkout-v2", "production").expect("the example resolves").plan
    });
    let plan = example.clone();
    Plan { release: release.to_owned(), flag: release.to_owned(), environment: "staging".to_owned(), ..plan }
}

/// Running at a stage of the example, half baked.
pub(super) fn running(release: &str, stage: usize) -> Rollout {
    let plan = plan(release);
    let at = NOW.minus(Span::minutes(90));
    let need = plan.ticks(plan.stages[stage].bake);
    let timers = |count: usize| vec![Timer::default(); count];
    let state = State {
        phase: Phase::Running,
        stage,
        allowed: plan.stages[stage].exposure.clone(),
        started: at,
        effective: Some(at),
        baked: need / 2 + 1,
        samples: Decimal::whole(7),
        rules: timers(plan.rules.len()),
        lines: timers(plan.healthy.len()),
        last_tick: Some(NOW.floor_to(plan.every)),
        missing: vec![Missing::Bake { have: need / 2 + 1, need }],
        judged_here: true,
        ..State::default()
    };
    let values = |at: i64| plan.series.iter().map(|_| Reading::Value(Decimal::new(i128::from(at % 5), -3))).collect();
    let mut ticks: BTreeMap<Timestamp, Vec<Reading>> =
        (1..20).map(|back| (NOW.minus(Span::seconds(30 * back)), values(back as i64))).collect();
    ticks.insert(NOW.minus(Span::seconds(300)), vec![Reading::Unknown(Unknown::Idle); plan.series.len()]);
    Rollout {
        id: format!("{release}@staging#1"),
        opened: Sequence(1),
        plan: Arc::new(plan),
        plan_hash: "0123456789abcdef".to_owned(),
        former: Vec::new(),
        state,
        steps: VecDeque::new(),
        ticks,
        unanswered: std::collections::BTreeSet::new(),
        behind: BTreeMap::new(),
        judged_late: None,
        judged_to: Default::default(),
        place_was_seen: true,
        signals: Default::default(),
        anew: Default::default(),
        unfinished: Default::default(),
    }
}

fn fired() -> Vec<Fired> {
    let evidence = vec![("error_rate".to_owned(), Reading::Value(Decimal::new(41, -3)))];
    vec![Fired {
        rule: "errors".to_owned(),
        then: Action::Pause,
        at: NOW,
        since: NOW,
        evidence,
        weighed: None,
        mismatch: None,
    }]
}

fn happened(rollout: &mut Rollout, event: Event) {
    let input = Input::Seen { at: NOW, backend: Observation::NotRead };
    rollout.steps.push_back((Sequence(2), Step { at: NOW, input, events: vec![event] }));
}

pub(super) fn paused(release: &str, stage: usize) -> Rollout {
    let mut rollout = running(release, stage);
    let causes = std::collections::BTreeSet::from([Cause::Rule("errors".to_owned())]);
    rollout.state.phase = Phase::Paused;
    rollout.state.causes = causes.clone();
    happened(&mut rollout, Event::Paused { at: NOW, causes, because: fired(), by: None, reason: None });
    rollout
}

pub(super) fn shut_down(release: &str, stage: usize) -> Rollout {
    let mut rollout = running(release, stage);
    let cause = Cause::Rule("errors".to_owned());
    rollout.state.phase = Phase::Stopped;
    rollout.state.stopped_by = Some(cause.clone());
    rollout.state.allowed = crate::engine::Exposure::nobody();
    happened(&mut rollout, Event::Stopped { at: NOW, cause, because: fired(), by: None });
    rollout
}

pub(super) fn approvable(release: &str, stage: usize) -> Rollout {
    let mut rollout = running(release, stage);
    rollout.state.approvable = true;
    rollout.state.missing = vec![Missing::Approval { have: 0, need: 1 }];
    rollout
}

pub(super) fn completed(release: &str) -> Rollout {
    let mut rollout = running(release, 4);
    rollout.state.phase = Phase::Completed;
    rollout
}
