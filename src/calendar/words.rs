//! What people wrote, taken apart with its places.

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Whether it is a zone that is not known.
    pub is_zone: bool,
}

/// A part of a text, with the byte at which it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl<'t> Part<'t> {
    pub(super) fn whole(text: &'t str) -> Part<'t> {
        Part { text, start: 0 }
    }

    /// Split wherever a character is.
    pub(super) fn split(self, at: char) -> Vec<Part<'t>> {
        let mut start = self.start;
        let part = |text: &'t str| {
            let part = Part { text, start };
            start += text.len() + at.len_utf8();
            part
        };
        self.text.split(at).map(part).collect()
    }

    /// Words between white space.
    pub(super) fn words(self) -> Vec<Part<'t>> {
        let mut words = Vec::new();
        let mut from = None;
        for (at, c) in self.text.char_indices().chain([(self.text.len(), ' ')]) {
            match (c.is_whitespace(), from) {
                (false, None) => from = Some(at),
                (true, Some(start)) => {
                    words.push(Part { text: &self.text[start..at], start: self.start + start });
                    from = None;
                }
                _ => {}
            }
        }
        words
    }

    pub(super) fn fault(self, message: impl Into<String>, help: impl Into<String>) -> Fault {
        let (message, help) = (message.into(), help.into());
        Fault { start: self.start, end: self.start + self.text.len(), message, help, is_zone: false }
    }
}
