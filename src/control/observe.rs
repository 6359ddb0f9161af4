//! Telling of everything that is asked, read and written outside of this process, for `-v`. The ports are wrapped, so that
//! nothing that decides knows whether somebody listens.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backend::{Backend, BackendError, Expose, Prepare, Standing};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::input::Observed;
use crate::engine::plan::{Audience, Query};
use crate::engine::{Exposure, Percentage, Span, Timestamp};
use crate::journal::{DriverSeen, Head, Journal, JournalError, NewRecord, Record, Sequence};
use crate::telemetry::{Answered, Behind, Source};

/// Something that was done.
#[derive(Debug)]
pub enum Did<'a> {
    /// Documents were read.
    Documents {
        /// How many files.
        files: usize,
        /// How many documents in them could be read.
        documents: usize,
    },
    /// A source was asked at one instant.
    Asked {
        /// Which one.
        source: &'a str,
        /// The queries.
        queries: &'a [Query],
        /// The instant.
        at: Timestamp,
        /// The answers, in the order of the queries.
        answers: &'a [Answered],
    },
    /// A source was asked for a range of instants.
    AskedRange {
        /// Which one.
        source: &'a str,
        /// The queries.
        queries: &'a [Query],
        /// The first instant.
        from: Timestamp,
        /// The last one.
        to: Timestamp,
        /// The rows that came back.
        rows: &'a [(Timestamp, Vec<Answered>)],
    },
    /// A source was asked whether metrics exist.
    Sought {
        /// Which one.
        source: &'a str,
        /// The queries.
        queries: &'a [Query],
        /// What is missing, in the order of the queries.
        found: &'a [Result<(), String>],
    },
    /// A metrics page was read.
    Page {
        /// Its address, without a user part.
        address: &'a str,
        /// How many samples are on it, or why it could not be read.
        read: Result<usize, &'a str>,
    },
    /// A flag was read at its backend.
    Read {
        /// Which backend.
        backend: &'a str,
        /// The flag's key.
        flag: &'a str,
        /// What is there.
        found: &'a Result<Observed, BackendError>,
    },
    /// An exposure was written.
    Exposed {
        /// Which backend.
        backend: &'a str,
        /// The flag's key.
        flag: &'a str,
        /// What was asked for.
        exposure: &'a Exposure,
        /// What came of it.
        done: &'a Result<(), BackendError>,
    },
    /// A flag was switched off.
    SwitchedOff {
        /// Which backend.
        backend: &'a str,
        /// The flag's key.
        flag: &'a str,
        /// What came of it.
        done: &'a Result<(), BackendError>,
    },
    /// Somebody looked how a flag stands.
    Stood {
        /// Which backend.
        backend: &'a str,
        /// The flag's key.
        flag: &'a str,
        /// How it stands.
        found: &'a Result<Standing, BackendError>,
    },
    /// A flag was made, or marked as ours.
    Prepared {
        /// Which backend.
        backend: &'a str,
        /// The flag's key.
        flag: &'a str,
        /// What came of it.
        done: &'a Result<(), BackendError>,
    },
    /// A backend or source was examined.
    Examined {
        /// Which one.
        place: &'a str,
        /// What was found.
        checks: &'a [Check],
    },
    /// The journal was read.
    Loaded {
        /// Which journal.
        journal: &'a str,
        /// How many records came, or why none.
        records: Result<usize, &'a JournalError>,
    },
    /// Records were appended in one durable commit.
    Appended {
        /// Which journal.
        journal: &'a str,
        /// How many records.
        records: usize,
        /// Where the journal ends now, or why nothing was written.
        head: Result<&'a Head, &'a JournalError>,
    },
}

