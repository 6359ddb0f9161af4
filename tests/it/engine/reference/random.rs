//! Random histories: a plan, and inputs as a driver, people, a backend and a source with faults would make them.

use flagstaff::engine::decide::fold;
use flagstaff::engine::input::{Gates, Issued, Late, LateTick, Stamp};
use flagstaff::engine::plan::{Action, RollbackStage};
use flagstaff::engine::{
    Actor, Command, Decimal, Exposure, Input, Observation, Observed, Outcome, Phase, Plan, Reading, Signal, Span,
    State, Tick, Timestamp, Unknown,
};

use super::super::kit;
use super::shape::{Shape, ShapeRule, ShapeStage, Test, Who, rule_name, stage_name};

/// A history that its seed makes again.
#[derive(Debug)]
pub(in super::super) struct History {
    pub(in super::super) seed: u64,
    pub(in super::super) shape: Shape,
    pub(in super::super) plan: Plan,
    pub(in super::super) inputs: Vec<Input>,
    /// For each input, after how many inputs the person looked.
    pub(in super::super) looked: Vec<usize>,
}

pub(in super::super) fn histories(salt: u64, count: u64) -> impl Iterator<Item = History> {
    (0..count).map(move |index| history(salt.wrapping_mul(0x1000_0000) + index))
}

/// SplitMix64 (public domain, Sebastiano Vigna).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

fn action(dice: &mut Dice, stages: usize) -> Action {
    let named = RollbackStage::Named(stage_name(dice.below(stages as u64) as usize));
    dice.of(&[
        Action::Notify,
        Action::Hold,
        Action::Pause,
        Action::Pause,
        Action::Rollback(RollbackStage::Previous),
        Action::Rollback(RollbackStage::Previous),
        Action::Rollback(named),
        Action::Shutdown,
    ])
}

fn shape(dice: &mut Dice) -> Shape {
    let who = |audiences, percent| Who { audiences, percent };
    let ladders: [&[Who]; 3] = [
        &[who(1, 0), who(1, 10), who(1, 50), who(1, 100)],
        &[who(0, 5), who(0, 25), who(0, 60)],
        &[who(1, 0), who(3, 0), who(3, 20)],
    ];
    let ladder = dice.of(&ladders);
    let count = 1 + dice.below(ladder.len() as u64) as usize;
    let stages = ladder[..count].iter().map(|who| {
        let samples = dice.percent(25).then(|| dice.below(12));
        let approvals = if dice.percent(25) { 1 + dice.below(2) as u32 } else { 0 };
        ShapeStage { who: *who, bake: 1 + dice.below(3) as u32, samples, idle: dice.percent(25), approvals }
    });
    let stages: Vec<ShapeStage> = stages.collect();
    let tests = [
        Test::Above(kit::ERRORS, 5),
        Test::Above(kit::ERRORS, 2),
        Test::Above(kit::P99, 5),
        Test::AboveControl,
        Test::Missing(kit::P99),
    ];
    let rules = (0..1 + dice.below(3))
        .map(|_| {
            let counted = dice.percent(30);
            let test = if counted { dice.of(&[Test::Counted, Test::CountedAgainstControl]) } else { dice.of(&tests) };
            let need = if counted { 1 } else { 1 + dice.below(4) as u32 };
            ShapeRule { test, need, observe: dice.percent(12), then: action(dice, count) }
        })
        .collect();
    let measured = if dice.percent(95) { Test::Above(kit::ERRORS, 3) } else { Test::Missing(kit::ERRORS) };
    let mut lines = vec![(measured, 1 + dice.below(3) as u32)];
    if dice.percent(40) {
        lines.push((dice.of(&tests[2..]), 1 + dice.below(3) as u32));
    }
    let no_data = dice.percent(60).then(|| (1 + dice.below(4) as u32, action(dice, count)));
    let no_data_observes = dice.percent(10);
    let proof = dice.percent(25);
    Shape { stages, rules, lines, proof, no_data, no_data_observes, settle: dice.of(&[0, 24_000, 60_000]) }
}

struct World {
    dice: Dice,
    shape: Shape,
    plan: Plan,
    state: State,
    versions: Vec<u64>,
    now: Timestamp,
    backend: Observed,
    mood: u64,
    recent: Vec<(Timestamp, Vec<Reading>)>,
    asked: Vec<Who>,
}

