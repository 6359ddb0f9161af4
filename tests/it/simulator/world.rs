//! The simulated world: one time line, processes polled by hand, and every port call a step that the seed completes.
//!
//! A process is a boxed future. Whatever it awaits in the end is a [`Step`]: registered at the first poll, pending until
//! the scheduler grants it. A crash drops the future wherever it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flagstaff::clock::{Answer, Clock};
use flagstaff::engine::Timestamp;

use super::backend::{Model, Request};
use super::telemetry::Truth;

/// When every simulated world begins, in true time (a multiple of every tick distance used here).
pub(super) const BEGIN: i64 = 1_800_000_000_000;

/// splitmix64: 64 bits of state, every seed is as good as another.
#[derive(Debug, Clone)]
pub(super) struct Rng(pub u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 .. below.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        self.next() % below.max(1)
    }

    /// With this many chances in a thousand.
    pub(super) fn chance(&mut self, thousandths: u64) -> bool {
        self.below(1000) < thousandths
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("small")].clone()
    }

    /// Milliseconds between two bounds.
    pub(super) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from).expect("ordered"))).expect("small")
    }
}

/// A process by its number; never used again.
pub(super) type Pid = usize;

/// How a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// The request never arrives; the caller times out.
    Lost,
    /// The caller times out, and the request arrives this much later.
    Later(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A clock's sleep until the host's clock would show this.
    Sleep(i64),
    /// A write on its way to the backend: may be lost or late.
    Write,
    /// Anything else that takes a while.
    Call,
}

#[derive(Debug)]
struct Call {
    pid: Pid,
    kind: Kind,
    /// True time before which it is not granted.
    ready: i64,
    fate: Option<Fate>,
    /// Who waits for it: a process goes on with what was woken, and with nothing else.
    waits: Waker,
}

/// What is broken at the moment, each until an instant in true time.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Whether anything may be lost, late or slow at all: the safety phase.
    pub(super) on: bool,
    pub(super) backend_down: i64,
    /// Per host: the journal cannot be used.
    pub(super) journal_down: BTreeMap<usize, i64>,
    /// The next append of this process ends with a crash, before or after it took place.
    pub(super) crash_at_append: BTreeMap<Pid, bool>,
}

/// Everything that the lock guards.
pub(super) struct Inner {
    pub(super) rng: Rng,
    /// True time.
    pub(super) now: i64,
    /// Per host: how far its clock is ahead.
    pub(super) offsets: Vec<i64>,
    /// Which host a process runs on.
    pub(super) host_of: Vec<usize>,
    pub(super) faults: Faults,
    /// The backend's flags, by key.
    pub(super) flags: BTreeMap<String, Model>,
    pub(super) truth: Truth,
    /// Requests under way whose sender no longer waits: when they land, and what.
    pub(super) late: Vec<(i64, Request)>,
    /// Processes that must not be polled again.
    pub(super) doomed: BTreeSet<Pid>,
    pub(super) trace: Vec<String>,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
}

impl Inner {
    pub(super) fn local(&self, host: usize) -> Timestamp {
        Timestamp(self.now + self.offsets[host])
    }

    pub(super) fn say(&mut self, line: impl std::fmt::Display) {
        let at = (self.now - BEGIN) as f64 / 1000.0;
        self.trace.push(format!("{at:>9.1}s {line}"));
    }
}

/// The world, shared by all ports.
pub(super) struct World(Mutex<Inner>);

pub(super) type Shared = Arc<World>;

impl World {
    pub(super) fn new(seed: u64, hosts: usize, flags: BTreeMap<String, Model>) -> Shared {
        Arc::new(World(Mutex::new(Inner {
            rng: Rng(seed),
            now: BEGIN,
            offsets: vec![0; hosts],
            host_of: Vec::new(),
            faults: Faults::default(),
            flags,
            truth: Truth::default(),
            late: Vec::new(),
            doomed: BTreeSet::new(),
            trace: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
        })))
    }

    /// The one way in. Never held over an await.
    pub(super) fn with<T>(&self, visit: impl FnOnce(&mut Inner) -> T) -> T {
        visit(&mut self.0.lock().expect("no step panics under the lock"))
    }

