//! The journal, what waits beside it, and who drives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Doctor, Kind, PATIENCE, Thing, hangs, many};
use crate::checkup::{Check, Fault};
use crate::clock::{Clock, within};
use crate::control::drive::{alive, goes_on};
use crate::control::error::ControlError;
use crate::control::observe::{self, Ear};
use crate::control::spooled::look;
use crate::control::store::{Rollout, Store};
use crate::engine::Timestamp;
use crate::journal::JournalError;
use crate::journal::spool::Spool;
use crate::journal::sqlite::SqliteJournal;
use crate::spec::documents;

/// How long another process' lock is waited for: a commit takes milliseconds.
const LOCKED_AT_MOST: Duration = Duration::from_secs(1);
/// More rollouts that nobody drives are counted.
const NAMED_AT_MOST: usize = 5;

/// What was found, as soon as it was.
enum Found {
    Journal(Check),
    Driver(Check),
}

impl Doctor {
    /// The journal, the spool and the driver. A long journal is read for as long as there is patience.
    pub(super) async fn journal(&self, environment: Option<&str>) -> Vec<Thing> {
        let journal = self.project.as_ref().map_or(documents::JOURNAL, |project| project.journal.as_str());
        let path = self.dir.join(journal);
        let (tell, mut told) = unbounded_channel();
        let look = Look { path: path.clone(), ear: self.ear.clone(), now: self.clock.now(), tell };
        let environment = environment.map(str::to_owned);
        // reading may hang in the system, which no runtime can end
        std::thread::spawn(move || look.at_everything(environment.as_deref()));
        let (checks, driver) = heard(&*self.clock, &mut told).await;
        let thing = |kind, place, checks| Thing { kind, name: None, place, checks };
        let mut things = vec![thing(Kind::Journal, Some(journal.to_owned()), checks), self.spool(&path).await];
        if !driver.is_empty() {
            things.push(thing(Kind::Driver, None, driver));
        }
        things
    }

