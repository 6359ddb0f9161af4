//! Lines of the log of `serve`: logfmt, or JSON where a machine format is asked for. On stderr; no answer.

use serde_json::{Map, Value};

use super::printer::Printer;
use super::safe::{dangerous, in_json};
use crate::serve::line::{Level, Line, Log};

/// Whoever writes lines as the printer is set.
pub fn log(printer: &Printer) -> Log {
    let printer = printer.clone();
    std::sync::Arc::new(move |line: &Line| {
        if line.level == Level::Info && printer.quiet {
            return;
        }
        printer.err_lines(&if printer.machine() { json(line) } else { logfmt(line) });
    })
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn json(line: &Line) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, value: String| _ = object.insert(name.to_owned(), Value::String(value));
    put("time", line.at.to_string());
    put("level", word(line.level).to_owned());
    put("event", line.event.to_owned());
    for (name, value) in &line.fields {
        put(name, value.clone());
    }
    in_json(&Value::Object(object).to_string())
}

fn logfmt(line: &Line) -> String {
    let head = format!("time={} level={} event={}", line.at, word(line.level), line.event);
    line.fields.iter().fold(head, |text, (name, value)| format!("{text} {name}={}", quoted(value)))
}

/// One word as it is, everything else between quotes, and nothing that could end the line or act on a terminal.
fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !dangerous(c) && !matches!(c, '"' | '\\' | '=');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if dangerous(c) => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Timestamp;

    #[test]
    fn a_text_from_outside_is_one_field_of_one_line() {
        let line = Line::new(Timestamp(0), Level::Warn, "step")
            .with("what", "paused\nlevel=info \"x\" \u{1b}[2J\u{202e}")
            .with("rollout", "a@b");
        let text = logfmt(&line);
        assert_eq!(
            text,
            "time=1970-01-01T00:00:00.000Z level=warn event=step what=\"paused\\nlevel=info \\\"x\\\" \\u{1b}[2J\\u{202e}\" rollout=a@b"
        );
        let text = json(&line);
        assert!(!text.chars().any(dangerous), "{text}");
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["what"], "paused\nlevel=info \"x\" \u{1b}[2J\u{202e}");
    }
}
