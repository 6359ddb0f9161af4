//! The published schemas of answers, made from the types: `schemas/NAME.v1.json`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::answer::{Answer, schema_of};
use super::answers::CommandAnswer;
use super::audit::{AuditEntry, AuditLogAnswer};
use super::create::CreateAnswer;
use super::doctor::DoctorAnswer;
use super::error::ErrorAnswer;
use super::explain::ExplainAnswer;
use super::findings::FindingsAnswer;
use super::flags::FlagsAnswer;
use super::freezes::FreezeAnswer;
use super::made::InitAnswer;
use super::notification::Notification;
use super::plan::PlanAnswer;
use super::progress::{EventRow, ProgressAnswer, WaitAnswer};
use super::proof::{ReplayAnswer, VerifyAnswer};
use super::proposal::{ApplyAnswer, ProposalAnswer};
use super::signal::SignalAnswer;
use super::stale::StaleAnswer;
use super::status::StatusAnswer;
use super::stops::StopAnswer;

/// Every answer's name with its schema, by name.
pub fn all() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        of::<ApplyAnswer>(),
        of::<AuditEntry>(),
        of::<AuditLogAnswer>(),
        of::<CommandAnswer>(),
        of::<CreateAnswer>(),
        of::<DoctorAnswer>(),
        of::<ErrorAnswer>(),
        of::<EventRow>(),
        of::<ExplainAnswer>(),
        of::<FindingsAnswer>(),
        of::<FlagsAnswer>(),
        of::<FreezeAnswer>(),
        of::<InitAnswer>(),
        of::<Notification>(),
        of::<PlanAnswer>(),
        of::<ProgressAnswer>(),
        of::<ProposalAnswer>(),
        of::<ReplayAnswer>(),
        of::<SignalAnswer>(),
        of::<StaleAnswer>(),
        of::<StatusAnswer>(),
        of::<StopAnswer>(),
        of::<VerifyAnswer>(),
        of::<WaitAnswer>(),
    ];
    all.sort_by_key(|(name, _)| *name);
    all
}

/// A type's schema, with the property that every answer begins with.
fn of<T: Answer + JsonSchema>() -> (&'static str, Value) {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(Portable);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let Value::Object(mut made) = schema.to_value() else { return (T::NAME, Value::Null) };
    let name = schema_of(T::NAME);
    let mut properties = Map::new();
    properties.insert("schema".to_owned(), json!({ "description": "Names this schema.", "const": name }));
    if let Some(Value::Object(own)) = made.remove("properties") {
        properties.extend(own);
    }
    let mut required = vec![json!("schema")];
    if let Some(Value::Array(own)) = made.remove("required") {
        required.extend(own);
    }
    // in the order in which people read a schema
    let mut document = Map::new();
    document.insert("$schema".to_owned(), made.remove("$schema").unwrap_or_default());
    document.insert("title".to_owned(), json!(name));
    document.insert("description".to_owned(), made.remove("description").unwrap_or_default());
    document.insert("type".to_owned(), json!("object"));
    document.insert("properties".to_owned(), Value::Object(properties));
    document.insert("required".to_owned(), Value::Array(required));
    document.extend(made.into_iter().filter(|(key, _)| key != "title" && key != "type"));
    (T::NAME, Value::Object(document))
}

/// Leaves out what only Rust knows: `"format": "uint32"` makes validators warn.
#[derive(Debug, Clone)]
struct Portable;

impl Transform for Portable {
    fn transform(&mut self, schema: &mut Schema) {
        let is_rust = |format: &str| format.starts_with("uint") || format.starts_with("int");
        if schema.get("format").and_then(Value::as_str).is_some_and(is_rust) {
            schema.remove("format");
        }
        transform_subschemas(self, schema);
    }
}
