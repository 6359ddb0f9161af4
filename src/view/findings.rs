//! Findings, with the characters that are meant.

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report,
    SourceCode, SourceSpan, SpanContents,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::arithmetic::ArithmeticRow;
use super::live_queries::LiveRow;
use super::printer::Printer;
use super::safe::{in_place, safe};
use crate::spec::finding::At;
use crate::spec::url::masked;
use crate::spec::{Finding, Severity};

/// What `validate` found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FindingsAnswer {
    /// How many files were read.
    pub files: usize,
    /// How many documents could be read.
    pub documents: usize,
    /// All of them.
    pub findings: Vec<FindingRow>,
    /// What was asked of the sources; only with `--live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveRow>,
    /// What rules will cost; only with `--arithmetic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<Vec<ArithmeticRow>>,
    /// How many rules were not computed, since there are so many; only with `--arithmetic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules_left_out: Option<usize>,
    /// How many more there are, where the answer was to be short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
}

impl Answer for FindingsAnswer {
    const NAME: &'static str = "findings";
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Finding")]
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
    /// The marked characters, the first thousand of them.
    pub marked: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A machine that wants more of what is marked has the file.
const MARKED_AT_MOST: usize = 1000;

/// For machines.
pub fn rows(findings: &[Finding]) -> Vec<FindingRow> {
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
    findings.iter().map(row).collect()
}

/// The marked characters, without what may be a password: that is told by what stands around them.
fn marked(finding: &Finding) -> String {
    let At { start, end, .. } = finding.at;
    let end = finding.at.file.boundary(end.min(start + 4 * MARKED_AT_MOST)).max(start);
    shown(&finding.at, start, end).chars().take(MARKED_AT_MOST).collect()
}

/// A part of a file to be shown, byte for byte as long, without passwords of addresses: those that began before it too.
fn shown(at: &At, start: usize, stop: usize) -> String {
    let text = &at.file.text;
    let from = at.file.boundary(start.saturating_sub(ADDRESS_AT_MOST));
    let to = at.file.boundary((stop + ADDRESS_AT_MOST).min(text.len())).max(stop);
    masked(text.get(from..to).unwrap_or_default()).get(start - from..stop - from).unwrap_or_default().to_owned()
}

/// Further away than this no address began that is still going on.
const ADDRESS_AT_MOST: usize = 1000;

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
        let report = if finding.at.file.text.is_empty() {
            Report::new(diagnostic)
        } else {
            let window = Window::around(&finding.at);
            let label = LabeledSpan::new_with_span(None, window.mark);
            Report::new(diagnostic.with_label(label)).with_source_code(window)
        };
        let mut text = String::new();
        if handler.render_report(&mut text, report.as_ref()).is_ok() {
            printer.err_lines(text.trim_end());
        } else {
            printer.err(&format!("{place}: {}", safe(&finding.message)));
        }
    }
}

/// Longer lines are shown in part.
const SHOWN_AT_MOST: usize = 200;

/// The marked line with its neighbours. A report that was given the whole file would go through it for each finding.
struct Window {
    name: String,
    text: String,
    /// What is marked of the text: a byte, and how many.
    mark: (usize, usize),
    /// How many lines and, where a long line was cut, characters stand before it.
    before: (usize, usize),
}

impl Window {
    fn around(at: &At) -> Window {
        let file = &at.file;
        let (line, line_start, line_end) = file.line(at.start);
        // a mark over several lines is shown on its first
        let end = file.boundary(at.end.min(line_end).min(at.start + SHOWN_AT_MOST / 2)).max(at.start);
        let (start, stop, before) = if line_end - line_start > SHOWN_AT_MOST {
            let start = file.boundary(at.start.saturating_sub(SHOWN_AT_MOST / 2).max(line_start));
            let cut = file.text.get(line_start..start).unwrap_or_default().chars().count();
            (start, file.boundary((end + SHOWN_AT_MOST / 2).min(line_end)), (line, cut))
        } else {
            let above = if line_start == 0 { line_start } else { file.line(line_start - 1).1 };
            let below = if line_end == file.text.len() { line_end } else { file.line(line_end + 1).2 };
            let near = |from: usize, to: usize| to - from <= SHOWN_AT_MOST;
            let start = if near(above, line_start) { above } else { line_start };
            let stop = if near(line_end, below) { below } else { line_end };
            (start, stop, (line - usize::from(start < line_start), 0))
        };
        // byte for byte the same length, so that the mark stays where it belongs
        let text = in_place(&shown(at, start, stop));
        Window { name: safe(&file.name), text, mark: (at.start - start, end - at.start), before }
    }
}

impl SourceCode for Window {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let shown = self.text.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            shown.data(),
            *shown.span(),
            shown.line() + self.before.0,
            shown.column() + self.before.1,
            shown.line_count(),
        )))
    }
}
