//! What rules will cost, before they are used: false alarms a day, time to detect a break, and the traffic that they need.
//!
//! A projection for people: nothing that decides knows of it, so floats are fine. Everything is simulated with fixed seeds and
//! a bounded number of steps; the same documents give the same numbers on every machine.

mod chance;
mod model;
mod simulate;

use std::collections::{BTreeMap, BTreeSet};

use self::model::{Model, model, number};
pub use self::model::{Origin, Share};
pub use self::simulate::Delay;
use self::simulate::{Pace, Traffic, delay, false_alarms};
use crate::engine::plan::{Arm, Plan, Rule, Unit};
use crate::engine::{Percentage, Span};
use crate::spec::documents::ExpectDoc;
use crate::spec::{Loaded, text};

/// Requests a minute of the exposed group that are looked at where nobody says how many there are.
const TRAFFICS: [f64; 5] = [10.0, 60.0, 300.0, 1000.0, 6000.0];
/// No more rules than this are simulated in one run.
const RULES_AT_MOST: usize = 100;
/// Between these, a minute, the least traffic is looked for.
const LEAST: (f64, f64) = (0.01, 1_000_000.0);
/// So close it is found.
const CLOSE: f64 = 1.1;

/// What people expect of a policy's metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Requests a minute of everybody, exposed or not.
    pub traffic: Option<f64>,
    /// Healthy shares by the name of their series.
    pub shares: BTreeMap<String, f64>,
}

/// The rules of a policy under a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The policy.
    pub policy: String,
    /// The template.
    pub template: String,
    /// Requests a minute of everybody, where somebody says so.
    pub traffic: Option<f64>,
    /// Its safeguards, in their order.
    pub rules: Vec<RuleForecast>,
}

/// What a rule will cost.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleForecast {
    /// Its name.
    pub name: String,
    /// Its condition as written.
    pub text: String,
    /// How long it must hold.
    pub hold_for: Option<Span>,
    /// What it was simulated on, or why it was not.
    pub shares: Result<Vec<Share>, String>,
    /// What came out, by traffic or stage.
    pub rows: Vec<Row>,
    /// Requests a minute of the exposed group below which it does not find the break within a day; none where no traffic is
    /// enough, or where it was not looked for.
    pub acts_from: Option<f64>,
    /// Below so many requests a minute of the exposed group a single failure fires it.
    pub one_failure: Option<f64>,
    /// Where it measures the whole service, how little of the exposed group is seen there.
    pub diluted: Vec<Diluted>,
}

/// A rule at a traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stage, where the traffic was said.
    pub stage: Option<String>,
    /// Requests a minute of the exposed group.
    pub exposed: f64,
    /// Requests a minute of the control group, where the rule compares with it.
    pub control: Option<f64>,
    /// How often it fires a day while all is well.
    pub alarms_a_day: f64,
    /// How many days were simulated for that.
    pub days: f64,
    /// How long it takes once it breaks.
    pub delay: Delay,
}

/// A stage at which a metric of the whole service shows little of what the exposed group has.
#[derive(Debug, Clone, PartialEq)]
pub struct Diluted {
    /// The stage.
    pub stage: String,
    /// The part that is exposed there.
    pub part: f64,
    /// The share of the exposed group that must fail for the limit to be reached; above 1 it cannot be. None where the limit
    /// is not that of one share.
    pub takes: Option<f64>,
}

/// A rate as people write it, `300/m`, by the minute.
///
/// # Errors
/// What is wrong, as a fragment.
pub fn traffic(written: &str) -> Result<f64, &'static str> {
    let (count, per) = text::rate(written)?;
    Ok(number(count) * 60_000.0 / per.0 as f64)
}

/// The rules of every policy that a release uses, under each template that it is used with, by their names. `traffic`: how many
/// requests a minute everybody makes, instead of what the policies say. With how many rules were left out, since there are so
/// many. Where files were named, of the policies in them.
pub fn all(loaded: &Loaded, traffic: Option<f64>) -> (Vec<Forecast>, usize) {
    let mut seen = BTreeSet::new();
    let (mut found, mut room, mut left_out) = (Vec::new(), RULES_AT_MOST, 0);
    for (_, _, resolved) in loaded.plans() {
        let Ok(resolved) = resolved else { continue };
        let plan = resolved.plan;
        if !loaded.is_asked_for(&plan.policy) || !seen.insert((plan.policy.clone(), plan.template.clone())) {
            continue;
        }
        if plan.rules.len() > room {
            left_out += plan.rules.len();
            continue;
        }
        room -= plan.rules.len();
        let expect = loaded.policy(&plan.policy).map(|policy| &policy.expect);
        let mut expected = expect.map(Expected::of).unwrap_or_default();
        expected.traffic = traffic.or(expected.traffic);
        found.push(forecast(&plan, &expected));
    }
    found.sort_by(|one, other| (&one.policy, &one.template).cmp(&(&other.policy, &other.template)));
    (found, left_out)
}

/// The rules of one plan.
pub fn forecast(plan: &Plan, expected: &Expected) -> Forecast {
    Forecast {
        policy: plan.policy.clone(),
        template: plan.template.clone(),
        traffic: expected.traffic,
        rules: plan.rules.iter().map(|rule| of_rule(plan, rule, expected)).collect(),
    }
}

