//! Asking the sources what documents take for granted: every distinct query once, before anything starts.
//!
//! Nothing is changed and no journal is opened. What is found is told as of documents, at the characters that name the metric;
//! what cannot be reached is told apart, since no document is wrong then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::observe::{Ear, Observer};
use super::site;
use crate::checkup::{Check, Fault, Health};
use crate::clock::{Clock, within};
use crate::engine::condition::{Condition, Term};
use crate::engine::plan::{Form, LabelTest, Matcher, Plan, Query, Series, SourceAddress, Unit};
use crate::engine::{Decimal, Reading, Span, Timestamp, Unknown};
use crate::spec::documents::{FormDoc, PolicyDoc};
use crate::spec::finding::At;
use crate::spec::{Finding, Loaded, Severity};
use crate::telemetry::{Answered, Behind, Source};

/// An examination of a source is waited for this long,
const EXAMINED_WITHIN: Span = Span::seconds(6);
/// and so many queries at once for this long.
const ASKED_WITHIN: Span = Span::seconds(30);
const AT_ONCE: usize = 50;
/// A window needs so many samples.
const SAMPLES_AT_LEAST: u64 = 4;
/// A time of so many seconds is probably one of milliseconds.
const MILLISECONDS: i64 = 1000;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// How many distinct queries were asked.
    pub queries: usize,
    /// What is wrong with documents.
    pub findings: Vec<Finding>,
    /// Sources that could not be asked: name, where it is, why, and what kind of failure that is.
    pub unreachable: Vec<Unreachable>,
}

/// A source that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// Its name.
    pub source: String,
    /// Where it is.
    pub place: String,
    /// Why.
    pub why: String,
    /// What kind of failure.
    pub fault: Fault,
}

/// A query with a release that asks it.
struct Asked<'l> {
    plan: Arc<Plan>,
    policy: &'l PolicyDoc,
    series: Series,
    /// What quantiles and shares of slow requests are compared with or bounded by, in seconds, and where that is written: several
    /// metrics may be one query.
    limits: BTreeMap<Decimal, At>,
}

/// What a source said of one.
struct Told {
    exists: Result<(), String>,
    answered: Answered,
    /// The same of any group, where nobody is in this one.
    of_any: Option<Answered>,
    behind: Behind,
}

/// Asks every query of every release, or of those of one environment, once.
pub async fn look(
    loaded: &Loaded,
    environment: Option<&str>,
    clock: &Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
) -> Looked {
    let Some(project) = loaded.project() else { return Looked::default() };
    let ear = observer.map(|observer| Ear::new(observer, clock.clone()));
    let (sources, _) = site::sources(&loaded.dir, project, clock, ear.as_ref());
    let asked = asked(loaded, environment);
    let mut by_source: BTreeMap<&str, Vec<&Asked<'_>>> = BTreeMap::new();
    for one in asked.values() {
        by_source.entry(&one.series.query.source).or_default().push(one);
    }
    let looks = by_source.into_iter().filter_map(|(name, asked)| {
        let source = sources.get(name)?.clone();
        Some(async move { (name, source.place(), at_source(&*source, &asked, &**clock).await) })
    });
    let mut looked = Looked { queries: asked.len(), ..Looked::default() };
    for (name, place, found) in join_all(looks).await {
        match found {
            Ok(found) => looked.findings.extend(found),
            Err((why, fault)) => {
                looked.unreachable.push(Unreachable { source: name.to_owned(), place, why, fault });
            }
        }
    }
    looked.findings = together(looked.findings);
    looked.findings.retain(|finding| loaded.is_about(&finding.at));
    looked
}

/// Every distinct query, with the first release that asks it.
fn asked<'l>(loaded: &'l Loaded, environment: Option<&str>) -> BTreeMap<Query, Asked<'l>> {
    let mut asked: BTreeMap<Query, Asked<'l>> = BTreeMap::new();
    for (_, of, resolved) in loaded.plans() {
        let Ok(resolved) = resolved else { continue };
        if environment.is_some_and(|wanted| wanted != of) {
            continue;
        }
        let Some(policy) = loaded.policy(&resolved.plan.policy) else { continue };
        let plan = Arc::new(resolved.plan);
        for (index, series) in plan.series.iter().enumerate() {
            let limits = limits(&plan, index);
            let at = place(policy, series);
            let one = asked.entry(series.query.clone()).or_insert_with(|| Asked {
                plan: plan.clone(),
                policy,
                series: series.clone(),
                limits: BTreeMap::new(),
            });
            for limit in limits {
                one.limits.entry(limit).or_insert_with(|| at.clone());
            }
        }
    }
    asked
}

