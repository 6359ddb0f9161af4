//! One integration binary; a module per concern.

mod engine;
mod journal;
mod layers;
mod simulator;
mod spec;
