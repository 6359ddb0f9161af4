//! What every command understands, and the values that several of them share.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::engine::Span;
use crate::env;
use crate::spec::text;
use crate::view::printer;

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Use the project in this directory
    #[arg(short = 'C', global = true, value_name = "DIR", env = env::FLAGSTAFF_DIR, default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Act on this environment only
    #[arg(short, long, global = true, value_name = "ENV")]
    pub(crate) environment: Option<String>,
    /// Write answers in this format
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "human")]
    pub(crate) output: Format,
    /// Print answers and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Tell on stderr what is read, asked and written, and how long it takes
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,
    /// Act as this person; otherwise FLAGSTAFF_ACTOR, the CI's user or the OS user
    #[arg(long = "as", global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) actor: Option<String>,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    Human,
    /// One JSON document
    Json,
    /// One JSON document a line
    Jsonl,
    /// YAML
    Yaml,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What commands that can grow exposure ask for in a protected environment.
#[derive(Debug, Clone, Args)]
pub(crate) struct Growing {
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Confirm by the flag's key instead of being asked
    #[arg(long, value_name = "KEY")]
    pub(crate) confirm: Option<String>,
}

impl From<Format> for printer::Format {
    fn from(format: Format) -> printer::Format {
        match format {
            Format::Human => printer::Format::Human,
            Format::Json => printer::Format::Json,
            Format::Jsonl => printer::Format::Jsonl,
            Format::Yaml => printer::Format::Yaml,
        }
    }
}

impl From<Colour> for printer::Colour {
    fn from(colour: Colour) -> printer::Colour {
        match colour {
            Colour::Auto => printer::Colour::Auto,
            Colour::Always => printer::Colour::Always,
            Colour::Never => printer::Colour::Never,
        }
    }
}

/// Reads a duration as documents write it.
pub(crate) fn duration(text: &str) -> Result<Span, String> {
    text::span(text).map_err(str::to_owned)
}
