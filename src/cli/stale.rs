//! `stale`.

use clap::{Args, ValueEnum};

use super::args::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::stale::verdict::Verdict;
use crate::engine::Span;
use crate::view::stale::{answer, markdown, print, sarif};

/// Tell of every flag whether it can go, and what stands against that
///
/// It looks at the documents, the journal and the backends, and changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Stale {
    /// Call a flag ready once it has been over everywhere for this long
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d")]
    pub(crate) after: Span,
    /// Write a report instead of a table
    #[arg(long, value_name = "FORMAT")]
    pub(crate) report: Option<Report>,
    /// End with 1 where a flag is ready, or also where one is blocked
    #[arg(long, value_name = "VERDICT")]
    pub(crate) fail_on: Option<FailOn>,
}

/// Reports.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Report {
    /// A table for a comment or a page
    Markdown,
    /// SARIF 2.1.0
    Sarif,
}

/// Verdicts that end with 1.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FailOn {
    /// Flags that can go
    Ready,
    /// Those, and flags that should be gone and cannot
    Blocked,
}

impl Stale {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.report.is_some() {
            context.text_only("stale --report")?;
        }
        let site = context.site()?;
        if site.loaded.has_errors() {
            // a document that could not be read may be the one that says that a flag stays
            return Err(Failure::invalid(site.loaded.findings.clone()));
        }
        let answer = answer(&site.flags(self.after).await);
        match self.report {
            Some(Report::Markdown) => context.printer.out(&markdown(&answer)),
            Some(Report::Sarif) => {
                let text = serde_json::to_string_pretty(&sarif(&answer)).unwrap_or_default();
                context.printer.out(&text);
            }
            None if context.printer.machine() => context.printer.answer(&answer),
            None => print(&context.printer, &answer),
        }
        let counts = |verdict: Verdict| match self.fail_on {
            None => false,
            Some(FailOn::Ready) => verdict == Verdict::Ready,
            Some(FailOn::Blocked) => matches!(verdict, Verdict::Ready | Verdict::Blocked),
        };
        let found = answer.flags.iter().any(|row| counts(row.verdict));
        Ok(if found { Exit::Failed } else { Exit::Done })
    }
}
