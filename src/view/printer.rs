//! The only place that prints: data on stdout, the rest on stderr.
//!
//! Whatever comes here is made safe for a terminal once more: the only escape sequences that leave are those of our own
//! tones, so that a view that forgets to escape a text from outside does no harm.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::answer::{Answer, Document};
use super::safe::{dangerous, in_json};
use super::text;
use crate::env;
use crate::spec::yaml;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// YAML.
    Yaml,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal without `NO_COLOR`.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a word means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Fine.
    Good,
    /// Somebody should look.
    Warn,
    /// Wrong.
    Bad,
    /// Less important.
    Dim,
    /// More important.
    Strong,
}

/// Where and how everything is printed.
#[derive(Debug, Clone)]
pub struct Printer {
    /// How answers are written.
    pub format: Format,
    /// Whether only data and errors are printed.
    pub quiet: bool,
    /// Whether everything that is read, asked and written is told.
    pub verbose: bool,
    colour: bool,
    /// Whether more than ASCII may be drawn.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
    /// Whether stdout is a terminal that can be redrawn.
    pub live: bool,
    answered: Arc<AtomicBool>,
    /// Columns as typed into the environment.
    typed: Option<usize>,
    /// Whether somebody sees stdout and stderr at a known width: elsewhere, as in `| grep`, a line stays a line.
    wraps: (bool, bool),
}

impl Printer {
    /// From what was typed and the environment.
    pub fn new(format: Format, colour: Colour, quiet: bool, verbose: bool) -> Printer {
        let terminal = std::io::stdout().is_terminal();
        let dumb = env::get(env::TERM).is_some_and(|term| term == "dumb");
        let locale = [env::LC_ALL, env::LC_CTYPE, env::LANG].into_iter().find_map(env::get).unwrap_or_default();
        let typed: Option<usize> = env::get(env::COLUMNS).and_then(|columns| columns.parse().ok());
        let columns = typed.or(terminal_size().map(|(columns, _)| columns));
        Printer {
            format,
            quiet,
            verbose,
            colour: match colour {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => terminal && !dumb && env::get(env::NO_COLOR).is_none(),
            },
            unicode: !dumb && locale.to_ascii_lowercase().replace('-', "").contains("utf8"),
            width: columns.unwrap_or(100).clamp(20, 400),
            live: terminal && !dumb,
            answered: Arc::default(),
            typed,
            wraps: (typed.is_some() || terminal, typed.is_some() || std::io::stderr().is_terminal()),
        }
    }

    /// The terminal's columns and rows as they are now: it can be resized at any moment.
    pub fn size(&self) -> (usize, usize) {
        let (columns, rows) = terminal_size().unwrap_or((self.width, 24));
        (self.typed.map_or(columns, |typed| typed.min(columns)).clamp(20, 400), rows.clamp(4, 400))
    }

    /// An answer for people.
    pub fn out(&self, text: &str) {
        write_out(&self.paint(&self.fit(text, self.wraps.0, 2)));
    }

    /// An answer for people of which all lines but the first start at a column.
    pub fn hung(&self, text: &str, column: usize) {
        let lead = text.chars().take_while(|c| *c == ' ').count();
        write_out(&self.paint(&self.fit(text, self.wraps.0, column.saturating_sub(lead))));
    }

    /// Data that another program reads or a person copies: no line is broken, no character of it replaced by ASCII.
    pub fn data(&self, text: &str) {
        write_out(&self.coloured(text));
    }

    /// Everything else.
    pub fn err(&self, text: &str) {
        write_err(&self.paint(&self.fit(text, self.wraps.1, 2)));
    }

    /// Everything else, where a line that is broken would lose its meaning: marks under a text.
    pub fn err_lines(&self, text: &str) {
        write_err(&self.paint(text));
    }

