//! Those who write: at once, or a step at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use flagstaff::backend::{Backend, BackendError, Card, Expose, Prepare, Switch};
use flagstaff::engine::input::{Observed, Stamp};
use flagstaff::engine::plan::{AttributeTest, Audience, Constraint};
use flagstaff::engine::{Exposure, Percentage};
use tokio::task::JoinHandle;

use super::places::Place;
use crate::support::gate::{Gate, Keeper};

pub(super) fn audiences() -> BTreeMap<String, Audience> {
    let constraint = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
    let staff = constraint("email", AttributeTest::EndsWith("@acme.example".to_owned()));
    let named = constraint("userId", AttributeTest::In(vec!["user-17".to_owned()]));
    let north = constraint("region", AttributeTest::StartsWith("north-".to_owned()));
    BTreeMap::from([
        ("beta".to_owned(), Audience { any: vec![north] }),
        ("staff".to_owned(), Audience { any: vec![staff, named] }),
    ])
}

pub(super) fn exposure(audiences: &[&str], percent: u32) -> Exposure {
    Exposure {
        audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
        percentage: Percentage::whole(percent),
    }
}

/// One who writes, with a stamp of their own.
pub(super) struct Writer {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) flag: String,
    pub(super) stamp: Stamp,
}

impl Writer {
    pub(super) fn new(place: &dyn Place) -> Writer {
        Writer::stamped(place, "journal", "rollout")
    }

    pub(super) fn stamped(place: &dyn Place, journal: &str, rollout: &str) -> Writer {
        let stamp = Stamp { journal: journal.to_owned(), rollout: rollout.to_owned() };
        Writer { backend: place.backend(), flag: place.flag(), stamp }
    }

    pub(super) async fn read(&self) -> Observed {
        self.backend.read(&self.flag, &audiences()).await.unwrap()
    }

    pub(super) fn request(&self, exposure: Exposure, switch: Switch, revision: String) -> Expose {
        Expose {
            flag: self.flag.clone(),
            exposure,
            audiences: audiences(),
            stickiness: "userId".to_owned(),
            stamp: self.stamp.clone(),
            switch,
            revision,
            take_over: false,
        }
    }

    pub(super) async fn set(&self, exposure: Exposure, switch: Switch) -> Result<(), BackendError> {
        let revision = self.read().await.revision;
        self.backend.expose(&self.request(exposure, switch, revision)).await
    }

    /// As `apply --adopt` does, whoever made the flag.
    pub(super) async fn prepare(&self, description: &str) -> Result<(), BackendError> {
        let card = Card { description: Some(description.to_owned()), ..Card::default() };
        let (flag, stickiness) = (self.flag.clone(), "userId".to_owned());
        self.backend.prepare(&Prepare { flag, card, stickiness, missing: false, adopt: true }).await
    }

    pub(super) async fn off(&self) {
        self.backend.switch_off(&self.flag).await.unwrap();
    }
}

/// What one does who works a step at a time.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Reads, and sets an exposure on what was read.
    Set(Exposure, Switch),
    /// Makes the flag ours where it is not, and says something of it.
    Prepare(&'static str),
    /// Switches off.
    Off,
}

/// One who works a step at a time, as a process of their own.
pub(super) struct Actor {
    keeper: Keeper,
    task: JoinHandle<Result<(), BackendError>>,
    ended: Option<Result<(), BackendError>>,
}

impl Actor {
    /// Begins, and stands before the first step.
    pub(super) async fn begin(place: &dyn Place, deed: Deed) -> Actor {
        let (gate, keeper) = Gate::kept();
        let writer = Writer { backend: place.stepping(gate).await, ..Writer::new(place) };
        let task = tokio::spawn(async move {
            match deed {
                Deed::Off => writer.backend.switch_off(&writer.flag).await,
                Deed::Prepare(description) => writer.prepare(description).await,
                Deed::Set(exposure, switch) => {
                    let revision = writer.backend.read(&writer.flag, &audiences()).await?.revision;
                    writer.backend.expose(&writer.request(exposure, switch, revision)).await
                }
            }
        });
        let mut actor = Actor { keeper, task, ended: None };
        actor.arrive().await;
        actor
    }

    async fn arrive(&mut self) {
        tokio::select! {
            biased;
            Some(()) = self.keeper.there.recv() => {}
            ended = &mut self.task => self.ended = Some(ended.unwrap()),
        }
    }

    /// What came of it, once it has ended.
    pub(super) fn ended(&self) -> Option<&Result<(), BackendError>> {
        self.ended.as_ref()
    }

    /// One step.
    pub(super) async fn step(&mut self) {
        self.keeper.let_on();
        self.arrive().await;
    }

    /// So many steps, or all there are.
    pub(super) async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            if self.ended.is_none() {
                self.step().await;
            }
        }
    }

    /// Dies where it stands: nothing of it happens any more.
    pub(super) async fn die(self) {
        let Actor { keeper, task, .. } = self;
        drop(keeper);
        assert!(task.await.unwrap().is_err(), "the dead end nothing");
    }
}
