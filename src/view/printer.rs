//! The only place that prints: data on stdout, the rest on stderr.

use std::io::{IsTerminal as _, Write as _};

use owo_colors::{OwoColorize as _, Style};

use crate::env;

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
    colour: bool,
    /// Whether more than ASCII may be drawn.
    pub unicode: bool,
    /// Columns.
    pub width: usize,
    /// Whether stdout is a terminal that can be redrawn.
    pub live: bool,
}

impl Printer {
    /// From what was typed and the environment.
    pub fn new(format: Format, colour: Colour, quiet: bool) -> Printer {
        let terminal = std::io::stdout().is_terminal();
        let dumb = env::get(env::TERM).is_some_and(|term| term == "dumb");
        let locale = [env::LC_ALL, env::LC_CTYPE, env::LANG].into_iter().find_map(env::get).unwrap_or_default();
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let typed = env::get(env::COLUMNS).and_then(|columns| columns.parse().ok());
        Printer {
            format,
            quiet,
            colour: match colour {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => terminal && !dumb && env::get(env::NO_COLOR).is_none(),
            },
            unicode: locale.to_ascii_lowercase().replace('-', "").contains("utf8"),
            width: typed.or(size.filter(|columns| *columns > 0)).unwrap_or(100).clamp(20, 400),
            live: terminal && !dumb,
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

    /// A JSON answer, as one line or indented.
    pub fn json<T: serde::Serialize>(&self, value: &T) {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(value),
            _ => serde_json::to_string_pretty(value),
        };
        self.out(&text.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
    }

    /// Whether answers are for machines.
    pub fn machine(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
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
