//! What the blast-radius breaker says is an input. It turns a rule's shutdown into a pause, and does nothing else.

use flagstaff::engine::breaker::{Shared, Trip};
use flagstaff::engine::decide::{Shutdown, shutdowns};
use flagstaff::engine::input::{Gates, Tick};
use flagstaff::engine::plan::{Action, Rule};
use flagstaff::engine::{Command, Event, Input, Observation, Percentage, Plan, Reading, State, Unknown};

use super::super::kit::*;

/// The breaker holds this rule back: 12 of 30, above 30%.
fn trip(rule: &str) -> Trip {
    let shared = Shared::Query { source: "prom".to_owned(), series: "restarts".to_owned() };
    Trip { rule: rule.to_owned(), shared, would: 12, of: 30, limit: Percentage::whole(30) }
}

/// The service restarts that often.
fn restarts(count: &str) -> Vec<Reading> {
    with(SERVICE, value(count))
}

/// More than five restarts of the service for two ticks.
fn crash(then: Action) -> Rule {
    rule("crash", above(SERVICE, "5"), 2, then)
}

/// An error rate of its own.
fn own() -> Rule {
    rule("own", above(ERRORS, "0.02"), 1, Action::Shutdown)
}

fn at(rules: Vec<Rule>, stage: usize) -> Timeline {
    Timeline::at(with_rules(rules), stage)
}

fn held_back(timeline: &Timeline) -> usize {
    timeline.count(|event| matches!(event, Event::HeldBack { .. }))
}

/// It fires once, and the breaker holds it back.
fn held(rules: Vec<Rule>, stage: usize) -> Timeline {
    let mut timeline = at(rules, stage);
    timeline.tick(restarts("9"));
    timeline.breaker = vec![trip("crash")];
    timeline.tick(restarts("9"));
    timeline.breaker.clear();
    timeline
}

#[test]
fn a_trip_pauses_what_would_shut_down_and_says_so() {
    let timeline = held(vec![crash(Action::Shutdown)], 2);
    timeline.paused(2, &[by_rule("crash")]).allows(&audience(&["employees"], 50));
    let told: Vec<&Event> = timeline.events.iter().filter(|event| matches!(event, Event::HeldBack { .. })).collect();
    let [Event::HeldBack { fired, trip: said, .. }] = told[..] else { panic!("{told:?}") };
    assert_eq!((&fired.rule, &fired.then, said), (&"crash".to_owned(), &Action::Shutdown, &trip("crash")));
    assert_eq!(timeline.state.held_back["crash"].trip, trip("crash"));
    assert!(timeline.state.effect.is_none(), "nothing is sent");
}

#[test]
fn without_a_trip_or_with_one_of_another_rule_it_shuts_down() {
    for said in [vec![], vec![trip("other")], vec![trip("no_data")]] {
        let mut timeline = at(vec![crash(Action::Shutdown)], 2);
        timeline.tick(restarts("9"));
        timeline.breaker = said;
        timeline.tick(restarts("9"));
        timeline.stopped();
        assert_eq!(held_back(&timeline), 0);
    }
}

#[test]
fn a_trip_of_a_rule_that_does_not_fire_is_nothing() {
    let mut timeline = at(vec![crash(Action::Shutdown)], 2);
    timeline.breaker = vec![trip("crash")];
    timeline.tick(restarts("9"));
    timeline.running(2);
    timeline.tick(restarts("1"));
    timeline.running(2);
    assert!(timeline.state.held_back.is_empty());
}

#[test]
fn its_run_stays_held_back_though_the_breaker_says_nothing_more() {
    let mut timeline = held(vec![crash(Action::Shutdown)], 2);
    // others were stopped meanwhile, or nobody else was judged
    timeline.ticks(10, &restarts("9"));
    timeline.ticks(2, &unknown(SERVICE, Unknown::Error));
    timeline.ticks(3, &restarts("9"));
    timeline.paused(2, &[by_rule("crash")]);
    assert_eq!(held_back(&timeline), 1, "said once");
}

#[test]
fn a_new_run_is_judged_anew() {
    let mut timeline = held(vec![crash(Action::Shutdown)], 2);
    timeline.tick(restarts("1"));
    timeline.breaker = vec![trip("crash")];
    timeline.ticks(2, &restarts("9"));
    assert_eq!(held_back(&timeline), 2);
    timeline.breaker.clear();
    timeline.tick(restarts("1"));
    timeline.ticks(2, &restarts("9"));
    timeline.stopped();
}

