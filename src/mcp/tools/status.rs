//! `status`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Call, Does, Meant, Tool, input};
use crate::control::served::Served;
use crate::control::site::no_release;
use crate::control::stop::StopSite;
use crate::control::{Rollout, Site};
use crate::engine::Span;
use crate::mcp::answer::Given;
use crate::mcp::problem::{FAILED, Problem, USAGE};
use crate::spec;
use crate::view::freezes;
use crate::view::safe::safe;
use crate::view::served::{ServedRow, served_row};
use crate::view::status::{self, StatusAnswer};

/// So many rollouts unless more or fewer are asked for.
const ROLLOUTS: usize = 50;
/// Of so many rollouts at most it is read what their backends serve, and for so long.
const LOOKED_AT: usize = 200;
const LOOK: Span = Span::seconds(2);

pub(super) static TOOL: Tool = Tool {
    name: "status",
    title: "Where every rollout is",
    description: "Shows where rollouts are: state, stage, who gets the feature, why one is paused or stopped, who drives it, \
                  and freezes. Those that need a person come first where the list is cut; `left_out` counts the rest. The \
                  same document as `flagstaff status -o json`. Works while documents are broken or the journal is gone.",
    input: input::<Wanted>,
    output: Some("status"),
    open_world: true,
    does: Does::Read,
    run: |call| Box::pin(status(call)),
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// One release only, by its name or as `release@environment`.
    #[serde(default)]
    #[schemars(with = "String")]
    release: Option<String>,
    /// One environment only.
    #[serde(default)]
    #[schemars(with = "String")]
    environment: Option<String>,
    /// At most so many rollouts; 50 unless named.
    #[serde(default)]
    #[schemars(with = "u32", range(min = 1, max = 500))]
    limit: Option<usize>,
}

/// Which rollouts are meant.
struct Which {
    release: Option<String>,
    environment: Option<String>,
}

impl Which {
    fn wants(&self, release: &str, environment: &str) -> bool {
        self.release.as_deref().is_none_or(|meant| meant == release)
            && self.environment.as_deref().is_none_or(|meant| meant == environment)
    }
}

async fn status(call: Call) -> Result<Given, Problem> {
    let wanted: Wanted = call.arguments()?;
    let which = match wanted.release {
        Some(release) => {
            let Meant { release, environment } = Meant::of(&release, wanted.environment.as_deref());
            Which { release: Some(release), environment }
        }
        None => Which { release: None, environment: wanted.environment },
    };
    let mut answer = match call.site_at_once() {
        Ok(site) if site.store.rollouts().next().is_some() => {
            let begun = site.store.rollouts().map(|rollout| rollout.plan.release.clone());
            let declared = site.loaded.releases().into_iter().map(|known| known.release);
            refuse_unknown(&which, declared.chain(begun).collect())?;
            refuse_elsewhere(&which, &site)?;
            of_site(site, &which).await
        }
        // a journal that knows nothing may stand where another one was lost
        _ => without_documents(&which, &call).await?,
    };
    answer.shorten(wanted.limit.unwrap_or(ROLLOUTS).clamp(1, 500));
    Given::of(&answer)
}

/// A name that is written wrong must not look like one of which nothing is to be told.
fn refuse_unknown(which: &Which, known: Vec<String>) -> Result<(), Problem> {
    let Some(name) = which.release.as_ref().filter(|name| !known.contains(name)) else { return Ok(()) };
    let why = no_release(name, known.into_iter());
    Err(Problem::new(FAILED, safe(&why), Some("the tool `find_flag` lists releases and flags")))
}

/// As [`refuse_unknown`], of environments.
fn refuse_elsewhere(which: &Which, site: &Site) -> Result<(), Problem> {
    let Some(environment) = &which.environment else { return Ok(()) };
    let declared = site.loaded.project().map(|project| project.environments.as_slice()).unwrap_or_default();
    let declared = declared.iter().map(|known| known.name.value.as_str());
    let begun = site.store.rollouts().map(|rollout| rollout.plan.environment.as_str());
    let known: BTreeSet<&str> = declared.chain(begun).collect();
    if known.contains(environment.as_str()) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    let why = format!("there is no environment `{environment}`; the project has: {}", known.join(", "));
    Err(Problem::new(USAGE, safe(&why), None))
}

