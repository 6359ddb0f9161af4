//! What people and machines see: projections of state and events. Nothing here acts.

pub mod answers;
pub mod attention;
pub mod audit;
pub mod ending;
pub mod explain;
pub mod findings;
#[cfg(test)]
mod fixture;
pub mod live;
pub mod picture;
pub mod plan;
pub mod printer;
pub mod safe;
mod screen;
pub mod status;
pub mod text;
pub mod waiting;
pub mod words;
