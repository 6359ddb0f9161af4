//! One rollout in detail: what, why, when next; its stages; its metrics.

use super::super::attention::{Attention, attention};
use super::super::printer::Tone;
use super::super::safe::safe;
use super::super::text::{clip, pad, tone, width, wrap};
use super::super::words;
use super::{Look, rows};
use crate::control::Rollout;
use crate::control::gates::put_off;
use crate::engine::explain::explain;
use crate::engine::plan::{Action, Rule, Stage};
use crate::engine::split::SAMPLE_RATIO;
use crate::engine::state::Timer;
use crate::engine::{Condition, Decimal, Phase, Plan, Reading, Span, Timestamp};

/// Columns of a bake bar.
const BAR: usize = 8;
/// A bake of more ticks than this is told in time.
const MANY: u32 = 100;
/// Values of a sparkline.
const SPARK: usize = 16;

/// The first three lines: what, why, when next.
pub(super) fn head(rollout: &Rollout, now: Timestamp, look: Look) -> Vec<String> {
    vec![
        what(rollout, look),
        format!("  why   {}", why(rollout, now, look)),
        format!("  next  {}", next(rollout, now, look)),
    ]
}

/// A rollout in three lines: what, why and when next in one, the stages.
pub(super) fn short(rollout: &Rollout, now: Timestamp, look: Look) -> Vec<String> {
    let mut lines = vec![what(rollout, look), format!("  {}", why(rollout, now, look))];
    lines.extend(strip(rollout, look));
    lines
}

fn what(rollout: &Rollout, look: Look) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let stage = plan.stages.get(state.stage).map(|stage| safe(&stage.name)).unwrap_or_default();
    let at = if state.is_live() { format!(" at {stage}") } else { String::new() };
    let address = safe(&rollout.address());
    let (phase, allowed) = (words::phase(rollout), words::exposed(state));
    // who still has the feature is what must not be cut
    let release = safe(&plan.release);
    let forms = [
        format!("{address}  {phase}{at}, on for {allowed}"),
        format!("{address} {phase}, on for {allowed}"),
        format!("{address} {phase}, on for {}", words::exposed_briefly(state)),
    ];
    let fitting = forms.into_iter().find(|text| width(text) <= look.line());
    let text = fitting
        .unwrap_or_else(|| format!("{} on for {}", clip(&release, look.line() / 2), words::exposed_briefly(state)));
    match attention(rollout) {
        Attention::Baking => tone(&text, Tone::Strong),
        kind => rows::coloured(&text, kind),
    }
}

fn why(rollout: &Rollout, now: Timestamp, look: Look) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    match state.phase {
        Phase::Paused | Phase::Stopped if look.is_narrow() => words::because_briefly(rollout),
        Phase::Paused | Phase::Stopped => words::because(rollout),
        Phase::Completed => "every stage is baked".to_owned(),
        Phase::None => "not started".to_owned(),
        Phase::Running => {
            let missing = explain(plan, state, None, now).missing;
            let words: Vec<String> = missing.iter().map(|missing| words::missing(plan, missing)).collect();
            if words.is_empty() { "nothing is missing".to_owned() } else { words.join("; ") }
        }
    }
}

