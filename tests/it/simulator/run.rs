//! One simulated life: a safety phase in which anything may happen, then a liveness phase in which it must end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flagstaff::control::StopKind;
use flagstaff::engine::event::Missing;
use flagstaff::engine::input::HoldKind;
use flagstaff::engine::{Cause, Command, Phase, Span, Unknown};
use flagstaff::spec::Loaded;

use super::backend::{self, Lie, Model};
use super::crew::{Broken, Crew};
use super::invariants::{Checker, EVERYTHING_ENDS, Told};
use super::ledger::{Ledger, Memory};
use super::people::{self, Deed, Documents};
use super::telemetry::Trouble as SourceTrouble;
use super::world::{BEGIN, Pid, Rng, Shared, World};

/// What is simulated; everything else comes from the seed.
#[derive(Clone, Default)]
pub(super) struct Scenario {
    pub(super) broken: Broken,
    pub(super) lie: Lie,
    /// The source invents what it does not know.
    pub(super) invents: bool,
    /// The source answers nothing about the past.
    pub(super) forgets: bool,
    /// The journal's past is changed half-way.
    pub(super) tampers: bool,
    /// Only this invariant counts.
    pub(super) only: Option<&'static str>,
}

/// A life in which all invariants held.
#[derive(Debug, Default, Clone)]
pub(super) struct Summary {
    /// Kinds of inputs and events.
    pub(super) happened: BTreeSet<String>,
    pub(super) steps: u64,
    pub(super) records: u64,
    pub(super) changes: usize,
    pub(super) advances: u64,
}

/// A life in which one did not.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) invariant: &'static str,
    pub(super) detail: String,
    pub(super) trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.trace.iter().rev().take(60).rev() {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {} step {}: {}: {}", self.seed, self.step, self.invariant, self.detail)?;
        write!(f, "reproduce: FLAGSTAFF_SEED={} cargo test --test it simulator::", self.seed)
    }
}

struct Process {
    host: usize,
    drives: bool,
    life: Pin<Box<dyn Future<Output = ()>>>,
}

struct Life {
    scenario: Scenario,
    world: Shared,
    documents: Documents,
    ledgers: Vec<Ledger>,
    memories: Vec<Memory>,
    processes: BTreeMap<Pid, Process>,
    /// When a driver begins again, and where.
    restarts: Vec<(i64, usize)>,
    checker: Checker,
    steps: u64,
    /// Intents recorded so far.
    intents: u64,
    /// Holds the documents, journals and spools until the end.
    folder: tempfile::TempDir,
}

/// Steps of the safety phase.
const SAFETY: u64 = 1500;
/// How long everything may take to end once nothing goes wrong any more, in true time.
const LIVENESS: i64 = 3 * 3_600_000;

pub(super) fn simulate(seed: u64, scenario: &Scenario) -> Result<Summary, Failure> {
    let mut life = Life::new(seed, scenario.clone());
    let result = life.safety().and_then(|()| life.liveness());
    result.map(|()| life.summary()).map_err(|(invariant, detail)| Failure {
        seed,
        step: life.steps,
        invariant,
        detail,
        trace: life.world.with(|inner| inner.trace.clone()),
    })
}

