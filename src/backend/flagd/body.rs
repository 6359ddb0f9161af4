//! A flag's body and the exposure it means. What we write is a function of the exposure; what we read must be exactly
//! what we would have written, or it counts as changed by another hand.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::engine::input::Stamp;
use crate::engine::plan::{AttributeTest, Audience, Constraint};
use crate::engine::{Exposure, Percentage};

/// Weights are integers; with this total a share of 0.001% can be said, and changing a share moves nobody else.
const TOTAL: u32 = 100_000;

/// The attribute that flagd buckets by when nothing else is said.
const TARGETING_KEY: &str = "targetingKey";

/// What our part of the flag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) exposure: Exposure,
    pub(super) stickiness: String,
    pub(super) stamp: Stamp,
}

/// What a flag's body means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Exactly what we write.
    Ours(Ours),
    /// It serves off to everybody, whoever wrote it. With our stamp, if it carries one.
    Nobody(Option<Stamp>),
    /// It serves somebody, or cannot be proven not to, and is not what we write.
    Foreign { why: String, stamp: Option<Stamp> },
}

/// The members of a flag for an exposure, in their order; `None` is a member that must not be there.
///
/// Conditions of audiences stand in the flag itself, not among `$evaluators`: what a rollout pinned must not move when
/// another one, or another team, changes a shared rule.
pub(super) fn members(ours: &Ours, audiences: &BTreeMap<String, Audience>) -> Vec<(&'static str, Option<Value>)> {
    let everybody = ours.exposure.percentage == Percentage::FULL;
    let rules = !everybody && !ours.exposure.is_nobody();
    vec![
        ("state", Some(json!("ENABLED"))),
        ("variants", Some(json!({ "on": true, "off": false }))),
        ("defaultVariant", Some(json!(if everybody { "on" } else { "off" }))),
        ("targeting", rules.then(|| targeting(ours, audiences))),
        ("metadata", Some(metadata(ours))),
    ]
}

/// Why an exposure cannot be written, for people.
pub(super) fn inexpressible(ours: &Ours, audiences: &BTreeMap<String, Audience>) -> Option<String> {
    for name in &ours.exposure.audiences {
        let Some(audience) = audiences.get(name) else { return Some(format!("audience `{name}` is not defined")) };
        if name.is_empty() || name.contains(',') {
            return Some(format!("an audience cannot be named `{name}` here"));
        }
        if audience.any.iter().any(|constraint| constraint.is == AttributeTest::InSegment) {
            return Some(format!("audience `{name}` is a segment, and a file has none"));
        }
        if audience.any.iter().any(|constraint| constraint.attribute.is_empty()) {
            return Some(format!("audience `{name}` tests an attribute without a name"));
        }
    }
    ours.stickiness.is_empty().then(|| "the attribute for stickiness has no name".to_owned())
}

fn metadata(ours: &Ours) -> Value {
    let names: Vec<&str> = ours.exposure.audiences.iter().map(String::as_str).collect();
    json!({
        "managedBy": "flagstaff",
        "journal": ours.stamp.journal,
        "rollout": ours.stamp.rollout,
        "audiences": names.join(","),
        "percentage": ours.exposure.percentage.thousandths(),
        "stickiness": ours.stickiness,
    })
}

fn targeting(ours: &Ours, audiences: &BTreeMap<String, Audience>) -> Value {
    let mut branches = Vec::new();
    for name in &ours.exposure.audiences {
        for constraint in audiences.get(name).map(|audience| audience.any.as_slice()).unwrap_or_default() {
            branches.push(condition(constraint));
            branches.push(json!("on"));
        }
    }
    branches.push(share(ours));
    json!({ "if": branches })
}

fn share(ours: &Ours) -> Value {
    let on = ours.exposure.percentage.thousandths();
    if on == 0 {
        return json!("off");
    }
    // `on` stands first and always will: the order of variants decides who is in a share
    let (on, off) = (json!(["on", on]), json!(["off", TOTAL - on]));
    if ours.stickiness == TARGETING_KEY {
        return json!({ "fractional": [on, off] });
    }
    // without the guard everybody who lacks the attribute would land in one bucket together
    let attribute = json!({ "var": ours.stickiness });
    let key = json!({ "cat": [{ "var": "$flagd.flagKey" }, attribute] });
    json!({ "if": [{ "!!": [attribute] }, { "fractional": [key, on, off] }, "off"] })
}

fn condition(constraint: &Constraint) -> Value {
    let attribute = json!({ "var": constraint.attribute });
    match &constraint.is {
        AttributeTest::In(values) => json!({ "in": [attribute, values] }),
        AttributeTest::EndsWith(text) => json!({ "ends_with": [attribute, text] }),
        AttributeTest::StartsWith(text) => json!({ "starts_with": [attribute, text] }),
        // `in` on a text is a search for a part of it ("beta" is in "notbeta"); `merge` makes a list of anything
        AttributeTest::Contains(item) => json!({ "in": [item, { "merge": [attribute] }] }),
        // never written: nobody
        AttributeTest::InSegment => json!(false),
    }
}

