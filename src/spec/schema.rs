//! The schema of documents, for editors. Written by hand, since documents are read with their places and not by types; the
//! tests hold it against what the readers know.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::documents::KINDS;

const DOCUMENTS: &str = include_str!("../../schemas/documents.v1.json");

/// The schema of documents of every kind.
pub fn documents() -> Value {
    serde_json::from_str(DOCUMENTS).unwrap_or_default()
}

/// The schema of documents of one kind; `None` where there is no such kind.
pub fn of_kind(kind: &str) -> Option<Value> {
    let mut schema = documents();
    let is_of_kind = |rule: &&Value| rule.pointer("/if/properties/kind/const").is_some_and(|of| of == kind);
    let then = schema["allOf"].as_array()?.iter().find(is_of_kind)?["then"].clone();
    let document = schema.as_object_mut()?;
    document.remove("allOf");
    document["title"] = json!(format!("flagstaff/documents/v1, {kind}"));
    document["properties"]["kind"] = json!({ "description": "What the document declares.", "const": kind });
    document["properties"]["spec"] = then["properties"]["spec"].clone();
    if let (Some(all), Some(more)) = (document["required"].as_array_mut(), then["required"].as_array()) {
        all.extend(more.iter().cloned());
    }
    let definitions = document.remove("$defs").and_then(|definitions| match definitions {
        Value::Object(definitions) => Some(definitions),
        _ => None,
    })?;
    let mut needed = BTreeSet::new();
    need(&Value::Object(document.clone()), &definitions, &mut needed);
    let kept: Map<String, Value> = definitions.into_iter().filter(|(name, _)| needed.contains(name)).collect();
    document.insert("$defs".to_owned(), Value::Object(kept));
    Some(schema)
}

/// The kinds that have a schema of their own.
pub fn kinds() -> &'static [&'static str] {
    KINDS
}

/// The definitions that a schema refers to, directly or through others.
fn need(schema: &Value, definitions: &Map<String, Value>, needed: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix("#/$defs/"));
            if let Some((name, definition)) = name.and_then(|name| definitions.get_key_value(name))
                && needed.insert(name.clone())
            {
                need(definition, definitions, needed);
            }
            map.values().for_each(|value| need(value, definitions, needed));
        }
        Value::Array(items) => items.iter().for_each(|item| need(item, definitions, needed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_its_own_schema_with_what_it_needs() {
        for kind in kinds() {
            let schema = of_kind(kind).expect("every kind has one");
            assert_eq!(schema["properties"]["kind"]["const"], **kind);
            assert!(schema["$defs"].get(kind).is_some(), "{schema:#}");
        }
        let audience = of_kind("Audience").expect("a kind");
        assert!(audience["$defs"].get("stage").is_none() && audience["$defs"].get("constraint").is_some());
        assert_eq!(of_kind("Guardrail"), None);
    }
}
