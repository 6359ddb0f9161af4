//! `run`.

use std::collections::BTreeSet;

use clap::Args;

use super::args::Growing;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use super::start::{Start, begin};
use crate::control::drive::Seen;
use crate::control::{Rollout, Site};
use crate::engine::Phase;
use crate::view::live::Live;
use crate::view::{ending, safe::safe};

/// Drive rollouts in the foreground
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The releases; all of them if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
    /// Evaluate what is due, then end; for cron and CI
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Run {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let wanted = wanted(context, &site, &self.releases)?;
        // sources that read pages need to have looked before anybody is exposed
        let mut ids = BTreeSet::new();
        let mut live = Live::new(&context.printer);
        for (release, environment) in &wanted {
            let phase = site.store.newest(release, environment).map_or(Phase::None, |rollout| rollout.state.phase);
            if phase == Phase::None {
                let args = Start {
                    releases: Vec::new(),
                    again: false,
                    at: None,
                    take_over: false,
                    growing: self.growing.clone(),
                };
                let begun = begin(context, &mut site, release, environment, &args).await?;
                if let Some(rollout) = site.store.rollout(&begun.rollout) {
                    begun.steps.iter().for_each(|step| live.step(rollout, step));
                }
            }
            ids.extend(site.store.newest(release, environment).map(|rollout| rollout.id.clone()));
        }
        let command = if self.once { "run --once" } else { "run" };
        site.declare_driver(command, &context.host());
        let clock = context.clock.clone();
        let interrupted = {
            let mut see = |seen: Seen<'_>| match seen {
                Seen::Step(rollout, step) => live.step(rollout, step),
                Seen::Trouble(error) => live.trouble(error, clock.now()),
                Seen::Pass(rollouts, now) => live.draw(rollouts, now),
            };
            let drive = site.drive(&ids, self.once, &mut see);
            tokio::select! {
                end = drive => { end?; false }
                _ = tokio::signal::ctrl_c() => true,
            }
        };
        site.retire_driver();
        let driven: Vec<&Rollout> = ids.iter().filter_map(|id| site.store.rollout(id)).collect();
        live.finish(&driven, site.now());
        if interrupted {
            let names: String = self.releases.iter().map(|name| format!(" {}", safe(name))).collect();
            let on = context.environment.as_ref().map(|name| format!(" -e {}", safe(name))).unwrap_or_default();
            context.printer.err("interrupted: exposure stays as it is, and nothing grows while nobody drives");
            context.printer.err(&format!("go on with: flagstaff run{names}{on}"));
            return Ok(Exit::Interrupted);
        }
        // one pass of many leaves what runs to the next pass
        let left: Vec<&Rollout> = driven
            .iter()
            .copied()
            .filter(|rollout| !self.once || rollout.state.waits_for_approval(&rollout.plan))
            .collect();
        if !context.printer.machine() {
            ending::lines(&left).iter().for_each(|line| context.printer.note(line));
        }
        let mut worst = Exit::Done;
        for rollout in driven {
            // only what was named on the command line is answered for
            if self.releases.contains(&rollout.plan.release) {
                worst = worst.worst(ended(rollout));
            }
        }
        Ok(worst)
    }
}

/// Which releases and environments are meant: named ones, or all declared ones.
fn wanted(context: &Context, site: &Site, named: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut wanted = Vec::new();
    for known in site.loaded.releases() {
        if !named.is_empty() && !named.contains(&known.release) {
            continue;
        }
        for environment in known.environments {
            let is_meant = context.environment.as_ref().is_none_or(|meant| *meant == environment);
            let has_begun = site.store.newest(&known.release, &environment).is_some();
            // without -e only what runs already is driven everywhere; starting names one environment
            if is_meant && (has_begun || context.environment.is_some() || !named.is_empty()) {
                wanted.push((known.release.clone(), environment));
            }
        }
    }
    for rollout in site.store.rollouts().filter(|rollout| rollout.state.is_live()) {
        let key = (rollout.plan.release.clone(), rollout.plan.environment.clone());
        let is_meant = (named.is_empty() || named.contains(&key.0))
            && context.environment.as_ref().is_none_or(|meant| *meant == key.1);
        if is_meant && !wanted.contains(&key) {
            // its document is gone: it goes on by its pinned plan
            wanted.push(key);
        }
    }
    if let Some(name) = named.iter().find(|name| !wanted.iter().any(|(release, _)| release == *name)) {
        return Err(Failure::new(Exit::Failed, format!("there is no release `{name}`")));
    }
    let starts: Vec<&(String, String)> =
        wanted.iter().filter(|(release, environment)| site.store.newest(release, environment).is_none()).collect();
    if context.environment.is_none() && starts.len() > 1 {
        let known: Vec<&str> = starts.iter().map(|(_, environment)| environment.as_str()).collect();
        return Err(Failure::new(Exit::Usage, "it would start in several environments")
            .help(format!("name one of them with -e: {}", known.join(", "))));
    }
    Ok(wanted)
}
