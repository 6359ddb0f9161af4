//! Flags that are over: what the documents, the journal and the backends say of each.

pub mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use self::verdict::{Facts, Judgement, LIFETIME, Place, judge};
use super::drift::Drift;
use super::rollout::Rollout;
use super::site::Site;
use crate::engine::{Exposure, Span, Timestamp};
use crate::spec::documents::{Body, FlagDoc};

/// How many backends are read at once.
const AT_ONCE: usize = 16;

/// A flag and what became of it.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Its key.
    pub key: String,
    /// Its document, where it has one of its own.
    pub document: Option<FlagDoc>,
    /// Its releases.
    pub releases: Vec<String>,
    /// What is known of it.
    pub facts: Facts,
    /// What that makes of it.
    pub judgement: Judgement,
}

impl Site {
    /// Every flag that documents declare, or that this journal knows in an environment of theirs, the ones that can go first.
    /// Reads backends, and changes nothing. `after`: how long a flag must have been over.
    pub async fn flags(&self, after: Span) -> Vec<Flag> {
        let keys = self.known_flags();
        // read is the rollout that has the flag, which need not be the newest of its release
        let newest = keys.iter().flat_map(|key| self.newest_on(key));
        let reads = newest.map(|rollout| async { (rollout.id.clone(), self.drift_of(rollout).await) });
        let drift: BTreeMap<String, Option<Drift>> = stream::iter(reads).buffered(AT_ONCE).collect().await;
        let now = self.now();
        let mut flags: Vec<Flag> = keys.into_iter().map(|key| self.flag(key, &drift, now, after)).collect();
        flags.sort_by(|left, right| {
            left.judgement.verdict.cmp(&right.judgement.verdict).then_with(|| left.key.cmp(&right.key))
        });
        flags
    }

    fn known_flags(&self) -> BTreeSet<String> {
        let declared = self.loaded.releases().into_iter().map(|release| release.flag);
        let apart = self.loaded.flags().map(|flag| flag.key.value.clone());
        let begun = self.store.all_rollouts().map(|rollout| rollout.plan.flag.clone());
        declared.chain(apart).chain(begun).collect()
    }

    /// The rollouts that have a flag, one an environment.
    fn newest_on(&self, key: &str) -> Vec<&Rollout> {
        let on = self.store.all_rollouts().filter(|rollout| rollout.plan.flag == key);
        let environments: BTreeSet<&str> = on.map(|rollout| rollout.plan.environment.as_str()).collect();
        environments.into_iter().filter_map(|environment| self.store.newest_of_flag(key, environment)).collect()
    }

    fn flag(&self, key: String, drift: &BTreeMap<String, Option<Drift>>, now: Timestamp, after: Span) -> Flag {
        let document = self.loaded.flags().find(|flag| flag.key.value == key).cloned();
        let releases: Vec<_> = self.loaded.releases().into_iter().filter(|release| release.flag == key).collect();
        let names: Vec<String> = releases.iter().map(|release| release.release.clone()).collect();
        let declared = releases.iter().flat_map(|release| release.environments.clone());
        let begun: Vec<_> = self.store.all_rollouts().filter(|rollout| rollout.plan.flag == key).collect();
        let mut known: BTreeSet<String> = begun.iter().map(|rollout| rollout.plan.environment.clone()).collect();
        let mut environments: Vec<String> = Vec::new();
        for environment in declared {
            known.remove(&environment);
            if !environments.contains(&environment) {
                environments.push(environment);
            }
        }
        // where documents say nothing of it any more comes first: its release ends where they say
        environments.splice(0..0, known);
        let facts = Facts {
            kind: document.as_ref().and_then(|flag| flag.kind.as_ref()).map(|kind| kind.value.clone()),
            lifetime: document.as_ref().and_then(|flag| flag.expected_lifetime).unwrap_or(LIFETIME),
            born: begun.iter().map(|rollout| rollout.state.started).filter(|started| started.0 > 0).min(),
            places: environments.into_iter().map(|environment| self.place(&key, environment, drift)).collect(),
            dependents: self.dependents(&names),
        };
        let judgement = judge(&facts, now, after);
        Flag { key, document, releases: names, facts, judgement }
    }

    fn place(&self, key: &str, environment: String, drift: &BTreeMap<String, Option<Drift>>) -> Place {
        let Some(rollout) = self.store.newest_of_flag(key, &environment) else {
            let allowed = Exposure::nobody();
            return Place { environment, phase: None, stopping: false, allowed, since: None, serves: None };
        };
        Place {
            environment,
            phase: Some(rollout.state.phase),
            stopping: rollout.state.is_stopping(),
            allowed: rollout.state.allowed.clone(),
            since: rollout.steps.back().map(|(_, step)| step.at),
            serves: match drift.get(&rollout.id) {
                Some(drift) => drift.as_ref().map(|drift| drift.served.to_string()),
                None => Some("what nobody has read".to_owned()),
            },
        }
    }

    /// Releases of other flags that wait for one of these.
    fn dependents(&self, releases: &[String]) -> Vec<String> {
        let waits = |body: &Body| match body {
            Body::Release(release) if !releases.contains(&release.name.value) => {
                let entries = release.environments.iter().filter_map(|entry| entry.after.as_ref());
                let mut after = release.after.iter().chain(entries).flatten();
                after.any(|after| releases.contains(&after.release.value)).then(|| release.name.value.clone())
            }
            _ => None,
        };
        self.loaded.documents.iter().filter_map(|document| waits(&document.body)).collect()
    }
}
