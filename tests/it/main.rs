//! One integration binary; a module per concern.

mod cli;
mod engine;
mod generated;
mod journal;
mod layers;
mod simulator;
mod spec;
