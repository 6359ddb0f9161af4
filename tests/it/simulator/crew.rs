//! Processes as they really are: drivers, commands and stops of `control`, over the world's ports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flagstaff::backend::Backend;
use flagstaff::clock::Clock;
use flagstaff::control::drive::Until;
use flagstaff::control::record::{Freeze, Step};
use flagstaff::control::stop::StopSite;
use flagstaff::control::store::Fold;
use flagstaff::control::{ControlError, Site, StopReport, Store};
use flagstaff::engine::{Actor, Command, Event, Span};
use flagstaff::journal::Sequence;
use flagstaff::journal::spool::Spool;
use flagstaff::spec::Loaded;
use flagstaff::telemetry::Source;

use super::backend::Door;
use super::ledger::{Fallible, Leak, Ledger};
use super::people::{Deed, ENVIRONMENT};
use super::telemetry::Scope;
use super::world::{HostClock, Pid, Shared};

/// What of a process is broken on purpose.
#[derive(Clone, Copy)]
pub(super) struct Broken {
    pub(super) fold: Fold,
    pub(super) leak: Leak,
    /// Its clock only moves while it sleeps.
    pub(super) clock_stands: bool,
    /// It never looks into the spool.
    pub(super) ignores_spool: bool,
}

impl Default for Broken {
    fn default() -> Broken {
        let fold = flagstaff::engine::decide::fold;
        Broken { fold, leak: Leak::None, clock_stands: false, ignores_spool: false }
    }
}

/// Everything that a process is made of.
pub(super) struct Crew {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
    pub(super) ledger: Ledger,
    pub(super) dir: PathBuf,
    pub(super) documents: Loaded,
    pub(super) broken: Broken,
    pub(super) actor: &'static str,
}

/// What a person was told.
#[derive(Debug, Clone)]
pub(super) enum Ack {
    /// Carried out on this rollout.
    Command(String, Command),
    /// Stopped, and where it was recorded.
    Stop(StopReport),
    Other,
}

impl Crew {
    fn clock(&self) -> Arc<dyn Clock> {
        let stands = self.broken.clock_stands.then(|| Mutex::new(self.world.with(|inner| inner.local(self.host))));
        Arc::new(HostClock { world: Arc::clone(&self.world), pid: self.pid, host: self.host, stands })
    }

    fn backends(&self) -> BTreeMap<String, Arc<dyn Backend>> {
        let door = Door { world: Arc::clone(&self.world), pid: self.pid, host: self.host };
        BTreeMap::from([(ENVIRONMENT.to_owned(), Arc::new(door) as Arc<dyn Backend>)])
    }

    fn store(&self) -> Result<Store, ControlError> {
        let journal = Fallible {
            world: Arc::clone(&self.world),
            pid: self.pid,
            host: self.host,
            leak: self.broken.leak,
            floor: Sequence::default(),
            own: Vec::new(),
            inner: self.ledger.open(),
        };
        Store::load_with(Box::new(journal), self.broken.fold)
    }

    fn actor(&self) -> Actor {
        Actor { name: self.actor.to_owned(), known_by: "simulated".to_owned() }
    }

    fn journal_path(&self) -> PathBuf {
        self.dir.join("journal.db")
    }

    fn site(&self) -> Result<Site, ControlError> {
        let scope = Scope { world: Arc::clone(&self.world), pid: self.pid, host: self.host };
        let sources = BTreeMap::from([("model".to_owned(), Arc::new(scope) as Arc<dyn Source>)]);
        let spool = match self.broken.ignores_spool {
            true => Spool::beside(&self.dir.join("elsewhere").join("journal.db")),
            false => Spool::beside(&self.journal_path()),
        };
        let documents = self.documents.clone();
        let (store, clock) = (self.store()?, self.clock());
        Ok(Site::from_parts(&self.dir, documents, store, spool, self.backends(), sources, clock, self.actor()))
    }

    fn stop_site(&self) -> StopSite {
        let store = self.store().map_err(|error| error.to_string());
        StopSite::from_parts(&self.dir, &self.journal_path(), store, self.backends(), self.clock(), self.actor())
    }

