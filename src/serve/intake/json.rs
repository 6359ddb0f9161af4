//! A body of any JSON, read where JSON pointers say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{clipped, parsed};
use crate::control::signal::{Item, key};
use crate::engine::{Span, Timestamp};
use crate::spec::documents::{JsonDoc, SignalDoc};

/// Without an id the same body is the same signal for this long: a sender that tries again.
const SAME_FOR: Span = Span::minutes(5);

/// What tells a body without an id from others. Later its sender may mean it again; a replay can only stop.
pub(super) fn sameness(digest: &str, now: Timestamp) -> String {
    format!("{digest} {}", now.floor_to(SAME_FOR))
}

/// What a body asks for: one thing, or nothing where `when` does not hold. `same` tells it from others unless the body has an
/// id of its own.
///
/// # Errors
/// Why it cannot be understood: nothing of it is repeated.
pub(super) fn items(doc: &SignalDoc, places: &JsonDoc, body: &[u8], same: &str) -> Result<Vec<Item>, String> {
    // senders of nothing but an alarm send nothing
    let body = if body.is_empty() { Value::Null } else { parsed(body)? };
    let is_one_of = |(pointer, values): (&String, &Vec<String>)| {
        body.pointer(pointer).and_then(scalar).is_some_and(|value| values.contains(&value))
    };
    if !places.when.iter().all(is_one_of) {
        return Ok(Vec::new());
    }
    let mut labels = BTreeMap::new();
    let names = match &places.release {
        None => doc.releases.iter().map(|name| name.value.clone()).collect(),
        Some(pointer) => {
            let names = match body.pointer(pointer) {
                Some(Value::Array(items)) => items.iter().map(scalar).collect::<Option<Vec<String>>>(),
                Some(value) => scalar(value).map(|name| vec![name]),
                None => None,
            };
            let names = names.filter(|names| !names.is_empty());
            let names =
                names.ok_or_else(|| format!("`{pointer}` of the body is no release's name, and no list of them"))?;
            labels.insert(pointer.clone(), clipped(&names.join(", ")));
            names.iter().map(|name| clipped(name)).collect()
        }
    };
    let mut environment = None;
    if let Some(pointer) = &places.environment {
        let said = match body.pointer(pointer) {
            None | Some(Value::Null) => None,
            Some(value) => Some(scalar(value).ok_or_else(|| format!("`{pointer}` of the body is no environment"))?),
        };
        environment = said.map(|said| clipped(&said)).filter(|said| !said.is_empty());
        labels.extend(environment.iter().map(|said| (pointer.clone(), said.clone())));
    }
    let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| body.pointer(pointer)).and_then(scalar);
    let same = match (&places.id, at(&places.id)) {
        (Some(pointer), None) => return Err(format!("`{pointer}` of the body is no id")),
        (_, Some(id)) => key(&["id", &id]),
        (None, None) => key(&["sent", same]),
    };
    let detail = at(&places.detail).map(|text| clipped(&text)).unwrap_or_default();
    Ok(vec![Item { key: same, names, environment, labels, detail }])
}

/// A value that is one text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
