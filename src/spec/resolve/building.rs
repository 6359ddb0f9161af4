//! Building a plan of its parts.

use std::collections::{BTreeMap, BTreeSet};

use super::scrape_every;
use crate::engine::calendar::Dependency;
use crate::engine::condition::Condition;
use crate::engine::detector::Detector;
use crate::engine::plan::{Approval, Form, HealthLine, NoData, Plan, Rule, Samples, Series, Stage};
use crate::engine::proof::Proof;
use crate::engine::{Exposure, Percentage, Span};
use crate::spec::burn_rate::{self, Spread};
use crate::spec::condition::{self, Fault, Name, Written};
use crate::spec::documents::{AfterDoc, SafeguardDoc};
use crate::spec::finding::Finding;
use crate::spec::index::Parts;
use crate::spec::promise::{self, Wrong};
use crate::spec::proof;
use crate::spec::reader::Text;
use crate::spec::sample_ratio;
use crate::spec::typing::{self, MetricType, SeriesKey};
use crate::spec::{metrics, raw};

/// A policy that asks for more series than this is refused.
const SERIES_AT_MOST: usize = 1000;
/// After so many findings no further condition of a policy is read.
const FINDINGS_AT_MOST: usize = 200;

pub(super) struct Building<'p, 'd> {
    pub(super) parts: &'p Parts<'p, 'd>,
    pub(super) keys: Vec<SeriesKey>,
    pub(super) findings: Vec<Finding>,
}

impl Building<'_, '_> {
    pub(super) fn plan(&mut self) -> Option<Plan> {
        let Parts { project, release, environment, template, policy, source, .. } = self.parts;
        let healthy: Vec<(Condition, Option<Proof>, usize)> = (0..policy.healthy.len())
            .filter_map(|line| self.line(&policy.healthy[line].0).map(|(condition, proof)| (condition, proof, line)))
            .collect();
        let rules: Vec<(Condition, Option<String>, Option<Detector>, usize)> = (0..policy.safeguards.len())
            .filter_map(|rule| {
                let (condition, meaning) = self.condition(&policy.safeguards[rule])?;
                Some((condition, meaning, self.detector(&policy.safeguards[rule]), rule))
            })
            .collect();
        let samples: Vec<Option<SeriesKey>> = template.stages.iter().map(|stage| self.samples_key(stage)).collect();
        let ratio = self.ratio_keys();
        let mut keys = self.keys.clone();
        keys.extend(ratio.iter().flatten().cloned());
        keys.extend(samples.iter().flatten().cloned());
        keys.sort();
        keys.dedup();
        let place = |key: &SeriesKey| keys.iter().position(|known| known == key).unwrap_or_default();
        let order: Vec<usize> = self.keys.iter().map(place).collect();
        let series: Vec<Series> = keys.iter().filter_map(|key| self.series(key)).collect();
        let (target, _) = environment.target.clone()?;
        if series.len() != keys.len() {
            return None;
        }
        let scrape = scrape_every(&source.address);
        let raw = |series: &Series| match &series.query.form {
            Form::Raw { text } => raw::reach(text),
            _ => Span(0),
        };
        // a burn rate remembers longer: it can only stop, and no line of `healthy` reads its windows
        let least = series.iter().map(raw).fold(policy.window.0.max(policy.every.0), Span::max);
        let least = Span(least.0 + scrape.0);
        let settle = policy.settle.as_ref().map_or(least, |(settle, _)| *settle);
        if let Some((_, at)) = policy.settle.as_ref().filter(|(settle, _)| *settle < least) {
            let finding =
                Finding::error("settle", at, format!("is shorter than the longest window plus one scrape, {least}"));
            self.findings.push(finding.help("evidence from before the change would count; leave it out for the least"));
        }
        let stages = self.stages(&samples, &keys);
        let sample_ratio = policy.sample_ratio.as_ref().zip(ratio).and_then(|(doc, [exposed, control])| {
            sample_ratio::check(policy, doc, policy.every.0, (place(&exposed), place(&control)), &stages)
        });
        let used: BTreeSet<&String> = stages.iter().flat_map(|stage| &stage.exposure.audiences).collect();
        let audiences = used.into_iter().filter_map(|name| {
            self.parts.audiences.get(name.as_str()).map(|found| (name.clone(), found.doc.audience.clone()))
        });
        let numbered = |mut condition: Condition| {
            typing::renumber(&mut condition, &order);
            condition
        };
        Some(Plan {
            format: 1,
            release: release.name.value.clone(),
            flag: release.flag.value.clone(),
            environment: environment.name.value.clone(),
            template: template.name.value.clone(),
            policy: policy.name.value.clone(),
            protected: environment.protected,
            full_start_reason: template.full_start.as_ref().map(|reason| reason.value.clone()),
            target,
            stickiness: project.stickiness.clone(),
            audiences: audiences.collect(),
            sources: BTreeMap::from([(source.name.value.clone(), source.address.clone())]),
            every: policy.every.0,
            delay: policy.delay.unwrap_or(scrape),
            settle,
            catch_up: policy.catch_up,
            healthy: healthy
                .into_iter()
                .map(|(condition, mut proof, line)| {
                    proof.iter_mut().for_each(|proof| proof::renumber(proof, &order));
                    HealthLine {
                        text: policy.healthy[line].0.value.clone(),
                        condition: numbered(condition),
                        hold_for: policy.healthy[line].1.as_ref().map(|(span, _)| *span),
                        proof,
                    }
                })
                .collect(),
            rules: rules
                .into_iter()
                .map(|(condition, meaning, mut detector, rule)| {
                    let rule = &policy.safeguards[rule];
                    let when = &rule.when.value;
                    detector.iter_mut().for_each(|detector| promise::renumber(detector, &order));
                    Rule {
                        name: rule.name.value.clone(),
                        text: meaning.map_or_else(|| when.clone(), |meaning| format!("{when} ({meaning})")),
                        condition: numbered(condition),
                        hold_for: rule.hold_for.as_ref().map(|(span, _)| *span),
                        detector,
                        observe: rule.observe || policy.observe,
                        then: rule.then.clone(),
                    }
                })
                .collect(),
            no_data: policy.no_data.as_ref().map(|(after, then, _)| NoData {
                after: *after,
                observe: policy.observe,
                then: then.clone(),
            }),
            sample_ratio,
            stages,
            series,
            windows: self.parts.window().map(|window| window.windows.clone()).unwrap_or_default(),
            after: self.after(),
        })
    }

