//! The audit log: who or which rule did what, when, and on what evidence.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Answer;
use super::words;
use crate::control::Step;
use crate::control::record::{
    APPLIED, ASKED, AppliedBody, AskedBody, AskedCall, FOLD, FREEZE, FoldBody, Freeze, OFF, OffBody, PLAN, PlanBody,
};
use crate::engine::event::{Event, Fired};
use crate::engine::input::{Signal, Tick};
use crate::engine::plan::{HealthLine, Series, Unit};
use crate::engine::proof::{Proof, Tally};
use crate::engine::{Decimal, Input, Plan, Reading, Timestamp};
use crate::journal::Record;
use crate::telemetry::prometheus::promql;

/// What `audit log` answers.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditLogAnswer {
    /// In the journal's order.
    pub entries: Vec<AuditEntry>,
}

impl Answer for AuditLogAnswer {
    const NAME: &'static str = "audit-log";
}

/// Who or which rule did what, when, and on what evidence: a line of `audit log -o jsonl`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AuditEntry {
    /// The journal's record that says so.
    pub sequence: u64,
    /// When, RFC 3339.
    pub time: String,
    /// The rollout's id, or `freezes`.
    pub rollout: String,
    /// Who: a person, or a rule.
    pub who: String,
    /// What.
    pub what: String,
    /// Why, as the person said.
    pub reason: Option<String>,
    /// The evidence of rules.
    pub evidence: Vec<Evidence>,
}

impl Answer for AuditEntry {
    const NAME: &'static str = "audit-entry";
    const IS_LINE: bool = true;
}

/// What a rule saw, or what a growth was decided on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Evidence {
    /// The rule, or `healthy`.
    pub rule: String,
    /// Its condition, with the threshold.
    pub threshold: String,
    /// Since when it held; of a growth, the tick that lacked nothing.
    pub since: String,
    /// What it was judged on.
    pub series: Vec<SeriesRow>,
    /// Of a rule that counts, what it made of the counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}

/// The number of a rule that counts, at the tick at which it fired.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Counted {
    /// Before the tick, a decimal as text.
    pub before: String,
    /// After it.
    pub number: String,
    /// At which it fires.
    pub threshold: String,
}

/// A series as a rule saw it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "SeenSeries")]
pub struct SeriesRow {
    /// As conditions write it.
    pub name: String,
    /// The query, as PromQL.
    pub query: String,
    /// The value with its unit, or `unknown` with the reason.
    pub value: String,
}

/// Which lines.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One release only.
    pub release: Option<String>,
    /// One environment only.
    pub environment: Option<String>,
    /// Nothing older.
    pub since: Option<Timestamp>,
}

/// The lines of a whole journal, in its order: nothing is left out because it is old. A record that cannot be read is a
/// line that says so.
pub fn log(records: &[Record], filter: &Filter) -> Vec<AuditEntry> {
    let mut plans: BTreeMap<&str, Plan> = BTreeMap::new();
    let mut lines = Vec::new();
    for record in records {
        let stream = record.new.stream.as_str();
        match record.new.kind.as_str() {
            PLAN => match serde_json::from_str::<PlanBody>(&record.new.body) {
                Ok(body) => {
                    plans.insert(stream, body.plan);
                }
                Err(_) => lines.push(unreadable(record)),
            },
            FOLD => match (plans.get_mut(stream), serde_json::from_str::<FoldBody>(&record.new.body)) {
                (Some(plan), Ok(body)) => {
                    for step in &body.steps {
                        if filter.wants(plan) && filter.since.is_none_or(|since| step.at >= since) {
                            lines.extend(entries(record.sequence.0, stream, plan, step));
                        }
                        adopt(plan, step);
                    }
                }
                _ => lines.push(unreadable(record)),
            },
            FREEZE => match serde_json::from_str::<Freeze>(&record.new.body) {
                Ok(freeze) if filter.wants_freeze(&freeze) => lines.push(frozen(record, &freeze)),
                Ok(_) => {}
                Err(_) => lines.push(unreadable(record)),
            },
            OFF => match serde_json::from_str::<OffBody>(&record.new.body) {
                Ok(off) if filter.wants_flag(&off) => lines.push(switched_off(record, off)),
                Ok(_) => {}
                Err(_) => lines.push(unreadable(record)),
            },
            ASKED => match serde_json::from_str::<AskedBody>(&record.new.body) {
                Ok(body) => lines.extend(asked(record, body, filter)),
                Err(_) => lines.push(unreadable(record)),
            },
            APPLIED => match serde_json::from_str::<AppliedBody>(&record.new.body) {
                Ok(body) if filter.wants_all(record) => lines.push(applied(record, body)),
                Ok(_) => {}
                Err(_) => lines.push(unreadable(record)),
            },
            _ => {}
        }
    }
    lines
}

