//! What an examination of something outside found: one check a line, and what to do about each that is not fine.
//!
//! Backends and sources say it of themselves, since only they know what they need; whoever asks puts it together.

use crate::engine::{Span, Timestamp};

/// Further than this from ours, a clock is worth a warning.
pub const SKEW_AT_MOST: Span = Span::seconds(2);

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A word that stays the same: `reachable`, `permissions` …
    pub name: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen, for people; no secret.
    pub seen: String,
    /// What to do; none where there is nothing to do.
    pub advice: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// As it is needed.
    Fine,
    /// It will do, and somebody should look.
    Warning,
    /// It will not do.
    Failed(Fault),
}

/// What kind of failure it is: pipelines tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Documents are wrong.
    Documents,
    /// It does not let us.
    NotAuthorised,
    /// It does not answer, or not as what it is taken for.
    Unreachable,
    /// Anything else.
    Other,
}

impl Check {
    /// All is well.
    pub fn fine(name: &'static str, seen: impl Into<String>) -> Check {
        Check { name, health: Health::Fine, seen: seen.into(), advice: None }
    }

    /// It will do, and somebody should look.
    pub fn warning(name: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, health: Health::Warning, seen: seen.into(), advice: Some(advice.into()) }
    }

    /// It will not do.
    pub fn failed(name: &'static str, fault: Fault, seen: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name, health: Health::Failed(fault), seen: seen.into(), advice: Some(advice.into()) }
    }
}

/// A clock of somebody else's as it was read once.
#[derive(Debug, Clone, Copy)]
pub struct ClockRead {
    /// What it said.
    pub theirs: Timestamp,
    /// How much later it may have been: it was cut to whole seconds, say.
    pub step: Span,
    /// Our time before it was read.
    pub before: Timestamp,
    /// Our time after that.
    pub after: Timestamp,
}

impl ClockRead {
    /// How far it is from ours at least, and whether it is ahead: it was read at some moment between, whatever time the
    /// answer took.
    pub fn difference(&self) -> (Span, bool) {
        let ahead = self.theirs.since(self.after);
        let behind = self.before.since(self.theirs.plus(self.step));
        if ahead > behind { (ahead, true) } else { (behind, false) }
    }

    /// As a check; `affects` says what a difference does.
    pub fn check(&self, affects: &str) -> Check {
        let (difference, is_ahead) = self.difference();
        if difference <= SKEW_AT_MOST {
            // no closer than it was read
            let known = if self.step.0 > 0 { "no more than " } else { "" };
            let shown = Span(difference.0 + self.step.0);
            return Check::fine("clock", format!("{known}{} from ours", seconds(shown)));
        }
        let side = if is_ahead { "ahead of" } else { "behind" };
        let seen = format!("{} {side} ours: {affects}", seconds(difference));
        Check::warning("clock", seen, "let both machines keep their time by the same servers (NTP)")
    }
}

/// A length of time for people who look at clocks: `0.2 s`.
fn seconds(span: Span) -> String {
    if span.0.is_multiple_of(1000) && span.0 > 0 {
        return format!("{} s", span.0 / 1000);
    }
    let tenths = span.0.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(theirs: i64, step: u64) -> ClockRead {
        ClockRead { theirs: Timestamp(theirs), step: Span(step), before: Timestamp(10_000), after: Timestamp(10_300) }
    }

    #[test]
    fn a_clock_is_read_at_some_moment_between() {
        for (theirs, step, seen) in [
            (10_100, 0, "0.0 s from ours"),
            (9_850, 0, "0.2 s from ours"),
            (12_300, 0, "2 s from ours"),
            (12_301, 0, "2.1 s ahead of ours: nothing"),
            (7_900, 0, "2.1 s behind ours: nothing"),
            (9_000, 1000, "no more than 1 s from ours"),
            (6_900, 1000, "2.1 s behind ours: nothing"),
        ] {
            let check = read(theirs, step).check("nothing");
            assert_eq!(check.seen, seen, "{theirs} {step}");
            assert_eq!(check.health == Health::Warning, seen.contains("ours:"), "{seen}");
        }
    }
}
