//! Simulating a rule tick by tick, with the engine's meaning of windows, `for` and evidence, on numbers that are thrown.
//!
//! What happens is independent (Poisson), and so is each metric of the others. A window is a sum over its last steps; what a
//! source does beside that, as extrapolating a rate to its window's ends, is left out.

use std::collections::VecDeque;

use super::chance::{Dice, Poisson};
use super::model::{Counting, CountsAgainst, Judge, Model, Node};
use crate::engine::condition::Comparison;
use crate::engine::plan::Arm;
use crate::engine::{Plan, Span};

/// Every simulation throws from here on.
const SEED: u64 = 20_261_125;
/// So many steps are simulated for false alarms.
const STEPS: u64 = 400_000;
/// No more days than this.
const DAYS_AT_MOST: u64 = 1000;
/// So many breaks are simulated; the middle one is told.
const BREAKS: usize = 101;
/// A break is waited for as long as this,
const PATIENCE: Span = Span::hours(24);
/// but over no more ticks.
const PATIENCE_TICKS: u64 = 20_000;
/// A window has no more steps than this.
const WINDOW_AT_MOST: u64 = 5_000;
/// The distance of ticks has no more steps than this.
const TICK_AT_MOST: u64 = 12;
/// A run of unknown ticks this short starts no `for` anew, as in the engine.
const UNKNOWN_RUN_LEAST: u32 = 3;
const DAY: f64 = 86_400_000.0;

/// What there is of requests, a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traffic {
    /// Of the exposed group.
    pub(super) exposed: f64,
    /// Of the control group.
    pub(super) control: f64,
    /// Of everybody.
    pub(super) all: f64,
    /// The part of everybody that is exposed.
    pub(super) part: f64,
}

impl Traffic {
    fn of(&self, arm: Arm) -> f64 {
        match arm {
            Arm::Exposed => self.exposed,
            Arm::Control => self.control,
            Arm::Service => self.all,
        }
    }
}

/// How long a rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// Half of all breaks are found within this.
    Within(Span),
    /// Not within this.
    Beyond(Span),
}

/// How a rule runs: its ticks and windows in steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long a step is, in milliseconds.
    step: u64,
    /// How many of them a tick has.
    per_tick: u64,
    /// How many of them the window has.
    window: usize,
    every: Span,
    /// How many ticks in a row fire.
    need: u32,
}

impl Pace {
    pub(super) fn of(plan: &Plan, window: Span, hold_for: Option<Span>) -> Pace {
        let every = plan.every.0.max(1);
        let window = window.0.max(1);
        let common = gcd(every, window);
        let fits = every / common <= TICK_AT_MOST && window / common <= WINDOW_AT_MOST;
        // a window that does not go into ticks is taken as the nearest one that does
        let step = if fits { common } else { every };
        let steps = (window as f64 / step as f64).round().clamp(1.0, WINDOW_AT_MOST as f64);
        let need = plan.rule_ticks(hold_for);
        Pace { step, per_tick: every / step, window: steps as usize, every: Span(every), need }
    }

    fn patience(self) -> u64 {
        (PATIENCE.0 / self.every.0).clamp(1, PATIENCE_TICKS)
    }

