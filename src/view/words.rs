//! States, events and obstacles in words.

use schemars::JsonSchema;
use serde::Serialize;

use super::safe::safe;
use crate::control::Rollout;
use crate::engine::breaker::{HeldBack, Shared, Trip};
use crate::engine::detector::{Against, Detector};
use crate::engine::event::{Event, Fired, Missing, Unproven};
use crate::engine::plan::{Action, Plan, Unit};
use crate::engine::reading::Unknown;
use crate::engine::split::{Direction, Mismatch, SAMPLE_RATIO, SampleRatio, Suspicion};
use crate::engine::state::{Cause, PersonPause, Phase, State};
use crate::engine::{Decimal, Exposure, Percentage, Reading, Span, Timestamp};

/// Where a rollout is, as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "State")]
pub enum StateWord {
    /// It has not started.
    NotStarted,
    /// Rules may advance it.
    Running,
    /// It runs, and lacks nothing but approval.
    WaitingForApproval,
    /// A person is needed.
    Paused,
    /// It is to be off, and the backend has not been read back yet.
    Stopping,
    /// Off for everybody.
    Stopped,
    /// The last stage baked; no longer watched.
    Completed,
}

impl StateWord {
    /// Of a rollout.
    pub fn of(rollout: &Rollout) -> StateWord {
        let state = &rollout.state;
        match state.phase {
            Phase::Running if state.waits_for_approval(&rollout.plan) => StateWord::WaitingForApproval,
            phase => StateWord::of_phase(phase, state.effect.is_none()),
        }
    }

    /// Of a phase, and of whether its backend has been read back.
    pub fn of_phase(phase: Phase, confirmed: bool) -> StateWord {
        match phase {
            Phase::None => StateWord::NotStarted,
            Phase::Running => StateWord::Running,
            Phase::Paused => StateWord::Paused,
            Phase::Stopped if !confirmed => StateWord::Stopping,
            Phase::Stopped => StateWord::Stopped,
            Phase::Completed => StateWord::Completed,
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            StateWord::NotStarted => "not started",
            StateWord::Running => "running",
            StateWord::WaitingForApproval => "waiting for approval",
            StateWord::Paused => "paused",
            StateWord::Stopping => "stopping",
            StateWord::Stopped => "stopped",
            StateWord::Completed => "completed",
        }
    }
}

/// The state as people call it.
pub fn phase(rollout: &Rollout) -> &'static str {
    StateWord::of(rollout).text()
}

/// A cause in one word or two.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Person => "person".to_owned(),
        Cause::Rule(name) => safe(name),
        Cause::Signal(name) => format!("signal {}", safe(name)),
        Cause::Drift => "drift".to_owned(),
        Cause::NotApplied => "not applied".to_owned(),
    }
}

/// What a cause is called where it is typed.
pub fn cause_key(cause: &Cause) -> String {
    match cause {
        Cause::Signal(name) => safe(name),
        Cause::NotApplied => "not_applied".to_owned(),
        other => self::cause(other),
    }
}

