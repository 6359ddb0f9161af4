//! flagstaff releases features behind flags, a stage at a time, by rules written beforehand.
//!
//! `ARCHITECTURE.md` maps the rooms and their invariants. Each room stands only on those below it:
//! `cli`, then `mcp` and `demo`, then `notify`, `view`, `serve`, `control`, the three ports (`backend`, `telemetry`, `journal`),
//! `forecast`, `spec`, then `http`, `calendar` and `checkup`, and at the bottom `engine`, which is pure.

pub mod backend;
pub mod calendar;
pub mod canonical;
pub mod checkup;
pub mod cli;
pub mod clock;
pub mod control;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod env;
pub mod forecast;
pub mod http;
pub mod journal;
pub mod mcp;
pub mod notify;
pub mod serve;
pub mod spec;
pub mod telemetry;
pub mod view;
