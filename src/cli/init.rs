//! `init`.

use std::fs;
use std::io::Write as _;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::view::made::InitAnswer;

/// Make a commented starter project; never overwrites a file
#[derive(Debug, Args)]
pub(crate) struct Init {}

const FILES: &[(&str, &str)] = &[
    ("flagstaff.yaml", include_str!("init/flagstaff.yaml")),
    ("flagstaff/audiences.yaml", include_str!("init/audiences.yaml")),
    ("flagstaff/templates.yaml", include_str!("init/templates.yaml")),
    ("flagstaff/policies.yaml", include_str!("init/policies.yaml")),
    ("flagstaff/releases.yaml", include_str!("init/releases.yaml")),
];

/// What must not get into Git: the journal, and what is made beside flag files.
const IGNORED: &str = ".flagstaff/\n*.lock\n*.off-*\n";
const NEXT: &str = "flagstaff validate";

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some((taken, _)) = FILES.iter().find(|(name, _)| context.named_dir.join(name).exists()) {
            return Err(Failure::new(Exit::Failed, format!("`{taken}` is there already; nothing was written")));
        }
        for (name, text) in FILES {
            let path = context.named_dir.join(name);
            let write = || {
                fs::create_dir_all(path.parent().unwrap_or(&context.named_dir))?;
                fs::OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(text.as_bytes())
            };
            write().map_err(|error: std::io::Error| Failure::new(Exit::Failed, format!("`{name}`: {error}")))?;
            if !context.printer.machine() {
                context.printer.out(&format!("made {name}"));
            }
        }
        let ignore = context.named_dir.join(".gitignore");
        let made = fs::OpenOptions::new().write(true).create_new(true).open(&ignore);
        let made = made.and_then(|mut file| file.write_all(IGNORED.as_bytes())).is_ok();
        let mut files: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        if made {
            files.push(".gitignore".to_owned());
            if !context.printer.machine() {
                context.printer.out("made .gitignore");
            }
        } else {
            context.printer.note(&format!("add to .gitignore: {}", IGNORED.trim_end().replace('\n', ", ")));
        }
        context.printer.answer(&InitAnswer { files, next: NEXT.to_owned() });
        context.printer.note(&format!("next: {NEXT}"));
        Ok(Exit::Done)
    }
}