/// Why a rollout is where it is, in a few words.
pub fn why(state: &State) -> String {
    match state.phase {
        Phase::Paused => {
            let said = pauses(state);
            let with_words = |of: &Cause| match of {
                Cause::Person if !said.is_empty() => format!("person ({})", said.join("; ")),
                Cause::Rule(name) => match state.held_back.get(name) {
                    Some(held) => format!("{} ({})", safe(name), tripped(&held.trip)),
                    None => safe(name),
                },
                of => cause(of),
            };
            state.causes.iter().map(with_words).collect::<Vec<_>>().join(", ")
        }
        Phase::Stopped => state.stopped_by.as_ref().map(cause).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The bare causes: where the words of people would be in the way.
pub fn causes(state: &State) -> String {
    match state.phase {
        Phase::Paused if !state.held_back.is_empty() => {
            let causes = state.causes.iter().map(|of| match of {
                Cause::Rule(name) if state.held_back.contains_key(name) => format!("{} (breaker)", safe(name)),
                of => cause(of),
            });
            causes.collect::<Vec<_>>().join(", ")
        }
        Phase::Paused => state.causes.iter().map(cause).collect::<Vec<_>>().join(", "),
        _ => state.stopped_by.as_ref().map(cause).unwrap_or_default(),
    }
}

/// Who paused it, and what they said, in their order.
pub fn pauses(state: &State) -> Vec<String> {
    let told = |pause: &PersonPause| match &pause.reason {
        Some(reason) => format!("{}: {}", safe(&pause.by), safe(reason)),
        None => safe(&pause.by),
    };
    state.pauses.iter().map(told).collect()
}

/// Why a rollout is paused or stopped, with the evidence as far as its newest steps still tell it.
pub fn because(rollout: &Rollout) -> String {
    let news = rollout.steps.iter().rev().flat_map(|(_, step)| step.events.iter().rev());
    let mut causes = news.filter(|event| {
        matches!(event, Event::Paused { .. } | Event::RolledBack { .. } | Event::Stopped { .. } | Event::Drifted { .. })
    });
    match causes.next().filter(|_| matches!(rollout.state.phase, Phase::Paused | Phase::Stopped)) {
        Some(found) => {
            let said = event(&rollout.plan, found).unwrap_or_default();
            held_back(&rollout.state).into_iter().chain([said]).collect::<Vec<_>>().join("; ")
        }
        None => why(&rollout.state),
    }
}

/// Each shutdown that the breaker held back, and why.
pub fn held_back(state: &State) -> Vec<String> {
    let told = |(rule, held): (&String, &HeldBack)| format!("{}: {}", safe(rule), tripped(&held.trip));
    state.held_back.iter().filter(|_| state.phase == Phase::Paused).map(told).collect()
}

/// Why the breaker held a shutdown back: who else would have been shut down, and by what.
pub fn tripped(trip: &Trip) -> String {
    let Trip { would, of, limit, .. } = trip;
    let thousandths = u64::from(*would).saturating_mul(1000).checked_div(u64::from(*of)).unwrap_or(0);
    let share = Decimal::new(i128::from(thousandths), -1);
    let on = match &trip.shared {
        Shared::Query { source, series } => format!("one query, {} of {}", safe(series), safe(source)),
        Shared::Source(source) => format!("one source, {}, that answers nothing", safe(source)),
    };
    format!("shutdown held back by the breaker: {would} of {of} rollouts ({share}%, more than {limit}) on {on}")
}

/// The same where there is little room: the rules and what they saw.
pub fn because_briefly(rollout: &Rollout) -> String {
    let news = rollout.steps.iter().rev().flat_map(|(_, step)| step.events.iter().rev());
    let mut causes = news.filter_map(|event| match event {
        Event::Paused { because, .. } | Event::RolledBack { because, .. } | Event::Stopped { because, .. } => {
            Some(because)
        }
        _ => None,
    });
    let said = causes.next().map(|because| {
        let rules = because.iter().map(|fired| format!("{}: {}", safe(&fired.rule), evidence(&rollout.plan, fired)));
        rules.collect::<Vec<_>>().join("; ")
    });
    said.filter(|said| !said.is_empty()).unwrap_or_else(|| why(&rollout.state))
}

/// Who gets the feature: what is allowed, and what the backend serves beyond that by another hand.
pub fn exposed(state: &State) -> String {
    match served(state) {
        None => safe(&state.allowed.to_string()),
        Some(served) => format!("{served} by another hand, {} allowed", safe(&state.allowed.to_string())),
    }
}

/// What the backend serves, where another hand made that larger than is allowed.
pub fn served(state: &State) -> Option<String> {
    let seen = state.drift.as_ref()?;
    Some(match &seen.foreign {
        None => safe(&seen.shown().to_string()),
        Some(foreign) => format!("others ({})", safe(foreign)),
    })
}

/// Why it is not known whether what is allowed is what is served, and what to do: until then nothing is confirmed.
pub fn unserved(state: &State) -> Option<&str> {
    state.unserved.as_deref().filter(|_| state.is_live() || state.is_stopping())
}

/// As [`exposed`], in a word or three.
pub fn exposed_briefly(state: &State) -> String {
    match state.drift {
        None => share(&state.allowed),
        Some(_) => format!("MORE than {}", share(&state.allowed)),
    }
}

/// Who gets the feature in a word: the share, where there is one.
pub fn share(exposure: &Exposure) -> String {
    match exposure.percentage {
        Percentage::ZERO | Percentage::FULL => safe(&exposure.to_string()),
        share => share.to_string(),
    }
}

/// Who drives a rollout, or how somebody would.
pub fn driven(driver: Option<&str>, plan: &Plan) -> String {
    match driver {
        Some(driver) => format!("driven by {}", safe(driver)),
        None => format!("nobody drives it: flagstaff run {} -e {}", safe(&plan.release), safe(&plan.environment)),
    }
}

/// A length of time for people: no fractions of a second, and above an hour no seconds.
pub fn lasting(span: Span) -> String {
    let step = if span >= Span::hours(1) { Span::minutes(1) } else { Span::seconds(1) };
    Span(span.0.div_ceil(step.0) * step.0).to_string()
}

/// A reading with its unit.
pub fn reading(reading: &Reading, unit: Unit) -> String {
    match reading {
        Reading::Value(value) => number(*value, unit),
        Reading::Unknown(reason) => format!("unknown ({})", unknown(*reason)),
    }
}

/// Why nothing is known, in a word or two.
pub fn unknown(reason: Unknown) -> &'static str {
    match reason {
        Unknown::Idle => "idle",
        Unknown::NoAnswer => "no answer",
        Unknown::Error => "error",
        Unknown::Stale => "stale",
        Unknown::NotANumber => "not a number",
        Unknown::Infinite => "infinite",
        Unknown::SeveralSeries => "several series",
        Unknown::Warnings => "warnings",
        Unknown::Clock => "clocks differ",
        Unknown::Unobserved => "unobserved",
    }
}

/// A number with its unit: shares in percent, times in ms below a second.
pub fn number(value: Decimal, unit: Unit) -> String {
    let scaled = |exponent| value.times(Decimal::new(1, exponent)).rounded(4).to_string();
    match unit {
        Unit::Ratio => format!("{}%", scaled(2)),
        Unit::Seconds if value < Decimal::whole(1) => format!("{} ms", scaled(3)),
        Unit::Seconds => format!("{} s", scaled(0)),
        Unit::Count | Unit::Plain => scaled(0),
    }
}

/// The clock time of an instant, for lines that are read within a day.
pub fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// An obstacle in words.
pub fn missing(plan: &Plan, missing: &Missing) -> String {
    let rule = |index: usize| plan.rules.get(index).map(|rule| safe(&rule.name)).unwrap_or_default();
    let series = |index: usize| plan.series.get(index).map(|series| safe(&series.name)).unwrap_or_default();
    match missing {
        Missing::Paused => "it is paused: a person must resume it".to_owned(),
        Missing::NotEffective => "the exposure has not been read back yet".to_owned(),
        Missing::Settling { until } => format!("settling until {}", clock(*until)),
        Missing::Bake { have, need } => format!("baked {have} of {need} healthy ticks"),
        Missing::Unhealthy { line } => {
            let text = plan.healthy.get(*line).map(|line| safe(&line.text)).unwrap_or_default();
            format!("not healthy: {text}")
        }
        Missing::Unknown { series: index, reason } => {
            format!("{} is unknown: {}", series(*index), unknown(*reason))
        }
        Missing::RuleTrue { rule: index, weighed: Some(weighed), .. } => {
            format!("safeguard {} fires: {}", rule(*index), self::weighed(weighed.number, weighed.threshold))
        }
        Missing::RuleTrue { rule: index, have, need, weighed: None } => {
            format!("safeguard {} is true ({have} of {need} ticks)", rule(*index))
        }
        Missing::Unproven(unproven) => {
            let Unproven { line, tally, have, need } = &**unproven;
            let text = plan.healthy.get(*line).map(|line| safe(&line.text)).unwrap_or_default();
            let counted = format!("{} of {} failed so far", tally.failed, tally.total);
            format!("not proven yet: {text} ({counted}, {})", weighed(*have, *need))
        }
        Missing::SampleRatio(found) => {
            let since = found.counted.since.map(|since| format!(" since {}", clock(since))).unwrap_or_default();
            format!("{SAMPLE_RATIO}: {}{since}", mismatch(found))
        }
        Missing::Samples { have, need } => format!("{have} of {need} samples measured"),
        Missing::Held { detail, .. } => format!("held: {}", safe(detail)),
        Missing::Backend { detail } => format!("the backend: {}", safe(detail)),
        Missing::EffectOpen => "a change is under way at the backend".to_owned(),
        Missing::NotPresent => "the last tick was caught up; only the present one advances".to_owned(),
        Missing::OlderThanCommand => "the last tick is older than the last command".to_owned(),
        Missing::NoEvidence => "no line of `healthy` measures the exposed group here".to_owned(),
        Missing::Approval { have, need } => format!("{have} of {need} people approved"),
    }
}

/// A rule that fired, with its evidence.
pub fn fired(plan: &Plan, fired: &Fired) -> String {
    let condition = rule_text(plan, &fired.rule);
    let condition = condition.map(|condition| format!(" ({})", safe(&condition))).unwrap_or_default();
    format!("{}{condition}: {} since {}", safe(&fired.rule), evidence(plan, fired), clock(fired.since))
}

/// What a rule of this name looks at.
pub fn rule_text(plan: &Plan, name: &str) -> Option<String> {
    let rule = plan.rules.iter().find(|rule| rule.name == name).map(|rule| rule.text.clone());
    rule.or_else(|| plan.sample_ratio.as_ref().filter(|_| name == SAMPLE_RATIO).map(|ratio| sample_ratio(plan, ratio)))
}

/// What the check of the split compares.
pub fn sample_ratio(plan: &Plan, ratio: &SampleRatio) -> String {
    let name = plan.series.get(ratio.exposed).map(|series| series.name.as_str()).unwrap_or_default();
    format!("{name} split as configured, within {}", number(ratio.within, Unit::Ratio))
}

/// What the check of the split has counted at the present stage, where it has one, and at what number it holds.
pub fn split(plan: &Plan, state: &State) -> Option<(Decimal, Suspicion)> {
    let ratio = plan.sample_ratio.as_ref().filter(|_| state.is_live())?;
    ratio.stages.get(state.stage)?.as_ref()?;
    let counted = state.split.as_deref().map(|counted| counted.larger().clone()).unwrap_or_default();
    Some((ratio.threshold, counted))
}

/// A split that is not what was configured.
fn mismatch(found: &Mismatch) -> String {
    let Suspicion { number: evidence, exposed, control, .. } = &found.counted;
    let (all, few) = (exposed.plus(*control), found.direction == Direction::Few);
    let float = |count: Decimal| count.to_string().parse::<f64>().unwrap_or_default();
    let share = if float(all) > 0.0 { float(*exposed) / float(all) * 100.0 } else { 0.0 };
    format!(
        "too {} are exposed, {share:.2}% of {all} where {} is configured ({})",
        if few { "few" } else { "many" },
        found.configured,
        weighed(*evidence, found.threshold)
    )
}

/// What a rule saw.
fn evidence(plan: &Plan, fired: &Fired) -> String {
    let seen = fired.evidence.iter().map(|(name, value)| {
        let unit = plan.series.iter().find(|series| series.name == *name).map_or(Unit::Plain, |series| series.unit);
        format!("{} {}", safe(name), reading(value, unit))
    });
    let weighed = match &fired.mismatch {
        Some(found) => Some(mismatch(found)),
        None => fired.weighed.as_ref().map(|found| weighed(found.number, found.threshold)),
    };
    weighed.into_iter().chain(seen).collect::<Vec<_>>().join(", ")
}

/// What a rule that counts has counted, and at what it fires: `evidence 3.1 of 10.96`.
pub fn weighed(number: Decimal, threshold: Decimal) -> String {
    format!("evidence {} of {}", number.rounded(3), threshold.rounded(4))
}

/// The same where there is little room.
pub fn weighed_briefly(number: Decimal, threshold: Decimal) -> String {
    format!("{}/{}", number.rounded(3), threshold.rounded(4))
}

/// What a rule promises.
pub fn promise(detector: &Detector) -> String {
    let catches = match &detector.against {
        Against::Share { catches, .. } => number(*catches, Unit::Ratio),
        Against::Baseline { catches, .. } => format!("{catches}x"),
    };
    alarms(detector.max, detector.per, detector.cluster, &format!(", catches {catches}"))
}

/// How often something may be wrong, and what it counts. `catches`: what stands between the two.
pub fn alarms(max: Decimal, per: Span, cluster: u32, catches: &str) -> String {
    let cluster = if cluster > 1 { format!(", in clusters of {cluster}") } else { String::new() };
    format!("false alarms at most {} in {per}{catches}{cluster}", number(max, Unit::Ratio))
}

/// What a rule that only observes would have done.
fn would(then: &Action) -> &'static str {
    match then {
        Action::Notify => "say so",
        Action::Hold => "hold",
        Action::Pause => "pause",
        Action::Rollback(_) => "roll back",
        Action::Shutdown => "shut down",
    }
}

