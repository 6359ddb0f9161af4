//! Time, a source and a backend that do what a test says: no sleep is real, and whoever hangs hangs for ever.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use flagstaff::backend::{Backend, BackendError, Expose, Prepare, Standing, Switch};
use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock};
use flagstaff::control::Site;
use flagstaff::engine::decimal::Decimal;
use flagstaff::engine::input::{MISSING, Observed};
use flagstaff::engine::plan::{Audience, Query};
use flagstaff::engine::{Actor, Exposure, Percentage, Reading, Span, Timestamp};
use flagstaff::telemetry::{Answered, Source};

/// A clock that moves on when nobody has anything to do before the next one who sleeps.
pub(crate) struct Virtual(Mutex<(Timestamp, Vec<(Timestamp, Waker)>)>);

struct Flag(std::sync::atomic::AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Virtual {
    pub(crate) fn at(now: Timestamp) -> Arc<Virtual> {
        Arc::new(Virtual(Mutex::new((now, Vec::new()))))
    }

    /// What comes of it, unless the time is up.
    pub(crate) fn run<T>(&self, until: Timestamp, future: impl Future<Output = T>) -> Option<T> {
        let (flag, mut future) = (Arc::new(Flag(true.into())), std::pin::pin!(future));
        let waker = Waker::from(flag.clone());
        loop {
            while flag.0.swap(false, std::sync::atomic::Ordering::SeqCst) {
                if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Some(done);
                }
            }
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let next = inner.1.iter().map(|(at, _)| *at).min().expect("somebody sleeps");
            if next > until {
                return None;
            }
            inner.0 = inner.0.max(next);
            let (due, later) = std::mem::take(&mut inner.1).into_iter().partition(|(at, _)| *at <= next);
            inner.1 = later;
            let due: Vec<(Timestamp, Waker)> = due;
            drop(inner);
            due.into_iter().for_each(|(_, waker)| waker.wake());
        }
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(std::future::poll_fn(move |context| {
            let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.0 >= instant {
                return Poll::Ready(());
            }
            inner.1.push((instant, context.waker().clone()));
            Poll::Pending
        }))
    }
}

/// What happened, and when.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<(Timestamp, String)>>);

impl Log {
    pub(crate) fn say(&self, at: Timestamp, what: impl Into<String>) {
        self.0.lock().unwrap().push((at, what.into()));
    }

    pub(crate) fn all(&self, what: &str) -> Vec<Timestamp> {
        let log = self.0.lock().unwrap();
        log.iter().filter(|(_, said)| said == what).map(|(at, _)| *at).collect()
    }
}

/// How something behaves; changed while it is used.
#[derive(Default, Clone)]
pub(crate) struct Ways {
    /// From then on reads do not come back.
    pub(crate) reads_hang_from: Option<Timestamp>,
    /// From then on stops do not come back.
    pub(crate) stops_hang_from: Option<Timestamp>,
    /// So long each call takes.
    pub(crate) takes: Span,
    /// What reads end with.
    pub(crate) read: Option<BackendError>,
    /// What writes end with.
    pub(crate) expose: Option<BackendError>,
    /// What shutdowns end with.
    pub(crate) off: Option<BackendError>,
    /// What looks at how flags stand end with.
    pub(crate) standing: Option<BackendError>,
    /// Which flag may not be prepared.
    pub(crate) forbidden: Option<String>,
}

/// A backend.
pub(crate) struct Model {
    name: String,
    clock: Arc<dyn Clock>,
    pub(crate) log: Arc<Log>,
    pub(crate) ways: Mutex<Ways>,
    flags: Mutex<BTreeMap<String, Observed>>,
}

impl Model {
    pub(crate) fn new(name: &str, clock: Arc<dyn Clock>) -> Arc<Model> {
        Arc::new(Model {
            name: name.to_owned(),
            clock,
            log: Arc::default(),
            ways: Mutex::default(),
            flags: Mutex::default(),
        })
    }

