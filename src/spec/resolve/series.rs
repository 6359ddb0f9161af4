//! The series of a plan: a metric on a group, with the matchers that keep it to one environment and one release.

use std::collections::BTreeMap;

use super::building::Building;
use crate::engine::plan::{Arm, LabelTest, Matcher, Query, Series, Unit};
use crate::spec::documents::{Arms, StageDoc};
use crate::spec::finding::Finding;
use crate::spec::index::Parts;
use crate::spec::metrics;
use crate::spec::typing::{Part, SeriesKey};

impl Building<'_, '_> {
    pub(super) fn samples_key(&mut self, stage: &StageDoc) -> Option<SeriesKey> {
        let (_, of, at) = stage.samples.as_ref()?;
        let name = of.as_ref().map_or("requests", |name| name.value.as_str());
        let at = of.as_ref().map_or(at, |name| &name.at);
        let found = metrics::type_of(self.parts.policy, name);
        if found.is_none_or(|found| found.unit != Unit::Count || found.arm != Arm::Exposed) {
            let message = format!(
                "`samples` needs a count of the exposed group, and `{name}` is none of policy `{}`",
                self.parts.policy.name.value
            );
            let finding = Finding::error("samples", at, message);
            self.findings.push(finding.help("use a preset, or `samples: { of: METRIC, at_least: 100 }`"));
            return None;
        }
        Some(SeriesKey { metric: name.to_owned(), bound: None, control: false, part: None, window: None })
    }

    pub(super) fn series(&mut self, key: &SeriesKey) -> Option<Series> {
        let Parts { release, source, policy, .. } = self.parts;
        let base = key.metric.split('(').next().unwrap_or_default();
        let typed = metrics::type_of(policy, base)?;
        let form = match metrics::form(policy, &SeriesKey { metric: base.to_owned(), ..key.clone() }) {
            Ok(form) => key.part.map_or_else(|| form.clone(), |part| metrics::part(form.clone(), part)),
            Err(finding) => {
                self.findings.push(*finding);
                return None;
            }
        };
        let arm = if key.control { Arm::Control } else { typed.arm };
        let mut matchers: BTreeMap<String, LabelTest> = BTreeMap::new();
        for layer in self.parts.layers.iter().rev() {
            matchers
                .extend(layer.matchers.iter().map(|(label, value)| (label.clone(), LabelTest::Equal(value.clone()))));
        }
        match &source.arms {
            Some(Arms::Labels { flag, variant, exposed, control }) if arm != Arm::Service => {
                matchers.insert(flag.clone(), LabelTest::Equal(release.flag.value.clone()));
                let values = if arm == Arm::Control { control } else { exposed };
                matchers.insert(variant.clone(), LabelTest::AnyOf(values.clone()));
            }
            Some(Arms::UnleashImpact) if arm != Arm::Service => {
                let value = if arm == Arm::Control { "disabled" } else { "enabled" };
                matchers.insert(Arms::impact_label(&release.flag.value), LabelTest::Equal(value.to_owned()));
            }
            None if arm != Arm::Service => {
                let message =
                    format!("source `{}` has no `arms`, so the exposed group cannot be told apart", source.name.value);
                let finding = Finding::error("no-arms", &source.name.at, message);
                self.findings.push(
                    finding.help("write `arms: { flag: LABEL, variant: LABEL }`, or `scope: service` at the metric"),
                );
                return None;
            }
            _ => {}
        }
        let name = match key.part {
            None => key.metric.clone(),
            Some(Part::Failed) => format!("{}.failed", key.metric),
            Some(Part::Total) => format!("{}.total", key.metric),
        };
        let name = key.window.map_or(name.clone(), |window| format!("{name} over {window}"));
        Some(Series {
            name: if key.control { format!("baseline({name})") } else { name },
            arm,
            unit: if key.part.is_some() { Unit::Count } else { typed.unit },
            query: Query {
                source: source.name.value.clone(),
                form,
                matchers: matchers.into_iter().map(|(label, is)| Matcher { label, is }).collect(),
                window: key.window.unwrap_or(policy.window.0),
                every: policy.every.0,
                flag: release.flag.value.clone(),
                born_later: policy.metrics.iter().any(|metric| metric.name.value == base && metric.born_later),
            },
        })
    }
}
