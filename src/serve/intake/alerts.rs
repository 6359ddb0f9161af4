//! Bodies of Alertmanager's webhook, version 4, and of Grafana's, which is made after it: those that fire are taken in.
//!
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{clipped, parsed};
use crate::control::signal::{Item, key};
use crate::spec::documents::{AlertLabels, SignalDoc};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    version: Option<String>,
    alerts: Vec<Alert>,
    #[serde(default)]
    truncated_alerts: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    fingerprint: String,
}

/// The alerts that fire, and how many the sender left out.
///
/// # Errors
/// Why the body is none of these.
pub(super) fn items(
    doc: &SignalDoc,
    labels: &AlertLabels,
    body: &[u8],
    is_alertmanager: bool,
) -> Result<(Vec<Item>, u64), String> {
    let body: Body = serde_json::from_value(parsed(body)?).map_err(|_| {
        "the body is no alerts: a list `alerts`, each with `status` and `labels`, is expected".to_owned()
    })?;
    if is_alertmanager && body.version.as_deref() != Some("4") {
        return Err("the body is not of version 4 of Alertmanager's webhook".to_owned());
    }
    let firing = body.alerts.into_iter().filter(|alert| alert.status == "firing");
    Ok((firing.map(|alert| item(doc, labels, alert)).collect(), body.truncated_alerts))
}

fn item(doc: &SignalDoc, labels: &AlertLabels, alert: Alert) -> Item {
    let value = |label: &Option<String>| {
        let label = label.as_ref()?;
        Some((label.clone(), clipped(alert.labels.get(label).map(String::as_str).unwrap_or_default())))
    };
    let (release, environment) = (value(&labels.release), value(&labels.environment));
    let names = match &release {
        Some((_, name)) => vec![name.clone()],
        None => doc.releases.iter().map(|name| name.value.clone()).collect(),
    };
    // one that fires goes on under its fingerprint, and a new time when it fires anew
    let known_as = match alert.fingerprint.is_empty() {
        true => format!("{:?}", alert.labels),
        false => alert.fingerprint.clone(),
    };
    let said = ["summary", "description"].into_iter().find_map(|name| alert.annotations.get(name));
    let detail = said.or_else(|| alert.labels.get("alertname")).map(|text| clipped(text)).unwrap_or_default();
    Item {
        key: key(&[&known_as, &alert.starts_at]),
        names,
        // an alert without that label is about all of them
        environment: environment.as_ref().map(|(_, value)| value.clone()).filter(|value| !value.is_empty()),
        labels: release.into_iter().chain(environment).collect(),
        detail,
    }
}
