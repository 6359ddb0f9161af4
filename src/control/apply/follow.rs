//! Applying documents whenever they have changed and been left alone, as `apply --yes` would: missing flags are made, off;
//! nothing is adopted and nothing started. With a journal's connection of its own: whoever drives waits for none of it.

use std::path::PathBuf;
use std::sync::Arc;

use super::{FlagChange, Options};
use crate::clock::Clock;
use crate::control::documents::{self, SETTLED, Watched};
use crate::control::site::Site;
use crate::engine::input::Actor;
use crate::engine::{Span, Timestamp};

/// How often it looks whether documents have changed.
const LOOK: Span = Span::seconds(1);
/// What failed is done again after this long.
const AGAIN: Span = Span::minutes(1);

/// What of a project is applied, and as whom.
pub struct Follow {
    /// The project's directory.
    pub dir: PathBuf,
    /// Who applies.
    pub actor: Actor,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The only environment, where there is one.
    pub environment: Option<String>,
}

impl Follow {
    /// Applies the documents as they are now, and again whenever they have changed, until it is dropped. `tell` hears what was
    /// done each time, or why not.
    pub async fn apply(&self, mut tell: impl FnMut(Result<Vec<String>, String>)) {
        let (mut seen, mut due) = (self.look(), Some(self.clock.now()));
        loop {
            let now = self.clock.now();
            if due.is_some_and(|due| now >= due) {
                let done = self.once().await;
                due = done.is_err().then(|| self.clock.now().plus(AGAIN));
                tell(done);
            }
            self.clock.sleep_until(self.clock.now().plus(LOOK)).await;
            due = self.changed(&mut seen).or(due);
        }
    }

    fn look(&self) -> Watched {
        documents::load(&self.dir, &*self.clock).1
    }

    /// From when on changed documents count as left alone; none where they have not changed since the last look.
    fn changed(&self, seen: &mut Watched) -> Option<Timestamp> {
        if !seen.have_changed(&self.dir, &*self.clock) {
            return None;
        }
        *seen = self.look();
        Some(self.clock.now().plus(SETTLED))
    }

    async fn once(&self) -> Result<Vec<String>, String> {
        let opened = Site::open(&self.dir, self.actor.clone(), Arc::clone(&self.clock));
        let mut site = opened.map_err(|error| error.chain())?;
        if let Some(finding) = site.loaded.findings.iter().find(|_| site.loaded.has_errors()) {
            return Err(format!("the documents have errors: {}: {}", finding.at.place(), finding.message));
        }
        let proposed = site.propose(self.environment.as_deref(), &|_, _| {}).await;
        let reason = Some("serve --apply".to_owned());
        let options = Options { adopt: false, start: false, reason };
        let rows = site.apply(&proposed, &options, &|_, _| {}).await.map_err(|error| error.chain())?;
        let unknown = proposed.flags.iter().filter_map(|row| match &row.change {
            FlagChange::Unknown { why, .. } => Some(format!("{}: {why}", row.address())),
            _ => None,
        });
        let failed = rows.iter().filter_map(|row| Some(format!("{}: {}", row.address, row.error.as_ref()?.chain())));
        match unknown.chain(failed).next() {
            Some(why) => Err(why),
            None => Ok(rows.iter().map(|row| format!("{} {}", row.done.word(), row.address)).collect()),
        }
    }
}