#[test]
fn after_a_resume_it_may_shut_down_again() {
    let mut timeline = held(vec![crash(Action::Shutdown)], 2);
    timeline.resume();
    assert!(timeline.state.held_back.is_empty());
    timeline.tick(restarts("9"));
    timeline.running(2);
    timeline.tick(restarts("9"));
    timeline.stopped();
}

#[test]
fn a_rule_of_its_own_shuts_down_at_the_same_tick_and_later() {
    let both = |errors: &str| {
        let mut readings = restarts("9");
        readings[ERRORS] = value(errors);
        readings
    };
    let rules = || vec![crash(Action::Shutdown), own()];
    let mut same = at(rules(), 2);
    same.tick(restarts("9"));
    same.breaker = vec![trip("crash")];
    same.tick(both("0.5"));
    same.stopped();
    assert_eq!(held_back(&same), 0, "nothing was held back");
    let mut later = held(rules(), 2);
    later.tick(both("0.5"));
    later.stopped();
    assert!(later.state.held_back.is_empty());
}

#[test]
fn people_and_signals_are_exempt() {
    let mut person = held(vec![crash(Action::Shutdown)], 2);
    person.breaker = vec![trip("crash")];
    person.command(Command::Abort).unwrap();
    person.stopped();
    let mut signal = held(vec![crash(Action::Shutdown)], 2);
    signal.breaker = vec![trip("crash"), trip("pager")];
    signal.signal(Action::Shutdown);
    signal.stopped();
    // also one that is called like the rule
    let mut named = at(vec![rule("pager", above(SERVICE, "5"), 1, Action::Shutdown)], 2);
    named.breaker = vec![trip("pager")];
    named.tick(restarts("9"));
    named.paused(2, &[by_rule("pager")]);
    named.signal(Action::Shutdown);
    named.stopped();
}

#[test]
fn a_rollback_is_held_back_where_it_ends_at_nobody_and_only_there() {
    held(vec![crash(previous())], 0).paused(0, &[by_rule("crash")]).allows(&audience(&["employees"], 0));
    let back = held(vec![crash(previous())], 2);
    back.paused(1, &[by_rule("crash")]).allows(&audience(&["employees"], 10));
    assert_eq!(held_back(&back), 0);
    // another rule goes back meanwhile: that happens, and exposure is what it asked for
    let mut both = at(vec![crash(Action::Shutdown), rule("back", above(ERRORS, "0.02"), 1, previous())], 2);
    both.tick(restarts("9"));
    both.breaker = vec![trip("crash")];
    let mut readings = restarts("9");
    readings[ERRORS] = value("0.5");
    both.tick(readings);
    both.paused(1, &[by_rule("crash"), by_rule("back")]).allows(&audience(&["employees"], 10));
}

#[test]
fn missing_data_that_would_shut_down_is_held_back_too() {
    let mut plan = with_rules(vec![own()]);
    plan.no_data = no_data(3, Action::Shutdown);
    let mut timeline = Timeline::at(plan, 2);
    timeline.ticks(2, &all_unknown(Unknown::Error));
    timeline.breaker = vec![Trip { shared: Shared::Source("prom".to_owned()), ..trip("no_data") }];
    timeline.tick(all_unknown(Unknown::Error));
    timeline.paused(2, &[by_rule("no_data")]);
    timeline.breaker.clear();
    timeline.ticks(5, &all_unknown(Unknown::Error));
    timeline.paused(2, &[by_rule("no_data")]);
    timeline.tick(errors(50));
    timeline.stopped();
}

#[test]
fn ticks_that_were_missed_are_held_back_as_in_their_time() {
    let mut timeline = at(vec![crash(Action::Shutdown)], 2);
    timeline.caught_up(restarts("9"));
    timeline.breaker = vec![trip("crash")];
    timeline.caught_up(restarts("9"));
    timeline.breaker.clear();
    timeline.caught_up(restarts("9"));
    timeline.paused(2, &[by_rule("crash")]);
}

