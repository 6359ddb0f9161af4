//! Commands.

use flagstaff::engine::input::Issued;
use flagstaff::engine::{Cause, Command, Observation, Percentage, Phase, Timestamp};

use super::super::shape::{Who, rule_name};
use super::{Fact, Model, Mutant, Want, is_our_stamp};

impl Model<'_> {
    pub(super) fn changed_since(&self, moment: usize) -> bool {
        self.facts[moment.min(self.facts.len())..].iter().any(|fact| match fact {
            Fact::Landed { changed, .. } => *changed,
            Fact::Start { .. } | Fact::Pause { .. } | Fact::Back { .. } | Fact::Stop | Fact::Complete => true,
            Fact::Resume { .. } | Fact::Force { .. } | Fact::Adopt { .. } => true,
            Fact::Reduced { .. } | Fact::Drift | Fact::LateWrite => true,
            _ => false,
        })
    }

    pub(super) fn command(&mut self, issued: &Issued, looked: Option<usize>) -> bool {
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
                if self.live() && !(self.is(Mutant::SecondPauseIsSwallowed) && phase == Phase::Paused) {
                    self.withdraw();
                    self.facts.push(Fact::Pause { causes: vec![Cause::Person] });
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
                if !(needed && self.approvable() && new && self.may_grow_over(issued)) {
                    return false;
                }
                self.facts.push(Fact::Approved { at, name: issued.actor.name.clone() });
                true
            }
            Command::Force { stage } if *stage >= self.shape.stages.len() || phase == Phase::None => false,
            Command::Force { stage } if *stage < here => self.person_back(at, *stage),
            Command::Force { stage } => {
                let switched_on = matches!(&issued.backend, Observation::Seen(seen) if seen.on);
                if !self.live() || *stage == here || !self.may_grow_over(issued) || !switched_on {
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

    pub(super) fn person_back(&mut self, at: Timestamp, stage: usize) -> bool {
        if self.phase() != Phase::Stopped {
            self.go_back(at, stage, Cause::Person, Vec::new());
        }
        true
    }

    pub(super) fn start(&mut self, issued: &Issued, stage: usize, again: bool) -> bool {
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
    pub(super) fn may_grow_over(&self, issued: &Issued) -> bool {
        let Observation::Seen(seen) = &issued.backend else { return false };
        let stamp = seen.stamp.as_ref();
        let nobody = self.allowed() == Who::NOBODY;
        let stamp = stamp.is_none_or(|stamp| is_our_stamp(stamp) || (nobody && stamp.journal == "journal-a"));
        let shown = Who::of(&seen.shown());
        let known = self.drifted() || self.open().is_some();
        let as_seen = shown == self.allowed() || (known && !shown.within(self.allowed()));
        stamp && !seen.reaches_by_foreign() && as_seen
    }
}
