//! What keeps evaluators from taking a file. Each of these makes at least one of flagd's evaluators (Rust, JavaScript,
//! Python) refuse the *whole* file and go on serving the old one: one team's broken flag freezes everybody's.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// References within references are followed so far (flagd's documentation allows none at all).
const NESTED_AT_MOST: usize = 16;

/// The members that every evaluator accepts in a flag.
const MEMBERS: &[&str] = &["state", "variants", "defaultVariant", "targeting", "metadata", "source", "selector"];

/// All faults of a file, for people.
pub(super) fn of(file: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let none = Map::new();
    let evaluators = match file.get("$evaluators") {
        None => &none,
        Some(Value::Object(map)) => map,
        Some(_) => {
            faults.push("`$evaluators` is not an object".to_owned());
            &none
        }
    };
    if let Some(fault) = file.get("metadata").and_then(metadata_fault) {
        faults.push(fault);
    }
    let flags = file.get("flags").and_then(Value::as_object).unwrap_or(&none);
    for (key, flag) in flags {
        if let Some(fault) = flag_fault(flag, evaluators) {
            faults.push(format!("flag `{key}`: {fault}"));
        }
    }
    faults
}

fn flag_fault(flag: &Value, evaluators: &Map<String, Value>) -> Option<String> {
    let Some(members) = flag.as_object() else { return Some("it is not an object".to_owned()) };
    if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Some(format!("`{name}` is no member of a flag (put it into `metadata`)"));
    }
    if !matches!(flag.get("state").and_then(Value::as_str), Some("ENABLED" | "DISABLED")) {
        return Some("`state` is neither ENABLED nor DISABLED".to_owned());
    }
    let Some(variants) = flag.get("variants").and_then(Value::as_object).filter(|variants| !variants.is_empty()) else {
        return Some("it has no `variants`".to_owned());
    };
    match flag.get("defaultVariant").and_then(Value::as_str) {
        None => return Some("`defaultVariant` is missing (or no text)".to_owned()),
        Some(name) if !name.is_empty() && !variants.contains_key(name) => {
            return Some(format!("`defaultVariant` is `{name}`, which is not one of its variants"));
        }
        Some(_) => {}
    }
    if let Some(fault) = flag.get("metadata").and_then(metadata_fault) {
        return Some(fault);
    }
    let mut references = References { evaluators, within: Vec::new(), sound: BTreeSet::new() };
    flag.get("targeting").and_then(|targeting| references.fault(targeting))
}

fn metadata_fault(metadata: &Value) -> Option<String> {
    let Some(members) = metadata.as_object() else { return Some("`metadata` is not an object".to_owned()) };
    let bad = members
        .iter()
        .find(|(name, value)| name.is_empty() || value.is_null() || value.is_array() || value.is_object());
    bad.map(|(name, _)| format!("`metadata` has `{name}`, which is no text, number or boolean"))
}

/// Walks over the shared rules that a targeting refers to, each one once.
struct References<'v> {
    evaluators: &'v Map<String, Value>,
    within: Vec<&'v str>,
    sound: BTreeSet<&'v str>,
}

impl<'v> References<'v> {
    fn fault(&mut self, value: &'v Value) -> Option<String> {
        match value {
            Value::Array(items) => items.iter().find_map(|item| self.fault(item)),
            Value::Object(map) => match map.get("$ref").and_then(Value::as_str).filter(|_| map.len() == 1) {
                Some(name) => self.reference_fault(name),
                None => map.values().find_map(|value| self.fault(value)),
            },
            _ => None,
        }
    }

    fn reference_fault(&mut self, name: &'v str) -> Option<String> {
        if self.sound.contains(name) {
            return None;
        }
        if self.within.contains(&name) {
            return Some(format!("`$ref` {name} refers to itself"));
        }
        if self.within.len() >= NESTED_AT_MOST {
            return Some(format!("`$ref` {name} stands more than {NESTED_AT_MOST} references deep"));
        }
        let Some(target) = self.evaluators.get(name) else {
            return Some(format!("`$ref` {name} is not among `$evaluators`"));
        };
        self.within.push(name);
        let fault = self.fault(target);
        self.within.pop();
        if fault.is_none() {
            self.sound.insert(name);
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sound_file_has_none() {
        let file = json!({
            "$schema": "x", "metadata": { "flagSetId": "shop", "version": 1.5 },
            "$evaluators": { "staff": { "ends_with": [{ "var": "email" }, "@acme.example"] } },
            "flags": {
                "a": { "state": "DISABLED", "variants": { "x": "1", "y": "2" }, "defaultVariant": "y",
                       "targeting": { "if": [{ "$ref": "staff" }, "x"] } },
                "b": { "state": "ENABLED", "variants": { "x": {} }, "defaultVariant": "x", "targeting": null, "metadata": {} },
            },
        });
        assert_eq!(of(&file), Vec::<String>::new());
    }

    #[test]
    fn a_reference_that_goes_in_circles_ends() {
        let file = json!({
            "$evaluators": { "a": { "!": [{ "$ref": "b" }] }, "b": { "$ref": "a" } },
            "flags": { "f": { "state": "ENABLED", "variants": { "on": true }, "defaultVariant": "on", "targeting": { "$ref": "a" } } },
        });
        assert_eq!(of(&file), ["flag `f`: `$ref` a refers to itself"]);
    }
}