type Violated = (&'static str, String);

impl Life {
    fn new(seed: u64, scenario: Scenario) -> Life {
        let mut rng = Rng(seed.wrapping_mul(0x9e37).wrapping_add(1));
        let folder = tempfile::tempdir().expect("a folder for a life");
        let hosts = if rng.chance(300) { 2 } else { 1 };
        let healthy = scenario.lie == Lie::None && scenario.broken.leak == super::ledger::Leak::None;
        let cas = rng.chance(750) || !healthy;
        let documents = Documents::write(folder.path(), &mut rng, seed % 5 == 3);
        // the real journal costs an fsync a record: one life in sixteen
        let real = seed % 16 == 7 && !scenario.tampers && healthy;
        let memories: Vec<Memory> = (0..hosts).map(Memory::new).collect();
        let ledger = |(host, memory): (usize, &Memory)| {
            let dir = folder.path().join(format!("host-{host}"));
            std::fs::create_dir(&dir).expect("a folder of our own");
            let path = dir.join("journal.db");
            if real {
                return Ledger::File(path);
            }
            // a stop wants to know whether there ever was a journal
            std::fs::write(&path, "").expect("a folder of our own");
            Ledger::Memory(memory.clone())
        };
        let ledgers: Vec<Ledger> = memories.iter().enumerate().map(ledger).collect();
        let flags: BTreeMap<String, Model> =
            documents.releases.iter().map(|(_, flag)| (flag.clone(), Model::new(cas, scenario.lie))).collect();
        let keys: Vec<String> = flags.keys().cloned().collect();
        let world = World::new(rng.next(), hosts, flags);
        world.with(|inner| {
            inner.faults.on = true;
            inner.truth.retention = 2 * 3_600_000;
            inner.truth.invents = scenario.invents;
            inner.truth.forgets = scenario.forgets;
            for key in keys {
                if inner.rng.chance(250) {
                    let from = BEGIN + inner.rng.between(0, 3_600_000);
                    inner.truth.broken_from.insert(key, from);
                }
            }
            inner.say(format!("{hosts} hosts, compare-and-swap {cas}, releases {:?}", documents.releases));
        });
        let mut restarts: Vec<(i64, usize)> = (0..hosts).map(|host| (BEGIN, host)).collect();
        if rng.chance(500) {
            restarts.push((BEGIN, 0));
        }
        let spools: Vec<PathBuf> = (0..hosts).map(|host| folder.path().join(format!("host-{host}/spool"))).collect();
        let checker = Checker::new(&world, &ledgers, spools, scenario.only, cas);
        Life {
            scenario,
            world,
            documents,
            ledgers,
            memories,
            processes: BTreeMap::new(),
            restarts,
            checker,
            steps: 0,
            intents: 0,
            folder,
        }
    }

    fn summary(&self) -> Summary {
        let changes = self.world.with(|inner| inner.flags.values().map(|model| model.history.len()).sum());
        let (records, advances) = self.checker.counts();
        Summary { happened: self.checker.happened().clone(), steps: self.steps, records, changes, advances }
    }

    fn crew(&mut self, host: usize, documents: Loaded, actor: &'static str) -> (Pid, Crew) {
        let pid = self.world.with(|inner| {
            inner.host_of.push(host);
            inner.host_of.len() - 1
        });
        let world = Arc::clone(&self.world);
        let (ledger, broken) = (self.ledgers[host].clone(), self.scenario.broken);
        let dir = self.folder.path().join(format!("host-{host}"));
        (pid, Crew { world, pid, host, ledger, dir, documents, broken, actor })
    }

    fn begin_driver(&mut self, host: usize) {
        // some are foreground runs that end by themselves, most come round for ever; some have another checkout
        let (foreground, renamed) = self.world.with(|inner| {
            let foreground = inner.faults.on && inner.rng.chance(300);
            (foreground, inner.faults.on && inner.rng.chance(50))
        });
        let documents = if renamed { &self.documents.renamed } else { &self.documents.current }.clone();
        let (pid, crew) = self.crew(host, documents, "driver");
        self.world.with(|inner| inner.say(format!("p{pid} drives on host {host}, foreground {foreground}")));
        let life: Pin<Box<dyn Future<Output = ()>>> =
            if foreground { Box::pin(crew.run()) } else { Box::pin(crew.cron()) };
        self.processes.insert(pid, Process { host, drives: true, life });
        self.poll(pid);
    }

    fn type_deed(&mut self, host: usize, deed: Deed, release: &str, actor: &'static str) {
        let documents = match &deed {
            Deed::Adopt => &self.documents.edited,
            _ if release == "checkout-v3" => &self.documents.renamed,
            _ => &self.documents.current,
        };
        let (pid, crew) = self.crew(host, documents.clone(), actor);
        let word = deed.word();
        self.world.with(|inner| inner.say(format!("p{pid} {actor} types {word} {release} on host {host}")));
        let think = self.world.with(|inner| match inner.faults.on && inner.rng.chance(300) {
            true => Span(inner.rng.below(60_000)),
            false => Span(0),
        });
        let (world, told, release) = (Arc::clone(&self.world), self.checker.told(), release.to_owned());
        let life = async move {
            let done = crew.act(&deed, &release, think).await;
            let said = match &done {
                Ok(_) => "done".to_owned(),
                Err(why) => why.clone(),
            };
            let at = world.with(|inner| {
                inner.say(format!("p{pid} {word}: {said}"));
                inner.now
            });
            if let Ok(ack) = done {
                told.lock().expect("no step panics under the lock").push(Told { host, at, ack });
            }
        };
        self.processes.insert(pid, Process { host, drives: false, life: Box::pin(life) });
        self.poll(pid);
    }

    fn poll(&mut self, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let done = process.life.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(());
        let doomed = self.world.with(|inner| inner.doomed.contains(&pid));
        if done || doomed {
            self.kill(pid, false);
        }
    }

    fn kill(&mut self, pid: Pid, say: bool) {
        let Some(process) = self.processes.remove(&pid) else { return };
        drop(process.life);
        let host = process.host;
        if process.drives {
            let again = self.world.with(|inner| {
                let away = match inner.rng.below(10) {
                    0 => inner.rng.between(3_600_000, 3 * 3_600_000),
                    1..4 => inner.rng.between(60_000, 1_200_000),
                    _ => inner.rng.between(100, 60_000),
                };
                inner.now + if inner.faults.on { away } else { 100 }
            });
            self.restarts.push((again, host));
            self.checker.disturbed(host);
        }
        if say {
            self.world.with(|inner| inner.say(format!("p{pid} is killed")));
        }
    }

    /// One step of the world: time, late writes, restarts, one grant, and every invariant.
    fn step(&mut self) -> Result<(), Violated> {
        self.steps += 1;
        let now = self.world.with(|inner| inner.now);
        while let Some(index) = self.restarts.iter().position(|(at, _)| *at <= now) {
            let (_, host) = self.restarts.remove(index);
            self.begin_driver(host);
        }
        match self.world.grant() {
            None => self.world.with(|inner| inner.now += 15_000),
            Some(Pid::MAX) => {}
            Some(pid) => self.poll(pid),
        }
        self.world.with(|inner| {
            while let Some(index) = inner.late.iter().position(|(at, _)| *at <= inner.now) {
                let (_, request) = inner.late.remove(index);
                if let Err(error) = backend::land(inner, &request, false) {
                    inner.say(format!("p{} late write: {error}", request.pid));
                }
            }
        });
        self.meddle();
        let alive = |host| self.processes.values().any(|process| process.drives && process.host == host);
        let alive: Vec<bool> = (0..self.ledgers.len()).map(alive).collect();
        self.checker.check(&alive)
    }

    fn safety(&mut self) -> Result<(), Violated> {
        while self.steps < SAFETY {
            self.misfortune();
            self.step()?;
            if self.scenario.tampers && self.steps == SAFETY / 2 {
                self.memories.iter().for_each(Memory::tamper);
            }
        }
        Ok(())
    }

    /// People are in the way when something happens: between a decision and its write.
    fn meddle(&mut self) {
        let intents = self.checker.intents();
        let new = std::mem::replace(&mut self.intents, intents) != intents;
        self.world.with(|inner| {
            if new && inner.faults.on && inner.rng.chance(150) {
                let less = people::exposure(inner.rng.pick(&[0, 5]));
                let key = any_key(inner);
                backend::hand(inner, &key, "a quick hand", |flag| flag.exposure = less);
            }
        });
    }

    fn misfortune(&mut self) {
        let (roll, host) = self.world.with(|inner| {
            let hosts = inner.offsets.len() as u64;
            (inner.rng.below(1000), usize::try_from(inner.rng.below(hosts)).expect("small"))
        });
        match roll {
            0..12 => {
                let mut names: Vec<String> = self.documents.releases.iter().map(|(name, _)| name.clone()).collect();
                let (deed, actor, release) = self.world.with(|inner| {
                    let now = inner.local(host);
                    if inner.rng.chance(60) {
                        names = vec!["checkout-v3".to_owned()];
                    }
                    let deed = people::deed(&mut inner.rng, now);
                    (deed, inner.rng.pick(&["ada", "bo", "cy"]), inner.rng.pick(&names))
                });
                self.type_deed(host, deed, &release, actor);
            }
            12..17 => {
                let alive: Vec<Pid> = self.processes.keys().copied().collect();
                if !alive.is_empty() {
                    let pid = self.world.with(|inner| inner.rng.pick(&alive));
                    self.kill(pid, true);
                }
            }
            17..20 => {
                let alive: Vec<Pid> = self.processes.keys().copied().collect();
                self.world.with(|inner| {
                    if !alive.is_empty() {
                        let pid = inner.rng.pick(&alive);
                        let after = inner.rng.chance(500);
                        inner.faults.crash_at_append.insert(pid, after);
                    }
                });
            }
            20..22 => self.world.with(|inner| {
                let edit = people::edit(&mut inner.rng);
                let key = any_key(inner);
                backend::hand(inner, &key, "a hand", edit);
            }),
            33..36 => {
                // the journal is locked, and somebody stops something
                self.world.with(|inner| {
                    let until = inner.now + inner.rng.between(100, 60_000);
                    inner.faults.journal_down.insert(host, until);
                });
                let kind = self.world.with(|inner| inner.rng.pick(&[StopKind::Pause, StopKind::Abort]));
                let release = self.documents.releases[0].0.clone();
                self.type_deed(host, Deed::Stop(kind), &release, "eve");
            }
            22..33 => self.world.with(|inner| weather(inner, roll, host)),
            36..39 => self.world.with(|inner| {
                // what is written is not served, or nothing can be written, for a while
                let (since, gone) = (inner.now, inner.rng.chance(500));
                let until = since + inner.rng.between(1_000, 1_800_000);
                let key = any_key(inner);
                inner.flags.get_mut(&key).expect("any of them").keep(since, until, gone);
                inner.say(format!("{key} is served as it was for {}s, gone {gone}", (until - since) / 1000));
            }),
            _ => {}
        }
    }

    /// Nothing goes wrong any more; people do what is asked of them. Everything must end.
    fn liveness(&mut self) -> Result<(), Violated> {
        let end = self.world.with(|inner| {
            inner.faults.on = false;
            inner.faults.backend_down = 0;
            inner.faults.journal_down.clear();
            inner.faults.crash_at_append.clear();
            inner.offsets.fill(0);
            inner.truth.troubles.clear();
            inner.truth.incidents.clear();
            inner.truth.broken_from.clear();
            inner.truth.quiet.clear();
            let now = inner.now;
            inner.flags.values_mut().for_each(|model| model.keep(now, now, false));
            inner.say("everything is well from here on");
            inner.now + LIVENESS
        });
        // everybody begins anew, with the current documents
        let drivers: Vec<Pid> =
            self.processes.iter().filter(|(_, process)| process.drives).map(|(pid, _)| *pid).collect();
        drivers.into_iter().for_each(|pid| self.kill(pid, false));
        self.restarts.iter_mut().for_each(|(at, _)| *at = 0);
        let mut care = 0;
        loop {
            let now = self.world.with(|inner| inner.now);
            if self.ended() {
                return Ok(());
            }
            if now > end {
                return match self.scenario.only {
                    Some(only) if only != EVERYTHING_ENDS => Ok(()),
                    _ => Err((EVERYTHING_ENDS, self.checker.describe())),
                };
            }
            if now >= care {
                care = now + 120_000;
                self.take_care();
            }
            self.step()?;
        }
    }

    fn ended(&self) -> bool {
        let quiet = self.processes.values().all(|process| process.drives);
        let late = self.world.with(|inner| inner.late.len());
        quiet && late == 0 && self.checker.all_ended()
    }

    /// People look at each journal's newest rollouts and do the next thing for them.
    fn take_care(&mut self) {
        for host in 0..self.ledgers.len() {
            if self.processes.values().any(|process| !process.drives && process.host == host) {
                continue;
            }
            let known: Vec<&String> = self.documents.releases.iter().map(|(name, _)| name).collect();
            let mut deeds = Vec::new();
            for (release, key, state) in self.checker.newest(host) {
                if !state.is_live() {
                    continue;
                }
                let foreign = self.world.with(|inner| {
                    let flag = &inner.flags[&key].flag;
                    let wrong = flag.reaches_by_foreign() || !flag.shown().within(&state.allowed);
                    let foreign = flag.stamp.as_ref().is_some_and(|stamp| *stamp != state.stamp);
                    if wrong && !foreign && state.causes.contains(&Cause::Drift) {
                        let allowed = state.allowed.clone();
                        backend::hand(inner, &key, "a repairing hand", |flag| {
                            flag.foreign = None;
                            flag.exposure = allowed;
                        });
                    }
                    foreign
                });
                let approval = matches!(state.missing.as_slice(), [Missing::Approval { .. }]);
                let deed = match state.phase {
                    // another journal's, or a name that nobody knows any more
                    _ if foreign || !known.contains(&&release) => Deed::Stop(StopKind::Abort),
                    _ if state.missing.iter().any(is_frozen) => Deed::Lift,
                    Phase::Paused => Deed::Order(Command::Resume),
                    Phase::Running if approval => Deed::Order(Command::Approve),
                    _ => continue,
                };
                deeds.push((deed, release));
            }
            for (deed, release) in deeds {
                self.type_deed(host, deed, &release, "dee");
            }
        }
    }
}

fn is_frozen(missing: &Missing) -> bool {
    matches!(missing, Missing::Held { kind: HoldKind::Freeze, .. })
}

fn any_key(inner: &mut super::world::Inner) -> String {
    let keys: Vec<String> = inner.flags.keys().cloned().collect();
    inner.rng.pick(&keys)
}

/// Things that break for a while.
fn weather(inner: &mut super::world::Inner, roll: u64, host: usize) {
    let now = inner.now;
    let (from, long) = (now, inner.rng.between(1_000, 600_000));
    match roll {
        22..24 => {
            let reasons = [
                Unknown::NoAnswer,
                Unknown::Stale,
                Unknown::NotANumber,
                Unknown::Infinite,
                Unknown::SeveralSeries,
                Unknown::Warnings,
            ];
            let reason = inner.rng.pick(&reasons);
            inner.truth.troubles.push((from, from + long, SourceTrouble::Lost(reason)));
            inner.say(format!("the source has {reason:?} for {}s", long / 1000));
        }
        24..26 => {
            inner.truth.troubles.push((from, from + long, SourceTrouble::Down));
            inner.say(format!("the source is down for {}s", long / 1000));
        }
        26 => {
            inner.faults.backend_down = from + long;
            inner.say(format!("the backend is down for {}s", long / 1000));
        }
        27 => {
            inner.faults.journal_down.insert(host, from + long);
            inner.say(format!("the journal of host {host} is locked for {}s", long / 1000));
        }
        30 => {
            inner.truth.quiet.push((from, from + long));
            inner.say(format!("no traffic for {}s", long / 1000));
        }
        28..30 => {
            let to = inner.rng.pick(&[0, 0, 10_000, -10_000, 25_000, -25_000, 300_000, -300_000, 3_600_000]);
            inner.offsets[host] = to;
            inner.say(format!("the clock of host {host} is {}s ahead", to / 1000));
        }
        _ => {
            inner.truth.incidents.push((from, from + long));
            inner.say(format!("errors for {}s", long / 1000));
        }
    }
}

/// `FLAGSTAFF_SEED`: the first life; `FLAGSTAFF_SEEDS`: how many, else as many as take less than a minute.
#[expect(clippy::disallowed_methods, reason = "a knob of the test, not of the program")]
fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn no_seed_breaks_an_invariant() {
    let first = knob("FLAGSTAFF_SEED");
    let count = knob("FLAGSTAFF_SEEDS").unwrap_or(if first.is_some() { 1 } else { 200 });
    let first = first.unwrap_or(0);
    let (mut advances, mut steps, mut records, mut changes) = (0, 0, 0, 0);
    let mut happened = BTreeSet::new();
    for seed in first..first + count {
        match simulate(seed, &Scenario::default()) {
            Ok(summary) => {
                happened.extend(summary.happened);
                advances += summary.advances;
                steps += summary.steps;
                records += summary.records;
                changes += summary.changes;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    // what the control loop is there for must have come about, or the invariants had nothing to say
    for kind in [
        "Adopted",
        "Advancing",
        "Approved",
        "Completed",
        "Confirmed",
        "Drifted",
        "Forced",
        "Late",
        "LateWrite",
        "Muted",
        "NotApplied",
        "Paused",
        "Reduced",
        "Served",
        "Resumed",
        "RolledBack",
        "Spooled",
        "Started",
        "Stopped",
        "Touched",
        "Unserved",
        "Windowed",
        "Withdrawn",
    ] {
        assert!(count < 100 || happened.contains(kind), "{kind} never came about");
    }
    // a world in which nothing ever grows would satisfy every other invariant
    assert!(count == 1 || advances > count / 2, "{count} lives saw only {advances} advances");
    assert!(
        count == 1 || records > count && changes as u64 > count && steps > count,
        "{records} records, {changes} changes"
    );
}

#[test]
fn a_seed_is_one_life() {
    for seed in [1, 2, 3] {
        let lives: Vec<String> = (0..2)
            .map(|_| {
                let mut life = Life::new(seed, Scenario::default());
                let _ = life.safety();
                life.world.with(|inner| inner.trace.join("\n"))
            })
            .collect();
        assert_eq!(lives[0], lives[1], "seed {seed}");
    }
}
