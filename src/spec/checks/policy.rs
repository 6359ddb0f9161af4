//! What a policy must satisfy, whatever release uses it.

use std::collections::BTreeSet;

use crate::engine::plan::Unit;
use crate::engine::split::SAMPLE_RATIO;
use crate::spec::condition;
use crate::spec::documents::{FormDoc, PolicyDoc};
use crate::spec::finding::Finding;
use crate::spec::metrics;
use crate::spec::promql;

pub(super) fn check(policy: &PolicyDoc, findings: &mut Vec<Finding>) {
    if policy.every.0.0 == 0 {
        findings.push(Finding::error("every", policy.every.1.as_ref().unwrap_or(&policy.name.at), "`every` is zero"));
    }
    if policy.observe {
        let finding = Finding::warning("observe", &policy.name.at, "only observes: nothing of it stops a rollout");
        findings.push(finding.help("take `observe: true` away once what it recorded is what you want"));
    } else if policy.safeguards.iter().all(|rule| rule.observe || !rule.then.stops()) {
        let finding = Finding::error("no-safeguard", &policy.name.at, "has no safeguard that stops anything");
        findings.push(finding.help(
            "write one with `then: pause`, `rollback` or `shutdown`; to try a policy, write `observe: true` beside `healthy`",
        ));
    }
    if policy.no_data.is_none() {
        let finding =
            Finding::warning("no-data", &policy.name.at, "says nothing about missing data: it holds, for ever");
        findings.push(finding.help("write `no_data: { after: 10m, then: pause }`"));
    }
    let holds = policy.safeguards.iter().filter_map(|rule| rule.hold_for.as_ref());
    for (span, at) in holds.chain(policy.healthy.iter().filter_map(|(_, hold_for)| hold_for.as_ref())) {
        if *span < policy.every.0 {
            let message = format!("`for: {span}` is shorter than `every: {}`", policy.every.0);
            findings.push(Finding::error("short-for", at, message).help("one tick is what a rule without `for` needs"));
        }
    }
    for (text, hold_for) in &policy.healthy {
        let is_proof = condition::parse_line(&text.value).is_ok_and(|line| line.confidence.is_some());
        if let Some((_, at)) = hold_for.as_ref().filter(|_| is_proof) {
            let finding = Finding::error("proof", at, "a line that is to be proven has no `for`");
            findings
                .push(finding.help("it is never false: it only keeps the stage from being left until it is proven"));
        }
    }
    let mut names = BTreeSet::from(["no_data"]);
    names.extend(policy.sample_ratio.iter().map(|_| SAMPLE_RATIO));
    for rule in &policy.safeguards {
        let taken = !names.insert(&rule.name.value);
        if taken {
            let finding = Finding::error("duplicate-name", &rule.name.at, format!("`{}` is taken", rule.name.value));
            findings.push(finding.help("rules are muted and recorded by name"));
        }
    }
    for metric in &policy.metrics {
        if let FormDoc::Query(text, unit) = &metric.form {
            let spaced = text.value.replace(' ', "");
            if !spaced.contains("{{match}}") {
                let finding = Finding::error("raw-query", &text.at, "the query has no `{{ match }}`");
                findings.push(
                    finding.help("it would read other environments and mix both groups; write `metric{ {{ match }} }`"),
                );
            }
            findings.extend(promql::check(text));
            let known = ["ratio", "seconds", "count", "number"];
            if unit.as_ref().is_none_or(|unit| !known.contains(&unit.value.as_str())) {
                let at = unit.as_ref().map_or(&metric.name.at, |unit| &unit.at);
                let finding = Finding::error("unit", at, "a query needs a `unit`");
                findings.push(finding.help("one of ratio, seconds, count, number"));
            }
        }
    }
    for (name, _) in &policy.expect.shares {
        let base = name.value.split('(').next().unwrap_or_default();
        match metrics::type_of(policy, base) {
            None => {
                let message = format!("there is no metric `{base}`");
                let finding = Finding::error("unknown-metric", &name.at, message);
                findings.push(finding.did_you_mean(base, metrics::names(policy)));
            }
            Some(found) if found.unit != Unit::Ratio => {
                let finding = Finding::error("expect", &name.at, format!("`{}` is no share", name.value));
                findings.push(finding.help("what is expected is `requests`, and the shares of metrics"));
            }
            Some(_) => {}
        }
    }
}