/// Who is told.
pub trait Observer: Send + Sync {
    /// Something was done and took so long.
    fn did(&self, did: &Did<'_>, took: Span);
}

/// An observer with the clock that it measures by.
#[derive(Clone)]
pub(super) struct Ear {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
}

/// A port that tells.
struct Told<P: ?Sized> {
    port: Arc<P>,
    place: String,
    ear: Ear,
}

struct ToldJournal {
    journal: Box<dyn Journal>,
    place: String,
    ear: Ear,
}

impl Ear {
    pub(super) fn new(observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Ear {
        Ear { observer, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn did(&self, did: &Did<'_>, began: Timestamp) {
        self.observer.did(did, self.clock.now().since(began));
    }
}

/// A backend that tells, where somebody listens.
pub(super) fn backend(ear: Option<&Ear>, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    match ear {
        None => backend,
        Some(ear) => Arc::new(Told { place: backend.place(), port: backend, ear: ear.clone() }),
    }
}

/// A source that tells, where somebody listens.
pub(super) fn source(ear: Option<&Ear>, name: &str, source: Arc<dyn Source>) -> Arc<dyn Source> {
    match ear {
        None => source,
        Some(ear) => Arc::new(Told { place: format!("{name} ({})", source.place()), port: source, ear: ear.clone() }),
    }
}

/// A journal that tells, where somebody listens.
pub(super) fn journal(ear: Option<&Ear>, journal: Box<dyn Journal>) -> Box<dyn Journal> {
    match ear {
        None => journal,
        Some(ear) => Box::new(ToldJournal { place: journal.place(), journal, ear: ear.clone() }),
    }
}

impl Backend for Told<dyn Backend> {
    fn place(&self) -> String {
        self.port.place()
    }

    fn resolution(&self) -> Percentage {
        self.port.resolution()
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let found = self.port.read(flag, audiences).await;
            self.ear.did(&Did::Read { backend: &self.place, flag, found: &found }, began);
            found
        })
    }

    fn glance<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let found = self.port.glance(flag, audiences).await;
            self.ear.did(&Did::Read { backend: &self.place, flag, found: &found }, began);
            found
        })
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let done = self.port.expose(request).await;
            let (flag, exposure) = (request.flag.as_str(), &request.exposure);
            self.ear.did(&Did::Exposed { backend: &self.place, flag, exposure, done: &done }, began);
            done
        })
    }

    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        self.port.rehearse(request)
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let done = self.port.switch_off(flag).await;
            self.ear.did(&Did::SwitchedOff { backend: &self.place, flag, done: &done }, began);
            done
        })
    }

    fn standing<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let found = self.port.standing(flag).await;
            self.ear.did(&Did::Stood { backend: &self.place, flag, found: &found }, began);
            found
        })
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let began = self.ear.now();
            let done = self.port.prepare(request).await;
            self.ear.did(&Did::Prepared { backend: &self.place, flag: &request.flag, done: &done }, began);
            done
        })
    }

    fn examine<'a>(&'a self, clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async move {
            let began = self.ear.now();
            let checks = self.port.examine(clock).await;
            self.ear.did(&Did::Examined { place: &self.place, checks: &checks }, began);
            checks
        })
    }
}

impl Source for Told<dyn Source> {
    fn place(&self) -> String {
        self.port.place()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move {
            let began = self.ear.now();
            let answers = self.port.instant(queries, at).await;
            self.ear.did(&Did::Asked { source: &self.place, queries, at, answers: &answers }, began);
            answers
        })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            let began = self.ear.now();
            let rows = self.port.range(queries, from, to, every).await;
            self.ear.did(&Did::AskedRange { source: &self.place, queries, from, to, rows: &rows }, began);
            rows
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move {
            let began = self.ear.now();
            let found = self.port.exists(queries, at).await;
            self.ear.did(&Did::Sought { source: &self.place, queries, found: &found }, began);
            found
        })
    }

    fn trouble<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Option<String>>> {
        self.port.trouble(queries, at)
    }

    fn behind<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Behind>> {
        self.port.behind(queries, at)
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async move {
            let began = self.ear.now();
            let checks = self.port.examine().await;
            self.ear.did(&Did::Examined { place: &self.place, checks: &checks }, began);
            checks
        })
    }
}

impl Journal for ToldJournal {
    fn place(&self) -> String {
        self.journal.place()
    }

    fn id(&self) -> &str {
        self.journal.id()
    }

    fn head(&mut self) -> Result<Head, JournalError> {
        self.journal.head()
    }

    fn append(&mut self, expected: Sequence, records: &[NewRecord]) -> Result<Head, JournalError> {
        let began = self.ear.now();
        let head = self.journal.append(expected, records);
        let (journal, records) = (self.place.as_str(), records.len());
        self.ear.did(&Did::Appended { journal, records, head: head.as_ref() }, began);
        head
    }

    fn could_append(&mut self) -> Result<(), JournalError> {
        self.journal.could_append()
    }

    fn load(&mut self, after: Sequence, at_most: usize) -> Result<Vec<Record>, JournalError> {
        let began = self.ear.now();
        let loaded = self.journal.load(after, at_most);
        let records = loaded.as_ref().map(Vec::len);
        // looked into many times a second: only what came is told
        if !matches!(records, Ok(0)) {
            self.ear.did(&Did::Loaded { journal: &self.place, records }, began);
        }
        loaded
    }

    fn heartbeat(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.journal.heartbeat(driver)
    }

    fn retire(&mut self, driver: &DriverSeen) -> Result<(), JournalError> {
        self.journal.retire(driver)
    }

    fn drivers(&mut self) -> Result<Vec<DriverSeen>, JournalError> {
        self.journal.drivers()
    }
}
