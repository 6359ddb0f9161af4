//! A timeline kit: plans from a few helpers, and a rollout that is fed one input at a time.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use flagstaff::engine::breaker::Trip;
use flagstaff::engine::condition::Comparison;
use flagstaff::engine::decide::{Refusal, fold};
use flagstaff::engine::event::Missing;
use flagstaff::engine::input::{Gates, Hold, HoldKind, Issued, Late, LateTick, Stamp};
use flagstaff::engine::plan::{
    Action, Approval, Arm, Audience, Form, HealthLine, NoData, Query, RollbackStage, Rule, Samples, Selector, Series,
    SourceAddress, Stage, Target, Unit,
};
use flagstaff::engine::{
    Actor, Cause, Command, Condition, Decimal, Event, Exposure, Input, Observation, Observed, Outcome, Percentage,
    Phase, Plan, Reading, Signal, Span, State, Term, Tick, Timestamp, Unknown,
};

/// Indices of the kit's series.
pub(super) const ERRORS: usize = 0;
pub(super) const P99: usize = 1;
pub(super) const REQUESTS: usize = 2;
pub(super) const CONTROL: usize = 3;
pub(super) const SERVICE: usize = 4;

pub(super) const EVERY: Span = Span::seconds(30);
pub(super) const DELAY: Span = Span::seconds(5);
pub(super) const SETTLE: Span = Span::seconds(60);

/// Healthy readings, in the order of the series: 0.5% errors, 200ms, 100 requests, 0.5% in the control group, 1.
pub(super) fn healthy() -> Vec<Reading> {
    ["0.005", "0.2", "100", "0.005", "1"].map(value).to_vec()
}

pub(super) fn value(text: &str) -> Reading {
    Reading::Value(Decimal::reading(text).unwrap())
}

/// The healthy readings with one of them replaced.
pub(super) fn with(series: usize, reading: Reading) -> Vec<Reading> {
    let mut readings = healthy();
    readings[series] = reading;
    readings
}

/// Healthy but for this many per mille of errors.
pub(super) fn errors(per_mille: u32) -> Vec<Reading> {
    with(ERRORS, Reading::Value(Decimal::new(i128::from(per_mille), -3)))
}

pub(super) fn unknown(series: usize, reason: Unknown) -> Vec<Reading> {
    with(series, Reading::Unknown(reason))
}

pub(super) fn all_unknown(reason: Unknown) -> Vec<Reading> {
    vec![Reading::Unknown(reason); 5]
}

pub(super) fn series(name: &str, arm: Arm, unit: Unit) -> Series {
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

pub(super) fn compare(series: usize, op: Comparison, limit: &str) -> Condition {
    Condition::Compare {
        left: Term::Series { series, factor: Decimal::whole(1) },
        op,
        right: Term::Number(limit.parse().unwrap()),
    }
}

pub(super) fn above(series: usize, limit: &str) -> Condition {
    compare(series, Comparison::Greater, limit)
}

pub(super) fn below(series: usize, limit: &str) -> Condition {
    compare(series, Comparison::Less, limit)
}

/// `error_rate > 1.5 * baseline(error_rate)`
pub(super) fn above_control() -> Condition {
    Condition::Compare {
        left: Term::Series { series: ERRORS, factor: Decimal::whole(1) },
        op: Comparison::Greater,
        right: Term::Series { series: CONTROL, factor: "1.5".parse().unwrap() },
    }
}

pub(super) fn line(condition: Condition) -> HealthLine {
    HealthLine { text: "a line".to_owned(), condition, hold_for: None, proof: None }
}

pub(super) fn rule(name: &str, condition: Condition, ticks: u32, then: Action) -> Rule {
    Rule {
        name: name.to_owned(),
        text: name.to_owned(),
        condition,
        hold_for: lasting(ticks),
        detector: None,
        observe: false,
        then,
    }
}

/// What to write after `for:` to need this many ticks.
pub(super) fn lasting(ticks: u32) -> Option<Span> {
    (ticks > 1).then(|| Span(EVERY.0 * u64::from(ticks - 1)))
}

/// A bake of this many ticks.
pub(super) fn bake(ticks: u32) -> Span {
    Span(EVERY.0 * u64::from(ticks.max(1) - 1))
}

pub(super) fn previous() -> Action {
    Action::Rollback(RollbackStage::Previous)
}

pub(super) fn back_to(stage: &str) -> Action {
    Action::Rollback(RollbackStage::Named(stage.to_owned()))
}

pub(super) fn percent(percent: u32) -> Exposure {
    Exposure::percent(Percentage::whole(percent))
}

pub(super) fn audience(names: &[&str], percent: u32) -> Exposure {
    let audiences = names.iter().map(|name| (*name).to_owned()).collect();
    Exposure { audiences, percentage: Percentage::whole(percent) }
}

pub(super) fn stage(name: &str, exposure: Exposure, bake_ticks: u32) -> Stage {
    let bake = bake(bake_ticks);
    Stage { name: name.to_owned(), exposure, bake, samples: None, idle_bakes: false, approval: None }
}

/// internal (employees) → 10% → 50% → 100%, two healthy ticks each; errors above 2% for three ticks pause.
pub(super) fn plan() -> Plan {
    let series = vec![
        series("error_rate", Arm::Exposed, Unit::Ratio),
        series("p99", Arm::Exposed, Unit::Seconds),
        series("requests", Arm::Exposed, Unit::Count),
        series("baseline(error_rate)", Arm::Control, Unit::Ratio),
        series("restarts", Arm::Service, Unit::Count),
    ];
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
        audiences: BTreeMap::from([("employees".to_owned(), Audience { any: Vec::new() })]),
        sources: BTreeMap::from([(
            "prom".to_owned(),
            SourceAddress::Prometheus {
                url: "http://127.0.0.1:9090".to_owned(),
                scrape_every: Span::seconds(5),
                headers: BTreeMap::new(),
            },
        )]),
        every: EVERY,
        delay: DELAY,
        settle: SETTLE,
        catch_up: Span::hours(168),
        stages: vec![
            stage("internal", audience(&["employees"], 0), 2),
            stage("ten", audience(&["employees"], 10), 2),
            stage("half", audience(&["employees"], 50), 2),
            stage("everyone", audience(&["employees"], 100), 2),
        ],
        series,
        healthy: vec![line(below(ERRORS, "0.01"))],
        rules: vec![rule("errors", above(ERRORS, "0.02"), 3, Action::Pause)],
        no_data: None,
        sample_ratio: None,
        windows: Vec::new(),
        after: Vec::new(),
    }
}

