//! `wait`.

use clap::Args;

use super::args::duration;
use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use super::signals;
use crate::control::Site;
use crate::control::drive::goes_on;
use crate::engine::{Phase, Plan, Span, State};
use crate::view::live::Live;
use crate::view::printer::Format;
use crate::view::progress::{WaitAnswer, WaitWord};
use crate::view::safe::safe;
use crate::view::waiting::Waiting;
use crate::view::{status, words};

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
        let result = tokio::select! {
            result = self.look(context, &mut site, &id) => result,
            () = signals::told_to_end() => Ok((WaitWord::Interrupted, Ok(Exit::Interrupted))),
        };
        let (outcome, result) = result?;
        for rollout in status::rows(&mut site, &[id]) {
            context.printer.answer(&WaitAnswer { until: self.until.clone(), outcome, rollout });
        }
        result
    }

    /// Looks until there is something to answer: what came of it, and how it ends.
    async fn look(
        &self,
        context: &Context,
        site: &mut Site,
        id: &str,
    ) -> Result<(WaitWord, Result<Exit, Failure>), Failure> {
        // events are told as they come where the answer is a stream
        let mut live = (context.printer.format == Format::Jsonl).then(|| Live::new(&context.printer));
        let give_up = site.now().plus(self.timeout);
        let mut undriven = 0;
        let mut waiting = Waiting::new(&context.printer);
        loop {
            for (of, step) in site.store.refresh().map_err(Failure::from)? {
                if let (Some(live), Some(rollout)) = (&mut live, site.store.rollout(id).filter(|_| of == id)) {
                    live.step(rollout, &step);
                }
            }
            site.reread();
            let Some(rollout) = site.store.rollout(id) else {
                return Err(Failure::new(Exit::Failed, format!("rollout {id} is not in the journal")));
            };
            let (plan, state, address) = (rollout.plan.clone(), rollout.state.clone(), rollout.address());
            if reached(&plan, &state, &self.until)? {
                return Ok((WaitWord::Reached, Ok(Exit::Done)));
            }
            if !goes_on(rollout) {
                waiting.finish();
                let (phase, why) = (words::phase(rollout), words::why(&state));
                context.printer.err(format!("{}  {phase}  {why}", safe(&address)).trim_end());
                let exit = match ended(rollout) {
                    Exit::Done => Exit::Failed,
                    exit => exit,
                };
                return Ok((WaitWord::Ended, Ok(exit)));
            }
            if site.is_held_for_good(rollout) {
                waiting.finish();
                let holds = site.holds(&plan);
                let why = holds.first().map(|hold| safe(&hold.detail)).unwrap_or_default();
                context.printer.err(&format!("{}  held: {why}", safe(&address)));
                return Ok((WaitWord::Ended, Ok(Exit::NeedsPerson)));
            }
            waiting.say(rollout);
            let driven = site.drivers().iter().any(|driver| driver.drives.contains(&address));
            undriven = if driven { 0 } else { undriven + 1 };
            // a driver that has just begun has not said so yet
            if undriven > 6 {
                let failure = Failure::new(Exit::Unreachable, format!("nobody drives {address}"))
                    .help(format!("flagstaff run {} -e {}", plan.release, plan.environment));
                return Ok((WaitWord::Undriven, Err(failure)));
            }
            if site.now() >= give_up {
                let failure = Failure::new(Exit::TimedOut, format!("{address} is not {} yet", self.until));
                return Ok((WaitWord::TimedOut, Err(failure)));
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