impl Expected {
    fn of(doc: &ExpectDoc) -> Expected {
        let requests = doc.requests.map(|(count, per)| number(count) * 60_000.0 / per.0.max(1) as f64);
        let shares = doc.shares.iter().map(|(name, share)| (name.value.clone(), number(*share))).collect();
        Expected { traffic: requests, shares }
    }
}

fn of_rule(plan: &Plan, rule: &Rule, expected: &Expected) -> RuleForecast {
    let mut found = RuleForecast {
        name: rule.name.clone(),
        text: rule.text.clone(),
        hold_for: rule.hold_for,
        shares: Ok(Vec::new()),
        rows: Vec::new(),
        acts_from: None,
        one_failure: None,
        diluted: Vec::new(),
    };
    let made = model(plan, rule, expected);
    found.diluted = diluted(plan, rule, made.as_ref().ok());
    let model = match made {
        Ok(model) => model,
        Err(why) => {
            found.shares = Err(why);
            return found;
        }
    };
    let window = plan.series.first().map_or(Span(0), |series| series.query.window);
    let pace = Pace::of(plan, window, rule.hold_for);
    for (stage, traffic) in traffics(plan, &model, expected.traffic) {
        let (alarms_a_day, days) = false_alarms(&model, pace, &traffic);
        let delay = delay(&model, pace, &traffic);
        let control = model.needs_control.then_some(traffic.control);
        found.rows.push(Row { stage, exposed: traffic.exposed, control, alarms_a_day, days, delay });
    }
    if found.rows.is_empty() {
        found.shares = Err("it compares with a control group, and no stage of the template has one".to_owned());
        return found;
    }
    let part = first_part(plan, &model);
    found.acts_from = least(&model, pace, part);
    // a failure that leaves the window before `for` has passed fires nothing
    let stays = u128::from(pace_need(plan, rule)) * u128::from(plan.every.0) < u128::from(window.0);
    found.one_failure =
        model.only_limit().filter(|limit| stays && *limit > 0.0 && found.diluted.is_empty()).map(|limit| {
            let minutes = window.0 as f64 / 60_000.0;
            1.0 / (limit * minutes)
        });
    found.shares = Ok(model.shares);
    found
}

fn pace_need(plan: &Plan, rule: &Rule) -> u32 {
    plan.rule_ticks(rule.hold_for).saturating_sub(1)
}

fn part_of(percentage: Percentage) -> f64 {
    f64::from(percentage.thousandths()) / 100_000.0
}

/// The traffics to look at: of each percentage where it is said how much there is.
fn traffics(plan: &Plan, model: &Model, said: Option<f64>) -> Vec<(Option<String>, Traffic)> {
    let Some(all) = said else {
        let part = first_part(plan, model);
        return TRAFFICS.iter().map(|exposed| (None, around(*exposed, part))).collect();
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for stage in &plan.stages {
        let percentage = stage.exposure.percentage;
        let part = part_of(percentage);
        let applies = part > 0.0 && (part < 1.0 || !model.needs_control);
        if applies && seen.insert(percentage) {
            found.push((Some(stage.name.clone()), around(all * part, part)));
        }
    }
    found
}

/// What everybody makes where a part of them makes so much.
fn around(exposed: f64, part: f64) -> Traffic {
    let all = exposed / part;
    Traffic { exposed, control: all - exposed, all, part }
}

/// The part that is exposed at the first stage with a percentage at which the rule applies; half where there is none.
fn first_part(plan: &Plan, model: &Model) -> f64 {
    let parts = plan.stages.iter().map(|stage| part_of(stage.exposure.percentage));
    parts.filter(|part| *part > 0.0).find(|part| *part < 1.0 || !model.needs_control).unwrap_or(0.5)
}

/// The least traffic of the exposed group at which a break is found within a day.
fn least(model: &Model, pace: Pace, part: f64) -> Option<f64> {
    let acts = |exposed: f64| matches!(delay(model, pace, &around(exposed, part)), Delay::Within(_));
    let (mut low, mut high) = LEAST;
    if !acts(high) {
        return None;
    }
    if acts(low) {
        return Some(0.0);
    }
    while high / low > CLOSE {
        let middle = (low * high).sqrt();
        if acts(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// How a rule on the whole service sees the exposed group at each percentage.
fn diluted(plan: &Plan, rule: &Rule, model: Option<&Model>) -> Vec<Diluted> {
    let mut is_service = false;
    rule.each_series(&mut |index| {
        is_service |=
            plan.series.get(index).is_some_and(|series| series.arm == Arm::Service && series.unit != Unit::Plain);
    });
    if !is_service {
        return Vec::new();
    }
    let share = model.and_then(|model| Some((model.only_limit()?, model.shares.first()?.healthy)));
    let mut seen = BTreeSet::new();
    let stages = plan.stages.iter().filter(|stage| {
        let percentage = stage.exposure.percentage;
        percentage > Percentage::ZERO && percentage < Percentage::FULL && seen.insert(percentage)
    });
    let of_stage = |stage: &crate::engine::plan::Stage| {
        let part = part_of(stage.exposure.percentage);
        let takes = share.map(|(limit, healthy)| healthy + (limit - healthy) / part);
        Diluted { stage: stage.name.clone(), part, takes }
    };
    stages.map(of_stage).collect()
}
