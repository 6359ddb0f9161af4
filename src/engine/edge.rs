//! The moments at which a rollout becomes something else than it was: what others are told of, each once.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::exposure::Exposure;

/// What a rollout became, in a fixed set of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// A person started it.
    Started,
    /// Another stage's exposure was read back.
    Advanced,
    /// It is paused, for causes that it was not paused for before.
    Paused,
    /// It went back to a smaller stage, and is paused.
    RolledBack,
    /// It is to be off for everybody, for good.
    Stopping,
    /// It was read back as off.
    Stopped,
    /// Its last stage baked.
    Completed,
    /// A person let it go on.
    Resumed,
    /// A person moved it to a higher stage.
    Forced,
    /// The backend shows more than is allowed, by another hand.
    Drifted,
    /// A rule or signal that only says so began to.
    Notified,
    /// The breaker held back a rule that would have shut it down.
    HeldBack,
    /// A rule that only observes would have acted.
    WouldAct,
}

impl Edge {
    /// Every edge with its word, in the order in which they are listed.
    pub const WORDS: [(&'static str, Edge); 13] = [
        ("started", Edge::Started),
        ("advanced", Edge::Advanced),
        ("paused", Edge::Paused),
        ("rolled-back", Edge::RolledBack),
        ("stopping", Edge::Stopping),
        ("stopped", Edge::Stopped),
        ("completed", Edge::Completed),
        ("resumed", Edge::Resumed),
        ("forced", Edge::Forced),
        ("drifted", Edge::Drifted),
        ("notified", Edge::Notified),
        ("held-back", Edge::HeldBack),
        ("would-act", Edge::WouldAct),
    ];

    /// Its word, as documents and messages have it.
    pub fn word(self) -> &'static str {
        Edge::WORDS.iter().find(|(_, edge)| *edge == self).map(|(word, _)| *word).unwrap_or_default()
    }
}

/// As much of a rollout's state as tells edges from repetitions, and what is said with them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The stage it is at.
    pub stage: usize,
    /// What is allowed.
    pub allowed: Exposure,
    /// The stage that others were told of last.
    told: usize,
    /// How far a stop is.
    stop: Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stop {
    #[default]
    None,
    Decided,
    ReadBack,
}

impl Standing {
    /// Takes in an event, and says which edge it is, if it is one.
    pub fn take(&mut self, event: &Event) -> Option<Edge> {
        match event {
            Event::Started { stage, .. } => {
                *self = Standing { stage: *stage, told: *stage, ..Standing::default() };
                Some(Edge::Started)
            }
            Event::Effective { exposure, stage, .. } => {
                self.stage = *stage;
                self.allowed.clone_from(exposure);
                let is_another = self.told != *stage;
                self.told = *stage;
                is_another.then_some(Edge::Advanced)
            }
            // a person may pause what is paused, to say why
            Event::Paused { causes, .. } => (!causes.is_empty()).then_some(Edge::Paused),
            Event::RolledBack { stage, exposure, .. } => {
                (self.stage, self.told) = (*stage, *stage);
                self.allowed.clone_from(exposure);
                Some(Edge::RolledBack)
            }
            Event::Stopped { .. } => {
                self.allowed = Exposure::nobody();
                // an off that is sent again makes it nothing else
                let is_new = self.stop == Stop::None;
                self.stop = if is_new { Stop::Decided } else { self.stop };
                is_new.then_some(Edge::Stopping)
            }
            Event::Confirmed { .. } => {
                let is_off = self.stop == Stop::Decided;
                self.stop = if is_off { Stop::ReadBack } else { self.stop };
                is_off.then_some(Edge::Stopped)
            }
            Event::Completed { .. } => Some(Edge::Completed),
            Event::Resumed { .. } => Some(Edge::Resumed),
            Event::Forced { stage, .. } => {
                self.stage = *stage;
                Some(Edge::Forced)
            }
            Event::Adopted { stage, .. } => {
                // a stage is known by its name: it is the same one under another number
                (self.stage, self.told) = (*stage, *stage);
                None
            }
            Event::Reduced { exposure, .. } => {
                self.allowed.clone_from(exposure);
                None
            }
            Event::Drifted { .. } => Some(Edge::Drifted),
            Event::Notified(_) => Some(Edge::Notified),
            Event::HeldBack { .. } => Some(Edge::HeldBack),
            Event::WouldAct(_) => Some(Edge::WouldAct),
            Event::Ticked(_)
            | Event::Advancing { .. }
            | Event::Intended(_)
            | Event::NotApplied { .. }
            | Event::Withdrawn { .. }
            | Event::Approved { .. }
            | Event::Muted { .. }
            | Event::DriftEnded { .. }
            | Event::LateWrite { .. }
            | Event::Touched { .. }
            | Event::Unserved { .. }
            | Event::Served { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Actor, Cause, Percentage, Timestamp};

    const AT: Timestamp = Timestamp(0);

    fn by() -> Actor {
        Actor { name: "ana".to_owned(), known_by: "--as".to_owned() }
    }

    fn started(stage: usize) -> Event {
        Event::Started { at: AT, plan: String::new(), stamp: Default::default(), stage, by: by() }
    }

    fn effective(stage: usize, percent: u32) -> Event {
        let exposure = Exposure::percent(Percentage::whole(percent));
        Event::Effective { effect: 1, at: AT, exposure, stage, changed: true }
    }

    fn stopped() -> Event {
        Event::Stopped { at: AT, cause: Cause::Person, because: Vec::new(), by: Some(by()) }
    }

    fn edges(standing: &mut Standing, events: &[Event]) -> Vec<&'static str> {
        events.iter().filter_map(|event| standing.take(event)).map(Edge::word).collect()
    }

    #[test]
    fn a_stage_is_told_once_however_often_its_exposure_is_read_back() {
        let mut standing = Standing::default();
        let events = [started(0), effective(0, 10), effective(1, 50), Event::Resumed { at: AT, by: by() }];
        assert_eq!(edges(&mut standing, &events), ["started", "advanced", "resumed"]);
        let forced = Event::Forced { at: AT, stage: 2, by: by() };
        assert_eq!(edges(&mut standing, &[effective(1, 50), forced, effective(2, 100)]), ["forced", "advanced"]);
        assert_eq!((standing.stage, standing.allowed.percentage), (2, Percentage::FULL));
        // under another plan the same stage has another number
        let adopted = Event::Adopted { at: AT, plan: String::new(), stage: 3, by: by() };
        assert_eq!(edges(&mut standing, &[adopted, effective(3, 100)]), [""; 0]);
    }

    #[test]
    fn a_stop_is_told_when_it_is_decided_and_when_it_is_read_back_and_not_again() {
        let mut standing = Standing::default();
        let confirmed = || Event::Confirmed { effect: 2, at: AT };
        assert_eq!(edges(&mut standing, &[started(0), effective(0, 10), confirmed()]), ["started"]);
        assert_eq!(edges(&mut standing, &[stopped(), stopped(), confirmed()]), ["stopping", "stopped"]);
        assert_eq!(edges(&mut standing, &[stopped(), confirmed()]), [""; 0], "sent again");
        assert!(standing.allowed.is_nobody());
        assert_eq!(edges(&mut standing, &[started(0), stopped()]), ["started", "stopping"], "another rollout");
    }
}
