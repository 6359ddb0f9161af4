//! Backend: an Unleash server, through its Admin API.
//!
//! Exposure is strategies of ours, marked by their titles; off is the environment's switch of the flag, apart from them. The
//! server compares nothing when it writes, so every write stands between two looks at the flag and its events. A
//! strategy is added disabled and enabled by a whole body after that: what is sent twice, or arrives late, adds nobody
//! that was not asked for at some time.

mod api;
mod between;
mod examine;
mod hands;
mod look;
mod mark;
mod off;
mod prepare;
mod rights;
mod strategies;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use self::api::Api;
use self::look::Presence;
use self::strategies::need_segments;
use super::{Backend, BackendError, Expose, Prepare, Standing};
use crate::checkup::Check;
use crate::clock::{Answer, Clock};
use crate::engine::Percentage;
use crate::engine::input::Observed;
use crate::engine::plan::Audience;
use crate::http::{Certificates, Credential};

/// What a server is got at with.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Where the token comes from.
    pub token: Option<Credential>,
    /// Certificates of one's own.
    pub certificates: Certificates,
}

/// An environment of a project of an Unleash server.
#[derive(Clone)]
pub struct Unleash {
    api: Arc<Api>,
    project: String,
    environment: String,
    own_only: bool,
}

impl Unleash {
    /// The server at `url`, a path prefix included. `own_only`: others have strategies in the same flags, and a shutdown
    /// takes away ours only.
    pub fn new(url: &str, project: &str, environment: &str, own_only: bool, access: Access) -> Unleash {
        let url = url.trim_end_matches('/');
        let place = match project {
            "default" => format!("{url} ({environment})"),
            _ => format!("{url} ({project}, {environment})"),
        };
        Unleash {
            api: Arc::new(Api::new(url, place, access)),
            project: project.to_owned(),
            environment: environment.to_owned(),
            own_only,
        }
    }

    fn refused(&self, detail: impl Into<String>) -> BackendError {
        BackendError::Refused { place: self.place(), detail: detail.into() }
    }

    fn conflict(&self, detail: impl Into<String>) -> BackendError {
        BackendError::Conflict { place: self.place(), detail: detail.into() }
    }
}

impl fmt::Debug for Unleash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unleash").field("place", &self.api.place).finish_non_exhaustive()
    }
}

impl Backend for Unleash {
    fn place(&self) -> String {
        self.api.place.clone()
    }

    fn resolution(&self) -> Percentage {
        Percentage::whole(1)
    }

    fn read<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move { Ok(self.look(flag, audiences).await?.observed(audiences)) })
    }

    fn glance<'a>(
        &'a self,
        flag: &'a str,
        audiences: &'a BTreeMap<String, Audience>,
    ) -> Answer<'a, Result<Observed, BackendError>> {
        Box::pin(async move {
            let (mut seen, _) = self.see(flag).await?;
            // what is off reaches nobody, whatever its segments are
            if seen.enabled && need_segments(audiences) {
                seen.segments = self.segments().await?;
            }
            let mut observed = seen.observed(audiences);
            if seen.presence == Presence::There {
                // without the events it says too little to write on
                observed.revision.clear();
            }
            Ok(observed)
        })
    }

    fn expose<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.set(request))
    }

    fn rehearse<'a>(&'a self, request: &'a Expose) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.would_set(request))
    }

    fn switch_off<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.off(flag))
    }

    fn standing<'a>(&'a self, flag: &'a str) -> Answer<'a, Result<Standing, BackendError>> {
        Box::pin(self.stands(flag))
    }

    fn prepare<'a>(&'a self, request: &'a Prepare) -> Answer<'a, Result<(), BackendError>> {
        Box::pin(self.make(request))
    }

    fn examine<'a>(&'a self, clock: &'a dyn Clock) -> Answer<'a, Vec<Check>> {
        Box::pin(self.checks(clock))
    }
}
