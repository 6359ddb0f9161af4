//! A stop in one environment: what was there before, and acting on every backend that may serve the flag.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::StopKind;
use super::report::StopOutcome;
use super::was::Was;
use crate::backend::{Backend, BackendError};
use crate::clock::{Clock, within};
use crate::control::effects::FORMER_PATIENCE;
use crate::engine::input::Observed;
use crate::engine::plan::{Audience, Stage};
use crate::engine::{Exposure, Percentage, Phase, Plan, Span, State, Timestamp};

/// How long one try at a backend may take.
const TRY: Span = Span::seconds(5);
/// How long a stop looks at what was there before it acts: only its answer to the person depends on that.
const LOOK_FIRST: Span = Span(200);
/// How long between tries.
const BETWEEN: Span = Span(250);

/// What is known about a stop before it acts.
pub(super) struct Stopping {
    /// `release@environment`, or `flag@environment`.
    pub(super) address: String,
    pub(super) flag: String,
    pub(super) environment: String,
    /// Its rollout, where the journal can be read and knows one.
    pub(super) id: Option<String>,
    pub(super) plan: Option<Arc<Plan>>,
    /// Definitions of the plan's audiences, or else of the documents'.
    pub(super) audiences: BTreeMap<String, Audience>,
    pub(super) before: Option<State>,
    /// The place of the plan's own backend.
    pub(super) pinned: Option<String>,
    /// Every backend that the plan or the present project names.
    pub(super) backends: Vec<Arc<dyn Backend>>,
    /// Every backend that only an earlier plan of the rollout named.
    pub(super) former: Vec<Arc<dyn Backend>>,
    /// Why the documents' own backend cannot be had, where the documents name the environment and not how it is got at.
    pub(super) unusable: Option<String>,
    /// What was done in haste, if anything was: what is seen after that is no "before".
    pub(super) haste: Option<Haste>,
}

/// An off that was sent before the journal was read.
#[derive(Clone)]
pub(super) struct Haste {
    /// What the flag was before.
    pub(super) was: Was,
    /// Where it was sent to.
    pub(super) places: Vec<String>,
    /// What came of it, where it stays at that: the journal did not come.
    pub(super) done: Option<Off>,
}

/// What every address shows once it is off at all of them, the one first that the rollout is judged by.
pub(super) type Off = Result<Vec<Observed>, NotYet>;

/// What came of a stop at an address that the rollout has left.
enum Left {
    Off,
    /// It still shows it, for people.
    On(String),
    /// Nobody knows; its place.
    Unreached(String),
}

/// What came of acting.
pub(super) struct Acted {
    pub(super) outcome: StopOutcome,
    /// As it was read back at the first address once it was off at all of them.
    pub(super) off: Option<Observed>,
    /// Places that the rollout has left, and that did not say whether it is off there.
    pub(super) unreached: Vec<String>,
}

impl From<StopOutcome> for Acted {
    fn from(outcome: StopOutcome) -> Acted {
        Acted { outcome, off: None, unreached: Vec::new() }
    }
}

/// Whether an outcome says that the flag was found, and is off.
pub(super) fn switched_off(outcome: &StopOutcome) -> bool {
    matches!(outcome, StopOutcome::Off { .. } | StopOutcome::AlreadyOff)
}

/// Why a flag could not be read back as off.
#[derive(Clone)]
pub(super) struct NotYet {
    why: String,
    /// Whether asking again will not help.
    for_good: bool,
    /// Whether the backend does not let us.
    not_authorised: bool,
}

type Read = Option<Result<Observed, BackendError>>;

impl Stopping {
    /// How to undo an abort.
    pub(super) fn undo(&self) -> Option<String> {
        let (plan, before) = (self.plan.as_ref()?, self.before.as_ref()?);
        if before.phase == Phase::Stopped {
            return None;
        }
        // a start begins at everybody only where the template allows that
        let may_start =
            |stage: &&Stage| stage.exposure.percentage != Percentage::FULL || plan.full_start_reason.is_some();
        let stage = plan.stages.iter().take(before.stage + 1).rev().find(may_start)?.name.clone();
        Some(format!("flagstaff start {} -e {} --again --at {stage}", plan.release, self.environment))
    }

    /// Acts. `journal_is_known`: a flag without a rollout and without a place at the backend is no flag.
    pub(super) async fn act(
        &self,
        kind: StopKind,
        journal_is_known: bool,
        give_up: Timestamp,
        clock: &dyn Clock,
    ) -> Acted {
        match (kind, &self.before) {
            (StopKind::Pause, Some(state)) => Acted::from(match state.phase {
                Phase::Running | Phase::Paused => StopOutcome::Paused { still: self.still_on(state, clock).await },
                phase => StopOutcome::NothingToPause { phase },
            }),
            (StopKind::Pause, None) if journal_is_known && !self.is_of_a_lost_journal(clock).await => {
                StopOutcome::NothingToPause { phase: Phase::None }.into()
            }
            // the journal cannot be read: the stop is spooled, and what the backend shows is what stays exposed
            (StopKind::Pause, None) => self.shown(clock).await.into(),
            (StopKind::Abort, _) => self.abort(journal_is_known, give_up, clock).await,
        }
    }

