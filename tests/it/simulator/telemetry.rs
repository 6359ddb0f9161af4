//! What is true of the service over time, and a source that says it: late, wrong, or not at all.

use flagstaff::clock::Answer;
use flagstaff::engine::decimal::Decimal;
use flagstaff::engine::plan::Query;
use flagstaff::engine::{Reading, Span, Timestamp, Unknown};
use flagstaff::telemetry::{Answered, Source};

use super::world::{Inner, Kind, Pid, Shared, Step};

/// How the source is broken in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Asked within the window, it does not answer: asked again later, it does.
    Down,
    /// Instants within the window have no usable value, whenever they are asked for.
    Lost(Unknown),
}

/// The service: broken by the feature where it is, or by something else for a while.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The feature breaks the service for those who have it, from this true instant on.
    pub(super) broken_from: Option<i64>,
    /// Windows in which errors are high whatever the flag says.
    pub(super) incidents: Vec<(i64, i64)>,
    pub(super) troubles: Vec<(i64, i64, Trouble)>,
    /// Instants older than this are forgotten.
    pub(super) retention: i64,
    /// Unknown is answered as healthy: broken on purpose.
    pub(super) invents: bool,
}

impl Inner {
    /// Whether the exposed group was well at an instant of the source's clock, which is the true one.
    pub(super) fn is_well(&self, at: i64) -> bool {
        let incident = self.truth.incidents.iter().any(|(from, to)| (*from..*to).contains(&at));
        let broken = self.truth.broken_from.is_some_and(|from| at >= from);
        !incident && (!broken || self.backend.shown_at(at).is_nobody())
    }

    /// What an honest source says now about an instant.
    pub(super) fn said(&self, host: usize, at: i64, every: i64) -> Reading {
        for (from, to, trouble) in &self.truth.troubles {
            match trouble {
                Trouble::Down if (*from..*to).contains(&self.now) => return Reading::Unknown(Unknown::Error),
                Trouble::Lost(reason) if (*from..*to).contains(&at) => return Reading::Unknown(*reason),
                _ => {}
            }
        }
        if self.offsets[host].abs() > every {
            return Reading::Unknown(Unknown::Clock);
        }
        if at < self.now - self.truth.retention {
            return Reading::Unknown(Unknown::Unobserved);
        }
        // an instant ahead of the source's own clock repeats the newest sample
        let at = at.min(self.now);
        if self.backend.shown_at(at).is_nobody() {
            return Reading::Unknown(Unknown::Idle);
        }
        Reading::Value(if self.is_well(at) { Decimal::new(1, -3) } else { Decimal::new(1, -1) })
    }
}

/// One process' way to the source.
pub(super) struct Scope {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
    pub(super) every: Span,
}

impl Scope {
    fn answer(&self, at: Timestamp) -> Answered {
        self.world.with(|inner| {
            let mut reading = inner.said(self.host, at.0, i64::try_from(self.every.0).expect("small"));
            if inner.truth.invents && reading.value().is_none() {
                reading = Reading::Value(Decimal::new(1, -3));
            }
            Answered { reading, detail: None }
        })
    }

    async fn wait(&self) {
        Step::new(&self.world, self.pid, Kind::Call).await;
    }
}

impl Source for Scope {
    fn place(&self) -> String {
        "model".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move {
            self.wait().await;
            let answers = queries.iter().map(|_| self.answer(at)).collect();
            self.wait().await;
            answers
        })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            self.wait().await;
            let mut rows = Vec::new();
            let mut at = from.floor_to(every);
            while at <= to {
                if at >= from {
                    rows.push((at, queries.iter().map(|_| self.answer(at)).collect()));
                }
                at = at.plus(every);
            }
            self.wait().await;
            rows
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move {
            self.wait().await;
            queries.iter().map(|_| Ok(())).collect()
        })
    }
}