    pub(crate) fn unreachable(&self) -> BackendError {
        BackendError::Unreachable { place: self.name.clone(), detail: "down".to_owned() }
    }

    fn ways(&self) -> Ways {
        self.ways.lock().unwrap().clone()
    }

    async fn call(&self, what: &str, hangs_from: Option<Timestamp>) {
        let now = self.clock.now();
        self.log.say(now, what);
        if hangs_from.is_some_and(|from| now >= from) {
            std::future::pending::<()>().await;
        }
        let takes = self.ways().takes;
        if takes.0 > 0 {
            self.clock.sleep_until(now.plus(takes)).await;
        }
    }

    fn edit(&self, flag: &str, edit: impl FnOnce(&mut Observed)) {
        let mut flags = self.flags.lock().unwrap();
        let flag = flags.entry(flag.to_owned()).or_insert_with(missing);
        edit(flag);
        flag.revision = flag.revision.parse::<u64>().map_or(1, |revision| revision + 1).to_string();
    }
}

fn missing() -> Observed {
    Observed {
        on: false,
        exposure: Exposure::nobody(),
        foreign: None,
        stamp: None,
        other_hand: None,
        revision: MISSING.to_owned(),
        unserved: None,
    }
}

impl Backend for Model {
    fn place(&self) -> String {
        self.name.clone()
    }

    fn resolution(&self) -> Percentage {
        Percentage::whole(1)
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        _: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            self.call("read", self.ways().reads_hang_from).await;
            match self.ways().read {
                Some(error) => Err(error),
                None => Ok(self.flags.lock().unwrap().get(flag).cloned().unwrap_or_else(missing)),
            }
        })
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.call("expose", None).await;
            if let Some(error) = self.ways().expose {
                return Err(error);
            }
            self.edit(&request.flag, |flag| {
                flag.exposure = request.exposure.clone();
                flag.stamp = Some(request.stamp.clone());
                flag.on |= request.switch == Switch::TurnOn;
            });
            Ok(())
        })
    }

    fn rehearse<'a>(&'a self, _: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            self.call("stop", self.ways().stops_hang_from).await;
            if let Some(error) = self.ways().off {
                return Err(error);
            }
            self.edit(flag, |flag| flag.on = false);
            self.log.say(self.clock.now(), "off");
            Ok(())
        })
    }

    fn standing<'a>(&'a self, _: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(async move { self.ways().standing.map_or(Ok(Standing::Missing), Err) })
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(async move {
            if self.ways().forbidden.as_ref() == Some(&request.flag) {
                let detail = "it may not be edited".to_owned();
                return Err(BackendError::NotAuthorised { place: self.name.clone(), detail });
            }
            self.log.say(self.clock.now(), format!("prepared {}", request.flag));
            Ok(())
        })
    }

    fn examine<'a>(&'a self, _: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

/// A source: well until an instant, and silent from another one on.
#[derive(Default, Clone, Copy)]
pub(crate) struct Says {
    pub(crate) bad_from: Option<Timestamp>,
    pub(crate) hangs_from: Option<Timestamp>,
}

/// Behind a lock, so that it changes while it is used; with the clock it hangs by.
pub(crate) struct Sayer(pub(crate) Arc<Mutex<Says>>, pub(crate) Arc<dyn Clock>);

impl Sayer {
    fn answer(&self, at: Timestamp) -> Answered {
        let bad = self.0.lock().unwrap().bad_from.is_some_and(|from| at >= from);
        Answered { reading: Reading::Value(Decimal::new(1, if bad { -1 } else { -3 })), detail: None }
    }

    async fn wait(&self) {
        let hangs_from = self.0.lock().unwrap().hangs_from;
        if hangs_from.is_some_and(|from| self.1.now() >= from) {
            std::future::pending::<()>().await;
        }
    }
}