    /// As `run` in the foreground: until nothing goes on by itself.
    pub(super) async fn run(self) {
        let Ok(mut site) = self.site() else { return };
        let ids = newest(&site);
        let (world, pid) = (Arc::clone(&self.world), self.pid);
        let mut say = |seen: flagstaff::control::drive::Seen<'_>| {
            if let flagstaff::control::drive::Seen::Step(rollout, step) = seen {
                tell(&world, pid, &rollout.id, step);
            }
        };
        let _ = site.drive(&ids, Until::PersonIsNeeded, &mut say).await;
    }

    /// As `run --once` from cron, a few times in one process.
    pub(super) async fn cron(self) {
        let clock = self.clock();
        loop {
            let passes = self.world.with(|inner| inner.rng.below(20) + 1);
            if let Ok(mut site) = self.site() {
                for _ in 0..passes {
                    let ids = newest(&site);
                    let (world, pid) = (Arc::clone(&self.world), self.pid);
                    let mut say = |seen: flagstaff::control::drive::Seen<'_>| {
                        if let flagstaff::control::drive::Seen::Step(rollout, step) = seen {
                            tell(&world, pid, &rollout.id, step);
                        }
                    };
                    // a journal that cannot be used is tried again at the next tick
                    let _ = site.drive(&ids, Until::Once, &mut say).await;
                    let next = clock.now().minus(Span::seconds(5)).floor_to(Span::seconds(30)).plus(Span::seconds(35));
                    clock.sleep_until(next).await;
                }
            }
            clock.sleep_until(clock.now().plus(Span::seconds(1))).await;
        }
    }

    /// One deed of a person, who looks, thinks, and then acts.
    pub(super) async fn act(self, deed: &Deed, release: &str, think: Span) -> Result<Ack, String> {
        if let Deed::Stop(kind) = deed {
            let target = (release.to_owned(), ENVIRONMENT.to_owned());
            let reports = self.stop_site().stop(&[target], *kind, None, Span::seconds(30)).await;
            return reports.into_iter().next().map(Ack::Stop).ok_or_else(|| "no report".to_owned());
        }
        let mut site = self.site().map_err(|error| error.to_string())?;
        let seen = site.store.newest(release, ENVIRONMENT).map(|rollout| rollout.state.version);
        let clock = self.clock();
        clock.sleep_until(clock.now().plus(think)).await;
        let done = self.obey(&mut site, deed, release, seen).await;
        done.map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })
    }

    async fn obey(&self, site: &mut Site, deed: &Deed, release: &str, saw: Option<u64>) -> Result<Ack, ControlError> {
        let reason = Some("because freeze-environment-production freeze-release-checkout-v2".to_owned());
        match deed {
            Deed::Start(options) => {
                let report = site.start(release, ENVIRONMENT, options).await?;
                tell_all(&self.world, self.pid, &report.rollout, &report.steps);
                Ok(Ack::Other)
            }
            Deed::Order(command) => self.order(site, command, release, reason, saw).await,
            Deed::Adopt => {
                let Ok(resolved) = site.loaded.plan(release, ENVIRONMENT) else { return Ok(Ack::Other) };
                let command = Command::Adopt { plan: Box::new(resolved.plan), hash: resolved.hash };
                self.order(site, &command, release, reason, saw).await
            }
            Deed::Freeze(environment, minutes) => {
                let (environment, release) = match environment {
                    true => (Some(ENVIRONMENT.to_owned()), None),
                    false => (None, Some(release.to_owned())),
                };
                self.stop_site().freeze(environment, release, Span::minutes(*minutes), reason);
                Ok(Ack::Other)
            }
            Deed::Lift => {
                let now = site.now();
                let frozen: Vec<_> = site.store.freezes(now).into_iter().cloned().collect();
                for Freeze { environment, release, .. } in frozen {
                    site.lift(environment.as_deref(), release.as_deref(), reason.clone(), None)?;
                }
                Ok(Ack::Other)
            }
            Deed::Stop(_) => Ok(Ack::Other),
        }
    }

    async fn order(
        &self,
        site: &mut Site,
        command: &Command,
        release: &str,
        reason: Option<String>,
        saw: Option<u64>,
    ) -> Result<Ack, ControlError> {
        let report = site.command(release, ENVIRONMENT, command.clone(), reason, saw).await?;
        tell_all(&self.world, self.pid, &report.rollout, &report.steps);
        Ok(Ack::Command(report.rollout, command.clone()))
    }
}

/// What a driver drives: the newest rollout of everything, stopped ones too.
fn newest(site: &Site) -> BTreeSet<String> {
    site.store.rollouts().map(|rollout| rollout.id.clone()).collect()
}

fn tell_all(world: &Shared, pid: Pid, id: &str, steps: &[Step]) {
    for step in steps {
        tell(world, pid, id, step);
    }
}

fn tell(world: &Shared, pid: Pid, id: &str, step: &Step) {
    for event in step.events.iter().filter(|event| !matches!(event, Event::Ticked(_))) {
        let text: String = format!("{event:?}").chars().take(110).collect();
        world.with(|inner| inner.say(format!("p{pid} {id}: {text}")));
    }
}
