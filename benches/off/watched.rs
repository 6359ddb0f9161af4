//! The ports of a driver, watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flagstaff::backend::unleash::Unleash;
use flagstaff::backend::{Backend, BackendError, Expose, Prepare, Standing};
use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock, SystemClock};
use flagstaff::engine::input::Observed;
use flagstaff::engine::plan::{Audience, Query};
use flagstaff::engine::{Decimal, Percentage, Reading, Span, Timestamp};
use flagstaff::telemetry::{Answered, Source};

/// When what was in hand, begun and answered.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) last_answer: Option<Instant>,
    pub(super) off: Option<(Instant, Instant)>,
}

#[derive(Clone, Default)]
pub(super) struct Watch(pub(super) Arc<Mutex<Seen>>);

impl Watch {
    fn answered(&self) {
        let mut seen = self.0.lock().expect("no one panics with it");
        // what is read back after the stop is no part of the decision
        if seen.off.is_none() {
            seen.last_answer = Some(Instant::now());
        }
    }
}

/// The backend, watched.
pub(super) struct Watched {
    pub(super) backend: Unleash,
    pub(super) watch: Watch,
}

impl Backend for Watched {
    fn place(&self) -> String {
        self.backend.place()
    }

    fn resolution(&self) -> Percentage {
        self.backend.resolution()
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            let read = self.backend.read(flag, audiences).await;
            self.watch.answered();
            read
        })
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        self.backend.expose(request)
    }

    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        self.backend.rehearse(request)
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let began = Instant::now();
            let off = self.backend.switch_off(flag).await;
            let mut seen = self.watch.0.lock().expect("no one panics with it");
            seen.off.get_or_insert((began, Instant::now()));
            off
        })
    }

    fn standing<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        self.backend.standing(flag)
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        self.backend.prepare(request)
    }

    fn examine<'a>(&'a self, clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        self.backend.examine(clock)
    }
}

/// A source in which half of everything fails.
pub(super) struct Failing(pub(super) Watch);

impl Source for Failing {
    fn place(&self) -> String {
        "failing".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Answered>> {
        let answer = |_| Answered { reading: Reading::Value(Decimal::new(5, -1)), detail: None };
        self.0.answered();
        Box::pin(async move { queries.iter().map(answer).collect() })
    }

    fn range<'a>(
        &'a self,
        _: &'a [Query],
        _: Timestamp,
        _: Timestamp,
        _: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async { Vec::new() })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async { queries.iter().map(|_| Ok(())).collect() })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

/// The machine's clock, put forward: nobody waits an hour for a tick.
#[derive(Clone, Default)]
pub(super) struct Forward(pub(super) Arc<Mutex<Span>>);

impl Clock for Forward {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(*self.0.lock().expect("no one panics with it"))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(instant.since(self.now()).0)))
    }
}