fn next(rollout: &Rollout, now: Timestamp, look: Look) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let on = format!("{} -e {}", safe(&plan.release), safe(&plan.environment));
    match state.phase {
        Phase::Paused if look.is_narrow() => "a person: resume or abort".to_owned(),
        Phase::Paused => format!("nothing until a person acts: flagstaff resume {on}"),
        Phase::Running if state.waits_for_approval(plan) && look.is_narrow() => "a person: approve".to_owned(),
        Phase::Running if state.waits_for_approval(plan) => format!("a person: flagstaff approve {on}"),
        Phase::Running if !look.driven && look.is_narrow() => "nothing: nobody drives it".to_owned(),
        Phase::Running if !look.driven => format!("nothing, nobody drives it: flagstaff run {on}"),
        Phase::Running => {
            let stage = plan.stages.get(state.stage + 1);
            let to = match stage {
                _ if state.approvals_missing(plan) > 0 => "approval".to_owned(),
                Some(stage) => safe(&stage.name),
                None => "completed".to_owned(),
            };
            // freezes to come are in documents, which a picture does not read
            let earliest = explain(plan, state, None, now).earliest;
            let Some(at) = earliest.and_then(|at| put_off(plan, at, &[])) else { return to };
            let left = words::lasting(at.since(now));
            let clock = words::clock(at);
            let brief = format!("{to} in {left} at the earliest");
            let to_whom = stage.filter(|_| state.approvals_missing(plan) == 0);
            let to_whom = to_whom.map(|stage| format!(" ({})", safe(&stage.exposure.to_string()))).unwrap_or_default();
            let forms =
                [format!("{to}{to_whom}, at the earliest {clock} (in {left})"), format!("{brief} ({clock})"), brief];
            let fits = |form: &String| width(form) + 8 <= look.line();
            forms.into_iter().find(fits).unwrap_or_else(|| format!("{to} in {left}"))
        }
        Phase::Stopped if state.is_stopping() => match words::unserved(state) {
            Some(why) => format!("not confirmed: {}", safe(why)),
            None => "switched off until the backend confirms it".to_owned(),
        },
        Phase::Stopped | Phase::Completed | Phase::None => "nothing more to come".to_owned(),
    }
}

/// Where a stage stands.
fn mark(rollout: &Rollout, index: usize) -> char {
    let state = &rollout.state;
    match state.phase {
        Phase::Completed => '✓',
        _ if index < state.stage => '✓',
        Phase::Stopped if index == state.stage => '✗',
        Phase::Paused if index == state.stage => '!',
        Phase::Running if index == state.stage => '▶',
        _ => '·',
    }
}

/// A line per stage, with its bake.
pub(super) fn stages(rollout: &Rollout, look: Look) -> Vec<String> {
    let plan = &rollout.plan;
    let widest = |of: &dyn Fn(&Stage) -> String, most: usize| {
        plan.stages.iter().map(|stage| width(&of(stage))).max().unwrap_or(0).min(most)
    };
    let name = |stage: &Stage| safe(&stage.name);
    let room = if look.is_narrow() { 0 } else { look.columns / 3 };
    // the share is what a clipped exposure would lose
    let all_fit = plan.stages.iter().all(|stage| width(&stage.exposure.to_string()) <= room);
    let exposure = |stage: &Stage| match all_fit {
        true => safe(&stage.exposure.to_string()),
        false => words::share(&stage.exposure),
    };
    let (names, exposures) = match look.is_narrow() {
        true => (widest(&name, 12), widest(&exposure, 10)),
        false => (widest(&name, 20), widest(&exposure, 40)),
    };
    let line = |(index, stage): (usize, &Stage)| {
        let (mark, name) = (mark(rollout, index), pad(&name(stage), names));
        format!("  {mark} {name}  {}  {}", pad(&exposure(stage), exposures), progress(rollout, index, stage, look))
    };
    plan.stages.iter().enumerate().map(line).collect()
}

fn progress(rollout: &Rollout, index: usize, stage: &Stage, look: Look) -> String {
    let (plan, state) = (&rollout.plan, &rollout.state);
    match mark(rollout, index) {
        '✓' => "baked".to_owned(),
        '✗' => format!("shut down: {}", words::causes(state)),
        '·' => format!("bake {}", stage.bake),
        _ => {
            let mut text = here(plan, state.baked, stage, look);
            if let Some(samples) = &stage.samples {
                let (have, need) = (state.samples, samples.at_least);
                match look.is_narrow() {
                    true if have >= Decimal::whole(i64::try_from(need).unwrap_or(i64::MAX)) => {}
                    true => text.push_str(&format!(" {have}/{need} samples")),
                    false => text.push_str(&format!("  {have} of {need} samples")),
                }
            }
            text
        }
    }
}

