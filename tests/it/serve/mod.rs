//! `serve` as a process of its own: what it drives, what it answers, and how it ends.

mod driving;
mod kit;
