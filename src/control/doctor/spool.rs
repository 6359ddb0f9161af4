//! What waits beside the journal.

use std::path::Path;

use super::{Doctor, Kind, PATIENCE, Thing, hangs};
use crate::checkup::{Check, Fault};
use crate::clock::within;
use crate::control::spooled::look;
use crate::journal::spool::Spool;

impl Doctor {
    /// What waits is counted, and stays where it is.
    pub(super) async fn spool(&self, journal: &Path) -> Thing {
        let spool = Spool::beside(journal);
        let place = spool.folders().first().map(|folder| folder.strip_prefix(&self.dir).unwrap_or(folder));
        let place = place.map(|folder| folder.display().to_string());
        let (put_away, now) = (spool.clone(), self.clock.now());
        let pending = within(&*self.clock, PATIENCE, tokio::task::spawn_blocking(move || look(&spool, now))).await;
        let check = match pending {
            Some(Ok((waiting, refused))) if waiting.is_empty() && refused.is_empty() => {
                Check::fine("waiting", "nothing waits to be recorded")
            }
            Some(Ok((waiting, refused))) if refused.is_empty() => {
                let what = match waiting.len() {
                    1 => "1 act waits".to_owned(),
                    more => format!("{more} acts wait"),
                };
                let seen = format!("{what} to be recorded (stops, freezes): nothing grows before that");
                Check::warning("waiting", seen, "whoever records next takes them in: flagstaff run")
            }
            Some(Ok((_, refused))) => {
                let seen = refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let advice = "it may be a stop; nothing grows before it is taken in or moved away";
                Check::failed("waiting", Fault::Unreachable, seen, advice)
            }
            _ => Check::failed("waiting", Fault::Unreachable, hangs(), "look at the file system that it is on"),
        };
        let mut checks = vec![check];
        let orphans = tokio::task::spawn_blocking(move || put_away.orphans());
        if let Some(Ok(orphans)) = within(&*self.clock, PATIENCE, orphans).await
            && let Some(first) = orphans.first()
        {
            let more = if orphans.len() > 1 { format!(" and {} more", orphans.len() - 1) } else { String::new() };
            let seen = format!("{}{more}: the journal knows no rollout that this is about", first.display());
            checks.push(Check::warning(
                "orphans",
                seen,
                "look whether it was meant for another journal, and remove it",
            ));
        }
        Thing { kind: Kind::Spool, name: None, place, checks }
    }
}
