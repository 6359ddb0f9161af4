//! `mcp`.

use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::signals::{self, Told};
use crate::mcp::{self, Setup};
use crate::spec;
use crate::view::log;
use crate::view::safe::safe;

/// Serve coding assistants over the Model Context Protocol, on stdin and stdout
///
/// An assistant can look, check documents, and propose changes to them. Nothing it calls can start, resume, approve or
/// enlarge a rollout. With --allow-write it may pause and abort, in the environments that are named.
///
/// Ends with 0 once stdin ends, and on SIGTERM. Its log, a line for each call, is on stderr.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    /// Let it pause and abort, in the environments that --env names
    #[arg(long, requires = "env")]
    pub(crate) allow_write: bool,
    /// An environment in which it may; can be given several times
    #[arg(long = "env", value_name = "ENV", requires = "allow_write")]
    pub(crate) env: Vec<String>,
}

impl Mcp {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if context.environment.is_some() {
            return Err(Failure::new(Exit::Usage, "`mcp` answers about all environments")
                .help("leave out -e; --allow-write --env ENV names those in which it may pause and abort"));
        }
        // a name that is written wrong shows here, not in an incident
        if let Ok(project) = spec::project_only(&context.dir) {
            let known: Vec<&str> = project.environments.iter().map(|known| known.name.value.as_str()).collect();
            if let Some(unknown) = self.env.iter().find(|named| !known.contains(&named.as_str())) {
                let why = format!("there is no environment `{}`", safe(unknown));
                return Err(Failure::new(Exit::Usage, why).help(format!("the project has: {}", known.join(", "))));
            }
        }
        let setup = Setup {
            dir: context.dir.clone(),
            person: context.actor().name,
            clock: Arc::clone(&context.clock),
            writable: self.env,
            log: log::log(&context.printer),
        };
        let (send, mut how) = tokio::sync::mpsc::channel(1);
        let ended = async move {
            let _ = send.send(signals::told().await).await;
        };
        let served = mcp::serve(setup, tokio::io::stdin(), tokio::io::stdout(), ended).await;
        if let Err(why) = served {
            // stdout is the client's, also where answers are for machines
            context.printer.err(&format!("error: no session: {}", safe(&why)));
            return Ok(Exit::Failed);
        }
        match how.try_recv() {
            Ok(Told::Interrupt | Told::HangUp) => Ok(Exit::Interrupted),
            _ => Ok(Exit::Done),
        }
    }
}
