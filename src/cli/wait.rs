//! `wait`.

use clap::Args;

use super::args::duration;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use crate::control::drive::goes_on;
use crate::engine::{Phase, Plan, Span, State};
use crate::view::waiting::Waiting;
use crate::view::{safe::safe, words};

/// Wait until a rollout reaches a state
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
    /// The state to wait for: running, paused, stopped, complete, or a stage
    #[arg(long, value_name = "STATE", default_value = "complete")]
    pub(crate) until: String,
    /// Give up after this long
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30m")]
    pub(crate) timeout: Span,
}

impl Wait {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let id = context.rollout(&site, &self.release)?.id.clone();
        let give_up = site.now().plus(self.timeout);
        let mut undriven = 0;
        let mut waiting = Waiting::new(&context.printer);
        loop {
            site.store.refresh().map_err(Failure::from)?;
            let Some(rollout) = site.store.rollout(&id) else { return Ok(Exit::Failed) };
            let (plan, state) = (rollout.plan.clone(), rollout.state.clone());
            if reached(&plan, &state, &self.until)? {
                return Ok(Exit::Done);
            }
            if !goes_on(rollout) {
                waiting.finish();
                let (address, phase, why) = (safe(&rollout.address()), words::phase(rollout), words::why(&state));
                context.printer.err(format!("{address}  {phase}  {why}").trim_end());
                return Ok(match ended(rollout) {
                    Exit::Done => Exit::Failed,
                    exit => exit,
                });
            }
            waiting.say(rollout);
            let address = rollout.address();
            let driven = site.drivers().iter().any(|driver| driver.drives.contains(&address));
            undriven = if driven { 0 } else { undriven + 1 };
            // a driver that has just begun has not said so yet
            if undriven > 6 {
                return Err(Failure::new(Exit::Unreachable, format!("nobody drives {address}"))
                    .help(format!("flagstaff run {} -e {}", plan.release, plan.environment)));
            }
            if site.now() >= give_up {
                return Err(Failure::new(Exit::TimedOut, format!("{address} is not {} yet", self.until)));
            }
            site.clock.sleep_until(site.now().plus(Span::seconds(1)).min(give_up)).await;
        }
    }
}

fn reached(plan: &Plan, state: &State, until: &str) -> Result<bool, Failure> {
    match until {
        "running" => Ok(state.phase == Phase::Running),
        "paused" => Ok(state.phase == Phase::Paused),
        "stopped" => Ok(state.phase == Phase::Stopped && !state.is_stopping()),
        "complete" | "completed" => Ok(state.phase == Phase::Completed),
        stage => match plan.stage_named(stage) {
            Some(index) => Ok(state.phase == Phase::Completed
                || (state.is_live() && state.stage >= index && state.effective.is_some())),
            None => Err(Failure::new(Exit::Usage, format!("there is no state or stage `{stage}`"))
                .help("running, paused, stopped, complete, or a stage's name")),
        },
    }
}
