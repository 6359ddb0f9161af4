//! Port: the append-only, hash-chained event log; the audit trail.
//!
//! A journal knows records, not rollouts: it appends at an expected sequence and loads. What records mean is the
//! business of `control`.

use serde::{Deserialize, Serialize};

use crate::engine::{Span, Timestamp};

pub mod chain;
pub mod outbox;
pub mod spool;
pub mod sqlite;
pub mod verify;

/// Position in the journal: the first record is 1; 0 is before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// When it happened, by the writer's clock.
    pub at: Timestamp,
    /// The stream it belongs to: a rollout's id, or `freezes` …
    pub stream: String,
    /// What kind of record, for filters: `tick`, `command`, `plan` …
    pub kind: String,
    /// Canonical JSON, stored and hashed as these bytes.
    pub body: String,
}

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position.
    pub sequence: Sequence,
    /// What was appended.
    pub new: NewRecord,
    /// SHA-256 over the hash before it and its own canonical bytes, lower-case hexadecimal.
    pub hash: String,
}

/// The end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Position of the last record.
    pub sequence: Sequence,
    /// Its hash; the hash of the journal's id where there is none.
    pub hash: String,
}

/// Somebody who evaluates ticks. Not part of the chain: it says who drives now, not what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverSeen {
    /// `run`, `run --once`, `serve`.
    pub command: String,
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// When it last said so.
    pub alive: Timestamp,
    /// When it will have said so again; for `run --once`, which has ended by then, until when whoever runs it from time to
    /// time is taken for a driver: a quarter of an hour.
    pub next: Timestamp,
    /// `release@environment` of everything it drives.
    pub drives: Vec<String>,
}

impl DriverSeen {
    /// Whether it comes and goes: it is called from time to time for one pass, and is not there in between.
    pub fn comes_and_goes(&self) -> bool {
        self.command.contains("--once")
    }

    /// For people: `serve@host`; of one that comes and goes, when it was there last.
    pub fn told(&self, now: Timestamp) -> String {
        let name = format!("{}@{}", self.command, self.host);
        let ago = now.since(self.alive);
        match self.comes_and_goes() && ago >= Span::minutes(1) {
            true => format!("{name}, last {} min ago", ago.0 / Span::minutes(1).0),
            false => name,
        }
    }
}

/// Why the journal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody appended meanwhile; nothing was written. Load, judge again, append again.
    #[error("the journal went on to {} meanwhile", head.sequence.0)]
    Conflict {
        /// Where it is now.
        head: Head,
    },
    /// It is locked, unwritable, full, deleted, no journal at all …
    #[error("cannot use the journal {place}: {detail}")]
    Unusable {
        /// Which journal.
        place: String,
        /// What went wrong and what to do.
        detail: String,
    },
    /// A newer flagstaff wrote it.
    #[error("the journal {place} has format {found}, this flagstaff knows {known}")]
    Format {
        /// Which journal.
        place: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
}

/// An append-only, hash-chained log. Synchronous: one writer, short transactions.
pub trait Journal: Send {
    /// For people: the path.
    fn place(&self) -> String;

    /// Random, made with the journal; part of every stamp.
    fn id(&self) -> &str;

    /// Where it ends now.
    ///
    /// # Errors
    /// Anything but a conflict.
    fn head(&mut self) -> Result<Head, JournalError>;

    /// Appends all records in one durable commit if the journal still ends at `expected`, else none of them.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] where it went on meanwhile.
    fn append(&mut self, expected: Sequence, records: &[NewRecord]) -> Result<Head, JournalError>;

    /// Whether something could be appended now; nothing is.
    ///
    /// # Errors
    /// Anything but a conflict.
    fn could_append(&mut self) -> Result<(), JournalError>;

    /// What comes after a position, in order; at most so many records. After position 0 comes everything, records that were
    /// slipped in before the first one too (their position reads as 0).
    ///
    /// # Errors
    /// Anything but a conflict.
    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError>;

    /// Says who drives. Replaces what the same host and process said before.
    ///
    /// # Errors
    /// Anything but a conflict.
    fn heartbeat(&mut self, driver: &DriverSeen) -> Result<(), JournalError>;

    /// Takes back what [`Journal::heartbeat`] said.
    ///
    /// # Errors
    /// Anything but a conflict.
    fn retire(&mut self, driver: &DriverSeen) -> Result<(), JournalError>;

    /// Everybody who said so and has not taken it back.
    ///
    /// # Errors
    /// Anything but a conflict.
    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError>;
}
