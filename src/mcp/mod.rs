//! The same calls for coding assistants: a Model Context Protocol server.
//!
//! Every call loads the documents and the journal anew, as a command does. Nothing here can grow exposure: the only calls
//! of `control` that write are those of `pause` and `abort`, and they are there only where a person has named environments.

mod answer;
mod caller;
mod lines;
mod problem;
mod prompts;
mod resources;
mod server;
mod tools;
mod trail;
mod uri;

use std::path::PathBuf;
use std::sync::Arc;

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use self::lines::Lines;
use self::server::Server;
use self::trail::Trail;
use crate::clock::{Clock, within};
use crate::engine::Span;
use crate::serve::line::{Level, Line, Log};

/// So many calls that read run at once; more of them wait.
const READS: usize = 4;
/// So many stops run at once: they never wait for what reads.
const STOPS: usize = 32;
/// A client that has gone is not waited for, a stop that it asked for is: so long.
const LEAVE_WITHIN: Span = Span::seconds(15);

/// What a person set when they started it.
pub struct Setup {
    /// The project's directory.
    pub dir: PathBuf,
    /// The person for whom the assistant works.
    pub person: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The environments in which exposure may be reduced; none: nothing is written.
    pub writable: Vec<String>,
    /// Where each call is told.
    pub log: Log,
}

impl Setup {
    fn tell(&self, line: &Line) {
        (self.log)(line);
    }

    fn line(&self, level: Level, event: &'static str) -> Line {
        Line::new(self.clock.now(), level, event)
    }
}

/// Answers a client until it has gone, or until `ended`. Stops that are under way come to their end.
///
/// # Errors
/// Why there was no session at all.
pub async fn serve(
    setup: Setup,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    ended: impl Future<Output = ()>,
) -> Result<(), String> {
    let setup = Arc::new(setup);
    let stops = Arc::new(Semaphore::new(STOPS));
    let lines = Lines::new(input, output, Arc::clone(&setup));
    let trail = Arc::new(Trail::default());
    let server =
        Server::new(Arc::clone(&setup), Arc::new(Semaphore::new(READS)), Arc::clone(&stops), Arc::clone(&trail));
    let session = async {
        match server.serve(lines).await {
            Ok(running) => running.waiting().await.map(|_| ()).map_err(|error| error.to_string()),
            // it went before it said anything
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    };
    let served = tokio::select! {
        served = session => served,
        () = ended => Ok(()),
        () = trail.keep_now_and_then(&setup) => Ok(()),
    };
    let all = u32::try_from(STOPS).unwrap_or(u32::MAX);
    if within(&*setup.clock, LEAVE_WITHIN, stops.acquire_many(all)).await.is_none() {
        let then = "whoever drives next carries it out";
        setup.tell(&setup.line(Level::Warn, "left").with("why", "a stop has no end yet").with("then", then));
    }
    trail.keep(&setup).await;
    served
}
