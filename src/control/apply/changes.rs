//! Doing what was proposed: flags first, then plans that are adopted, then starts, where those are asked for.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use schemars::JsonSchema;
use serde::Serialize;

use super::commit::{Commit, is_older};
use super::propose::Down;
use super::{AT_ONCE, Declared, FlagChange, FlagRow, Progress, Proposal, RolloutRow};
use crate::backend::{Backend, BackendError, Prepare};
use crate::control::error::ControlError;
use crate::control::record::{APPLIED, AppliedBody, PROJECT, record};
use crate::control::site::{Site, gone};
use crate::control::start::StartOptions;
use crate::control::store::{Batch, is_conflict};
use crate::engine::Command;

/// How often the record of it is written again because others appended meanwhile.
const CONFLICTS: usize = 20;

/// What is asked for beside what is always done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Take over flags that somebody else made, and pin declared plans to rollouts that run by others.
    pub adopt: bool,
    /// Start what was never started.
    pub start: bool,
    /// Why.
    pub reason: Option<String>,
}

/// What was done, or not, about one thing.
#[derive(Debug)]
pub struct Row {
    /// `flag@environment` or `release@environment`.
    pub address: String,
    /// What was done.
    pub done: Done,
    /// Why it was not.
    pub error: Option<ControlError>,
}

/// What is done about something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AppliedWord")]
pub enum Done {
    /// A flag was made.
    Created,
    /// A flag of ours was set right.
    Changed,
    /// A flag of others was marked as ours.
    Adopted,
    /// A rollout goes on by the declared plan.
    Repinned,
    /// A release was started.
    Started,
}

impl Site {
    /// Whether the documents are older than those that were applied last; then by which commit.
    ///
    /// # Errors
    /// The journal's.
    pub async fn applied_later(&mut self, commit: Option<&Commit>) -> Result<Option<Commit>, ControlError> {
        self.hear()?;
        let (Some(commit), Some(last)) = (commit, self.store.applied()) else { return Ok(None) };
        let last = last.clone();
        Ok(is_older(&self.dir, commit, &last).await.then_some(last))
    }

    /// Does what was proposed. What fails keeps nothing else from being done; whatever was done already is done again to no
    /// effect. Nothing but `start` lets anybody have a feature.
    ///
    /// # Errors
    /// Documents older than those that were applied last. What goes wrong with one thing is in its row.
    pub async fn apply(
        &mut self,
        proposal: &Proposal,
        options: &Options,
        progress: Progress<'_>,
    ) -> Result<Vec<Row>, ControlError> {
        if let Some(last) = self.applied_later(proposal.commit.as_ref()).await? {
            return Err(ControlError::Failed(format!(
                "these documents are older than those that were applied last, of commit {}",
                last.id
            )));
        }
        let mut rows = self.prepare_flags(proposal, options, progress).await;
        // a flag that nobody could ask about has no row, and may be as it was
        let asked = proposal.flags.iter().all(|row| !matches!(row.change, FlagChange::Unknown { .. }));
        let prepared = asked && rows.iter().all(|row| row.error.is_none());
        for row in &proposal.rollouts {
            let (done, result) = match &row.declared {
                Declared::Otherwise { refused: None, .. } if options.adopt => {
                    (Done::Repinned, self.repin(row, options).await)
                }
                Declared::NotStarted { .. } if options.start => (Done::Started, self.begin(row, options).await),
                _ => continue,
            };
            rows.push(Row { address: row.address(), done, error: result.err() });
        }
        self.record_applied(proposal.commit.clone().filter(|_| prepared), &rows, options)?;
        Ok(rows)
    }

    /// Environments of one server share its flags: of one key they are prepared one after the other.
    async fn prepare_flags(&self, proposal: &Proposal, options: &Options, progress: Progress<'_>) -> Vec<Row> {
        let mut by_key: BTreeMap<&str, Vec<&FlagRow>> = BTreeMap::new();
        let is_wanted = |row: &&FlagRow| match row.change {
            FlagChange::Create | FlagChange::Change { .. } => true,
            FlagChange::Adopt { .. } => options.adopt,
            FlagChange::Nothing | FlagChange::Blocked(_) | FlagChange::Unknown { .. } => false,
        };
        for row in proposal.flags.iter().filter(is_wanted) {
            by_key.entry(&row.flag).or_default().push(row);
        }
        let (all, down) = (by_key.len(), Down::default());
        let work = by_key.into_values().map(async |rows| {
            let mut done = Vec::new();
            for row in rows {
                done.push(self.prepare_flag(row, &down).await);
            }
            done
        });
        let mut work = stream::iter(work).buffered(AT_ONCE).enumerate();
        let mut rows = Vec::new();
        while let Some((index, done)) = work.next().await {
            rows.extend(done);
            progress(index + 1, all);
        }
        rows
    }

