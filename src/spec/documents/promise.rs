//! `false_alarms`, `catches` and `cluster` of a safeguard: how often it may be wrong, and what it must not miss.

use crate::engine::{Decimal, Span};
use crate::spec::finding::{At, Finding};
use crate::spec::reader::Reader;
use crate::spec::text;
use crate::spec::yaml::Node;

/// No more counts than these come together.
const CLUSTER_AT_MOST: u64 = 1000;

/// The promise of a safeguard.
#[derive(Debug, Clone)]
pub struct PromiseDoc {
    /// The chance of a false alarm within `per`.
    pub max: Decimal,
    /// What `max` is the chance within.
    pub per: Span,
    /// What must be caught.
    pub catches: Caught,
    /// Where that stands.
    pub catches_at: At,
    /// How many counts come together.
    pub cluster: u32,
}

/// What a rule must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// A share, `5%`.
    Share(Decimal),
    /// A multiple of the control group's share, `3x`.
    Multiple(Decimal),
}

/// The promise of a safeguard, where it makes one. `lasting`: where its `for` stands.
pub(super) fn promise(reader: &mut Reader<'_, '_>, lasting: Option<&At>) -> Option<PromiseDoc> {
    let Some(node) = reader.get("false_alarms") else {
        alone(reader);
        return None;
    };
    if let Some(at) = lasting {
        let finding = Finding::error("false-alarms", at, "a rule with `false_alarms` has no `for`");
        reader.findings().push(finding.help(
            "it fires once its counts are evidence enough, which takes as long as it takes; keep one of the two",
        ));
    }
    let alarms = false_alarms(node, reader.findings());
    let (catches, cluster) =
        (catches(reader), cluster(reader, "how many failures one broken client or one retry makes at once"));
    let ((max, per), (catches, catches_at)) = (alarms?, catches?);
    Some(PromiseDoc { max, per, catches, catches_at, cluster: cluster? })
}

/// `{ max, per }`: the chance of a false alarm, and what it is the chance within.
pub(super) fn false_alarms(node: &Node, findings: &mut Vec<Finding>) -> Option<(Decimal, Span)> {
    let mut inner = Reader::new(node, "`false_alarms`", findings);
    let (max, per) = (max(&mut inner), inner.need("per").and_then(|_| inner.span("per")));
    inner.finish();
    if let Some((Span(0), at)) = &per {
        findings.push(Finding::error("false-alarms", at, "no time at all").help("write `per: 24h`"));
    }
    Some((max?, per.filter(|(per, _)| per.0 > 0)?.0))
}

/// What belongs to a promise says nothing without one.
fn alone(reader: &mut Reader<'_, '_>) {
    for key in ["catches", "cluster"] {
        if let (Some(_), Some(at)) = (reader.get(key), reader.key_at(key)) {
            let finding = Finding::error("false-alarms", &at, format!("`{key}` needs `false_alarms` beside it"));
            reader.findings().push(finding.help("write `false_alarms: { max: 5%, per: 24h }`, or remove it"));
        }
    }
}

fn max(inner: &mut Reader<'_, '_>) -> Option<Decimal> {
    let text = inner.need_text("max")?;
    let finding = match text::share(&text.value) {
        Ok(max) if max > Decimal::ZERO && max < Decimal::whole(1) => return Some(max),
        Ok(_) => Finding::error("false-alarms", &text.at, format!("`{}` is no chance that can be kept", text.value)),
        Err(why) => Finding::error("percentage", &text.at, format!("`{}` is no percentage: {why}", text.value)),
    };
    inner.findings().push(finding.help("write more than 0% and less than 100%: `max: 5%` is once in twenty `per`"));
    None
}

fn catches(reader: &mut Reader<'_, '_>) -> Option<(Caught, At)> {
    let Some(text) = reader.text("catches") else {
        if reader.key_at("catches").is_none() {
            let at = reader.key_at("false_alarms").unwrap_or_else(|| reader.at().clone());
            let finding = Finding::error("missing-key", &at, "`catches` is missing beside `false_alarms`");
            reader.findings().push(
                finding.help("say how bad it is when it must be caught: a share, `catches: 5%`, or against `baseline()` a multiple, `catches: 3x`"),
            );
        }
        return None;
    };
    let read = match text.value.strip_suffix('x') {
        Some(number) => text::factor(number).map(Caught::Multiple),
        None => text::share(&text.value).map(Caught::Share),
    };
    match read {
        Ok(caught) => Some((caught, text.at)),
        Err(why) => {
            let message = format!("`{}` is neither a share nor a multiple: {why}", text.value);
            let finding = Finding::error("false-alarms", &text.at, message);
            reader.findings().push(finding.help("write `5%`, or against `baseline()` `3x`"));
            None
        }
    }
}

/// How many counts come together, one unless it is written. `what`: in the words of a finding.
pub(super) fn cluster(reader: &mut Reader<'_, '_>, what: &str) -> Option<u32> {
    let is_written = reader.key_at("cluster").is_some();
    let Some((number, at)) = reader.number("cluster") else { return (!is_written).then_some(1) };
    let cluster = u32::try_from(number).ok().filter(|_| (1..=CLUSTER_AT_MOST).contains(&number));
    if cluster.is_none() {
        let finding = Finding::error("false-alarms", &at, format!("`{number}` is no size of a cluster"));
        reader.findings().push(finding.help(format!("from 1 to {CLUSTER_AT_MOST}: {what}")));
    }
    cluster
}
