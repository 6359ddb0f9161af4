//! `kind: ReleaseTemplate`: the ordered stages.

use crate::engine::{Percentage, Span};
use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text};
use crate::spec::yaml::{Kind, Node};

/// `kind: ReleaseTemplate`
#[derive(Debug, Clone)]
pub struct TemplateDoc {
    /// Its name.
    pub name: Text,
    /// Its stages.
    pub stages: Vec<StageDoc>,
    /// Whether the first stage may be everybody, and why.
    pub full_start: Option<Text>,
}

/// A stage of a template.
#[derive(Debug, Clone)]
pub struct StageDoc {
    /// The whole mapping.
    pub at: At,
    /// Its name.
    pub name: Text,
    /// What it adds.
    pub audiences: Vec<Text>,
    /// What it sets.
    pub percentage: Option<(Percentage, At)>,
    /// How long it bakes.
    pub bake: Span,
    /// How much it measures, of which metric.
    pub samples: Option<(u64, Option<Text>, At)>,
    /// Whether idle ticks earn.
    pub idle_bakes: bool,
    /// Who approves, and how many.
    pub approval: Option<(Vec<Text>, u32)>,
}

pub(super) fn template(name: Text, spec: &mut Reader<'_, '_>) -> TemplateDoc {
    spec.need("stages");
    let mut stages = Vec::new();
    for node in spec.list("stages").unwrap_or_default() {
        stages.extend(stage(node, spec.findings()));
    }
    let allowed = spec.flag("allow_full_start").unwrap_or(false);
    let reason = spec.text("reason");
    TemplateDoc { name, stages, full_start: reason.filter(|_| allowed) }
}

fn stage(node: &Node, findings: &mut Vec<Finding>) -> Option<StageDoc> {
    let mut reader = Reader::new(node, "a stage", findings);
    let name = reader.need_text("name");
    let audiences = reader.texts("audiences").unwrap_or_default();
    let percentage = reader.percentage("percentage");
    let bake = reader.span("bake").map_or(Span(0), |(span, _)| span);
    let mut samples = None;
    if let Some(node) = reader.get("samples") {
        if let Kind::Map(_) = node.kind {
            let mut inner = Reader::new(node, "`samples`", reader.findings());
            let of = inner.text("of");
            let at_least = inner.number("at_least");
            inner.finish();
            samples = at_least.map(|(number, at)| (number, of, at));
        } else {
            samples = reader.number("samples").map(|(number, at)| (number, None, at));
        }
    }
    let mut idle_bakes = false;
    if let Some(idle) = reader.text("idle") {
        idle_bakes = idle.value == "bake";
        if !["bake", "hold"].contains(&idle.value.as_str()) {
            let finding = Finding::error("idle", &idle.at, format!("`{}` is neither `bake` nor `hold`", idle.value));
            reader.findings().push(finding);
        }
    }
    let mut approval = None;
    if let Some(node) = reader.get("approval") {
        let mut inner = Reader::new(node, "`approval`", reader.findings());
        let from = inner.texts("from").unwrap_or_default();
        let count = inner.number("count");
        inner.finish();
        if let Some((0, at)) = &count {
            let finding = Finding::error("approval", at, "`count: 0` asks nobody");
            reader.findings().push(finding.help("leave `approval` out where nobody is asked, or ask for one at least"));
        }
        let count = count.map_or(1, |(count, _)| u32::try_from(count).unwrap_or(u32::MAX));
        approval = Some((from, count.max(1)));
    }
    reader.later(&["window", "after"]);
    let at = reader.at().clone();
    reader.finish();
    Some(StageDoc { at, name: name?, audiences, percentage, bake, samples, idle_bakes, approval })
}
