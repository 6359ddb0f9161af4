//! One integration binary; a module per concern.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod apply;
mod calendars;
mod changed;
mod cli;
mod conformance;
mod counting;
mod demo;
mod doctor;
mod documents;
mod engine;
mod flagd;
mod generated;
mod hangs;
mod journal;
mod killed;
mod layers;
mod machine;
mod mcp;
mod prometheus;
mod readme;
mod serve;
mod simulator;
mod slow_journal;
mod spec;
mod spool;
mod stops;
mod support;
mod telemetry;
mod terminal;
mod together;
mod unleash;
mod verbose;
mod without_journal;
