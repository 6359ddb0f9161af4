//! The journal in an SQLite file: append-only, hash-chained, readable with the `sqlite3` tool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::chain::{chain_hash, genesis_hash};
use super::{DriverSeen, Head, Journal, JournalError, NewRecord, Record, Sequence};
use crate::engine::Timestamp;

/// Format of the tables; refused if newer.
const FORMAT: u32 = 1;
/// How long an operation waits for another process.
pub const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS records (
  sequence INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  stream TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS drivers (
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (host, pid)
) STRICT;
CREATE TRIGGER IF NOT EXISTS records_are_never_changed BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS records_are_never_removed BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE VIEW IF NOT EXISTS log AS
  SELECT sequence, strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch') AS time, stream, kind, body FROM records;
";

/// A journal file.
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    path: PathBuf,
    /// The file that is open, told apart from another one under the same path.
    file: Option<(u64, u64)>,
    id: String,
}

impl SqliteJournal {
    /// Opens the journal, making it (and its folder, readable by the owner alone) where there is none.
    ///
    /// # Errors
    /// Anything that keeps it from being used, with what to do.
    pub fn open(path: &Path) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::open_within(path, PATIENCE)
    }

    /// As [`SqliteJournal::open`]; no operation waits longer than `patience` for another process.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub fn open_within(path: &Path, patience: Duration) -> Result<SqliteJournal, JournalError> {
        let fail = |detail: String| JournalError::Unusable { place: path.display().to_string(), detail };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            make_private_folder(folder).map_err(|error| fail(format!("cannot make its folder: {error}")))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| fail(explain(&error)))?;
        SqliteJournal::prepare(connection, path, patience)
    }

    /// Opens an existing journal; `None` where there is none.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`].
    pub fn open_existing(path: &Path, patience: Duration) -> Result<Option<SqliteJournal>, JournalError> {
        if path.try_exists().unwrap_or(true) { SqliteJournal::open_within(path, patience).map(Some) } else { Ok(None) }
    }

    /// As [`SqliteJournal::open_existing`], for whoever only looks: an empty file is none, and nothing is made a journal that
    /// is not one.
    ///
    /// # Errors
    /// As [`SqliteJournal::open`], and for a database of somebody else's.
    pub fn look(path: &Path, patience: Duration) -> Result<Option<SqliteJournal>, JournalError> {
        if !path.try_exists().unwrap_or(true) {
            return Ok(None);
        }
        let fail = |detail: String| JournalError::Unusable { place: path.display().to_string(), detail };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| fail(explain(&error)))?;
        let count = |query: &str| {
            let found = connection.query_row(query, [], |row| row.get::<_, u32>(0));
            found.map_err(|error| fail(explain(&error)))
        };
        connection.busy_timeout(patience).map_err(|error| fail(explain(&error)))?;
        match (count("PRAGMA user_version")?, count("SELECT count(*) FROM sqlite_schema")?) {
            (0, 0) => Ok(None),
            (0, _) => Err(fail("it is a database, and no journal; point `journal:` at another file".to_owned())),
            _ => SqliteJournal::prepare(connection, path, patience).map(Some),
        }
    }

    fn prepare(mut connection: Connection, path: &Path, patience: Duration) -> Result<SqliteJournal, JournalError> {
        let place = path.display().to_string();
        let fail = |error: rusqlite::Error| JournalError::Unusable { place: place.clone(), detail: explain(&error) };
        connection.busy_timeout(patience).map_err(fail)?;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail)?;
        if found > FORMAT {
            return Err(JournalError::Format { place, found, known: FORMAT });
        }
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
        if found < FORMAT {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
            transaction.execute_batch(SCHEMA).map_err(fail)?;
            // two processes may race to make it: the first id stays
            transaction
                .execute("INSERT OR IGNORE INTO meta VALUES ('id', lower(hex(randomblob(8))))", [])
                .map_err(fail)?;
            transaction.pragma_update(None, "user_version", FORMAT).map_err(fail)?;
            transaction.commit().map_err(fail)?;
        }
        let id = connection.query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| row.get(0)).map_err(fail)?;
        Ok(SqliteJournal { connection, path: path.to_owned(), file: identity(path), id })
    }

    fn fail(&self, error: &rusqlite::Error) -> JournalError {
        JournalError::Unusable { place: self.place(), detail: explain(error) }
    }

    /// A journal that was deleted or replaced under an open connection would swallow what is written to it.
    fn still_there(&self) -> Result<(), JournalError> {
        let detail = match identity(&self.path) {
            found @ Some(_) if found == self.file => return Ok(()),
            Some(_) => "another file stands in its place; end this process, and restore the journal from a copy",
            None => "it was deleted; restore it from a copy",
        };
        Err(JournalError::Unusable { place: self.place(), detail: detail.to_owned() })
    }
}

