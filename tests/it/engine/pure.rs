//! The fold is a function, and everything it consumes and yields can be written down and read back.

use flagstaff::canonical;
use flagstaff::engine::decide::fold;
use flagstaff::engine::explain::explain;
use flagstaff::engine::{Event, Input, Plan, Span, State, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reference::random::{History, histories};

fn text<T: Serialize>(value: &T) -> String {
    canonical::to_string(value).expect("canonical, so without floating point")
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let written = text(value);
    let read: T = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(read, *value);
    assert_eq!(text(&read), written);
}

fn run(plan: &Plan, inputs: &[Input]) -> (State, Vec<Event>) {
    let mut state = State::default();
    let mut events = Vec::new();
    for input in inputs {
        events.extend(fold(plan, &mut state, input).unwrap_or_default());
    }
    (state, events)
}

#[test]
fn folding_twice_gives_the_same_bytes() {
    for History { plan, inputs, .. } in histories(1, 2_000) {
        let (first, second) = (run(&plan, &inputs), run(&plan, &inputs));
        assert_eq!(text(&first.0), text(&second.0));
        assert_eq!(text(&first.1), text(&second.1));
    }
}

#[test]
fn what_was_recorded_folds_as_what_was_fed() {
    for History { plan, inputs, .. } in histories(2, 500) {
        let recorded: Vec<Input> = inputs.iter().map(|input| serde_json::from_str(&text(input)).unwrap()).collect();
        let plan_read: Plan = serde_json::from_str(&text(&plan)).unwrap();
        assert_eq!(run(&plan, &inputs), run(&plan_read, &recorded));
    }
}

#[test]
fn everything_survives_canonical_json() {
    for History { plan, inputs, .. } in histories(3, 200) {
        survives(&plan);
        let mut state = State::default();
        for input in &inputs {
            survives(input);
            for event in fold(&plan, &mut state, input).unwrap_or_default() {
                survives(&event);
            }
            survives(&state);
        }
    }
}

#[test]
fn applying_the_recorded_events_gives_the_folded_state() {
    let mut events_seen = 0;
    for History { plan, inputs, .. } in histories(4, 2_000) {
        let (folded, events) = run(&plan, &inputs);
        let mut applied = State::default();
        events.iter().for_each(|event| applied.apply(event));
        assert_eq!(applied, folded);
        events_seen += events.len();
    }
    assert!(events_seen > 20_000, "{events_seen}: the histories are too dull to prove anything");
}

#[test]
fn refusals_leave_the_state_as_it_was() {
    let mut refusals = 0;
    for History { plan, inputs, .. } in histories(5, 2_000) {
        let mut state = State::default();
        for input in &inputs {
            let before = state.clone();
            if fold(&plan, &mut state, input).is_err() {
                assert_eq!(state, before);
                refusals += 1;
            }
        }
    }
    assert!(refusals > 1_000, "{refusals}: too few to prove anything");
}

#[test]
fn an_input_without_events_leaves_the_state_as_it_was() {
    for History { plan, inputs, .. } in histories(6, 1_000) {
        let mut state = State::default();
        for input in &inputs {
            let before = state.clone();
            if fold(&plan, &mut state, input).is_ok_and(|events| events.is_empty()) {
                assert_eq!(state, before);
            }
        }
    }
}

/// Documents are checked before they become plans, journals are verified: what slips through must still not panic.
#[test]
fn nonsense_never_panics() {
    let spoil: [fn(&mut Plan); 8] = [
        |plan| plan.stages.clear(),
        |plan| plan.stages.truncate(1),
        |plan| plan.series.clear(),
        |plan| plan.rules.clear(),
        |plan| plan.healthy.clear(),
        |plan| plan.every = Span(0),
        |plan| plan.settle = Span(u64::MAX),
        |plan| plan.rules.iter_mut().for_each(|rule| rule.hold_for = Some(Span(u64::MAX))),
    ];
    for (history, spoil) in histories(10, 800).zip(spoil.iter().cycle()) {
        let mut plan = history.plan;
        let (mut healthy, mut spoilt) = (State::default(), State::default());
        let cut = history.inputs.len() / 2;
        for (index, input) in history.inputs.iter().enumerate() {
            let _ = fold(&plan, &mut healthy, input);
            let _ = fold(&plan, &mut spoilt, &at_the_end_of_time(input));
            if index == cut {
                spoil(&mut plan);
            }
            let _ = explain(&plan, &healthy, None, Timestamp(i64::MAX));
            let _ = explain(&plan, &spoilt, None, Timestamp(i64::MIN));
        }
    }
}

fn at_the_end_of_time(input: &Input) -> Input {
    let mut input = input.clone();
    match &mut input {
        Input::Tick(tick) => (tick.at, tick.evaluated) = (Timestamp(i64::MAX), Timestamp(i64::MIN)),
        Input::Command(issued) => issued.at = Timestamp(i64::MIN),
        Input::Outcome(outcome) => outcome.at = Timestamp(i64::MAX),
        Input::Seen { at, .. } => *at = Timestamp(i64::MIN),
        Input::Aside(_) | Input::Late(_) | Input::Signal(_) => {}
    }
    input
}

#[test]
fn a_percentage_above_100_is_not_read() {
    assert!(serde_json::from_str::<flagstaff::engine::Percentage>("100000").is_ok());
    assert!(serde_json::from_str::<flagstaff::engine::Percentage>("100001").is_err());
}
