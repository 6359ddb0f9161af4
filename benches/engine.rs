//! How fast the engine decides and replays on one core, beside a plain loop that only compares and counts.
//!
//! Counted: a *tick* is one fold of one recorded tick; a *rule evaluation* is one of the plan's rules judged at one
//! tick (the lines of `healthy` come on top and are not counted); an *event* is one recorded event applied.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::time::{Duration, Instant};

use flagstaff::engine::condition::Comparison;
use flagstaff::engine::decide::fold;
use flagstaff::engine::detector::{Against, Counts, Detector, threshold};
use flagstaff::engine::input::{Gates, Issued, Stamp};
use flagstaff::engine::plan::{
    Action, Arm, Form, HealthLine, NoData, Query, RollbackStage, Rule, Samples, Selector, Series, Stage, Target, Unit,
};
use flagstaff::engine::{
    Actor, Command, Condition, Decimal, Event, Exposure, Input, Observation, Observed, Outcome, Percentage, Plan,
    Reading, Span, State, Term, Tick, Timestamp,
};

const TICKS: usize = 20_000;
const RULES: usize = 5;
const LINES: usize = 3;
const EVERY: Span = Span::seconds(30);

fn main() {
    // without `--bench` (as under `cargo test --benches`) one short round proves that it still runs
    let round = if std::env::args().any(|arg| arg == "--bench") { Duration::from_secs(2) } else { Duration::ZERO };
    let plan = plan();
    let inputs = inputs();
    let (events, folded) = refold(&plan, &inputs);
    let tick_events = events.len();

    let ticks = rate(round, TICKS, || black_box(refold(&plan, &inputs)).0.len() as u64);
    let refolded = ticks * tick_events as f64 / TICKS as f64;
    let applied = rate(round, tick_events, || {
        let mut state = State::default();
        events.iter().for_each(|event| state.apply(event));
        assert_eq!(state.baked, folded.baked);
        u64::from(black_box(state).baked)
    });
    let numbers = numbers(&inputs);
    let plain = rate(round, TICKS, || plain_loop(black_box(&numbers)));

    println!("plan: 8 series, {RULES} rules, {LINES} lines of healthy; {TICKS} ticks, {tick_events} events; one core");
    println!("fold            {ticks:>12.0} ticks/s  = {:>12.0} rule evaluations/s", ticks * RULES as f64);
    println!("  lines included {:>42.0} conditions/s", ticks * (RULES + LINES) as f64);
    println!("refold          {refolded:>12.0} events/s");
    println!("replay (apply)  {applied:>12.0} events/s");
    println!("plain loop      {plain:>12.0} ticks/s  (compares integers, counts runs; keeps no reasons, no record)");
    for (name, detector) in [("share", against_share()), ("baseline", against_baseline())] {
        let counts = counts();
        let weighed = rate(round, TICKS, || weigh(&detector, black_box(&counts)));
        println!("evidence        {weighed:>12.0} evaluations/s of a rule that counts ({name})");
    }
    println!("fold takes {:.1} times the plain loop's time", plain / ticks);
}

/// Units per second of `work`, which does `units` of them each time.
fn rate(round: Duration, units: usize, mut work: impl FnMut() -> u64) -> f64 {
    let (mut done, begin) = (0, Instant::now());
    loop {
        black_box(work());
        done += units;
        if begin.elapsed() >= round {
            return done as f64 / begin.elapsed().as_secs_f64();
        }
    }
}

fn refold(plan: &Plan, inputs: &[Input]) -> (Vec<Event>, State) {
    let (mut state, mut events) = (State::default(), Vec::with_capacity(inputs.len() + 8));
    for input in inputs {
        events.extend(fold(plan, &mut state, input).expect("nothing here is refused"));
    }
    (events, state)
}

fn series(name: &str, arm: Arm, unit: Unit) -> Series {
    let of = Selector { metric: name.to_owned(), matchers: Vec::new() };
    let query = Query {
        source: "prom".to_owned(),
        form: Form::Count { of },
        matchers: Vec::new(),
        window: EVERY,
        every: EVERY,
        flag: "checkout".to_owned(),
        born_later: false,
    };
    Series { name: name.to_owned(), arm, unit, query }
}

