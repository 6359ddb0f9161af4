//! `start`.

use clap::Args;

use super::args::Growing;
use super::context::{Context, after};
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
    /// Begin at this stage
    #[arg(long, value_name = "STAGE", requires = "again")]
    pub(crate) at: Option<String>,
    /// Take over a flag that another journal drives
    #[arg(long, requires = "reason")]
    pub(crate) take_over: bool,
    #[command(flatten)]
    pub(crate) growing: Growing,
}

impl Start {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let mut worst = Exit::Done;
        for release in &self.releases {
            let environment = context.one_environment(&site, release)?;
            let report = begin(context, &mut site, release, &environment, &self).await?;
            context.answer(&report);
            if let Some(rollout) = site.store.rollout(&report.rollout) {
                let plan = rollout.plan.clone();
                context.say_who_drives(&mut site, &report, &plan);
            }
            worst = worst.worst(after(&report));
        }
        Ok(worst)
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
    if let Ok(resolved) = site.loaded.plan(release, environment) {
        let what = format!("start {}", resolved.plan.address());
        context.confirm(resolved.plan.protected, &resolved.plan.flag, &args.growing, &what)?;
    }
    let options = StartOptions {
        again: args.again,
        at_stage: args.at.clone(),
        take_over: args.take_over,
        reason: args.growing.reason.clone(),
    };
    Ok(site.start(release, environment, &options).await?)
}
