//! The simulator's model of a backend, without the simulator's faults.

use std::sync::Arc;

use flagstaff::backend::Backend;
use flagstaff::engine::Percentage;
use futures_util::future::BoxFuture;

use super::{Hand, Place};
use crate::simulator::by_hand::Alone;
use crate::support::gate::Gate;

/// The model.
pub(in crate::conformance) struct Modelled(Alone);

impl Modelled {
    pub(in crate::conformance) fn new(case: &str) -> Modelled {
        Modelled(Alone::new(case))
    }
}

impl Place for Modelled {
    fn flag(&self) -> String {
        self.0.flag.clone()
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.way(Gate::open())
    }

    fn stepping(&self, gate: Gate) -> BoxFuture<'_, Arc<dyn Backend>> {
        let way: Arc<dyn Backend> = self.0.way(gate);
        Box::pin(async move { way })
    }

    fn kept(&self) -> String {
        self.0.revision()
    }

    fn hand_sets(&self, percent: u32) {
        self.0.hand(|flag| flag.exposure.percentage = Percentage::whole(percent));
    }

    fn hand_widens_audience(&self) {
        // it knows no tests, only that there is more than ours
        self.0.hand(|flag| flag.foreign = Some("an audience without tests".to_owned()));
    }

    fn hand_switches_off(&self) -> Hand {
        self.0.hand(|flag| flag.on = false);
        Hand::Switch
    }

    fn hand_removes(&self) {
        self.0.remove();
    }

    fn knows_hands(&self) -> bool {
        true
    }

    fn writes_in_parts(&self) -> bool {
        false
    }

    fn turns(&self) -> usize {
        usize::MAX
    }
}