fn history(seed: u64) -> History {
    let mut dice = Dice(seed);
    let shape = shape(&mut dice);
    let plan = shape.plan();
    let length = 6 + dice.below(28);
    let mut world = World {
        dice,
        shape,
        plan,
        state: State::default(),
        versions: vec![0],
        now: Timestamp(1_800_000_000_000),
        backend: kit::observed(false, Exposure::nobody(), None),
        mood: 0,
        recent: Vec::new(),
        asked: Vec::new(),
    };
    let (mut inputs, mut looked) = (Vec::new(), Vec::new());
    for step in 0..length {
        let (input, look) = world.input(step);
        if let Ok(events) = fold(&world.plan, &mut world.state, &input) {
            world.asked.extend(events.iter().filter_map(|event| match event {
                flagstaff::engine::Event::Intended(effect) => Some(Who::of(&effect.to)),
                _ => None,
            }));
        }
        world.versions.push(world.state.version);
        inputs.push(input);
        looked.push(look);
    }
    History { seed, shape: world.shape, plan: world.plan, inputs, looked }
}

impl World {
    fn input(&mut self, step: u64) -> (Input, usize) {
        let newest = self.versions.len() - 1;
        if step == 0 && self.dice.percent(96) {
            return (self.command(kit::start()), newest);
        }
        if let Some(effect) = self.state.effect.clone()
            && self.dice.percent(65)
        {
            if self.dice.percent(80) {
                self.land(Who::of(&effect.to));
            }
            return (self.outcome(effect.id), newest);
        }
        if self.dice.percent(5) {
            self.meddle();
        }
        match self.dice.below(100) {
            0..=67 => (self.tick(), newest),
            68..=82 => {
                let command = self.some_command();
                let look = if self.dice.percent(12) { self.dice.below(newest as u64 + 1) as usize } else { newest };
                let mut input = self.command(command);
                if let Input::Command(issued) = &mut input {
                    issued.saw = Some(self.versions[look]);
                }
                (input, look)
            }
            83..=86 => {
                let then = action(&mut self.dice, self.shape.stages.len());
                (
                    Input::Signal(Signal {
                        name: rule_name(0),
                        at: self.later(),
                        then,
                        detail: String::new(),
                        origin: None,
                    }),
                    newest,
                )
            }
            87..=93 => (self.late(), newest),
            94..=97 => (Input::Seen { at: self.later(), backend: self.read() }, newest),
            _ => {
                let effect = self.dice.below(self.state.last_effect + 2);
                (self.outcome(effect), newest)
            }
        }
    }

    fn later(&self) -> Timestamp {
        self.now.plus(kit::DELAY).plus(Span::seconds(1))
    }

    fn land(&mut self, who: Who) {
        self.backend = kit::observed(who != Who::NOBODY, who.exposure(), Some(kit::stamp("r1")));
    }

    /// Another hand at the backend, or a request that timed out and lands now.
    fn meddle(&mut self) {
        match self.dice.below(8) {
            0 => self.backend.on = false,
            1 | 2 => {
                let who = Who { audiences: self.dice.below(4) as u8, percent: self.dice.of(&[0, 5, 10, 50, 100]) };
                self.backend.on = who != Who::NOBODY;
                self.backend.exposure = who.exposure();
                self.backend.other_hand = self.dice.of(&[None, Some("maria".to_owned()), Some("li".to_owned())]);
            }
            3 => self.backend.foreign = self.dice.of(&[None, Some("a second strategy".to_owned())]),
            4 => self.backend.other_hand = self.dice.of(&[None, Some("maria".to_owned())]),
            5 => {
                let stamp = Stamp { journal: "journal-b".to_owned(), rollout: "r9".to_owned() };
                self.backend.stamp = self.dice.of(&[Some(stamp), Some(kit::stamp("r1")), None]);
            }
            _ if self.asked.is_empty() => {}
            _ => {
                let who = self.dice.of(&self.asked.clone());
                self.land(who);
            }
        }
    }

    fn read(&mut self) -> Observation {
        if self.dice.percent(90) {
            Observation::Seen(self.backend.clone())
        } else {
            Observation::Unreadable("refused".to_owned())
        }
    }

    fn outcome(&mut self, effect: u64) -> Input {
        let (at, backend, settled) = (self.later(), self.read(), self.dice.percent(85));
        Input::Outcome(Outcome { effect, at, backend, settled, trouble: None })
    }