#[test]
fn late_ticks_shut_down_nothing_that_was_held_back() {
    let run = |late: &mut Timeline| {
        late.late(&[(1, true, restarts("9")), (0, true, restarts("9"))]);
    };
    let mut lasting = held(vec![crash(Action::Shutdown)], 2);
    lasting.ticks(2, &unknown(SERVICE, Unknown::Error));
    run(&mut lasting);
    lasting.paused(2, &[by_rule("crash")]);
    // a breach that began once the run was over is another one: it stops, unless the breaker says so of it
    let mut over = held(vec![crash(Action::Shutdown)], 2);
    over.ticks(4, &unknown(SERVICE, Unknown::Error));
    let mut held_again = over.clone();
    run(&mut over);
    over.stopped();
    held_again.breaker = vec![trip("crash")];
    run(&mut held_again);
    held_again.paused(2, &[by_rule("crash")]);
    // what was not, they do, unless the breaker says so of them
    let mut fresh = at(vec![crash(Action::Shutdown)], 2);
    fresh.ticks(2, &unknown(SERVICE, Unknown::Error));
    let mut tripped = fresh.clone();
    run(&mut fresh);
    fresh.stopped();
    tripped.breaker = vec![trip("crash")];
    run(&mut tripped);
    tripped.paused(2, &[by_rule("crash")]);
    assert_eq!(held_back(&tripped), 1);
}

/// Ticks that were judged while the journal could not be written.
fn aside(timeline: &mut Timeline, readings: &[Vec<Reading>], said: &[Trip]) {
    let ticks = readings.iter().map(|readings| {
        timeline.now = timeline.now.plus(EVERY);
        let gates = Gates { backend: Observation::NotRead, holds: Vec::new(), breaker: said.to_vec() };
        let (at, evaluated) = (timeline.now, timeline.now.plus(DELAY));
        Tick { at, evaluated, present: false, readings: readings.clone(), gates }
    });
    let input = Input::Aside(ticks.collect());
    timeline.feed(input).unwrap();
}

#[test]
fn a_trip_that_could_not_be_recorded_holds_nothing_back() {
    let mut fresh = at(vec![crash(Action::Shutdown)], 2);
    aside(&mut fresh, &[restarts("9"), restarts("9")], &[trip("crash")]);
    fresh.stopped();
    // one that was recorded before goes on to hold its run, and keeps nothing else from stopping
    let mut before = held(vec![crash(Action::Shutdown), own()], 2);
    aside(&mut before, &[restarts("9"), restarts("9")], &[]);
    before.paused(2, &[by_rule("crash")]);
    let mut bad = restarts("9");
    bad[ERRORS] = value("0.5");
    aside(&mut before, &[restarts("9"), bad], &[]);
    before.stopped();
}

#[test]
fn what_would_shut_down_is_told_without_changing_anything() {
    let would = |plan: &Plan, state: &State, timeline: &Timeline, readings: Vec<Reading>| {
        let gates = Gates::default();
        let tick = Tick { at: timeline.now.plus(EVERY), evaluated: timeline.now, present: true, readings, gates };
        shutdowns(plan, state, &tick)
    };
    let mut timeline = at(vec![crash(Action::Shutdown), rule("slow", above(P99, "1"), 1, Action::Pause)], 2);
    timeline.tick(restarts("9"));
    let mut bad = restarts("9");
    bad[P99] = value("2");
    let told = would(&timeline.plan, &timeline.state, &timeline, bad);
    assert_eq!(told, [Shutdown { rule: "crash".to_owned(), series: vec![SERVICE], held: false }]);
    assert_eq!(would(&timeline.plan, &timeline.state, &timeline, restarts("1")), []);
    let held = held(vec![crash(Action::Shutdown)], 2);
    let told = would(&held.plan, &held.state, &held, restarts("9"));
    assert_eq!(told, [Shutdown { rule: "crash".to_owned(), series: vec![SERVICE], held: true }]);
    let mut plan = with_rules(Vec::new());
    plan.no_data = no_data(1, Action::Shutdown);
    let silent = Timeline::at(plan, 2);
    let told = would(&silent.plan, &silent.state, &silent, unknown(ERRORS, Unknown::Error));
    assert_eq!(told, [Shutdown { rule: "no_data".to_owned(), series: vec![ERRORS], held: false }]);
}

#[test]
fn ticks_of_before_are_read_and_written_as_they_were() {
    let text = r#"{"backend":"not_read","holds":[]}"#;
    let gates: Gates = serde_json::from_str(text).unwrap();
    assert_eq!(gates, Gates::default());
    assert_eq!(serde_json::to_string(&gates).unwrap(), text);
}
