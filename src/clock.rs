//! The one place that asks what time it is.

use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::{Span, Timestamp};

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

/// An answer, or none once `patience` has passed on this clock. What was not answered by then is dropped where it
/// stands: a request may have been sent, and may still be applied.
pub async fn within<T>(clock: &dyn Clock, patience: Span, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut out_of_patience = clock.sleep_until(clock.now().plus(patience));
    std::future::poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => out_of_patience.as_mut().poll(context).map(|()| None),
    })
    .await
}