impl Filter {
    fn wants(&self, plan: &Plan) -> bool {
        self.release.as_ref().is_none_or(|meant| *meant == plan.release)
            && self.environment.as_ref().is_none_or(|meant| *meant == plan.environment)
    }

    /// What is about the project as a whole.
    fn wants_all(&self, record: &Record) -> bool {
        let all = self.release.is_none() && self.environment.is_none();
        all && self.since.is_none_or(|since| record.new.at >= since)
    }

    /// A flag without a rollout is asked for by its key.
    fn wants_flag(&self, off: &OffBody) -> bool {
        self.release.as_ref().is_none_or(|meant| *meant == off.flag)
            && self.environment.as_ref().is_none_or(|meant| *meant == off.environment)
            && self.since.is_none_or(|since| off.issued.at >= since)
    }

    /// What an assistant asked in general is about the project as a whole.
    fn wants_call(&self, record: &Record, call: &AskedCall) -> bool {
        let about = call.about.as_deref().unwrap_or_default();
        let (release, environment) = about.split_once('@').unwrap_or((about, ""));
        let is_about = self.release.as_ref().is_none_or(|meant| meant == release)
            && self.environment.as_ref().is_none_or(|meant| meant == environment);
        self.wants_all(record) || (is_about && self.since.is_none_or(|since| call.at >= since))
    }

    /// A freeze of everything concerns every release and environment.
    fn wants_freeze(&self, freeze: &Freeze) -> bool {
        let concerns = |meant: &Option<String>, scope: &Option<String>| match (meant, scope) {
            (Some(meant), Some(scope)) => meant == scope,
            _ => true,
        };
        concerns(&self.release, &freeze.release)
            && concerns(&self.environment, &freeze.environment)
            && self.since.is_none_or(|since| freeze.at >= since)
    }
}

/// From an adoption on, another plan names the stages and the series.
fn adopt(plan: &mut Plan, step: &Step) {
    if let Some(adopted) = step.adopted() {
        *plan = adopted.clone();
    }
}

fn line(record: &Record, who: String, what: String) -> AuditEntry {
    AuditEntry {
        sequence: record.sequence.0,
        time: record.new.at.to_string(),
        rollout: record.new.stream.clone(),
        who,
        what,
        reason: None,
        evidence: Vec::new(),
    }
}

fn unreadable(record: &Record) -> AuditEntry {
    line(record, "?".to_owned(), format!("an unreadable record of kind {}", record.new.kind))
}

fn frozen(record: &Record, freeze: &Freeze) -> AuditEntry {
    let what = match freeze.until > freeze.at {
        true => format!("{} until {}", freeze.name, freeze.until),
        false => format!("{} lifted", freeze.name),
    };
    let who = format!("{} ({})", freeze.by.name, freeze.by.known_by);
    AuditEntry { reason: freeze.reason.clone(), ..line(record, who, what) }
}

fn switched_off(record: &Record, off: OffBody) -> AuditEntry {
    let OffBody { flag, environment, issued, confirmed, .. } = off;
    let who = format!("{} ({})", issued.actor.name, issued.actor.known_by);
    let came = match confirmed {
        Some(true) => "it is off, as read back",
        Some(false) => "it was NOT read back as off",
        None => "recorded before it was sent",
    };
    let what = format!("{flag} is to be off in {environment}, without a rollout; {came}");
    AuditEntry { reason: issued.reason, ..line(record, who, what) }
}

