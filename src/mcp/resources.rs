//! Resources: documents, rollouts and schemas, by address.

use rmcp::model::{Resource, ResourceTemplate};
use serde_json::Value;

use super::answer::ANSWER_AT_MOST;
use super::problem::{FAILED, Problem, USAGE};
use super::tools::{self, Call};
use super::uri::{decoded, encoded};
use crate::spec;
use crate::spec::files::{Found, Tree};
use crate::spec::url::masked;
use crate::view::safe::{in_document, safe};

const DOCUMENTS: &str = "flagstaff://documents/";
const ROLLOUTS: &str = "flagstaff://rollouts/";
const SCHEMAS: &str = "flagstaff://schema/";

/// The name of the schema of documents of every kind.
const DOCUMENTS_SCHEMA: &str = "documents";
/// So many on a page.
pub(super) const PAGE: usize = 100;

/// A resource's text with its type.
pub(super) struct Content {
    pub(super) mime: &'static str,
    pub(super) text: String,
}

const YAML: &str = "application/yaml";
const JSON: &str = "application/json";

/// The forms of addresses.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: String, name: &str, what: &str, mime: &str| {
        ResourceTemplate::new(uri, name).with_description(what).with_mime_type(mime)
    };
    vec![
        template(
            format!("{DOCUMENTS}{{+path}}"),
            "document",
            "A file of the project's documents, as it is written",
            YAML,
        ),
        template(
            format!("{ROLLOUTS}{{release}}@{{environment}}"),
            "rollout",
            "Where a rollout is, why, and what happens next: the answer of `explain`",
            JSON,
        ),
        template(
            format!("{SCHEMAS}{{name}}"),
            "schema",
            "The JSON Schema of a kind of document, or of an answer",
            JSON,
        ),
    ]
}

/// All of them: documents, then rollouts, then schemas.
pub(super) fn listed(call: &Call) -> Vec<Resource> {
    let resource = |root: &str, name: &str, mime: &str| {
        Resource::new(format!("{root}{}", encoded(name)), safe(name)).with_mime_type(mime)
    };
    let (tree, files) = files(call);
    let mut all: Vec<Resource> = files.iter().map(|found| resource(DOCUMENTS, &tree.name(&found.path), YAML)).collect();
    all.extend(tools::begun(call).iter().map(|address| resource(ROLLOUTS, address, JSON)));
    all.push(resource(SCHEMAS, DOCUMENTS_SCHEMA, JSON));
    all.extend(tools::schema_names().into_iter().map(|name| resource(SCHEMAS, name, JSON)));
    all
}

/// What an address names; none where it names nothing.
pub(super) async fn read(call: Call, uri: &str) -> Result<Option<Content>, Problem> {
    let wrong = || Problem::new(USAGE, "this address is none of ours", None);
    let part = |root: &str| uri.strip_prefix(root).map(|part| decoded(part).ok_or_else(wrong)).transpose();
    if let Some(name) = part(DOCUMENTS)? {
        return document(&call, &name);
    }
    if let Some(address) = part(ROLLOUTS)? {
        let known = address.contains('@') && tools::begun(&call).contains(&address);
        let text = if known { Some(tools::explain(&call, &address).await?.text()) } else { None };
        return Ok(text.map(|text| Content { mime: JSON, text }));
    }
    if let Some(name) = part(SCHEMAS)? {
        let schema = match name.as_str() {
            DOCUMENTS_SCHEMA => Some(spec::schema::documents()),
            name => tools::schema(name),
        };
        return Ok(schema.map(|schema| Content { mime: JSON, text: format!("{schema:#}") }));
    }
    Ok(None)
}

/// A file of documents, without passwords in addresses.
fn document(call: &Call, name: &str) -> Result<Option<Content>, Problem> {
    let (tree, files) = files(call);
    // only what is listed: no path of whoever asks is ever opened
    let Some(found) = files.iter().find(|found| tree.name(&found.path) == name) else { return Ok(None) };
    let file = tree.read(found).map_err(|finding| Problem::new(FAILED, safe(&finding.message), None))?;
    let mut text = Value::String(masked(&file.text));
    in_document(&mut text, usize::MAX);
    let text = text.as_str().map(str::to_owned).unwrap_or_default();
    if text.len() > ANSWER_AT_MOST {
        let why = format!("the file has {} KiB, which is too much", text.len() >> 10);
        return Err(Problem::new(FAILED, why, None));
    }
    Ok(Some(Content { mime: YAML, text }))
}

/// The files that hold documents.
fn files(call: &Call) -> (Tree, Vec<Found>) {
    let mut tree = Tree::new(&call.setup.dir);
    let mut files = tree.discover();
    let include = spec::project_only(&call.setup.dir).map(|project| project.include).unwrap_or_default();
    let more: Vec<Found> = include.iter().flat_map(|pattern| tree.include(&pattern.value)).collect();
    files.extend(more);
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|found| seen.insert(found.path.clone()));
    (tree, files)
}
