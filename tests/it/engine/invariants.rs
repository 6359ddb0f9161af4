//! What must hold at every step of every history, said without any model.

use flagstaff::engine::decide::fold;
use flagstaff::engine::state::EffectKind;
use flagstaff::engine::{Command, Event, Input, Phase, Plan, State};

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

#[track_caller]
fn everywhere(salt: u64, what: &str, holds: impl Fn(&Step<'_>) -> bool) {
    for history in histories(salt, 3_000) {
        let mut after = State::default();
        for (index, input) in history.inputs.iter().enumerate() {
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
