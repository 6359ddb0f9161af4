//! What waits beside the journal.

use std::path::Path;

use super::{Doctor, Kind, PATIENCE, Thing, hangs};
use crate::checkup::{Check, Fault};
use crate::clock::within;
use crate::journal::spool::Spool;

impl Doctor {
    /// What waits is counted, and stays where it is.
    pub(super) async fn spool(&self, journal: &Path) -> Thing {
        let spool = Spool::beside(journal);
        let place = spool.folders().first().map(|folder| folder.strip_prefix(&self.dir).unwrap_or(folder));
        let place = place.map(|folder| folder.display().to_string());
        let pending = within(&*self.clock, PATIENCE, tokio::task::spawn_blocking(move || spool.pending())).await;
        let check = match pending {
            Some(Ok(Ok(waiting))) if waiting.is_empty() => Check::fine("waiting", "nothing waits to be recorded"),
            Some(Ok(Ok(waiting))) => {
                let what = match waiting.len() {
                    1 => "1 act waits".to_owned(),
                    more => format!("{more} acts wait"),
                };
                let seen = format!("{what} to be recorded (stops, freezes): nothing grows before that");
                Check::warning("waiting", seen, "whoever records next takes them in: flagstaff run")
            }
            Some(Ok(Err(error))) => {
                let advice = "it may be a stop; nothing grows before it is taken in or moved away";
                Check::failed("waiting", Fault::Unreachable, error.to_string(), advice)
            }
            _ => Check::failed("waiting", Fault::Unreachable, hangs(), "look at the file system that it is on"),
        };
        Thing { kind: Kind::Spool, name: None, place, checks: vec![check] }
    }
}
