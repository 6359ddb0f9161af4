//! For each invariant something deliberately broken, which it must catch: an invariant that never fires proves nothing.

use flagstaff::engine::decide::{Refusal, fold};
use flagstaff::engine::input::{Gates, HoldKind, Outcome};
use flagstaff::engine::{Decimal, EffectKind, Event, Input, Observation, Observed, Phase, Plan, Reading, State, Tick};

use super::backend::Lie;
use super::crew::Broken;
use super::invariants::{
    BAD_EVIDENCE, BAKE_PROVEN, BREACH_STOPS, CHAIN, EVERYTHING_ENDS, FOREIGN, HELD, LATE_HEARD, OBEYED, OFF_IS_SERVED,
    ONE_LIVE, RECORDED_REASON, REPLAY, SPOOL_FIRST, STOP_STAYS, WINDOW,
};
use super::ledger::Leak;
use super::run::{Scenario, simulate};

/// Lives in which a mutant must be caught at the latest.
const WITHIN: u64 = 600;

/// The named invariant alone must catch it, and the same life unbroken must be fine (which the other test sees to).
fn caught(invariant: &'static str, broken: Scenario) {
    let scenario = Scenario { only: Some(invariant), ..broken };
    let found = (0..WITHIN).find_map(|seed| simulate(seed, &scenario).err());
    let failure = found.unwrap_or_else(|| panic!("{invariant} noticed nothing within {WITHIN} lives"));
    assert_eq!(failure.invariant, invariant);
    let again = simulate(failure.seed, &scenario).expect_err("a failing seed fails again");
    // ids of journals in files are random, so the words may differ
    assert_eq!((again.step, again.invariant), (failure.step, invariant), "seed {}", failure.seed);
}

fn leak(leak: Leak) -> Scenario {
    Scenario { broken: Broken { leak, ..Broken::default() }, ..Scenario::default() }
}

fn lie(lie: Lie) -> Scenario {
    Scenario { lie, ..Scenario::default() }
}

/// A fold in which a person's pause means nothing to ticks.
fn deaf(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    if matches!(input, Input::Tick(_)) && state.phase == Phase::Paused {
        state.phase = Phase::Running;
        state.causes.clear();
        if state.effective.is_none() {
            state.effective = Some(state.started);
        }
    }
    fold(plan, state, input)
}

/// A fold that takes every unknown for healthy.
fn sanguine(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Tick(tick) = &mut input {
        for reading in &mut tick.readings {
            if reading.value().is_none() {
                *reading = Reading::Value(Decimal::ZERO);
            }
        }
    }
    fold(plan, state, &input)
}

/// A fold that takes any tick for the present one.
fn timeless(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Tick(tick) = &mut input {
        tick.present = true;
        if tick.gates.backend == Observation::NotRead {
            tick.gates.backend = Observation::Seen(Observed {
                on: true,
                exposure: state.allowed.clone(),
                foreign: None,
                stamp: Some(state.stamp.clone()),
                other_hand: None,
                revision: String::new(),
                unserved: None,
            });
        }
    }
    fold(plan, state, &input)
}

/// A fold that counts every tick twice.
fn hasty(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    if matches!(input, Input::Tick(_)) && state.baked > 0 {
        state.baked += 1;
    }
    fold(plan, state, input)
}

/// A fold that never lets anything settle.
fn restless(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    if matches!(input, Input::Tick(_)) {
        state.baked = 0;
    }
    fold(plan, state, input)
}

/// A fold that resumes whatever a pause stopped at the next late look.
fn forgiving(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let holding = state.phase == Phase::Paused && !state.is_growing();
    let mut events = fold(plan, state, input)?;
    if let Input::Tick(tick) = input
        && holding
        && let Some(next) = plan.stages.get(state.stage + 1)
    {
        let grown = Event::Effective {
            effect: 0,
            at: tick.at,
            exposure: next.exposure.clone(),
            stage: state.stage + 1,
            changed: true,
        };
        state.apply(&grown);
        events.push(grown);
    }
    Ok(events)
}

/// A fold that does not look at the stamp a command finds.
fn stampless(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Command(issued) = &mut input
        && let Observation::Seen(seen) = &mut issued.backend
    {
        seen.stamp = None;
    }
    fold(plan, state, &input)
}

/// A fold that goes through freezes.
fn freezeless(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Tick(tick) = &mut input {
        tick.gates.holds.clear();
    }
    fold(plan, state, &input)
}

/// A fold that grows at any hour.
fn sleepless(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Tick(tick) = &mut input {
        tick.gates.holds.retain(|hold| hold.kind != HoldKind::Window);
    }
    fold(plan, state, &input)
}

/// A fold that decides stops and never asks for them at the backend.
fn forgetful(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let before = state.clone();
    let mut events = fold(plan, state, input)?;
    events.retain(|event| !matches!(event, Event::Intended(effect) if effect.kind == EffectKind::Off));
    *state = before;
    events.iter().for_each(|event| state.apply(event));
    Ok(events)
}

/// A fold whose last event goes missing.
fn lossy(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let before = state.clone();
    let mut events = fold(plan, state, input)?;
    if events.len() > 1 {
        events.pop();
        *state = before;
        events.iter().for_each(|event| state.apply(event));
    }
    Ok(events)
}

