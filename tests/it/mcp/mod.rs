//! `mcp`: sessions in both eras of the protocol, written by hand and by the official clients.

mod clients;
mod kit;
mod looking;
mod proposing;
mod robust;
mod setup;
mod stopping;
mod trail;
mod untrusted;
