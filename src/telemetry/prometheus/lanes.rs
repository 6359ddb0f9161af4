//! Who may ask a server when: so many requests at once, each with patience of its own. A request that hung stands in a
//! lane beside the others from then on, so that it never holds up one that would be answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::clock::{Clock, within};
use crate::engine::{Span, Timestamp};

/// Requests at once; a Prometheus evaluates 20 by default and queues the rest.
const AT_ONCE: usize = 16;
/// Requests at once of those that hung or are slow.
const DOUBTFUL_AT_ONCE: usize = 8;
/// What the first request has, and what is not slow.
pub(super) const PATIENCE: Span = Span::seconds(4);
/// What a request has that is slow, and every fourth time one that hangs: it may be slow alone.
const LONG: Span = Span::seconds(8);
/// What a request has at most that hung.
const SHORT: Span = Span::seconds(2);
/// So many doubtful requests are remembered.
const REMEMBERED: usize = 10_000;

/// The lanes to one server.
#[derive(Clone)]
pub struct Lanes {
    quick: Arc<Semaphore>,
    doubtful: Arc<Semaphore>,
    hung: Arc<Mutex<BTreeMap<String, Hung>>>,
}

/// What is known of a request that hung or is slow.
#[derive(Debug, Clone, Copy)]
struct Hung {
    /// How often in a row it was not answered; none is slow.
    times: u32,
    /// When that was known last: those that were under way by then, as for several instants, tell nothing more.
    known: Timestamp,
}

/// How long somebody has patience.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    /// For everything together.
    pub end: Timestamp,
    /// For what hangs again and again: less than the distance of ticks, or the others' present ticks would be past
    /// when they are judged, and none of them would ever grow.
    pub again: Span,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asks<'a> {
    /// A question of its own, by name: remembered where it hangs.
    Alone(&'a str),
    /// Many questions in one, with so much patience; what hung of them is found out by asking for fewer.
    Together(Span),
}

/// Why nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It was asked, and did not answer.
    Hung,
    /// The end came before or while it was asked.
    End,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes {
            quick: Arc::new(Semaphore::new(AT_ONCE)),
            doubtful: Arc::new(Semaphore::new(DOUBTFUL_AT_ONCE)),
            hung: Arc::default(),
        }
    }
}

impl Lanes {
    /// Sends a request when there is room.
    ///
    /// # Errors
    /// Why it was not answered in time.
    pub async fn ask<T>(
        &self,
        clock: &dyn Clock,
        asks: Asks<'_>,
        by: Until,
        request: impl Future<Output = T>,
    ) -> Result<T, Silence> {
        let (lane, patience) = self.lane(asks, by);
        let in_turn = async {
            let _permit = lane.acquire().await.ok()?;
            let began = clock.now();
            let answer = within(clock, patience, request).await;
            if let Asks::Alone(name) = asks {
                self.remember(name, answer.is_none(), began, clock.now());
            }
            answer
        };
        // what never got its turn did not hang
        let heard = within(clock, by.end.since(clock.now()), in_turn).await;
        heard.ok_or(Silence::End)?.ok_or(Silence::Hung)
    }

    fn lane(&self, asks: Asks<'_>, by: Until) -> (&Semaphore, Span) {
        let name = match asks {
            Asks::Together(patience) => return (&self.quick, patience),
            Asks::Alone(name) => name,
        };
        match self.hung.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(|hung| hung.times) {
            None => (&self.quick, PATIENCE),
            Some(0) => (&self.doubtful, LONG),
            Some(times) => (&self.doubtful, if times % 4 == 3 { LONG } else { SHORT.min(by.again) }),
        }
    }

    fn remember(&self, name: &str, hangs: bool, began: Timestamp, now: Timestamp) {
        let mut hung = self.hung.lock().unwrap_or_else(PoisonError::into_inner);
        if hangs {
            if hung.len() >= REMEMBERED {
                hung.clear();
            }
            let entry = hung.entry(name.to_owned()).or_insert(Hung { times: 0, known: began });
            if began >= entry.known {
                *entry = Hung { times: entry.times + 1, known: now };
            }
        } else if now.since(began) < Span(PATIENCE.0 / 2) {
            hung.remove(name);
        } else {
            // answers, but would be cut off beside the quick ones
            hung.insert(name.to_owned(), Hung { times: 0, known: now });
        }
    }
}
