//! What backends cannot express.

use crate::engine::plan::{AttributeTest, Audience, Constraint, Plan, Target};
use crate::spec::finding::Finding;
use crate::spec::index::Parts;

/// A server takes no more values in one constraint.
const VALUES_AT_MOST: usize = 250;

/// What tells one backend from another: a path without its detours, an address without what only says how.
pub(super) fn plain(target: &Target) -> Vec<&str> {
    match target {
        Target::Flagd { path } => path.split('/').filter(|part| !part.is_empty() && *part != ".").collect(),
        Target::Unleash { url, project, environment, .. } => vec!["unleash", url, project, environment],
    }
}

/// What a plan asks of its backend.
pub(super) fn check(parts: &Parts<'_, '_>, plan: &Plan, findings: &mut Vec<Finding>) {
    match &plan.target {
        Target::Flagd { path } => {
            if path.starts_with('/') || path.contains("..") {
                let at = parts.environment.target.as_ref().map_or(&parts.environment.name.at, |(_, at)| at);
                findings.push(Finding::warning("outside-path", at, "the flag file lies outside of the project"));
            }
            no_segments(parts, plan, findings);
        }
        Target::Unleash { url, .. } => {
            if let Some(end) =
                ["/api/admin", "/api/client", "/api/frontend", "/api"].iter().find(|end| url.ends_with(*end))
            {
                let at = parts.environment.target.as_ref().map_or(&parts.environment.name.at, |(_, at)| at);
                let finding = Finding::warning("unleash-address", at, format!("`url` ends with `{end}`"));
                let own = url.strip_suffix(end).unwrap_or(url);
                findings.push(finding.help(format!("write the server's own address, most likely `{own}`")));
            }
            unleash(parts, plan, findings);
        }
    }
}

fn no_segments(parts: &Parts<'_, '_>, plan: &Plan, findings: &mut Vec<Finding>) {
    let has_segment =
        |audience: &Audience| audience.any.iter().any(|constraint| constraint.is == AttributeTest::InSegment);
    for (name, _) in plan.audiences.iter().filter(|(_, audience)| has_segment(audience)) {
        let at = parts.audiences.get(name.as_str()).map_or(&parts.environment.name.at, |found| &found.doc.name.at);
        let message = format!("audience `{name}` is a segment, and environment `{}` has none", plan.environment);
        let finding = Finding::error("no-segments", at, message);
        findings.push(finding.help("a flag file has no segments: say who they are by their attributes"));
    }
}

fn unleash(parts: &Parts<'_, '_>, plan: &Plan, findings: &mut Vec<Finding>) {
    for stage in &parts.template.stages {
        if let Some((percentage, at)) = &stage.percentage
            && !percentage.is_whole()
        {
            let finding = Finding::error("whole-percent", at, format!("Unleash cannot express {percentage}"));
            findings.push(finding.help("write a whole percent for releases that go to Unleash"));
        }
    }
    if ["random", "default"].contains(&plan.stickiness.as_str()) {
        let message = format!("with `stickiness: {}` users fall in and out at random", plan.stickiness);
        let finding = Finding::error("stickiness", &parts.project.name.at, message);
        findings.push(finding.help("name an attribute that every user has, such as `userId`"));
    }
    for (name, audience) in &plan.audiences {
        let values = |constraint: &Constraint| match &constraint.is {
            AttributeTest::In(values) => values.len(),
            _ => 1,
        };
        let many = audience.any.iter().map(values).find(|many| *many > VALUES_AT_MOST);
        if let (Some(many), Some(found)) = (many, parts.audiences.get(name.as_str())) {
            let message = format!("audience `{name}` names {many} values at once, and Unleash takes {VALUES_AT_MOST}");
            let finding = Finding::error("unleash-values", &found.doc.name.at, message);
            findings.push(finding.help("make several tests of them, or a segment"));
        }
        let lists = audience.any.iter().any(|constraint| matches!(constraint.is, AttributeTest::Contains(_)));
        if let Some(found) = parts.audiences.get(name.as_str()).filter(|_| lists) {
            let message = format!("`contains` of audience `{name}` holds in Unleash for that very text only");
            let finding = Finding::warning("server-attribute", &found.doc.name.at, message);
            findings.push(finding.help("attributes are texts there; where the application sends lists, use another"));
        }
    }
}