fn compare(series: usize, op: Comparison, limit: &str) -> Condition {
    let right = Term::Number(limit.parse().expect("a decimal"));
    Condition::Compare { left: Term::Series { series, factor: Decimal::whole(1) }, op, right }
}

fn rule(name: &str, condition: Condition, minutes: u64, then: Action) -> Rule {
    let hold_for = (minutes > 0).then(|| Span::minutes(minutes));
    Rule { name: name.to_owned(), text: name.to_owned(), condition, hold_for, detector: None, observe: false, then }
}

fn plan() -> Plan {
    let stage = |name: &str, percent| Stage {
        name: name.to_owned(),
        exposure: Exposure::percent(Percentage::whole(percent)),
        bake: Span::hours(24 * 365),
        samples: Some(Samples { series: 2, at_least: 10_000 }),
        idle_bakes: false,
        approval: None,
    };
    let blame = Condition::Compare {
        left: Term::Series { series: 0, factor: Decimal::whole(1) },
        op: Comparison::Greater,
        right: Term::Series { series: 4, factor: "1.5".parse().expect("a decimal") },
    };
    let slow = Condition::All(vec![compare(1, Comparison::Greater, "1.5"), compare(2, Comparison::Greater, "100")]);
    let line = |condition| HealthLine { text: "line".to_owned(), condition, hold_for: None, proof: None };
    Plan {
        format: 1,
        release: "checkout".to_owned(),
        flag: "checkout".to_owned(),
        environment: "production".to_owned(),
        template: "standard".to_owned(),
        policy: "web".to_owned(),
        protected: false,
        full_start_reason: None,
        target: Target::Flagd { path: "flags.json".to_owned() },
        stickiness: "userId".to_owned(),
        audiences: BTreeMap::new(),
        sources: BTreeMap::new(),
        every: EVERY,
        delay: Span::seconds(5),
        settle: Span::minutes(5),
        catch_up: Span::hours(168),
        stages: vec![stage("ten", 10), stage("half", 50)],
        series: vec![
            series("error_rate", Arm::Exposed, Unit::Ratio),
            series("p99", Arm::Exposed, Unit::Seconds),
            series("requests", Arm::Exposed, Unit::Count),
            series("slow(500ms)", Arm::Exposed, Unit::Ratio),
            series("baseline(error_rate)", Arm::Control, Unit::Ratio),
            series("checkouts", Arm::Exposed, Unit::Ratio),
            series("queue", Arm::Exposed, Unit::Ratio),
            series("restarts", Arm::Service, Unit::Count),
        ],
        healthy: vec![
            line(compare(0, Comparison::Less, "0.01")),
            line(compare(1, Comparison::Less, "0.5")),
            line(compare(3, Comparison::Less, "0.05")),
        ],
        rules: vec![
            rule("errors", compare(0, Comparison::Greater, "0.02"), 2, Action::Pause),
            rule("latency", slow, 1, Action::Shutdown),
            rule("blame", blame, 2, Action::Rollback(RollbackStage::Previous)),
            rule("queue", compare(6, Comparison::Greater, "0.9"), 5, Action::Pause),
            rule("restarts", compare(7, Comparison::Greater, "3"), 0, Action::Notify),
        ],
        no_data: Some(NoData { after: Span::minutes(10), observe: false, then: Action::Pause }),
        sample_ratio: None,
        windows: Vec::new(),
        after: Vec::new(),
    }
}

