use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::site::Opened;
use super::{Recorded, StopKind, StopOutcome, StopReport, StopSite};
use crate::backend::{Backend, BackendError, Expose, Prepare, Standing};
use crate::checkup::Check;
use crate::clock::{Answer, Clock, SystemClock};
use crate::engine::input::{Actor, MISSING, Observed};
use crate::engine::plan::Audience;
use crate::engine::{Exposure, Percentage, Span};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Pass,
    Fail,
    Hang,
}

/// A flag at a backend, and what becomes of its next calls; all others pass.
struct Inner {
    is_there: bool,
    percent: u32,
    glances: VecDeque<Fate>,
    offs: VecDeque<Fate>,
    log: Vec<&'static str>,
}

struct Fake(Mutex<Inner>);

impl Fake {
    fn with(percent: u32, glances: &[Fate], offs: &[Fate]) -> Arc<Fake> {
        let (glances, offs) = (glances.iter().copied().collect(), offs.iter().copied().collect());
        Arc::new(Fake(Mutex::new(Inner { is_there: true, percent, glances, offs, log: Vec::new() })))
    }

    fn log(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().log.clone()
    }

    fn error() -> BackendError {
        BackendError::Unreachable { place: "fake".to_owned(), detail: "status 503".to_owned() }
    }

    async fn answer<T>(&self, fate: Fate, pass: impl FnOnce(&mut Inner) -> T) -> Result<T, BackendError> {
        match fate {
            Fate::Pass => Ok(pass(&mut self.0.lock().unwrap())),
            Fate::Fail => Err(Fake::error()),
            Fate::Hang => std::future::pending().await,
        }
    }
}

impl Backend for Fake {
    fn place(&self) -> String {
        "fake".to_owned()
    }

    fn resolution(&self) -> Percentage {
        Percentage::whole(1)
    }

    fn read<'a>(
        &'a self,
        _flag: &'a str,
        _audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        // who did it, for instance: the search for its events hangs
        self.0.lock().unwrap().log.push("read");
        Box::pin(std::future::pending())
    }

    fn glance<'a>(
        &'a self,
        _flag: &'a str,
        _audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            let fate = {
                let mut inner = self.0.lock().unwrap();
                inner.log.push("glance");
                inner.glances.pop_front().unwrap_or(Fate::Pass)
            };
            let seen = |inner: &mut Inner| Observed {
                on: inner.is_there && inner.percent > 0,
                foreign: None,
                exposure: Exposure { percentage: Percentage::whole(inner.percent), ..Exposure::nobody() },
                stamp: None,
                other_hand: None,
                revision: if inner.is_there { String::new() } else { MISSING.to_owned() },
                unserved: None,
            };
            self.answer(fate, seen).await
        })
    }

    fn rehearse<'a>(&'a self, _: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn switch_off<'a>(&'a self, _flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let fate = {
                let mut inner = self.0.lock().unwrap();
                inner.log.push("off");
                inner.offs.pop_front().unwrap_or(Fate::Pass)
            };
            self.answer(fate, |inner| inner.percent = 0).await
        })
    }

    fn expose<'a>(&'a self, _request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Err(Fake::error()) })
    }

    fn standing<'a>(&'a self, _flag: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(async { Err(Fake::error()) })
    }

    fn prepare<'a>(&'a self, _request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Err(Fake::error()) })
    }

    fn examine<'a>(&'a self, _clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

fn site(dir: &Path, backends: &[(&str, &Arc<Fake>)]) -> StopSite {
    let backends = backends.iter().map(|(name, fake)| ((*name).to_owned(), Arc::clone(*fake) as Arc<dyn Backend>));
    let actor = Actor { name: "ana".to_owned(), known_by: "test".to_owned() };
    let store = Err("there is no journal".to_owned());
    StopSite::from_parts(dir, &dir.join("journal.db"), store, backends.collect(), Arc::new(SystemClock), actor)
}

/// A site whose journal is not there before somebody sends it.
fn hung(dir: &Path, backends: &[(&str, &Arc<Fake>)]) -> (StopSite, oneshot::Sender<Opened>) {
    let (journal, reading) = oneshot::channel();
    (site(dir, backends).still_reading(reading), journal)
}

async fn abort(site: &mut StopSite, timeout: Span) -> Vec<StopReport> {
    site.stop_everywhere("r", None, StopKind::Abort, None, timeout).await
}

fn tenth() -> StopOutcome {
    StopOutcome::Off { was: Some(Exposure { percentage: Percentage::whole(10), ..Exposure::nobody() }) }
}

