//! Live progress: redrawn in place on a terminal, one line per event elsewhere.

use super::picture::{Look, News, picture};
use super::printer::{Format, Printer};
use super::progress::{End, EventRow, ProgressAnswer};
use super::safe::safe;
use super::screen::{Screen, line};
use super::status::StatusRow;
use super::words;
use crate::control::{ControlError, Rollout, Step};
use crate::engine::{Span, Timestamp};

/// A picture stands at least this long: nobody reads faster.
const LEAST: Span = Span(250);
/// Events that are kept for the picture.
const KEPT: usize = 12;

/// Draws rollouts.
pub struct Live {
    printer: Printer,
    screen: Option<Screen>,
    news: Vec<News>,
    drawn: Option<Timestamp>,
    /// Whether somebody drives what is shown.
    pub driven: bool,
    /// The trouble that was said last, while it lasts.
    trouble: Option<String>,
    /// For the one document at the end.
    events: Vec<EventRow>,
}

impl Live {
    /// On a terminal with human output a screen, else lines.
    pub fn new(printer: &Printer) -> Live {
        let redraws = printer.live && !printer.machine() && !printer.quiet && !printer.verbose;
        let screen = redraws.then(Screen::default);
        Live {
            printer: printer.clone(),
            screen,
            news: Vec::new(),
            drawn: None,
            driven: true,
            trouble: None,
            events: Vec::new(),
        }
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
            let (clock, address) = (words::clock(step.at), safe(&address));
            match &self.screen {
                Some(_) => self.hear(News { clock, address, what }),
                None if !self.printer.quiet => self.printer.out(&format!("{clock}  {address}  {what}")),
                None => {}
            }
        }
    }

    /// Says what keeps the driver from going on; once, however often it tries again.
    pub fn trouble(&mut self, error: &ControlError, now: Timestamp) {
        let what = format!("nothing is recorded and nothing grows: {}; trying again", safe(&error.chain()));
        if self.trouble.as_ref() == Some(&what) {
            return;
        }
        self.trouble = Some(what.clone());
        match &self.screen {
            Some(_) => self.hear(News { clock: words::clock(now), address: String::new(), what }),
            None => self.printer.err(&what),
        }
    }

    fn hear(&mut self, news: News) {
        self.news.push(news);
        let surplus = self.news.len().saturating_sub(KEPT);
        self.news.drain(..surplus);
    }

    /// Redraws the screen, if there is one and what stands there was seen for a moment.
    pub fn draw(&mut self, rollouts: &[&Rollout], now: Timestamp) {
        self.trouble = None;
        // a clock that was set back is no reason to stand still
        if self.drawn.is_some_and(|drawn| now >= drawn && now.since(drawn) < LEAST) {
            return;
        }
        self.redraw(rollouts, now);
    }

    /// Draws the last picture and leaves it standing; for machines, says where everything is now.
    pub fn finish(mut self, end: End, rows: Vec<StatusRow>, rollouts: &[&Rollout], now: Timestamp) {
        self.redraw(rollouts, now);
        let (events, printer) = (std::mem::take(&mut self.events), self.printer.clone());
        self.leave();
        printer.answer(&ProgressAnswer { end, rollouts: rows, events });
    }

    /// Leaves the last picture standing, where something else is answered.
    pub fn leave(mut self) {
        if let Some(screen) = &mut self.screen {
            screen.close(&mut std::io::stdout().lock());
        }
    }

    fn redraw(&mut self, rollouts: &[&Rollout], now: Timestamp) {
        let Some(screen) = &mut self.screen else { return };
        if self.drawn.is_none() && self.news.is_empty() {
            self.news = history(rollouts);
        }
        self.drawn = Some(now);
        let (columns, rows) = self.printer.size();
        // the line below the picture is the cursor's
        let look = Look { columns, rows: rows.saturating_sub(1), unicode: self.printer.unicode, driven: self.driven };
        let lines = picture(rollouts, &self.news, now, look);
        let painted: Vec<(String, usize)> = lines.iter().map(|text| line(self.printer.paint(text), text)).collect();
        screen.draw(&mut std::io::stdout().lock(), &painted, columns);
    }
}

/// What happened last, before anybody looked.
fn history(rollouts: &[&Rollout]) -> Vec<News> {
    let mut news: Vec<(Timestamp, News)> = Vec::new();
    for rollout in rollouts {
        for (_, step) in rollout.steps.iter().rev().take(KEPT * 4) {
            let of_step = step.events.iter().rev().filter_map(|event| words::event(&rollout.plan, event));
            news.extend(
                of_step.map(|what| {
                    (step.at, News { clock: words::clock(step.at), address: safe(&rollout.address()), what })
                }),
            );
        }
    }
    // newest first where the times are the same, as they were taken; then the oldest first
    news.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    news.truncate(KEPT);
    news.reverse();
    news.into_iter().map(|(_, news)| news).collect()
}
