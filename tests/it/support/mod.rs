//! What several test modules need.

pub(crate) mod certificates;
pub(crate) mod gate;
pub(crate) mod model;
pub(crate) mod page;
pub(crate) mod schema;
pub(crate) mod server;
pub(crate) mod terminal;
pub(crate) mod tools;
