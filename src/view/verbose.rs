//! What `-v` tells on stderr: everything that was read, asked and written outside of this process, and how long it took.

use std::sync::Arc;

use super::printer::Printer;
use super::safe::safe;
use super::words;
use crate::backend::Standing;
use crate::control::observe::{Did, Observer};
use crate::engine::plan::Query;
use crate::engine::{Reading, Span};
use crate::spec::Loaded;
use crate::telemetry::Answered;
use crate::telemetry::prometheus::promql;

/// Prints what is done.
struct Verbose(Printer);

/// Somebody who prints what is done, where that is asked for.
pub fn observer(printer: &Printer) -> Option<Arc<dyn Observer>> {
    printer.verbose.then(|| Arc::new(Verbose(printer.clone())) as Arc<dyn Observer>)
}

/// Tells of documents that were read.
pub fn loaded(printer: &Printer, loaded: &Loaded, took: Span) {
    did(printer, &Did::Documents { files: loaded.files, documents: loaded.documents.len() }, took);
}

/// Tells of one thing that was done.
pub fn did(printer: &Printer, did: &Did<'_>, took: Span) {
    if printer.verbose {
        lines(did, took).iter().for_each(|line| printer.err(line));
    }
}

impl Observer for Verbose {
    fn did(&self, what: &Did<'_>, took: Span) {
        did(&self.0, what, took);
    }
}

/// One line for what was done; one more for every query.
fn lines(did: &Did<'_>, took: Span) -> Vec<String> {
    let took = format!("({} ms)", took.0);
    match did {
        Did::Documents { files, documents } => vec![format!("documents: {files} files, {documents} documents {took}")],
        Did::Asked { source, queries, at, answers } => {
            let head = format!("source {}: {} asked at {at} {took}", safe(source), count(queries.len(), "query"));
            let each = queries.iter().zip(*answers).map(|(query, answer)| line(query, &answered(answer)));
            std::iter::once(head).chain(each).collect()
        }
        Did::AskedRange { source, queries, from, to, rows } => {
            let asked = count(queries.len(), "query");
            let head = format!("source {}: {asked} asked from {from} to {to} {took}", safe(source));
            let each = queries.iter().enumerate().map(|(index, query)| {
                let answers = rows.iter().filter_map(|(_, row)| row.get(index));
                let known = answers.filter(|answer| answer.reading.value().is_some()).count();
                line(query, &format!("{known} of {} known", rows.len()))
            });
            std::iter::once(head).chain(each).collect()
        }
        Did::Sought { source, queries, found } => {
            let head = format!("source {}: {} looked for {took}", safe(source), count(queries.len(), "query"));
            let each = queries.iter().zip(*found).map(|(query, found)| match found {
                Ok(()) => line(query, "there"),
                Err(missing) => line(query, missing),
            });
            std::iter::once(head).chain(each).collect()
        }
        Did::Page { address, read } => {
            let what = match read {
                Ok(samples) => count(*samples, "sample"),
                Err(why) => (*why).to_owned(),
            };
            vec![format!("page {}: {} {took}", safe(address), safe(&what))]
        }
        Did::Read { backend, flag, found } => {
            let what = match found {
                Ok(seen) if seen.is_missing() => "not there".to_owned(),
                Ok(seen) => {
                    let what = if seen.on { format!("on for {}", seen.shown()) } else { "off".to_owned() };
                    match &seen.unserved {
                        Some(why) => format!("{what}, not known to be served: {why}"),
                        None => what,
                    }
                }
                Err(error) => error.to_string(),
            };
            vec![format!("backend {}: read {}: {} {took}", safe(backend), safe(flag), safe(&what))]
        }
        Did::Exposed { backend, flag, exposure, done } => {
            let text = format!("wrote {} on for {exposure}: {}", safe(flag), ended(done));
            vec![format!("backend {}: {} {took}", safe(backend), safe(&text))]
        }
        Did::SwitchedOff { backend, flag, done } => {
            let text = format!("switched {} off: {}", safe(flag), ended(done));
            vec![format!("backend {}: {} {took}", safe(backend), safe(&text))]
        }
        Did::Stood { backend, flag, found } => {
            let text = match found {
                Ok(Standing::Missing) => "there is none".to_owned(),
                Ok(Standing::Unusable(why)) => why.clone(),
                Ok(Standing::Ours { .. }) => "ours".to_owned(),
                Ok(Standing::Theirs { .. }) => "not ours".to_owned(),
                Err(error) => error.to_string(),
            };
            vec![format!("backend {}: looked how {} stands: {} {took}", safe(backend), safe(flag), safe(&text))]
        }
        Did::Prepared { backend, flag, done } => {
            let text = format!("prepared {}: {}", safe(flag), ended(done));
            vec![format!("backend {}: {} {took}", safe(backend), safe(&text))]
        }
        Did::Examined { place, checks } => {
            vec![format!("examined {}: {} {took}", safe(place), count(checks.len(), "check"))]
        }
        Did::Loaded { journal, records } => {
            let what = match records {
                Ok(records) => format!("{} read", count(*records, "record")),
                Err(error) => error.to_string(),
            };
            vec![format!("journal {}: {} {took}", safe(journal), safe(&what))]
        }
        Did::Appended { journal, records, head } => {
            let what = match head {
                Ok(head) => format!("{} appended, ends at {}", count(*records, "record"), head.sequence.0),
                Err(error) => error.to_string(),
            };
            vec![format!("journal {}: {} {took}", safe(journal), safe(&what))]
        }
    }
}

fn line(query: &Query, what: &str) -> String {
    format!("  {}: {}", safe(&promql::text(query)), safe(what))
}

fn answered(answer: &Answered) -> String {
    let detail = answer.detail.as_ref().map(|detail| format!(", {detail}")).unwrap_or_default();
    match &answer.reading {
        Reading::Value(value) => value.to_string(),
        unknown => format!("{}{detail}", words::reading(unknown, crate::engine::plan::Unit::Plain)),
    }
}

fn ended<E: std::fmt::Display>(done: &Result<(), E>) -> String {
    match done {
        Ok(()) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "query") => format!("{number} queries"),
        _ => format!("{number} {what}s"),
    }
}
