//! `audit log`, `audit verify`, `audit replay`.

use clap::{Args, Subcommand};

use super::args::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::ControlError;
use crate::control::observe::Did;
use crate::control::replay::{self, Replayed};
use crate::engine::Span;
use crate::journal::sqlite::{PATIENCE, SqliteJournal};
use crate::journal::{Head, Journal as _, JournalError, Record, Sequence, verify};
use crate::spec;
use crate::view::audit::{self as view, AuditLogAnswer, Counted, SeriesRow};
use crate::view::printer::Format;
use crate::view::proof;
use crate::view::safe::safe;
use crate::view::verbose;

/// Show, verify and compute again what was decided
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    Log(Log),
    Verify(Verify),
    Replay(Replay),
}

/// Show who or which rule did what, when, on what evidence
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The release; all of them unless named
    #[arg(value_name = "RELEASE")]
    pub(crate) release: Option<String>,
    /// Show the last part of the journal only
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) since: Option<Span>,
}

/// Verify the chain of hashes
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Verify against a head that was written down before: SEQUENCE:HASH
    #[arg(long, value_name = "HEAD")]
    pub(crate) anchor: Option<String>,
}

/// Compute every decision again and compare byte by byte
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// One release only
    #[arg(value_name = "RELEASE")]
    pub(crate) release: Option<String>,
}

impl Audit {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let project = spec::project_only(&context.dir).map_err(Failure::invalid)?;
        let path = context.dir.join(&project.journal);
        let unusable = |error: JournalError| Failure::from(ControlError::from(error));
        let Some(mut journal) = SqliteJournal::open_existing(&path, PATIENCE).map_err(unusable)? else {
            return Err(Failure::new(Exit::Unreachable, format!("there is no journal at {}", path.display())));
        };
        let began = context.clock.now();
        let loaded = journal.load(Sequence(0), usize::MAX);
        let (place, read) = (journal.place(), loaded.as_ref().map(Vec::len));
        verbose::did(
            &context.printer,
            &Did::Loaded { journal: &place, records: read },
            context.clock.now().since(began),
        );
        let records = loaded.map_err(unusable)?;
        match self.what {
            What::Log(log) => log.run(context, &records),
            What::Verify(verify) => verify.run(context, journal.id(), &records),
            What::Replay(replay) => replay.run(context, &records),
        }
    }
}

impl Log {
    fn run(self, context: &Context, records: &[Record]) -> Result<Exit, Failure> {
        let filter = view::Filter {
            release: self.release,
            environment: context.environment.clone(),
            since: self.since.map(|since| context.clock.now().minus(since)),
        };
        let entries = view::log(records, &filter);
        if entries.is_empty() {
            let what = filter.release.as_ref().map(|release| format!(" about `{}`", safe(release))).unwrap_or_default();
            context.printer.note(&format!("nothing is recorded{what} that was asked for"));
        }
        match context.printer.format {
            Format::Human => {}
            Format::Jsonl => {
                entries.iter().for_each(|entry| context.printer.answer(entry));
                return Ok(Exit::Done);
            }
            Format::Json | Format::Yaml => {
                context.printer.answer(&AuditLogAnswer { entries });
                return Ok(Exit::Done);
            }
        }
        for entry in &entries {
            let reason = entry.reason.as_ref().map(|reason| format!("  \"{}\"", safe(reason))).unwrap_or_default();
            let what = safe(&entry.what);
            context.printer.out(&format!(
                "{:>5}  {}  {}  {what}  [{}]{reason}",
                entry.sequence,
                entry.time,
                safe(&entry.rollout),
                safe(&entry.who)
            ));
            for evidence in &entry.evidence {
                context.printer.out(&format!(
                    "         rule {}: {}, since {}",
                    safe(&evidence.rule),
                    safe(&evidence.threshold),
                    evidence.since
                ));
                if let Some(Counted { before, number, threshold }) = &evidence.counted {
                    context
                        .printer
                        .out(&format!("           evidence {number}, before it {before}, fires at {threshold}"));
                }
                for SeriesRow { name, query, value } in &evidence.series {
                    context.printer.out(&format!("           {} = {value}   {}", safe(name), safe(query)));
                }
            }
        }
        Ok(Exit::Done)
    }
}

impl Verify {
    fn run(self, context: &Context, id: &str, records: &[Record]) -> Result<Exit, Failure> {
        let anchor = match &self.anchor {
            None => None,
            Some(text) => {
                let head = text.split_once(':').and_then(|(sequence, hash)| {
                    Some(Head { sequence: Sequence(sequence.parse().ok()?), hash: hash.to_owned() })
                });
                Some(head.ok_or_else(|| Failure::new(Exit::Usage, "a head is SEQUENCE:HASH"))?)
            }
        };
        let found = verify::verify(id, records, anchor.as_ref());
        context.printer.answer(&proof::verified(records.len(), &found));
        match found {
            Ok(head) => {
                if !context.printer.machine() {
                    context.printer.out(&format!("{} records, unbroken", records.len()));
                    context.printer.data(&format!("head: {}:{}", head.sequence.0, head.hash));
                    if anchor.is_none() {
                        let what = "a tail that was cut off shows only against a head that was written down elsewhere: keep \
                                    this one, and pass it back with --anchor";
                        context.printer.note(what);
                    }
                }
                Ok(Exit::Done)
            }
            Err(damage) => Err(Failure::new(Exit::AuditFailed, damage.to_string())),
        }
    }
}

impl Replay {
    fn run(self, context: &Context, records: &[Record]) -> Result<Exit, Failure> {
        let is_meant = |record: &&Record| {
            self.release.as_ref().is_none_or(|meant| record.new.stream.split('@').next() == Some(meant))
        };
        let meant: Vec<Record> = records.iter().filter(is_meant).cloned().collect();
        let found = replay::replay(&meant);
        context.printer.answer(&proof::replayed(&found));
        match found {
            Ok(Replayed { rollouts, inputs, events }) => {
                if !context.printer.machine() {
                    context.printer.out(&format!(
                        "{rollouts} rollouts, {inputs} inputs, {events} events: every decision comes out the same"
                    ));
                }
                Ok(Exit::Done)
            }
            Err(difference) => Err(Failure::new(Exit::AuditFailed, difference.to_string())),
        }
    }
}
