//! One integration binary; a module per concern.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli;
mod demo;
mod engine;
mod flagd;
mod generated;
mod journal;
mod killed;
mod layers;
mod prometheus;
mod simulator;
mod spec;
mod support;
mod telemetry;
mod terminal;
mod together;
mod without_journal;
