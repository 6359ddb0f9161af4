//! `validate`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Tool, input};
use crate::mcp::answer::Given;
use crate::mcp::problem::{Problem, USAGE};
use crate::spec::documents::ProjectDoc;
use crate::spec::{self, Draft, Severity};
use crate::view::findings::{self, FindingsAnswer};
use crate::view::safe::safe;

/// More findings are counted, not told.
const FINDINGS: usize = 100;

pub(super) static TOOL: Tool = Tool {
    name: "validate",
    title: "Check documents, or a change to them",
    description: "Checks all documents of the project and tells everything that is wrong with them. With `file` and `text` \
                  it checks the project as if that file had that text: propose a change, read the findings, correct it. \
                  Nothing is written; the change is made by a person or in a pull request. The same document as \
                  `flagstaff validate -o json`.",
    input: input::<Wanted>,
    output: Some("findings"),
    open_world: false,
    does: Does::Read,
    run: |call| Box::pin(async move { validated(&call) }),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The file that would have the text, relative to the project: flagstaff.yaml, NAME.flagstaff.yaml, or a .yaml file
    /// below flagstaff/. It need not be there yet.
    #[serde(default)]
    #[schemars(with = "String")]
    file: Option<String>,
    /// The whole text that the file would have, in YAML; at most 1 MiB.
    #[serde(default)]
    #[schemars(with = "String")]
    text: Option<String>,
}

fn validated(call: &Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    let dir = &call.setup.dir;
    let mut loaded = match (&wanted.file, wanted.text) {
        (None, None) => spec::load(dir),
        (Some(file), Some(text)) => {
            let include = spec::load(dir).project().map(ProjectDoc::included).unwrap_or_default();
            spec::load_proposed(dir, &Draft { name: file.clone(), text }, &include)
                .map_err(|error| Problem::new(USAGE, format!("`{}`: {error}", safe(file)), None))?
        }
        _ => return Err(Problem::new(USAGE, "`file` and `text` go together", None)),
    };
    if loaded.findings.len() > FINDINGS {
        // what was proposed, and what keeps documents from being used, is worth more than the rest
        let of_another = |finding: &spec::Finding| Some(&finding.at.file.name) != wanted.file.as_ref();
        loaded.findings.sort_by_key(|finding| (of_another(finding), finding.severity != Severity::Error));
    }
    let left_out = loaded.findings.len().checked_sub(FINDINGS).filter(|left| *left > 0);
    loaded.findings.truncate(FINDINGS);
    Given::of(&FindingsAnswer {
        files: loaded.files,
        documents: loaded.documents.len(),
        findings: findings::rows(&loaded.findings),
        live: None,
        arithmetic: None,
        rules_left_out: None,
        left_out,
    })
}