    async fn spool(&self, journal: &Path) -> Thing {
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

/// What came before patience ran out: about the journal, and about the driver.
async fn heard(clock: &dyn Clock, told: &mut UnboundedReceiver<Found>) -> (Vec<Check>, Vec<Check>) {
    let (mut checks, mut driver) = (Vec::new(), Vec::new());
    let all = within(clock, PATIENCE, async {
        while let Some(found) = told.recv().await {
            match found {
                Found::Journal(check) => checks.push(check),
                Found::Driver(check) => driver.push(check),
            }
        }
    });
    if all.await.is_none() {
        checks.push(match checks.is_empty() {
            true => Check::failed("file", Fault::Unreachable, hangs(), "look at the file system that it is on"),
            // what is long is no fault of its own
            false => Check::warning(
                "chain",
                format!("it is long, and was not read to its end within {} s", PATIENCE.0 / 1000),
                "flagstaff audit verify",
            ),
        });
    }
    (checks, driver)
}

/// A look at the journal from a thread of its own.
struct Look {
    path: PathBuf,
    ear: Option<Ear>,
    now: Timestamp,
    tell: UnboundedSender<Found>,
}

impl Look {
    fn at_everything(&self, environment: Option<&str>) {
        // an empty file would be made a journal by opening it
        if std::fs::metadata(&self.path).is_ok_and(|about| about.len() == 0) {
            return self.none_yet();
        }
        let journal = match SqliteJournal::open_existing(&self.path, LOCKED_AT_MOST) {
            Ok(Some(journal)) => journal,
            Ok(None) => return self.none_yet(),
            Err(error) => return self.say(failed("file", &error)),
        };
        let mut journal = observe::journal(self.ear.as_ref(), Box::new(journal));
        self.say(match journal.head() {
            Ok(head) => Check::fine("file", format!("journal {}, records: {}", journal.id(), head.sequence.0)),
            Err(error) => return self.say(failed("file", &error)),
        });
        self.say(match journal.could_append() {
            Ok(()) => Check::fine("writable", "its lock can be had"),
            Err(error) => failed("writable", &error),
        });
        match Store::load(journal) {
            Ok(store) => {
                self.say(Check::fine("chain", "every record follows the one before it"));
                self.tell(Found::Driver(self.driver(store, environment)));
            }
            Err(ControlError::Journal(error)) => self.say(failed("chain", &error)),
            Err(error) => {
                let advice = "flagstaff audit verify";
                self.say(Check::failed("chain", Fault::Unreachable, error.to_string(), advice));
            }
        }
    }

    /// The first start makes it, and its folder: where it can.
    fn none_yet(&self) {
        self.say(Check::fine("file", "none yet: the first start makes it"));
        let whole = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let there = whole.ancestors().skip(1).find(|folder| folder.exists());
        let could_make = there.map(|folder| access(folder, Access::WRITE_OK | Access::EXEC_OK));
        self.say(match could_make {
            Some(Err(error)) => {
                let seen = format!("it cannot be made: {}", std::io::Error::from(error));
                let advice = "let flagstaff's user write into its folder, or name another place with `journal:`";
                Check::failed("writable", Fault::Unreachable, seen, advice)
            }
            _ => Check::fine("writable", "it could be made"),
        });
    }

    fn driver(&self, mut store: Store, environment: Option<&str>) -> Check {
        let drivers = alive(store.journal().drivers().unwrap_or_default(), self.now);
        let meant =
            |rollout: &&Rollout| goes_on(rollout) && environment.is_none_or(|meant| meant == rollout.plan.environment);
        let (driven, left): (Vec<String>, Vec<String>) = store
            .rollouts()
            .filter(meant)
            .map(Rollout::address)
            .partition(|address| drivers.iter().any(|driver| driver.drives.contains(address)));
        match (driven.len(), left.len()) {
            (0, 0) => Check::fine("driver", "no rollout is under way"),
            (under_way, 0) => {
                let mut names: Vec<String> =
                    drivers.iter().map(|driver| format!("{}@{}", driver.command, driver.host)).collect();
                names.dedup();
                Check::fine(
                    "driver",
                    format!("{} under way, driven by {}", many(under_way, "rollout"), names.join(", ")),
                )
            }
            _ => {
                let mut seen = left.iter().take(NAMED_AT_MOST).cloned().collect::<Vec<_>>().join(", ");
                if let Some(more) = left.len().checked_sub(NAMED_AT_MOST).filter(|more| *more > 0) {
                    seen = format!("{seen} and {more} more");
                }
                let seen = format!("nobody drives {seen}: nothing advances there, and no safeguard stops it");
                Check::warning("driver", seen, "start a driver: flagstaff run")
            }
        }
    }

    fn say(&self, check: Check) {
        self.tell(Found::Journal(check));
    }

    fn tell(&self, found: Found) {
        // whoever lost patience does not hear it
        let _ = self.tell.send(found);
    }
}

/// What went wrong, without the place: that stands above.
fn failed(name: &'static str, error: &JournalError) -> Check {
    let (seen, advice) = match error {
        JournalError::Unusable { detail, .. } => (
            detail.clone(),
            "mend it, or bring back a copy; meanwhile `abort`, `pause` and `freeze` work without it, and nothing grows",
        ),
        other => (other.to_string(), "use the version that wrote it, or a newer one"),
    };
    Check::failed(name, Fault::Unreachable, seen, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkup::Health;
    use crate::clock::Answer;

    /// Patience is over as soon as nothing comes at once.
    struct Hasty;

    impl Clock for Hasty {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn sleep_until(&self, _: Timestamp) -> Answer<'_, ()> {
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn a_long_journal_is_a_warning_and_one_that_hangs_a_failure() {
        let (tell, mut told) = unbounded_channel();
        let (checks, _) = heard(&Hasty, &mut told).await;
        assert_eq!((checks[0].name, checks[0].health), ("file", Health::Failed(Fault::Unreachable)));
        let file = Check::fine("file", "there");
        assert!(tell.send(Found::Journal(file.clone())).is_ok());
        let (checks, _) = heard(&Hasty, &mut told).await;
        assert_eq!((&checks[0], checks[1].name, checks[1].health), (&file, "chain", Health::Warning));
        drop(tell);
        assert_eq!(heard(&Hasty, &mut told).await, (Vec::new(), Vec::new()));
    }
}
