//! `watch`.

use clap::Args;

use super::context::{Context, driver_of, ended};
use super::exit::{Exit, Failure};
use super::signals;
use crate::control::drive::goes_on;
use crate::engine::Span;
use crate::view::live::Live;
use crate::view::progress::End;
use crate::view::safe::safe;
use crate::view::{status, words};

/// Show one rollout live
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The release
    #[arg(value_name = "RELEASE")]
    pub(crate) release: String,
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let id = context.rollout(&site, &self.release)?.id.clone();
        let mut live = Live::new(&context.printer);
        let look = async {
            loop {
                for (of, step) in site.store.refresh().map_err(Failure::from)? {
                    if let Some(rollout) = site.store.rollout(&id).filter(|_| of == id) {
                        live.step(rollout, &step);
                    }
                }
                site.reread();
                let drivers = site.drivers();
                let Some(rollout) = site.store.rollout(&id) else { return Ok(Exit::Failed) };
                live.driven = driver_of(&drivers, &rollout.address(), site.now()).is_some();
                live.draw(&[rollout], site.now());
                if !goes_on(rollout) {
                    return Ok(ended(rollout));
                }
                if site.is_held_for_good(rollout) {
                    return Ok(Exit::NeedsPerson);
                }
                site.clock.sleep_until(site.now().plus(Span(500))).await;
            }
        };
        let result = tokio::select! {
            result = look => result,
            () = signals::told_to_end() => Ok(Exit::Interrupted),
        };
        let end = match &result {
            Err(_) => {
                live.leave();
                return result;
            }
            Ok(Exit::Interrupted) => End::Interrupted,
            Ok(_) => End::Done,
        };
        let rows = status::rows(&mut site, std::slice::from_ref(&id));
        let Some(rollout) = site.store.rollout(&id) else { return result };
        live.finish(end, rows, &[rollout], site.now());
        // below the picture: anything in between would be drawn over
        if matches!(result, Ok(Exit::NeedsPerson | Exit::Stopped | Exit::Done)) {
            let (state, why) = (words::phase(rollout), words::why(&rollout.state));
            let line = format!("{}  {state}  {why}", safe(&rollout.address()));
            context.printer.note(line.trim_end());
        }
        result
    }
}
