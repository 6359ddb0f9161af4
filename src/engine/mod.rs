//! The pure core: a fold from recorded inputs to events and state.
//!
//! Nothing here knows a clock, I/O, async, randomness, hash order or floating point. The same plan and the same
//! inputs give the same events on every machine: that is what `audit replay` relies on.
//!
//! `decide::decide(plan, state, input)` yields events or a refusal; `State::apply` folds an event into the state.

pub mod apply;
pub mod breaker;
pub mod calendar;
pub mod condition;
pub mod decide;
pub mod decimal;
pub mod detector;
pub mod edge;
pub mod event;
pub mod explain;
pub mod exposure;
pub mod input;
pub mod judge;
pub mod logarithm;
pub mod plan;
pub mod proof;
pub mod reading;
pub mod split;
pub mod state;
pub mod time;

pub use condition::{Condition, Term, Verdict};
pub use decimal::Decimal;
pub use edge::{Edge, Standing};
pub use event::{Event, Fired};
pub use exposure::{Exposure, Percentage};
pub use input::{Actor, Command, Gates, Input, Observation, Observed, Origin, Outcome, Signal, Tick};
pub use plan::Plan;
pub use reading::{Reading, Unknown};
pub use state::{Cause, Effect, EffectKind, Phase, State};
pub use time::{Span, Timestamp};
