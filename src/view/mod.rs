//! What people and machines see: projections of state and events. Nothing here acts.

pub mod answers;
pub mod audit;
pub mod explain;
pub mod findings;
pub mod live;
pub mod printer;
pub mod safe;
pub mod status;
pub mod text;
pub mod words;
