//! The metrics of a policy: presets, and one's own.

use crate::engine::Span;
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::yaml::{Kind, Node};

/// The conventional HTTP metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The histogram of durations, without `_bucket`.
    pub duration: String,
    /// The matchers of failed requests, as in a selector's braces.
    pub failed: Text,
}

/// A metric of one's own.
#[derive(Debug, Clone)]
pub struct MetricDoc {
    /// Its name.
    pub name: Text,
    /// Its form.
    pub form: FormDoc,
    /// Whether it is measured on the whole service.
    pub service: bool,
    /// Whether what is counted may not exist before its first event.
    pub born_later: bool,
}

/// A form as written; selectors are still texts.
#[derive(Debug, Clone)]
pub enum FormDoc {
    /// `ratio: { of, over }`
    Ratio(Text, Text),
    /// `count: selector`
    Count(Text),
    /// `quantile: { q, of }`
    Quantile(Text, Text),
    /// `slow: { bound, of }`
    Slow(Span, Text),
    /// `query`, with its unit
    Query(Text, Option<Text>),
}

pub(super) fn preset(node: &Node, findings: &mut Vec<Finding>) -> Option<Preset> {
    let mut reader = Reader::new(node, "`presets`", findings);
    let http = reader.need("http")?;
    reader.finish();
    if let Kind::Map(_) = http.kind {
        let mut inner = Reader::new(http, "`http`", findings);
        let (duration, failed) = (inner.need_text("duration"), inner.need_text("failed"));
        inner.finish();
        return Some(Preset { duration: duration?.value, failed: failed? });
    }
    let name = read_text(http, findings)?;
    let (duration, failed) = match name.value.as_str() {
        "otel" => ("http_server_request_duration_seconds", r#"http_response_status_code=~"5..""#),
        "prometheus" => ("http_request_duration_seconds", r#"code=~"5..""#),
        other => {
            let finding = Finding::error("unknown-preset", &name.at, format!("there is no preset `{other}`"));
            findings.push(finding.did_you_mean(other, ["otel", "prometheus"]));
            return None;
        }
    };
    Some(Preset { duration: duration.to_owned(), failed: Text::meant(failed, name.at) })
}

pub(super) fn metric(name: Text, node: &Node, findings: &mut Vec<Finding>) -> Option<MetricDoc> {
    let mut reader = Reader::new(node, "a metric", findings);
    let service = match reader.text("scope") {
        Some(scope) if scope.value != "service" => {
            let finding = Finding::error("scope", &scope.at, format!("`{}` is no scope", scope.value));
            reader.findings().push(finding.help("the only scope that is written is `service`"));
            false
        }
        scope => scope.is_some(),
    };
    let born_later = reader.flag("born_later").unwrap_or(false);
    let mut form = None;
    if let Some(node) = reader.get("ratio") {
        let mut inner = Reader::new(node, "`ratio`", reader.findings());
        form = inner.need_text("of").zip(inner.need_text("over")).map(|(of, over)| FormDoc::Ratio(of, over));
        inner.finish();
    } else if let Some(of) = reader.text("count") {
        form = Some(FormDoc::Count(of));
    } else if let Some(node) = reader.get("quantile") {
        let mut inner = Reader::new(node, "`quantile`", reader.findings());
        form = inner.need_text("q").zip(inner.need_text("of")).map(|(q, of)| FormDoc::Quantile(q, of));
        inner.finish();
    } else if let Some(node) = reader.get("slow") {
        let mut inner = Reader::new(node, "`slow`", reader.findings());
        inner.need("bound");
        form = inner.span("bound").zip(inner.need_text("of")).map(|((bound, _), of)| FormDoc::Slow(bound, of));
        inner.finish();
    } else if let Some(query) = reader.text("query") {
        form = Some(FormDoc::Query(query, reader.text("unit")));
    } else {
        let at = name.at.clone();
        let message = "a metric has one of `ratio`, `count`, `quantile`, `slow`, `query`";
        reader.findings().push(Finding::error("missing-key", &at, message));
    }
    reader.finish();
    Some(MetricDoc { name, form: form?, service, born_later })
}