/// A start, its read-back, and ticks whose readings wander below the limits, with twelve digits like real ones.
fn inputs() -> Vec<Input> {
    let begin = Timestamp(1_800_000_000_000);
    let stamp = Stamp { journal: "journal".to_owned(), rollout: "r1".to_owned() };
    let observed = |on, percent| {
        Observation::Seen(Observed {
            on,
            exposure: Exposure::percent(Percentage::whole(percent)),
            foreign: None,
            stamp: Some(stamp.clone()),
            other_hand: None,
            revision: "1".to_owned(),
            unserved: None,
        })
    };
    let start =
        Command::Start { stage: 0, stamp: stamp.clone(), plan: "hash".to_owned(), again: false, take_over: false };
    let mut inputs = vec![
        Input::Command(Box::new(Issued {
            command: start,
            actor: Actor { name: "ana".to_owned(), known_by: "--as".to_owned() },
            at: begin,
            reason: None,
            saw: None,
            holds: Vec::new(),
            backend: observed(false, 0),
        })),
        Input::Outcome(Outcome { effect: 1, at: begin, backend: observed(true, 10), settled: true, trouble: None }),
    ];
    let mut wander = 1_u64;
    for index in 1..=TICKS as u64 {
        let mut reading = |scale: i32| {
            wander = wander.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Reading::Value(Decimal::new(i128::from(100_000_000_000 + (wander >> 33)), scale))
        };
        let readings = [-14, -12, -9, -13, -13, -14, -12, -11].map(&mut reading).to_vec();
        let at = begin.plus(Span(EVERY.0 * index));
        let gates = Gates { backend: observed(true, 10), holds: Vec::new(), breaker: Vec::new() };
        inputs.push(Input::Tick(Tick { at, evaluated: at.plus(Span::seconds(5)), present: true, readings, gates }));
    }
    inputs
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn detector(against: Option<Against>) -> Detector {
    let (max, per) = (decimal("0.05"), Span::hours(24));
    let threshold = threshold(max, per, EVERY, 1).expect("a threshold");
    let counts = Counts { failed: 0, total: 1 };
    Detector { max, per, cluster: 1, threshold, counts, against: against.expect("a sound promise") }
}

fn against_share() -> Detector {
    detector(Against::share(decimal("0.02"), decimal("0.05")))
}

fn against_baseline() -> Detector {
    detector(Against::baseline(decimal("1.5"), decimal("3"), Counts { failed: 2, total: 3 }))
}

/// Healthy traffic of both groups, different at each tick, so that no logarithm is the last one's.
fn counts() -> Vec<[Reading; 4]> {
    let tick = |index: i64| {
        let (ours, theirs) = (1000 + index % 977, 9000 + index % 7919);
        [ours / 100, ours, theirs / 100, theirs].map(|count| Reading::Value(Decimal::whole(count)))
    };
    (0..TICKS as i64).map(tick).collect()
}

fn weigh(detector: &Detector, counts: &[[Reading; 4]]) -> u64 {
    let mut number = Decimal::ZERO;
    for readings in counts {
        number = detector.weigh(number, readings).expect("all counts are known");
    }
    u64::from(number >= detector.threshold)
}

/// The same readings as integers of 10^-14, for the plain loop.
fn numbers(inputs: &[Input]) -> Vec<[i64; 8]> {
    let number = |reading: &Reading| {
        let value = reading.value().unwrap_or_default().times(Decimal::new(1, 6)).to_string();
        value.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0)
    };
    let tick = |input: &Input| match input {
        Input::Tick(tick) => tick.readings.iter().map(number).collect::<Vec<i64>>().try_into().ok(),
        _ => None,
    };
    inputs.iter().filter_map(tick).collect()
}

/// What the rules ask, and nothing else: the floor.
fn plain_loop(ticks: &[[i64; 8]]) -> u64 {
    let (mut runs, mut baked) = ([0_u32; RULES], 0_u64);
    let mut fired = BTreeSet::new();
    for (index, tick) in ticks.iter().enumerate() {
        let rules = [
            tick[0] > 20_000,
            tick[1] > 1_500_000 && tick[2] > 100_000_000,
            2 * tick[0] > 3 * tick[4],
            tick[6] > 900_000,
            tick[7] > 3_000_000,
        ];
        for (run, (holds, need)) in runs.iter_mut().zip(rules.into_iter().zip([5, 3, 5, 11, 1])) {
            *run = if holds { *run + 1 } else { 0 };
            if *run >= need {
                fired.insert(index);
            }
        }
        baked += u64::from(tick[0] < 10_000 && tick[1] < 500_000 && tick[3] < 50_000);
    }
    baked + fired.len() as u64
}