    /// Switches off everywhere. Where the journal knows who has it the off goes out at once; else there is a short look
    /// first, which the answer to the person depends on, and the off does not.
    async fn abort(&self, journal_is_known: bool, give_up: Timestamp, clock: &dyn Clock) -> Acted {
        if let Some(why) = self.unusable.clone().filter(|_| self.backends.is_empty()) {
            return StopOutcome::NotOff { why, not_authorised: false }.into();
        }
        let was = self.was(clock).await;
        if self.before.is_none() && was == Was::Missing && journal_is_known {
            return StopOutcome::NoSuchFlag.into();
        }
        let off = async {
            match self.haste.as_ref().and_then(|haste| haste.done.clone()) {
                Some(done) => done,
                None => self.off_until(give_up, clock).await,
            }
        };
        let behind = join_all(self.former.iter().map(|backend| self.left_behind(&**backend, clock)));
        let (off, behind) = join(off, behind).await;
        let mut acted = self.told(off, was, journal_is_known);
        for left in behind {
            match left {
                Left::Off => {}
                Left::On(why) if switched_off(&acted.outcome) => {
                    acted = StopOutcome::NotOff { why, not_authorised: false }.into();
                }
                Left::On(_) => {}
                Left::Unreached(place) => acted.unreached.push(place),
            }
        }
        acted
    }

    /// What to tell of an off.
    fn told(&self, off: Off, was: Was, journal_is_known: bool) -> Acted {
        // it may be a release's name, of a flag with another key: what is not there cannot be said to be off
        let flag = &self.flag;
        let unsure = || StopOutcome::Unsure {
            why: format!("no backend has a flag `{flag}`, and the journal cannot be read: name the flag's key"),
        };
        let is_bare = self.before.is_none();
        match off {
            Err(_) if is_bare && was == Was::Missing => unsure().into(),
            Err(NotYet { why, not_authorised, .. }) => StopOutcome::NotOff { why, not_authorised }.into(),
            Ok(seen) if is_bare && !matches!(was, Was::On(_)) && seen.iter().all(Observed::is_missing) => {
                if journal_is_known {
                    StopOutcome::NoSuchFlag.into()
                } else {
                    unsure().into()
                }
            }
            Ok(seen) => {
                let outcome = match was {
                    Was::On(was) => StopOutcome::Off { was },
                    Was::Unknown => StopOutcome::Off { was: None },
                    Was::Off | Was::Missing => StopOutcome::AlreadyOff,
                };
                Acted { outcome, off: seen.into_iter().next(), unreached: Vec::new() }
            }
        }
    }

    /// Switches off at an address that the rollout has left. One that is gone for good is told of, and not waited for.
    async fn left_behind(&self, backend: &dyn Backend, clock: &dyn Clock) -> Left {
        let tried = within(clock, FORMER_PATIENCE, async {
            let sent = backend.switch_off(&self.flag).await;
            (sent, backend.glance(&self.flag, &self.audiences).await)
        });
        match tried.await {
            Some((_, Ok(seen))) if seen.reaches_anybody() => Left::On(format!("{} still shows it", backend.place())),
            Some((Ok(()), Ok(seen))) if seen.unserved.is_none() => Left::Off,
            _ => Left::Unreached(backend.place()),
        }
    }

