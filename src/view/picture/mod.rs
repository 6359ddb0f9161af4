//! The live picture: a projection of rollouts onto so many lines and columns. It never scrolls, and what needs somebody is
//! never what is left out.

mod detail;
mod rows;
#[cfg(test)]
mod tests;

use super::attention::{attention, counts, ordered, rollouts as count};
use super::printer::Tone;
use super::text::{ascii, clip, tone, wrap};
use crate::control::Rollout;
use crate::engine::Timestamp;

/// The room there is.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns; a line takes one less, so that no terminal breaks it.
    pub columns: usize,
    /// Rows that the picture may take.
    pub rows: usize,
    /// Whether more than ASCII may be drawn.
    pub unicode: bool,
    /// Whether somebody drives what is shown: without that nothing comes next.
    pub driven: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The time of day.
    pub clock: String,
    /// `release@environment`; empty for what concerns all.
    pub address: String,
    /// What, in words.
    pub what: String,
}

/// Below this many columns names lose their environment and bars go.
const NARROW: usize = 60;
/// So many of the last events, where there is room.
const NEWS: usize = 6;
/// So many of them whatever room there is.
const NEWS_LEAST: usize = 2;

impl Look {
    fn is_narrow(&self) -> bool {
        self.columns < NARROW
    }

    /// Columns of a line.
    fn line(&self) -> usize {
        self.columns.saturating_sub(1).max(10)
    }

    fn is_low(&self) -> bool {
        self.rows < 16
    }
}

/// The picture, line by line, each within the columns, all within the rows.
pub fn picture(rollouts: &[&Rollout], news: &[News], now: Timestamp, look: Look) -> Vec<String> {
    let rollouts = ordered(rollouts);
    let lines = match rollouts.as_slice() {
        [] => Vec::new(),
        [only] => one(only, news, now, look),
        many => several(many, news, now, look),
    };
    let fits = |line: String| match look.unicode {
        true => clip(&line, look.line()),
        false => ascii(&clip(&ascii(&line), look.line())),
    };
    lines.into_iter().take(look.rows).map(fits).collect()
}

/// One rollout: what, why and when next come first, the last events are always there, and between them as much as fits.
fn one(rollout: &Rollout, news: &[News], now: Timestamp, look: Look) -> Vec<String> {
    let head = detail::head(rollout, now, look);
    let stages = detail::stages(rollout, look);
    let strip = detail::strip(rollout, look);
    let metrics = detail::metrics(rollout, look);
    let values = detail::values(rollout, look);
    // half a threshold says less than none
    let beside = if look.is_narrow() { values.clone() } else { detail::metrics_beside(rollout, look) };
    let room = |events: &Vec<String>| look.rows.saturating_sub(head.len() + events.len());
    for (stages, metrics, spaced) in [
        (&stages, &metrics, true),
        (&stages, &metrics, false),
        (&stages, &beside, false),
        (&strip, &beside, false),
        (&strip, &values, false),
    ] {
        // stages and metrics say more than the fourth event before the last
        for most in [NEWS, 3] {
            let events = told(news, false, look, most);
            let gaps = if spaced { 3 } else { 0 };
            if stages.len() + metrics.len() + gaps <= room(&events) {
                let gap = || spaced.then(String::new);
                let parts = head.iter().cloned().chain(gap()).chain(stages.iter().cloned()).chain(gap());
                return parts.chain(metrics.iter().cloned()).chain(gap()).chain(events).collect();
            }
        }
    }
    let events = told(news, false, look, NEWS_LEAST);
    let middle: Vec<String> = strip.into_iter().chain(values).take(room(&events)).collect();
    head.iter().cloned().chain(middle).chain(events).collect()
}

/// Several rollouts: each in a few lines if all fit so, else a row each, the most urgent first, and what is left out is
/// counted.
fn several(rollouts: &[&Rollout], news: &[News], now: Timestamp, look: Look) -> Vec<String> {
    let kinds = || rollouts.iter().map(|rollout| attention(rollout));
    let all = if look.is_narrow() { rollouts.len().to_string() } else { count(rollouts.len()) };
    let mut lines = vec![tone(&format!("{all}: {}", counts(kinds())), Tone::Strong)];
    let full: Vec<String> = rollouts
        .iter()
        .flat_map(|rollout| {
            let mut lines = detail::head(rollout, now, look);
            lines.extend(detail::strip(rollout, look));
            lines.extend(detail::metrics(rollout, look));
            lines.push(String::new());
            lines
        })
        .collect();
    let short = |spaced: bool| -> Vec<String> {
        rollouts
            .iter()
            .flat_map(|rollout| detail::short(rollout, now, look).into_iter().chain(spaced.then(String::new)))
            .collect()
    };
    for (body, spaced) in [(full, true), (short(true), true), (short(false), false)] {
        for most in [NEWS, 3] {
            let events = told(news, true, look, most);
            if lines.len() + usize::from(spaced) + body.len() + events.len() <= look.rows {
                lines.extend(spaced.then(String::new));
                lines.extend(body);
                lines.extend(events);
                return lines;
            }
        }
    }
    let mut events = told(news, true, look, NEWS);
    for most in [3, NEWS_LEAST] {
        if lines.len() + rollouts.len() + events.len() > look.rows {
            events = told(news, true, look, most);
        }
    }
    let room = look.rows.saturating_sub(lines.len() + events.len()).max(1);
    let rows = rows::rows(rollouts, look);
    if rows.len() <= room {
        lines.extend(rows);
    } else {
        let shown = room.saturating_sub(1);
        let dots = if look.unicode { "…" } else { "..." };
        let left = rollouts.iter().skip(shown).map(|rollout| attention(rollout));
        lines.extend(rows.into_iter().take(shown));
        lines.push(tone(&format!("  {dots} {} more: {}", rollouts.len() - shown, counts(left)), Tone::Dim));
    }
    lines.extend(events);
    lines
}

/// The last events, oldest first.
fn told(news: &[News], addressed: bool, look: Look, most: usize) -> Vec<String> {
    let most = if look.is_low() { most.min(3) } else { most };
    let newest = &news[news.len().saturating_sub(most)..];
    let lines = newest.iter().flat_map(|news| {
        let clock = if look.is_narrow() { news.clock.get(..5).unwrap_or_default() } else { &news.clock };
        let short = news.address.split('@').next().unwrap_or_default();
        let address = match (addressed && !news.address.is_empty(), look.is_narrow()) {
            (false, _) => String::new(),
            (true, true) => format!("{short} "),
            (true, false) => format!("{}  ", news.address),
        };
        let text = format!("{clock} {address}{}", news.what);
        let gap = if look.is_narrow() { text } else { format!("{clock}  {address}{}", news.what) };
        // the second line of an event is worth more on a telephone than a third event
        let broken = wrap(&gap, look.line(), 6);
        let rest = broken.get(1..).unwrap_or_default().join(" ");
        match (broken.len(), look.is_low()) {
            (0 | 1, _) => broken,
            (_, true) => vec![gap],
            _ => vec![broken[0].clone(), format!("      {}", rest.split_whitespace().collect::<Vec<_>>().join(" "))],
        }
    });
    let mut lines: Vec<String> = lines.map(|line| tone(&line, Tone::Dim)).collect();
    let surplus = lines.len().saturating_sub((look.rows / 2).max(NEWS_LEAST).min(most + 2));
    lines.drain(..surplus);
    lines
}
