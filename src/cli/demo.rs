//! `demo`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};

/// Show three real rollouts against a small shop with faults, in 90 seconds
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the project in this new directory
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

impl Demo {
    #[cfg(feature = "demo")]
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match crate::demo::run(&context.printer, self.keep.as_deref(), context.clock.clone()).await {
            Ok(true) => Ok(Exit::Done),
            Ok(false) => Err(Failure::new(Exit::Failed, "the demo did not end as described")),
            Err(error) => Err(Failure::new(Exit::Failed, error)),
        }
    }

    #[cfg(not(feature = "demo"))]
    pub(crate) async fn run(self, _: &Context) -> Result<Exit, Failure> {
        Err(Failure::new(Exit::Failed, "this flagstaff was built without its demo"))
    }
}
