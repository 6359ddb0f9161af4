//! Follows the journal with a connection of its own, and finds what others are to be told of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::Message;
use crate::control::record::{FOLD, FoldBody, PLAN, PlanBody};
use crate::engine::{Edge, Event, Plan, Standing};
use crate::journal::outbox::{Found, NewMessage, Outbox};
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Head, Journal as _, Record, Sequence, verify};
use crate::spec::documents::NotificationDoc;
use crate::view::notification::notification;

/// So many records are looked at before what was found is kept.
const AT_ONCE: usize = 512;
/// Readers wait for nobody in the journal; this is for its first moments.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is remembered of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The record with its plan, which is read when something is to be told.
    plan_at: u64,
    standing: Standing,
}

/// As much of a fold record as tells whether anything is to be told.
#[derive(Deserialize)]
struct Glance {
    steps: Vec<GlanceStep>,
}

#[derive(Deserialize)]
struct GlanceStep {
    events: Vec<Event>,
}

/// What one look came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Whether there is more to be looked at.
    pub(super) more: bool,
    /// Whether it is another journal than the one that was followed.
    pub(super) another: bool,
    /// How many messages were given up for each receiver because too many wait.
    pub(super) given_up: BTreeMap<String, u64>,
}

/// Follows one journal.
pub(super) struct Follower {
    place: PathBuf,
    open: Option<Open>,
    /// New receivers are told what comes after this, at the first look; later, what comes after that look.
    began: Option<Sequence>,
}

struct Open {
    journal: SqliteJournal,
    head: Head,
    known: BTreeMap<String, Known>,
}

impl Follower {
    /// Follows the journal at a path. Receivers that are new now are told what comes after `began`.
    pub(super) fn new(place: PathBuf, began: Sequence) -> Follower {
        Follower { place, open: None, began: Some(began) }
    }

    /// Begins anew with whatever is at the path by then.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Looks at what came since, and keeps what is to be told in the outbox. Receivers that are gone are forgotten where
    /// that may be said.
    ///
    /// # Errors
    /// Why the journal or the outbox cannot be used.
    pub(super) fn look(
        &mut self,
        outbox: &mut Outbox,
        notifications: &[NotificationDoc],
        may_forget: bool,
    ) -> Result<Looked, String> {
        let looked = self.look_on(outbox, notifications, may_forget);
        if looked.is_err() {
            // it may be another file by the next look
            self.open = None;
        }
        looked
    }

    fn look_on(
        &mut self,
        outbox: &mut Outbox,
        notifications: &[NotificationDoc],
        may_forget: bool,
    ) -> Result<Looked, String> {
        let mut looked = Looked::default();
        let Some(mut open) = (match self.open.take() {
            Some(open) => Some(open),
            None => self.open(outbox, &mut looked)?,
        }) else {
            return Ok(looked);
        };
        let end = open.journal.head().map_err(told)?.sequence;
        if end < open.head.sequence {
            // an older copy was put in its place: it is opened anew, as another one
            return Ok(Looked { more: true, ..looked });
        }
        let since = self.began.take().unwrap_or(end);
        let names: Vec<&str> = notifications.iter().map(|doc| doc.name.value.as_str()).collect();
        outbox.set_receivers(&names, since, may_forget).map_err(told)?;
        let receivers = outbox.receivers().map_err(told)?;
        let records = open.journal.load(open.head.sequence, AT_ONCE).map_err(told)?;
        looked.more = records.len() == AT_ONCE;
        if let Some(last) = records.last() {
            let head = Head { sequence: last.sequence, hash: last.hash.clone() };
            let wants = Wants { notifications, receivers: &receivers };
            let (changed, messages) = open.find(&records, &wants)?;
            let body = |known: &Known| serde_json::to_string(known).map_err(told);
            let standings = changed.iter().map(|(stream, known)| Ok((stream.clone(), body(known)?)));
            let standings = standings.collect::<Result<_, String>>()?;
            looked.given_up = outbox.keep(&head, &Found { standings, messages }).map_err(told)?;
            open.head = head;
            open.known.extend(changed);
        }
        self.open = Some(open);
        Ok(looked)
    }

    /// The journal, from where the outbox knows it to have been read.
    fn open(&self, outbox: &mut Outbox, looked: &mut Looked) -> Result<Option<Open>, String> {
        let Some(mut journal) = SqliteJournal::look(&self.place, PATIENCE).map_err(told)? else { return Ok(None) };
        let end = journal.head().map_err(told)?;
        let id = journal.id().to_owned();
        let beginning = verify::beginning(&id);
        let anew = match outbox.journal().map_err(told)? {
            Some((known, head)) if known == id && is_part_of(&head, &mut journal)? => {
                let standings = outbox.standings().map_err(told)?.into_iter();
                let read = standings.map(|(stream, body)| Some((stream, serde_json::from_str(&body).ok()?)));
                if let Some(known) = read.collect() {
                    return Ok(Some(Open { journal, head, known }));
                }
                // remembered by another version: it is read again, and nothing of it is told again
                head.sequence
            }
            before => {
                looked.another = before.is_some();
                self.began.unwrap_or(end.sequence).min(end.sequence)
            }
        };
        outbox.begin(&id, &beginning, anew).map_err(told)?;
        Ok(Some(Open { journal, head: beginning, known: BTreeMap::new() }))
    }
}