    /// A remark that `-q` leaves out.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.err(text);
        }
    }

    /// An answer in the machine format that is asked for; nothing for people, who get theirs otherwise.
    pub fn answer<T: Answer>(&self, answer: &T) {
        let document = Document::of(answer);
        let text = match self.format {
            Format::Human => return,
            Format::Json => serde_json::to_string_pretty(&document).map_err(|error| error.to_string()),
            Format::Jsonl => serde_json::to_string(&document).map_err(|error| error.to_string()),
            Format::Yaml => yaml::to_string(&document),
        };
        match text {
            // JSON is YAML too: escapes need no second notation
            Ok(text) if self.format == Format::Yaml && in_json(text.trim_end()) != text.trim_end() => {
                write_out(&in_json(&serde_json::to_string_pretty(&document).unwrap_or_default()));
            }
            Ok(text) => write_out(&in_json(text.trim_end())),
            Err(error) => self.err(&format!("error: the answer cannot be written: {error}")),
        }
        self.answered.fetch_or(!T::IS_LINE, Ordering::Relaxed);
    }

    /// A JSON Schema: JSON for people too.
    pub fn schema(&self, schema: &serde_json::Value) {
        match self.format {
            Format::Yaml => write_out(&in_json(yaml::to_string(schema).unwrap_or_default().trim_end())),
            Format::Jsonl => write_out(&in_json(&schema.to_string())),
            Format::Human | Format::Json => write_out(&in_json(&format!("{schema:#}"))),
        }
    }

    /// Whether an answer was printed. There is one only; lines of a stream come before it.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether answers are for machines.
    pub fn machine(&self) -> bool {
        self.format != Format::Human
    }

    /// A text in the colour of its meaning.
    pub fn tone(&self, text: &str, tone: Tone) -> String {
        text::tone(text, tone)
    }

    /// As it is shown to people: in ASCII where the terminal knows no more.
    pub(super) fn paint(&self, text: &str) -> String {
        if self.unicode { self.coloured(text) } else { self.coloured(&text::ascii(text)) }
    }

    /// Tones as escape sequences or not at all, everything else that could act on a terminal made visible.
    fn coloured(&self, text: &str) -> String {
        let mut painted = String::with_capacity(text.len());
        let mut open = false;
        for c in text.chars() {
            match text::sequence(c) {
                Some(sequence) if self.colour => {
                    open = sequence != "\u{1b}[0m";
                    painted.push_str(sequence);
                }
                Some(_) => {}
                None if dangerous(c) && c != '\n' && c != '\t' => painted.extend(c.escape_unicode()),
                None => painted.push(c),
            }
        }
        if open {
            painted.push_str("\u{1b}[0m");
        }
        painted
    }

    /// Lines that are too wide are broken between words. A command stays whole, on a line of its own: people copy it.
    fn fit(&self, text: &str, wraps: bool, hang: usize) -> String {
        if !wraps || self.machine() {
            return text.to_owned();
        }
        let text = if self.unicode { text.to_owned() } else { text::ascii(text) };
        let fitted = text.split('\n').flat_map(|line| {
            let lead = line.chars().take_while(|c| *c == ' ').count();
            match line.find("flagstaff ") {
                None => text::wrap(line, self.width, lead + hang),
                Some(_) if text::width(line) <= self.width => vec![line.to_owned()],
                Some(at) => {
                    let (before, command) = line.split_at(at);
                    // between quotes it is part of a sentence, and nothing else of the line is left
                    if before.trim().is_empty() || !before.ends_with(": ") {
                        return vec![line.to_owned()];
                    }
                    let mut lines = text::wrap(before.trim_end(), self.width, lead + hang);
                    lines.push(format!("{}{command}", " ".repeat(lead + 2)));
                    lines
                }
            }
        });
        fitted.collect::<Vec<_>>().join("\n")
    }
}

/// Whether something that was to be said on stdout could not be.
static UNSAID: AtomicBool = AtomicBool::new(false);

/// Whether an answer was lost: a full disk, a closed descriptor. A reader that went away on purpose is no loss.
pub fn lost() -> bool {
    let flushed = std::io::stdout().lock().flush();
    note_loss(flushed);
    UNSAID.load(Ordering::Relaxed)
}

fn note_loss(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        UNSAID.store(true, Ordering::Relaxed);
    }
}

fn write_out(text: &str) {
    note_loss(writeln!(std::io::stdout().lock(), "{text}"));
}

fn write_err(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn terminal_size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer(colour: Colour, unicode: bool) -> Printer {
        Printer { unicode, width: 40, wraps: (true, true), ..Printer::new(Format::Human, colour, false, false) }
    }

    #[test]
    fn only_our_own_colours_leave() {
        let hostile = format!("{} \u{1b}[31mred\u{9b}2J\u{202e}\r", text::tone("a\u{1b}[2J", Tone::Good));
        let shown = "a\\u{1b}[2J \\u{1b}[31mred\\u{9b}2J\\u{202e}\\u{d}";
        assert_eq!(printer(Colour::Never, true).paint(&hostile), shown);
        let coloured = printer(Colour::Always, true).paint(&hostile);
        assert_eq!(coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""), shown);
    }

    #[test]
    fn a_tone_that_is_left_open_ends_with_its_text() {
        assert!(printer(Colour::Always, true).paint("\u{fdd3}red").ends_with("\u{1b}[0m"));
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        assert_eq!(printer(Colour::Never, false).paint("✓ half … →"), "+ half ~ ->");
        assert_eq!(printer(Colour::Never, true).paint("✓ half"), "✓ half");
    }

    #[test]
    fn a_wide_line_is_broken_and_a_command_is_not() {
        let printer = printer(Colour::Never, true);
        let wide = "  - the source does not answer and nothing grows until it does";
        assert_eq!(printer.fit(wide, true, 2), "  - the source does not answer and\n    nothing grows until it does");
        let command = "flagstaff start checkout-v2 --again --at ten-percent";
        assert_eq!(printer.fit(command, true, 2), command);
        assert_eq!(printer.fit(&format!("undo: {command}"), true, 2), format!("undo:\n  {command}"));
        assert_eq!(printer.fit(wide, false, 2), wide, "nobody looks: a line stays a line");
    }
}
