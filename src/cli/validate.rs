//! `validate`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::spec::{self, Severity};
use crate::view::findings::{self, FindingsAnswer};
use crate::view::printer::Tone;
use crate::view::verbose;

/// Check all documents and report everything that is wrong with them
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Report of these files and folders only
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

impl Validate {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let began = context.clock.now();
        let loaded = match self.paths.is_empty() {
            true => spec::load(&context.dir),
            false => {
                let paths: Vec<PathBuf> = self.paths.iter().map(|path| context.dir.join(path)).collect();
                spec::load_paths(&context.dir, &paths)
            }
        };
        verbose::loaded(&context.printer, &loaded, context.clock.now().since(began));
        if context.printer.machine() {
            context.printer.answer(&FindingsAnswer {
                files: loaded.files,
                documents: loaded.documents.len(),
                findings: findings::rows(&loaded.findings),
                left_out: None,
            });
        } else {
            findings::print(&context.printer, &loaded.findings);
            let count = |severity| loaded.findings.iter().filter(|finding| finding.severity == severity).count();
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            let tone = if errors > 0 { Tone::Bad } else { Tone::Good };
            let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let text = format!(
                "{}, {}: {}, {}",
                many(loaded.files, "file"),
                many(loaded.documents.len(), "document"),
                many(errors, "error"),
                many(warnings, "warning")
            );
            context.printer.out(&context.printer.tone(&text, tone));
            if let Some(first) = loaded.findings.first() {
                context
                    .printer
                    .err(&format!("flagstaff help {} explains the first; so it does for every code", first.code));
            }
        }
        Ok(if loaded.has_errors() { Exit::Invalid } else { Exit::Done })
    }
}
