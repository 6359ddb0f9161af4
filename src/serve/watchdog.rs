//! Looks from beside the loop whether anything that should have been judged was not: a loop that hangs cannot say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::line::{Level, Line, Log};
use super::vitals::Vitals;
use crate::clock::Clock;
use crate::engine::{Span, Timestamp};

/// How often it looks.
const LOOK: Span = Span::seconds(1);

/// Looks, and writes a line when a rollout gets late and when it is no more, until it is dropped.
pub async fn watch(vitals: Arc<Vitals>, clock: Arc<dyn Clock>, log: Log) {
    let mut late: BTreeMap<String, Timestamp> = BTreeMap::new();
    loop {
        let now = clock.now();
        let overdue: BTreeMap<String, Timestamp> =
            vitals.overdue(now).into_iter().map(|due| (due.address, due.at)).collect();
        for (address, at) in overdue.iter().filter(|(address, _)| !late.contains_key(*address)) {
            let line = Line::new(now, Level::Error, "overdue").with("rollout", address.clone());
            log(&line.with("due", at.to_string()));
        }
        for address in late.keys().filter(|address| !overdue.contains_key(*address)) {
            log(&Line::new(now, Level::Info, "on-time").with("rollout", address.clone()));
        }
        late = overdue;
        clock.sleep_until(now.plus(LOOK)).await;
    }
}
