//! `serve` as a process of its own: what it drives, what it answers, and how it ends.

mod alertmanager;
mod applying;
mod bad_days;
mod driving;
pub(crate) mod kit;
mod signals;