pub(super) fn with_rules(rules: Vec<Rule>) -> Plan {
    Plan { rules, ..plan() }
}

pub(super) fn no_data(ticks: u32, then: Action) -> Option<NoData> {
    Some(NoData { after: bake(ticks), observe: false, then })
}

pub(super) fn samples(at_least: u64) -> Option<Samples> {
    Some(Samples { series: REQUESTS, at_least })
}

/// By these people; by anybody if none is named.
pub(super) fn approval(people: &[&str], count: u32) -> Option<Approval> {
    let groups = if people.is_empty() { Vec::new() } else { vec!["release-managers".to_owned()] };
    let people = people.iter().map(|name| (*name).to_owned()).collect();
    Some(Approval { groups, people, count })
}

pub(super) fn stamp(rollout: &str) -> Stamp {
    Stamp { journal: "journal-a".to_owned(), rollout: rollout.to_owned() }
}

pub(super) fn freeze(name: &str) -> Hold {
    Hold { kind: HoldKind::Freeze, detail: format!("{name} until Monday"), until: None }
}

pub(super) fn hold(kind: HoldKind) -> Hold {
    Hold { kind, detail: "held".to_owned(), until: None }
}

/// A rollout on a line of ticks, with the backend as an obedient server would show it.
#[derive(Clone)]
pub(super) struct Timeline {
    pub(super) plan: Plan,
    pub(super) state: State,
    /// The instant of the last tick.
    pub(super) now: Timestamp,
    /// Everything that was decided.
    pub(super) events: Vec<Event>,
    /// Everything that was fed and not refused.
    pub(super) inputs: Vec<Input>,
    /// What the backend shows when it is read.
    pub(super) backend: Observed,
    /// Whether effects are carried out and read back at once.
    pub(super) obedient: bool,
    /// What holds growth at ticks and commands.
    pub(super) holds: Vec<Hold>,
    /// What the breaker says at ticks.
    pub(super) breaker: Vec<Trip>,
}

pub(super) fn observed(on: bool, exposure: Exposure, stamped: Option<Stamp>) -> Observed {
    Observed { on, exposure, foreign: None, stamp: stamped, other_hand: None, revision: String::new(), unserved: None }
}

impl Timeline {
    /// Not started.
    pub(super) fn new(plan: Plan) -> Timeline {
        Timeline {
            plan,
            state: State::default(),
            now: Timestamp(1_800_000_000_000),
            events: Vec::new(),
            inputs: Vec::new(),
            backend: observed(false, Exposure::nobody(), None),
            obedient: true,
            holds: Vec::new(),
            breaker: Vec::new(),
        }
    }

