//! Why a rollout is where it is, what is missing, and the earliest moment anything can happen.

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::printer::{Printer, Tone};
use super::safe::safe;
use super::status::{MuteRow, mutes};
use super::text;
use super::words::{self, StateWord};
use crate::control::drift::Drift;
use crate::control::{Rollout, Trouble};
use crate::engine::event::Missing;
use crate::engine::explain::Explanation;
use crate::engine::input::HoldKind;
use crate::engine::plan::Rule;
use crate::engine::split::SAMPLE_RATIO;
use crate::engine::state::Timer;
use crate::engine::{Phase, Plan, State, Timestamp};

/// What `explain` answers: why a rollout is where it is, and what happens next.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ExplainAnswer {
    /// `release@environment`.
    pub address: String,
    /// Where it is.
    pub state: StateWord,
    /// Why it is paused or stopped; empty where it is neither.
    pub why: String,
    /// The stage it is at.
    pub stage: String,
    /// What is allowed.
    pub exposure: String,
    /// What the backend serves, where that is not what is allowed.
    pub serves: Option<String>,
    /// Why it is not known whether what is allowed is what is served, and what to do; until then nothing is confirmed.
    pub unserved: Option<String>,
    /// Everything that is missing for the next step.
    pub missing: Vec<String>,
    /// How many people must still agree to leave the stage.
    pub approvals: u32,
    /// Rules that stop nothing now.
    pub mutes: Vec<MuteRow>,
    /// The newest values.
    pub values: Vec<ValueRow>,
    /// What rules that count have counted.
    pub evidence: Vec<EvidenceRow>,
    /// What is wrong with the sources of values that are unknown.
    pub telemetry: Vec<Trouble>,
    /// The next tick, RFC 3339.
    pub next_tick: Option<String>,
    /// The earliest moment it can go on if everything is healthy from now on, RFC 3339; none where a person is needed.
    pub earliest: Option<String>,
    /// What a person can do.
    pub commands: Vec<String>,
}

impl Answer for ExplainAnswer {
    const NAME: &'static str = "explain";
}

/// A series and its newest value.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Value")]
pub struct ValueRow {
    /// The series, as conditions write it.
    pub name: String,
    /// Its value with its unit, or `unknown` with the reason.
    pub value: String,
}

/// What a rule that counts has counted: it fires at its threshold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "RuleEvidence")]
pub struct EvidenceRow {
    /// The rule.
    pub rule: String,
    /// Its number, a decimal as text.
    pub number: String,
    /// The number at which it fires.
    pub threshold: String,
    /// Since which tick it has counted, RFC 3339; none while its number is zero.
    pub since: Option<String>,
    /// For people.
    #[serde(skip)]
    pub text: String,
}

impl ExplainAnswer {
    /// What was read at the backend just now counts for more than what a driver has noticed.
    pub fn see(&mut self, drift: Option<&Drift>) {
        self.serves = drift.map(|drift| drift.served.to_string());
    }
}

/// Explains a rollout to people.
pub fn answer(rollout: &Rollout, explained: &Explanation, now: Timestamp) -> ExplainAnswer {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let newest = rollout.ticks.last_key_value().map(|(_, readings)| readings.as_slice()).unwrap_or_default();
    // what is counted for a rule is told by its evidence
    let values = plan.series.iter().zip(newest).enumerate();
    let values = values.filter(|(index, _)| !plan.is_only_counted(*index)).map(|(_, value)| value);
    let on = format!("{} -e {}", plan.release, plan.environment);
    let is_moved = |missing: &Missing| matches!(missing, Missing::Held { kind: HoldKind::AddressChanged, .. });
    let moved = explained.missing.iter().any(is_moved);
    let commands = match state.phase {
        // until then nothing else that grows is accepted
        Phase::Paused | Phase::Running if moved => {
            vec![format!("flagstaff apply --adopt -e {}", plan.environment), format!("flagstaff abort {on}")]
        }
        Phase::Paused if !state.held_back.is_empty() => {
            // others are in the same state for the same cause
            let causes = state
                .held_back
                .keys()
                .map(|rule| format!("flagstaff resume --all --cause {rule} -e {}", plan.environment));
            let all = format!("flagstaff abort --all -e {}", plan.environment);
            [format!("flagstaff abort {on}"), all, format!("flagstaff resume {on}")].into_iter().chain(causes).collect()
        }
        Phase::Paused => vec![format!("flagstaff resume {on}"), format!("flagstaff abort {on}")],
        Phase::Running if state.waits_for_approval(plan) => vec![format!("flagstaff approve {on}")],
        Phase::Running => vec![format!("flagstaff pause {on}"), format!("flagstaff abort {on}")],
        // nothing starts before it is off
        Phase::Stopped if state.is_stopping() => vec![format!("flagstaff abort {on}")],
        Phase::Stopped => vec![format!("flagstaff start {on} --again")],
        Phase::None | Phase::Completed => Vec::new(),
    };
    ExplainAnswer {
        address: rollout.address(),
        state: StateWord::of(rollout),
        why: words::why(state),
        stage: plan.stages.get(state.stage).map(|stage| stage.name.clone()).unwrap_or_default(),
        exposure: state.allowed.to_string(),
        serves: words::served(state),
        unserved: words::unserved(state).map(str::to_owned),
        missing: explained.missing.iter().map(|missing| words::missing(plan, missing)).collect(),
        approvals: state.approvals_missing(plan),
        mutes: mutes(state, now),
        values: values
            .map(|(series, reading)| ValueRow {
                name: series.name.clone(),
                value: words::reading(reading, series.unit),
            })
            .collect(),
        evidence: evidence(plan, state),
        telemetry: Vec::new(),
        next_tick: explained.next_tick.map(|at| at.to_string()),
        earliest: explained.earliest.map(|at| at.to_string()),
        commands,
    }
}