    /// Why what a backend shows may not be what is served. A flag that is not there counts only where this rollout exposed
    /// it, or was about to.
    pub(super) fn doubt<'s>(&self, backend: &dyn Backend, seen: &'s Observed) -> Option<&'s str> {
        let may_be_kept = || {
            let was_exposed = self.before.as_ref().is_some_and(|before| before.exposed || before.is_growing());
            was_exposed && self.pinned.as_ref().is_some_and(|place| *place == backend.place())
        };
        seen.unserved.as_deref().filter(|_| !seen.is_missing() || may_be_kept())
    }

    async fn glance(&self, backend: &dyn Backend, patience: Span, clock: &dyn Clock) -> Read {
        within(clock, patience, backend.glance(&self.flag, &self.audiences)).await
    }

    /// Whether a flag that no rollout of the journal has is on under the stamp of one all the same: then the journal is
    /// another one than that which knows it, a new one in the place of one that was lost.
    async fn is_of_a_lost_journal(&self, clock: &dyn Clock) -> bool {
        let reads = self.backends.iter().map(|backend| self.glance(&**backend, LOOK_FIRST, clock));
        let seen = join_all(reads).await.into_iter().flatten().flatten();
        seen.into_iter().any(|seen| seen.reaches_anybody() && seen.stamp.is_some())
    }

    /// The off of a stop that does not know the journal yet: told is what was before, once that is not to change any more,
    /// and what came of it.
    pub(super) async fn off_in_haste(&self, give_up: Timestamp, clock: &dyn Clock, tell: impl Fn(Haste)) {
        let was = self.was(clock).await;
        let places = self.backends.iter().map(|backend| backend.place()).collect();
        let mut haste = Haste { was, places, done: None };
        tell(haste.clone());
        haste.done = Some(self.off_until(give_up, clock).await);
        tell(haste);
    }

    /// What was there before anything was sent: by the journal, or else by a look that was answered in time. What was
    /// switched off in haste is not looked at again.
    async fn was(&self, clock: &dyn Clock) -> Was {
        if let Some(state) = self.before.as_ref().filter(|state| state.exposed && !state.allowed.is_nobody()) {
            return match &state.drift {
                Some(seen) => Was::of(Some(seen)),
                None => Was::On(Some(state.allowed.clone())),
            };
        }
        let (known, places) = match &self.haste {
            Some(haste) => (Some(haste.was.clone()), haste.places.as_slice()),
            None => (None, &[][..]),
        };
        let unseen = self.backends.iter().filter(|backend| !places.contains(&backend.place()));
        let looks = join_all(unseen.map(|backend| self.glance(&**backend, LOOK_FIRST, clock))).await;
        let looks = looks.into_iter().map(|look| look.and_then(Result::ok));
        known.into_iter().chain(looks.map(|seen| Was::of(seen.as_ref()))).fold(Was::Missing, Was::and)
    }

    /// Who has it while it is paused: as the backend shows it, if it answers at once; else as it was known last. None where
    /// that is somebody else's part of the flag.
    async fn still_on(&self, state: &State, clock: &dyn Clock) -> Option<Exposure> {
        let backend = self.backends.iter().find(|backend| self.pinned.as_ref() == Some(&backend.place()));
        let seen = match backend {
            Some(backend) => self.glance(&**backend, LOOK_FIRST, clock).await.and_then(Result::ok),
            None => None,
        };
        match seen.filter(|seen| seen.unserved.is_none()).as_ref().or(state.drift.as_ref()) {
            Some(seen) if seen.reaches_by_foreign() => None,
            Some(seen) => Some(seen.shown()),
            None => Some(state.allowed.clone()),
        }
    }

    async fn shown(&self, clock: &dyn Clock) -> StopOutcome {
        let Some(backend) = self.backends.first() else { return StopOutcome::NoSuchFlag };
        match self.glance(&**backend, TRY, clock).await {
            Some(Ok(seen)) if seen.is_missing() => StopOutcome::NoSuchFlag,
            Some(Ok(seen)) if seen.reaches_by_foreign() => StopOutcome::Paused { still: None },
            Some(Ok(seen)) => StopOutcome::Paused { still: Some(seen.shown()) },
            _ => StopOutcome::NotOff {
                why: "neither the journal nor the backend can be read".to_owned(),
                not_authorised: false,
            },
        }
    }

    /// Sends the off to every address until all of them have been read back as off.
    async fn off_until(&self, give_up: Timestamp, clock: &dyn Clock) -> Off {
        loop {
            let tries = join_all(self.backends.iter().map(|backend| self.try_off(&**backend, clock))).await;
            let (mut seen, mut left) = (Vec::new(), Vec::new());
            for (backend, tried) in self.backends.iter().zip(tries) {
                match tried {
                    // what the plan's own backend shows is what the rollout is judged by
                    Ok(off) if self.pinned.as_ref().is_some_and(|place| *place == backend.place()) => {
                        seen.insert(0, off)
                    }
                    Ok(off) => seen.push(off),
                    Err(not_yet) => left.push(not_yet),
                }
            }
            let for_good = left.iter().all(|left| left.for_good);
            let Some(first) = left.into_iter().next() else { return Ok(seen) };
            if for_good || clock.now().plus(BETWEEN) >= give_up {
                return Err(first);
            }
            clock.sleep_until(clock.now().plus(BETWEEN)).await;
        }
    }

    /// One try, with its read-back.
    async fn try_off(&self, backend: &dyn Backend, clock: &dyn Clock) -> Result<Observed, NotYet> {
        let not_yet = |why: String| NotYet { why, for_good: false, not_authorised: false };
        let sent = within(clock, TRY, backend.switch_off(&self.flag)).await;
        // who else was there is for whoever drives it to say: here it counts that it is off
        let read = self.glance(backend, TRY, clock).await;
        match (sent, read) {
            (Some(Ok(())), Some(Ok(seen))) if !seen.reaches_anybody() => match self.doubt(backend, &seen) {
                Some(why) => Err(not_yet(why.to_owned())),
                None => Ok(seen),
            },
            (Some(Err(error @ BackendError::Refused { .. })), _) => {
                Err(NotYet { for_good: true, ..not_yet(error.to_string()) })
            }
            (Some(Err(error)), _) | (_, Some(Err(error))) => {
                let not_authorised = matches!(error, BackendError::NotAuthorised { .. });
                Err(NotYet { not_authorised, ..not_yet(error.to_string()) })
            }
            (Some(Ok(())), Some(Ok(_))) => Err(not_yet(format!("{} still shows it", backend.place()))),
            _ => Err(not_yet(format!("{} does not answer", backend.place()))),
        }
    }
}