#[tokio::test]
async fn while_the_journal_hangs_an_off_that_failed_is_sent_again_read_back_and_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::with(10, &[], &[Fate::Fail, Fate::Fail]);
    let (mut site, _journal) = hung(dir.path(), &[("here", &fake)]);
    let reports = abort(&mut site, Span::seconds(2)).await;
    assert_eq!(reports[0].outcome, tenth());
    assert_eq!(fake.log(), ["glance", "off", "glance", "off", "glance", "off", "glance"]);
    assert!(matches!(&reports[0].recorded, Recorded::Spool(why) if why.contains("still being read")), "{reports:?}");
    assert_eq!(site.waiting(), 1);
}

#[tokio::test]
async fn a_journal_that_hangs_is_waited_for_no_longer_than_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::with(10, &[], &[Fate::Fail; 100]);
    let (mut site, _journal) = hung(dir.path(), &[("here", &fake)]);
    let reports = abort(&mut site, Span::seconds(1)).await;
    assert!(matches!(&reports[0].outcome, StopOutcome::NotOff { why, .. } if why.contains("503")), "{reports:?}");
    assert_eq!(site.waiting(), 1);
    // nothing is known at all: no report, which is no success
    let (mut site, _journal) = hung(dir.path(), &[]);
    assert_eq!(abort(&mut site, Span(300)).await, []);
}

#[tokio::test]
async fn a_backend_that_hangs_keeps_no_other_from_being_switched_off_when_the_journal_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (hangs, works) = (Fake::with(10, &[], &[Fate::Hang]), Fake::with(10, &[], &[]));
    let (mut site, journal) = hung(dir.path(), &[("here", &hangs), ("there", &works)]);
    journal.send(Err("it is damaged".to_owned())).map_err(|_| "nobody reads").unwrap();
    let reports = abort(&mut site, Span::seconds(2)).await;
    // what was seen before the first off is what was before, however often it was sent
    assert_eq!(reports.iter().filter(|report| report.outcome == tenth()).count(), 2, "{reports:?}");
    assert!(reports.iter().all(|report| report.recorded == Recorded::Spool("it is damaged".to_owned())));
    assert_eq!(site.waiting(), 2, "one for each, and none twice");
}

#[tokio::test]
async fn an_off_waits_for_no_look_that_hangs_and_claims_nothing_that_was_not_seen() {
    for (glances, percent, expected) in [
        (&[][..], 10, tenth()),
        (&[], 0, StopOutcome::AlreadyOff),
        // on or off before: nobody saw it
        (&[Fate::Hang], 10, StopOutcome::Off { was: None }),
        (&[Fate::Hang], 0, StopOutcome::Off { was: None }),
        (&[Fate::Fail], 10, StopOutcome::Off { was: None }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::with(percent, glances, &[]);
        let reports = abort(&mut site(dir.path(), &[("here", &fake)]), Span::seconds(1)).await;
        assert_eq!(reports[0].outcome, expected, "{glances:?} {percent}");
        assert_eq!(fake.log(), ["glance", "off", "glance"], "{glances:?} {percent}");
    }
}

#[tokio::test]
async fn a_flag_that_is_nowhere_is_not_said_to_be_off() {
    for (glances, log) in [(&[][..], &["glance"][..]), (&[Fate::Hang], &["glance", "off", "glance"])] {
        let dir = tempfile::tempdir().unwrap();
        let fake = Fake::with(0, glances, &[]);
        fake.0.lock().unwrap().is_there = false;
        let reports = abort(&mut site(dir.path(), &[("here", &fake)]), Span::seconds(1)).await;
        assert_eq!(reports[0].outcome, StopOutcome::NoSuchFlag, "{glances:?}");
        assert_eq!(fake.log(), log);
        // with a journal that hangs it may be a release of another key
        let fake = Fake::with(0, glances, &[]);
        fake.0.lock().unwrap().is_there = false;
        let (mut site, _journal) = hung(dir.path(), &[("here", &fake)]);
        let reports = abort(&mut site, Span(600)).await;
        assert!(matches!(&reports[0].outcome, StopOutcome::NotOff { why, .. } if why.contains("name the flag's key")));
    }
}

#[tokio::test]
async fn a_pause_of_what_the_documents_name_does_not_wait_for_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::with(10, &[], &[]);
    let (mut site, _journal) = hung(dir.path(), &[("here", &fake)]);
    let reports = site.stop_everywhere("r", Some("here"), StopKind::Pause, None, Span::minutes(60)).await;
    assert!(matches!(&reports[0].outcome, StopOutcome::Paused { still: Some(_) }), "{reports:?}");
    assert!(matches!(&reports[0].recorded, Recorded::Spool(_)));
    assert_eq!(site.waiting(), 1);
    assert_eq!(fake.log(), ["glance"]);
}
