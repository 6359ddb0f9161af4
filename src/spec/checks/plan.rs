//! What a release in an environment must satisfy, once everything is resolved.

use super::backend;
use crate::engine::condition::{Comparison, Condition, Term};
use crate::engine::plan::{Action, Arm, Form, Plan, RollbackStage, Rule, Series, SourceAddress, Stage, Unit};
use crate::engine::{Decimal, Span};
use crate::spec::constant::constant;
use crate::spec::documents::FormDoc;
use crate::spec::finding::{At, Finding};
use crate::spec::index::Parts;
use crate::spec::raw;
use crate::spec::reader::Text;
use crate::spec::resolve::scrape_every;

/// So many readings of a page are kept in memory, for each of its series.
const READINGS_AT_MOST: u64 = 5000;

/// Checks of a release in an environment, once resolved.
pub(in crate::spec) fn plan(parts: &Parts<'_, '_>, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policy = parts.policy;
    let unit = |index: usize| plan.series.get(index).map_or(Unit::Plain, |series| series.unit);
    for rule in &plan.rules {
        // a rule whose condition could not be read is not in the plan
        let Some(written) = policy.safeguards.iter().find(|written| written.name.value == rule.name) else { continue };
        if let Some(always) = constant(&rule.condition, &unit) {
            findings.push(constant_finding(&written.when, always));
        }
        findings.extend(diluted(plan, rule, &written.when));
        if let Action::Rollback(RollbackStage::Named(name)) = &rule.then
            && plan.stage_named(name).is_none()
        {
            let message = format!("rolls back to `{name}`, and template `{}` has no such stage", plan.template);
            let finding = Finding::error("unknown-stage", &written.then_at, message);
            findings.push(finding.did_you_mean(name, plan.stages.iter().map(|stage| stage.name.as_str())));
        }
    }
    for line in &plan.healthy {
        let Some((text, _)) = policy.healthy.iter().find(|(text, _)| text.value == line.text) else { continue };
        if let Some(always) = constant(&line.condition, &unit) {
            findings.push(constant_finding(text, always));
        }
    }
    for (index, stage) in plan.stages.iter().enumerate() {
        let proven = plan
            .healthy
            .iter()
            .any(|line| plan.measures_exposed(&line.condition) && plan.applies(&line.condition, index));
        // a line that could not be read may be the one
        if !proven && plan.healthy.len() == policy.healthy.len() {
            let message = format!("no line of `healthy` measures the exposed group at stage `{}`", stage.name);
            let finding = Finding::error("no-evidence", &policy.at, message);
            findings.push(finding.help(
                "a line on `baseline()` does not apply at audiences and at 100%; add one on a metric of its own",
            ));
        }
    }
    for stage in &parts.template.stages {
        let groups = stage.approval.as_ref().map(|(groups, _)| groups.as_slice()).unwrap_or_default();
        let known: Vec<_> = groups.iter().filter_map(|group| parts.project.people.get(&group.value)).collect();
        // what is not there has a finding of its own
        if let Some(first) =
            groups.first().filter(|_| known.len() == groups.len() && known.iter().all(|it| it.is_empty()))
        {
            let message = format!("nobody is in {}, so nobody can approve", names(groups));
            let finding = Finding::error("approval", &first.at, message);
            findings
                .push(finding.help("name people in `people:` of the Project document: the stage could never be left"));
        }
    }
    let scrape = scrape_every(&parts.source.address);
    windows(parts, &mut findings);
    for metric in &policy.metrics {
        let FormDoc::Query(text, _) = &metric.form else { continue };
        let is_asked =
            |series: &Series| matches!(&series.query.form, Form::Raw { text: asked } if *asked == text.value);
        let Some(range) = raw::shortest(&text.value).filter(|_| plan.series.iter().any(is_asked)) else { continue };
        if range < Span(scrape.0.saturating_mul(4)) {
            let source = &parts.source.name.value;
            let message = format!("a range of {range} is less than four scrapes of source `{source}` ({scrape} each)");
            let finding = Finding::warning("short-window", &text.at, message);
            findings.push(finding.help("one scrape may be under way and one may fail; two are needed for a rate"));
        }
    }
    if policy.every.0.0 > 0 && policy.every.0 < scrape {
        let message = format!(
            "`every: {}` is shorter than a scrape of source `{}`, {scrape}",
            policy.every.0, parts.source.name.value
        );
        let finding = Finding::error("short-every", policy.every.1.as_ref().unwrap_or(&policy.name.at), message);
        findings.push(finding.help("one sample would be judged several times, as if it were several"));
    }
    backend::check(parts, plan, &mut findings);
    findings
}

