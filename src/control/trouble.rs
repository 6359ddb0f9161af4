//! Why a rollout's telemetry says nothing now, in the sources' own words.

use std::collections::BTreeMap;

use super::rollout::Rollout;
use super::site::Site;
use crate::clock::within;
use crate::engine::plan::Query;
use crate::engine::{Span, Unknown};

/// How long a source is waited for: somebody is looking at the terminal.
const PATIENCE: Span = Span::seconds(2);

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Trouble {
    /// The source's name.
    pub source: String,
    /// Its address.
    pub place: String,
    /// The metrics that are unknown for this.
    pub metrics: Vec<String>,
    /// Why, in the source's own words.
    pub reason: String,
}

impl Site {
    /// Asks the sources of the series that are unknown now what is wrong. One that is well again says nothing.
    pub async fn trouble_of(&self, rollout: &Rollout) -> Vec<Trouble> {
        let plan = &rollout.plan;
        let at = self.now().minus(plan.delay).floor_to(plan.every);
        let newest = rollout.ticks.last_key_value().map(|(_, readings)| readings.as_slice()).unwrap_or_default();
        let fails = |index: usize| {
            let unknown = newest.get(index).and_then(|reading| reading.unknown());
            unknown.is_some_and(|reason| !matches!(reason, Unknown::Idle | Unknown::Unobserved))
        };
        let failing = plan.series.iter().enumerate().filter(|(index, _)| fails(*index));
        let mut asked: BTreeMap<&str, Vec<(&str, Query)>> = BTreeMap::new();
        for (_, series) in failing {
            asked.entry(&series.query.source).or_default().push((&series.name, series.query.clone()));
        }
        let told = asked.iter().map(async |(name, asked)| {
            let Some(source) = self.sources.get(*name) else {
                return vec![(*name, String::new(), None, "the project has no such source any more".to_owned())];
            };
            let queries: Vec<Query> = asked.iter().map(|(_, query)| query.clone()).collect();
            match within(&*self.clock, PATIENCE, source.trouble(&queries, at)).await {
                None => vec![(*name, source.place(), None, format!("no answer within {PATIENCE}"))],
                Some(details) => {
                    let told = details.into_iter().zip(asked);
                    let told = told.filter_map(|(detail, (metric, _))| Some((*metric, detail?)));
                    told.map(|(metric, detail)| (*name, source.place(), Some(metric), detail)).collect()
                }
            }
        });
        let told = futures_util::future::join_all(told).await;
        let mut troubles: Vec<Trouble> = Vec::new();
        for (source, place, metric, reason) in told.into_iter().flatten() {
            let all = || asked.get(source).into_iter().flatten().map(|(metric, _)| (*metric).to_owned()).collect();
            let metrics: Vec<String> = metric.map_or_else(all, |metric| vec![metric.to_owned()]);
            match troubles.iter_mut().find(|known| known.source == source && known.reason == reason) {
                Some(known) => known.metrics.extend(metrics),
                None => troubles.push(Trouble { source: source.to_owned(), place, metrics, reason }),
            }
        }
        troubles
    }
}
