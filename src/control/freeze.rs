//! Freezes: rules grow nothing while one holds; safeguards stay armed.

use super::error::ControlError;
use super::record::{FREEZE, FREEZES, Freeze, record};
use super::site::Site;
use super::spooled::SpooledAct;
use super::stop::{Recorded, StopSite};
use super::store::{Batch, Store, is_conflict};
use crate::engine::{Span, Timestamp};
use crate::spec;

/// The name of a freeze. It follows from the scope, and no two scopes share one: a release may be called `all`, or like an
/// environment, and what has a name can be lifted and gone past.
pub fn name(environment: Option<&str>, release: Option<&str>) -> String {
    match (release, environment) {
        // names hold no `@`
        (Some(release), Some(environment)) => format!("freeze-{release}@{environment}"),
        (Some(release), None) => format!("freeze-release-{release}"),
        (None, Some(environment)) => format!("freeze-environment-{environment}"),
        (None, None) => "freeze-all".to_owned(),
    }
}

impl Freeze {
    /// Whether both are of the same release and environment. There is one freeze for each, so that freezing less leaves
    /// the freeze of more alone.
    pub fn same_scope(&self, other: &Freeze) -> bool {
        (&self.release, &self.environment) == (&other.release, &other.environment)
    }
}

impl Store {
    /// Records a freeze or a lift at the journal's end. A freeze never ends a standing one sooner: that would be a lift,
    /// which asks. Returns it as it was recorded.
    ///
    /// # Errors
    /// The journal's, a conflict among them.
    pub(super) fn record_freeze(&mut self, now: Timestamp, freeze: &Freeze) -> Result<Freeze, ControlError> {
        let mut freeze = freeze.clone();
        if freeze.until > freeze.at {
            let standing = self.freezes(now).into_iter().filter(|known| known.same_scope(&freeze));
            freeze.until = standing.map(|known| known.until).fold(freeze.until, Timestamp::max);
        }
        let mut batch = Batch::default();
        batch.put(record(freeze.at, FREEZES, FREEZE, &freeze));
        self.commit(now, batch)?;
        Ok(freeze)
    }
}

impl StopSite {
    /// Freezes an environment, a release, or both; without either, everything. Like every stop it needs the Project
    /// document alone and does not wait for the journal: what cannot be recorded now waits in the spool, and nobody grows
    /// before that is merged.
    pub fn freeze(
        &mut self,
        environment: Option<String>,
        release: Option<String>,
        hold_for: Span,
        reason: Option<String>,
    ) -> (Freeze, Recorded) {
        self.make_journal();
        let now = self.now();
        let name = name(environment.as_deref(), release.as_deref());
        let by = self.actor().clone();
        let freeze =
            Freeze { name, environment, release, until: now.plus(hold_for), at: now, by, reason, spooled: None };
        match self.record(|store| store.record_freeze(now, &freeze)) {
            Ok(recorded) => (recorded, Recorded::Journal),
            Err(why) => {
                let recorded = self.put_aside(now, "freeze", &SpooledAct::Freeze(freeze.clone()), why);
                (freeze, recorded)
            }
        }
    }

    /// The release that is called so, or whose flag is. Where documents or the journal cannot be read, any name may be one.
    pub fn release_called(&self, name: &str) -> Option<String> {
        let loaded = spec::load(self.dir());
        let declared = loaded.releases();
        let begun = || self.store().into_iter().flat_map(Store::rollouts).map(|rollout| &rollout.plan);
        if declared.iter().any(|known| known.release == name) || begun().any(|plan| plan.release == name) {
            return Some(name.to_owned());
        }
        let by_flag = declared.iter().find(|known| known.flag == name).map(|known| known.release.clone());
        let by_flag = by_flag.or_else(|| begun().find(|plan| plan.flag == name).map(|plan| plan.release.clone()));
        let may_be = loaded.has_errors() || (self.store().is_err() && self.has_journal());
        by_flag.or_else(|| may_be.then(|| name.to_owned()))
    }

    /// Freezes that hold, as far as can be told: those in the journal and those that wait beside it. Where the journal
    /// cannot be read, the reason comes second.
    pub fn freezes(&self) -> (Vec<Freeze>, Option<String>) {
        let now = self.now();
        let (recorded, why) = match self.store() {
            Ok(store) => (store.freezes(now).into_iter().cloned().collect(), None),
            Err(_) if !self.has_journal() => (Vec::new(), None),
            Err(why) => (Vec::new(), Some(why.clone())),
        };
        let waiting = self.spooled().into_iter().filter_map(|act| match act {
            SpooledAct::Freeze(freeze) if freeze.until > now => Some(freeze),
            _ => None,
        });
        let mut freezes: Vec<Freeze> = recorded;
        for freeze in waiting {
            match freezes.iter_mut().find(|known| known.same_scope(&freeze)) {
                Some(known) => known.until = known.until.max(freeze.until),
                None => freezes.push(freeze),
            }
        }
        (freezes, why)
    }
}

