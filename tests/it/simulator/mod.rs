//! A seeded simulator: the real fold, the journal, processes that crash, people, and everything that goes wrong.
//!
//! What drives the fold here is [`pilot`], the control loop in its smallest form, not `control` itself. A seed is one
//! life: `FLAGSTAFF_SEED=95 cargo test --test it simulator::run` lives it again; `FLAGSTAFF_SEEDS=5000` lives more of them.

mod backend;
mod invariants;
mod ledger;
mod mutants;
mod people;
mod pilot;
mod run;
mod telemetry;
mod world;