    /// Grants one ready call, or moves time on to the next one. Returns the process to poll.
    pub(super) fn grant(&self) -> Option<Pid> {
        self.with(|inner| {
            let due = |inner: &Inner| -> Vec<u64> {
                let open = inner.calls.iter().filter(|(_, call)| call.fate.is_none());
                open.filter(|(_, call)| call.ready <= inner.now).map(|(id, _)| *id).collect()
            };
            let mut ready = due(inner);
            if ready.is_empty() {
                let open = inner.calls.values().filter(|call| call.fate.is_none());
                let next = open.map(|call| call.ready).min()?;
                let late = inner.late.iter().map(|(at, _)| *at).min();
                if late.is_some_and(|late| late <= next) {
                    inner.now = inner.now.max(late.unwrap_or(next));
                    return Some(Pid::MAX);
                }
                // never far at once: people, faults and checks come between
                inner.now = next.min(inner.now + 60_000);
                ready = due(inner);
            }
            if ready.is_empty() {
                return Some(Pid::MAX);
            }
            let id = inner.rng.pick(&ready);
            let fate = match inner.calls[&id].kind {
                Kind::Write if inner.faults.on => match inner.rng.below(100) {
                    0..5 => Fate::Lost,
                    5..12 => Fate::Later(inner.rng.between(1, 200_000)),
                    _ => Fate::Done,
                },
                _ => Fate::Done,
            };
            let call = inner.calls.get_mut(&id).expect("picked from the open ones");
            call.fate = Some(fate);
            call.waits.wake_by_ref();
            Some(call.pid)
        })
    }

    /// Grants the open call of one process at once, whatever others wait for.
    pub(super) fn grant_to(&self, pid: Pid) {
        self.with(|inner| {
            let Some(call) = inner.calls.values_mut().find(|call| call.pid == pid && call.fate.is_none()) else {
                return;
            };
            call.fate = Some(Fate::Done);
            call.waits.wake_by_ref();
            inner.now = inner.now.max(call.ready);
        });
    }
}

/// One await at the world's mercy.
pub(super) struct Step {
    world: Shared,
    pid: Pid,
    kind: Kind,
    call: Option<u64>,
}

impl Step {
    pub(super) fn new(world: &Shared, pid: Pid, kind: Kind) -> Step {
        Step { world: Arc::clone(world), pid, kind, call: None }
    }
}

impl Future for Step {
    type Output = Fate;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Fate> {
        let this = self.get_mut();
        let world = Arc::clone(&this.world);
        world.with(|inner| {
            let Some(id) = this.call else {
                let slow = if inner.faults.on && inner.rng.chance(20) { inner.rng.between(1, 90_000) } else { 0 };
                let takes = match this.kind {
                    // as the machine's clock: how long is reckoned once, whatever the clock is set to meanwhile
                    Kind::Sleep(until) => {
                        let asked = (until - inner.local(inner.host_of[this.pid]).0).max(0);
                        // a busy machine wakes up late
                        asked + if asked > 500 { inner.rng.between(0, 8_000) } else { inner.rng.between(0, 50) }
                    }
                    _ => inner.rng.between(1, 200) + slow,
                };
                let id = inner.next_call;
                inner.next_call += 1;
                let ready = inner.now + takes;
                let waits = context.waker().clone();
                inner.calls.insert(id, Call { pid: this.pid, kind: this.kind, ready, fate: None, waits });
                this.call = Some(id);
                return Poll::Pending;
            };
            let Some(call) = inner.calls.get_mut(&id) else { return Poll::Pending };
            call.waits.clone_from(context.waker());
            match call.fate {
                Some(fate) => {
                    inner.calls.remove(&id);
                    this.call = None;
                    Poll::Ready(fate)
                }
                None => Poll::Pending,
            }
        })
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(id) = self.call {
            self.world.with(|inner| inner.calls.remove(&id));
        }
    }
}

/// A host's clock as one process sees it.
pub(super) struct HostClock {
    pub(super) world: Shared,
    pub(super) pid: Pid,
    pub(super) host: usize,
    /// Broken on purpose: what the clock shows until the next sleep is over.
    pub(super) stands: Option<Mutex<Timestamp>>,
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        match &self.stands {
            Some(stands) => *stands.lock().expect("no step panics under the lock"),
            None => self.world.with(|inner| inner.local(self.host)),
        }
    }

    fn sleep_until(&self, instant: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            Step::new(&self.world, self.pid, Kind::Sleep(instant.0)).await;
            if let Some(stands) = &self.stands {
                *stands.lock().expect("no step panics under the lock") =
                    self.world.with(|inner| inner.local(self.host));
            }
        })
    }
}
