//! The backend as read: settles open effects, and tells drift from late writes of our own.

use std::collections::BTreeSet;

use super::Folding;
use crate::engine::event::Event;
use crate::engine::exposure::Exposure;
use crate::engine::input::{Observation, Observed, Outcome};
use crate::engine::state::{Cause, Effect, EffectKind, Phase};
use crate::engine::time::Timestamp;

impl Folding<'_> {
    /// The result of an effect. One that is not open any more is read like any other observation: it may be a growth
    /// that was withdrawn and landed all the same.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        let is_open = self.state.effect.as_ref().is_some_and(|effect| effect.id == outcome.effect);
        self.observe(outcome.at, &outcome.backend, is_open && outcome.settled);
    }

    /// Takes in what the backend shows. `settled`: no request of the open effect can still be under way.
    pub(super) fn observe(&mut self, at: Timestamp, backend: &Observation, settled: bool) {
        let Observation::Seen(seen) = backend else { return };
        self.note_doubt(at, seen);
        if !self.is_ours(seen) {
            self.foreign_stamp(at, seen);
            return;
        }
        match self.state.effect.clone() {
            Some(effect) if effect.kind == EffectKind::Grow => self.settle_growth(at, seen, &effect, settled),
            Some(effect) => self.confirm(at, seen, &effect),
            None if self.state.is_live() => self.compare(at, seen),
            None if self.state.phase == Phase::Stopped => self.watch_stopped(at, seen),
            None => {}
        }
    }

    /// Says once why nothing is confirmed, while anything is there to be confirmed or to grow.
    fn note_doubt(&mut self, at: Timestamp, seen: &Observed) {
        let waits = self.state.is_live() || self.state.effect.is_some();
        match self.state.doubt(seen).map(str::to_owned) {
            Some(why) if waits && self.state.unserved.as_ref() != Some(&why) => self.emit(Event::Unserved { at, why }),
            None if self.state.unserved.is_some() => self.emit(Event::Served { at }),
            _ => {}
        }
    }

    /// Whether what is read proves nothing about what is served. It can still stop: what is larger, or foreign, is so
    /// whoever serves it.
    fn is_doubtful(&self, seen: &Observed) -> bool {
        self.state.doubt(seen).is_some()
    }

    fn is_ours(&self, seen: &Observed) -> bool {
        seen.stamp.as_ref().is_none_or(|stamp| *stamp == self.state.stamp) || self.is_starting()
    }

    /// A start writes over an old stamp, its own journal's or one that a person takes over from: until its effect is
    /// settled, the old one is what the backend shows.
    fn is_starting(&self) -> bool {
        self.state.effect.as_ref().is_some_and(|effect| effect.kind == EffectKind::Grow)
            && self.state.effective.is_none()
            && self.state.allowed.is_nobody()
    }

    /// Under another stamp only switching off is ours. What shows nobody there is a reduction like any other.
    fn foreign_stamp(&mut self, at: Timestamp, seen: &Observed) {
        if let Some(effect) = self.state.effect.as_ref().filter(|effect| effect.kind == EffectKind::Off) {
            if is_off(seen) && !self.is_doubtful(seen) {
                let effect = effect.id;
                self.emit(Event::Confirmed { effect, at });
            }
        } else if !self.state.is_live() {
            // a stopped rollout's flag belongs to somebody else now; what was seen there is over where nobody gets it
            if self.state.phase == Phase::Stopped
                && self.state.drift.is_some()
                && is_off(seen)
                && !self.is_doubtful(seen)
            {
                self.emit(Event::DriftEnded { at });
            }
        } else if !is_off(seen) {
            self.withdraw_growth();
            self.drift(at, seen, "another rollout's stamp".to_owned());
        } else if !self.state.allowed.is_nobody() && !self.is_doubtful(seen) {
            self.withdraw_growth();
            // what is open would enlarge now
            if let Some(effect) = self.state.effect.as_ref().map(|effect| effect.id) {
                self.emit(Event::Confirmed { effect, at });
            }
            self.emit(Event::Reduced { at, exposure: Exposure::nobody(), by: seen.other_hand.clone() });
            self.pause(at, vec![Cause::Drift], Vec::new());
        }
    }

    fn settle_growth(&mut self, at: Timestamp, seen: &Observed, effect: &Effect, settled: bool) {
        let stamped = seen.stamp.as_ref() == Some(&self.state.stamp);
        let written = stamped && seen.shown() == effect.to && !seen.reaches_by_foreign();
        if self.is_doubtful(seen) && (written || seen.is_missing()) {
            // neither there nor not there, until it is known what is served
            return;
        }
        if written {
            let changed = self.state.allowed != effect.to;
            self.emit(Event::Effective {
                effect: effect.id,
                at,
                exposure: effect.to.clone(),
                stage: effect.stage,
                changed,
            });
            return;
        }
        let given_up = effect.given_up().is_some_and(|instant| at >= instant);
        if !settled && !given_up {
            return;
        }
        let detail = format!("the backend shows {}", describe(seen));
        self.emit(Event::NotApplied { effect: effect.id, at, detail });
        if effect.by_person {
            self.pause(at, vec![Cause::NotApplied], Vec::new());
        }
        // a start that did not land leaves the old stamp there: nothing of ours to compare
        if self.is_ours(seen) {
            self.compare(at, seen);
        }
    }

    fn confirm(&mut self, at: Timestamp, seen: &Observed, effect: &Effect) {
        let done = match effect.kind {
            EffectKind::Off => is_off(seen),
            _ => seen.shown().within(&effect.to) && !seen.reaches_by_foreign(),
        };
        if !done || self.is_doubtful(seen) {
            // what another hand added cannot be taken away by our write: it is said, not waited for in silence
            if self.state.is_live() && seen.reaches_by_foreign() {
                self.drift(at, seen, seen.foreign.clone().unwrap_or_default());
            }
            return;
        }
        self.emit(Event::Confirmed { effect: effect.id, at });
        if self.state.is_live() {
            self.compare(at, seen);
        }
    }

    /// A live rollout without an open effect: what is shown must be what is allowed.
    fn compare(&mut self, at: Timestamp, seen: &Observed) {
        let shown = seen.shown();
        if seen.reaches_by_foreign() {
            let detail = seen.foreign.clone().unwrap_or_default();
            self.drift(at, seen, detail);
        } else if shown.within(&self.state.allowed) && self.is_doubtful(seen) {
            // no drift that ended, and no reduction to accept: what is served may be what it was
        } else if shown == self.state.allowed {
            if self.state.drift.is_some() {
                self.emit(Event::DriftEnded { at });
            }
            if seen.other_hand.is_some() && seen.other_hand != self.state.touched {
                let hand = seen.other_hand.clone().unwrap_or_default();
                self.emit(Event::Touched { at, hand });
            }
        } else if shown.within(&self.state.allowed) {
            self.emit(Event::Reduced { at, exposure: shown, by: seen.other_hand.clone() });
            self.pause(at, vec![Cause::Drift], Vec::new());
        } else if self.is_late_write(seen) {
            let back = self.state.allowed.clone();
            self.emit(Event::LateWrite { at, exposure: shown });
            self.intend(EffectKind::Shrink, back, at);
        } else {
            let detail = format!("{} where {} is allowed", describe(seen), self.state.allowed);
            self.drift(at, seen, detail);
        }
    }

    fn watch_stopped(&mut self, at: Timestamp, seen: &Observed) {
        if is_off(seen) {
            if self.state.drift.is_some() && !self.is_doubtful(seen) {
                self.emit(Event::DriftEnded { at });
            }
        } else if self.is_late_write(seen) {
            self.emit(Event::LateWrite { at, exposure: seen.shown() });
            self.intend(EffectKind::Off, Exposure::nobody(), at);
        } else if self.state.drift.is_none() {
            let detail = format!("{} after the rollout was stopped", describe(seen));
            self.emit(Event::Drifted { at, observed: seen.clone(), detail });
        }
    }

    /// A value we once asked for, under our stamp, and no other hand recorded: a request that timed out has landed.
    fn is_late_write(&self, seen: &Observed) -> bool {
        // a write of ours that reaches somebody says whom
        seen.other_hand.is_none()
            && !seen.exposure.is_nobody()
            && seen.stamp.as_ref() == Some(&self.state.stamp)
            && self.state.asked.contains(&seen.exposure)
    }

    /// Larger than allowed, by another hand: left alone and said once; a person decides.
    fn drift(&mut self, at: Timestamp, seen: &Observed, detail: String) {
        if self.state.drift.is_none() {
            self.emit(Event::Drifted { at, observed: seen.clone(), detail });
        }
        self.pause(at, vec![Cause::Drift], Vec::new());
    }
}

fn is_off(seen: &Observed) -> bool {
    !seen.on || (seen.exposure.is_nobody() && seen.foreign.is_none())
}

fn describe(seen: &Observed) -> String {
    let mut parts: BTreeSet<String> = BTreeSet::new();
    parts.insert(seen.shown().to_string());
    if let Some(foreign) = seen.foreign.as_ref().filter(|_| seen.on) {
        parts.insert(foreign.clone());
    }
    parts.into_iter().collect::<Vec<_>>().join("; ")
}
