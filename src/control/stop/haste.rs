//! What a stop does while the journal is still being read: its disk may be slow, or hang.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{Either, join_all, select};

use super::stopping::{Haste, Stopping};
use super::{StopKind, StopSite, spooled};
use crate::control::spooled::Aside;
use crate::engine::Timestamp;

/// A stop that was begun before the journal was known.
pub(super) struct Hasty {
    pub(super) environment: String,
    /// The flag that the documents, or the name itself, say it is about.
    pub(super) flag: String,
    /// The off, if it was sent.
    pub(super) haste: Option<Haste>,
    /// Where the stop waits to be recorded.
    pub(super) waits: std::io::Result<PathBuf>,
}

impl StopSite {
    /// What the documents and the name say is stopped while the journal is read, and waits beside it to be recorded. Each
    /// off is sent again until it is read back. What the journal says once it is there is left to the caller; it is not
    /// waited for longer than until `give_up`.
    pub(super) async fn act_in_haste(
        &mut self,
        targets: &[(String, String)],
        is_named: bool,
        kind: StopKind,
        reason: Option<&str>,
        give_up: Timestamp,
    ) -> Vec<Hasty> {
        self.look_up_flags(targets);
        let sites: Vec<Stopping> = targets.iter().map(|(name, environment)| self.begin(name, environment)).collect();
        let issued = self.issued(kind, reason);
        let waiting: Vec<std::io::Result<Aside>> = sites
            .iter()
            .map(|site| {
                let act = spooled(None, &site.flag, &site.environment, issued.clone());
                self.begin_aside(issued.at, "stop", &act)
            })
            .collect();
        let haste = match kind {
            StopKind::Abort => self.send_in_haste(&sites, give_up).await,
            StopKind::Pause => {
                // it is done with what waits: only where it is to go may stand in the journal alone
                if !is_named || sites.is_empty() {
                    self.finish_reading(give_up).await;
                }
                vec![None; sites.len()]
            }
        };
        let begun = sites.into_iter().zip(haste).zip(waiting);
        let begun = begun.map(|((site, haste), aside)| {
            let waits = aside.and_then(Aside::waits);
            Hasty { environment: site.environment, flag: site.flag, haste, waits }
        });
        begun.collect()
    }

    async fn send_in_haste(&mut self, sites: &[Stopping], give_up: Timestamp) -> Vec<Option<Haste>> {
        let clock = Arc::clone(&self.clock);
        let told: Vec<Mutex<Option<Haste>>> = sites.iter().map(|_| Mutex::new(None)).collect();
        {
            let offs = join_all(sites.iter().zip(&told).map(|(site, told)| {
                let tell = |haste| *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(haste);
                site.off_in_haste(give_up, &*clock, tell)
            }));
            let reading = std::pin::pin!(self.finish_reading(give_up));
            match select(offs, reading).await {
                Either::Left((_, reading)) => _ = reading.await,
                // all of it is done again on what the journal says
                Either::Right((true, _)) => {}
                Either::Right((false, offs)) => _ = offs.await,
            }
        }
        let has_come = !self.is_reading();
        let told = told.into_iter().map(|told| told.into_inner().unwrap_or_else(PoisonError::into_inner));
        let kept = |haste: Haste| if has_come { Haste { done: None, ..haste } } else { haste };
        told.map(|haste| haste.map(kept)).collect()
    }
}

impl Hasty {
    /// The one of an environment, once.
    pub(super) fn take(all: &mut Vec<Hasty>, environment: &str) -> Option<Hasty> {
        let found = all.iter().position(|hasty| hasty.environment == environment)?;
        Some(all.swap_remove(found))
    }

    /// There is nothing to be recorded in an environment.
    pub(super) fn take_back(all: &mut Vec<Hasty>, environment: &str) {
        Hasty::take(all, environment).into_iter().for_each(Hasty::forget);
    }

    /// It does not wait any more. One that was merged meanwhile is gone already, and was merged once.
    pub(super) fn forget(self) {
        if let Ok(path) = self.waits {
            let _ = std::fs::remove_file(path);
        }
    }
}
