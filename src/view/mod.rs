//! What people and machines see: projections of state and events. Nothing here acts.

pub mod answer;
pub mod answers;
pub mod audit;
pub mod error;
pub mod explain;
pub mod findings;
pub mod freezes;
pub mod live;
pub mod made;
pub mod plan;
pub mod printer;
pub mod progress;
pub mod proof;
pub mod safe;
pub mod schemas;
pub mod status;
pub mod stops;
pub mod verbose;
pub mod words;