/// Windows that are too short to measure in, or longer than the source remembers.
fn windows(parts: &Parts<'_, '_>, findings: &mut Vec<Finding>) {
    let (policy, source) = (parts.policy, &parts.source.name.value);
    let scrape = scrape_every(&parts.source.address);
    let is_scraped = matches!(parts.source.address, SourceAddress::Scrape { .. });
    let mut check = |what: &str, window: Span, at: &At| {
        if window < Span(scrape.0.saturating_mul(4)) {
            let message = format!("`{what}` is less than four scrapes of source `{source}` ({scrape} each)");
            let finding = Finding::error("short-window", at, message);
            findings.push(finding.help("one scrape may be under way and one may fail; two are needed for a rate"));
        }
        let most = Span(scrape.0.saturating_mul(READINGS_AT_MOST));
        if is_scraped && window > most {
            let message = format!("`{what}` is longer than source `{source}` remembers, {most}");
            let finding = Finding::error("long-window", at, message);
            findings.push(finding.help(format!(
                "flagstaff keeps {READINGS_AT_MOST} readings of a page in memory, one each {scrape}: read it less often, \
                 write a shorter window, or use `prometheus`"
            )));
        }
    };
    let window_at = policy.window.1.as_ref().unwrap_or(&policy.name.at);
    check(&format!("window: {}", policy.window.0), policy.window.0, window_at);
    for windows in policy.safeguards.iter().filter_map(|rule| rule.over.as_ref()?.windows.as_ref()) {
        for (window, at) in [&windows.long, &windows.short] {
            check(&window.to_string(), *window, at);
        }
    }
}

/// A share of the whole service above a limit that the exposed group cannot reach at some stage, though all of it failed: the
/// rule guards nothing there.
fn diluted(plan: &Plan, rule: &Rule, written: &Text) -> Option<Finding> {
    let limit = least_share(plan, &rule.condition).filter(|_| rule.stops())?;
    let part = |stage: &Stage| Decimal::new(i128::from(stage.exposure.percentage.thousandths()), -5);
    let stage = plan.stages.iter().find(|stage| part(stage) > Decimal::ZERO && part(stage) <= limit)?;
    let percentage = stage.exposure.percentage;
    let message = format!(
        "at stage `{}` all {percentage} that are exposed may fail while nobody else does, and this does not hold",
        stage.name
    );
    let finding = Finding::warning("diluted", &written.at, message);
    Some(finding.help(
        "the metric has `scope: service`, so the exposed are diluted by everybody else; measure the exposed group",
    ))
}

/// What a share of the whole service must be above for a condition to hold, where it must.
fn least_share(plan: &Plan, condition: &Condition) -> Option<Decimal> {
    let of_service = |term: &Term, limit: Decimal| match term {
        Term::Series { series, factor } if *factor == Decimal::whole(1) => {
            let series = plan.series.get(*series)?;
            (series.arm == Arm::Service && series.unit == Unit::Ratio).then_some(limit)
        }
        _ => None,
    };
    match condition {
        Condition::Compare { left, op: Comparison::Greater | Comparison::AtLeast, right: Term::Number(limit) } => {
            of_service(left, *limit)
        }
        Condition::Compare { left: Term::Number(limit), op: Comparison::Less | Comparison::AtMost, right } => {
            of_service(right, *limit)
        }
        Condition::All(parts) => parts.iter().filter_map(|part| least_share(plan, part)).max(),
        _ => None,
    }
}

fn names(groups: &[Text]) -> String {
    groups.iter().map(|group| format!("`{}`", group.value)).collect::<Vec<_>>().join(", ")
}

fn constant_finding(condition: &Text, always: bool) -> Finding {
    let what = if always { "always" } else { "never" };
    let message = format!("this {what} holds, whatever is measured");
    let finding = Finding::error("constant-condition", &condition.at, message);
    finding.help(
        "shares lie between 0% and 100%, times and counts are not negative, bounds must leave room, and what is missing is \
         compared with nothing",
    )
}