impl Site {
    /// Until when the freeze of a scope holds that was typed, for whoever is about to lift it.
    ///
    /// # Errors
    /// There is none; where one by date holds, that it stands in the documents.
    pub fn typed_until(&self, environment: Option<&str>, release: Option<&str>) -> Result<Timestamp, ControlError> {
        let found = self.store.freeze_of(self.now(), environment, release).map(|known| known.until);
        found.ok_or_else(|| self.not_typed(&name(environment, release), environment, release))
    }

    /// Why there is nothing to lift: what stands in the documents is changed there, and by nobody who types.
    fn not_typed(&self, name: &str, environment: Option<&str>, release: Option<&str>) -> ControlError {
        let now = self.now();
        let dated = self.dated();
        let meant = dated.meant(environment, release).into_iter().filter(|freeze| freeze.holds_at(now));
        let standing: Vec<String> = meant
            .map(|freeze| format!("`{}` holds until {} and stands in {}", freeze.name, freeze.until, freeze.place))
            .collect();
        let nothing = format!("there is no freeze `{name}`");
        ControlError::NotFound(match standing.is_empty() {
            true => nothing,
            false => format!("{nothing} that was typed; {}: change it there", standing.join("; ")),
        })
    }

    /// Ends the freeze of a scope. `saw` is until when it was to hold, as the person saw it.
    ///
    /// # Errors
    /// No such freeze, one that somebody has changed meanwhile, or the journal's.
    pub fn lift(
        &mut self,
        environment: Option<&str>,
        release: Option<&str>,
        reason: Option<String>,
        saw: Option<Timestamp>,
    ) -> Result<Freeze, ControlError> {
        let name = name(environment, release);
        loop {
            self.hear()?;
            let now = self.now();
            let found = self.store.freeze_of(now, environment, release).cloned();
            let found = found.ok_or_else(|| self.not_typed(&name, environment, release))?;
            if let Some(saw) = saw.filter(|saw| *saw != found.until) {
                let why = format!("`{name}` holds until {} now, not until {saw} as you saw", found.until);
                return Err(ControlError::Failed(why));
            }
            let by = self.actor.clone();
            let lifted = Freeze { until: now, at: now, by, reason: reason.clone(), spooled: None, ..found };
            match self.store.record_freeze(now, &lifted) {
                Err(error) if is_conflict(&error) => {}
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::Actor;
    use crate::journal::sqlite::SqliteJournal;
    use crate::journal::{Journal as _, Sequence};

    fn frozen(name: &str, environment: Option<&str>, release: Option<&str>, until: i64) -> Freeze {
        let by = Actor { name: "ana".to_owned(), known_by: "--as".to_owned() };
        let scope = |name: Option<&str>| name.map(str::to_owned);
        let (environment, release) = (scope(environment), scope(release));
        let name = name.to_owned();
        Freeze {
            name,
            environment,
            release,
            until: Timestamp(until),
            at: Timestamp(1),
            by,
            reason: None,
            spooled: None,
        }
    }

    #[test]
    fn no_two_scopes_share_a_name() {
        let words = [None, Some("all"), Some("production"), Some("release-all"), Some("environment-production")];
        let scopes = words.iter().flat_map(|one| words.iter().map(move |other| (*one, *other)));
        let names: std::collections::BTreeSet<String> =
            scopes.map(|(environment, release)| name(environment, release)).collect();
        assert_eq!(names.len(), words.len() * words.len());
    }

    #[test]
    fn freezes_of_an_older_journal_hold_each_for_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
        // as they were named: everything, a release `all`, an environment and a release of its name
        let old = [
            frozen("freeze-all", None, None, 400),
            frozen("freeze-all", None, Some("all"), 60),
            frozen("freeze-web", Some("web"), None, 400),
            frozen("freeze-web", None, Some("web"), 60),
        ];
        let records: Vec<_> = old.iter().map(|freeze| record(freeze.at, FREEZES, FREEZE, freeze)).collect();
        journal.append(Sequence(0), &records).unwrap();
        let mut store = Store::load(Box::new(journal)).unwrap();
        assert_eq!(store.freezes(Timestamp(50)).len(), 4);
        let names: Vec<&str> = store.freezes(Timestamp(100)).iter().map(|freeze| freeze.name.as_str()).collect();
        assert_eq!(names, ["freeze-all", "freeze-environment-web"]);
        // the lift of one ends that one only, and a shorter one ends none sooner
        let lifted = Freeze { until: Timestamp(1), ..old[2].clone() };
        store.record_freeze(Timestamp(70), &lifted).unwrap();
        let shorter = store.record_freeze(Timestamp(70), &frozen("", None, None, 90)).unwrap();
        assert_eq!(shorter.until, Timestamp(400));
        assert_eq!(store.freezes(Timestamp(100)).len(), 1);
    }
}
