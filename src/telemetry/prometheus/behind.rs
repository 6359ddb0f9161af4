//! What is behind a query: the bounds of its histogram, and how many samples its window has.

use std::collections::BTreeSet;

use super::answer::Said;
use super::{Failed, Prometheus, promql};
use crate::engine::plan::Query;
use crate::engine::{Decimal, Timestamp};
use crate::telemetry::{Behind, histogram};

impl Prometheus {
    /// What is behind a query; what cannot be told is left out.
    pub(super) async fn look_behind(&self, query: &Query, at: Timestamp) -> Behind {
        Behind { bounds: self.bounds_of(query, at).await, samples: self.samples_of(query, at).await }
    }

    async fn bounds_of(&self, query: &Query, at: Timestamp) -> Vec<Decimal> {
        match histogram(query) {
            Some(of) => self.bounds(&of.metric, at).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// The bounds of a histogram's buckets, ascending; none where it has no buckets.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub(super) async fn bounds(&self, histogram: &str, at: Timestamp) -> Result<Vec<Decimal>, String> {
        let said = self.say(format!("count by (le) ({histogram}_bucket)"), at).await?;
        let bounds: BTreeSet<Decimal> =
            said.series.iter().filter_map(|series| series.labels.get("le")?.parse().ok()).collect();
        Ok(bounds.into_iter().collect())
    }

    /// How many samples the best sampled series has in the window: of this group, or where nobody is in it, of any. None of
    /// what is younger than the window, or has no window.
    async fn samples_of(&self, query: &Query, at: Timestamp) -> Option<u64> {
        for query in [query, &Query { matchers: Vec::new(), ..query.clone() }] {
            let (samples, before) = promql::samples(query)?;
            let Ok(samples) = self.number(samples, at).await else { continue };
            return match self.number(before, at).await {
                Ok(_) => samples.parse().ok(),
                Err(_) => None,
            };
        }
        None
    }

    async fn number(&self, text: String, at: Timestamp) -> Result<String, String> {
        let said = self.say(text, at).await?;
        said.number(at).map(str::to_owned).map_err(|reason| format!("{reason:?}"))
    }

    /// What one question is answered.
    ///
    /// # Errors
    /// Why it is not, for people.
    pub(super) async fn say(&self, text: String, at: Timestamp) -> Result<Said, String> {
        let until = self.until(&[]);
        let heard = self.query(text, at, until, None).await.map_err(Failed::detail)?;
        Ok(Said::all(heard.body, heard.skew))
    }
}
