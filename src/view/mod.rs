//! What people and machines see: projections of state and events. Nothing here acts.

pub mod answer;
pub mod answers;
pub mod attention;
pub mod audit;
pub mod bar;
pub mod doctor;
pub mod ending;
pub mod error;
pub mod explain;
pub mod findings;
#[cfg(test)]
mod fixture;
pub mod flags;
pub mod freezes;
pub mod live;
pub mod log;
pub mod made;
pub mod picture;
pub mod plan;
pub mod printer;
pub mod progress;
pub mod proof;
pub mod proposal;
pub mod safe;
pub mod schemas;
mod screen;
pub mod served;
pub mod signal;
pub mod status;
pub mod stops;
pub mod text;
pub mod verbose;
pub mod waiting;
pub mod words;
