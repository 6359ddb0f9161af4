//! A project under a clock that is set by hand: the real control loop, journal and flag file, and telemetry that is well
//! unless it is told otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock};
use flagstaff::control::{CommandReport, ControlError, Site, StartOptions};
use flagstaff::engine::event::Missing;
use flagstaff::engine::input::HoldKind;
use flagstaff::engine::plan::Query;
use flagstaff::engine::{Actor, Command, Decimal, Phase, Reading, Span, State, Timestamp};
use flagstaff::telemetry::{Answered, Source};

/// Ticks are asked this much later.
pub(super) const DELAY: Span = Span::seconds(5);
pub(super) const EVERY: Span = Span::seconds(30);

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// Two releases that need five ticks a stage.
pub(super) fn project(of_project: &str, of_r: &str, of_q: &str) -> String {
    format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: calendars }}
spec:
  sources:
    app:
      scrape: {{ targets: ["http://127.0.0.1:1/metrics"], every: 5s }}
      arms: {{ flag: flag, variant: variant }}
  environments:
    here: {{ backend: {{ flagd: {{ path: here.json }} }} }}
{of_project}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: quick }}
spec:
  stages:
    - {{ name: tenth, percentage: 10%, bake: 1m }}
    - {{ name: half, percentage: 50%, bake: 1m }}
    - {{ name: everyone, percentage: 100%, bake: 1m }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 30s
  window: 30s
  presets: {{ http: prometheus }}
  healthy: [ "error_rate < 1%" ]
  safeguards: [ {{ name: errors, when: "error_rate > 5%", then: shutdown }} ]
  no_data: {{ after: 1h, then: pause }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: r }}
spec: {{ {of_r} }}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: q }}
spec: {{ {of_q} }}
"#
    )
}

/// A clock that is set. Whoever sleeps wakes up at the time that was meant.
struct ByHand(AtomicI64);

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            // long enough for what is awaited beside it
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.0.fetch_max(instant.0, Ordering::SeqCst);
        })
    }
}

/// Traffic without an error, unless half of it fails.
struct Traffic(Arc<AtomicBool>);

impl Source for Traffic {
    fn place(&self) -> String {
        "traffic".to_owned()
    }

    fn instant<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Answered>> {
        let rate = if self.0.load(Ordering::SeqCst) { Decimal::new(5, -1) } else { Decimal::ZERO };
        let answer = Answered { reading: Reading::Value(rate), detail: None };
        Box::pin(async move { vec![answer; queries.len()] })
    }

    fn range<'a>(
        &'a self,
        queries: &'a [Query],
        from: Timestamp,
        to: Timestamp,
        every: Span,
    ) -> Answer<'a, Vec<(Timestamp, Vec<Answered>)>> {
        Box::pin(async move {
            let (mut rows, mut now) = (Vec::new(), from);
            while now <= to {
                rows.push((now, self.instant(queries, now).await));
                now = now.plus(every);
            }
            rows
        })
    }

    fn exists<'a>(&'a self, queries: &'a [Query], _: Timestamp) -> Answer<'a, Vec<Result<(), String>>> {
        Box::pin(async move { vec![Ok(()); queries.len()] })
    }

    fn examine(&self) -> Answer<'_, Vec<Check>> {
        Box::pin(async { Vec::new() })
    }
}

pub(super) struct Desk {
    pub(super) site: Site,
    clock: Arc<ByHand>,
    failing: Arc<AtomicBool>,
    dir: tempfile::TempDir,
}

impl Desk {
    pub(super) fn open(documents: &str, now: &str) -> Desk {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("flagstaff.yaml"), documents).unwrap();
        let clock = Arc::new(ByHand(AtomicI64::new(at(now).0)));
        let failing = Arc::new(AtomicBool::new(false));
        let actor = Actor { name: "ana".to_owned(), known_by: "test".to_owned() };
        let mut site = Site::open(dir.path(), actor, clock.clone()).unwrap();
        assert!(!site.loaded.has_errors(), "{:#?}", site.loaded.findings);
        site.sources.insert("app".to_owned(), Arc::new(Traffic(failing.clone())));
        Desk { site, clock, failing, dir }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn write(&self, documents: &str) {
        fs::write(self.dir().join("flagstaff.yaml"), documents).unwrap();
    }

    pub(super) fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }

    pub(super) fn set(&self, now: Timestamp) {
        self.clock.0.store(now.0, Ordering::SeqCst);
    }

    pub(super) async fn start(&mut self, release: &str, reason: Option<&str>) -> Result<CommandReport, ControlError> {
        let options = StartOptions { reason: reason.map(str::to_owned), ..StartOptions::default() };
        self.site.start(release, "here", &options).await
    }

    pub(super) async fn command(
        &mut self,
        release: &str,
        command: Command,
        reason: Option<&str>,
    ) -> Result<CommandReport, ControlError> {
        self.site.command(release, "here", command, reason.map(str::to_owned), None).await
    }

    /// Every tick is judged when it is due, up to this one.
    pub(super) async fn ticks_to(&mut self, last: &str) {
        let last = at(last);
        let mut tick = self.site.now().minus(DELAY).floor_to(EVERY).plus(EVERY);
        while tick <= last {
            self.set(tick.plus(DELAY));
            self.pass().await;
            tick = tick.plus(EVERY);
        }
    }

    pub(super) async fn pass(&mut self) {
        let ids: BTreeSet<String> = self.site.store.rollouts().map(|rollout| rollout.id.clone()).collect();
        self.site.pass(&ids).await.unwrap();
    }

    pub(super) fn state(&self, release: &str) -> &State {
        &self.site.store.newest(release, "here").unwrap().state
    }

    /// Where it is: `tenth`, `paused at half`, `stopped`.
    pub(super) fn stage(&self, release: &str) -> String {
        let rollout = self.site.store.newest(release, "here").unwrap();
        let stage = rollout.plan.stages[rollout.state.stage].name.clone();
        match rollout.state.phase {
            Phase::Running => stage,
            Phase::Paused => format!("paused at {stage}"),
            Phase::Stopped => "stopped".to_owned(),
            Phase::Completed => "completed".to_owned(),
            Phase::None => "none".to_owned(),
        }
    }

    /// What the newest tick said that held it.
    pub(super) fn held(&self, release: &str) -> Vec<(HoldKind, String)> {
        let held = self.state(release).missing.iter().filter_map(|missing| match missing {
            Missing::Held { kind, detail, .. } => Some((*kind, detail.clone())),
            _ => None,
        });
        held.collect()
    }

    pub(super) fn earliest(&self, release: &str) -> Option<String> {
        let rollout = self.site.store.newest(release, "here").unwrap();
        self.site.explain(rollout).earliest.map(|at| at.to_string()[..19].to_owned())
    }

    /// What is served, in percent.
    pub(super) fn served(&self, release: &str) -> u64 {
        let text = fs::read_to_string(self.dir().join("here.json")).unwrap();
        let flag = serde_json::from_str::<serde_json::Value>(&text).unwrap()["flags"][release].clone();
        if flag.get("targeting").is_none_or(serde_json::Value::is_null) && flag["defaultVariant"] == "off" {
            return 0;
        }
        flag["metadata"]["percentage"].as_u64().unwrap() / 1000
    }
}
