//! Live progress: redrawn in place on a terminal, one line per event elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::{Format, Printer, Tone};
use super::progress::{End, EventRow, ProgressAnswer};
use super::safe::safe;
use super::status::StatusRow;
use super::words;
use crate::control::{ControlError, Rollout, Step};
use crate::engine::explain::explain;
use crate::engine::plan::Unit;
use crate::engine::{Condition, Phase, Reading, Timestamp};

/// Draws rollouts.
pub struct Live {
    printer: Printer,
    screen: Option<MultiProgress>,
    lines: Vec<ProgressBar>,
    recent: Vec<String>,
    /// For the one document at the end.
    events: Vec<EventRow>,
}

impl Live {
    /// On a terminal with human output a screen, else lines.
    pub fn new(printer: &Printer) -> Live {
        let redraws = printer.live && !printer.machine() && !printer.quiet && !printer.verbose;
        let screen = redraws.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10)));
        Live { printer: printer.clone(), screen, lines: Vec::new(), recent: Vec::new(), events: Vec::new() }
    }

    /// Takes in a step.
    pub fn step(&mut self, rollout: &Rollout, step: &Step) {
        for event in &step.events {
            let Some(what) = words::event(&rollout.plan, event) else { continue };
            let address = rollout.address();
            if self.printer.machine() {
                let row = EventRow { time: step.at.to_string(), address, what, event: event.clone() };
                match self.printer.format {
                    Format::Jsonl => self.printer.answer(&row),
                    _ => self.events.push(row),
                }
                continue;
            }
            let line = format!("{}  {}  {what}", words::clock(step.at), safe(&address));
            match &self.screen {
                Some(_) => {
                    self.recent.push(line);
                    let surplus = self.recent.len().saturating_sub(6);
                    self.recent.drain(..surplus);
                }
                None if !self.printer.quiet => self.printer.out(&line),
                None => {}
            }
        }
    }

    /// Says what keeps the driver from going on. It tries again.
    pub fn trouble(&mut self, error: &ControlError) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        let line = format!("nothing is recorded and nothing grows: {}; trying again", safe(&text));
        match &self.screen {
            Some(_) => self.recent.push(line),
            None => self.printer.err(&line),
        }
    }

    /// Redraws the screen, if there is one.
    pub fn draw(&mut self, rollouts: &[&Rollout], now: Timestamp) {
        if self.screen.is_none() {
            return;
        }
        let text = self.text(rollouts, now);
        let Some(screen) = &self.screen else { return };
        while self.lines.len() < text.len() {
            let line = screen.add(ProgressBar::new_spinner());
            line.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            self.lines.push(line);
        }
        for (index, line) in self.lines.iter().enumerate() {
            let wanted = text.get(index).cloned().unwrap_or_default();
            if line.message() != wanted {
                line.set_message(wanted);
            }
        }
    }

    /// Leaves the last picture standing; for machines, says where everything is now.
    pub fn finish(mut self, end: End, rollouts: Vec<StatusRow>) {
        let events = std::mem::take(&mut self.events);
        let printer = self.printer.clone();
        self.leave();
        printer.answer(&ProgressAnswer { end, rollouts, events });
    }

    /// Leaves the last picture standing, where something else is answered.
    pub fn leave(self) {
        for line in &self.lines {
            line.abandon();
        }
    }

    /// The picture, line by line.
    pub fn text(&self, rollouts: &[&Rollout], now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let detailed = rollouts.len() <= 3;
        for rollout in rollouts {
            lines.push(self.headline(rollout));
            if detailed {
                lines.push(self.clip(&self.next(rollout, now)));
                lines.push(self.clip(&self.stages(rollout)));
                lines.extend(self.metrics(rollout).iter().map(|line| self.clip(line)));
                lines.push(String::new());
            }
        }
        lines.extend(self.recent.iter().map(|line| self.clip(line)));
        lines
    }

    fn headline(&self, rollout: &Rollout) -> String {
        let state = &rollout.state;
        let tone = match state.phase {
            Phase::Running => Tone::Strong,
            Phase::Completed => Tone::Good,
            Phase::Paused => Tone::Warn,
            _ => Tone::Bad,
        };
        let why = words::why(state);
        let why = if why.is_empty() { why } else { format!(" ({why})") };
        let text = format!(
            "{}  {}{why}  on for {}",
            safe(&rollout.address()),
            words::phase(rollout),
            safe(&state.allowed.to_string())
        );
        self.printer.tone(&self.clip(&text), tone)
    }

    fn next(&self, rollout: &Rollout, now: Timestamp) -> String {
        let explained = explain(&rollout.plan, &rollout.state, None, now);
        if !rollout.state.is_live() {
            return "  nothing more to come".to_owned();
        }
        let missing: Vec<String> =
            explained.missing.iter().map(|missing| words::missing(&rollout.plan, missing)).collect();
        let when = explained.earliest.map(|at| format!("; earliest {}", words::clock(at))).unwrap_or_default();
        format!("  {}{when}", if missing.is_empty() { "nothing is missing".to_owned() } else { missing.join(", ") })
    }

    fn stages(&self, rollout: &Rollout) -> String {
        let (plan, state) = (&rollout.plan, &rollout.state);
        let mut text = String::from("  ");
        for (index, stage) in plan.stages.iter().enumerate() {
            let done = index < state.stage || state.phase == Phase::Completed;
            let here = index == state.stage && state.is_live();
            let mark = match (done, here, self.printer.unicode) {
                (true, _, true) => "✓",
                (true, _, false) => "+",
                (_, true, true) => "▶",
                (_, true, false) => ">",
                (_, _, true) => "·",
                (_, _, false) => ".",
            };
            text.push_str(&format!("{mark} {}", safe(&stage.name)));
            if here {
                text.push_str(&format!(" {}", self.bar(state.baked, plan.ticks(stage.bake))));
            }
            text.push_str("  ");
        }
        text
    }

    fn bar(&self, have: u32, need: u32) -> String {
        let width = 8;
        let filled = (have.min(need) as usize * width).checked_div(need as usize).unwrap_or(width);
        let (full, empty) = if self.printer.unicode { ("█", "░") } else { ("#", "-") };
        format!("{}{} {have}/{need}", full.repeat(filled), empty.repeat(width - filled))
    }

    fn metrics(&self, rollout: &Rollout) -> Vec<String> {
        let plan = &rollout.plan;
        let mut lines = Vec::new();
        for (index, series) in plan.series.iter().enumerate() {
            let values: Vec<&Reading> = rollout.ticks.values().filter_map(|readings| readings.get(index)).collect();
            let newest = values.last().map(|reading| words::reading(reading, series.unit)).unwrap_or_default();
            let reads = |condition: &Condition| {
                let mut found = false;
                condition.each_series(&mut |read| found |= read == index);
                found
            };
            let lines_of = plan.healthy.iter().map(|line| (&line.condition, &line.text));
            let rules_of = plan.rules.iter().map(|rule| (&rule.condition, &rule.text));
            let of_series = lines_of.chain(rules_of).filter(|(condition, _)| reads(condition));
            let thresholds: Vec<String> = of_series.map(|(_, text)| safe(text)).collect();
            lines.push(format!(
                "    {:<20} {:<22} {}  {}",
                safe(&series.name),
                newest,
                self.sparkline(&values, series.unit),
                thresholds.join(" · ")
            ));
        }
        lines
    }

    /// The last values, scaled to their largest; a gap where nothing is known.
    fn sparkline(&self, values: &[&Reading], _unit: Unit) -> String {
        let marks: Vec<char> = if self.printer.unicode {
            "▁▂▃▄▅▆▇█".chars().collect()
        } else {
            "_.-=+*#@".chars().collect()
        };
        let newest = &values[values.len().saturating_sub(16)..];
        let number = |reading: &Reading| reading.value().and_then(|value| value.to_string().parse::<f64>().ok());
        let most = newest.iter().filter_map(|reading| number(reading)).fold(0.0, f64::max);
        newest
            .iter()
            .map(|reading| match number(reading) {
                Some(value) if most > 0.0 => marks[((value / most * 7.0).round() as usize).min(7)],
                Some(_) => marks[0],
                None => '?',
            })
            .collect()
    }

    /// At most the width of the terminal: a wrapped line would break the picture.
    fn clip(&self, text: &str) -> String {
        let mut clipped = String::new();
        let mut columns = 0;
        for c in text.chars() {
            columns += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            if columns >= self.printer.width {
                break;
            }
            clipped.push(c);
        }
        clipped
    }
}
