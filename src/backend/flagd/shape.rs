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
pub(super) const TARGETING_KEY: &str = "targetingKey";

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

/// The body for an exposure. `on` stands first and always will: the order of variants decides who is in a share.
pub(super) fn body(ours: &Ours, audiences: &BTreeMap<String, Audience>) -> Value {
    let mut flag = Map::new();
    flag.insert("state".to_owned(), json!("ENABLED"));
    flag.insert("variants".to_owned(), json!({ "on": true, "off": false }));
    let everybody = ours.exposure.percentage == Percentage::FULL;
    flag.insert("defaultVariant".to_owned(), json!(if everybody { "on" } else { "off" }));
    if !everybody && !ours.exposure.is_nobody() {
        flag.insert("targeting".to_owned(), targeting(ours, audiences));
    }
    flag.insert("metadata".to_owned(), metadata(ours));
    Value::Object(flag)
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
        AttributeTest::Contains(item) => json!({ "in": [item, { "var": [constraint.attribute, []] }] }),
    }
}

/// What a body means, given the definitions of the audiences.
pub(super) fn meaning(flag: &Value, audiences: &BTreeMap<String, Audience>) -> Meaning {
    let ours = read_metadata(flag);
    let stamp = ours.as_ref().map(|ours| ours.stamp.clone());
    if let Some(ours) = ours.filter(|ours| body(ours, audiences) == *flag) {
        return Meaning::Ours(ours);
    }
    if serves_nobody(flag) {
        return Meaning::Nobody(stamp);
    }
    let why = if flag.get("state").and_then(Value::as_str) != Some("ENABLED") {
        "its state is not ENABLED, so every caller serves its own code's default"
    } else if stamp.is_some() {
        "it was changed by hand"
    } else {
        "it was not written by flagstaff and serves somebody"
    };
    Meaning::Foreign { why: why.to_owned(), stamp }
}

/// Only an enabled flag with an explicit false default and no targeting is off: DISABLED means the code's default.
fn serves_nobody(flag: &Value) -> bool {
    let default = flag.get("defaultVariant").and_then(Value::as_str).unwrap_or_default();
    let variant = flag.get("variants").and_then(|variants| variants.get(default));
    let no_targeting = match flag.get("targeting") {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    };
    flag.get("state").and_then(Value::as_str) == Some("ENABLED") && variant == Some(&Value::Bool(false)) && no_targeting
}

fn read_metadata(flag: &Value) -> Option<Ours> {
    let metadata = flag.get("metadata")?;
    let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    if text("managedBy")? != "flagstaff" {
        return None;
    }
    let thousandths = metadata.get("percentage").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())?;
    let audiences = text("audiences")?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Ours {
        exposure: Exposure { audiences, percentage: Percentage::from_thousandths(thousandths)? },
        stickiness: text("stickiness")?,
        stamp: Stamp { journal: text("journal")?, rollout: text("rollout")? },
    })
}

/// Whether a flag that we did not write can be taken over: boolean variants named `on` and `off`, or none of ours to keep.
pub(super) fn is_expressible(flag: &Value) -> Result<(), String> {
    match flag.get("variants").and_then(Value::as_object) {
        Some(variants) if variants.get("on") == Some(&Value::Bool(true)) => {
            match variants.get("off") == Some(&Value::Bool(false)) && variants.len() == 2 {
                true => Ok(()),
                false => Err("its variants are not exactly `on: true` and `off: false`".to_owned()),
            }
        }
        _ => Err("its variants are not exactly `on: true` and `off: false`".to_owned()),
    }
}

/// What keeps evaluators from taking the file: one broken flag freezes all of them.
pub(super) fn faults(file: &Value) -> Vec<String> {
    let Some(flags) = file.get("flags").and_then(Value::as_object) else {
        return vec!["it has no `flags` object".to_owned()];
    };
    flags.iter().filter_map(|(key, flag)| fault(flag).map(|fault| format!("flag `{key}`: {fault}"))).collect()
}

fn fault(flag: &Value) -> Option<&'static str> {
    let state = flag.get("state").and_then(Value::as_str);
    if !matches!(state, Some("ENABLED" | "DISABLED")) {
        return Some("`state` is neither ENABLED nor DISABLED");
    }
    let Some(variants) = flag.get("variants").and_then(Value::as_object).filter(|variants| !variants.is_empty()) else {
        return Some("it has no variants");
    };
    match flag.get("defaultVariant") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) if variants.contains_key(name) => None,
        Some(_) => Some("`defaultVariant` is not one of its variants"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(audiences: &[&str], percent: u32) -> Ours {
        Ours {
            exposure: Exposure {
                audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
                percentage: Percentage::whole(percent),
            },
            stickiness: TARGETING_KEY.to_owned(),
            stamp: Stamp { journal: "j".to_owned(), rollout: "r".to_owned() },
        }
    }

    fn definitions() -> BTreeMap<String, Audience> {
        let test = AttributeTest::EndsWith("@acme.example".to_owned());
        let audience = Audience { any: vec![Constraint { attribute: "email".to_owned(), is: test }] };
        BTreeMap::from([("staff".to_owned(), audience)])
    }

    #[test]
    fn what_is_written_reads_back_as_itself() {
        for ours in [ours(&[], 0), ours(&["staff"], 0), ours(&["staff"], 10), ours(&[], 100)] {
            assert_eq!(meaning(&body(&ours, &definitions()), &definitions()), Meaning::Ours(ours));
        }
    }

    #[test]
    fn a_hand_anywhere_makes_it_foreign() {
        let mut flag = body(&ours(&["staff"], 10), &definitions());
        flag["targeting"]["if"][0] = json!(true);
        assert!(matches!(meaning(&flag, &definitions()), Meaning::Foreign { stamp: Some(_), .. }));
        // the definition of an audience changed under us
        let written = body(&ours(&["staff"], 10), &definitions());
        assert!(matches!(meaning(&written, &BTreeMap::new()), Meaning::Foreign { .. }));
    }

    #[test]
    fn disabled_is_not_off() {
        let off = json!({ "state": "ENABLED", "variants": { "on": true, "off": false }, "defaultVariant": "off" });
        assert_eq!(meaning(&off, &BTreeMap::new()), Meaning::Nobody(None));
        let mut disabled = off;
        disabled["state"] = json!("DISABLED");
        assert!(matches!(meaning(&disabled, &BTreeMap::new()), Meaning::Foreign { .. }));
    }
}
