//! One receiver: what waits for it is sent in order, one at a time, and again until it is there or is given up.

use std::time::Duration;

use crate::engine::{Span, Timestamp};
use crate::http::Client;
use crate::spec::documents::NotificationDoc;

/// The first wait after a failure; each next one is twice as long.
const FIRST: Span = Span::seconds(1);
/// No wait is longer, unless the receiver asks for one.
const LONGEST: Span = Span::minutes(5);
/// Nor longer than this, whatever it asks for.
const ASKED_AT_MOST: Span = Span::hours(1);

/// One receiver.
#[derive(Debug)]
pub(super) struct Lane {
    /// As the documents have it now.
    pub(super) doc: NotificationDoc,
    /// Whether a message is under way.
    pub(super) is_flying: bool,
    /// Nothing is sent before this.
    pub(super) due: Timestamp,
    /// Failures since something worked.
    pub(super) failures: u32,
    /// The message that was told of as failed.
    pub(super) told: Option<String>,
    /// A message that is done with, which could not be kept yet: it is not sent again by this process.
    pub(super) unkept: Option<String>,
    /// What the last message was delivered with.
    pub(super) client: Option<Client>,
}

impl Lane {
    pub(super) fn new(doc: NotificationDoc) -> Lane {
        Lane { doc, is_flying: false, due: Timestamp(0), failures: 0, told: None, unkept: None, client: None }
    }

    /// Takes in what the documents say now: what was changed may be what did not work.
    pub(super) fn follow(&mut self, doc: &NotificationDoc) {
        // places of texts are not what is meant
        if self.doc.to != doc.to {
            (self.client, self.failures, self.due) = (None, 0, Timestamp(0));
        }
        self.doc = doc.clone();
    }

    /// Something did not work: when it is tried again.
    pub(super) fn failed(&mut self, now: Timestamp, asked: Option<Duration>) {
        let wait = FIRST.0.saturating_mul(1 << self.failures.min(20)).min(LONGEST.0);
        let asked = asked.map_or(0, |asked| u64::try_from(asked.as_millis()).unwrap_or(u64::MAX));
        self.due = now.plus(Span(wait.max(asked.min(ASKED_AT_MOST.0))));
        self.failures = self.failures.saturating_add(1);
        self.client = None;
    }

    /// Something worked. Returns whether it had not before.
    pub(super) fn worked(&mut self) -> bool {
        self.due = Timestamp(0);
        std::mem::take(&mut self.failures) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        let folder = tempfile::tempdir().unwrap();
        let text = "apiVersion: flagstaff/v1\nkind: Project\nmetadata: { name: p }\nspec:\n  environments: { e: { backend: \
                    { flagd: { path: f.json } } } }\n  notifications: { it: { slack: { url_env: U } } }\n";
        std::fs::write(folder.path().join("flagstaff.yaml"), text).unwrap();
        let loaded = crate::spec::load(folder.path());
        Lane::new(loaded.project().expect("a project").notifications[0].clone())
    }

    #[test]
    fn waits_grow_to_a_bound_and_a_receiver_may_ask_for_more_within_another() {
        let mut lane = lane();
        let waits = |lane: &mut Lane, asked: Option<u64>| {
            lane.failed(Timestamp(0), asked.map(Duration::from_secs));
            lane.due.0 / 1000
        };
        let grown: Vec<i64> = (0..11).map(|_| waits(&mut lane, None)).collect();
        assert_eq!(grown, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(waits(&mut lane, Some(10)), 300, "less than that changes nothing");
        assert_eq!((waits(&mut lane, Some(900)), waits(&mut lane, Some(u64::MAX))), (900, 3600));
        assert!(lane.worked() && !lane.worked());
        assert_eq!(waits(&mut lane, None), 1);
    }
}