    /// Steps until the window is full and a run has begun.
    fn warm_up(self) -> u64 {
        self.window as u64 / self.per_tick + u64::from(self.need.min(1000)) + 1
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// How often a rule fires a day while all is well, and how many days were simulated.
pub(super) fn false_alarms(model: &Model, pace: Pace, traffic: &Traffic) -> (f64, f64) {
    let mut run = Run::new(model, pace, traffic);
    let mut dice = Dice::of(SEED);
    let healthy = run.tables(false);
    for _ in 0..pace.warm_up() {
        run.tick(&healthy, &mut dice);
    }
    let ticks = (STEPS / pace.per_tick).min((DAYS_AT_MOST as f64 * DAY / pace.every.0 as f64) as u64).max(1);
    let alarms = (0..ticks).filter(|_| run.tick(&healthy, &mut dice)).count();
    let days = ticks as f64 * pace.every.0 as f64 / DAY;
    (alarms as f64 / days, days)
}

/// The middle time from a break that comes while all is well to the rule that fires.
pub(super) fn delay(model: &Model, pace: Pace, traffic: &Traffic) -> Delay {
    let mut dice = Dice::of(SEED + 1);
    let (mut found, mut missed) = (Vec::new(), 0);
    let patience = pace.patience();
    let mut run = Run::new(model, pace, traffic);
    let (healthy, broken) = (run.tables(false), run.tables(true));
    for _ in 0..BREAKS {
        run.begin();
        for _ in 0..pace.warm_up() {
            run.tick(&healthy, &mut dice);
        }
        // an alarm that was there before is none of the break
        run.is_firing = false;
        match (1..=patience).find(|_| run.tick(&broken, &mut dice)) {
            Some(ticks) => found.push(ticks),
            None => missed += 1,
        }
        if missed > BREAKS / 2 {
            return Delay::Beyond(Span(patience * pace.every.0));
        }
    }
    found.sort_unstable();
    // the missed ones are longer than all others
    Delay::Within(Span(found[BREAKS / 2] * pace.every.0))
}

/// What one step throws: of each share what failed, and of each share's group what did not.
struct Tables {
    failed: Vec<Poisson>,
    fine: Vec<Poisson>,
    requests: Vec<Poisson>,
}

struct Run<'m> {
    model: &'m Model,
    pace: Pace,
    traffic: Traffic,
    /// Groups of which a condition compares the requests themselves.
    groups: Vec<Arm>,
    /// Per share: what failed and all there was in each step of the window.
    steps: Vec<VecDeque<(u64, u64)>>,
    sums: Vec<(u64, u64)>,
    /// Per share, of this tick.
    counts: Vec<(u64, u64)>,
    /// Per group, of this tick.
    requests: Vec<u64>,
    in_a_row: u32,
    unknown: u32,
    evidence: f64,
    is_firing: bool,
}

impl<'m> Run<'m> {
    fn new(model: &'m Model, pace: Pace, traffic: &Traffic) -> Run<'m> {
        let count = model.shares.len();
        let mut groups = Vec::new();
        if let Judge::Condition(node) = &model.judge {
            each_group(node, &mut groups);
        }
        Run {
            model,
            pace,
            traffic: *traffic,
            requests: vec![0; groups.len()],
            groups,
            steps: vec![VecDeque::with_capacity(pace.window + 1); count],
            sums: vec![(0, 0); count],
            counts: vec![(0, 0); count],
            in_a_row: 0,
            unknown: 0,
            evidence: 0.0,
            is_firing: false,
        }
    }

    /// Starts anew, with nothing known.
    fn begin(&mut self) {
        self.steps.iter_mut().for_each(VecDeque::clear);
        self.sums.fill((0, 0));
        (self.in_a_row, self.unknown, self.evidence, self.is_firing) = (0, 0, 0.0, false);
    }

    fn tables(&self, is_broken: bool) -> Tables {
        let minutes = self.pace.step as f64 / 60_000.0;
        let (mut failed, mut fine) = (Vec::new(), Vec::new());
        for share in &self.model.shares {
            let chance = match (is_broken, share.arm) {
                (true, Arm::Exposed) => share.broken,
                // of the whole service only the exposed part breaks
                (true, Arm::Service) => share.healthy + self.traffic.part * (share.broken - share.healthy),
                _ => share.healthy,
            };
            let requests = self.traffic.of(share.arm) * minutes;
            failed.push(Poisson::of(requests * chance));
            fine.push(Poisson::of(requests * (1.0 - chance)));
        }
        let requests = self.groups.iter().map(|arm| Poisson::of(self.traffic.of(*arm) * minutes)).collect();
        Tables { failed, fine, requests }
    }

    /// One tick: whether the rule begins to fire at it.
    fn tick(&mut self, tables: &Tables, dice: &mut Dice) -> bool {
        self.counts.fill((0, 0));
        self.requests.fill(0);
        let keeps_window = matches!(self.model.judge, Judge::Condition(_));
        for _ in 0..self.pace.per_tick {
            for share in 0..self.counts.len() {
                let failed = tables.failed[share].throw(dice);
                let all = failed + tables.fine[share].throw(dice);
                let count = &mut self.counts[share];
                *count = (count.0 + failed, count.1 + all);
                if keeps_window {
                    let (sum, steps) = (&mut self.sums[share], &mut self.steps[share]);
                    steps.push_back((failed, all));
                    *sum = (sum.0 + failed, sum.1 + all);
                    if steps.len() > self.pace.window
                        && let Some(gone) = steps.pop_front()
                    {
                        *sum = (sum.0 - gone.0, sum.1 - gone.1);
                    }
                }
            }
            for (requests, table) in self.requests.iter_mut().zip(&tables.requests) {
                *requests += table.throw(dice);
            }
        }
        let was_firing = self.is_firing;
        match &self.model.judge {
            Judge::Counting(counting) => {
                self.evidence = weigh(counting, self.evidence, &self.counts);
                self.is_firing = self.evidence >= counting.threshold;
            }
            Judge::Condition(node) => {
                match self.judge(node) {
                    Some(true) => (self.in_a_row, self.unknown) = (self.in_a_row + 1, 0),
                    Some(false) => (self.in_a_row, self.unknown) = (0, 0),
                    None => {
                        self.unknown += 1;
                        if self.unknown >= self.pace.need.max(UNKNOWN_RUN_LEAST) {
                            self.in_a_row = 0;
                        }
                    }
                }
                self.is_firing = self.in_a_row >= self.pace.need;
            }
        }
        self.is_firing && !was_firing
    }

    /// Kleene's verdict; nothing of a share is known without requests.
    fn judge(&self, node: &Node) -> Option<bool> {
        let share = |index: usize| {
            let (failed, all) = self.sums[index];
            (all > 0).then(|| failed as f64 / all as f64)
        };
        match node {
            Node::Share { share: index, factor, op, limit } => Some(holds(*op, share(*index)? * factor, *limit)),
            Node::Shares { left, left_factor, op, right, right_factor } => {
                Some(holds(*op, share(*left)? * left_factor, share(*right)? * right_factor))
            }
            Node::Requests { arm, factor, op, limit } => {
                // the requests of a share of the same group are the same requests
                let same = self.model.shares.iter().position(|share| share.arm == *arm);
                let group = || self.groups.iter().position(|group| group == arm).map(|at| self.requests[at]);
                let requests = same.map(|at| self.counts[at].1).or_else(group).unwrap_or_default();
                Some(holds(*op, requests as f64 * factor, *limit))
            }
            Node::Exposure { op, limit } => Some(holds(*op, self.traffic.part, *limit)),
            Node::Never => Some(false),
            Node::All(parts) => {
                let mut verdict = Some(true);
                for part in parts {
                    match self.judge(part) {
                        Some(false) => return Some(false),
                        None => verdict = None,
                        Some(true) => {}
                    }
                }
                verdict
            }
            Node::Any(parts) => {
                let mut verdict = Some(false);
                for part in parts {
                    match self.judge(part) {
                        Some(true) => return Some(true),
                        None => verdict = None,
                        Some(false) => {}
                    }
                }
                verdict
            }
            Node::Not(part) => self.judge(part).map(|verdict| !verdict),
        }
    }
}

/// Groups whose requests no share throws.
fn each_group(node: &Node, groups: &mut Vec<Arm>) {
    match node {
        Node::Requests { arm, .. } if !groups.contains(arm) => groups.push(*arm),
        Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| each_group(part, groups)),
        Node::Not(part) => each_group(part, groups),
        _ => {}
    }
}

fn holds(op: Comparison, left: f64, right: f64) -> bool {
    match op {
        Comparison::Less => left < right,
        Comparison::AtMost => left <= right,
        Comparison::Greater => left > right,
        Comparison::AtLeast => left >= right,
    }
}

fn weigh(counting: &Counting, before: f64, counts: &[(u64, u64)]) -> f64 {
    let count = |at: usize| counts.get(at).map_or((0.0, 0.0), |(failed, all)| (*failed as f64, *all as f64));
    let (failed, all) = count(0);
    let more = match counting.against {
        CountsAgainst::Share { success } => failed * counting.failure + (all - failed) * success,
        CountsAgainst::Baseline { limit, catches } => {
            let (theirs, all_theirs) = count(1);
            match failed + theirs > 0.0 {
                true => {
                    let split = ((all * limit + all_theirs) / (all * catches + all_theirs)).ln();
                    failed * counting.failure + (failed + theirs) * split
                }
                false => 0.0,
            }
        }
    };
    (before + more).max(0.0)
}
