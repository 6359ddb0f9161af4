//! Journals of the simulated hosts: what is recorded, and a wrapper that locks, breaks and crashes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flagstaff::control::record::{FoldBody, Step};
use flagstaff::engine::{Command, EffectKind, Event, Input};
use flagstaff::journal::chain::{chain_hash, genesis_hash};
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::{DriverSeen, Head, Journal, JournalError, NewRecord, Record, Sequence};

use super::world::{Pid, Shared};

/// One host's journal, to be opened by each of its processes.
#[derive(Clone)]
pub(super) enum Ledger {
    /// A log in memory: quick.
    Memory(Memory),
    /// The real one.
    File(PathBuf),
}

impl Ledger {
    pub(super) fn open(&self) -> Box<dyn Journal> {
        match self {
            Ledger::Memory(memory) => Box::new(memory.clone()),
            Ledger::File(path) => Box::new(SqliteJournal::open(path).expect("a folder of our own")),
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

    fn could_append(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError> {
        let records = self.records.lock().expect("no step panics under the lock");
        Ok(records.iter().filter(|record| record.sequence > after).take(at_most).cloned().collect())
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

fn steps(records: &[NewRecord]) -> Vec<Step> {
    let bodies = records.iter().filter_map(|record| serde_json::from_str::<FoldBody>(&record.body).ok());
    bodies.flat_map(|body| body.steps).collect()
}

fn is_merge(records: &[NewRecord]) -> bool {
    let mut bodies = records.iter().filter_map(|record| serde_json::from_str::<FoldBody>(&record.body).ok());
    bodies.any(|body| !body.spooled.is_empty())
}

fn is_growth(event: &Event) -> bool {
    matches!(event, Event::Intended(effect) if effect.kind == EffectKind::Grow)
}

fn is_pause(step: &Step) -> bool {
    matches!(&step.input, Input::Command(issued) if issued.command == Command::Pause)
}

/// A journal that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leak {
    #[default]
    None,
    /// Says that it appended: only the process itself sees it ever again.
    Forgets,
    /// Says that it recorded a pause, and did not.
    SwallowsPauses,
    /// Appends whatever happened meanwhile.
    NeverConflicts,
}

/// A journal as one process sees it.
pub(super) struct Fallible {
    pub(super) leak: Leak,
    /// Where the process' own last append ended: that much it sees in any case.
    pub(super) floor: Sequence,
    /// Appended by this process and kept by nobody, for [`Leak::Forgets`].
    pub(super) own: Vec<Record>,
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

    fn keep_to_itself(&mut self, expected: Sequence, records: &[NewRecord]) -> Head {
        let known = self.inner.load(Sequence(0), usize::MAX).unwrap_or_default();
        let before = known.iter().chain(&self.own).rfind(|record| record.sequence == expected);
        let hash = before.map_or_else(|| genesis_hash(self.inner.id()), |record| record.hash.clone());
        let mut head = Head { sequence: expected, hash };
        for record in records {
            let sequence = Sequence(head.sequence.0 + 1);
            let hash = chain_hash(&head.hash, sequence, record);
            self.own.push(Record { sequence, new: record.clone(), hash: hash.clone() });
            head = Head { sequence, hash };
        }
        head
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
        let mut expected = expected;
        match self.leak {
            Leak::Forgets if steps(records).iter().any(|step| step.events.iter().any(is_growth)) => {
                return Ok(self.keep_to_itself(expected, records));
            }
            // not the merged ones: those are asked for until they are there
            Leak::SwallowsPauses if steps(records).iter().any(is_pause) && !is_merge(records) => {
                return self.inner.head();
            }
            Leak::NeverConflicts => expected = self.inner.head()?.sequence,
            _ => {}
        }
        match self.world.with(|inner| inner.faults.crash_at_append.remove(&self.pid)) {
            None => {
                let head = self.inner.append(expected, records)?;
                self.floor = head.sequence;
                Ok(head)
            }
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

    fn could_append(&mut self) -> Result<(), JournalError> {
        self.usable()
    }

    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError> {
        self.usable()?;
        let mut records = self.inner.load(after, at_most)?;
        // others append between a look and what follows from it
        if self.world.with(|inner| inner.faults.on && inner.rng.chance(100)) {
            let keep = self.world.with(|inner| inner.rng.below(records.len() as u64 + 1));
            let mut index = 0;
            records.retain(|record| {
                index += 1;
                index <= keep || record.sequence <= self.floor
            });
        }
        records.extend(self.own.iter().filter(|record| record.sequence > after).cloned());
        Ok(records)
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
