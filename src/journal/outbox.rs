//! Beside the journal: how far it has been told to others, and what waits to be. An SQLite file of its own, and no part of the
//! chain: whoever loses it loses messages and no record.
//!
//! One process has it at a time, by a lock on a file beside it that ends with the process, however that ends.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Head, Sequence};
use crate::engine::Timestamp;

/// Format of the tables; refused if newer.
const FORMAT: u32 = 1;
/// Nobody else writes there: whatever holds it that long is no process of ours.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many messages wait for one receiver; of more the oldest are given up.
pub const WAIT_AT_MOST: u64 = 10_000;

const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE receivers (name TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT;
CREATE TABLE standings (stream TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  receiver TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (receiver, id)
) STRICT;
CREATE INDEX messages_by_receiver ON messages (receiver, number);
";

/// The file could not be used, and why; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {}: {detail}", place.display())]
pub struct OutboxError {
    place: PathBuf,
    detail: String,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What tells it from every other message.
    pub id: String,
    /// When what it tells of was recorded.
    pub at: Timestamp,
    /// What it says, as it was put in.
    pub body: String,
}

/// What one look at the journal came to: kept whole, or not at all.
#[derive(Debug, Default)]
pub struct Found {
    /// By stream: what is to be remembered of it.
    pub standings: BTreeMap<String, String>,
    /// In the journal's order.
    pub messages: Vec<NewMessage>,
}

/// A message for one receiver.
#[derive(Debug)]
pub struct NewMessage {
    /// The receiver.
    pub receiver: String,
    /// What tells it from every other message.
    pub id: String,
    /// When what it tells of was recorded.
    pub at: Timestamp,
    /// What it says.
    pub body: String,
}

/// The file, which nobody else has meanwhile.
#[derive(Debug)]
pub struct Outbox {
    connection: Connection,
    place: PathBuf,
    /// Held for as long as this lives.
    _lock: File,
}

impl Outbox {
    /// Where the one of a journal is.
    pub fn beside(journal: &Path) -> PathBuf {
        with(journal, ".notifications")
    }

    /// Opens it, made where there is none; nothing where another process has it.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn take(place: &Path) -> Result<Option<Outbox>, OutboxError> {
        let fail = |detail: String| OutboxError { place: place.to_owned(), detail };
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(with(place, ".lock"));
        let lock = lock.map_err(|error| fail(format!("its lock: {error}")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(fail(format!("its lock: {error}"))),
        }
        let connection = prepare(place).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                fail(format!("it is damaged; remove it, and what happens from then on is told ({error})"))
            }
            _ => fail(error.to_string()),
        })?;
        let found: u32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| fail(error.to_string()))?;
        if found > FORMAT {
            return Err(fail(format!("it has format {found}, this flagstaff knows {FORMAT}")));
        }
        Ok(Some(Outbox { connection, place: place.to_owned(), _lock: lock }))
    }

    fn kept<T>(&self, result: rusqlite::Result<T>) -> Result<T, OutboxError> {
        result.map_err(|error| OutboxError { place: self.place.clone(), detail: error.to_string() })
    }

    /// The journal that it is about, by its id, and how far that was read; nothing in a new one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn journal(&self) -> Result<Option<(String, Head)>, OutboxError> {
        let meta = |key: &str| {
            let query = "SELECT value FROM meta WHERE key = ?1";
            self.connection.query_row(query, [key], |row| row.get::<_, String>(0)).optional()
        };
        let read = || -> rusqlite::Result<_> { Ok((meta("journal")?, meta("sequence")?, meta("hash")?)) };
        Ok(match self.kept(read())? {
            (Some(id), Some(sequence), Some(hash)) => {
                Some((id, Head { sequence: Sequence(sequence.parse().unwrap_or(0)), hash }))
            }
            _ => None,
        })
    }

    /// Is about this journal from now on, of which nothing was read yet. Receivers begin anew after `since`; what waits
    /// for them waits on.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn begin(&mut self, journal: &str, head: &Head, since: Sequence) -> Result<(), OutboxError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM standings", [])?;
            transaction.execute("UPDATE receivers SET since = ?1", [stored(since)])?;
            transaction.execute("INSERT OR REPLACE INTO meta VALUES ('journal', ?1)", [journal])?;
            read_to(transaction, head)
        })
    }

    /// What is remembered of each stream.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn standings(&self) -> Result<BTreeMap<String, String>, OutboxError> {
        let read = || {
            let mut select = self.connection.prepare("SELECT stream, body FROM standings")?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        self.kept(read())
    }

    /// Every receiver, and after which record it is told.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn receivers(&self) -> Result<BTreeMap<String, Sequence>, OutboxError> {
        let read = || {
            let mut select = self.connection.prepare("SELECT name, since FROM receivers")?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Sequence(row.get::<_, i64>(1)?.unsigned_abs())));
            select.query_map([], row)?.collect()
        };
        self.kept(read())
    }

    /// Has these receivers: new ones are told what comes after `since`; others are forgotten with what waits for them, where
    /// that is wanted.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn set_receivers(&mut self, names: &[&str], since: Sequence, forget: bool) -> Result<(), OutboxError> {
        let known = self.receivers()?;
        let is_gone = |name: &&String| forget && !names.contains(&name.as_str());
        let gone: Vec<&String> = known.keys().filter(is_gone).collect();
        let new: Vec<&&str> = names.iter().filter(|name| !known.contains_key(**name)).collect();
        if gone.is_empty() && new.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for name in gone {
                transaction.execute("DELETE FROM receivers WHERE name = ?1", [name])?;
                transaction.execute("DELETE FROM messages WHERE receiver = ?1", [name])?;
            }
            for name in new {
                transaction.execute("INSERT INTO receivers VALUES (?1, ?2)", params![name, stored(since)])?;
            }
            Ok(())
        })
    }

    /// Keeps what was found up to a head. Returns how many of the oldest messages were given up for each receiver because too
    /// many wait for it.
    ///
    /// # Errors
    /// A file that cannot be written: nothing of it is kept then.
    pub fn keep(&mut self, head: &Head, found: &Found) -> Result<BTreeMap<String, u64>, OutboxError> {
        let mut given_up = BTreeMap::new();
        self.write(|transaction| {
            for (stream, body) in &found.standings {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO standings VALUES (?1, ?2)")?
                    .execute(params![stream, body])?;
            }
            for NewMessage { receiver, id, at, body } in &found.messages {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO messages (receiver, id, at, body) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![receiver, id, at.0, body])?;
                given_up.entry(receiver.clone()).or_insert(0);
            }
            for (receiver, count) in &mut given_up {
                let too_many = "DELETE FROM messages WHERE receiver = ?1 AND number <=
                    (SELECT number FROM messages WHERE receiver = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
                let most = i64::try_from(WAIT_AT_MOST).unwrap_or(i64::MAX);
                *count = transaction.execute(too_many, params![receiver, most])? as u64;
            }
            read_to(transaction, head)
        })?;
        given_up.retain(|_, count| *count > 0);
        Ok(given_up)
    }

    /// The message that is next for a receiver.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn next(&self, receiver: &str) -> Result<Option<Waiting>, OutboxError> {
        let read = || {
            let query = "SELECT id, at, body FROM messages WHERE receiver = ?1 ORDER BY number LIMIT 1";
            let mut select = self.connection.prepare_cached(query)?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Waiting { id: row.get(0)?, at: Timestamp(row.get(1)?), body: row.get(2)? })
            };
            select.query_row([receiver], row).optional()
        };
        self.kept(read())
    }

    /// How many messages wait for a receiver.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn waiting(&self, receiver: &str) -> Result<u64, OutboxError> {
        let count = "SELECT count(*) FROM messages WHERE receiver = ?1";
        let read = || self.connection.prepare_cached(count)?.query_row([receiver], |row| row.get::<_, i64>(0));
        Ok(self.kept(read())?.unsigned_abs())
    }

    /// A message waits no more for a receiver.
    ///
    /// # Errors
    /// A file that cannot be written: it waits on then.
    pub fn done(&mut self, receiver: &str, id: &str) -> Result<(), OutboxError> {
        let delete = "DELETE FROM messages WHERE receiver = ?1 AND id = ?2";
        self.write(|transaction| transaction.execute(delete, [receiver, id]).map(|_| ()))
    }

    /// What a receiver was to be told of before an instant waits no more. Returns how much that was.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn give_up(&mut self, receiver: &str, before: Timestamp) -> Result<u64, OutboxError> {
        let mut count = 0;
        self.write(|transaction| {
            let old = "DELETE FROM messages WHERE receiver = ?1 AND at < ?2";
            count = transaction.execute(old, params![receiver, before.0])? as u64;
            Ok(())
        })?;
        Ok(count)
    }

    fn write(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), OutboxError> {
        let written = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            change(&transaction)?;
            transaction.commit()
        };
        let written = written();
        self.kept(written)
    }
}

