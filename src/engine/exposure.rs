//! Who gets the feature: audiences ∪ percentage, or nobody.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share of users in thousandths of a percent: 0 ..= 100,000 (100%).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
pub struct Percentage(u32);

impl TryFrom<u32> for Percentage {
    type Error = &'static str;

    fn try_from(thousandths: u32) -> Result<Percentage, &'static str> {
        Percentage::from_thousandths(thousandths).ok_or("a percentage above 100%")
    }
}

impl From<Percentage> for u32 {
    fn from(percentage: Percentage) -> u32 {
        percentage.0
    }
}

impl Percentage {
    /// Nobody.
    pub const ZERO: Percentage = Percentage(0);
    /// Everybody.
    pub const FULL: Percentage = Percentage(100_000);

    /// From thousandths of a percent; `None` above 100%.
    pub const fn from_thousandths(thousandths: u32) -> Option<Percentage> {
        if thousandths <= 100_000 { Some(Percentage(thousandths)) } else { None }
    }

    /// From whole percents, at most 100.
    pub const fn whole(percent: u32) -> Percentage {
        assert!(percent <= 100, "a percentage is at most 100");
        Percentage(percent * 1000)
    }

    /// Whether it is a whole percent.
    pub const fn is_whole(self) -> bool {
        self.0.is_multiple_of(1000)
    }

    /// In thousandths of a percent.
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:03}", self.0 % 1000);
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { write!(f, "{}%", self.0 / 1000) } else { write!(f, "{}.{fraction}%", self.0 / 1000) }
    }
}

/// Who gets the feature. No audience and 0% is nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Names of the plan's audiences.
    pub audiences: BTreeSet<String>,
    /// The random share of everybody.
    pub percentage: Percentage,
}

impl Exposure {
    /// Nobody gets the feature.
    pub fn nobody() -> Exposure {
        Exposure::default()
    }

    /// A bare percentage.
    pub fn percent(percentage: Percentage) -> Exposure {
        Exposure { audiences: BTreeSet::new(), percentage }
    }

    /// Whether no one is exposed.
    pub fn is_nobody(&self) -> bool {
        self.audiences.is_empty() && self.percentage == Percentage::ZERO
    }

    /// Whether everyone in here is also in `other`. What is not within is *larger*, also where it is merely different.
    pub fn within(&self, other: &Exposure) -> bool {
        other.percentage == Percentage::FULL
            || (self.percentage <= other.percentage && self.audiences.is_subset(&other.audiences))
    }

    /// The people in both: what a rollback may write without enlarging anything.
    pub fn meet(&self, other: &Exposure) -> Exposure {
        if self.within(other) {
            return self.clone();
        }
        if other.within(self) {
            return other.clone();
        }
        Exposure {
            audiences: self.audiences.intersection(&other.audiences).cloned().collect(),
            percentage: self.percentage.min(other.percentage),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nobody() {
            return f.write_str("nobody");
        }
        if self.percentage == Percentage::FULL {
            return f.write_str("everybody");
        }
        let mut separator = "";
        for audience in &self.audiences {
            write!(f, "{separator}{audience}")?;
            separator = " + ";
        }
        if self.percentage > Percentage::ZERO {
            write!(f, "{separator}{}", self.percentage)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(audiences: &[&str], percent: u32) -> Exposure {
        Exposure {
            audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
            percentage: Percentage::whole(percent),
        }
    }

    #[test]
    fn what_is_not_within_is_larger_even_if_merely_different() {
        assert!(exposure(&["a"], 5).within(&exposure(&["a", "b"], 10)));
        assert!(!exposure(&["c"], 0).within(&exposure(&["a", "b"], 10)));
        assert!(exposure(&["c"], 50).within(&exposure(&[], 100)));
        assert!(!exposure(&[], 11).within(&exposure(&["a"], 10)));
    }

    #[test]
    fn a_meet_is_within_both() {
        for (a, b) in [
            (exposure(&["a"], 50), exposure(&["b"], 10)),
            (exposure(&["a"], 0), exposure(&[], 100)),
            (exposure(&["a", "b"], 10), exposure(&["b"], 50)),
        ] {
            let meet = a.meet(&b);
            assert!(meet.within(&a) && meet.within(&b), "{a} ∧ {b} = {meet}");
        }
    }

    #[test]
    fn exposures_read_as_people_say_them() {
        assert_eq!(exposure(&["beta", "employees"], 10).to_string(), "beta + employees + 10%");
        assert_eq!(exposure(&[], 0).to_string(), "nobody");
        assert_eq!(Exposure::percent(Percentage::from_thousandths(12_500).expect("in range")).to_string(), "12.5%");
    }
}
