//! What `apply` would do: every declared flag is looked at where it lives, and compared with the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, stream};

use super::rollouts::Plans;
use super::{AT_ONCE, DeclaredPlan, FieldChange, FlagChange, FlagRow, Progress, Proposal, commit_of};
use crate::backend::{Backend, BackendError, Card, Standing};
use crate::control::site::Site;
use crate::engine::input::Stamp;

/// A flag that documents want somewhere.
struct Wanted {
    releases: Vec<String>,
    stickiness: String,
}

impl Site {
    /// What `apply` would do in an environment, or in all of them. Asks backends and changes nothing.
    pub async fn propose(&self, environment: Option<&str>, progress: Progress<'_>) -> Proposal {
        let plans = self.declared_plans();
        let flags = self.flag_rows(&plans, environment, None, progress).await;
        let drift = self.drift(environment).await;
        let commit = commit_of(&self.dir).await;
        let rollouts = self.rollout_rows(&plans, environment);
        let is_meant = |of: &str| environment.is_none_or(|meant| meant == of);
        let known = plans.iter().filter(|((_, of), _)| is_meant(of));
        let hash = |((release, of), plan): (&(String, String), &Result<DeclaredPlan, String>)| {
            let hash = plan.as_ref().map_or_else(Clone::clone, |declared| declared.hash.clone());
            (format!("{release}@{of}"), hash)
        };
        let begun = self.store.rollouts().filter(|rollout| is_meant(&rollout.plan.environment));
        let standing = begun.map(|rollout| {
            let (state, stage) = (&rollout.state, rollout.state.stage);
            let text = format!("{:?} at stage {stage} for {} by {}", state.phase, state.allowed, rollout.plan_hash);
            (rollout.address(), text)
        });
        Proposal { commit, flags, drift, rollouts, declared: known.map(hash).collect(), standing: standing.collect() }
    }

    /// What `apply` would do about one flag, and nothing else. It stands for no commit: that is of all documents.
    pub async fn propose_flag(&self, flag: &str, environment: Option<&str>) -> Proposal {
        let plans = self.declared_plans();
        Proposal { flags: self.flag_rows(&plans, environment, Some(flag), &|_, _| ()).await, ..Proposal::default() }
    }

    fn declared_plans(&self) -> Plans {
        let declared = self.loaded.plans().into_iter().map(|(release, environment, plan)| {
            let plan = plan.map(|resolved| DeclaredPlan { hash: resolved.hash, plan: Arc::new(resolved.plan) });
            let why = |findings: Vec<crate::spec::Finding>| match findings.first() {
                Some(finding) => format!("{}: {}", finding.at.file.name, finding.message),
                None => "it cannot be resolved".to_owned(),
            };
            ((release, environment), plan.map_err(why))
        });
        declared.collect()
    }

    /// Rows in the project's order of environments, then by key.
    async fn flag_rows(
        &self,
        plans: &Plans,
        environment: Option<&str>,
        only: Option<&str>,
        progress: Progress<'_>,
    ) -> Vec<FlagRow> {
        let cards = self.cards();
        let mut wanted = self.wanted(plans);
        wanted.retain(|(flag, _), _| only.is_none_or(|only| only == flag));
        let order: Vec<&String> = self
            .loaded
            .project()
            .iter()
            .flat_map(|project| &project.environments)
            .map(|known| &known.name.value)
            .filter(|name| environment.is_none_or(|meant| meant == name.as_str()))
            .collect();
        let mut asked = Vec::new();
        for name in order {
            let Some(backend) = self.backends.get(name) else { continue };
            asked.extend(wanted.iter().filter(|((_, of), _)| of == name).map(|((flag, _), wanted)| {
                (
                    backend,
                    FlagRow {
                        flag: flag.clone(),
                        environment: name.clone(),
                        place: backend.place(),
                        releases: wanted.releases.clone(),
                        stickiness: wanted.stickiness.clone(),
                        card: cards.get(flag.as_str()).cloned().unwrap_or_default(),
                        change: FlagChange::Nothing,
                        exposed: None,
                    },
                )
            }));
        }
        let (all, down) = (asked.len(), Down::default());
        let rows = asked.into_iter().map(|(backend, row)| self.change(&**backend, row, &down));
        let mut rows = stream::iter(rows).buffered(AT_ONCE).enumerate();
        let mut found = Vec::new();
        while let Some((index, row)) = rows.next().await {
            found.push(row);
            progress(index + 1, all);
        }
        found
    }

