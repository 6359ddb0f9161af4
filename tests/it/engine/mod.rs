//! The engine alone: no clock, no files, no servers.

mod cases;
mod decimals;
mod invariants;
mod kit;
mod promises;
mod pure;
mod reference;
mod table;