    fn readings(&mut self) -> Vec<Reading> {
        if self.dice.percent(16) {
            self.mood = self.dice.below(7);
        }
        let reasons = [
            Unknown::Idle,
            Unknown::NoAnswer,
            Unknown::Error,
            Unknown::Stale,
            Unknown::NotANumber,
            Unknown::Clock,
            Unknown::Unobserved,
        ];
        let reason = self.dice.of(&reasons);
        let mood = self.mood;
        (0..5)
            .map(|series| {
                let number = match mood {
                    0..=2 => self.dice.below(3),
                    3 => 4 + self.dice.below(6),
                    4 => return Reading::Unknown(if self.dice.percent(80) { reason } else { self.dice.of(&reasons) }),
                    5 => return Reading::Unknown(Unknown::Idle),
                    _ if series < 4 && self.dice.percent(25) => return Reading::Unknown(reason),
                    _ => self.dice.below(10),
                };
                Reading::Value(Decimal::whole(number as i64))
            })
            .collect()
    }

    fn tick(&mut self) -> Input {
        let ahead = if self.dice.percent(4) { self.dice.below(6) } else { 1 };
        self.now = self.now.plus(Span(kit::EVERY.0 * ahead));
        let back = if self.dice.percent(3) { self.dice.below(3) } else { 0 };
        let at = self.now.minus(Span(kit::EVERY.0 * back));
        let present = self.dice.percent(85);
        let behind = if present { 0 } else { self.dice.below(9) };
        let evaluated = self.now.plus(kit::DELAY).plus(Span(kit::EVERY.0 * behind));
        let backend = if present || self.dice.percent(20) { self.read() } else { Observation::NotRead };
        let holds = if self.dice.percent(7) { vec![kit::freeze("sale")] } else { Vec::new() };
        let readings = self.readings();
        self.recent.push((at, readings.clone()));
        Input::Tick(Tick { at, evaluated, present, readings, gates: Gates { backend, holds, breaker: Vec::new() } })
    }

    /// A stretch of recent ticks, some of them answered only now.
    fn late(&mut self) -> Input {
        let from = self.recent.len().saturating_sub(1 + self.dice.below(7) as usize);
        let mut ticks = Vec::new();
        for index in from..self.recent.len() {
            let (at, readings) = self.recent[index].clone();
            let late = self.dice.percent(40);
            let readings = if late { self.readings() } else { readings };
            ticks.push(LateTick { at, late, readings });
        }
        Input::Late(Late { evaluated: self.later(), ticks, breaker: Vec::new() })
    }

    fn some_command(&mut self) -> Command {
        let stages = self.shape.stages.len() as u64 + 1;
        let stage = self.dice.below(stages) as usize;
        let rule = if self.dice.percent(30) {
            "no_data".to_owned()
        } else {
            rule_name(self.dice.below(self.shape.rules.len() as u64 + 1) as usize)
        };
        let until = self.now.plus(Span(kit::EVERY.0 * self.dice.below(6)));
        let hash = "hash".to_owned();
        if self.state.approvable && self.dice.percent(70) {
            return Command::Approve;
        }
        if let Some(rule) = self.state.rules.iter().position(|timer| timer.run > 0)
            && self.dice.percent(15)
        {
            // over before the next tick
            return Command::Mute { rule: rule_name(rule), until: self.later().plus(Span(1)) };
        }
        if self.state.phase == Phase::Paused && self.dice.percent(40) {
            return Command::Resume;
        }
        match self.dice.below(20) {
            0 => kit::start(),
            1 => Command::Start { stage, stamp: kit::stamp("r1"), plan: hash, again: true, take_over: false },
            2 | 3 => Command::Pause,
            4..=8 => Command::Resume,
            9..=12 => Command::Approve,
            13 | 14 => Command::Force { stage },
            15 => Command::Rollback { stage: self.dice.percent(50).then_some(stage) },
            16 if self.dice.percent(50) => Command::Abort,
            16 | 17 => Command::Adopt { plan: Box::new(self.plan.clone()), hash },
            _ => Command::Mute { rule, until },
        }
    }

    fn command(&mut self, command: Command) -> Input {
        let frozen = self.dice.percent(8);
        // a clock that is ahead, or ticks that are evaluated later
        let ahead = if self.dice.percent(15) { self.dice.below(4) } else { 0 };
        let at = self.later().plus(Span(kit::EVERY.0 * ahead));
        Input::Command(Box::new(Issued {
            command,
            actor: Actor { name: self.dice.of(&["ana", "bo"]).to_owned(), known_by: "--as".to_owned() },
            at,
            reason: self.dice.percent(50).then(|| "the sale must go on".to_owned()),
            saw: Some(self.state.version),
            holds: if frozen { vec![kit::freeze("sale")] } else { Vec::new() },
            backend: self.read(),
        }))
    }
}