/// All stages in one line; on a narrow screen only the one it is at.
pub(super) fn strip(rollout: &Rollout, look: Look) -> Vec<String> {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let piece = |(index, stage): (usize, &Stage)| {
        let text = format!("{} {}", mark(rollout, index), safe(&stage.name));
        match index == state.stage && state.is_live() {
            true => format!("{text} {}", here(plan, state.baked, stage, look)),
            false => text,
        }
    };
    let pieces: Vec<String> = plan.stages.iter().enumerate().map(piece).collect();
    let all = format!("  {}", pieces.join("  "));
    if width(&all) <= look.line() {
        return vec![all];
    }
    let here = pieces.get(state.stage).cloned().unwrap_or_default();
    vec![format!("  stage {} of {}: {here}", state.stage + 1, plan.stages.len())]
}

/// How far a bake is, with a bar where there is room.
fn here(plan: &Plan, have: u32, stage: &Stage, look: Look) -> String {
    if look.is_narrow() { fraction(plan, have, stage) } else { bar(plan, have, stage) }
}

/// `████░░░░ 3/11`
pub(super) fn bar(plan: &Plan, have: u32, stage: &Stage) -> String {
    let need = plan.ticks(stage.bake);
    let filled = (have.min(need) as usize * BAR).checked_div(need as usize).unwrap_or(BAR);
    format!("{}{} {}", "█".repeat(filled), "░".repeat(BAR - filled), fraction(plan, have, stage))
}

/// `3/11` ticks; of a long bake its time, `12h/1d`: nobody counts in thousands of ticks.
pub(super) fn fraction(plan: &Plan, have: u32, stage: &Stage) -> String {
    let need = plan.ticks(stage.bake);
    let have = have.min(need);
    if need <= MANY {
        return format!("{have}/{need}");
    }
    // both ends count: the first tick is at no time
    let passed = Span(plan.every.0.saturating_mul(u64::from(have.saturating_sub(1)))).0.min(stage.bake.0);
    let step = if stage.bake >= Span::hours(1) { 60_000 } else { 1000 };
    format!("{}/{}", Span(passed / step * step), stage.bake)
}

/// Each metric with its value, its course and its thresholds: beside each other, or below where that is too wide.
pub(super) fn metrics(rollout: &Rollout, look: Look) -> Vec<String> {
    let beside = metrics_beside(rollout, look);
    if beside.iter().all(|line| width(line) <= look.line()) {
        return beside;
    }
    let mut lines = Vec::new();
    for (index, line) in values(rollout, look).into_iter().enumerate() {
        let thresholds = thresholds_of_line(rollout, index);
        lines.push(line);
        if !thresholds.is_empty() {
            let broken = wrap(&format!("      {thresholds}"), look.line(), 6);
            lines.extend(broken.into_iter().take(2));
        }
    }
    lines
}

/// Each metric in a line, whatever is too wide for it.
pub(super) fn metrics_beside(rollout: &Rollout, look: Look) -> Vec<String> {
    let values = values(rollout, look).into_iter().enumerate();
    values
        .map(|(index, line)| format!("{line}  {}", thresholds_of_line(rollout, index)).trim_end().to_owned())
        .collect()
}

/// The series that people look at: what is counted for a rule is told by its evidence.
fn shown(plan: &Plan) -> Vec<usize> {
    (0..plan.series.len()).filter(|index| !plan.is_only_counted(*index)).collect()
}

/// The rules that count, with what they have counted.
fn counting(rollout: &Rollout) -> Vec<(&Rule, &Timer)> {
    let rules = rollout.plan.rules.iter().zip(&rollout.state.rules).filter(|_| rollout.state.is_live());
    rules.filter(|(rule, _)| rule.detector.is_some()).collect()
}