/// What an assistant asked, the same questions counted.
fn asked(record: &Record, body: AskedBody, filter: &Filter) -> Option<AuditEntry> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for call in body.calls.iter().filter(|call| filter.wants_call(record, call)) {
        let about = call.about.as_ref().map(|about| format!(" {about}")).unwrap_or_default();
        let text = format!("{}{about}{}", call.what, if call.failed { " (not answered)" } else { "" });
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    if counts.is_empty() {
        return None;
    }
    let mut told: Vec<String> = counts
        .into_iter()
        .map(|(text, count)| if count == 1 { text } else { format!("{text} {count} times") })
        .collect();
    if body.more > 0 {
        told.push(format!("{} more calls", body.more));
    }
    let who = format!("{} ({})", body.by.name, body.by.known_by);
    Some(line(record, who, format!("asked: {}", told.join(", "))))
}

fn applied(record: &Record, body: AppliedBody) -> AuditEntry {
    let who = format!("{} ({})", body.by.name, body.by.known_by);
    let mut what = match &body.commit {
        Some(commit) if commit.dirty => format!("applied commit {}, with changes beside it", commit.id),
        Some(commit) => format!("applied commit {}", commit.id),
        None => "applied".to_owned(),
    };
    if !body.done.is_empty() {
        what = format!("{what}: {}", body.done.join(", "));
    }
    AuditEntry { reason: body.reason, ..line(record, who, what) }
}

/// The lines of a step.
pub fn entries(sequence: u64, rollout: &str, plan: &Plan, step: &Step) -> Vec<AuditEntry> {
    step.events.iter().filter_map(|event| entry(sequence, rollout, plan, step, event)).collect()
}

/// The line of one event of a step; none for what is no news.
pub fn entry(sequence: u64, rollout: &str, plan: &Plan, step: &Step, event: &Event) -> Option<AuditEntry> {
    let what = words::event(plan, event)?;
    let (who, reason) = match &step.input {
        Input::Command(issued) => (format!("{} ({})", issued.actor.name, issued.actor.known_by), issued.reason.clone()),
        Input::Signal(signal) => signalled(signal),
        Input::Outcome(_) | Input::Seen { .. } => ("as read at the backend".to_owned(), None),
        Input::Tick(_) | Input::Late(_) | Input::Aside(_) => ("rule".to_owned(), None),
    };
    // a stop that waited beside the journal was typed before it was taken in
    let typed = match &step.input {
        Input::Command(issued) => Some(issued.at),
        _ => None,
    };
    let because: &[Fired] = match event {
        Event::Paused { because, .. } | Event::RolledBack { because, .. } | Event::Stopped { because, .. } => because,
        Event::Notified(fired) | Event::WouldAct(fired) | Event::HeldBack { fired, .. } => std::slice::from_ref(fired),
        _ => &[],
    };
    Some(AuditEntry {
        sequence,
        time: typed.unwrap_or(step.at).to_string(),
        rollout: rollout.to_owned(),
        who,
        what,
        reason,
        evidence: match (event, &step.input) {
            (Event::Advancing { .. } | Event::Completed { .. }, Input::Tick(tick)) => healthy(plan, tick, &step.events),
            _ => because.iter().map(|fired| evidence(plan, fired)).collect(),
        },
    })
}

/// Who sent a signal, and what it said: enough to find it in its sender's own records.
fn signalled(signal: &Signal) -> (String, Option<String>) {
    let mut said = vec![signal.detail.clone()];
    let mut from = String::new();
    if let Some(origin) = &signal.origin {
        from = match &origin.by {
            Some(by) => format!(" ({}, {}, {})", origin.source, by.name, by.known_by),
            None => format!(" ({})", origin.source),
        };
        said.extend(origin.labels.iter().map(|(label, value)| format!("{label}={value}")));
        said.extend((!origin.digest.is_empty()).then(|| format!("sha256:{}", origin.digest)));
    }
    said.retain(|part| !part.is_empty());
    (format!("signal {}{from}", signal.name), (!said.is_empty()).then(|| said.join("; ")))
}

