//! Backends, with what a person does to them by hand.

mod flag_file;
mod live;
mod model;

use std::sync::Arc;

use flagstaff::backend::Backend;
use futures_util::future::BoxFuture;

pub(super) use self::flag_file::FlagFile;
pub(super) use self::live::Live;
pub(super) use self::model::Modelled;
use crate::support::gate::Gate;

/// What a person could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    /// They turned the switch, which nothing but a start turns back.
    Switch,
    /// There is no switch: what they wrote serves nobody, like anything else that is written.
    Body,
    /// The switch is others' too, and no part of ours.
    Nothing,
}

/// A backend with one flag, and other hands on it.
pub(super) trait Place: Sync {
    /// The flag.
    fn flag(&self) -> String;

    /// A way to it of its own, as another process has it.
    fn backend(&self) -> Arc<dyn Backend>;

    /// One that waits at a gate before each step that another process could come before. Once the gate is closed for good
    /// nothing of it happens any more.
    fn stepping(&self, gate: Gate) -> BoxFuture<'_, Arc<dyn Backend>>;

    /// Everything that the place keeps of what was done to the flag: it is the same if nothing was.
    fn kept(&self) -> String;

    /// A person sets the share that is there to so many percent.
    fn hand_sets(&self, percent: u32);

    /// A person takes an audience's tests away, so that it is everybody.
    fn hand_widens_audience(&self);

    /// A person switches it off, as far as they can.
    fn hand_switches_off(&self) -> Hand;

    /// A person takes the flag away.
    fn hand_removes(&self);

    /// Whether the backend records who did something.
    fn knows_hands(&self) -> bool;

    /// Whether an audience of several tests is written a test at a time. What is there in part counts as all of it, and as
    /// changed, since nobody can tell whether a hand took the rest away.
    fn writes_in_parts(&self) -> bool;

    /// Whether there is a switch above all that we write. Where others share the flag there is none: a growth that is
    /// under way may enable a part of it after the shutdown, and takes that back before it ends.
    fn has_switch(&self) -> bool {
        true
    }

    /// How often, in the orders of the steps of two writers, the one who works stands still for the other in the middle
    /// of their work; `usize::MAX` is every order there is.
    fn turns(&self) -> usize;
}