    fn after(&self) -> Vec<Dependency> {
        let here = &self.parts.environment.name;
        let dependency = |after: &AfterDoc| Dependency {
            release: after.release.value.clone(),
            environment: after.environment.as_ref().unwrap_or(here).value.clone(),
            reached: after.reached.as_ref().map(|stage| stage.value.clone()),
        };
        self.parts.after().iter().map(dependency).collect()
    }

    /// The condition of a safeguard, and what its burn rates mean.
    fn condition(&mut self, rule: &SafeguardDoc) -> Option<(Condition, Option<String>)> {
        let written = match condition::parse(&rule.when.value) {
            Ok(written) => written,
            Err(fault) => return self.typed(&rule.when, Err(fault)).map(|condition| (condition, None)),
        };
        match burn_rate::spread(self.parts.policy, rule, written) {
            Ok(spread) => {
                let Spread { condition, meaning } = spread?;
                Some((self.typed(&rule.when, Ok(condition))?, meaning))
            }
            Err(wrong) => {
                self.wrong("burn-rate", rule, wrong);
                None
            }
        }
    }

    /// Tells what is wrong with a safeguard.
    fn wrong(&mut self, code: &'static str, rule: &SafeguardDoc, wrong: Wrong) {
        self.findings.push(match wrong {
            Wrong::Beside(finding) => *finding,
            Wrong::Condition(fault) => fault_finding(code, &rule.when, fault),
        });
    }

    /// A line of `healthy`, and how it is proven where it asks for that.
    fn line(&mut self, text: &Text) -> Option<(Condition, Option<Proof>)> {
        let line = match condition::parse_line(&text.value) {
            Ok(line) => line,
            Err(fault) => return self.typed(text, Err(fault)).map(|condition| (condition, None)),
        };
        if let Some(burn) = burn_rate::first(&line.condition) {
            self.findings.push(fault_finding("burn-rate", text, burn_rate::misplaced(burn)));
            return None;
        }
        let condition = self.typed(text, Ok(line.condition.clone()))?;
        match proof::proof(self.parts.policy, &line, &mut self.keys) {
            Ok(proof) => Some((condition, proof)),
            Err(fault) => {
                self.findings.push(fault_finding("proof", text, fault));
                None
            }
        }
    }

