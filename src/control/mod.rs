//! The loop around the engine: which rollouts are due, catch-up, effects, commands, the stop path.
//!
//! Everything here keeps its truth in the journal: a process that dies at any point is replaced by one that loads it.
//! Dropping any of these futures at any await point is such a death.

pub mod apply;
pub mod asked;
mod backends;
mod breaker;
pub mod command;
pub mod create;
pub mod dated;
pub mod doctor;
mod documents;
pub mod drift;
pub mod drive;
pub mod effects;
pub mod error;
pub mod freeze;
pub mod gates;
mod gather;
mod late;
pub mod live;
pub mod observe;
pub mod pass;
mod questions;
pub mod record;
pub mod replay;
pub mod rollout;
pub mod served;
pub mod serving;
pub mod signal;
pub mod site;
pub mod spooled;
pub mod stale;
pub mod start;
pub mod stop;
pub mod store;
pub mod ticks;
pub mod trouble;
mod under_way;

pub use backends::{certificates, credential};
pub use command::CommandReport;
pub use error::ControlError;
pub use record::Step;
pub use rollout::Rollout;
pub use site::Site;
pub use start::StartOptions;
pub use stop::{StopKind, StopOutcome, StopReport};
pub use store::Store;
pub use trouble::Trouble;
