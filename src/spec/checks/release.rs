//! What a release's own words must satisfy in an environment. All else about its plan is the same for every release that
//! uses the same parts.

use crate::engine::Span;
use crate::engine::calendar::Window;
use crate::engine::plan::Target;
use crate::spec::documents::Arms;
use crate::spec::finding::Finding;
use crate::spec::index::Parts;
use crate::spec::metrics;
use crate::spec::resolve::scrape_every;

/// Everything that is wrong with a release's own words.
pub(in crate::spec) fn release(parts: &Parts<'_, '_>) -> Vec<Finding> {
    let mut findings = match_conflicts(parts);
    findings.extend(key(parts));
    findings.extend(impact(parts));
    findings.extend(super::after::check(parts));
    findings.extend(narrow_windows(parts));
    findings
}

/// A release adds to its environment's matchers; it does not leave the environment.
fn match_conflicts(parts: &Parts<'_, '_>) -> Vec<Finding> {
    let Parts { environment, release, layers, .. } = parts;
    let theirs = &environment.layer.matchers;
    let conflict = |(label, value): (&String, &String)| {
        theirs.get(label).filter(|wanted| *wanted != value)?;
        let message = format!("`match: {label}` is another one than that of environment `{}`", environment.name.value);
        let finding = Finding::error("match-conflict", &release.name.at, message);
        Some(finding.help("leave the label to the environment"))
    };
    layers[..2].iter().flat_map(|layer| &layer.matchers).filter_map(conflict).collect()
}

/// A window that is shorter than the distance of ticks may be over before one falls into it; and what a tick found is known
/// only once it has been asked.
fn narrow_windows(parts: &Parts<'_, '_>) -> Vec<Finding> {
    let Parts { policy, source, .. } = parts;
    let Some(window) = parts.window() else { return Vec::new() };
    let every = policy.every.0;
    let delay = policy.delay.unwrap_or_else(|| scrape_every(&source.address));
    let least = Span(every.0.saturating_add(delay.0));
    let narrow = |window: &&Window| Span::minutes(window.minutes().into()) < least;
    let finding = |narrow: &Window| {
        let message = format!("`{}` may be over before a tick can grow anything", narrow.text);
        let finding = Finding::warning("narrow-window", &window.at, message);
        finding.help(format!("a tick every {every}, asked {delay} late, needs {least}: make it longer"))
    };
    // one that is wide enough will do
    match window.windows.iter().all(|window| narrow(&window)) {
        true => window.windows.first().into_iter().map(finding).collect(),
        false => Vec::new(),
    }
}

/// Whether the backend takes the flag's key.
fn key(parts: &Parts<'_, '_>) -> Option<Finding> {
    let Some((Target::Unleash { .. }, _)) = &parts.environment.target else { return None };
    let key = &parts.release.flag;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if key.value.len() <= 100 && key.value.chars().all(fits) && !key.value.chars().all(|c| c == '.') {
        return None;
    }
    let finding = Finding::error("unleash-flag", &key.at, format!("`{}` cannot be a flag of Unleash", key.value));
    Some(finding.help("use letters, digits and `-._~`, at most 100"))
}

/// Whether Unleash measures the flag's impact.
fn impact(parts: &Parts<'_, '_>) -> Option<Finding> {
    let flag = &parts.release.flag;
    if parts.source.arms != Some(Arms::UnleashImpact) || metrics::is_label(&Arms::impact_label(&flag.value)) {
        return None;
    }
    let message = format!("Unleash keeps no impact metrics for a flag named `{}`", flag.value);
    let finding = Finding::error("no-arms", &flag.at, message);
    Some(finding.help("a key that begins with a letter has a label there"))
}
