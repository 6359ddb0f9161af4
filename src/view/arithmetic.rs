//! What rules will cost, as `validate --arithmetic` computes it.

use schemars::JsonSchema;
use serde::Serialize;

use super::printer::{Printer, Tone};
use super::safe::safe;
use super::text::{pad, width};
use crate::engine::Span;
use crate::engine::plan::Arm;
use crate::forecast::{Delay, Forecast, Origin, Row, RuleForecast, Share};

/// The rules of a policy under a template, computed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Arithmetic")]
pub struct ArithmeticRow {
    /// The policy.
    pub policy: String,
    /// The template.
    pub template: String,
    /// Requests a minute of everybody, where somebody says so: `--traffic`, or `expect` of the policy.
    pub requests_per_minute: Option<f64>,
    /// Its safeguards.
    pub rules: Vec<RuleRow>,
}

/// A safeguard, computed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "RuleArithmetic")]
pub struct RuleRow {
    /// Its name.
    pub rule: String,
    /// Its condition as written.
    pub when: String,
    /// How long it must hold, as written.
    #[serde(rename = "for")]
    pub hold_for: Option<String>,
    /// Why it was not computed, where it was not.
    pub not_computed: Option<String>,
    /// What was taken for healthy, and for a break.
    pub shares: Vec<ShareRow>,
    /// By the traffic of the exposed group.
    pub at: Vec<TrafficRow>,
    /// Requests a minute of the exposed group below which it does not find the break within a day. None where no traffic is
    /// enough, or nothing was computed.
    pub acts_from_per_minute: Option<f64>,
    /// Below so many requests a minute of the exposed group a single failure fires it.
    pub one_failure_below_per_minute: Option<f64>,
    /// How a metric of the whole service sees the exposed group at the stages that expose a part of all.
    pub diluted: Vec<DilutedRow>,
}

/// What was taken for healthy, and for a break.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ShareArithmetic")]
pub struct ShareRow {
    /// The metric.
    pub name: String,
    /// The share while all is well, from 0 to 1.
    pub healthy: f64,
    /// Where that is from: `stated`, `healthy` or `assumed`.
    pub healthy_from: &'static str,
    /// The share when it breaks, from 0 to 1.
    pub broken: f64,
    /// Where that is from: `catches` or `assumed`.
    pub broken_from: &'static str,
}

/// A rule at a traffic.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "TrafficArithmetic")]
pub struct TrafficRow {
    /// The stage, where it is said how many requests there are.
    pub stage: Option<String>,
    /// Requests a minute of the exposed group.
    pub exposed_per_minute: f64,
    /// Requests a minute of the control group, where the rule compares with it.
    pub control_per_minute: Option<f64>,
    /// How often it fires a day while all is well.
    pub false_alarms_per_day: f64,
    /// How many days were simulated for that.
    pub days_simulated: f64,
    /// The middle time to find a break; none where that takes longer than `longer_than_ms`.
    pub detects_in_ms: Option<u64>,
    /// How long a break was waited for, where half of them were not found.
    pub longer_than_ms: Option<u64>,
}

/// A metric of the whole service at a stage.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "DilutedArithmetic")]
pub struct DilutedRow {
    /// The stage.
    pub stage: String,
    /// The part of everybody that is exposed there, from 0 to 1: so much of a break is seen.
    pub part: f64,
    /// The share of the exposed group that must fail for the limit to be reached; above 1 it cannot be. None where the rule does
    /// not compare one share with a number.
    pub takes: Option<f64>,
}

/// For machines.
pub fn rows(forecasts: &[Forecast]) -> Vec<ArithmeticRow> {
    let row = |forecast: &Forecast| ArithmeticRow {
        policy: forecast.policy.clone(),
        template: forecast.template.clone(),
        requests_per_minute: forecast.traffic,
        rules: forecast.rules.iter().map(rule_row).collect(),
    };
    forecasts.iter().map(row).collect()
}

fn rule_row(rule: &RuleForecast) -> RuleRow {
    let traffic = |row: &Row| {
        let (found, beyond) = match row.delay {
            Delay::Within(span) => (Some(span.0), None),
            Delay::Beyond(span) => (None, Some(span.0)),
        };
        TrafficRow {
            stage: row.stage.clone(),
            exposed_per_minute: row.exposed,
            control_per_minute: row.control,
            false_alarms_per_day: row.alarms_a_day,
            days_simulated: row.days,
            detects_in_ms: found,
            longer_than_ms: beyond,
        }
    };
    let share = |share: &Share| ShareRow {
        name: share.name.clone(),
        healthy: share.healthy,
        healthy_from: word(share.healthy_from),
        broken: share.broken,
        broken_from: word(share.broken_from),
    };
    RuleRow {
        rule: rule.name.clone(),
        when: rule.text.clone(),
        hold_for: rule.hold_for.map(|span| span.to_string()),
        not_computed: rule.shares.as_ref().err().cloned(),
        shares: rule.shares.iter().flatten().map(share).collect(),
        at: rule.rows.iter().map(traffic).collect(),
        acts_from_per_minute: rule.acts_from,
        one_failure_below_per_minute: rule.one_failure,
        diluted: rule
            .diluted
            .iter()
            .map(|it| DilutedRow { stage: it.stage.clone(), part: it.part, takes: it.takes })
            .collect(),
    }
}

