//! What is true of the service over time, and a source that says it: late, wrong, or not at all.

use std::collections::BTreeMap;

use flagstaff::checkup::Check;
use flagstaff::clock::Answer;
use flagstaff::engine::decimal::Decimal;
use flagstaff::engine::plan::{Form, Query};
use flagstaff::engine::{Exposure, Percentage, Reading, Span, Timestamp, Unknown};
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
    /// By flag: the feature breaks the service for those who have it, from this true instant on.
    pub(super) broken_from: BTreeMap<String, i64>,
    /// Windows in which errors are high whatever the flags say.
    pub(super) incidents: Vec<(i64, i64)>,
    /// Windows without any traffic.
    pub(super) quiet: Vec<(i64, i64)>,
    pub(super) troubles: Vec<(i64, i64, Trouble)>,
    /// Instants older than this are forgotten.
    pub(super) retention: i64,
    /// Unknown is answered as healthy: broken on purpose.
    pub(super) invents: bool,
    /// Nothing is answered about the past: broken on purpose.
    pub(super) forgets: bool,
}

impl Inner {
    /// Who gets a flag's feature at a true instant.
    pub(super) fn shown_at(&self, key: &str, at: i64) -> Exposure {
        self.flags.get(key).map_or_else(Exposure::nobody, |model| model.shown_at(at))
    }

    /// Whether a flag's exposed group was well at an instant of the source's clock, which is the true one.
    pub(super) fn is_well(&self, key: &str, at: i64) -> bool {
        let incident = within(&self.truth.incidents, at);
        let broken = self.truth.broken_from.get(key).is_some_and(|from| at >= *from);
        !incident && (!broken || self.shown_at(key, at).is_nobody())
    }

    /// What an honest source says now about an instant.
    pub(super) fn said(&self, host: usize, at: i64, query: &Query) -> Reading {
        for (from, to, trouble) in &self.truth.troubles {
            match trouble {
                Trouble::Down if (*from..*to).contains(&self.now) => return Reading::Unknown(Unknown::Error),
                Trouble::Lost(reason) if (*from..*to).contains(&at) => return Reading::Unknown(*reason),
                _ => {}
            }
        }
        let every = i64::try_from(query.every.0).expect("small");
        if self.offsets[host].abs() > every {
            return Reading::Unknown(Unknown::Clock);
        }
        if at < self.now - self.truth.retention {
            return Reading::Unknown(Unknown::Unobserved);
        }
        // an instant ahead of the source's own clock repeats the newest sample
        let at = at.min(self.now);
        let shown = self.shown_at(&query.flag, at);
        let everybody = shown.percentage == Percentage::whole(100);
        let nobody_is_asked = if is_control(query) { everybody } else { shown.is_nobody() };
        let idle = nobody_is_asked || within(&self.truth.quiet, at);
        match &query.form {
            Form::Count { .. } => Reading::Value(Decimal::whole(if idle { 0 } else { 5 })),
            _ if idle => Reading::Unknown(Unknown::Idle),
            _ if is_control(query) && !within(&self.truth.incidents, at) => Reading::Value(Decimal::new(1, -3)),
            _ if self.is_well(&query.flag, at) => Reading::Value(Decimal::new(1, -3)),
            _ => Reading::Value(Decimal::new(1, -1)),
        }
    }
}

fn within(windows: &[(i64, i64)], at: i64) -> bool {
    windows.iter().any(|(from, to)| (*from..*to).contains(&at))
}

/// Whether a query is about those who do not have the feature.
fn is_control(query: &Query) -> bool {
    query.matchers.iter().any(|matcher| matcher.label == "variant" && format!("{:?}", matcher.is).contains("off"))
}

/// One process' way to the source.
pub(super) struct Scope {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
}

impl Scope {
    fn answer(&self, query: &Query, at: Timestamp) -> Answered {
        self.world.with(|inner| {
            let mut reading = inner.said(self.host, at.0, query);
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
            let answers = queries.iter().map(|query| self.answer(query, at)).collect();
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
            if self.world.with(|inner| inner.truth.forgets) {
                return Vec::new();
            }
            let mut rows = Vec::new();
            let mut at = from.floor_to(every);
            while at <= to {
                if at >= from {
                    rows.push((at, queries.iter().map(|query| self.answer(query, at)).collect()));
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

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { vec![Check::fine("reachable", "the model")] })
    }
}
