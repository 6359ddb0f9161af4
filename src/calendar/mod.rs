//! Local time: windows and dates as people write them, and the instants they mean. The only room that knows time zones; their
//! database is built in, so that a window opens at the same instant on every machine.

mod dates;
mod words;
mod zone;

pub mod window;

pub use dates::{End, moment};
pub use words::Fault;
pub use zone::{is_zone, names as zones};
