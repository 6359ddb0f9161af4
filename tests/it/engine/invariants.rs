//! What must hold at every step of every history, said without any model.

use flagstaff::engine::breaker::{Shared, Trip};
use flagstaff::engine::decide::fold;
use flagstaff::engine::plan::Action;
use flagstaff::engine::state::EffectKind;
use flagstaff::engine::{Cause, Command, Event, Input, Percentage, Phase, Plan, State};

use super::reference::random::histories;

/// One folded input.
struct Step<'a> {
    plan: &'a Plan,
    before: &'a State,
    input: &'a Input,
    events: &'a [Event],
    after: &'a State,
}

fn command(step: &Step<'_>) -> Option<Command> {
    match step.input {
        Input::Command(issued) => Some(issued.command.clone()),
        _ => None,
    }
}

fn grows_or_lets_go(step: &Step<'_>) -> bool {
    matches!(command(step), Some(Command::Start { .. } | Command::Resume | Command::Force { .. }))
}

/// The same inputs, and at two of three ticks the breaker says that it holds back everything: in every other history.
fn tripping(plan: &Plan, inputs: &[Input], seed: u64) -> Vec<Input> {
    let trip = |rule: &str| Trip {
        rule: rule.to_owned(),
        shared: Shared::Source("prom".to_owned()),
        would: 5,
        of: 6,
        limit: Percentage::whole(30),
    };
    let all: Vec<Trip> = plan.rules.iter().map(|rule| rule.name.as_str()).chain(["no_data"]).map(trip).collect();
    let mut inputs = inputs.to_vec();
    let ticks = inputs.iter_mut().enumerate().filter(|(index, _)| seed % 2 == 1 && index % 3 > 0);
    for (_, input) in ticks {
        match input {
            Input::Tick(tick) => tick.gates.breaker.clone_from(&all),
            Input::Late(late) => late.breaker.clone_from(&all),
            _ => {}
        }
    }
    inputs
}

