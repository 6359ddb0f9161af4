//! The model backend by itself: one flag, no faults, and every step granted as soon as a gate lets it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

use flagstaff::backend::{Backend, BackendError, Expose, Prepare, Standing};
use flagstaff::checkup::Check;
use flagstaff::clock::{Answer, Clock};
use flagstaff::engine::Percentage;
use flagstaff::engine::input::Observed;
use flagstaff::engine::plan::Audience;

use super::backend::{Door, Lie, Model, hand};
use super::world::{Shared, World};
use crate::support::gate::Gate;

/// A world with nothing in it but a flag that compares and swaps.
pub(crate) struct Alone {
    pub(crate) flag: String,
    world: Shared,
}

/// A process' way to it.
struct Way {
    door: Door,
    gate: Gate,
}

impl Alone {
    pub(crate) fn new(flag: &str) -> Alone {
        let flags = BTreeMap::from([(flag.to_owned(), Model::new(true, Lie::None))]);
        Alone { flag: flag.to_owned(), world: World::new(1, 1, flags) }
    }

    /// A way of its own, as another process has it, which waits at a gate before each of its steps.
    pub(crate) fn way(&self, gate: Gate) -> Arc<dyn Backend> {
        let pid = self.world.with(|inner| {
            inner.host_of.push(0);
            inner.host_of.len() - 1
        });
        Arc::new(Way { door: Door { world: Arc::clone(&self.world), pid, host: 0 }, gate })
    }

    /// A person edits the flag.
    pub(crate) fn hand(&self, edit: impl FnOnce(&mut Observed)) {
        self.world.with(|inner| hand(inner, &self.flag, "a hand", edit));
    }

    /// A person takes it away.
    pub(crate) fn remove(&self) {
        self.world.with(|inner| inner.flags.remove(&self.flag));
    }

    /// It is another one after each change.
    pub(crate) fn revision(&self) -> String {
        self.world.with(|inner| inner.flags[&self.flag].flag.revision.clone())
    }
}

impl Way {
    /// Polls as the scheduler of a life does. Whoever dies is dropped where they stand.
    async fn drive<T>(&self, mut answer: Answer<'_, Result<T, BackendError>>) -> Result<T, BackendError> {
        loop {
            let polled = std::future::poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
            if let Poll::Ready(answered) = polled {
                return answered;
            }
            if !self.gate.pass().await {
                return Err(BackendError::Unreachable { place: self.place(), detail: "died here".to_owned() });
            }
            self.door.world.grant_to(self.door.pid);
        }
    }
}

impl Backend for Way {
    fn place(&self) -> String {
        self.door.place()
    }

    fn resolution(&self) -> Percentage {
        self.door.resolution()
    }

    fn read<'a>(
        &'a self,
        key: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(self.drive(self.door.read(key, audiences)))
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.drive(self.door.expose(request)))
    }

    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        self.door.rehearse(request)
    }

    fn switch_off<'a>(&'a self, key: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.drive(self.door.switch_off(key)))
    }

    fn standing<'a>(&'a self, key: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(self.drive(self.door.standing(key)))
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.drive(self.door.prepare(request)))
    }

    fn examine<'a>(&'a self, clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        self.door.examine(clock)
    }
}
