//! Journals of the simulated hosts: what is recorded, and a wrapper that locks, breaks and crashes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flagstaff::engine::{Event, Input, Plan};
use flagstaff::journal::chain::{chain_hash, genesis_hash};
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::{DriverSeen, Head, Journal, JournalError, NewRecord, Record, Sequence};
use serde::{Deserialize, Serialize};

use super::world::{Pid, Shared};

/// A record's body: an input with everything it was answered with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// With the first record of a stream.
    pub(super) plan: Option<Plan>,
    pub(super) input: Input,
    pub(super) events: Vec<Event>,
}

/// One host's journal, to be opened by each of its processes.
#[derive(Clone)]
pub(super) enum Store {
    /// A log in memory: quick.
    Memory(Memory),
    /// The real one.
    File(PathBuf),
}

impl Store {
    pub(super) fn open(&self) -> Box<dyn Journal> {
        match self {
            Store::Memory(memory) => Box::new(memory.clone()),
            Store::File(path) => Box::new(SqliteJournal::open(path).expect("a folder of our own")),
        }
    }
}

/// A log in memory, chained like the real one.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    id: String,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Memory {
    pub(super) fn new(host: usize) -> Memory {
        Memory { id: format!("journal-{host}"), records: Arc::default() }
    }

    /// Changes the past: broken on purpose.
    pub(super) fn tamper(&self) {
        let mut records = self.records.lock().expect("no step panics under the lock");
        if let Some(record) = records.first_mut() {
            record.new.at.0 += 1;
        }
    }
}

impl Journal for Memory {
    fn place(&self) -> String {
        self.id.clone()
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn head(&mut self) -> Result<Head, JournalError> {
        let records = self.records.lock().expect("no step panics under the lock");
        Ok(records.last().map_or_else(
            || Head { sequence: Sequence(0), hash: genesis_hash(&self.id) },
            |last| Head { sequence: last.sequence, hash: last.hash.clone() },
        ))
    }

    fn append(&mut self, expected: Sequence, new: &[NewRecord]) -> Result<Head, JournalError> {
        let mut head = self.head()?;
        if head.sequence != expected {
            return Err(JournalError::Conflict { head });
        }
        let mut records = self.records.lock().expect("no step panics under the lock");
        for record in new {
            let sequence = Sequence(head.sequence.0 + 1);
            let hash = chain_hash(&head.hash, sequence, record);
            records.push(Record { sequence, new: record.clone(), hash: hash.clone() });
            head = Head { sequence, hash };
        }
        Ok(head)
    }

    fn load(&mut self, after: Sequence) -> Result<Vec<Record>, JournalError> {
        let records = self.records.lock().expect("no step panics under the lock");
        Ok(records.iter().filter(|record| record.sequence > after).cloned().collect())
    }

    fn heartbeat(&mut self, _: &DriverSeen) -> Result<(), JournalError> {
        Ok(())
    }

    fn retire(&mut self, _: &DriverSeen) -> Result<(), JournalError> {
        Ok(())
    }

    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError> {
        Ok(Vec::new())
    }
}

/// A journal as one process sees it.
pub(super) struct Fallible {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
    pub(super) inner: Box<dyn Journal>,
}

impl Fallible {
    fn usable(&self) -> Result<(), JournalError> {
        let broken = self.world.with(|inner| {
            let down = inner.faults.journal_down.get(&self.host).copied().unwrap_or(i64::MIN);
            inner.now < down || inner.doomed.contains(&self.pid)
        });
        if broken { Err(self.unusable("it is locked")) } else { Ok(()) }
    }

    fn unusable(&self, detail: &str) -> JournalError {
        JournalError::Unusable { place: self.inner.place(), detail: detail.to_owned() }
    }
}

impl Journal for Fallible {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn id(&self) -> &str {
        self.inner.id()
    }

    fn head(&mut self) -> Result<Head, JournalError> {
        self.usable()?;
        self.inner.head()
    }

    fn append(&mut self, expected: Sequence, records: &[NewRecord]) -> Result<Head, JournalError> {
        self.usable()?;
        match self.world.with(|inner| inner.faults.crash_at_append.remove(&self.pid)) {
            None => self.inner.append(expected, records),
            Some(after) => {
                if after {
                    let _ = self.inner.append(expected, records);
                }
                self.world.with(|inner| {
                    inner.doomed.insert(self.pid);
                    inner.say(format!("p{} dies {} an append", self.pid, if after { "after" } else { "before" }));
                });
                Err(self.unusable("the process is gone"))
            }
        }
    }

    fn load(&mut self, after: Sequence) -> Result<Vec<Record>, JournalError> {
        self.usable()?;
        self.inner.load(after)
    }

    fn heartbeat(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.usable()?;
        self.inner.heartbeat(driver)
    }

    fn retire(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.usable()?;
        self.inner.retire(driver)
    }

    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError> {
        self.usable()?;
        self.inner.drivers()
    }
}
