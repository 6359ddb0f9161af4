//! The only place that prints: data on stdout, the rest on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use owo_colors::{OwoColorize as _, Style};

use super::answer::{Answer, Document};
use super::safe::in_json;
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
}

impl Printer {
    /// From what was typed and the environment.
    pub fn new(format: Format, colour: Colour, quiet: bool, verbose: bool) -> Printer {
        let terminal = std::io::stdout().is_terminal();
        let dumb = env::get(env::TERM).is_some_and(|term| term == "dumb");
        let locale = [env::LC_ALL, env::LC_CTYPE, env::LANG].into_iter().find_map(env::get).unwrap_or_default();
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let typed = env::get(env::COLUMNS).and_then(|columns| columns.parse().ok());
        Printer {
            format,
            quiet,
            verbose,
            colour: match colour {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => terminal && !dumb && env::get(env::NO_COLOR).is_none(),
            },
            unicode: locale.to_ascii_lowercase().replace('-', "").contains("utf8"),
            width: typed.or(size.filter(|columns| *columns > 0)).unwrap_or(100).clamp(20, 400),
            live: terminal && !dumb,
            answered: Arc::default(),
        }
    }

    /// Data.
    pub fn out(&self, text: &str) {
        // a reader that went away is no error
        let _ = writeln!(anstream::AutoStream::new(std::io::stdout(), self.choice()), "{text}");
    }

    /// Everything else.
    pub fn err(&self, text: &str) {
        let _ = writeln!(anstream::AutoStream::new(std::io::stderr(), self.choice()), "{text}");
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
                self.out(&in_json(&serde_json::to_string_pretty(&document).unwrap_or_default()));
            }
            Ok(text) => self.out(&in_json(text.trim_end())),
            Err(error) => self.err(&format!("error: the answer cannot be written: {error}")),
        }
        self.answered.fetch_or(!T::IS_LINE, Ordering::Relaxed);
    }

    /// A JSON Schema: JSON for people too.
    pub fn schema(&self, schema: &serde_json::Value) {
        match self.format {
            Format::Yaml => self.out(yaml::to_string(schema).unwrap_or_default().trim_end()),
            Format::Jsonl => self.out(&schema.to_string()),
            Format::Human | Format::Json => self.out(&format!("{schema:#}")),
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
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Warn => Style::new().yellow(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        };
        text.style(style).to_string()
    }

    fn choice(&self) -> anstream::ColorChoice {
        if self.colour { anstream::ColorChoice::Always } else { anstream::ColorChoice::Never }
    }
}
