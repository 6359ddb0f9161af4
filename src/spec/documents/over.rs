//! `over` of a safeguard: the two windows of a burn rate.

use crate::engine::Span;
use crate::spec::finding::{At, Finding};
use crate::spec::reader::Reader;
use crate::spec::text;

/// `over`, where it is written.
#[derive(Debug, Clone)]
pub struct OverDoc {
    /// Where the key stands.
    pub at: At,
    /// What it says; none where that could not be read.
    pub windows: Option<Windows>,
}

/// The windows of a burn rate, the second shorter than the first.
#[derive(Debug, Clone)]
pub struct Windows {
    /// Over which so much must have failed.
    pub long: (Span, At),
    /// Over which it must go on.
    pub short: (Span, At),
}

pub(super) fn over(reader: &mut Reader<'_, '_>) -> Option<OverDoc> {
    let texts = reader.texts("over")?;
    let at = reader.key_at("over")?;
    let mut spans = Vec::new();
    for text in &texts {
        match text::span(&text.value) {
            Ok(span) => spans.push((span, text.at.clone())),
            Err(why) => {
                let finding = Finding::error("duration", &text.at, format!("`{}` is no duration: {why}", text.value));
                reader.findings().push(finding.help("write `90s`, `2m`, `24h` or `7d`"));
            }
        }
    }
    if spans.len() < texts.len() {
        return Some(OverDoc { at, windows: None });
    }
    let windows = match <[(Span, At); 2]>::try_from(spans) {
        Ok([long, short]) if short.0 < long.0 => Some(Windows { long, short }),
        Ok([long, short]) => {
            let message = format!("`{}` is no shorter than `{}`", short.0, long.0);
            let finding = Finding::error("burn-rate", &short.1, message);
            let help = "the long window comes first, and the short one is a twelfth of it: `over: [1h, 5m]`";
            reader.findings().push(finding.help(help));
            None
        }
        Err(spans) => {
            let finding = Finding::error("burn-rate", &at, format!("`over` has two windows; here are {}", spans.len()));
            reader.findings().push(finding.help("write a long and a short one: `over: [1h, 5m]`"));
            None
        }
    };
    Some(OverDoc { at, windows })
}
