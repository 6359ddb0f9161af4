//! The backend as read: what landed, what is late, what is another hand's.

use flagstaff::engine::{Cause, Observation, Observed, Phase, Timestamp};

use super::super::shape::Who;
use super::{Fact, Model, Mutant, Want, is_our_stamp};

impl Model<'_> {
    pub(super) fn read(&mut self, at: Timestamp, backend: &Observation, settled: bool) {
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
                } else if settled || expires.is_some_and(|expires| at >= self.given_up(expires)) {
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
                } else if self.is_our_late_write(seen) {
                    self.facts.push(Fact::LateWrite);
                    self.ask(Want::Off, Who::NOBODY);
                } else if !self.drifted() {
                    self.facts.push(Fact::Drift);
                }
            }
            None => {}
        }
    }

    /// "It belongs to its process until its request has timed out": ten seconds, sent at the last moment.
    fn given_up(&self, expires: Timestamp) -> Timestamp {
        Timestamp(expires.0 + if self.is(Mutant::SettledInFlight) { 0 } else { 10_000 })
    }

    /// No stamp, ours, or the one that an opening start writes over.
    pub(super) fn ours(&self, seen: &Observed) -> bool {
        let opening = matches!(self.open(), Some((_, Want::Grow, ..)))
            && self.effective().is_none()
            && self.allowed() == Who::NOBODY;
        opening || seen.stamp.as_ref().is_none_or(is_our_stamp)
    }

    /// "Under another stamp a process may switch off, nothing else."
    pub(super) fn read_foreign(&mut self, at: Timestamp, off: bool) {
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

    pub(super) fn drift(&mut self) {
        if !self.drifted() {
            self.facts.push(Fact::Drift);
        }
        self.pause(vec![Cause::Drift]);
    }

    pub(super) fn compare(&mut self, _at: Timestamp, seen: &Observed) {
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
    pub(super) fn last_hand(&self) -> Option<&String> {
        let ours = |fact: &&Fact| !matches!(fact, Fact::Landed { .. } | Fact::Closed { at: Some(_), .. });
        self.of_this_rollout().take_while(ours).find_map(|fact| match fact {
            Fact::Touched { hand } => Some(hand),
            _ => None,
        })
    }

    pub(super) fn is_our_late_write(&self, seen: &Observed) -> bool {
        let value = Who::of(&seen.exposure);
        seen.other_hand.is_none()
            && seen.stamp.as_ref().is_some_and(is_our_stamp)
            && self.of_this_rollout().any(|fact| matches!(fact, Fact::Ask { who, .. } if *who == value))
    }
}
