//! `serve --apply`: documents are applied from beside the loop, which hears of nothing that goes wrong with it.

use std::sync::Arc;

use super::line::{Level, Line, Log};
use super::vitals::Vitals;
use crate::control::apply::Follow;

/// Applies what `follow` says for as long as the process lives, on a thread of its own.
///
/// # Errors
/// Where there can be no thread.
pub fn begin(follow: Follow, vitals: Arc<Vitals>, log: Log) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = Arc::clone(&follow.clock);
    let mut last = None;
    let tell = move |done: Result<Vec<String>, String>| {
        vitals.applied(done.is_ok());
        let now = clock.now();
        match &done {
            Ok(done) => log(&Line::new(now, Level::Info, "applied").with("done", done.join(", "))),
            // what goes on failing is tried again, and told once
            Err(why) if last.as_ref() == Some(why) => {}
            Err(why) => log(&Line::new(now, Level::Error, "not-applied").with("why", why.clone())),
        }
        last = done.err();
    };
    std::thread::Builder::new().name("apply".to_owned()).spawn(move || runtime.block_on(follow.apply(tell)))?;
    Ok(())
}
