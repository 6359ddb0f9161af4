//! A picture that is redrawn in place: only lines that changed are written, and all of them in one write.

use std::io::Write;

use super::text;

/// What stands on the terminal. The cursor rests at the start of the line below the picture, where the echo of a Ctrl-C
/// does no harm.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Lines as written, with the columns each one takes.
    shown: Vec<(String, usize)>,
    columns: usize,
}

impl Screen {
    /// Draws a picture over the one before. Lines are as they leave: painted, and narrower than the terminal.
    pub(super) fn draw(&mut self, out: &mut dyn Write, lines: &[(String, usize)], columns: usize) {
        let resized = columns != self.columns && self.columns != 0;
        if lines == self.shown && !resized {
            return;
        }
        let mut frame = String::from("\r");
        // after a resize the terminal has broken our lines anew: all of them are drawn again
        let rows: usize = match resized {
            true => self.shown.iter().map(|(_, wide)| (*wide).max(1).div_ceil(columns.max(1))).sum(),
            false => self.shown.len(),
        };
        if rows > 0 {
            frame.push_str(&format!("\u{1b}[{rows}A"));
        }
        if resized {
            frame.push_str("\u{1b}[J");
        }
        for (index, line) in lines.iter().enumerate() {
            if resized || self.shown.get(index) != Some(line) {
                // written over, and only then erased to the right: nothing flickers
                frame.push_str(&line.0);
                frame.push_str("\u{1b}[K");
            }
            frame.push('\n');
        }
        // lines of a longer picture, and whatever was typed below it
        frame.push_str("\u{1b}[J");
        let _ = out.write_all(frame.as_bytes());
        let _ = out.flush();
        self.shown = lines.to_vec();
        self.columns = columns;
    }

    /// Leaves the picture standing, and nothing below it: the echo of a Ctrl-C stands there.
    pub(super) fn close(&mut self, out: &mut dyn Write) {
        let _ = out.write_all(b"\r\x1b[J");
        let _ = out.flush();
    }
}

/// A line as [`Screen::draw`] takes it.
pub(super) fn line(painted: String, text: &str) -> (String, usize) {
    (painted, text::width(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(screen: &mut Screen, lines: &[&str], columns: usize) -> String {
        let mut out = Vec::new();
        let lines: Vec<(String, usize)> = lines.iter().map(|text| line((*text).to_owned(), text)).collect();
        screen.draw(&mut out, &lines, columns);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut screen = Screen::default();
        assert_eq!(draw(&mut screen, &["one", "two"], 80), "\rone\u{1b}[K\ntwo\u{1b}[K\n\u{1b}[J");
        assert_eq!(draw(&mut screen, &["one", "two"], 80), "");
        assert_eq!(draw(&mut screen, &["one", "three"], 80), "\r\u{1b}[2A\nthree\u{1b}[K\n\u{1b}[J");
        assert_eq!(draw(&mut screen, &["one"], 80), "\r\u{1b}[2A\n\u{1b}[J");
    }

    #[test]
    fn a_narrower_terminal_has_broken_our_lines() {
        let mut screen = Screen::default();
        draw(&mut screen, &["123456789", "b"], 20);
        assert!(draw(&mut screen, &["1234", "b"], 5).starts_with("\r\u{1b}[3A\u{1b}[J1234"));
    }
}