fn evidence(plan: &Plan, state: &State) -> Vec<EvidenceRow> {
    let rules = plan.rules.iter().zip(&state.rules).filter(|_| state.is_live());
    let row = |(rule, timer): (&Rule, &Timer)| {
        let threshold = rule.detector.as_ref()?.threshold;
        Some(EvidenceRow {
            rule: rule.name.clone(),
            number: timer.weight.to_string(),
            threshold: threshold.to_string(),
            since: timer.since.map(|since| since.to_string()),
            text: words::weighed(timer.weight, threshold),
        })
    };
    rules.filter_map(row).chain(split(plan, state)).collect()
}

/// What the check of the split has counted, at a stage that has one.
fn split(plan: &Plan, state: &State) -> Option<EvidenceRow> {
    let (threshold, counted) = words::split(plan, state)?;
    Some(EvidenceRow {
        rule: SAMPLE_RATIO.to_owned(),
        number: counted.number.to_string(),
        threshold: threshold.to_string(),
        since: counted.since.map(|since| since.to_string()),
        text: words::weighed(counted.number, threshold),
    })
}

/// For people. `driven` says who drives it, or that nobody does; nothing where nobody needs to.
pub fn print(printer: &Printer, answer: &ExplainAnswer, driven: Option<&str>) {
    let why = if answer.why.is_empty() { String::new() } else { format!(" by {}", safe(&answer.why)) };
    let tone = match answer.state {
        StateWord::Running => Tone::Strong,
        StateWord::Completed => Tone::Good,
        StateWord::Stopped | StateWord::Stopping => Tone::Bad,
        _ => Tone::Warn,
    };
    let at = if answer.exposure == "nobody" { String::new() } else { format!(" at {}", safe(&answer.stage)) };
    let on = match &answer.serves {
        Some(served) => format!("{}, {} allowed", safe(served), safe(&answer.exposure)),
        None => safe(&answer.exposure),
    };
    let state = format!("{}{why}{at}, on for {on}", answer.state.text());
    printer.out(&format!("{}  {}", safe(&answer.address), printer.tone(&state, tone)));
    if let Some(unserved) = &answer.unserved {
        printer.out(&printer.tone(&format!("not confirmed: {}", safe(unserved)), Tone::Bad));
    }
    if !answer.missing.is_empty() {
        printer.out("missing for the next step:");
        for missing in &answer.missing {
            printer.out(&format!("  - {}", safe(missing)));
        }
    }
    for MuteRow { rule, until } in &answer.mutes {
        let text = format!("muted: {} until {until}; it stops nothing before that", safe(rule));
        printer.out(&printer.tone(&text, Tone::Warn));
    }
    if !answer.values.is_empty() {
        printer.out("last values:");
        let name = |name: &str| safe(name);
        let wide = answer.values.iter().map(|row| text::width(&name(&row.name))).max().unwrap_or(0).min(28);
        for ValueRow { name: series, value } in &answer.values {
            printer.out(&format!("  {}  {}", text::pad(&name(series), wide), safe(value)));
        }
    }
    if !answer.evidence.is_empty() {
        printer.out("counted by safeguards:");
        let wide = answer.evidence.iter().map(|row| text::width(&safe(&row.rule))).max().unwrap_or(0).min(28);
        for EvidenceRow { rule, text: said, since, .. } in &answer.evidence {
            let since = since.as_ref().map(|since| format!(", since {since}")).unwrap_or_default();
            printer.out(&format!("  {}  {said}{since}", text::pad(&safe(rule), wide)));
        }
    }
    for Trouble { source, place, metrics, reason } in &answer.telemetry {
        printer.out(&format!(
            "source {} at {}: {}\n  so {} cannot be told",
            safe(source),
            safe(place),
            safe(reason),
            safe(&metrics.join(", "))
        ));
    }
    match &answer.earliest {
        Some(earliest) if answer.approvals > 0 => {
            printer.out(&format!("people may approve from {earliest}, if everything is healthy from now on"));
        }
        Some(earliest) => printer.out(&format!("earliest next step: {earliest}, if everything is healthy from now on")),
        None if answer.next_tick.is_some() => printer.out("it goes no further until a person acts"),
        None => {}
    }
    if let Some(driven) = driven {
        printer.out(driven);
    }
    for command in &answer.commands {
        printer.out(&format!("  {}", safe(command)));
    }
}
