//! A plan for people: everything that decides, then where it was written, and its name at the end.

use super::PlanRow;
use crate::engine::plan::{
    Action, Approval, Arm, AttributeTest, Audience, HealthLine, RollbackStage, SourceAddress, Stage, Target, Unit,
};
use crate::engine::split::SAMPLE_RATIO;
use crate::engine::{Exposure, Plan};
use crate::view::printer::{Printer, Tone};
use crate::view::safe::safe;
use crate::view::text::{pad, width};
use crate::view::words;

/// Prints a plan, its origins and its hash.
pub fn print(printer: &Printer, row: &PlanRow) {
    let PlanRow { plan, origins, hash, .. } = row;
    let title = |text: &str| printer.out(&printer.tone(text, Tone::Strong));
    title(&safe(&plan.address()));
    pairs(printer, &general(plan));
    title("stages");
    pairs(printer, &stages(plan));
    title("healthy");
    for line in &plan.healthy {
        let lasting = line.hold_for.map(|span| format!("; false for less than {span} only freezes the bake"));
        printer.out(&format!("  {}{}", safe(&line.text), lasting.unwrap_or_default()));
    }
    title("safeguards");
    pairs(printer, &rules(plan));
    title("audiences");
    pairs(printer, &audiences(plan));
    title("metrics");
    pairs(printer, &metrics(plan));
    let (release, environment) = (safe(&plan.release), safe(&plan.environment));
    printer.out(&format!("  their queries: flagstaff plan {release} -e {environment} -o yaml"));
    title("written in");
    let origins = origins.iter().map(|(path, origin)| (path.clone(), origin.clone()));
    pairs(printer, &origins.collect::<Vec<_>>());
    title("hash");
    printer.data(&format!("  {}", safe(hash)));
}

/// Everything that decides, by its section and name, in words.
pub(super) fn said(plan: &Plan) -> Vec<(&'static str, Vec<(String, String)>)> {
    let line =
        |line: &HealthLine| (line.text.clone(), line.hold_for.map(|span| format!("for {span}")).unwrap_or_default());
    vec![
        ("plan", general(plan)),
        ("stages", stages(plan)),
        ("healthy", plan.healthy.iter().map(line).collect()),
        ("safeguards", rules(plan)),
        ("audiences", audiences(plan)),
        ("metrics", metrics(plan)),
    ]
}

fn stages(plan: &Plan) -> Vec<(String, String)> {
    plan.stages.iter().map(|stage| (stage.name.clone(), about(plan, stage))).collect()
}

fn audiences(plan: &Plan) -> Vec<(String, String)> {
    plan.audiences.iter().map(|(name, audience)| (name.clone(), who(audience))).collect()
}

fn metrics(plan: &Plan) -> Vec<(String, String)> {
    let series = plan.series.iter().map(|series| {
        let arm = match series.arm {
            Arm::Exposed => "exposed group",
            Arm::Control => "control group",
            Arm::Service => "whole service",
        };
        let unit = match series.unit {
            Unit::Ratio => format!("share over {}", series.query.window),
            Unit::Seconds => format!("time over {}", series.query.window),
            Unit::Count => "count per tick".to_owned(),
            Unit::Plain => "number".to_owned(),
        };
        let born = if series.query.born_later { " (is born later: start does not look for it)" } else { "" };
        (series.name.clone(), format!("{unit}, {arm}, from {}{born}", series.query.source))
    });
    series.collect()
}

/// Names in a column, what they are beside them; on a narrow screen below them.
fn pairs(printer: &Printer, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        printer.out("  none");
    }
    let widest = pairs.iter().map(|(name, _)| width(&safe(name))).max().unwrap_or(0);
    let column = widest.min(printer.width / 4);
    for (name, what) in pairs {
        let (name, what) = (safe(name), safe(what));
        let narrow = printer.width < 60;
        if narrow && 4 + width(&name) + width(&what) <= printer.width {
            printer.out(&format!("  {name}  {what}"));
        } else if narrow || width(&name) > column {
            printer.out(&format!("  {name}"));
            printer.out(&format!("    {what}"));
        } else {
            printer.hung(&format!("  {}  {what}", pad(&name, column)), column + 4);
        }
    }
}