#[track_caller]
fn everywhere(salt: u64, what: &str, holds: impl Fn(&Step<'_>) -> bool) {
    for history in histories(salt, 3_000) {
        let mut after = State::default();
        for (index, input) in tripping(&history.plan, &history.inputs, history.seed).iter().enumerate() {
            let before = after.clone();
            let events = fold(&history.plan, &mut after, input).unwrap_or_default();
            let step = Step { plan: &history.plan, before: &before, input, events: &events, after: &after };
            let told = || format!("{what}: seed {}, input {index}\n{input:?}\n{events:#?}\n{before:#?}", history.seed);
            assert!(holds(&step), "{}", told());
        }
    }
}

#[test]
fn what_is_allowed_grows_only_when_a_recorded_growth_was_read_back() {
    everywhere(20, "grew", |step| {
        step.after.allowed.within(&step.before.allowed)
            || (step.before.effect.as_ref())
                .is_some_and(|effect| effect.kind == EffectKind::Grow && effect.to == step.after.allowed)
                && step.events.iter().any(|event| matches!(event, Event::Effective { .. }))
    });
}

#[test]
fn a_growth_is_decided_by_a_present_tick_of_a_running_rollout_or_by_a_person() {
    everywhere(21, "a growth from nowhere", |step| {
        step.events.iter().all(|event| match event {
            Event::Intended(effect) if effect.kind == EffectKind::Grow && effect.by_person => grows_or_lets_go(step),
            Event::Intended(effect) if effect.kind == EffectKind::Grow => {
                let present = matches!(step.input, Input::Tick(tick) if tick.present && tick.gates.holds.is_empty());
                present
                    && !effect.switch_on
                    && step.before.phase == Phase::Running
                    && effect.to == step.plan.stages[step.before.stage + 1].exposure
            }
            _ => true,
        })
    });
}

#[test]
fn only_a_start_and_a_resume_switch_on() {
    everywhere(22, "switched on", |step| {
        let on = |event: &Event| matches!(event, Event::Intended(effect) if effect.switch_on);
        let switches = matches!(command(step), Some(Command::Start { .. } | Command::Resume));
        !step.events.iter().any(on) || switches
    });
}

#[test]
fn only_a_person_lets_go_and_a_stop_is_final() {
    everywhere(23, "let go", |step| match (step.before.phase, step.after.phase) {
        (Phase::Paused, Phase::Running) => grows_or_lets_go(step),
        (Phase::Paused, Phase::Completed) => false,
        (Phase::Stopped, Phase::Stopped) => true,
        (Phase::Stopped, _) => matches!(command(step), Some(Command::Start { again: true, .. })),
        _ => true,
    });
}

#[test]
fn commands_that_stop_always_do() {
    everywhere(24, "did not stop", |step| match command(step) {
        Some(Command::Abort) => step.after.phase == Phase::Stopped && step.after.effect.is_some(),
        Some(Command::Pause) if step.before.is_live() => step.after.phase == Phase::Paused && !step.after.is_growing(),
        _ => true,
    });
}

#[test]
fn bake_is_earned_by_a_tick_one_at_a_time() {
    everywhere(25, "earned", |step| {
        let is_tick = matches!(step.input, Input::Tick(_));
        let earns_nothing = step.before.phase != Phase::Running || !is_tick;
        step.after.baked <= step.before.baked + u32::from(!earns_nothing)
    });
}

#[test]
fn a_stopped_rollout_allows_nobody_and_wants_nothing_but_off() {
    everywhere(26, "wants something", |step| {
        step.after.phase != Phase::Stopped
            || (step.after.allowed.is_nobody()
                && step.after.effect.as_ref().is_none_or(|effect| effect.kind == EffectKind::Off))
    });
}

#[test]
fn a_paused_rollout_has_a_cause_and_no_growth_under_way() {
    everywhere(27, "paused", |step| {
        step.after.phase != Phase::Paused || (!step.after.causes.is_empty() && !step.after.is_growing())
    });
}

#[test]
fn what_is_set_smaller_is_within_what_was_allowed() {
    everywhere(28, "a shrink that enlarges", |step| {
        step.events.iter().all(|event| match event {
            Event::Intended(effect) if effect.kind == EffectKind::Shrink => {
                effect.to.within(&step.before.allowed)
                    || step
                        .events
                        .iter()
                        .any(|event| matches!(event, Event::Effective { exposure, .. } if effect.to.within(exposure)))
            }
            _ => true,
        })
    });
}

#[test]
fn a_person_sees_every_change_of_phase_stage_causes_and_exposure() {
    everywhere(29, "unseen", |step| {
        let view = |state: &State| (state.phase, state.stage, state.causes.clone(), state.allowed.clone());
        view(step.before) == view(step.after) || step.before.version < step.after.version
    });
}

#[test]
fn what_the_breaker_holds_back_is_paused_by_a_rule_and_sends_nothing_but_a_rollback() {
    let times = std::cell::Cell::new(0);
    everywhere(30, "the breaker", |step| {
        let held = |event: &Event| match event {
            Event::HeldBack { fired, .. } => Some(fired.rule.clone()),
            _ => None,
        };
        step.events.iter().filter_map(held).all(|rule| {
            times.set(times.get() + 1);
            let said = match step.input {
                Input::Tick(tick) => &tick.gates.breaker,
                Input::Late(late) => &late.breaker,
                _ => return false,
            };
            let of_rules = said.iter().any(|trip| trip.rule == rule);
            let paused = step.after.phase == Phase::Paused && step.after.causes.contains(&Cause::Rule(rule));
            of_rules && paused && !step.after.is_growing()
        })
    });
    assert!(times.get() > 100, "{times:?}");
}

#[test]
fn signals_pass_the_breaker() {
    everywhere(31, "a signal was held back", |step| match step.input {
        Input::Signal(signal) if signal.then == Action::Shutdown && step.before.is_live() => {
            step.after.phase == Phase::Stopped
        }
        _ => true,
    });
}
