//! The published schemas, held against what is really answered.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// A published schema.
pub(crate) fn published(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.v1.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Everything that a schema has against a value.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Insists that an answer is what the schema that it names says, and says nothing that its schema does not. Its name.
pub(crate) fn check(answer: &Value) -> String {
    let schema = answer["schema"].as_str().unwrap_or_else(|| panic!("no schema is named: {answer:#}"));
    let name = schema.strip_prefix("flagstaff/").and_then(|rest| rest.strip_suffix("/v1")).unwrap().to_owned();
    let mut schema = published(&name);
    close(&mut schema);
    let faults = faults(&schema, answer);
    assert!(faults.is_empty(), "{name}: {faults:#?}\n{answer:#}");
    name
}

/// Readers ignore what they do not know; here it is a property that nobody described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
