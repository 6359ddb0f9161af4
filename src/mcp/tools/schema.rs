//! `schema`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Tool, input, schema, schema_names};
use crate::mcp::answer::Given;
use crate::mcp::problem::{Problem, USAGE};
use crate::view::safe::safe;

pub(super) static TOOL: Tool = Tool {
    name: "schema",
    title: "The JSON Schema of documents",
    description: "Gives the JSON Schema of one kind of document (Project, Audience, ReleaseTemplate, ThresholdPolicy, Release, \
                  Flag …) or of an answer. Read it before writing a document, then check the text with `validate`.",
    input: input::<Wanted>,
    output: None,
    open_world: false,
    does: Does::Read,
    run: |call| Box::pin(async move { told(&call) }),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// A kind of document, or the name of an answer.
    kind: String,
}

fn told(call: &Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    schema(&wanted.kind).map(Given::own).ok_or_else(|| {
        let why = format!("there is no schema `{}`; known: {}", safe(&wanted.kind), schema_names().join(", "));
        Problem::new(USAGE, why, None)
    })
}
