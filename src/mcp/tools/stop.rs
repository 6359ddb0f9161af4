//! What `pause` and `abort` have in common: the calls of the commands, for an environment that a person has named.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Meant};
use crate::control::stop::{Recorded, StopSite};
use crate::control::{Rollout, StopKind, StopOutcome, StopReport};
use crate::engine::{Phase, Span};
use crate::mcp::answer::Given;
use crate::mcp::problem::{FAILED, NOT_AUTHORISED, Problem, UNREACHABLE, USAGE};
use crate::spec;
use crate::view::safe::safe;
use crate::view::stops::{self, StopAnswer};

/// How long a stop keeps trying.
const TIMEOUT: Span = Span::seconds(10);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The release, by its name or as `release@environment`, or the key of a flag that a document or the journal knows.
    release: String,
    /// The environment.
    environment: String,
    /// Why, for whoever reads the audit trail.
    reason: String,
}

/// Stops a release in one environment.
pub(super) async fn stop(call: Call, kind: StopKind) -> Result<Given, Problem> {
    let Wanted { release, environment, reason } = call.arguments()?;
    if !call.setup.writable.contains(&environment) {
        let why = match call.setup.writable.is_empty() {
            true => "this server was started to read only".to_owned(),
            false => format!(
                "this server may not act in `{}`, only in: {}",
                safe(&environment),
                call.setup.writable.join(", ")
            ),
        };
        let help = "a person can type the command, or start the server with --allow-write --env ENVIRONMENT";
        return Err(Problem::new(NOT_AUTHORISED, why, Some(help)));
    }
    if reason.trim().is_empty() {
        return Err(Problem::new(USAGE, "a reason is needed", None));
    }
    let Meant { release, .. } = Meant::of(&release, Some(&environment));
    let setup = &call.setup;
    let actor = call.caller.actor(&setup.person);
    let mut site = StopSite::open_in_haste(&setup.dir, actor, Arc::clone(&setup.clock), None)?;
    if is_unknown(&call, &site, &release) {
        let why = format!("no document and no rollout knows `{}`: nothing was stopped", safe(&release));
        return Err(Problem::new(FAILED, why, Some("the tool `find_flag` lists releases and flags")));
    }
    let reports = site.stop_everywhere(&release, Some(&environment), kind, Some(reason.trim()), TIMEOUT).await;
    let none = StopOutcome::NothingToPause { phase: Phase::None };
    let told: Vec<&StopReport> =
        reports.iter().filter(|report| report.outcome != none && report.outcome != StopOutcome::NoSuchFlag).collect();
    if told.is_empty() {
        return Err(match reports.is_empty() {
            true => {
                let why = format!("nobody knows where flags of `{}` live: NOTHING WAS STOPPED", safe(&environment));
                Problem::new(UNREACHABLE, why, Some("switch it off at the flag backend"))
            }
            false => Problem::new(FAILED, format!("{release}@{environment} has nothing to stop"), None),
        });
    }
    let failed = told.iter().any(|report| {
        let not_off = matches!(report.outcome, StopOutcome::NotOff { .. } | StopOutcome::Unsure { .. });
        not_off || matches!(report.recorded, Recorded::Nowhere(_))
    });
    let answer = StopAnswer { stops: told.into_iter().map(stops::row).collect() };
    Ok(Given::of(&answer)?.failed_if(failed))
}

/// A flag that neither knows is somebody else's. Where that cannot be told, a stop is sent.
fn is_unknown(call: &Call, site: &StopSite, name: &str) -> bool {
    let is_meant = |rollout: &Rollout| rollout.plan.release == name || rollout.plan.flag == name;
    match site.store() {
        Ok(store) if store.all_rollouts().any(is_meant) => return false,
        Err(_) if site.has_journal() => return false,
        _ => {}
    }
    let loaded = spec::load(&call.setup.dir);
    let mut declared = loaded.releases().into_iter();
    let flag = loaded.flags().any(|flag| flag.key.value == name);
    !loaded.has_errors() && !flag && !declared.any(|known| known.release == name || known.flag == name)
}
