//! What every answer for machines has in common: the name of its schema, first, and a published JSON Schema.

use schemars::JsonSchema;
use serde::Serialize;

/// An answer for machines. Its schema is `schemas/NAME.v1.json`, made from the type.
pub trait Answer: Serialize + JsonSchema {
    /// The middle of `flagstaff/NAME/v1`.
    const NAME: &'static str;
    /// Whether it is a line of a stream, and the answer still to come.
    const IS_LINE: bool = false;
}

/// What an answer says of itself.
pub fn schema_of(name: &str) -> String {
    format!("flagstaff/{name}/v1")
}

/// An answer with the name of its schema.
#[derive(Serialize)]
pub struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    answer: &'a T,
}

impl<'a, T: Answer> Document<'a, T> {
    /// Of an answer.
    pub fn of(answer: &'a T) -> Document<'a, T> {
        Document { schema: schema_of(T::NAME), answer }
    }
}
