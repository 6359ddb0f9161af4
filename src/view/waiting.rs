//! One line that says where an awaited rollout is, on a terminal; elsewhere nothing.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::Printer;
use super::safe::safe;
use super::text::{ascii, clip};
use super::words;
use crate::control::Rollout;

/// A line on stderr that moves while somebody waits, and is gone afterwards: stdout is for data.
pub struct Waiting {
    printer: Printer,
    line: Option<ProgressBar>,
}

impl Waiting {
    /// On a terminal for people.
    pub fn new(printer: &Printer) -> Waiting {
        let shows = printer.live && std::io::stderr().is_terminal() && !printer.machine() && !printer.quiet;
        let line = shows.then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            line.set_style(style.tick_chars(if printer.unicode {
                "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "
            } else {
                "-\\|/ "
            }));
            line
        });
        Waiting { printer: printer.clone(), line }
    }

    /// Where it is now.
    pub fn say(&mut self, rollout: &Rollout) {
        let Some(line) = &self.line else { return };
        let (plan, state) = (&rollout.plan, &rollout.state);
        let stage = plan.stages.get(state.stage);
        let name = stage.map(|stage| safe(&stage.name)).unwrap_or_default();
        let need = stage.map_or(0, |stage| plan.ticks(stage.bake));
        let text = format!(
            "{}  {} at {name}, on for {}, baked {} of {need}",
            safe(&rollout.address()),
            words::phase(rollout),
            words::exposed(state),
            state.baked.min(need)
        );
        let text = if self.printer.unicode { text } else { ascii(&text) };
        line.set_message(clip(&text, self.printer.size().0.saturating_sub(3)));
        line.tick();
    }

    /// Clears the line, so that what is said next stands alone.
    pub fn finish(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.finish();
    }
}