/// A fold that takes a tenth of every reading for the whole.
fn rosy(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    if let Input::Tick(tick) = &mut input {
        for reading in &mut tick.readings {
            if let Reading::Value(value) = reading {
                *reading = Reading::Value(value.times(Decimal::new(1, -1)));
            }
        }
    }
    fold(plan, state, &input)
}

/// A fold that takes what is read for what is served.
fn credulous(plan: &Plan, state: &mut State, input: &Input) -> Result<Vec<Event>, Refusal> {
    let mut input = input.clone();
    match &mut input {
        Input::Tick(Tick { gates: Gates { backend: Observation::Seen(seen), .. }, .. })
        | Input::Outcome(Outcome { backend: Observation::Seen(seen), .. })
        | Input::Seen { backend: Observation::Seen(seen), .. } => seen.unserved = None,
        Input::Command(issued) => {
            if let Observation::Seen(seen) = &mut issued.backend {
                seen.unserved = None;
            }
        }
        _ => {}
    }
    fold(plan, state, &input)
}

fn folding(fold: flagstaff::control::store::Fold) -> Scenario {
    Scenario { broken: Broken { fold, ..Broken::default() }, ..Scenario::default() }
}

#[test]
fn growth_that_is_written_and_never_recorded() {
    caught(RECORDED_REASON, leak(Leak::Forgets));
}

#[test]
fn growth_that_is_sent_after_it_expired() {
    caught(RECORDED_REASON, lie(Lie::SendsLate));
}

#[test]
fn a_backend_that_writes_more_than_it_was_asked() {
    caught(RECORDED_REASON, lie(Lie::WritesMore));
}

#[test]
fn ticks_that_do_not_hear_a_pause() {
    caught(HELD, folding(deaf));
}

#[test]
fn ticks_that_do_not_hear_a_freeze() {
    caught(HELD, folding(freezeless));
}

#[test]
fn ticks_that_grow_at_any_hour() {
    caught(WINDOW, folding(sleepless));
}

#[test]
fn unknown_taken_for_healthy() {
    caught(BAD_EVIDENCE, folding(sanguine));
}

#[test]
fn a_source_that_invents_what_it_does_not_know() {
    caught(BAD_EVIDENCE, Scenario { invents: true, ..Scenario::default() });
}

#[test]
fn old_ticks_taken_for_present() {
    caught(BAD_EVIDENCE, folding(timeless));
}

#[test]
fn a_clock_that_stands_while_something_is_awaited() {
    let broken = Broken { clock_stands: true, ..Broken::default() };
    caught(BAD_EVIDENCE, Scenario { broken, ..Scenario::default() });
}

#[test]
fn stops_that_are_recorded_and_not_carried_out() {
    caught(STOP_STAYS, folding(forgetful));
}

#[test]
fn a_backend_that_does_not_switch_off() {
    caught(STOP_STAYS, lie(Lie::OffIsIgnored));
}

#[test]
fn a_stop_that_is_taken_for_read_back_where_it_is_not_served() {
    caught(OFF_IS_SERVED, folding(credulous));
}

#[test]
fn growth_beside_what_is_not_served() {
    caught(BAD_EVIDENCE, folding(credulous));
}

#[test]
fn ticks_that_count_twice() {
    caught(BAKE_PROVEN, folding(hasty));
}

#[test]
fn a_bake_on_invented_readings() {
    caught(BAKE_PROVEN, Scenario { invents: true, ..Scenario::default() });
}

#[test]
fn events_that_the_inputs_do_not_give() {
    caught(REPLAY, folding(lossy));
}

#[test]
fn a_bake_that_never_ends() {
    caught(EVERYTHING_ENDS, folding(restless));
}

#[test]
fn a_start_over_another_journals_stamp() {
    let broken = Broken { fold: stampless, ..Broken::default() };
    caught(FOREIGN, Scenario { broken, ..lie(Lie::TakesOver) });
}

#[test]
fn two_live_rollouts() {
    caught(ONE_LIVE, leak(Leak::NeverConflicts));
}

#[test]
fn a_past_that_was_changed() {
    caught(CHAIN, Scenario { tampers: true, ..Scenario::default() });
}

#[test]
fn a_pause_that_is_acknowledged_and_not_recorded() {
    caught(OBEYED, leak(Leak::SwallowsPauses));
}

#[test]
fn more_allowed_than_a_person_held() {
    caught(OBEYED, folding(forgiving));
}

#[test]
fn a_reduction_that_is_written_over_a_smaller_one() {
    caught(RECORDED_REASON, lie(Lie::HidesHands));
}

#[test]
fn a_growth_that_is_written_over_a_hands_reduction() {
    caught(OBEYED, lie(Lie::HidesHands));
}

#[test]
fn a_breach_that_is_read_as_less() {
    caught(BREACH_STOPS, folding(rosy));
}

#[test]
fn a_source_that_is_not_heard_about_the_past() {
    caught(LATE_HEARD, Scenario { forgets: true, ..Scenario::default() });
}

#[test]
fn a_driver_that_does_not_look_into_the_spool() {
    let broken = Broken { ignores_spool: true, ..Broken::default() };
    caught(SPOOL_FIRST, Scenario { broken, ..Scenario::default() });
}
