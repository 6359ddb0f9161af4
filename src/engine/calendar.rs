//! Windows and dependencies as a plan pins them. The engine carries them and judges neither: what they say at a tick is an
//! input ([`Hold`](super::input::Hold)), so that a newer time zone database replays nothing otherwise.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When rules may grow a rollout, in local time: `from ≤ t < to` on these days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// As written.
    pub text: String,
    /// The days on which it begins.
    pub days: BTreeSet<Weekday>,
    /// The minute of the day at which it begins, from 0 to 1439.
    pub from: u16,
    /// The minute of the day at which it is over, from 0 to 1440. At or before `from` it is over on the day after.
    pub to: u16,
    /// The time zone's IANA name, or `UTC`.
    pub zone: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are days")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Another release that must be far enough before rules grow this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// The other release.
    pub release: String,
    /// The environment in which it is looked at.
    pub environment: String,
    /// The stage that it must have reached; none where it must be completed.
    pub reached: Option<String>,
}

impl Weekday {
    /// All of them, Monday first.
    pub const ALL: [Weekday; 7] =
        [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

    /// As written: `Mon`.
    pub fn word(self) -> &'static str {
        match self {
            Weekday::Mon => "Mon",
            Weekday::Tue => "Tue",
            Weekday::Wed => "Wed",
            Weekday::Thu => "Thu",
            Weekday::Fri => "Fri",
            Weekday::Sat => "Sat",
            Weekday::Sun => "Sun",
        }
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Weekday {
        Weekday::ALL[(self as usize + 6) % 7]
    }
}

impl Window {
    /// Whether it is open at a minute of a day of the week, in its zone.
    pub fn covers(&self, day: Weekday, minute: u16) -> bool {
        let begins = self.days.contains(&day) && minute >= self.from;
        if self.from < self.to {
            return begins && minute < self.to;
        }
        begins || (self.days.contains(&day.before()) && minute < self.to)
    }

    /// How many minutes it is open, where no clock changes.
    pub fn minutes(&self) -> u16 {
        if self.from < self.to { self.to - self.from } else { 1440 - self.from + self.to }
    }
}

/// `checkout-api@production at half`, `checkout-api@production completed`.
impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} ", self.release, self.environment)?;
        match &self.reached {
            Some(stage) => write!(f, "at {stage}"),
            None => f.write_str("completed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_midnight_it_belongs_to_the_day_it_begins() {
        let days = BTreeSet::from([Weekday::Fri, Weekday::Sun]);
        let night = Window { text: String::new(), days, from: 22 * 60, to: 2 * 60, zone: "UTC".to_owned() };
        for (day, minute, open) in [
            (Weekday::Fri, 22 * 60 - 1, false),
            (Weekday::Fri, 22 * 60, true),
            (Weekday::Sat, 0, true),
            (Weekday::Sat, 2 * 60 - 1, true),
            (Weekday::Sat, 2 * 60, false),
            (Weekday::Sat, 23 * 60, false),
            (Weekday::Fri, 60, false),
            (Weekday::Mon, 60, true),
        ] {
            assert_eq!(night.covers(day, minute), open, "{day:?} {minute}");
        }
        assert_eq!(night.minutes(), 240);
    }
}
