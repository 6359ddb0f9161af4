//! YAML with spans → checked documents → a resolved, canonical plan. All findings at once. Never touches the network.

mod aligned;
mod burn_rate;
mod checks;
pub mod codes;
pub mod condition;
pub mod constant;
pub mod documents;
pub mod files;
pub mod finding;
mod index;
pub mod load;
pub mod metrics;
pub mod notifications;
mod promise;
pub mod promql;
mod proof;
pub mod raw;
pub mod reader;
pub mod resolve;
mod sample_ratio;
pub mod schema;
pub mod text;
pub mod typing;
pub mod url;
pub mod yaml;

pub use finding::{Finding, Severity};
pub use load::{Draft, Loaded, load, load_paths, load_proposed, project_only, stamps};
pub use resolve::Resolved;