/// Whether a journal ended there once: another one may have its id, restored from an older copy.
fn is_part_of(head: &Head, journal: &mut SqliteJournal) -> Result<bool, String> {
    if head.sequence == Sequence(0) {
        return Ok(true);
    }
    Ok(at(journal, head.sequence)?.is_some_and(|record| record.hash == head.hash))
}

fn at(journal: &mut SqliteJournal, sequence: Sequence) -> Result<Option<Record>, String> {
    let found = journal.load(Sequence(sequence.0.saturating_sub(1)), 1).map_err(told)?;
    Ok(found.into_iter().find(|record| record.sequence == sequence))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Who wants to be told of what.
struct Wants<'w> {
    notifications: &'w [NotificationDoc],
    receivers: &'w BTreeMap<String, Sequence>,
}

impl Wants<'_> {
    /// Those who are told of an edge of a record, wherever it is.
    fn of(&self, edge: Edge, record: Sequence) -> impl Iterator<Item = &NotificationDoc> {
        let is_told = move |doc: &&NotificationDoc| {
            doc.events.contains(&edge) && self.receivers.get(&doc.name.value).is_some_and(|since| record > *since)
        };
        self.notifications.iter().filter(is_told)
    }
}

type Came = (BTreeMap<String, Known>, Vec<NewMessage>);

impl Open {
    /// What some records change in what is remembered, and what is to be told of them.
    fn find(&mut self, records: &[Record], wants: &Wants<'_>) -> Result<Came, String> {
        let (mut changed, mut messages) = Came::default();
        for record in records {
            let stream = &record.new.stream;
            match record.new.kind.as_str() {
                PLAN => {
                    let known = Known { plan_at: record.sequence.0, standing: Standing::default() };
                    changed.insert(stream.clone(), known);
                }
                FOLD => {
                    let before = changed.get(stream).or_else(|| self.known.get(stream)).cloned();
                    // what nobody can read is no news; `audit` tells of it
                    let (Some(before), Ok(glance)) = (before, serde_json::from_str::<Glance>(&record.new.body)) else {
                        continue;
                    };
                    let mut after = before.clone();
                    let mut edges = Vec::new();
                    for (index, event) in glance.steps.iter().flat_map(|step| &step.events).enumerate() {
                        let edge = after.standing.take(event);
                        edges.extend(edge.map(|edge| (index, edge, after.standing.clone())));
                        if matches!(event, Event::Adopted { .. }) {
                            after.plan_at = record.sequence.0;
                        }
                    }
                    edges.retain(|(_, edge, _)| wants.of(*edge, record.sequence).next().is_some());
                    if !edges.is_empty() {
                        self.tell(record, Sequence(before.plan_at), &edges, wants, &mut messages)?;
                    }
                    if after != before {
                        changed.insert(stream.clone(), after);
                    }
                }
                _ => {}
            }
        }
        Ok((changed, messages))
    }

    fn tell(
        &mut self,
        record: &Record,
        plan_at: Sequence,
        edges: &[(usize, Edge, Standing)],
        wants: &Wants<'_>,
        messages: &mut Vec<NewMessage>,
    ) -> Result<(), String> {
        let Some(mut plan) = self.plan(plan_at)? else { return Ok(()) };
        let Ok(body) = serde_json::from_str::<FoldBody>(&record.new.body) else { return Ok(()) };
        let mut first = 0;
        for step in &body.steps {
            // what comes with it and after it is under the plan that was adopted
            if let Some(adopted) = step.adopted() {
                plan = adopted.clone();
            }
            let here = first..first + step.events.len();
            for (index, edge, standing) in edges.iter().filter(|(index, ..)| here.contains(index)) {
                let (sequence, stream, event) = (record.sequence, &record.new.stream, &step.events[index - first]);
                let Some(data) = notification(sequence.0, stream, &plan, step, event, *edge, standing) else {
                    continue;
                };
                let hash = record.hash.get(..8).unwrap_or_default();
                let message = Message {
                    // with a part of its hash: a journal that was restored from a copy goes on with the same numbers
                    id: format!("{}-{}-{index}-{hash}", self.journal.id(), sequence.0),
                    event: edge.word().to_owned(),
                    subject: plan.address(),
                    at: step.at,
                    data,
                };
                let body = serde_json::to_string(&message).map_err(told)?;
                let is_there = |doc: &&NotificationDoc| {
                    doc.environments.is_empty() || doc.environments.iter().any(|name| name.value == plan.environment)
                };
                messages.extend(wants.of(*edge, sequence).filter(is_there).map(|doc| NewMessage {
                    receiver: doc.name.value.clone(),
                    id: message.id.clone(),
                    at: record.new.at,
                    body: body.clone(),
                }));
            }
            first = here.end;
        }
        Ok(())
    }

    /// The plan that a record pins.
    fn plan(&mut self, at_record: Sequence) -> Result<Option<Plan>, String> {
        let Some(record) = at(&mut self.journal, at_record)? else { return Ok(None) };
        Ok(match record.new.kind.as_str() {
            PLAN => serde_json::from_str::<PlanBody>(&record.new.body).ok().map(|body| body.plan),
            _ => {
                let body = serde_json::from_str::<FoldBody>(&record.new.body).ok();
                body.and_then(|body| body.steps.iter().rev().find_map(|step| step.adopted().cloned()))
            }
        })
    }
}
