//! Findings, with the characters that are meant.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};
use serde::Serialize;

use super::printer::Printer;
use super::safe::{in_place, safe};
use crate::spec::url::masked;
use crate::spec::{Finding, Severity};

/// `validate -o json`.
#[derive(Debug, Clone, Serialize)]
pub struct FindingsAnswer {
    /// `flagstaff/findings/v1`
    pub schema: &'static str,
    /// How many files were read.
    pub files: usize,
    /// All of them.
    pub findings: Vec<FindingRow>,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct FindingRow {
    /// Its code; `flagstaff help CODE` explains it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The marked characters.
    pub marked: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// For machines.
pub fn answer(files: usize, findings: &[Finding]) -> FindingsAnswer {
    let row = |finding: &Finding| {
        let (line, column) = finding.at.line_column();
        FindingRow {
            code: finding.code,
            severity: finding.severity,
            file: finding.at.file.name.clone(),
            line,
            column,
            marked: marked(finding),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    };
    FindingsAnswer { schema: "flagstaff/findings/v1", files, findings: findings.iter().map(row).collect() }
}

/// The marked characters, without what may be a password: that is told by what stands around them.
fn marked(finding: &Finding) -> String {
    let marked = finding.at.marked();
    if !marked.contains('@') {
        return marked.to_owned();
    }
    masked(&finding.at.file.text).get(finding.at.start..finding.at.end).unwrap_or_default().to_owned()
}

/// For people.
pub fn print(printer: &Printer, findings: &[Finding]) {
    let theme = if printer.unicode { GraphicalTheme::unicode_nocolor() } else { GraphicalTheme::none() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(printer.width).with_context_lines(1);
    for finding in findings {
        let (line, column) = finding.at.line_column();
        let place = format!("{}:{line}:{column}", safe(&finding.at.file.name));
        let severity = match finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let message = format!("{place}: {}", safe(&finding.message));
        let mut diagnostic = MietteDiagnostic::new(message).with_code(finding.code).with_severity(severity);
        if let Some(help) = &finding.help {
            diagnostic = diagnostic.with_help(safe(help));
        }
        let has_text = !finding.at.file.text.is_empty() && finding.at.end <= finding.at.file.text.len();
        let report = if has_text {
            let length = (finding.at.end - finding.at.start).min(120);
            let label = LabeledSpan::new_with_span(None, (finding.at.start, length));
            // byte for byte the same length, so that the mark stays where it belongs
            let text = in_place(&masked(&finding.at.file.text));
            Report::new(diagnostic.with_label(label))
                .with_source_code(NamedSource::new(safe(&finding.at.file.name), text))
        } else {
            Report::new(diagnostic)
        };
        let mut text = String::new();
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            printer.err_lines(text.trim_end());
        } else {
            printer.err(&format!("{place}: {}", safe(&finding.message)));
        }
    }
}