/// What a growth was decided on: every line of `healthy` at the tick that lacked nothing, and all that was counted for those
/// that were to be proven.
fn healthy(plan: &Plan, tick: &Tick, events: &[Event]) -> Vec<Evidence> {
    let judged = events.iter().rev().find_map(|event| match event {
        Event::Ticked(judged) if judged.at == tick.at => Some(judged),
        _ => None,
    });
    let line = |(index, line): (usize, &HealthLine)| {
        let tally = judged.and_then(|judged| judged.proofs.iter().find(|(line, _)| *line == index));
        if let (Some(proof), Some((_, tally))) = (&line.proof, tally) {
            return proven(plan, line, proof, *tally, tick);
        }
        let mut used = BTreeSet::new();
        line.condition.each_series(&mut |series| _ = used.insert(series));
        let read = used.into_iter().filter_map(|series| plan.series.get(series).zip(tick.readings.get(series)));
        let series = read.map(|(series, reading)| series_row(Some(series), &series.name, reading));
        Evidence {
            rule: "healthy".to_owned(),
            threshold: line.text.clone(),
            since: tick.at.to_string(),
            series: series.collect(),
            counted: None,
        }
    };
    plan.healthy.iter().enumerate().map(line).collect()
}

/// All that was counted for a line over the ticks that earned the bake.
fn proven(plan: &Plan, line: &HealthLine, proof: &Proof, tally: Tally, tick: &Tick) -> Evidence {
    let counted = [(proof.counts.failed, tally.failed), (proof.counts.total, tally.total)];
    let row = |(index, count): (usize, Decimal)| {
        let series = plan.series.get(index);
        let name = series.map(|series| series.name.as_str()).unwrap_or_default();
        series_row(series, &format!("{name} over the bake"), &Reading::Value(count))
    };
    Evidence {
        rule: "healthy".to_owned(),
        threshold: line.text.clone(),
        since: tick.at.to_string(),
        series: counted.into_iter().map(row).collect(),
        counted: None,
    }
}

fn series_row(series: Option<&Series>, name: &str, reading: &Reading) -> SeriesRow {
    let query = series.map(|series| promql::text(&series.query)).unwrap_or_default();
    let unit = series.map_or(Unit::Plain, |series| series.unit);
    SeriesRow { name: name.to_owned(), query, value: words::reading(reading, unit) }
}

fn evidence(plan: &Plan, fired: &Fired) -> Evidence {
    let series = fired
        .evidence
        .iter()
        .map(|(name, reading)| series_row(plan.series.iter().find(|series| series.name == *name), name, reading));
    Evidence {
        rule: fired.rule.clone(),
        threshold: words::rule_text(plan, &fired.rule).unwrap_or_default(),
        since: fired.since.to_string(),
        series: series.collect(),
        counted: fired.weighed.map(|weighed| Counted {
            before: weighed.before.to_string(),
            number: weighed.number.to_string(),
            threshold: weighed.threshold.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::control::record::record;
    use crate::engine::Actor;
    use crate::journal::{NewRecord, Sequence};

    fn plan() -> Plan {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
        crate::spec::load(&dir).plan("checkout-v2", "production").expect("the example resolves").plan
    }

    fn fold(at: i64) -> NewRecord {
        let by = Actor { name: format!("person-{at}"), known_by: "--as".to_owned() };
        let at = Timestamp(at);
        let backend = crate::engine::Observation::NotRead;
        let step = Step { at, input: Input::Seen { at, backend }, events: vec![Event::Approved { at, by }] };
        record(at, "r1", FOLD, &FoldBody { steps: vec![step], spooled: Vec::new() })
    }

    fn records() -> Vec<Record> {
        let pinned = record(Timestamp(0), "r1", PLAN, &PlanBody { hash: "h".to_owned(), plan: plan() });
        let news = std::iter::once(pinned).chain((1..=300).map(fold));
        let number = |(index, new)| Record { sequence: Sequence(index as u64 + 1), new, hash: String::new() };
        news.enumerate().map(number).collect()
    }

    #[test]
    fn old_records_are_not_left_out() {
        let lines = log(&records(), &Filter::default());
        assert_eq!(lines.len(), 300);
        assert!(lines[0].what.contains("person-1"), "{lines:?}");
    }

    #[test]
    fn a_filter_narrows_and_what_cannot_be_read_is_said() {
        let since = Filter { since: Some(Timestamp(291)), ..Filter::default() };
        assert_eq!(log(&records(), &since).len(), 10);
        let other = Filter { environment: Some("staging".to_owned()), ..Filter::default() };
        assert_eq!(log(&records(), &other).len(), 0);
        let mut broken = records();
        broken[5].new.body = "{".to_owned();
        let lines = log(&broken, &Filter::default());
        assert!(lines.iter().any(|line| line.sequence == 6 && line.what.contains("unreadable")), "{lines:?}");
    }
}
