//! One integration binary; a module per concern.

mod journal;
mod layers;
