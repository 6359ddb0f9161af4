//! Flags that documents declare or the journal knows, as far as words find them, with where each is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::words::StateWord;
use crate::control::Rollout;
use crate::spec::Loaded;

/// What a search for flags answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FlagsAnswer {
    /// Those that were found, the best first.
    pub flags: Vec<FlagRow>,
    /// How many more were found.
    pub left_out: usize,
    /// Why the states are not known, where the journal cannot be used.
    pub journal: Option<String>,
}

impl Answer for FlagsAnswer {
    const NAME: &'static str = "flags";
}

/// A flag.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(rename = "Flag")]
pub struct FlagRow {
    /// Its key.
    pub flag: String,
    /// What kind of flag it is, where a document says so.
    pub kind: Option<String>,
    /// What it is for, where a document says so.
    pub description: Option<String>,
    /// Who answers for it, where a document says so.
    pub owner: Option<String>,
    /// Whether a document declares it. If not, the journal knows it from before.
    pub declared: bool,
    /// The releases that are about it, each in each of its environments.
    pub releases: Vec<FlagReleaseRow>,
}

/// A release of a flag in an environment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "FlagRelease")]
pub struct FlagReleaseRow {
    /// Its name.
    pub release: String,
    /// The environment.
    pub environment: String,
    /// Where it is; none where the journal cannot be used.
    pub state: Option<StateWord>,
    /// The stage it is at, once it has started.
    pub stage: Option<String>,
    /// What is allowed, once it has started.
    pub exposure: Option<String>,
}

/// Every flag by its key.
pub fn rows<'r>(loaded: &Loaded, rollouts: Option<impl Iterator<Item = &'r Rollout>>) -> Vec<FlagRow> {
    let mut flags: BTreeMap<String, FlagRow> = BTreeMap::new();
    let is_known = rollouts.is_some();
    for doc in loaded.flags() {
        let row = entry(&mut flags, &doc.key.value);
        row.declared = true;
        row.kind = doc.kind.as_ref().map(|text| text.value.clone());
        row.description = doc.description.as_ref().map(|text| text.value.clone());
        row.owner = doc.owner.as_ref().map(|text| text.value.clone());
    }
    for declared in loaded.releases() {
        let row = entry(&mut flags, &declared.flag);
        row.declared = true;
        row.releases.extend(declared.environments.into_iter().map(|environment| FlagReleaseRow {
            release: declared.release.clone(),
            environment,
            state: is_known.then_some(StateWord::NotStarted),
            stage: None,
            exposure: None,
        }));
    }
    for rollout in rollouts.into_iter().flatten() {
        let plan = &rollout.plan;
        let row = entry(&mut flags, &plan.flag);
        row.releases.retain(|known| known.release != plan.release || known.environment != plan.environment);
        row.releases.push(FlagReleaseRow {
            release: plan.release.clone(),
            environment: plan.environment.clone(),
            state: Some(StateWord::of(rollout)),
            stage: plan.stages.get(rollout.state.stage).map(|stage| stage.name.clone()),
            exposure: Some(rollout.state.allowed.to_string()),
        });
    }
    flags.into_values().collect()
}

fn entry<'f>(flags: &'f mut BTreeMap<String, FlagRow>, key: &str) -> &'f mut FlagRow {
    flags.entry(key.to_owned()).or_insert_with(|| FlagRow { flag: key.to_owned(), ..FlagRow::default() })
}

/// Keeps those in which some of the words stand, whatever their case; those with more of them first, then by key. Without
/// words, all.
pub fn search(rows: Vec<FlagRow>, words: &str) -> Vec<FlagRow> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return rows;
    }
    let count = |row: &FlagRow| {
        let said = [row.kind.as_deref(), row.description.as_deref(), row.owner.as_deref()].into_iter().flatten();
        let releases = row.releases.iter().map(|release| release.release.as_str());
        let all: Vec<String> = said.chain(releases).chain([row.flag.as_str()]).map(str::to_lowercase).collect();
        words.iter().filter(|word| all.iter().any(|text| text.contains(word.as_str()))).count()
    };
    let mut found: Vec<(usize, FlagRow)> = rows.into_iter().map(|row| (count(&row), row)).collect();
    found.retain(|(count, _)| *count > 0);
    // a stable sort: they come by key
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(flag: &str, description: &str) -> FlagRow {
        FlagRow { flag: flag.to_owned(), description: Some(description.to_owned()), ..FlagRow::default() }
    }

    #[test]
    fn more_words_come_first_and_case_does_not_matter() {
        let rows = || vec![row("a", "New Checkout"), row("b", "the checkout"), row("c", "search")];
        let found = |words: &str| search(rows(), words).into_iter().map(|row| row.flag).collect::<Vec<_>>();
        assert_eq!(found("checkout THE"), ["b", "a"]);
        assert_eq!(found(""), ["a", "b", "c"]);
        assert!(found("payment").is_empty());
    }
}
