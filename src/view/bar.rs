//! How far long work is, on a terminal; elsewhere nothing.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::Printer;

/// Less than this is done before anybody wonders.
const LONG: usize = 20;

/// A bar on stderr that is gone when the work is done: stdout is for data.
pub struct Bar {
    shows: bool,
    unicode: bool,
    what: &'static str,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    /// On a terminal for people. `what` is being done.
    pub fn new(printer: &Printer, what: &'static str) -> Bar {
        let shows = printer.live && std::io::stderr().is_terminal() && !printer.machine() && !printer.quiet;
        Bar { shows, unicode: printer.unicode, what, bar: OnceLock::new() }
    }

    /// So much of all is done.
    pub fn at(&self, done: usize, all: usize) {
        if !self.shows || all < LONG {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{msg} {bar:30} {pos} of {len}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars(if self.unicode { "█▉ " } else { "#> " }));
            bar.set_message(self.what);
            bar
        });
        bar.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