    fn typed(&mut self, text: &Text, written: Result<Written, Fault>) -> Option<Condition> {
        let policy = self.parts.policy;
        if self.keys.len() > SERIES_AT_MOST {
            let finding =
                Finding::error("yaml-limit", &text.at, format!("more than {SERIES_AT_MOST} series in a policy"));
            self.findings.push(finding);
        }
        if self.findings.len() > FINDINGS_AT_MOST {
            return None;
        }
        let metric = |name: &Name| -> Result<MetricType, Fault> {
            metrics::type_of(policy, &name.text).ok_or_else(|| {
                let suggestion =
                    Finding::error("unknown-metric", &text.at, "").did_you_mean(&name.text, metrics::names(policy));
                Fault {
                    start: name.at.0,
                    end: name.at.1,
                    message: format!("there is no metric `{}`", name.text),
                    help: suggestion.help,
                }
            })
        };
        let checked =
            written.map_err(|fault| vec![fault]).and_then(|written| typing::check(&written, &metric, &mut self.keys));
        match checked {
            Ok(condition) => Some(condition),
            Err(faults) => {
                self.findings.extend(faults.into_iter().map(|fault| fault_finding("condition", text, fault)));
                None
            }
        }
    }

    /// How a safeguard counts, where it promises how often it is wrong.
    fn detector(&mut self, rule: &SafeguardDoc) -> Option<Detector> {
        let promise = rule.promise.as_ref()?;
        let written = condition::parse(&rule.when.value).ok()?;
        match promise::detector(self.parts.policy, &written, promise, &mut self.keys) {
            Ok(detector) => Some(detector),
            Err(wrong) => {
                self.wrong("false-alarms", rule, wrong);
                None
            }
        }
    }

    /// The series of the check of the split, where any stage has a random control group.
    fn ratio_keys(&mut self) -> Option<[SeriesKey; 2]> {
        let Parts { policy, template, .. } = self.parts;
        let doc = policy.sample_ratio.as_ref()?;
        let keys = sample_ratio::keys(policy, doc).map_err(|finding| self.findings.push(*finding)).ok()?;
        let percentages = template.stages.iter().filter_map(|stage| stage.percentage.as_ref());
        sample_ratio::applies(percentages.map(|(percentage, _)| *percentage)).then_some(keys)
    }

    fn stages(&mut self, samples: &[Option<SeriesKey>], keys: &[SeriesKey]) -> Vec<Stage> {
        let Parts { template, project, .. } = self.parts;
        let mut reached = Exposure::nobody();
        let mut stages = Vec::new();
        for (stage, key) in template.stages.iter().zip(samples) {
            reached.audiences.extend(stage.audiences.iter().map(|name| name.value.clone()));
            reached.percentage = stage.percentage.as_ref().map_or(reached.percentage, |(percentage, _)| *percentage);
            let mut exposure = reached.clone();
            if exposure.percentage == Percentage::FULL {
                // everybody includes every audience: one way to say one thing
                exposure.audiences.clear();
            }
            let series = key.as_ref().and_then(|key| keys.iter().position(|known| known == key));
            stages.push(Stage {
                name: stage.name.value.clone(),
                exposure,
                bake: stage.bake,
                samples: stage
                    .samples
                    .as_ref()
                    .zip(series)
                    .map(|((at_least, ..), series)| Samples { series, at_least: *at_least }),
                idle_bakes: stage.idle_bakes,
                approval: stage.approval.as_ref().map(|(groups, count)| Approval {
                    groups: groups.iter().map(|group| group.value.clone()).collect(),
                    people: groups
                        .iter()
                        .flat_map(|group| project.people.get(&group.value).cloned().unwrap_or_default())
                        .collect(),
                    count: *count,
                }),
            });
        }
        stages
    }
}

fn fault_finding(code: &'static str, text: &Text, fault: Fault) -> Finding {
    let at = text.part(fault.start, fault.end.max(fault.start));
    let marked = text.value.get(fault.start..fault.end).unwrap_or_default();
    Finding { help: fault.help, ..Finding::error(code, &at, format!("`{marked}`: {}", fault.message)) }
}
