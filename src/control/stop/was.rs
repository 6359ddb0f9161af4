//! What a flag was before it was switched off. Nothing is claimed that was not seen.

use crate::engine::Exposure;
use crate::engine::input::Observed;

/// What a flag was at its addresses before an off was sent to any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Was {
    /// None of them had such a flag.
    Missing,
    /// It was there, and off.
    Off,
    /// Not all of them said so in time, and none showed it to anybody.
    Unknown,
    /// It reached somebody; none where it cannot be told whom.
    On(Option<Exposure>),
}

impl Was {
    /// By what an address showed; none where it did not answer before the off was sent.
    pub(super) fn of(seen: Option<&Observed>) -> Was {
        match seen {
            None => Was::Unknown,
            Some(seen) if seen.reaches_by_foreign() => Was::On(None),
            Some(seen) if seen.reaches_anybody() => Was::On(Some(seen.shown())),
            Some(seen) if seen.is_missing() => Was::Missing,
            // whoever serves it may go on with something else
            Some(seen) if seen.unserved.is_some() => Was::Unknown,
            Some(_) => Was::Off,
        }
    }

    /// At this address and at that one: one that showed it says more than any that did not answer, and one that did not
    /// answer may have had it on.
    pub(super) fn and(self, other: Was) -> Was {
        let weight = |was: &Was| match was {
            Was::Missing => 0,
            Was::Off => 1,
            Was::Unknown => 2,
            Was::On(_) => 3,
        };
        if weight(&other) > weight(&self) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::Was;
    use crate::engine::{Exposure, Percentage};

    #[test]
    fn one_address_that_did_not_answer_may_have_had_it_on() {
        let tenth = Was::On(Some(Exposure { percentage: Percentage::whole(10), ..Exposure::nobody() }));
        for (one, other, both) in [
            (Was::Missing, Was::Missing, Was::Missing),
            (Was::Missing, Was::Off, Was::Off),
            (Was::Off, Was::Unknown, Was::Unknown),
            (Was::Missing, Was::Unknown, Was::Unknown),
            (Was::Unknown, tenth.clone(), tenth.clone()),
            (Was::Off, tenth.clone(), tenth),
        ] {
            assert_eq!(one.clone().and(other.clone()), both);
            assert_eq!(other.and(one), both);
        }
    }
}
