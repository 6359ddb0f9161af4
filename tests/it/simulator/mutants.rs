//! For each invariant something deliberately broken, which it must catch: an invariant that never fires proves nothing.

use flagstaff::engine::decide::{Refusal, fold};
use flagstaff::engine::{Decimal, Event, Input, Observation, Observed, Phase, Plan, Reading, State};

use super::backend::Lie;
use super::invariants::{
    BAD_EVIDENCE, BAKE_PROVEN, CHAIN, EVERYTHING_ENDS, FOREIGN, HELD, OBEYED, ONE_LIVE, RECORDED_REASON, REPLAY,
    STOP_STAYS,
};
use super::pilot::Slip;
use super::run::{Scenario, simulate};

/// Lives in which a mutant must be caught at the latest.
const WITHIN: u64 = 150;

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

fn slip(slip: Slip) -> Scenario {
    Scenario { slip, ..Scenario::default() }
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

fn folding(fold: super::pilot::Fold) -> Scenario {
    Scenario { fold, ..Scenario::default() }
}

#[test]
fn growth_that_is_written_before_it_is_recorded() {
    caught(RECORDED_REASON, slip(Slip::ActsBeforeItRecords));
}

#[test]
fn growth_that_is_sent_after_it_expired() {
    caught(RECORDED_REASON, slip(Slip::IgnoresExpiry));
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
fn a_loop_that_calls_every_tick_present() {
    caught(BAD_EVIDENCE, slip(Slip::AlwaysPresent));
}

#[test]
fn stops_that_are_recorded_and_not_carried_out() {
    caught(STOP_STAYS, slip(Slip::ForgetsStops));
}

#[test]
fn a_backend_that_does_not_switch_off() {
    caught(STOP_STAYS, lie(Lie::OffIsIgnored));
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
    caught(REPLAY, slip(Slip::RecordsOtherEvents));
}

#[test]
fn a_bake_that_never_ends() {
    caught(EVERYTHING_ENDS, folding(restless));
}

#[test]
fn a_start_over_another_journals_stamp() {
    caught(FOREIGN, Scenario { fold: stampless, ..slip(Slip::TakesOver) });
}

#[test]
fn two_live_rollouts() {
    caught(ONE_LIVE, slip(Slip::OpensTwice));
}

#[test]
fn a_past_that_was_changed() {
    caught(CHAIN, Scenario { tampers: true, ..Scenario::default() });
}

#[test]
fn a_pause_that_is_acknowledged_and_not_recorded() {
    caught(OBEYED, slip(Slip::SwallowsPauses));
}

#[test]
fn more_allowed_than_a_person_held() {
    caught(OBEYED, folding(forgiving));
}

#[test]
fn a_reduction_that_is_written_over_a_smaller_one() {
    caught(RECORDED_REASON, slip(Slip::ShrinksBlindly));
}

#[test]
fn a_growth_that_is_written_over_a_hands_reduction() {
    caught(OBEYED, slip(Slip::GrowsBlindly));
}
