//! apply

use super::event::Event;
use super::state::State;

impl State {
    /// Folds one event into the state. Total: any sequence of events gives a state.
    pub fn apply(&mut self, event: &Event) {
        let _ = event;
    }
}
