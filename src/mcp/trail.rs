//! The audit trail of calls: kept in memory, and recorded in the journal many at a time.

use std::sync::{Arc, Mutex, PoisonError};

use super::Setup;
use super::caller::Caller;
use crate::control::asked;
use crate::control::record::{AskedBody, AskedCall};
use crate::engine::Span;
use crate::serve::line::Level;
use crate::spec;
use crate::spec::documents::JOURNAL;

/// How often what was asked is recorded: each record costs whoever drives a conflict.
const EVERY: Span = Span::minutes(10);
/// Of one caller so many calls are kept between two records; more are counted.
const CALLS: usize = 500;
/// Of so many callers, whom a client can invent, calls are kept.
const CALLERS: usize = 20;

/// Calls that are not in the journal yet.
#[derive(Default)]
pub(super) struct Trail {
    waiting: Mutex<Waiting>,
}

/// Callers with their calls, and how many more there were.
type Waiting = Vec<(Caller, Vec<AskedCall>, u64)>;

impl Trail {
    /// Remembers a call.
    pub(super) fn note(&self, caller: &Caller, call: AskedCall) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.len() >= CALLERS;
        let place = match waiting.iter().position(|(known, ..)| known == caller) {
            Some(place) => place,
            None if full => CALLERS - 1,
            None => {
                waiting.push((caller.clone(), Vec::new(), 0));
                waiting.len() - 1
            }
        };
        if let Some((known, calls, more)) = waiting.get_mut(place) {
            match calls.len() < CALLS && known == caller {
                true => calls.push(call),
                false => *more += 1,
            }
        }
    }

    /// Records now and then what was asked, for ever.
    pub(super) async fn keep_now_and_then(&self, setup: &Arc<Setup>) {
        loop {
            setup.clock.sleep_until(setup.clock.now().plus(EVERY)).await;
            self.keep(setup).await;
        }
    }

    /// Records what was asked. What cannot be recorded waits for the next time.
    pub(super) async fn keep(&self, setup: &Arc<Setup>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let by = Arc::clone(setup);
        let kept = tokio::task::spawn_blocking(move || keep_all(&by, waiting)).await;
        let mut left = kept.unwrap_or_default();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        left.append(&mut waiting);
        *waiting = left;
    }
}

/// What could not be recorded.
fn keep_all(setup: &Setup, waiting: Waiting) -> Waiting {
    let journal = spec::project_only(&setup.dir).map_or_else(|_| JOURNAL.to_owned(), |project| project.journal);
    let journal = setup.dir.join(journal);
    let mut left = Vec::new();
    for (caller, calls, more) in waiting {
        let body = AskedBody {
            by: caller.actor(&setup.person),
            protocol: caller.protocol.clone(),
            calls: calls.clone(),
            more,
        };
        let why = match asked::keep(&journal, setup.clock.now(), &body) {
            Ok(true) => continue,
            Ok(false) => "there is no journal that can be written now".to_owned(),
            Err(error) => error.chain(),
        };
        let line = setup.line(Level::Warn, "trail").with("why", why).with("client", caller.client.as_str());
        setup.tell(&line.with("what", format!("{} calls are in this log only so far", calls.len() as u64 + more)));
        left.push((caller, calls, more));
    }
    left
}
