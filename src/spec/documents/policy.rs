//! `kind: ThresholdPolicy`: metrics, health and safeguards.

use super::expect::{ExpectDoc, expect};
use super::metric::{MetricDoc, Preset, metric, preset};
use super::over::{OverDoc, over};
use super::promise::{PromiseDoc, promise};
use super::sample_ratio::{SampleRatioDoc, sample_ratio};
use crate::engine::Span;
use crate::engine::plan::{Action, RollbackStage};
use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::yaml::{Kind, Node};

/// `kind: ThresholdPolicy`
#[derive(Debug, Clone)]
pub struct PolicyDoc {
    /// Its name.
    pub name: Text,
    /// Distance of ticks.
    pub every: (Span, Option<At>),
    /// The sliding window.
    pub window: (Span, Option<At>),
    /// How long after a tick it is asked.
    pub delay: Option<Span>,
    /// How long evidence does not count after a change.
    pub settle: Option<(Span, At)>,
    /// How far back missed ticks are read.
    pub catch_up: Span,
    /// The conventional HTTP histogram.
    pub preset: Option<Preset>,
    /// Metrics of one's own.
    pub metrics: Vec<MetricDoc>,
    /// What healthy means.
    pub healthy: Vec<(Text, Option<(Span, At)>)>,
    /// The safeguards.
    pub safeguards: Vec<SafeguardDoc>,
    /// What happens without evidence.
    pub no_data: Option<(Span, Action, At)>,
    /// How far the split between the groups may be from what was configured.
    pub sample_ratio: Option<SampleRatioDoc>,
    /// Whether nothing of it stops or holds anything: what it would have done is recorded.
    pub observe: bool,
    /// How its metrics are while all is well.
    pub expect: ExpectDoc,
    /// Where `spec` stands.
    pub at: At,
}

/// A safeguard.
#[derive(Debug, Clone)]
pub struct SafeguardDoc {
    /// Its name.
    pub name: Text,
    /// Its condition.
    pub when: Text,
    /// How long it must hold.
    pub hold_for: Option<(Span, At)>,
    /// The windows of its burn rate.
    pub over: Option<OverDoc>,
    /// How often it may be wrong, and what it must not miss.
    pub promise: Option<PromiseDoc>,
    /// Whether what it would have done is only recorded.
    pub observe: bool,
    /// What it asks for.
    pub then: Action,
    /// Where that stands.
    pub then_at: At,
}

pub(super) fn policy(name: Text, spec: &mut Reader<'_, '_>) -> PolicyDoc {
    let timed = |found: Option<(Span, At)>, default| found.map_or((default, None), |(span, at)| (span, Some(at)));
    let every = timed(spec.span("every"), Span::seconds(30));
    let window = timed(spec.span("window"), Span::minutes(5));
    let delay = spec.span("delay").map(|(span, _)| span);
    let settle = spec.span("settle");
    let catch_up = spec.span("catch_up").map_or(Span::hours(24 * 7), |(span, _)| span);
    let preset = spec.get("presets").and_then(|node| preset(node, spec.findings()));
    let mut metrics = Vec::new();
    if let Some(node) = spec.get("metrics") {
        for (name, node) in Reader::new(node, "`metrics`", spec.findings()).entries() {
            metrics.extend(metric(name, node, spec.findings()));
        }
    }
    spec.need("healthy");
    let mut healthy = Vec::new();
    for node in spec.list("healthy").unwrap_or_default() {
        if let Kind::Map(_) = node.kind {
            let mut line = Reader::new(node, "a line of `healthy`", spec.findings());
            let (when, hold_for) = (line.need_text("when"), line.span("for"));
            line.finish();
            healthy.extend(when.map(|when| (when, hold_for)));
        } else {
            healthy.extend(read_text(node, spec.findings()).map(|text| (text, None)));
        }
    }
    let mut safeguards = Vec::new();
    for node in spec.list("safeguards").unwrap_or_default() {
        safeguards.extend(safeguard(node, spec.findings()));
    }
    let mut no_data = None;
    if let Some(node) = spec.get("no_data") {
        let mut reader = Reader::new(node, "`no_data`", spec.findings());
        reader.need("after");
        let after = reader.span("after");
        let then = action(&mut reader).map(|(then, _)| then);
        let at = reader.at().clone();
        reader.finish();
        no_data = after.zip(then).map(|((after, _), then)| (after, then, at));
    }
    let ratio = spec.get("sample_ratio").zip(spec.key_at("sample_ratio"));
    let sample_ratio = ratio.and_then(|(node, at)| sample_ratio(node, at, spec.findings()));
    let observe = spec.flag("observe").unwrap_or(false);
    let expect = expect(spec);
    let at = spec.key_at("healthy").unwrap_or_else(|| spec.at().part(0, 0));
    PolicyDoc {
        name,
        every,
        window,
        delay,
        settle,
        catch_up,
        preset,
        metrics,
        healthy,
        safeguards,
        no_data,
        sample_ratio,
        observe,
        expect,
        at,
    }
}

fn safeguard(node: &Node, findings: &mut Vec<Finding>) -> Option<SafeguardDoc> {
    let mut reader = Reader::new(node, "a safeguard", findings);
    let (name, when) = (reader.need_text("name"), reader.need_text("when"));
    let hold_for = reader.span("for");
    let over = over(&mut reader);
    let promise = promise(&mut reader, hold_for.as_ref().map(|(_, at)| at));
    let observe = reader.flag("observe").unwrap_or(false);
    let then = action(&mut reader);
    reader.finish();
    // an action that could not be read keeps nobody from hearing of the rest; no plan is made of it
    let (then, then_at) = then.unwrap_or((Action::Pause, node.at.clone()));
    Some(SafeguardDoc { name: name?, when: when?, hold_for, over, promise, observe, then, then_at })
}

pub(super) fn action(reader: &mut Reader<'_, '_>) -> Option<(Action, At)> {
    let node = reader.need("then")?;
    if let Kind::Map(_) = node.kind {
        let mut inner = Reader::new(node, "`then`", reader.findings());
        let to = inner.need_text("rollback");
        inner.finish();
        return to.map(|to| {
            let stage = match to.value.as_str() {
                "previous" => RollbackStage::Previous,
                _ => RollbackStage::Named(to.value),
            };
            (Action::Rollback(stage), to.at)
        });
    }
    let text = read_text(node, reader.findings())?;
    let action = match text.value.as_str() {
        "notify" => Action::Notify,
        "hold" => Action::Hold,
        "pause" => Action::Pause,
        "shutdown" => Action::Shutdown,
        "rollback" => Action::Rollback(RollbackStage::Previous),
        other => {
            let finding = Finding::error("unknown-action", &text.at, format!("there is no action `{other}`"));
            let known = ["notify", "hold", "pause", "rollback", "shutdown"];
            reader.findings().push(finding.did_you_mean(other, known));
            return None;
        }
    };
    Some((action, text.at))
}