impl Source for Sayer {
    fn place(&self) -> String {
        "sayer".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], at: Timestamp) -> Answer<'a, Vec<Answered>> {
        Box::pin(async move {
            self.wait().await;
            queries.iter().map(|_| self.answer(at)).collect()
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
            self.wait().await;
            let (mut rows, mut at) = (Vec::new(), from);
            while at <= to {
                rows.push((at, queries.iter().map(|_| self.answer(at)).collect()));
                at = at.plus(every);
            }
            rows
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move { queries.iter().map(|_| Ok(())).collect() })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

const DOCUMENTS: &str = r#"apiVersion: flagstaff/v1
kind: Project
metadata: { name: models }
spec:
  sources:
    app: { prometheus: { url: "http://127.0.0.1:9" }, arms: { flag: flag, variant: variant } }
    other: { prometheus: { url: "http://127.0.0.1:9" }, arms: { flag: flag, variant: variant } }
  environments:
    fast: { backend: { flagd: { path: fast.json } }, match: { env: fast } }
    slow: { backend: { flagd: { path: slow.json } }, match: { env: slow } }
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: { name: long }
spec:
  stages:
    - { name: tenth, percentage: 10%, bake: 10h }
    - { name: half, percentage: 50%, bake: 10h }
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: { name: web }
spec:
  every: 30s
  delay: 1s
  window: 5m
  presets: { http: { duration: http_request_duration_seconds, failed: 'code="500"' } }
  healthy: [ "error_rate < 1%" ]
  safeguards: [ { name: errors, when: "error_rate > 5%", for: 30s, then: shutdown } ]
  no_data: { after: 5h, then: pause }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: r }
spec: { environments: [fast], source: app }
---
apiVersion: flagstaff/v1
kind: Release
metadata: { name: s }
spec: { environments: [slow], source: other }
"#;

/// Two releases, each with a source and a backend of its own: `r@fast` on `app`, `s@slow` on `other`.
pub(crate) struct Two {
    pub(crate) dir: tempfile::TempDir,
    clock: Arc<dyn Clock>,
    pub(crate) site: Site,
    pub(crate) fast: Arc<Model>,
    pub(crate) slow: Arc<Model>,
    pub(crate) app: Arc<Mutex<Says>>,
    pub(crate) other: Arc<Mutex<Says>>,
}

/// When it all begins: a tick.
pub(crate) const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn two(clock: Arc<dyn Clock>) -> Two {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("flagstaff.yaml"), DOCUMENTS).unwrap();
    let site = open(dir.path(), clock.clone());
    let (fast, slow) = (Model::new("fast", clock.clone()), Model::new("slow", clock.clone()));
    Two { dir, clock, site, fast, slow, app: Arc::default(), other: Arc::default() }.with_ports()
}

impl Two {
    fn with_ports(mut self) -> Two {
        self.site.backends.insert("fast".to_owned(), self.fast.clone());
        self.site.backends.insert("slow".to_owned(), self.slow.clone());
        for (name, says) in [("app", &self.app), ("other", &self.other)] {
            let sayer: Arc<dyn Source> = Arc::new(Sayer(says.clone(), self.clock.clone()));
            self.site.sources.insert(name.to_owned(), sayer);
        }
        self
    }

    /// As another process sees it, by the documents as they are now.
    pub(crate) fn again(mut self) -> Two {
        self.site = open(self.dir.path(), self.clock.clone());
        self.with_ports()
    }
}

pub(crate) fn open(dir: &Path, clock: Arc<dyn Clock>) -> Site {
    let actor = Actor { name: "ana".to_owned(), known_by: "test".to_owned() };
    let site = Site::open(dir, actor, clock).unwrap();
    let errors: Vec<_> = site.loaded.findings.iter().map(|finding| finding.message.clone()).collect();
    assert!(!site.loaded.has_errors(), "{errors:?}");
    site
}