/// One event as a line without its time; `None` for what is no news.
pub fn event(plan: &Plan, event: &Event) -> Option<String> {
    let stage = |index: usize| plan.stages.get(index).map(|stage| safe(&stage.name)).unwrap_or_default();
    let reasons = |because: &[Fired]| because.iter().map(|rule| fired(plan, rule)).collect::<Vec<_>>().join("; ");
    let who = |by: &Option<crate::engine::Actor>, because: &[Fired]| match by {
        Some(by) => format!("by {}", safe(&by.name)),
        None => reasons(because),
    };
    Some(match event {
        Event::Started { stage: index, by, .. } => format!("started at {} by {}", stage(*index), safe(&by.name)),
        Event::Ticked(_) | Event::Intended(_) | Event::Withdrawn { .. } => return None,
        Event::Notified(rule) if rule.then == Action::Hold => format!("held: {}", fired(plan, rule)),
        Event::Notified(rule) => format!("notice: {}", fired(plan, rule)),
        Event::WouldAct(rule) => format!("only observed, would {}: {}", would(&rule.then), fired(plan, rule)),
        Event::HeldBack { fired: rule, trip, .. } => format!("{}: {}", tripped(trip), fired(plan, rule)),
        Event::Advancing { stage: index, .. } => format!("advancing to {}", stage(*index)),
        Event::Effective { exposure, stage: index, .. } => {
            format!("{} is effective: {}", stage(*index), safe(&exposure.to_string()))
        }
        Event::NotApplied { detail, .. } => format!("not applied: {}", safe(detail)),
        Event::Confirmed { .. } => "read back at the backend".to_owned(),
        Event::Paused { causes, because, by, reason, .. } => {
            let names: Vec<String> = causes.iter().map(cause).collect();
            let said = reason.as_ref().map(|reason| format!(": {}", safe(reason))).unwrap_or_default();
            match by {
                Some(by) => format!("paused by {}{said}", safe(&by.name)),
                None if because.is_empty() => format!("paused: {}", names.join(", ")),
                None => format!("paused: {}", reasons(because)),
            }
        }
        Event::RolledBack { stage: index, exposure, because, by, reason, .. } => {
            let said = reason.as_ref().map(|reason| format!(": {}", safe(reason))).unwrap_or_default();
            let who = who(by, because);
            format!("rolled back to {} ({}): {who}{said}", stage(*index), safe(&exposure.to_string()))
        }
        Event::Stopped { because, by, .. } => format!("shut down: {}", who(by, because)),
        Event::Resumed { by, .. } => format!("resumed by {}", safe(&by.name)),
        Event::Forced { stage: index, by, .. } => format!("forced to {} by {}", stage(*index), safe(&by.name)),
        Event::Approved { by, .. } => format!("approved by {}", safe(&by.name)),
        Event::Muted { rule, until, by, .. } => {
            format!("{} muted until {} by {}", safe(rule), clock(*until), safe(&by.name))
        }
        Event::Adopted { plan, by, .. } => {
            format!("plan {} adopted by {}", plan.get(..12).unwrap_or(plan), safe(&by.name))
        }
        Event::Reduced { exposure, by, .. } => {
            let hand = by.as_ref().map(|by| format!(", by {}", safe(by))).unwrap_or_default();
            format!("reduced by hand to {}{hand}: accepted", safe(&exposure.to_string()))
        }
        Event::Drifted { detail, .. } => format!("drift: {}", safe(detail)),
        Event::DriftEnded { .. } => "the backend shows what is allowed again".to_owned(),
        Event::LateWrite { exposure, .. } => {
            format!("a late write of ours ({}) is set back", safe(&exposure.to_string()))
        }
        Event::Touched { hand, .. } => format!("another hand was at the flag: {}", safe(hand)),
        Event::Unserved { why, .. } => format!("not known to be served: {}", safe(why)),
        Event::Served { .. } => "what the backend shows is served again".to_owned(),
        Event::Completed { .. } => "completed".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::paused;
    use super::*;
    use crate::engine::input::Observed;

    #[test]
    fn what_another_hand_made_larger_is_said_before_what_is_allowed() {
        let mut rollout = paused("a", 2);
        let allowed = rollout.state.allowed.to_string();
        assert_eq!((exposed(&rollout.state), served(&rollout.state)), (allowed.clone(), None));
        let exposure = Exposure { percentage: Percentage::whole(80), ..Exposure::nobody() };
        let mut seen = Observed {
            on: true,
            exposure,
            foreign: None,
            stamp: None,
            other_hand: None,
            revision: String::new(),
            unserved: None,
        };
        rollout.state.drift = Some(seen.clone());
        assert_eq!(exposed(&rollout.state), format!("80% by another hand, {allowed} allowed"));
        seen.foreign = Some("strategy \u{1b}[31m".to_owned());
        rollout.state.drift = Some(seen);
        let said = exposed(&rollout.state);
        assert!(said.starts_with("others (strategy") && !said.contains('\u{1b}'), "{said}");
        assert!(exposed_briefly(&rollout.state).starts_with("MORE than "));
    }
}
