//! `status`.

use clap::Args;

use super::context::{Context, ended};
use super::exit::{Exit, Failure};
use crate::view::status::{self, StatusAnswer, StatusRow, row};

/// Show where every rollout is
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The releases; all of them if none is named
    #[arg(value_name = "RELEASE")]
    pub(crate) releases: Vec<String>,
}

impl Status {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut site = context.site()?;
        let drivers = site.drivers();
        let driver = |address: &str| {
            let driving = drivers.iter().find(|driver| driver.drives.iter().any(|driven| driven == address));
            driving.map(|driver| format!("{}@{}", driver.command, driver.host))
        };
        let rows: Vec<StatusRow> = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.is_empty() || self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment))
            .map(|rollout| row(rollout, driver(&rollout.address())))
            .collect();
        let now = site.now();
        let frozen: Vec<String> = site
            .store
            .freezes(now)
            .into_iter()
            .map(|freeze| format!("{} until {}", freeze.name, freeze.until))
            .collect();
        if context.printer.machine() {
            context.printer.json(&StatusAnswer { schema: "flagstaff/status/v1", rollouts: rows, frozen });
        } else {
            status::print(&context.printer, &rows, &frozen);
            let waiting = site.spool.pending().len();
            if waiting > 0 {
                context.printer.err(&format!("{waiting} stops wait beside the journal; the next driver takes them in"));
            }
        }
        let named = site
            .store
            .rollouts()
            .filter(|rollout| self.releases.contains(&rollout.plan.release))
            .filter(|rollout| context.environment.as_ref().is_none_or(|meant| *meant == rollout.plan.environment));
        Ok(named.fold(Exit::Done, |worst, rollout| worst.worst(ended(&rollout.state))))
    }
}