/// What a body means, given the definitions of the audiences.
pub(super) fn meaning(flag: &Value, audiences: &BTreeMap<String, Audience>) -> Meaning {
    let ours = read_ours(flag);
    let stamp = self::stamp(flag);
    let changed = ours.as_ref().map(|ours| changed_member(flag, ours, audiences));
    if let (Some(ours), Some(None)) = (ours, &changed) {
        return Meaning::Ours(ours);
    }
    if serves_nobody(flag) {
        return Meaning::Nobody(stamp);
    }
    let why = match changed.flatten() {
        _ if flag.get("state").and_then(Value::as_str) == Some("DISABLED") => {
            "its state is DISABLED, so every caller serves its own code's default".to_owned()
        }
        Some(member) => format!("its `{member}` is not what was written: somebody changed it, or an audience"),
        None if stamp.is_some() => "its `metadata` is not what was written: somebody changed it".to_owned(),
        None => "it was not written by flagstaff, and serves somebody".to_owned(),
    };
    Meaning::Foreign { why, stamp }
}

/// The first member that is not what the exposure in the metadata asks for. Other metadata is not ours to judge.
fn changed_member(flag: &Value, ours: &Ours, audiences: &BTreeMap<String, Audience>) -> Option<&'static str> {
    if inexpressible(ours, audiences).is_some() {
        return Some("targeting");
    }
    let changed = |(name, expected): &(&'static str, Option<Value>)| match *name {
        "metadata" => false,
        "targeting" => flag.get(name).filter(|targeting| !is_empty(targeting)) != expected.as_ref(),
        _ => flag.get(name) != expected.as_ref(),
    };
    members(ours, audiences).iter().find(|member| changed(member)).map(|(name, _)| *name)
}

/// Only an enabled flag with an explicit false default and no targeting is off: DISABLED means the code's default, and
/// so does an empty name.
fn serves_nobody(flag: &Value) -> bool {
    let default = flag.get("defaultVariant").and_then(Value::as_str).filter(|name| !name.is_empty());
    let variant = default.and_then(|name| flag.get("variants").and_then(|variants| variants.get(name)));
    flag.get("state").and_then(Value::as_str) == Some("ENABLED")
        && variant == Some(&Value::Bool(false))
        && flag.get("targeting").is_none_or(is_empty)
}

fn is_empty(targeting: &Value) -> bool {
    targeting.is_null() || targeting.as_object().is_some_and(Map::is_empty)
}

/// Whose rollout wrote it, as it says itself.
pub(super) fn stamp(flag: &Value) -> Option<Stamp> {
    let metadata = flag.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    if text("managedBy")? != "flagstaff" {
        return None;
    }
    Some(Stamp { journal: text("journal")?, rollout: text("rollout")? })
}

/// Whom it is for, as it says itself.
pub(super) fn claimed(flag: &Value) -> Option<Exposure> {
    read_ours(flag).map(|ours| ours.exposure)
}

fn read_ours(flag: &Value) -> Option<Ours> {
    let stamp = self::stamp(flag)?;
    let metadata = flag.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str);
    let thousandths = metadata.get("percentage").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())?;
    let audiences = text("audiences")?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let exposure = Exposure { audiences, percentage: Percentage::from_thousandths(thousandths)? };
    Some(Ours { exposure, stickiness: text("stickiness")?.to_owned(), stamp })
}

/// Whether our exposures can be written into a flag that is there already.
pub(super) fn has_our_variants(flag: &Value) -> bool {
    flag.get("variants") == Some(&json!({ "on": true, "off": false }))
}

/// The members that switch a flag off, whosever it is: ENABLED, an explicit false default, no targeting.
///
/// # Errors
/// Why there is no such thing as off for this flag, for people.
pub(super) fn off(flag: Option<&Value>) -> Result<Vec<(&'static str, Option<Value>)>, String> {
    let canonical = json!({ "on": true, "off": false });
    let variants = flag.and_then(|flag| flag.get("variants")).and_then(Value::as_object).filter(|map| !map.is_empty());
    let stamped = flag.is_some_and(|flag| stamp(flag).is_some());
    let (variants, default) = match variants.filter(|_| !stamped) {
        None => (canonical, "off".to_owned()),
        Some(variants) if variants.values().all(Value::is_boolean) => {
            let mut variants = variants.clone();
            let named = |(_, value): &(&String, &Value)| **value == Value::Bool(false);
            let name = variants.iter().find(|(name, value)| !name.is_empty() && named(&(name, value)));
            let name = name.map(|(name, _)| name.clone()).unwrap_or_else(|| {
                if variants.contains_key("off") { "flagstaff-off".to_owned() } else { "off".to_owned() }
            });
            variants.insert(name.clone(), false.into());
            (Value::Object(variants), name)
        }
        Some(_) => return Err("its variants are not booleans, so nothing here knows what off would be".to_owned()),
    };
    let mut members = vec![
        ("state", Some(json!("ENABLED"))),
        ("variants", Some(variants)),
        ("defaultVariant", Some(json!(default))),
        ("targeting", None),
    ];
    if stamped {
        members.push(("metadata", Some(json!({ "audiences": "", "percentage": 0 }))));
    }
    Ok(members)
}