/// Each metric with its value and its course, and then each rule that counts with its evidence.
pub(super) fn values(rollout: &Rollout, look: Look) -> Vec<String> {
    let plan = &rollout.plan;
    let readings =
        |index: usize| -> Vec<&Reading> { rollout.ticks.values().filter_map(|readings| readings.get(index)).collect() };
    let newest = |index: usize| {
        let last = readings(index).pop().map(|reading| words::reading(reading, plan.series[index].unit));
        last.unwrap_or_else(|| "not read yet".to_owned())
    };
    let series = shown(plan).into_iter().map(|index| {
        let spark = sparkline(&readings(index), if look.is_narrow() { 8 } else { SPARK });
        (safe(&plan.series[index].name), newest(index), spark, is_breached(rollout, index))
    });
    let counting = counting(rollout).into_iter().map(|(rule, timer)| {
        let threshold = rule.detector.as_ref().map(|detector| detector.threshold).unwrap_or_default();
        (safe(&rule.name), weighed(timer.weight, threshold, look), String::new(), timer.run > 0)
    });
    let all: Vec<(String, String, String, bool)> = series.chain(counting).chain(split(rollout, look)).collect();
    let (name, value) = if look.is_narrow() { (14, 12) } else { (24, 24) };
    let names = all.iter().map(|(name, ..)| width(name)).max().unwrap_or(0).min(name);
    let wide = all.iter().map(|(_, value, ..)| width(value)).max().unwrap_or(0).min(value);
    let line = |(name, value, spark, is_breached): (String, String, String, bool)| {
        let spark = if look.is_narrow() { spark } else { pad(&spark, SPARK) };
        let line = format!("    {}  {}  {spark}", pad(&name, names), pad(&value, wide));
        if is_breached { tone(&line, Tone::Bad) } else { line }
    };
    all.into_iter().map(line).collect()
}

/// What the check of the split has counted.
fn split(rollout: &Rollout, look: Look) -> Option<(String, String, String, bool)> {
    let (threshold, counted) = words::split(&rollout.plan, &rollout.state)?;
    let stands = rollout.state.split.as_ref().is_some_and(|counted| counted.stands.is_some());
    Some((SAMPLE_RATIO.to_owned(), weighed(counted.number, threshold, look), String::new(), stands))
}

fn weighed(number: Decimal, threshold: Decimal, look: Look) -> String {
    match look.is_narrow() {
        true => words::weighed_briefly(number, threshold),
        false => words::weighed(number, threshold),
    }
}

/// What stands against a line of [`values`].
fn thresholds_of_line(rollout: &Rollout, line: usize) -> String {
    let series = shown(&rollout.plan);
    match series.get(line) {
        Some(index) => thresholds(rollout, *index),
        None => {
            // behind the rules that count is the check of the split
            let rule = counting(rollout).get(line - series.len()).map(|(rule, _)| rule.then.word());
            format!("→ {}", rule.unwrap_or(Action::Hold.word()))
        }
    }
}

fn reads(condition: &Condition, index: usize) -> bool {
    let mut found = false;
    condition.each_series(&mut |read| found |= read == index);
    found
}

fn thresholds(rollout: &Rollout, index: usize) -> String {
    let plan = &rollout.plan;
    let healthy = plan.healthy.iter().filter(|line| reads(&line.condition, index)).map(|line| safe(&line.text));
    let rules = plan.rules.iter().filter(|rule| reads(&rule.condition, index)).map(|rule| {
        if rule.observe {
            return format!("{} (only observed)", safe(&rule.text));
        }
        let lasting = rule.hold_for.map(|span| format!(" for {span}")).unwrap_or_default();
        format!("{}{lasting} → {}", safe(&rule.text), rule.then.word())
    });
    healthy.chain(rules).collect::<Vec<_>>().join(" · ")
}

/// Whether a line of `healthy` or a rule that reads it is against going on now.
fn is_breached(rollout: &Rollout, index: usize) -> bool {
    let (plan, state) = (&rollout.plan, &rollout.state);
    let lines = plan.healthy.iter().map(|line| &line.condition).zip(&state.lines);
    let rules = plan.rules.iter().map(|rule| &rule.condition).zip(&state.rules);
    state.is_live() && lines.chain(rules).any(|(condition, timer)| timer.run > 0 && reads(condition, index))
}

/// The last values, scaled to their largest; `?` where nothing is known.
fn sparkline(values: &[&Reading], most: usize) -> String {
    const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let newest = &values[values.len().saturating_sub(most)..];
    let number = |reading: &Reading| reading.value().and_then(|value| value.to_string().parse::<f64>().ok());
    let largest = newest.iter().filter_map(|reading| number(reading)).fold(0.0, f64::max);
    let mark = |reading: &&Reading| match number(reading) {
        Some(value) if largest > 0.0 => MARKS[((value / largest * 7.0).round() as usize).min(7)],
        Some(_) => MARKS[0],
        None => '?',
    };
    newest.iter().map(mark).collect()
}
