//! `start`.

use clap::Args;

use super::args::Growing;
use super::context::Context;
use super::exit::{Exit, Failure};
use crate::control::{CommandReport, Site, StartOptions};

/// Start rollouts: pin the plan and expose the first stage
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The releases
    #[arg(value_name = "RELEASE", required = true)]
    pub(crate) releases: Vec<String>,
    /// Start anew after an end
    #[arg(long)]
    pub(crate) again: bool,
    /// With --again, begin at this stage instead of the first one
    #[arg(long, value_name = "STAGE", requires = "again")]
    pub(crate) at: Option<String>,
    /// Take over a flag that another journal drives, or whose stop cannot be confirmed any more
    #[arg(long, requires = "reason")]
    pub(crate) take_over: bool,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Start {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let named: Vec<Result<String, Failure>> =
            self.releases.iter().map(|release| context.one_environment(&site, release)).collect();
        let named: Vec<String> = named.into_iter().collect::<Result<_, _>>()?;
        let mut results = Vec::new();
        // one that cannot start does not keep the others back
        for (release, environment) in self.releases.iter().zip(named) {
            results.push(begin(context, &mut site, release, &environment, &self).await);
        }
        let begun: Vec<CommandReport> = results.iter().filter_map(|result| result.as_ref().ok()).cloned().collect();
        let exit = context.answer(results);
        for report in begun {
            let plan = site.store.rollout(&report.rollout).map(|rollout| rollout.plan.clone());
            if let Some(plan) = plan {
                context.say_who_drives(&mut site, &report, &plan).await;
            }
        }
        exit
    }
}

/// Starts one release, confirmed where the environment is protected.
pub(crate) async fn begin(
    context: &Context,
    site: &mut Site,
    release: &str,
    environment: &str,
    args: &Start,
) -> Result<CommandReport, Failure> {
    let saw = Some(site.seen_of(release, environment));
    if let Ok(resolved) = site.loaded.plan(release, environment) {
        let what = format!("start {}", resolved.plan.address());
        context.confirm(resolved.plan.protected, &resolved.plan.flag, &args.growing, &what)?;
    }
    let options = StartOptions {
        again: args.again,
        at_stage: args.at.clone(),
        take_over: args.take_over,
        reason: args.growing.reason.clone(),
        saw,
        plan: None,
    };
    Ok(site.start(release, environment, &options).await?)
}