    async fn prepare_flag(&self, row: &FlagRow, down: &Down) -> Row {
        let request = Prepare {
            flag: row.flag.clone(),
            card: row.card.clone(),
            stickiness: row.stickiness.clone(),
            missing: matches!(row.change, FlagChange::Create),
            adopt: matches!(row.change, FlagChange::Adopt { .. }),
        };
        let result = match (down.of(&row.place), self.backends.get(&row.environment)) {
            (Some(error), _) => Err(error),
            (None, Some(backend)) => match self.refuse_place_that_is_gone(row, &**backend).await {
                Ok(()) => backend.prepare(&request).await,
                Err(error) => Err(error),
            },
            (None, None) => Ok(()),
        };
        // what may not be done to one flag may well be done to the next
        if let Err(error @ BackendError::Unreachable { .. }) = &result {
            down.note(&row.place, error);
        }
        let done = match row.change {
            FlagChange::Create => Done::Created,
            FlagChange::Adopt { .. } => Done::Adopted,
            _ => Done::Changed,
        };
        let error = result.err().map(|error| match error {
            BackendError::Unreachable { .. } => ControlError::Unreachable(error.to_string()),
            BackendError::NotAuthorised { .. } => ControlError::NotAuthorised(error.to_string()),
            error => ControlError::Failed(error.to_string()),
        });
        Row { address: row.address(), done, error }
    }

    /// A file that rollouts have seen is not made anew, with the declared flags alone.
    async fn refuse_place_that_is_gone(&self, row: &FlagRow, backend: &dyn Backend) -> Result<(), BackendError> {
        let target = self.loaded.target(&row.environment);
        if !matches!(row.change, FlagChange::Create) || !target.is_some_and(|target| self.store.place_was_seen(&target))
        {
            return Ok(());
        }
        match backend.read(&row.flag, &BTreeMap::new()).await?.has_no_place() {
            true => Err(BackendError::Refused { place: row.place.clone(), detail: gone("it") }),
            false => Ok(()),
        }
    }

    async fn repin(&mut self, row: &RolloutRow, options: &Options) -> Result<(), ControlError> {
        let Declared::Otherwise { declared, .. } = &row.declared else { return Ok(()) };
        let command = Command::Adopt { plan: Box::new((*declared.plan).clone()), hash: declared.hash.clone() };
        self.command(&row.release, &row.environment, command, options.reason.clone(), row.saw).await.map(|_| ())
    }

    /// Starts by the plan that was proposed: documents may have been read again since.
    async fn begin(&mut self, row: &RolloutRow, options: &Options) -> Result<(), ControlError> {
        let Declared::NotStarted { declared, .. } = &row.declared else { return Ok(()) };
        let (reason, plan) = (options.reason.clone(), Some(declared.hash.clone()));
        let start = StartOptions { reason, plan, ..StartOptions::default() };
        let report = self.start(&row.release, &row.environment, &start).await?;
        match report.trouble {
            // what may still be under way was not answered; anything else was
            Some(trouble) if report.unconfirmed => Err(ControlError::Unreachable(trouble)),
            Some(trouble) => Err(ControlError::Failed(trouble)),
            None => Ok(()),
        }
    }

    /// What was done at backends, and the commit once all of it is applied. Rollouts have records of their own.
    fn record_applied(&mut self, commit: Option<Commit>, rows: &[Row], options: &Options) -> Result<(), ControlError> {
        let is_done = |row: &&Row| row.error.is_none() && !matches!(row.done, Done::Repinned | Done::Started);
        let done: Vec<String> =
            rows.iter().filter(is_done).map(|row| format!("{} {}", row.done.word(), row.address)).collect();
        for _ in 0..CONFLICTS {
            let is_known = commit.is_none() || self.store.applied() == commit.as_ref();
            if is_known && done.is_empty() {
                return Ok(());
            }
            let at = self.now();
            let (by, reason) = (self.actor.clone(), options.reason.clone());
            let body = AppliedBody { commit: commit.clone(), at, by, reason, done: done.clone() };
            let mut batch = Batch::default();
            batch.put(record(at, PROJECT, APPLIED, &body));
            match self.store.commit(at, batch) {
                Err(error) if is_conflict(&error) => _ = self.store.refresh()?,
                done => return done.map(|_| ()),
            }
        }
        Err(ControlError::Failed("the journal is written faster than it can be read".to_owned()))
    }
}

impl Done {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Done::Created => "created",
            Done::Changed => "changed",
            Done::Adopted => "adopted",
            Done::Repinned => "repinned",
            Done::Started => "started",
        }
    }
}
