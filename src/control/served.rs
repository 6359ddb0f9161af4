//! What the backends serve: the answer that is left when the journal cannot be read.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::stop::StopSite;
use crate::clock::within;
use crate::engine::Span;
use crate::engine::input::Observed;
use crate::spec;

/// How long one backend is waited for.
const PATIENCE: Span = Span::seconds(5);

/// A flag of the documents, as its backend serves it.
#[derive(Debug, Clone)]
pub struct Served {
    /// The release that declares it.
    pub release: String,
    /// The environment.
    pub environment: String,
    /// The flag's key.
    pub flag: String,
    /// What was read, or why it could not be.
    pub seen: Result<Observed, String>,
}

impl Served {
    /// Whether it reaches somebody under the stamp of a rollout.
    pub fn is_of_a_rollout(&self) -> bool {
        self.seen.as_ref().is_ok_and(|seen| seen.reaches_anybody() && seen.stamp.is_some())
    }
}

impl StopSite {
    /// Reads every flag that the documents declare at its backend. Documents may be broken: what cannot be read there is
    /// left out.
    pub async fn served(&self) -> Vec<Served> {
        let loaded = spec::load(self.dir());
        let mut asked: BTreeSet<(String, String, String)> = BTreeSet::new();
        for declared in loaded.releases() {
            for environment in declared.environments {
                asked.insert((declared.release.clone(), environment, declared.flag.clone()));
            }
        }
        // without them our own part of a flag could not be told from another hand's
        let audiences = loaded.audiences();
        let reads = asked.into_iter().filter_map(|(release, environment, flag)| {
            let backend = self.backend(&environment)?;
            let audiences = &audiences;
            Some(async move {
                let seen = match within(self.clock(), PATIENCE, backend.read(&flag, audiences)).await {
                    Some(read) => read.map_err(|error| error.to_string()),
                    None => Err(format!("{} does not answer", backend.place())),
                };
                Served { release, environment, flag, seen }
            })
        });
        join_all(reads).await
    }
}