impl Journal for SqliteJournal {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn head(&mut self) -> Result<Head, JournalError> {
        self.still_there()?;
        read_head(&self.connection, &self.id).map_err(|error| self.fail(&error))
    }

    fn append(&mut self, expected: Sequence, records: &[NewRecord]) -> Result<Head, JournalError> {
        self.still_there()?;
        let place = self.place();
        let fail = |error: rusqlite::Error| JournalError::Unusable { place: place.clone(), detail: explain(&error) };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let mut head = read_head(&transaction, &self.id).map_err(fail)?;
        if head.sequence != expected {
            return Err(JournalError::Conflict { head });
        }
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)").map_err(fail)?;
            for record in records {
                let sequence = Sequence(head.sequence.0 + 1);
                let hash = chain_hash(&head.hash, sequence, record);
                insert
                    .execute(params![sequence.0 as i64, record.at.0, record.stream, record.kind, record.body, hash])
                    .map_err(fail)?;
                head = Head { sequence, hash };
            }
        }
        transaction.commit().map_err(fail)?;
        Ok(head)
    }

    fn could_append(&mut self) -> Result<(), JournalError> {
        self.still_there()?;
        // the write lock and nothing else: rolled back, it leaves no trace
        let lock = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        lock.and_then(rusqlite::Transaction::rollback)
            .map_err(|error| JournalError::Unusable { place: self.path.display().to_string(), detail: explain(&error) })
    }

    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError> {
        self.still_there()?;
        let read = || -> rusqlite::Result<Vec<Record>> {
            let mut select = self.connection.prepare_cached(
                "SELECT sequence, at, stream, kind, body, hash FROM records WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let after = if after.0 == 0 { i64::MIN } else { i64::try_from(after.0).unwrap_or(i64::MAX) };
            let rows = select.query_map([after, i64::try_from(at_most).unwrap_or(i64::MAX)], |row| {
                Ok(Record {
                    sequence: Sequence(u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0)),
                    new: NewRecord {
                        at: Timestamp(row.get(1)?),
                        stream: row.get(2)?,
                        kind: row.get(3)?,
                        body: row.get(4)?,
                    },
                    hash: row.get(5)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.fail(&error))
    }

    fn heartbeat(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.still_there()?;
        let body = serde_json::to_string(driver)
            .map_err(|error| JournalError::Unusable { place: self.place(), detail: error.to_string() })?;
        self.connection
            .execute("INSERT OR REPLACE INTO drivers VALUES (?1, ?2, ?3)", params![driver.host, driver.pid, body])
            .map(|_| ())
            .map_err(|error| self.fail(&error))
    }

    fn retire(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.still_there()?;
        self.connection
            .execute("DELETE FROM drivers WHERE host = ?1 AND pid = ?2", params![driver.host, driver.pid])
            .map(|_| ())
            .map_err(|error| self.fail(&error))
    }

    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError> {
        self.still_there()?;
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut select = self.connection.prepare_cached("SELECT body FROM drivers ORDER BY host, pid")?;
            select.query_map([], |row| row.get(0))?.collect()
        };
        let bodies = read().map_err(|error| self.fail(&error))?;
        // what an older or newer flagstaff said of itself in another shape is not worth failing for
        Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect())
    }
}

fn read_head(connection: &Connection, id: &str) -> rusqlite::Result<Head> {
    let last = connection
        .prepare_cached("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1")?
        .query_row([], |row| Ok(Head { sequence: Sequence(row.get::<_, i64>(0)?.unsigned_abs()), hash: row.get(1)? }))
        .optional()?;
    Ok(last.unwrap_or_else(|| Head { sequence: Sequence(0), hash: genesis_hash(id) }))
}

/// What tells a file from another one under the same path.
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// What went wrong, and what to do about it.
fn explain(error: &rusqlite::Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another process holds its lock",
        Some(ErrorCode::NotADatabase) => "it is no SQLite database; point `journal:` at another file",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged; `flagstaff audit verify` says where, restore a copy",
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "it cannot be opened for writing; check the permissions of the file and its folder"
        }
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}
