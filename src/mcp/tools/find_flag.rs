//! `find_flag`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Tool, input};
use crate::control::Store;
use crate::control::stop::StopSite;
use crate::mcp::answer::Given;
use crate::mcp::problem::Problem;
use crate::spec;
use crate::view::flags::{self, FlagsAnswer};

/// So many flags unless more or fewer are asked for.
const FLAGS: usize = 50;

pub(super) static TOOL: Tool = Tool {
    name: "find_flag",
    title: "Find a flag or release",
    description: "Finds flags that the documents declare or the journal knows, by words of their keys, releases, \
                  descriptions, owners or types, each with its releases and where they are in every environment. Without \
                  words it lists all. Look here before a new flag is made: one for the same thing may be there.",
    input: input::<Wanted>,
    output: Some("flags"),
    open_world: true,
    does: Does::Read,
    run: |call| Box::pin(async move { found(&call) }),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Words, in any order; those with more of them come first.
    #[serde(default)]
    #[schemars(with = "String")]
    words: Option<String>,
    /// At most so many flags; 50 unless named.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1, max = 200))]
    limit: Option<usize>,
}

fn found(call: &Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    let setup = &call.setup;
    let site = StopSite::open(&setup.dir, call.caller.actor(&setup.person), Arc::clone(&setup.clock))?;
    let loaded = spec::load(&setup.dir);
    let (store, begun) = (site.store(), site.has_journal());
    // where there is no journal nothing has started
    let rollouts = match (&store, begun) {
        (Err(_), true) => None,
        (store, _) => Some(store.iter().flat_map(|store| Store::rollouts(store))),
    };
    let mut flags = flags::search(flags::rows(&loaded, rollouts), wanted.words.as_deref().unwrap_or_default());
    let limit = wanted.limit.unwrap_or(FLAGS).clamp(1, 200);
    let left_out = flags.len().saturating_sub(limit);
    flags.truncate(limit);
    let journal = store.err().filter(|_| begun).cloned();
    Given::of(&FlagsAnswer { flags, left_out, journal })
}
