//! Whether a query names something that exists, before anybody is exposed.

use super::{Prometheus, promql};
use crate::engine::plan::{Form, Query};
use crate::engine::{Decimal, Timestamp, Unknown};
use crate::telemetry::{Source as _, needed_metrics};

impl Prometheus {
    /// Whether what a query reads is there, else what is missing.
    pub(super) async fn is_there(&self, query: &Query, at: Timestamp) -> Result<(), String> {
        let told = |detail: String| format!("{}: {detail}", self.place());
        for metric in needed_metrics(query) {
            if !self.knows(&metric, at).await.map_err(told)? {
                return Err(format!("{} has no metric `{metric}`{BORN_LATER}", self.place()));
            }
        }
        match &query.form {
            Form::Slow { bound, of } | Form::SlowCount { bound, of } => {
                self.has_bound(*bound, &of.metric, at).await.map_err(told)
            }
            Form::Raw { .. } => self.answers(query, at).await.map_err(told),
            _ => Ok(()),
        }
    }

    /// Whether any series has this name, whatever its labels: nobody is exposed yet. An hour back, because a counter of
    /// errors goes away with the pod that counted the last one.
    async fn knows(&self, metric: &str, at: Timestamp) -> Result<bool, String> {
        for text in [format!("count({metric})"), format!("count(count_over_time({metric}[1h]))")] {
            if self.say(text, at).await?.number(at).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A bucket that is not there is no answer, for ever.
    async fn has_bound(&self, bound: Decimal, histogram: &str, at: Timestamp) -> Result<(), String> {
        let bounds = self.bounds(histogram, at).await?;
        if bounds.is_empty() || bounds.contains(&bound) {
            return Ok(());
        }
        let known: Vec<String> = bounds.iter().map(ToString::to_string).collect();
        Err(format!("{bound} s is no bucket bound of `{histogram}`; there are {}", known.join(", ")))
    }

    /// A raw query must be one, and answer with one number. One that answers nothing because nobody is exposed yet
    /// answers once its matchers are gone.
    async fn answers(&self, query: &Query, at: Timestamp) -> Result<(), String> {
        match self.say(promql::text(query), at).await?.number(at) {
            Err(Unknown::NoAnswer) if query.born_later => Ok(()),
            Err(Unknown::NoAnswer) => match self.say(promql::whatever_group(query), at).await?.number(at) {
                Err(Unknown::NoAnswer) => Err(format!("the query answers nothing, whatever the group{BORN_LATER}")),
                _ => Ok(()),
            },
            Err(Unknown::SeveralSeries) => Err("the query answers with several series instead of one".to_owned()),
            Err(Unknown::Error | Unknown::NotANumber) => Err("the query answers with no number".to_owned()),
            _ => Ok(()),
        }
    }
}

/// How to say that something is not there yet.
const BORN_LATER: &str = "; if it begins with its first event, write `born_later: true` at the metric";
