//! A flag file's text, parsed once: its flags, where they stand, and what keeps evaluators from taking it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::faults;
use super::json::{self, Member};

/// What a missing file is taken for.
pub(super) const EMPTY: &str = "{\n  \"$schema\": \"https://flagd.dev/schema/v0/flags.json\",\n  \"flags\": {}\n}\n";

/// A definition file as read.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: String,
    pub(super) value: Value,
    /// Why at least one evaluator refuses the whole file; empty if none does.
    pub(super) faults: Vec<String>,
    flags_at: usize,
    places: BTreeMap<String, Range<usize>>,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// Why no flag can be read from it, for people.
    pub(super) fn parse(text: String) -> Result<Document, String> {
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("it is no valid JSON: {error}"))?;
        if !value.get("flags").is_some_and(Value::is_object) {
            return Err("it has no `flags` object".to_owned());
        }
        let top = json::members(&text, 0);
        let flags_at = top.iter().rev().find(|member| member.name == "flags").map_or(0, |member| member.value.start);
        let flags = json::members(&text, flags_at);
        let mut faults = faults::of(&value);
        faults.extend(twice(&top).map(|name| format!("it says `{name}` twice")));
        faults.extend(twice(&flags).map(|name| format!("flag `{name}` stands there twice")));
        let places = flags.into_iter().map(|member| (member.name, member.value)).collect();
        Ok(Document { text, value, faults, flags_at, places })
    }

    /// The body of a flag.
    pub(super) fn flag(&self, key: &str) -> Option<&Value> {
        self.value.get("flags").and_then(|flags| flags.get(key))
    }

    /// The body of a flag as it is written.
    pub(super) fn flag_text(&self, key: &str) -> Option<&str> {
        self.places.get(key).and_then(|place| self.text.get(place.clone()))
    }

    /// The text with a flag's members set (or removed, where `None`); a flag that is not there, or is no object, gets
    /// all of them. `metadata` is set member by member: what others keep there stays.
    pub(super) fn with_flag(&self, key: &str, members: &[(&str, Option<Value>)]) -> String {
        let mut text = self.text.clone();
        let at = match (self.places.get(key), self.flag(key)) {
            (Some(place), Some(Value::Object(_))) => place.start,
            _ => {
                let body = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
                json::set(&mut text, self.flags_at, key, &Value::Object(body.collect()));
                return text;
            }
        };
        // in reverse, so that those which are added in front come out in order
        for (name, value) in members.iter().rev() {
            match value {
                None => json::remove(&mut text, at, name),
                Some(Value::Object(map)) if *name == "metadata" => set_each(&mut text, at, name, map),
                Some(value) => json::set(&mut text, at, name, value),
            }
        }
        text
    }
}

fn set_each(text: &mut String, at: usize, name: &str, map: &serde_json::Map<String, Value>) {
    let place = json::member(text, at, name);
    match place.filter(|place| text.as_bytes().get(place.start) == Some(&b'{')) {
        None => json::set(text, at, name, &Value::Object(map.clone())),
        Some(place) => map.iter().rev().for_each(|(name, value)| json::set(text, place.start, name, value)),
    }
}

fn twice(members: &[Member]) -> impl Iterator<Item = &str> {
    let mut seen = std::collections::BTreeSet::new();
    members.iter().map(|member| member.name.as_str()).filter(move |name| !seen.insert(*name))
}
