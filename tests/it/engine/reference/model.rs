//! The design's section on deciding, once more and slowly: a list of facts, and every quantity found by looking back
//! over it. No counter, no timer, nothing is remembered but what happened.

mod backend;
mod people;
mod ticks;

use std::collections::BTreeSet;

use flagstaff::engine::{Cause, Input, Phase, Timestamp};

use super::super::kit;
use super::shape::{Shape, Who, rule_name};

/// A deliberately broken rule of the reference: the comparison must notice each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    EarnsOnUnknown,
    AnAnswerIsHealth,
    ForIsOneShort,
    BakeIsOneShort,
    ResumeKeepsTimers,
    AdvancesOnCaughtUp,
    RollbackMayEnlarge,
    RulePauseKeepsBake,
    UnknownNeverLapses,
    MuteLastsForEver,
    DriftSmallerIsIgnored,
    NoSettling,
    ApprovalOutlivesPause,
    RollbackRepeats,
    IdleIsNoData,
    PausedRulesSleep,
    LateEarlierRunsFire,
    FailedGrowthStartsTimersAnew,
    OldTicksEarnAfterMute,
    UnseenStateMayResume,
    SecondPauseIsSwallowed,
    FirstRollbackIsNoStop,
    ShortMuteKeepsTimer,
    LateWriteStands,
    SettledInFlight,
    UnknownResetsEvidence,
    EvidenceIsNeverPaidBack,
    LateEvidenceGoesOn,
    ObservedRulesAct,
    SilenceProves,
    ProofOutlivesRestart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Yes,
    No,
    DontKnow,
    /// Muted, or not for this stage.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Grow,
    Shrink,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credit {
    Earned,
    Frozen,
    Restart,
}

#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Start {
        at: Timestamp,
        stage: usize,
    },
    Judged {
        at: Timestamp,
        rules: Vec<Says>,
        /// What the tick adds to the evidence of each rule that counts, where that is known.
        adds: Vec<Option<f64>>,
        lines: Vec<Says>,
        credit: Credit,
        samples: u64,
        /// Failures and all requests, where both are known.
        counts: Option<(f64, f64)>,
        no_data: Option<bool>,
    },
    Lacks {
        nothing: bool,
        only_approval: bool,
    },
    Ask {
        id: u64,
        want: Want,
        who: Who,
        stage: usize,
        person: bool,
        expires: Option<Timestamp>,
    },
    Closed {
        at: Option<Timestamp>,
        shrunk: bool,
    },
    Landed {
        at: Timestamp,
        who: Who,
        stage: usize,
        changed: bool,
    },
    Pause {
        causes: Vec<Cause>,
    },
    Back {
        stage: usize,
        who: Who,
        cause: Cause,
        rules: Vec<String>,
    },
    Stop,
    Resume {
        at: Timestamp,
    },
    Force {
        at: Timestamp,
        stage: usize,
    },
    Approved {
        at: Timestamp,
        name: String,
    },
    Mute {
        at: Timestamp,
        rule: String,
        until: Timestamp,
    },
    Adopt {
        at: Timestamp,
    },
    Reduced {
        who: Who,
    },
    Drift,
    DriftOver,
    LateWrite,
    Touched {
        hand: String,
    },
    Complete,
}

pub(super) struct Model<'a> {
    shape: &'a Shape,
    mutant: Option<Mutant>,
    facts: Vec<Fact>,
}

/// What is compared after every input.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) phase: Phase,
    pub(super) stage: usize,
    pub(super) allowed: Who,
    pub(super) causes: BTreeSet<Cause>,
    pub(super) baked: u32,
    pub(super) samples: u64,
    pub(super) lacks_nothing: Option<bool>,
    pub(super) open: Option<(Want, Who, usize)>,
    pub(super) approvals: usize,
    pub(super) evidence: Vec<Near>,
}

/// A number in binary, which is not exact: those a millionth apart are equal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near(pub(super) f64);

