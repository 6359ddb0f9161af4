//! The real binary at a pseudo-terminal, and what a person would see there.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program at a terminal of a fixed size. util-linux' `script` makes the terminal.
pub(crate) struct Session {
    child: Child,
    columns: usize,
    rows: usize,
}

impl Session {
    /// Starts flagstaff in a project.
    pub(crate) fn start(dir: &Path, size: (usize, usize), args: &str) -> Session {
        Session::start_with(dir, size, args, &[])
    }

    /// The same with further environment variables.
    pub(crate) fn start_with(
        dir: &Path,
        (columns, rows): (usize, usize),
        args: &str,
        envs: &[(&str, &str)],
    ) -> Session {
        let flagstaff = env!("CARGO_BIN_EXE_flagstaff");
        let command = format!("stty cols {columns} rows {rows}; exec '{flagstaff}' {args}");
        let child = Command::new("script")
            .args(["-q", "-e", "-f", "-c", &command, "/dev/null"])
            .current_dir(dir)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env_remove("COLUMNS")
            .env_remove("NO_COLOR")
            .envs(envs.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("util-linux' `script` makes the terminal");
        Session { child, columns, rows }
    }

    /// Types something.
    pub(crate) fn types(&mut self, keys: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// What the terminal shows when the program has ended, and what was sent to it.
    pub(crate) fn ends(mut self) -> (Seen, String) {
        let mut sent = Vec::new();
        let mut out = self.child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let _ = out.read_to_end(&mut sent);
            sent
        });
        // a minute in looks of a twentieth of a second
        let ended = (0..1200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            self.child.try_wait().unwrap().is_some()
        });
        if !ended {
            let _ = self.child.kill();
            panic!("it does not end");
        }
        let sent = String::from_utf8(reader.join().unwrap()).unwrap();
        let mut seen = Seen { lines: vec![Vec::new()], row: 0, column: 0, columns: self.columns, rows: self.rows };
        seen.takes(&sent);
        (seen, sent)
    }
}

/// A terminal with everything that scrolled out of it. Knows no more than we send, and fails at anything else.
pub(crate) struct Seen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    columns: usize,
    rows: usize,
}

impl Seen {
    /// All lines, those above the screen too.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// As one text, for messages.
    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// How many lines begin so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }

    fn takes(&mut self, sent: &str) {
        let mut rest = sent.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.down(),
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['), "an escape we never send: {sent:?}");
                    let mut number = String::new();
                    let end = loop {
                        match rest.next() {
                            Some(c) if c.is_ascii_digit() || c == ';' => number.push(c),
                            Some(c) => break c,
                            None => panic!("an escape that does not end: {sent:?}"),
                        }
                    };
                    self.obeys(end, number.parse().unwrap_or(1));
                }
                c => {
                    assert!(!c.is_control(), "a raw {c:?}: {sent:?}");
                    self.shows(c);
                }
            }
        }
    }

    fn obeys(&mut self, end: char, number: usize) {
        match end {
            'm' => {}
            'A' => self.row = self.row.saturating_sub(number).max(self.lines.len().saturating_sub(self.rows)),
            'K' => self.lines[self.row].truncate(self.column),
            'J' => {
                self.lines[self.row].truncate(self.column);
                for line in self.lines.iter_mut().skip(self.row + 1) {
                    line.clear();
                }
            }
            other => panic!("an escape we never send: {other}"),
        }
    }

    fn shows(&mut self, c: char) {
        if self.column == self.columns {
            self.down();
            self.column = 0;
        }
        let line = &mut self.lines[self.row];
        while line.len() <= self.column {
            line.push(' ');
        }
        line[self.column] = c;
        self.column += 1;
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }
}