fn general(plan: &Plan) -> Vec<(String, String)> {
    let mut pairs = vec![
        ("flag".to_owned(), plan.flag.clone()),
        (
            "backend".to_owned(),
            match &plan.target {
                Target::Flagd { path } => format!("flagd file {path}"),
                Target::Unleash { url, project, environment, own_only } => {
                    let others = if *own_only { ", a shutdown leaves what others put into the flag" } else { "" };
                    format!("Unleash at {url}, project {project}, environment {environment}{others}")
                }
            },
        ),
        ("stickiness".to_owned(), plan.stickiness.clone()),
        ("template".to_owned(), plan.template.clone()),
        ("policy".to_owned(), plan.policy.clone()),
    ];
    for (name, address) in &plan.sources {
        let place = match address {
            SourceAddress::Prometheus { url, scrape_every, headers } => {
                let headers: Vec<String> = headers.iter().map(|(name, value)| format!(", {name}: {value}")).collect();
                format!("{name}: Prometheus at {url}{}, which scrapes every {scrape_every}", headers.concat())
            }
            SourceAddress::Scrape { targets, every } => {
                format!("{name}: pages read every {every}: {}", targets.join(", "))
            }
        };
        pairs.push(("source".to_owned(), place));
    }
    pairs.push((
        "ticks".to_owned(),
        format!("every {}, each asked {} late, missed ones caught up for {}", plan.every, plan.delay, plan.catch_up),
    ));
    pairs.push(("settle".to_owned(), format!("{} after a change before evidence counts", plan.settle)));
    if !plan.windows.is_empty() {
        let windows: Vec<&str> = plan.windows.iter().map(|window| window.text.as_str()).collect();
        pairs.push(("window".to_owned(), format!("rules grow it in {}", windows.join(", or in "))));
    }
    pairs.extend(plan.after.iter().map(|after| ("after".to_owned(), after.to_string())));
    if plan.protected {
        pairs.push(("protected".to_owned(), "growing asks for a reason and the flag's key".to_owned()));
    }
    if let Some(reason) = &plan.full_start_reason {
        pairs.push(("full start".to_owned(), format!("may start at 100%: {reason}")));
    }
    pairs
}

fn about(plan: &Plan, stage: &Stage) -> String {
    let mut parts = vec![stage.exposure.to_string(), format!("bake {} ({} ticks)", stage.bake, plan.ticks(stage.bake))];
    if let Some(samples) = &stage.samples {
        let series = plan.series.get(samples.series).map(|series| series.name.clone()).unwrap_or_default();
        parts.push(format!("at least {} {series}", samples.at_least));
    }
    if stage.idle_bakes {
        parts.push("idle ticks bake".to_owned());
    }
    parts.extend(stage.approval.as_ref().map(approval));
    parts.join("; ")
}

fn approval(approval: &Approval) -> String {
    let people: Vec<&str> = approval.people.iter().map(String::as_str).collect();
    let of = match (approval.groups.is_empty(), people.is_empty()) {
        (true, true) => "anybody".to_owned(),
        (true, false) => people.join(", "),
        (false, _) => format!("{} ({})", approval.groups.join(", "), people.join(", ")),
    };
    format!("to leave it: approval by {} of {of}", approval.count)
}

fn rules(plan: &Plan) -> Vec<(String, String)> {
    let rules = plan.rules.iter().map(|rule| {
        let lasting = rule.hold_for.map(|span| format!(" for {span}")).unwrap_or_default();
        let promise = rule.detector.as_ref().map(|detector| format!(", {}", words::promise(detector)));
        let what = observed(rule.observe, action(plan, &rule.then));
        (rule.name.clone(), format!("{}{lasting}{}: {what}", rule.text, promise.unwrap_or_default()))
    });
    let mut pairs: Vec<(String, String)> = rules.collect();
    pairs.extend(plan.no_data.as_ref().map(|no_data| {
        let what = observed(no_data.observe, action(plan, &no_data.then));
        ("no_data".to_owned(), format!("needed evidence missing for {}: {what}", no_data.after))
    }));
    pairs.extend(plan.sample_ratio.as_ref().map(|ratio| {
        let tested = ratio.stages.iter().flatten().map(|split| match split.many {
            Some(_) => split.configured.to_string(),
            None => format!("{} (only too few, since audiences are exposed too)", split.configured),
        });
        let what = format!(
            "{} at {}, {}: {}",
            words::sample_ratio(plan, ratio),
            tested.collect::<Vec<_>>().join(", "),
            words::alarms(ratio.max, ratio.per, ratio.cluster, ""),
            observed(ratio.observe, Action::Hold.word().to_owned())
        );
        (SAMPLE_RATIO.to_owned(), what)
    }));
    pairs
}

fn observed(observe: bool, what: String) -> String {
    if observe { format!("only recorded: would {what}") } else { what }
}

fn action(plan: &Plan, action: &Action) -> String {
    match action {
        Action::Rollback(RollbackStage::Previous) => "roll back to the stage before, and pause".to_owned(),
        Action::Rollback(RollbackStage::Named(name)) => {
            let stage = plan.stage_named(name).and_then(|index| plan.stages.get(index));
            let exposure = stage.map_or_else(Exposure::nobody, |stage| stage.exposure.clone());
            format!("roll back to {name} ({exposure}), and pause")
        }
        Action::Shutdown => "shut down".to_owned(),
        other => other.word().to_owned(),
    }
}

fn who(audience: &Audience) -> String {
    let test = |test: &AttributeTest| match test {
        AttributeTest::In(values) => format!("is one of {}", values.join(", ")),
        AttributeTest::EndsWith(text) => format!("ends with {text}"),
        AttributeTest::StartsWith(text) => format!("starts with {text}"),
        AttributeTest::Contains(text) => format!("contains {text}"),
        AttributeTest::InSegment => "is a segment of the backend".to_owned(),
    };
    let any = audience.any.iter().map(|constraint| format!("{} {}", constraint.attribute, test(&constraint.is)));
    any.collect::<Vec<_>>().join(", or ")
}