/// The seconds that must be bucket bounds for a series to be exact: those it is asked for, or a quantile is compared with.
fn limits(plan: &Plan, index: usize) -> BTreeSet<Decimal> {
    let mut limits = BTreeSet::new();
    match plan.series[index].query.form {
        Form::Slow { bound, .. } | Form::SlowCount { bound, .. } => {
            limits.insert(bound);
        }
        Form::Quantile { .. } => {
            let rules = plan.rules.iter().map(|rule| &rule.condition);
            for condition in rules.chain(plan.healthy.iter().map(|line| &line.condition)) {
                compared(condition, index, &mut limits);
            }
        }
        _ => {}
    }
    limits
}

fn compared(condition: &Condition, index: usize, limits: &mut BTreeSet<Decimal>) {
    match condition {
        Condition::Compare { left, right, .. } => {
            for (one, other) in [(left, right), (right, left)] {
                if let (Term::Series { series, factor }, Term::Number(limit)) = (one, other)
                    && *series == index
                    && *factor == Decimal::whole(1)
                {
                    limits.insert(*limit);
                }
            }
        }
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| compared(part, index, limits));
        }
        Condition::Not(part) => compared(part, index, limits),
        Condition::Missing(_) => {}
    }
}

async fn at_source(
    source: &dyn Source,
    asked: &[&Asked<'_>],
    clock: &dyn Clock,
) -> Result<Vec<Finding>, (String, Fault)> {
    let checks = within(clock, EXAMINED_WITHIN, source.examine()).await;
    let no_answer = || (format!("no answer within {EXAMINED_WITHIN}"), Fault::Unreachable);
    let failed = |check: &Check| match check.health {
        Health::Failed(fault) => Some((check.seen.clone(), fault)),
        Health::Fine | Health::Warning => None,
    };
    if let Some(failed) = checks.ok_or_else(no_answer)?.iter().find_map(failed) {
        return Err(failed);
    }
    let mut by_instant: BTreeMap<Timestamp, Vec<&Asked<'_>>> = BTreeMap::new();
    let now = clock.now();
    for one in asked {
        by_instant.entry(now.minus(one.plan.delay).floor_to(one.plan.every)).or_default().push(one);
    }
    let mut findings = Vec::new();
    for (at, asked) in &by_instant {
        for some in asked.chunks(AT_ONCE) {
            let queries: Vec<Query> = some.iter().map(|one| one.series.query.clone()).collect();
            let told = within(clock, ASKED_WITHIN, ask(source, &queries, *at)).await.ok_or_else(|| {
                (format!("{} queries have no answer within {ASKED_WITHIN}", queries.len()), Fault::Unreachable)
            })?;
            findings.extend(some.iter().zip(&told).flat_map(|(one, told)| judge(one, told)));
        }
    }
    Ok(findings)
}

async fn ask(source: &dyn Source, queries: &[Query], at: Timestamp) -> Vec<Told> {
    let exists = source.exists(queries, at).await;
    let answered = source.instant(queries, at).await;
    let behind = source.behind(queries, at).await;
    let empty: Vec<usize> = (0..answered.len())
        .filter(|index| answered[*index].reading == Reading::Unknown(Unknown::NoAnswer) && exists[*index].is_ok())
        .collect();
    let of_any: Vec<Query> = empty.iter().map(|index| any_group(&queries[*index])).collect();
    let mut of_any: BTreeMap<usize, Answered> = match of_any.is_empty() {
        true => BTreeMap::new(),
        false => empty.into_iter().zip(source.instant(&of_any, at).await).collect(),
    };
    let told = exists.into_iter().zip(answered).zip(behind).enumerate();
    told.map(|(index, ((exists, answered), behind))| Told { exists, answered, of_any: of_any.remove(&index), behind })
        .collect()
}

/// The same of whoever there is: nobody is exposed before a release starts.
fn any_group(query: &Query) -> Query {
    let matchers = match query.form {
        // something must stand where `{{ match }}` stood: every series is without this label
        Form::Raw { .. } => {
            let is = LabelTest::Equal(String::new());
            vec![Matcher { label: "flagstaff_no_such_label".to_owned(), is }]
        }
        _ => Vec::new(),
    };
    Query { matchers, ..query.clone() }
}

fn judge(asked: &Asked<'_>, told: &Told) -> Vec<Finding> {
    let Asked { plan, policy, series, .. } = asked;
    let at = place(policy, series);
    let of = plan.address();
    let name = &series.name;
    let mut findings = bounds(asked, told);
    if told.answered.reading == Reading::Unknown(Unknown::SeveralSeries) {
        let message = format!("`{name}` answers with several series, and a metric is one number ({of})");
        let finding = Finding::error("live-several", &at, message);
        findings.push(finding.help("aggregate it: `sum(…)` or `max(…)` around the query"));
        return findings;
    }
    if let Err(missing) = &told.exists {
        // what is wrong with the bound was told with its neighbours
        if findings.is_empty() {
            let message = format!("`{name}` cannot be measured: {missing} ({of})");
            findings.push(Finding::error("live-missing", &at, message));
        }
        return findings;
    }
    let answered = told.of_any.as_ref().unwrap_or(&told.answered);
    let is_own = told.of_any.is_none();
    match &answered.reading {
        Reading::Value(value) => findings.extend(unit(series, *value, &at, &of)),
        Reading::Unknown(Unknown::Stale) => {
            let detail = answered.detail.as_deref().unwrap_or("its newest sample is old");
            let message = format!("`{name}` is not fresh: {detail} ({of})");
            let finding = Finding::error("live-stale", &at, message);
            findings.push(finding.help(
                "see that what serves it is scraped, and that `scrape_every` of the source is what the server does",
            ));
        }
        Reading::Unknown(Unknown::NoAnswer) if !is_own && !series.query.born_later => {
            let message = format!("`{name}` was there within the last hour, and is not any more ({of})");
            let finding = Finding::warning("live-stale", &at, message);
            findings.push(finding.help("see that what serves it runs, and is scraped"));
        }
        Reading::Unknown(Unknown::Clock | Unknown::Error | Unknown::Warnings) => {
            let detail = answered.detail.as_deref().unwrap_or("the source gives no number");
            let message = format!("`{name}` has no reading that counts: {detail} ({of})");
            findings.push(Finding::warning("live-doubtful", &at, message));
        }
        Reading::Unknown(_) => {}
    }
    if let Some(samples) = told.behind.samples.filter(|samples| *samples < SAMPLES_AT_LEAST) {
        let window = series.query.window;
        let at = policy.window.1.as_ref().unwrap_or(&at);
        let message = format!(
            "a window of {window} has {samples} samples of `{name}`, and at least {SAMPLES_AT_LEAST} are needed ({of})"
        );
        let finding = Finding::error("live-window", at, message);
        findings
            .push(finding.help("write a longer `window` (`over` of a burn rate), or have it scraped more often; and say so in `scrape_every`"));
    }
    findings
}

/// A number that cannot be of its unit.
fn unit(series: &Series, value: Decimal, at: &At, of: &str) -> Option<Finding> {
    let name = &series.name;
    match series.unit {
        Unit::Ratio if value > Decimal::whole(1) || value.is_negative() => {
            let message = format!("`{name}` is {value}, and a share is from 0 to 1 ({of})");
            let finding = Finding::error("live-unit", at, message);
            Some(finding.help("see that `of` is a part of `over`; of a query that answers percents, write `… / 100`"))
        }
        Unit::Seconds if value >= Decimal::whole(MILLISECONDS) => {
            let message = format!("`{name}` is {value} s: that looks like milliseconds ({of})");
            let finding = Finding::warning("live-unit", at, message);
            Some(finding.help("times are compared in seconds; measure in seconds, or write `… / 1000` in a query"))
        }
        Unit::Seconds | Unit::Count if value.is_negative() => {
            let message = format!("`{name}` is {value}, below zero ({of})");
            Some(Finding::warning("live-unit", at, message))
        }
        _ => None,
    }
}

/// Limits that lie between two bounds of the histogram.
fn bounds(asked: &Asked<'_>, told: &Told) -> Vec<Finding> {
    let (series, known) = (&asked.series, &told.behind.bounds);
    let Some(histogram) = crate::telemetry::histogram(&series.query).filter(|_| !known.is_empty()) else {
        return Vec::new();
    };
    let address = asked.plan.sources.get(&series.query.source);
    let reads_pages = matches!(address, Some(SourceAddress::Scrape { .. }));
    let between = |(limit, _): &(&Decimal, &At)| !known.contains(limit);
    let finding = |(limit, at): (&Decimal, &At)| {
        let below = known.iter().rev().find(|bound| *bound < limit).map(|bound| format!("{bound} s"));
        let above = known.iter().find(|bound| *bound > limit).map(|bound| format!("{bound} s"));
        let neighbours = match (below, above) {
            (Some(below), Some(above)) => format!("the nearest are {below} and {above}"),
            (Some(last), None) => format!("the largest is {last}"),
            (None, Some(first)) => format!("the smallest is {first}"),
            (None, None) => "there is none".to_owned(),
        };
        let message = format!("{limit} s is no bucket bound of `{}`: {neighbours}", histogram.metric);
        let (severity, help) = match series.query.form {
            Form::SlowCount { .. } => (Severity::Error, "between two bounds nothing can be counted; write one of them"),
            Form::Slow { .. } if !reads_pages => {
                (Severity::Error, "between two bounds there is no answer; write one of them")
            }
            _ => (Severity::Warning, "between two bounds the number is a guess; compare with one of them"),
        };
        Finding { severity, ..Finding::error("live-bounds", at, message) }.help(help)
    };
    asked.limits.iter().filter(between).map(finding).collect()
}

/// Where the documents name a series: the metric, the raw query, or the first condition with its name.
fn place(policy: &PolicyDoc, series: &Series) -> At {
    // of a burn rate the metric stands in the condition, without the window
    let name = series.name.split(" over ").next().unwrap_or_default();
    let name = name.trim_start_matches("baseline(").trim_end_matches([')']);
    let name = name.trim_end_matches(".failed").trim_end_matches(".total");
    let base = name.split('(').next().unwrap_or(name);
    if let Some(metric) = policy.metrics.iter().find(|metric| metric.name.value == base) {
        return match &metric.form {
            FormDoc::Query(text, _) => text.at.clone(),
            _ => metric.name.at.clone(),
        };
    }
    let conditions = policy.healthy.iter().map(|(text, _)| text).chain(policy.safeguards.iter().map(|rule| &rule.when));
    for text in conditions {
        // as it is written: a bound has its unit there
        let found = text.value.match_indices(base).find(|(start, _)| {
            let is_letter = |c: char| c.is_alphanumeric() || c == '_';
            let before = text.value[..*start].chars().next_back();
            let after = text.value[start + base.len()..].chars().next();
            !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
        });
        if let Some((start, _)) = found {
            let rest = &text.value[start..];
            let is_called = rest[base.len()..].starts_with('(');
            let length = rest.find(')').filter(|_| is_called).map_or(base.len(), |close| close + 1);
            return text.part(start, start + length);
        }
    }
    policy.preset.as_ref().map_or(&policy.name.at, |preset| &preset.failed.at).clone()
}

/// What is the same of several releases is told once.
fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let split = |finding: &Finding| {
        let (message, of) = finding.message.rsplit_once(" (").unwrap_or((&finding.message, ""));
        (message.to_owned(), of.trim_end_matches(')').to_owned())
    };
    let mut kept: Vec<(Finding, BTreeSet<String>)> = Vec::new();
    for finding in findings {
        let (message, of) = split(&finding);
        let same = |(known, _): &&mut (Finding, BTreeSet<String>)| {
            known.code == finding.code && known.at == finding.at && split(known).0 == message
        };
        match kept.iter_mut().find(same) {
            Some((_, others)) => _ = others.insert(of),
            None => kept.push((finding, BTreeSet::from([of]))),
        }
    }
    let told = |(finding, of): (Finding, BTreeSet<String>)| match of.len() {
        0 | 1 => finding,
        count => {
            let (message, first) = split(&finding);
            Finding { message: format!("{message} ({first} and {} more)", count - 1), ..finding }
        }
    };
    kept.into_iter().map(told).collect()
}