impl PartialEq for Near {
    fn eq(&self, other: &Near) -> bool {
        (self.0 - other.0).abs() < 1e-6
    }
}

impl<'a> Model<'a> {
    pub(super) fn new(shape: &'a Shape, mutant: Option<Mutant>) -> Model<'a> {
        Model { shape, mutant, facts: Vec::new() }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// How much has happened: what a person saw when looking now.
    pub(super) fn moment(&self) -> usize {
        self.facts.len()
    }

    pub(super) fn view(&self) -> View {
        View {
            phase: self.phase(),
            stage: self.stage(),
            allowed: self.allowed(),
            causes: self.causes(),
            baked: self.baked(),
            samples: self.samples(),
            lacks_nothing: self.of_this_rollout().find_map(|fact| match fact {
                Fact::Lacks { nothing, .. } => Some(*nothing),
                _ => None,
            }),
            open: self.open().map(|(_, want, who, stage, ..)| (want, who, stage)),
            approvals: self.approvals().len(),
            evidence: match self.of_this_rollout().any(|fact| matches!(fact, Fact::Judged { .. })) {
                true => (0..self.shape.rules.len()).map(|rule| Near(self.evidence(rule, None))).collect(),
                false => Vec::new(),
            },
        }
    }

    /// Newest first, back to the newest start.
    fn of_this_rollout(&self) -> impl Iterator<Item = &Fact> {
        let from = self.facts.iter().rposition(|fact| matches!(fact, Fact::Start { .. })).unwrap_or(0);
        self.facts[from..].iter().rev()
    }

    fn phase(&self) -> Phase {
        let phase = |fact: &Fact| match fact {
            Fact::Start { .. } | Fact::Resume { .. } | Fact::Force { .. } => Some(Phase::Running),
            Fact::Pause { .. } | Fact::Back { .. } => Some(Phase::Paused),
            Fact::Stop => Some(Phase::Stopped),
            Fact::Complete => Some(Phase::Completed),
            _ => None,
        };
        self.of_this_rollout().find_map(phase).unwrap_or(Phase::None)
    }

    fn live(&self) -> bool {
        matches!(self.phase(), Phase::Running | Phase::Paused)
    }

    fn stage(&self) -> usize {
        let stage = |fact: &Fact| match fact {
            Fact::Start { stage, .. } | Fact::Landed { stage, .. } => Some(*stage),
            Fact::Back { stage, .. } | Fact::Force { stage, .. } => Some(*stage),
            _ => None,
        };
        self.of_this_rollout().find_map(stage).unwrap_or(0)
    }

    fn allowed(&self) -> Who {
        let allowed = |fact: &Fact| match fact {
            Fact::Start { .. } | Fact::Stop => Some(Who::NOBODY),
            Fact::Landed { who, .. } | Fact::Back { who, .. } | Fact::Reduced { who } => Some(*who),
            _ => None,
        };
        self.of_this_rollout().find_map(allowed).unwrap_or(Who::NOBODY)
    }

    fn causes(&self) -> BTreeSet<Cause> {
        let since = self.of_this_rollout().take_while(|fact| !matches!(fact, Fact::Resume { .. } | Fact::Force { .. }));
        since
            .flat_map(|fact| match fact {
                Fact::Pause { causes } => causes.clone(),
                Fact::Back { cause, .. } => vec![cause.clone()],
                _ => Vec::new(),
            })
            .collect()
    }

    fn open(&self) -> Option<(u64, Want, Who, usize, bool, Option<Timestamp>)> {
        self.of_this_rollout()
            .find_map(|fact| match fact {
                Fact::Ask { id, want, who, stage, person, expires } => {
                    Some(Some((*id, *want, *who, *stage, *person, *expires)))
                }
                Fact::Closed { .. } | Fact::Landed { .. } | Fact::Start { .. } => Some(None),
                _ => None,
            })
            .flatten()
    }

    fn effective(&self) -> Option<Timestamp> {
        self.of_this_rollout()
            .find_map(|fact| match fact {
                Fact::Landed { at, .. } => Some(Some(*at)),
                Fact::Closed { at: Some(at), shrunk: true } => Some(Some(*at)),
                Fact::Start { .. } | Fact::Resume { .. } | Fact::Force { .. } | Fact::LateWrite => Some(None),
                Fact::Back { .. } | Fact::Reduced { .. } | Fact::Stop => Some(None),
                _ => None,
            })
            .flatten()
    }

    fn drifted(&self) -> bool {
        self.of_this_rollout()
            .find_map(|fact| match fact {
                Fact::Drift => Some(true),
                Fact::DriftOver | Fact::Landed { .. } | Fact::Resume { .. } | Fact::Force { .. } => Some(false),
                _ => None,
            })
            .unwrap_or(false)
    }

    /// "The bake [starts anew] at every exposure change, force and adopt"; a pause by anything but a person restarts.
    fn restarts_bake(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Start { .. } | Fact::Force { .. } | Fact::Adopt { .. } | Fact::Stop | Fact::Back { .. } => true,
            Fact::Reduced { .. } | Fact::LateWrite | Fact::Touched { .. } => true,
            Fact::Landed { changed, .. } => *changed,
            Fact::Pause { causes } => {
                !self.is(Mutant::RulePauseKeepsBake) && causes.iter().any(|cause| *cause != Cause::Person)
            }
            Fact::Judged { credit, .. } => *credit == Credit::Restart,
            _ => false,
        }
    }

    fn since_bake(&self) -> impl Iterator<Item = &Fact> {
        self.of_this_rollout().take_while(|fact| !self.restarts_bake(fact))
    }

    fn baked(&self) -> u32 {
        let earned = |fact: &&Fact| matches!(fact, Fact::Judged { credit: Credit::Earned, .. });
        self.since_bake().filter(earned).count() as u32
    }

    fn samples(&self) -> u64 {
        self.since_bake()
            .map(|fact| match fact {
                Fact::Judged { credit: Credit::Earned, samples, .. } => *samples,
                _ => 0,
            })
            .sum()
    }

    /// "Counted over the ticks that earned the bake", and over those that were bad: how much likelier all of it is below the limit, for the best of some
    /// shares there.
    fn is_proven(&self) -> bool {
        let of_bake: Vec<&Fact> = match self.is(Mutant::ProofOutlivesRestart) {
            true => self.of_this_rollout().collect(),
            false => self.since_bake().collect(),
        };
        let counted = of_bake.into_iter().filter_map(|fact| match fact {
            Fact::Judged { counts, .. } => *counts,
            _ => None,
        });
        let (failed, total) = counted.fold((0.0, 0.0), |all, tick| (all.0 + tick.0, all.1 + tick.1));
        let chance = |share: f64| failed * f64::ln(share) + (total - failed) * f64::ln(1.0 - share);
        let enough = (5.0_f64 / 0.2).ln();
        let proves = |share: f64| chance(0.6 * share) - chance(0.6) >= enough;
        [0.9, 0.75, 0.5, 0.25, 0.05].into_iter().any(proves) || (total == 0.0 && self.is(Mutant::SilenceProves))
    }

    fn approvals(&self) -> BTreeSet<String> {
        let pause = |fact: &Fact| matches!(fact, Fact::Pause { .. }) && !self.is(Mutant::ApprovalOutlivesPause);
        self.since_bake()
            .take_while(|fact| !pause(fact) && !matches!(fact, Fact::Resume { .. }))
            .filter_map(|fact| match fact {
                Fact::Approved { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect()
    }

    /// "Accepted only while the last tick lacks nothing else and nothing has changed since it."
    fn approvable(&self) -> bool {
        let mut back =
            self.of_this_rollout().skip_while(|fact| matches!(fact, Fact::Approved { .. } | Fact::Mute { .. }));
        matches!(back.next(), Some(Fact::Lacks { only_approval: true, .. }))
    }

    /// "All timers start anew at every exposure change, resume, adopt."
    fn restarts_timers(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Resume { .. } => !self.is(Mutant::ResumeKeepsTimers),
            Fact::Start { .. } | Fact::Force { .. } | Fact::Adopt { .. } | Fact::Stop | Fact::Back { .. } => true,
            Fact::Reduced { .. } | Fact::LateWrite => true,
            Fact::Landed { changed, .. } => *changed,
            Fact::Closed { at: None, .. } => self.is(Mutant::FailedGrowthStartsTimersAnew),
            _ => false,
        }
    }

    /// How many hits in a row end at the newest judged tick, and over how many ticks the run reaches back. "Unknown
    /// neither adds nor resets, but a run of unknown as long as `for` (at least three ticks) starts it anew."
    fn run_of(&self, newest_first: impl Iterator<Item = Says>, hit: Says, need: u32) -> (u32, usize) {
        let (mut run, mut reach, mut blind) = (0, 0, 0);
        for (index, says) in newest_first.enumerate() {
            if says == hit {
                (run, reach, blind) = (run + 1, index + 1, 0);
            } else if says == Says::DontKnow {
                blind += 1;
                if blind >= need.max(3) && !self.is(Mutant::UnknownNeverLapses) {
                    break;
                }
            } else {
                break;
            }
        }
        (run, reach)
    }

    /// Newest first, since all timers, or that of this rule by its mute, started anew.
    fn judged_since_timers(&self, name: &str) -> impl Iterator<Item = (&Vec<Says>, &Vec<Says>, Option<bool>)> {
        let muted = move |fact: &&Fact| matches!(fact, Fact::Mute { rule, .. } if *rule == name);
        let keeps = move |fact: &&Fact| self.is(Mutant::ShortMuteKeepsTimer) || !muted(fact);
        let since = self.of_this_rollout().take_while(|fact| !self.restarts_timers(fact)).take_while(keeps);
        since.filter_map(|fact| match fact {
            Fact::Judged { rules, lines, no_data, .. } => Some((rules, lines, *no_data)),
            _ => None,
        })
    }

    /// "max(0, number + increment)" at each tick is the largest sum of any number of the newest increments. `next`: what a tick
    /// adds that is not judged yet.
    fn evidence(&self, rule: usize, next: Option<f64>) -> f64 {
        let name = rule_name(rule);
        let muted = |fact: &&Fact| matches!(fact, Fact::Mute { rule, .. } if *rule == name);
        let keeps = |fact: &&Fact| self.is(Mutant::ShortMuteKeepsTimer) || !muted(fact);
        let since = self.of_this_rollout().take_while(|fact| !self.restarts_timers(fact)).take_while(keeps);
        let judged = since.filter_map(|fact| match fact {
            Fact::Judged { rules, adds, .. } => Some((rules[rule], adds[rule])),
            _ => None,
        });
        let heard = judged.take_while(|(says, _)| {
            *says != Says::Silent && !(*says == Says::DontKnow && self.is(Mutant::UnknownResetsEvidence))
        });
        let newest_first: Vec<f64> = next.into_iter().chain(heard.filter_map(|(_, adds)| adds)).collect();
        self.largest_sum(&newest_first)
    }

    fn largest_sum(&self, newest_first: &[f64]) -> f64 {
        let (mut sum, mut largest) = (0.0, 0.0_f64);
        for adds in newest_first {
            sum += if self.is(Mutant::EvidenceIsNeverPaidBack) { adds.max(0.0) } else { *adds };
            largest = largest.max(sum);
        }
        largest
    }

    fn rule_run(&self, rule: usize, need: u32) -> u32 {
        let name = rule_name(rule);
        self.run_of(self.judged_since_timers(&name).map(|(rules, ..)| rules[rule]), Says::Yes, need).0
    }

    fn line_run(&self, line: usize, need: u32) -> u32 {
        self.run_of(self.judged_since_timers("").map(|(_, lines, _)| lines[line]), Says::No, need).0
    }

    fn no_data_run(&self) -> u32 {
        self.judged_since_timers("no_data").filter_map(|(.., no_data)| no_data).take_while(|missing| *missing).count()
            as u32
    }

    fn earns_after(&self) -> Option<Timestamp> {
        self.of_this_rollout()
            .filter_map(|fact| match fact {
                Fact::Mute { at, .. } => (!self.is(Mutant::OldTicksEarnAfterMute)).then_some(*at),
                Fact::Start { at, .. } | Fact::Force { at, .. } | Fact::Approved { at, .. } => Some(*at),
                Fact::Resume { at } | Fact::Adopt { at } => Some(*at),
                _ => None,
            })
            .max()
    }

    fn muted(&self, rule: &str, at: Timestamp) -> bool {
        let end = self.of_this_rollout().find_map(|fact| match fact {
            Fact::Mute { rule: muted, until, .. } if muted == rule => Some(*until),
            _ => None,
        });
        end.is_some_and(|end| at < end || self.is(Mutant::MuteLastsForEver))
    }

    /// Takes an input; `looked` is the moment of what the person saw. False: refused.
    pub(super) fn take(&mut self, input: &Input, looked: Option<usize>) -> bool {
        match input {
            Input::Tick(tick) => self.tick(tick),
            Input::Late(late) => self.late(late),
            // of ticks that could not be recorded: `cases/rules.rs` tells what they may do
            Input::Aside(_) => {}
            Input::Command(issued) => return self.command(issued, looked),
            Input::Signal(signal) => self.signal(signal),
            Input::Outcome(outcome) => {
                let open = self.open().is_some_and(|(id, ..)| id == outcome.effect);
                self.read(outcome.at, &outcome.backend, open && outcome.settled);
            }
            Input::Seen { at, backend } => self.read(*at, backend, false),
        }
        true
    }

    fn next_id(&self) -> u64 {
        self.facts.iter().filter(|fact| matches!(fact, Fact::Ask { .. })).count() as u64 + 1
    }

    fn ask(&mut self, want: Want, who: Who) {
        let (id, stage) = (self.next_id(), self.stage());
        self.facts.push(Fact::Ask { id, want, who, stage, person: false, expires: None });
    }

    /// "An intent expires at the next due tick."
    fn ask_growth(&mut self, stage: usize, person: bool, at: Timestamp) {
        let (every, delay) = (kit::EVERY.0 as i64, kit::DELAY.0 as i64);
        let mut due = (at.0 / every - 2) * every + delay;
        while due <= at.0 {
            due += every;
        }
        let who = self.shape.stages[stage].who;
        let id = self.next_id();
        self.facts.push(Fact::Ask { id, want: Want::Grow, who, stage, person, expires: Some(Timestamp(due)) });
    }

    fn withdraw(&mut self) {
        if matches!(self.open(), Some((_, Want::Grow, ..))) {
            self.facts.push(Fact::Closed { at: None, shrunk: false });
        }
    }

    fn stop(&mut self, _at: Timestamp) {
        self.withdraw();
        self.facts.push(Fact::Stop);
        self.ask(Want::Off, Who::NOBODY);
    }

    fn go_back(&mut self, _at: Timestamp, stage: usize, cause: Cause, rules: Vec<String>) {
        let target = self.shape.stages[stage].who;
        let who = if self.is(Mutant::RollbackMayEnlarge) { target } else { target.smaller_of(self.allowed()) };
        self.withdraw();
        self.facts.push(Fact::Back { stage, who, cause, rules });
        self.ask(Want::Shrink, who);
    }

    fn pause(&mut self, causes: Vec<Cause>) {
        let known = self.causes();
        let new: Vec<Cause> = causes.into_iter().filter(|cause| !known.contains(cause)).collect();
        if !new.is_empty() || self.phase() != Phase::Paused {
            self.withdraw();
            self.facts.push(Fact::Pause { causes: new });
        }
    }
}

/// Histories stamp every rollout alike: only foreign journals differ.
fn is_our_stamp(stamp: &flagstaff::engine::input::Stamp) -> bool {
    stamp.journal == "journal-a"
}