    /// Started at the first stage, effective, not settled.
    pub(super) fn started(plan: Plan) -> Timeline {
        let mut timeline = Timeline::new(plan);
        timeline.start().unwrap();
        assert_eq!(timeline.state.phase, Phase::Running);
        timeline
    }

    /// At a stage, effective and settled, with nothing baked.
    pub(super) fn at(plan: Plan, stage: usize) -> Timeline {
        let mut timeline = Timeline::started(plan);
        if stage > 0 {
            timeline.command(Command::Force { stage }).unwrap();
        }
        timeline.settle();
        timeline
    }

    /// Lets the settling ticks pass: a start or growth at 1s after a tick settles at the third tick after it.
    pub(super) fn settle(&mut self) {
        let fresh = self.events.len();
        self.healthy(2);
        assert!(!self.events[fresh..].iter().any(|event| matches!(event, Event::Advancing { .. })));
    }

    pub(super) fn feed(&mut self, input: Input) -> Result<Vec<Event>, Refusal> {
        let before = self.state.clone();
        match fold(&self.plan, &mut self.state, &input) {
            Ok(events) => {
                let mut replayed = before;
                events.iter().for_each(|event| replayed.apply(event));
                assert_eq!(replayed, self.state, "the events do not say what the fold did");
                self.inputs.push(input);
                self.events.extend(events.iter().cloned());
                if self.obedient {
                    self.obey();
                }
                Ok(events)
            }
            Err(refusal) => {
                assert_eq!(before, self.state, "a refusal changed the state");
                Err(refusal)
            }
        }
    }

    /// Carries out the open effect and reads it back, a second after the last tick was asked.
    pub(super) fn obey(&mut self) {
        let Some(effect) = self.state.effect.clone() else { return };
        self.land(&effect.to);
        self.read_back(effect.id, true);
    }

    /// A write of ours arrives at the backend.
    pub(super) fn land(&mut self, exposure: &Exposure) {
        self.backend = observed(!exposure.is_nobody(), exposure.clone(), Some(self.state.stamp.clone()));
    }

    /// A person at the backend sets something.
    pub(super) fn hand(&mut self, exposure: Exposure) {
        self.backend.on = !exposure.is_nobody();
        self.backend.exposure = exposure;
        self.backend.other_hand = Some("maria".to_owned());
    }

    pub(super) fn read_back(&mut self, effect: u64, settled: bool) -> Vec<Event> {
        let at = self.later();
        let backend = Observation::Seen(self.backend.clone());
        let obedient = std::mem::replace(&mut self.obedient, false);
        let events = self.feed(Input::Outcome(Outcome { effect, at, backend, settled, trouble: None })).unwrap();
        self.obedient = obedient;
        events
    }

    /// A second after the last tick fell due: what happens between ticks happens here.
    pub(super) fn later(&self) -> Timestamp {
        self.now.plus(DELAY).plus(Span::seconds(1))
    }

    pub(super) fn seen(&mut self) -> Vec<Event> {
        let input = Input::Seen { at: self.later(), backend: Observation::Seen(self.backend.clone()) };
        self.feed(input).unwrap()
    }

    /// The next tick, present, with the backend read.
    pub(super) fn tick(&mut self, readings: Vec<Reading>) -> Vec<Event> {
        let backend = Observation::Seen(self.backend.clone());
        self.tick_with(readings, backend, true)
    }

    pub(super) fn tick_with(&mut self, readings: Vec<Reading>, backend: Observation, present: bool) -> Vec<Event> {
        self.now = self.now.plus(EVERY);
        self.tick_at(self.now, readings, backend, present)
    }

    pub(super) fn tick_at(
        &mut self,
        at: Timestamp,
        readings: Vec<Reading>,
        backend: Observation,
        present: bool,
    ) -> Vec<Event> {
        let gates = Gates { backend, holds: self.holds.clone(), breaker: self.breaker.clone() };
        let tick = Tick { at, evaluated: self.now.plus(DELAY), present, readings, gates };
        self.feed(Input::Tick(tick)).unwrap()
    }

    /// A tick that was missed and is read later: the backend of then is not known.
    pub(super) fn caught_up(&mut self, readings: Vec<Reading>) -> Vec<Event> {
        self.tick_with(readings, Observation::NotRead, false)
    }

    pub(super) fn ticks(&mut self, count: u32, readings: &[Reading]) {
        for _ in 0..count {
            self.tick(readings.to_vec());
        }
    }

    pub(super) fn healthy(&mut self, count: u32) {
        self.ticks(count, &healthy());
    }

