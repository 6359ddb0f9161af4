//! How often a signal may come, and how often the log says that one was refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::{Span, Timestamp};

/// Deliveries of one signal in a second, over time.
const A_SECOND: u64 = 100;
/// And so many at once.
const AT_ONCE: u64 = 200;
/// A line about refused ones is written this often.
const LINE_EVERY: Span = Span::seconds(1);

/// What came lately.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// By signal: thousandths of deliveries that may still come, and when that was so.
    left: Mutex<BTreeMap<String, (u64, Timestamp)>>,
    /// When a line was written last, and how many have not been told of since.
    told: Mutex<(Option<Timestamp>, u64)>,
}

impl Rates {
    /// Whether one more of a declared signal may come. Asked after its sender has proven who they are, so that nobody else
    /// uses up what is theirs.
    pub(super) fn lets(&self, name: &str, now: Timestamp) -> bool {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = all.entry(name.to_owned()).or_insert((AT_ONCE * 1000, now));
        let more = now.since(*since).0.saturating_mul(A_SECOND);
        *left = left.saturating_add(more).min(AT_ONCE * 1000);
        *since = now;
        let lets = *left >= 1000;
        *left -= if lets { 1000 } else { 0 };
        lets
    }

    /// Whether a refusal is worth a line now, and how many were not told of since the last one.
    pub(super) fn is_worth_a_line(&self, now: Timestamp) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0.is_some_and(|last| now >= last && now.since(last) < LINE_EVERY) {
            told.1 += 1;
            return None;
        }
        told.0 = Some(now);
        Some(std::mem::take(&mut told.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_so_many_a_second_for_each_signal() {
        let rates = Rates::default();
        let count = |name: &str, at: i64| (0..1000).filter(|_| rates.lets(name, Timestamp(at))).count();
        assert_eq!(count("a", 0), 200);
        assert_eq!(count("b", 0), 200, "another one has its own");
        assert_eq!(count("a", 1000), 100);
        assert_eq!(count("a", 1010), 1);
        assert_eq!(count("a", 500), 0, "a clock that went back gives nothing");
        assert_eq!(count("a", 3_600_000), 200);
    }

    #[test]
    fn a_flood_of_refusals_is_a_line_a_second_with_how_many_there_were() {
        let rates = Rates::default();
        let lines: Vec<u64> = (0..2500).filter_map(|at| rates.is_worth_a_line(Timestamp(at))).collect();
        assert_eq!(lines, [0, 999, 999]);
    }
}
