//! `audit_log`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Meant, Tool, input};
use crate::control::ControlError;
use crate::journal::sqlite::{PATIENCE, SqliteJournal};
use crate::journal::{Journal as _, Sequence};
use crate::mcp::answer::Given;
use crate::mcp::problem::{Problem, UNREACHABLE};
use crate::spec::documents::JOURNAL;
use crate::view::audit::{self, AuditLogAnswer, Filter};

/// So many entries unless more or fewer are asked for.
const ENTRIES: usize = 20;

pub(super) static TOOL: Tool = Tool {
    name: "audit_log",
    title: "Who or which rule did what",
    description: "Shows the newest entries of the journal, oldest first: who or which rule did what, when, why, and on what \
                  evidence. The same document as `flagstaff audit log -o json`, cut to the newest entries.",
    input: input::<Wanted>,
    output: Some("audit-log"),
    open_world: true,
    does: Does::Read,
    run: |call| Box::pin(async move { logged(&call) }),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// One release only, by its name or as `release@environment`; also the key of a flag without a rollout.
    #[serde(default)]
    #[schemars(with = "String")]
    release: Option<String>,
    /// One environment only.
    #[serde(default)]
    #[schemars(with = "String")]
    environment: Option<String>,
    /// So many entries; 20 unless named.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1, max = 200))]
    last: Option<usize>,
}

fn logged(call: &Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    let meant = wanted.release.map(|release| Meant::of(&release, wanted.environment.as_deref()));
    let filter = Filter {
        environment: meant.as_ref().and_then(|meant| meant.environment.clone()).or(wanted.environment),
        release: meant.map(|meant| meant.release),
        since: None,
    };
    // with a broken Project document the journal is where it is by default, or it is not found
    let path = call.journal().unwrap_or_else(|_| call.setup.dir.join(JOURNAL));
    let unusable = |error| Problem::from(ControlError::Journal(error));
    let Some(mut journal) = SqliteJournal::open_existing(&path, PATIENCE).map_err(unusable)? else {
        return Err(Problem::new(UNREACHABLE, format!("there is no journal at {}", path.display()), None));
    };
    let records = journal.load(Sequence(0), usize::MAX).map_err(unusable)?;
    let mut entries = audit::log(&records, &filter);
    let last = wanted.last.unwrap_or(ENTRIES).clamp(1, 200);
    entries.drain(..entries.len().saturating_sub(last));
    Given::of(&AuditLogAnswer { entries })
}