    /// Ticks answered late: how many ticks before the last one, whether late, and what they read.
    pub(super) fn late(&mut self, ticks: &[(u64, bool, Vec<Reading>)]) -> Vec<Event> {
        let ticks = ticks
            .iter()
            .map(|(before, late, readings)| LateTick {
                at: self.now.minus(Span(EVERY.0 * before)),
                late: *late,
                readings: readings.clone(),
            })
            .collect();
        self.feed(Input::Late(Late { evaluated: self.later(), ticks, breaker: self.breaker.clone() })).unwrap()
    }

    pub(super) fn signal(&mut self, then: Action) -> Vec<Event> {
        let signal = Signal { name: "pager".to_owned(), at: self.later(), then, detail: String::new(), origin: None };
        self.feed(Input::Signal(signal)).unwrap()
    }

    pub(super) fn start(&mut self) -> Result<Vec<Event>, Refusal> {
        self.command(start())
    }

    pub(super) fn command(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        self.command_by("ana", command)
    }

    pub(super) fn command_by(&mut self, name: &str, command: Command) -> Result<Vec<Event>, Refusal> {
        let issued = self.issued(name, command);
        self.issue(issued)
    }

    pub(super) fn issued(&self, name: &str, command: Command) -> Issued {
        Issued {
            command,
            actor: Actor { name: name.to_owned(), known_by: "--as".to_owned() },
            at: self.later(),
            reason: None,
            saw: Some(self.state.version),
            holds: self.holds.clone(),
            backend: Observation::Seen(self.backend.clone()),
        }
    }

    pub(super) fn issue(&mut self, issued: Issued) -> Result<Vec<Event>, Refusal> {
        self.feed(Input::Command(Box::new(issued)))
    }

    pub(super) fn pause(&mut self) {
        self.command(Command::Pause).unwrap();
    }

    pub(super) fn resume(&mut self) {
        self.command(Command::Resume).unwrap();
    }

    pub(super) fn mute(&mut self, rule: &str, ticks: u64) {
        let until = self.now.plus(Span(EVERY.0 * ticks)).plus(Span(1));
        self.command(Command::Mute { rule: rule.to_owned(), until }).unwrap();
    }

    pub(super) fn hash(&self, plan: &Plan) -> String {
        flagstaff::canonical::hash(plan).unwrap()
    }

    pub(super) fn adopt(&mut self, plan: Plan) -> Result<Vec<Event>, Refusal> {
        let hash = self.hash(&plan);
        let events = self.command(Command::Adopt { plan: Box::new(plan.clone()), hash })?;
        self.plan = plan;
        Ok(events)
    }

    /// Phase and stage.
    #[track_caller]
    pub(super) fn is(&self, phase: Phase, stage: usize) -> &Timeline {
        let (have, causes) = ((self.state.phase, self.state.stage), &self.state.causes);
        assert_eq!(have, (phase, stage), "causes {causes:?}, missing {:?}", self.state.missing);
        self
    }

    #[track_caller]
    pub(super) fn running(&self, stage: usize) -> &Timeline {
        self.is(Phase::Running, stage)
    }

    #[track_caller]
    pub(super) fn paused(&self, stage: usize, causes: &[Cause]) -> &Timeline {
        self.is(Phase::Paused, stage);
        assert_eq!(self.state.causes, causes.iter().cloned().collect::<BTreeSet<_>>());
        self
    }

    #[track_caller]
    pub(super) fn stopped(&self) -> &Timeline {
        assert_eq!(self.state.phase, Phase::Stopped, "missing {:?}", self.state.missing);
        assert!(self.state.allowed.is_nobody());
        self
    }

    #[track_caller]
    pub(super) fn allows(&self, exposure: &Exposure) -> &Timeline {
        assert_eq!(self.state.allowed, *exposure);
        self
    }

    #[track_caller]
    pub(super) fn baked(&self, ticks: u32) -> &Timeline {
        assert_eq!(self.state.baked, ticks, "missing {:?}", self.state.missing);
        self
    }

    #[track_caller]
    pub(super) fn lacks(&self, test: impl Fn(&Missing) -> bool) -> &Timeline {
        assert!(self.state.missing.iter().any(test), "{:?}", self.state.missing);
        self
    }

    pub(super) fn count(&self, test: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| test(event)).count()
    }
}

pub(super) fn start() -> Command {
    Command::Start { stage: 0, stamp: stamp("r1"), plan: "hash".to_owned(), again: false, take_over: false }
}

pub(super) fn start_again(rollout: &str, stage: usize) -> Command {
    Command::Start { stage, stamp: stamp(rollout), plan: "hash".to_owned(), again: true, take_over: false }
}

pub(super) fn by_rule(name: &str) -> Cause {
    Cause::Rule(name.to_owned())
}