/// With a broken Project document, or without a journal that knows anything.
async fn without_documents(which: &Which, call: &Call) -> Result<StatusAnswer, Problem> {
    let setup = &call.setup;
    let site = StopSite::open(&setup.dir, call.caller.actor(&setup.person), Arc::clone(&setup.clock))?;
    match site.store().is_ok() && !site.knows_nothing() {
        true => Ok(by_pinned_plans(site, which, call)),
        false => without_journal(&site, which, call).await,
    }
}

async fn of_site(mut site: Site, which: &Which) -> StatusAnswer {
    let meant = |rollout: &&Rollout| which.wants(&rollout.plan.release, &rollout.plan.environment);
    let ids: Vec<String> = site.store.rollouts().filter(meant).map(|rollout| rollout.id.clone()).collect();
    let mut rollouts = status::rows(&mut site, &ids);
    let looks = if ids.len() <= LOOKED_AT { site.drift_soon(&ids, LOOK).await } else { Vec::new() };
    for drift in &looks {
        rollouts.iter_mut().filter(|row| row.address == drift.address).for_each(|row| row.see(drift));
    }
    StatusAnswer {
        rollouts,
        freezes: site.store.freezes(site.now()).into_iter().map(freezes::row).collect(),
        dated: freezes::dated(&site.dated(), site.now()),
        spooled: site.spool.waiting(),
        orphans: paths(&site.spool.orphans()),
        journal: None,
        served: None,
        left_out: None,
    }
}

/// Where the Project document cannot be read the journal tells all the same.
fn by_pinned_plans(mut site: StopSite, which: &Which, call: &Call) -> StatusAnswer {
    let (drivers, now) = (site.drivers(), call.setup.clock.now());
    let meant = |rollout: &&Rollout| which.wants(&rollout.plan.release, &rollout.plan.environment);
    let store = site.store().ok();
    let rollouts =
        store.map(|store| status::rows_of(store.rollouts().filter(meant), &drivers, now)).unwrap_or_default();
    StatusAnswer {
        rollouts,
        freezes: site.freezes().0.iter().map(freezes::row).collect(),
        dated: freezes::dated(site.dated(), now),
        spooled: site.waiting(),
        orphans: paths(&site.orphans()),
        journal: None,
        served: None,
        left_out: None,
    }
}

/// What the backends serve is what is left to be told.
async fn without_journal(site: &StopSite, which: &Which, call: &Call) -> Result<StatusAnswer, Problem> {
    let served = site.served().await;
    let lost = site.has_journal() && served.iter().any(Served::is_of_a_rollout);
    let wanted = served.iter().filter(|served| which.wants(&served.release, &served.environment));
    let rows: Vec<ServedRow> = wanted.map(served_row).collect();
    let journal = match (site.has_journal(), site.store()) {
        (true, Err(why)) => Some(why.clone()),
        (true, Ok(_)) if lost => Some(format!(
            "the one at {} knows no rollout, and flags are on: another one was lost",
            site.journal_place()
        )),
        (false, _) if rows.iter().any(ServedRow::may_reach) => {
            Some(format!("there is none at {}", site.journal_place()))
        }
        _ => None,
    };
    if journal.is_none() {
        let declared = spec::load(&call.setup.dir).releases().into_iter().map(|known| known.release);
        refuse_unknown(which, declared.collect())?;
    }
    Ok(StatusAnswer {
        rollouts: Vec::new(),
        freezes: site.freezes().0.iter().map(freezes::row).collect(),
        dated: freezes::dated(site.dated(), call.setup.clock.now()),
        spooled: site.waiting(),
        orphans: paths(&site.orphans()),
        journal,
        served: Some(rows),
        left_out: None,
    })
}

fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}