fn word(origin: Origin) -> &'static str {
    match origin {
        Origin::Stated => "stated",
        Origin::Healthy => "healthy",
        Origin::Catches => "catches",
        Origin::Assumed => "assumed",
    }
}

/// For people.
pub fn print(printer: &Printer, forecasts: &[Forecast], left_out: usize) {
    for forecast in forecasts {
        let title = format!("policy {} under template {}", safe(&forecast.policy), safe(&forecast.template));
        printer.out(&printer.tone(&title, Tone::Strong));
        for rule in &forecast.rules {
            of_rule(printer, rule);
        }
    }
    if forecasts.is_empty() {
        printer.out("no release without errors uses a policy: nothing to compute");
    } else if forecasts.iter().any(|forecast| forecast.traffic.is_none()) {
        printer.out("write `expect: { requests: 300/m, error_rate: 0.5% }` into a policy, or give `--traffic 300/m`, to compute its own stages");
    }
    if left_out > 0 {
        printer.out(&format!("{left_out} more rules are not computed: name the files of their policies"));
    }
}

fn of_rule(printer: &Printer, rule: &RuleForecast) {
    let lasting = rule.hold_for.map(|span| format!(" for {span}")).unwrap_or_default();
    printer.out(&format!("  {}: {}{lasting}", safe(&rule.name), safe(&rule.text)));
    let shares = match &rule.shares {
        Ok(shares) => shares,
        Err(why) => {
            printer.out(&format!("    not computed: {}", safe(why)));
            diluted(printer, rule);
            return;
        }
    };
    for share in shares.iter().filter(|share| share.arm != Arm::Control) {
        let healthy = match share.healthy_from {
            Origin::Healthy => " (the limit in `healthy`)",
            Origin::Assumed => " (assumed)",
            Origin::Stated | Origin::Catches => "",
        };
        let broken = if share.broken_from == Origin::Catches { " (`catches`)" } else { " (assumed)" };
        let (name, well, ill) = (safe(&share.name), percent(share.healthy), percent(share.broken));
        printer.out(&format!("    {name}: {well} while all is well{healthy}, {ill} when it breaks{broken}"));
    }
    let staged = rule.rows.iter().any(|row| row.stage.is_some());
    let mut lines = vec![[
        if staged { "stage" } else { "" }.to_owned(),
        "exposed".to_owned(),
        "false alarms a day".to_owned(),
        "finds the break in".to_owned(),
    ]];
    for row in &rule.rows {
        lines.push([
            row.stage.as_deref().map(safe).unwrap_or_default(),
            match row.control {
                Some(control) => format!("{}/m beside {}/m", figure(row.exposed), figure(control)),
                None => format!("{}/m", figure(row.exposed)),
            },
            alarms(row),
            delay(row.delay),
        ]);
    }
    let wide: Vec<usize> = (0..4).map(|at| lines.iter().map(|line| width(&line[at])).max().unwrap_or(0)).collect();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().zip(&wide).filter(|(_, wide)| **wide > 0).map(|(cell, wide)| pad(cell, *wide)).collect();
        printer.out(format!("    {}", cells.join("  ")).trim_end());
    }
    match rule.acts_from {
        Some(0.0) => {}
        Some(least) => printer.out(&format!("    below {}/m it does not find it within a day", figure(least))),
        None => printer.out("    at no traffic does it find it within a day"),
    }
    if let Some(below) = rule.one_failure {
        printer.out(&format!("    below {}/m a single failure fires it", figure(below)));
    }
    diluted(printer, rule);
}

fn diluted(printer: &Printer, rule: &RuleForecast) {
    for row in &rule.diluted {
        let (stage, part) = (safe(&row.stage), percent(row.part));
        let takes = match row.takes {
            Some(takes) if takes > 1.0 => ": it cannot fire there, whatever happens to the exposed".to_owned(),
            Some(takes) => format!(": it takes {} of the exposed", percent(takes)),
            None => String::new(),
        };
        printer.out(&format!("    diluted: at {stage}, the whole service shows {part} of a break{takes}"));
    }
}

fn alarms(row: &Row) -> String {
    match row.alarms_a_day {
        0.0 => format!("none in {} days", figure(row.days)),
        alarms => figure(alarms),
    }
}

fn delay(delay: Delay) -> String {
    match delay {
        Delay::Within(span) => span.to_string(),
        Delay::Beyond(span) if span == Span::hours(24) => "more than a day".to_owned(),
        Delay::Beyond(span) => format!("more than {span}"),
    }
}

/// Two digits say all that is known.
fn figure(number: f64) -> String {
    if number >= 100.0 {
        return format!("{number:.0}");
    }
    let digits = if number >= 10.0 {
        0
    } else if number >= 1.0 {
        1
    } else if number >= 0.1 {
        2
    } else {
        3
    };
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
