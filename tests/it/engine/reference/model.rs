//! The design's section on deciding, once more and slowly: a list of facts, and every quantity found by looking back
//! over it. No counter, no timer, nothing is remembered but what happened.

mod backend;
mod people;
mod ticks;

use std::collections::BTreeSet;

use flagstaff::engine::{Cause, Input, Phase, Timestamp};

use super::super::kit;
use super::shape::{Shape, Who};

/// A deliberately broken rule of the reference: the comparison must notice each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    EarnsOnUnknown,
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
    LateWriteStands,
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

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fact {
    Start { at: Timestamp, stage: usize },
    Judged { at: Timestamp, rules: Vec<Says>, lines: Vec<Says>, credit: Credit, samples: u64, no_data: Option<bool> },
    Lacks { nothing: bool, only_approval: bool },
    Ask { id: u64, want: Want, who: Who, stage: usize, person: bool, expires: Option<Timestamp> },
    Closed { at: Option<Timestamp>, shrunk: bool },
    Landed { at: Timestamp, who: Who, stage: usize, changed: bool },
    Pause { causes: Vec<Cause> },
    Back { stage: usize, who: Who, cause: Cause, rules: Vec<String> },
    Stop,
    Resume { at: Timestamp },
    Force { at: Timestamp, stage: usize },
    Approved { at: Timestamp, name: String },
    Mute { at: Timestamp, rule: String, until: Timestamp },
    Adopt { at: Timestamp },
    Reduced { who: Who },
    Drift,
    DriftOver,
    LateWrite,
    Touched { hand: String },
    Complete,
}

pub(super) struct Model<'a> {
    shape: &'a Shape,
    mutant: Option<Mutant>,
    facts: Vec<Fact>,
}

