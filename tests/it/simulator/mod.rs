//! A seeded simulator: the real fold and journal, processes that crash, people, and everything that goes wrong.

mod backend;
mod invariants;
mod ledger;
mod mutants;
mod people;
mod pilot;
mod run;
mod telemetry;
mod world;
