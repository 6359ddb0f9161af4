//! Wrong usage: what was typed could not be understood, so nothing is known but the arguments as they stand.

use std::ffi::OsString;

use clap::ValueEnum as _;

use super::args::Format;
use super::exit::Exit;
use crate::view::error::ErrorAnswer;
use crate::view::printer::{self, Colour, Printer};

/// Tells of wrong usage, to a machine too if one seems to be asking.
pub(crate) fn tell(error: &clap::Error) -> Exit {
    let _ = error.print();
    let format = asked(std::env::args_os().skip(1)).map_or(printer::Format::Human, Into::into);
    let text = error.render().to_string();
    let mut parts = text.split("\n\n").map(str::trim);
    let message = parts.next().unwrap_or_default();
    Printer::new(format, Colour::Never, true, false).answer(&ErrorAnswer {
        exit: Exit::Usage.code(),
        message: message.trim_start_matches("error: ").to_owned(),
        help: parts.next().filter(|help| !help.is_empty()).map(str::to_owned),
        findings: Vec::new(),
    });
    Exit::Usage
}

/// The format in the arguments: `-o json`, `-ojson`, `--output json` or `--output=json`; the last one counts.
fn asked(arguments: impl Iterator<Item = OsString>) -> Option<Format> {
    let mut found = None;
    let mut value_follows = false;
    for argument in arguments {
        let text = argument.to_string_lossy();
        let short = || text.strip_prefix("-o").map(|rest| rest.trim_start_matches('='));
        let value = if value_follows { Some(&*text) } else { text.strip_prefix("--output=").or_else(short) };
        found = value.and_then(|value| Format::from_str(value, false).ok()).or(found);
        value_follows = !value_follows && (text == "-o" || text == "--output");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_found_however_it_is_typed() {
        let asked = |text: &str| asked(text.split(' ').map(OsString::from));
        for text in
            ["status -o json", "-ojson bogus", "x --output json", "x --output=json y", "-o yaml -o json", "-o=json"]
        {
            assert!(matches!(asked(text), Some(Format::Json)), "{text}");
        }
        for text in ["status", "status -o xml", "json", "-o", "--output"] {
            assert!(asked(text).is_none(), "{text}");
        }
    }
}
