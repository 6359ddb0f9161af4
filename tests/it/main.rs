//! One integration binary; a module per concern.

mod engine;
mod flagd;
mod journal;
mod layers;
mod spec;