    async fn change(&self, backend: &dyn Backend, mut row: FlagRow, down: &Down) -> FlagRow {
        let found = match down.of(&row.place) {
            Some(error) => Err(error),
            None => backend.standing(&row.flag).await,
        };
        row.change = match found {
            Ok(Standing::Missing) => FlagChange::Create,
            Ok(Standing::Unusable(why)) => FlagChange::Blocked(why),
            Ok(Standing::Theirs { reaches }) => FlagChange::Adopt { reaches },
            Ok(Standing::Ours { prepared, card, reaches, stamp }) => {
                row.exposed = reaches.and_then(|whom| self.unexplained(&row, whom, stamp));
                match fields(&row.card, &card) {
                    fields if prepared && fields.is_empty() => FlagChange::Nothing,
                    fields => FlagChange::Change { prepare: !prepared, fields },
                }
            }
            Err(error) => {
                down.note(&row.place, &error);
                let not_authorised = matches!(error, BackendError::NotAuthorised { .. });
                FlagChange::Unknown { why: error.to_string(), not_authorised }
            }
        };
        row
    }

    /// Whom a flag of ours reaches, where no rollout of this journal answers for it: of those that one does, drift tells.
    fn unexplained(&self, row: &FlagRow, whom: String, stamp: Option<Stamp>) -> Option<String> {
        if self.store.newest_of_flag(&row.flag, &row.environment).is_some() {
            return None;
        }
        Some(match stamp.filter(|stamp| stamp.journal != self.store.journal_id()) {
            Some(Stamp { journal, rollout }) => format!("{whom}, by rollout {rollout} of another journal, {journal}"),
            None => format!("{whom}, and no rollout of this journal allows it"),
        })
    }

    /// Flags of releases in their environments, and of flag documents that no release uses where releases go by default.
    fn wanted(&self, plans: &Plans) -> BTreeMap<(String, String), Wanted> {
        let mut wanted: BTreeMap<(String, String), Wanted> = BTreeMap::new();
        for ((release, environment), plan) in plans {
            let Ok(declared) = plan else { continue };
            let entry = wanted.entry((declared.plan.flag.clone(), environment.clone()));
            let stickiness = declared.plan.stickiness.clone();
            entry.or_insert_with(|| Wanted { releases: Vec::new(), stickiness }).releases.push(release.clone());
        }
        let used: BTreeSet<String> = self.loaded.releases().into_iter().map(|release| release.flag).collect();
        let stickiness = self.loaded.project().map(|project| project.stickiness.clone()).unwrap_or_default();
        for flag in self.loaded.flags().filter(|flag| !used.contains(&flag.key.value)) {
            for environment in self.loaded.default_environments() {
                let alone = Wanted { releases: Vec::new(), stickiness: stickiness.clone() };
                wanted.entry((flag.key.value.clone(), environment)).or_insert(alone);
            }
        }
        wanted
    }

    /// What flag documents say, by key.
    fn cards(&self) -> BTreeMap<&str, Card> {
        let card = |text: &Option<crate::spec::reader::Text>| text.as_ref().map(|text| text.value.clone());
        let flags = self.loaded.flags().map(|flag| {
            let (kind, description, owner) = (card(&flag.kind), card(&flag.description), card(&flag.owner));
            (flag.key.value.as_str(), Card { kind, description, owner })
        });
        flags.collect()
    }
}

/// Backends that did not answer: nobody waits a thousand times for one that is down.
#[derive(Default)]
pub(super) struct Down(Mutex<BTreeMap<String, BackendError>>);

impl Down {
    pub(super) fn of(&self, place: &str) -> Option<BackendError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    pub(super) fn note(&self, place: &str, error: &BackendError) {
        if matches!(error, BackendError::Unreachable { .. } | BackendError::NotAuthorised { .. }) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned(), error.clone());
        }
    }
}

/// What documents state and the flag does not say.
fn fields(stated: &Card, found: &Card) -> Vec<FieldChange> {
    let pairs = [
        ("type", &stated.kind, &found.kind),
        ("description", &stated.description, &found.description),
        ("owner", &stated.owner, &found.owner),
    ];
    let changed = pairs.into_iter().filter_map(|(field, stated, found)| {
        let to = stated.clone().filter(|_| stated != found)?;
        Some(FieldChange { field, from: found.clone(), to })
    });
    changed.collect()
}