/// What is compared after every input.
#[derive(Debug, PartialEq, Eq)]
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

    fn judged_since_timers(&self) -> impl Iterator<Item = (&Vec<Says>, &Vec<Says>, Option<bool>)> {
        self.of_this_rollout().take_while(|fact| !self.restarts_timers(fact)).filter_map(|fact| match fact {
            Fact::Judged { rules, lines, no_data, .. } => Some((rules, lines, *no_data)),
            _ => None,
        })
    }

    fn rule_run(&self, rule: usize, need: u32) -> u32 {
        self.run_of(self.judged_since_timers().map(|(rules, ..)| rules[rule]), Says::Yes, need).0
    }

    fn line_run(&self, line: usize, need: u32) -> u32 {
        self.run_of(self.judged_since_timers().map(|(_, lines, _)| lines[line]), Says::No, need).0
    }

    fn no_data_run(&self) -> u32 {
        self.judged_since_timers().filter_map(|(.., no_data)| no_data).take_while(|missing| *missing).count() as u32
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
<<<<<<< HEAD

    // ---- the backend ----

    fn read(&mut self, at: Timestamp, backend: &Observation, settled: bool) {
        let Observation::Seen(seen) = backend else { return };
        let shown = Who::of(&seen.shown());
        let off = shown == Who::NOBODY && !(seen.on && seen.foreign.is_some());
        if !self.ours(seen) {
            return self.read_foreign(at, off);
        }
        match self.open() {
            Some((_, Want::Grow, who, stage, person, expires)) => {
                let stamped = seen.stamp.as_ref().is_some_and(is_our_stamp);
                if stamped && shown == who && !seen.reaches_by_foreign() {
                    let changed = who != self.allowed() || stage != self.stage();
                    self.facts.push(Fact::Landed { at, who, stage, changed });
                } else if settled || expires.is_some_and(|expires| at >= expires) {
                    self.facts.push(Fact::Closed { at: None, shrunk: false });
                    if person {
                        self.pause(vec![Cause::NotApplied]);
                    }
                    if self.ours(seen) {
                        self.compare(at, seen);
                    }
                }
            }
            Some((_, want, who, ..)) => {
                let done = match want {
                    Want::Off => off,
                    _ => shown.within(who) && !seen.reaches_by_foreign(),
                };
                if done {
                    let shrunk = want == Want::Shrink && self.phase() == Phase::Running;
                    self.facts.push(Fact::Closed { at: Some(at), shrunk });
                    if self.live() {
                        self.compare(at, seen);
                    }
                } else if self.live() && seen.reaches_by_foreign() {
                    self.drift();
                }
            }
            None if self.live() => self.compare(at, seen),
            None if self.phase() == Phase::Stopped => {
                if off {
                    if self.drifted() {
                        self.facts.push(Fact::DriftOver);
                    }
                } else if !seen.reaches_by_foreign() && self.is_our_late_write(seen) {
                    self.facts.push(Fact::LateWrite);
                    self.ask(Want::Off, Who::NOBODY);
                } else if !self.drifted() {
                    self.facts.push(Fact::Drift);
                }
            }
            None => {}
        }
    }

    /// No stamp, ours, or the one that an opening start writes over.
    fn ours(&self, seen: &Observed) -> bool {
        let opening = matches!(self.open(), Some((_, Want::Grow, ..)))
            && self.effective().is_none()
            && self.allowed() == Who::NOBODY;
        opening || seen.stamp.as_ref().is_none_or(is_our_stamp)
    }

    /// "Under another stamp a process may switch off, nothing else."
    fn read_foreign(&mut self, at: Timestamp, off: bool) {
        if let Some((_, Want::Off, ..)) = self.open() {
            if off {
                self.facts.push(Fact::Closed { at: Some(at), shrunk: false });
            }
        } else if !self.live() {
        } else if !off {
            self.withdraw();
            self.drift();
        } else if self.allowed() != Who::NOBODY {
            if self.open().is_some() {
                self.facts.push(Fact::Closed { at: None, shrunk: false });
            }
            self.facts.push(Fact::Reduced { who: Who::NOBODY });
            self.pause(vec![Cause::Drift]);
        }
    }

    fn drift(&mut self) {
        if !self.drifted() {
            self.facts.push(Fact::Drift);
        }
        self.pause(vec![Cause::Drift]);
    }

    fn compare(&mut self, _at: Timestamp, seen: &Observed) {
        let (shown, allowed) = (Who::of(&seen.shown()), self.allowed());
        if seen.reaches_by_foreign() {
            self.drift();
        } else if shown == allowed {
            if self.drifted() {
                self.facts.push(Fact::DriftOver);
            }
            if let Some(hand) = &seen.other_hand
                && self.last_hand() != Some(hand)
            {
                self.facts.push(Fact::Touched { hand: hand.clone() });
            }
        } else if shown.within(allowed) {
            if !self.is(Mutant::DriftSmallerIsIgnored) {
                self.facts.push(Fact::Reduced { who: shown });
                self.pause(vec![Cause::Drift]);
            }
        } else if self.is_our_late_write(seen) && !self.is(Mutant::LateWriteStands) {
            self.facts.push(Fact::LateWrite);
            self.ask(Want::Shrink, allowed);
        } else {
            self.drift();
        }
    }

    /// The other hand that we know of since our last write was read back.
    fn last_hand(&self) -> Option<&String> {
        let ours = |fact: &&Fact| !matches!(fact, Fact::Landed { .. } | Fact::Closed { at: Some(_), .. });
        self.of_this_rollout().take_while(ours).find_map(|fact| match fact {
            Fact::Touched { hand } => Some(hand),
            _ => None,
        })
    }

    fn is_our_late_write(&self, seen: &Observed) -> bool {
        let value = Who::of(&seen.exposure);
        seen.other_hand.is_none()
            && seen.stamp.as_ref().is_some_and(is_our_stamp)
            && self.of_this_rollout().any(|fact| matches!(fact, Fact::Ask { who, .. } if *who == value))
    }

    // ---- people ----

    fn changed_since(&self, moment: usize) -> bool {
        self.facts[moment.min(self.facts.len())..].iter().any(|fact| match fact {
            Fact::Landed { changed, .. } => *changed,
            Fact::Start { .. } | Fact::Pause { .. } | Fact::Back { .. } | Fact::Stop | Fact::Complete => true,
            Fact::Resume { .. } | Fact::Force { .. } | Fact::Adopt { .. } => true,
            Fact::Reduced { .. } | Fact::Drift | Fact::LateWrite => true,
            _ => false,
        })
    }

    fn command(&mut self, issued: &Issued, looked: Option<usize>) -> bool {
        let (phase, here, at) = (self.phase(), self.stage(), issued.at);
        let grows = match issued.command {
            Command::Pause | Command::Rollback { .. } | Command::Abort => false,
            Command::Force { stage } => stage > here,
            _ => true,
        };
        let start = matches!(issued.command, Command::Start { .. });
        if grows {
            let unseen = looked.is_none_or(|moment| self.changed_since(moment));
            if !start && unseen && !self.is(Mutant::UnseenStateMayResume) {
                return false;
            }
            if !issued.holds.is_empty() && issued.reason.is_none() {
                return false;
            }
        }
        match &issued.command {
            Command::Start { stage, again, .. } => match (phase, again) {
                (Phase::Running, false) => true,
                (Phase::None, _) | (Phase::Stopped, true) => self.start(issued, *stage, *again),
                _ => false,
            },
            Command::Pause => {
                if self.live() {
                    self.pause(vec![Cause::Person]);
                }
                phase != Phase::None
            }
            Command::Resume => match phase {
                Phase::Running => true,
                Phase::Paused if self.may_grow_over(issued) => {
                    self.withdraw();
                    self.facts.push(Fact::Resume { at });
                    self.ask_growth(here, true, at);
                    true
                }
                _ => false,
            },
            Command::Approve => {
                let needed = phase == Phase::Running && self.shape.stages[here].approvals > 0;
                let new = !self.approvals().contains(&issued.actor.name);
                let fine = match &issued.backend {
                    Observation::Seen(_) => self.may_grow_over(issued),
                    _ => true,
                };
                if !(needed && self.approvable() && new && fine) {
                    return false;
                }
                self.facts.push(Fact::Approved { at, name: issued.actor.name.clone() });
                true
            }
            Command::Force { stage } if *stage >= self.shape.stages.len() || phase == Phase::None => false,
            Command::Force { stage } if *stage < here => self.person_back(at, *stage),
            Command::Force { stage } => {
                if !self.live() || *stage == here || !self.may_grow_over(issued) {
                    return false;
                }
                self.withdraw();
                self.facts.push(Fact::Force { at, stage: *stage });
                self.ask_growth(*stage, true, at);
                true
            }
            Command::Rollback { stage } => match (phase, stage.or_else(|| here.checked_sub(1))) {
                (Phase::None, _) => false,
                (Phase::Stopped, _) => true,
                (_, None) => {
                    self.stop(at);
                    true
                }
                (_, Some(stage)) if stage < here => self.person_back(at, stage),
                _ => false,
            },
            Command::Abort => {
                if phase != Phase::Stopped {
                    self.stop(at);
                } else if self.open().is_none() {
                    self.ask(Want::Off, Who::NOBODY);
                }
                true
            }
            Command::Adopt { .. } => {
                let may = self.live() && !matches!(self.open(), Some((_, Want::Grow, ..)));
                if may {
                    self.facts.push(Fact::Adopt { at });
                }
                may
            }
            Command::Mute { rule, until } => {
                let known = rule == "no_data" || (0..self.shape.rules.len()).any(|index| rule_name(index) == *rule);
                let may = self.live() && known && *until > at;
                if may {
                    self.facts.push(Fact::Mute { at, rule: rule.clone(), until: *until });
                }
                may
            }
        }
    }

    fn person_back(&mut self, at: Timestamp, stage: usize) -> bool {
        if self.phase() != Phase::Stopped {
            self.go_back(at, stage, Cause::Person, Vec::new());
        }
        true
    }

    fn start(&mut self, issued: &Issued, stage: usize, again: bool) -> bool {
        let Observation::Seen(seen) = &issued.backend else { return false };
        let reaches = seen.on && (seen.foreign.is_some() || seen.exposure.percentage > Percentage::ZERO);
        let reaches = reaches || (seen.on && !seen.exposure.audiences.is_empty());
        let foreign = seen.stamp.as_ref().is_some_and(|stamp| stamp.journal != "journal-a");
        if stage >= self.shape.stages.len() || reaches || foreign || (stage > 0 && !again) {
            return false;
        }
        self.facts.push(Fact::Start { at: issued.at, stage });
        self.ask_growth(stage, true, issued.at);
        true
    }

    /// Our stamp (or nobody exposed under an older one of our journal), nobody reached by other hands, and exposed
    /// is what the person could have seen.
    fn may_grow_over(&self, issued: &Issued) -> bool {
        let Observation::Seen(seen) = &issued.backend else { return false };
        let stamp = seen.stamp.as_ref();
        let nobody = self.allowed() == Who::NOBODY;
        let stamp = stamp.is_none_or(|stamp| is_our_stamp(stamp) || (nobody && stamp.journal == "journal-a"));
        let shown = Who::of(&seen.shown());
        let known = self.drifted() || self.open().is_some();
        let as_seen = shown == self.allowed() || (known && !shown.within(self.allowed()));
        stamp && !seen.reaches_by_foreign() && as_seen
    }
=======
>>>>>>> main
}

/// Histories stamp every rollout alike: only foreign journals differ.
fn is_our_stamp(stamp: &flagstaff::engine::input::Stamp) -> bool {
    stamp.journal == "journal-a"
}