/// A path with more behind its name: two journals of one folder have two of these.
fn with(path: &Path, more: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(more);
    whole.into()
}

fn prepare(place: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(place)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(connection)
}

fn read_to(transaction: &Transaction<'_>, head: &Head) -> rusqlite::Result<()> {
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('sequence', ?1)", [head.sequence.0.to_string()])?;
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('hash', ?1)", [&head.hash])?;
    Ok(())
}

fn stored(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(receiver: &str, number: u64) -> NewMessage {
        let (receiver, id, at) = (receiver.to_owned(), format!("id-{number}"), Timestamp(number as i64));
        NewMessage { receiver, id, at, body: format!("body {number}") }
    }

    fn head(sequence: u64) -> Head {
        Head { sequence: Sequence(sequence), hash: format!("hash {sequence}") }
    }

    #[test]
    fn one_has_it_until_it_lets_go_and_what_it_kept_is_there_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let place = Outbox::beside(&folder.path().join("journal.db"));
        assert!(place.ends_with("journal.db.notifications"), "{}", place.display());
        let mut first = Outbox::take(&place).unwrap().expect("nobody has it");
        assert!(Outbox::take(&place).unwrap().is_none(), "one has it");
        assert_eq!(first.journal(), Ok(None));
        first.begin("j", &head(0), Sequence(0)).unwrap();
        first.set_receivers(&["a", "b"], Sequence(3), true).unwrap();
        let messages = vec![message("a", 1), message("b", 1), message("a", 2), message("a", 1)];
        let standings = BTreeMap::from([("s".to_owned(), "{}".to_owned())]);
        assert_eq!(first.keep(&head(7), &Found { standings, messages }), Ok(BTreeMap::new()));
        drop(first);
        let mut second = Outbox::take(&place).unwrap().expect("it was let go");
        assert_eq!(second.journal(), Ok(Some(("j".to_owned(), head(7)))));
        assert_eq!(second.standings().unwrap().len(), 1);
        assert_eq!((second.waiting("a"), second.waiting("b")), (Ok(2), Ok(1)), "the same one waits once");
        let next = second.next("a").unwrap().unwrap();
        assert_eq!(next.body, "body 1");
        second.done("a", &next.id).unwrap();
        assert_eq!(second.next("a").unwrap().unwrap().body, "body 2");
        // one that is gone is forgotten, and begins anew when it is back
        second.set_receivers(&["b"], Sequence(9), false).unwrap();
        assert!(second.next("a").unwrap().is_some(), "not where that may be a slip of the pen");
        second.set_receivers(&["b"], Sequence(9), true).unwrap();
        second.set_receivers(&["a", "b"], Sequence(9), true).unwrap();
        let since = BTreeMap::from([("a".to_owned(), Sequence(9)), ("b".to_owned(), Sequence(3))]);
        assert_eq!((second.receivers(), second.next("a")), (Ok(since), Ok(None)));
        assert_eq!(second.give_up("b", Timestamp(2)), Ok(1));
    }

    #[test]
    fn of_too_many_the_oldest_are_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::take(&folder.path().join("o.db")).unwrap().unwrap();
        outbox.set_receivers(&["a"], Sequence(0), true).unwrap();
        let messages = (1..=WAIT_AT_MOST + 3).map(|number| message("a", number)).collect();
        let given_up = outbox.keep(&head(1), &Found { messages, ..Found::default() }).unwrap();
        assert_eq!(given_up, BTreeMap::from([("a".to_owned(), 3)]));
        assert_eq!(outbox.waiting("a"), Ok(WAIT_AT_MOST));
        assert_eq!(outbox.next("a").unwrap().unwrap().body, "body 4");
    }

    #[test]
    fn what_is_no_file_of_ours_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("o.db");
        std::fs::write(&place, "something else, of some length, that is no database at all\n".repeat(50)).unwrap();
        let why = Outbox::take(&place).unwrap_err().to_string();
        assert!(why.contains("remove it") && why.contains("o.db"), "{why}");
        assert!(std::fs::read_to_string(&place).unwrap().starts_with("something else"));
    }
}
