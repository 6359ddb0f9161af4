//! A seeded simulator: the real engine, control loop and journal against a simulated clock, backend and telemetry, with
//! processes that crash anywhere, people who do anything at any moment, and everything that goes wrong.
//!
//! A seed is one life: `FLAGSTAFF_SEED=95 cargo test --test it simulator::run` lives it again; `FLAGSTAFF_SEEDS=5000`
//! lives more of them.

mod backend;
pub(crate) mod by_hand;
mod crew;
mod invariants;
mod ledger;
mod mutants;
mod people;
mod run;
mod telemetry;
mod world;
