//! The one place that asks what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::Timestamp;

/// A boxed answer, so that ports stay usable behind `dyn`.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time as the control loop sees it; the simulator has its own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Completes at `instant`, or at once if that is past.
    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    fn now(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => Timestamp(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
        }
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        let wait = instant.since(self.now());
        Box::pin(tokio::time::sleep(Duration::from_millis(wait.0)))
    }
}
