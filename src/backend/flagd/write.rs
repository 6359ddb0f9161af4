//! Setting an exposure, and switching off.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Flagd;
use super::body::{self, Meaning, Ours};
use super::disk::{Target, Ticket};
use super::document::{Document, EMPTY};
use super::marker::{Marker, Removal};
use super::read::revision;
use crate::backend::{Backend as _, BackendError, Expose, Switch};
use crate::engine::Exposure;
use crate::engine::input::Stamp;

/// How often a write that was overtaken begins anew, and how long it waits before it does.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 10 });

/// What a writer found: nothing else can be written without withdrawing its ticket.
pub(super) struct Found {
    ticket: Ticket,
    /// What is there; an empty one where there is no file.
    pub(super) document: Arc<Document>,
    /// Whether there is a file.
    exists: bool,
}

impl Flagd {
    /// Sets an exposure.
    pub(super) fn set(&self, request: &Expose) -> Result<(), BackendError> {
        let target = self.target()?;
        target.check_writable().map_err(|error| self.disk(error))?;
        let lock = target.lock(self.patience).map_err(|error| self.disk(error))?;
        let Some(_lock) = lock else {
            return Err(self.unreachable("another process keeps its lock; nothing was written"));
        };
        self.at("locked");
        let found = self.find(&target)?.map_err(|detail| self.unparsable(&detail))?;
        self.at("read");
        let marker = Marker::of(&target, &request.flag);
        let token = marker.token();
        self.check(request, &found.document, found.exists, token.as_deref())?;
        self.at("checked");
        let exposes = !request.exposure.is_nobody();
        if let Some(token) = &token
            && (exposes || request.switch == Switch::TurnOn)
        {
            self.unmark(request, &target, &marker, token, &found.document)?;
        }
        let ours = ours(request);
        let text = found.document.with_flag(&request.flag, &body::members(&ours, &request.audiences));
        // for a start that had a marker removed, any marker now is a later one
        let look = || match exposes && marker.token().is_some() {
            true => Err(self.switched_off()),
            false => Ok(()),
        };
        let faults = found.document.faults.clone();
        if found.exists && text == found.document.text {
            // said once more: the file stays as it is, and watchers have nothing to read
            target.sync_folder().map_err(|error| self.disk(error))?;
        } else if !self.commit(&target, found, &text, look)? {
            return Err(match exposes && marker.token().is_some() {
                true => self.switched_off(),
                false => self.conflict("somebody else wrote it at the same time"),
            });
        }
        if exposes && marker.token().is_some() {
            self.write_off(&target, &request.flag)?;
            return Err(self.switched_off());
        }
        self.effective(&faults)
    }

    /// Whether an exposure could be written over what is there.
    pub(super) fn would_write(&self, request: &Expose) -> Result<(), BackendError> {
        let target = self.target()?;
        let read = || target.read().map_err(|error| self.disk(error));
        let document = self.latest.shared(read)?.map_err(|detail| self.unparsable(&detail))?;
        let marker = Marker::of(&target, &request.flag).token();
        match document {
            Some(document) => self.check(request, &document, true, marker.as_deref()),
            None => {
                let empty = Document::parse(EMPTY.to_owned()).map_err(|detail| self.unparsable(&detail))?;
                self.check(request, &empty, false, marker.as_deref())
            }
        }
    }

    /// Whether what is asked may be written over what is there.
    fn check(
        &self,
        request: &Expose,
        document: &Document,
        exists: bool,
        marker: Option<&str>,
    ) -> Result<(), BackendError> {
        let exposes = !request.exposure.is_nobody();
        if marker.is_some() && exposes && request.switch == Switch::Keep {
            return Err(self.switched_off());
        }
        if document.flag(&request.flag).is_none() && exposes && request.switch == Switch::Keep {
            let detail = "it has no such flag; only start and resume put one there".to_owned();
            return Err(BackendError::SwitchedOff { place: self.place(), detail });
        }
        if let Some(detail) = body::inexpressible(&ours(request), &request.audiences) {
            return Err(self.refused(detail));
        }
        if revision(exists.then_some(document), &request.flag, marker) != request.revision {
            return Err(match (marker, exposes) {
                (Some(token), true) if !request.revision.ends_with(&mark(token)) => self.switched_off(),
                _ => self.conflict("the flag is not as it was when it was read"),
            });
        }
        let serves = self.check_owner(request, document)?;
        match document.faults.first() {
            // what gets smaller is written all the same, and reported as not effective
            Some(fault) if !request.exposure.within(&serves) => {
                Err(self.refused(format!("{fault}; evaluators refuse the whole file until that is mended")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the flag is ours to write; if so, whom it serves by what we wrote.
    fn check_owner(&self, request: &Expose, document: &Document) -> Result<Exposure, BackendError> {
        let Some(body) = document.flag(&request.flag) else { return Ok(Exposure::nobody()) };
        let exposes = !request.exposure.is_nobody();
        let (stamp, serves) = match body::meaning(body, &request.audiences) {
            Meaning::Ours(ours) => (Some(ours.stamp), ours.exposure),
            Meaning::Nobody(stamp) => (stamp, Exposure::nobody()),
            // changed by hand: a person who has seen it may set it right, and anybody may end it
            Meaning::Foreign { stamp: Some(stamp), .. } if !exposes || request.switch == Switch::TurnOn => {
                (Some(stamp), Exposure::nobody())
            }
            Meaning::Foreign { why, .. } => {
                return Err(self.refused(format!("{why}; `flagstaff abort {}` switches it off", request.flag)));
            }
        };
        if stamp.is_none() && !body::has_our_variants(body) {
            let detail = "give the flag exactly the variants `\"on\": true, \"off\": false`, or a key of its own";
            return Err(self.refused(format!("its variants are others than those that are written here; {detail}")));
        }
        let other = stamp.filter(|stamp| *stamp != request.stamp && !request.take_over);
        match other.filter(|stamp| !serves.is_nobody() || stamp.journal != request.stamp.journal) {
            Some(Stamp { journal, rollout }) => {
                let detail = format!("rollout {rollout} of journal {journal}");
                Err(BackendError::ForeignStamp { place: self.place(), detail })
            }
            None => Ok(serves),
        }
    }

    /// Removes the marker that a start or resume has seen. The off body stands below it, so a crash here leaves it off.
    fn unmark(
        &self,
        request: &Expose,
        target: &Target,
        marker: &Marker,
        token: &str,
        document: &Document,
    ) -> Result<(), BackendError> {
        let body = document.flag(&request.flag);
        let serves = body.map(|body| body::meaning(body, &BTreeMap::new()));
        let is_off = match serves {
            None | Some(Meaning::Nobody(_)) => true,
            Some(Meaning::Ours(ours)) => ours.exposure.is_nobody(),
            Some(Meaning::Foreign { .. }) => false,
        };
        if !is_off {
            self.write_off(target, &request.flag)?;
            return Err(self.conflict("it was marked as off and still served; it is off now"));
        }
        self.at("before unmarking");
        match marker.remove(token) {
            Ok(Removal::Removed) => {
                self.at("unmarked");
                Ok(())
            }
            Ok(Removal::AnotherOne) => Err(self.switched_off()),
            Err(error) => Err(self.unreachable(format!("cannot remove its off-marker: {error}"))),
        }
    }

    /// Off for everybody: the marker first, then the body, with the lock if it can be had.
    pub(super) fn off(&self, flag: &str) -> Result<(), BackendError> {
        let target = self.target()?;
        target.check_writable().map_err(|error| self.disk(error))?;
        let marked = Marker::of(&target, flag).make();
        self.at("marked");
        let lock = target.lock(self.off_patience).ok().flatten();
        self.at("lock had or not");
        let written = self.write_off(&target, flag);
        drop(lock);
        // a marker that could not be made leaves the door open for whoever grows later: say so, after having done the rest
        written.and(marked.map_err(|error| self.unreachable(format!("cannot make the off-marker: {error}"))))
    }

    fn write_off(&self, target: &Target, flag: &str) -> Result<(), BackendError> {
        for _ in 0..TRIES {
            let found = self.find(target)?.map_err(|detail| BackendError::NotEffective {
                place: self.place(),
                detail: format!("only the off-marker was made, for {detail}; mend the file and switch off again"),
            })?;
            self.at("off: read");
            if !found.exists {
                return Ok(());
            }
            let members = body::off(found.document.flag(flag)).map_err(|detail| self.refused(detail))?;
            let text = found.document.with_flag(flag, &members);
            let faults = Document::parse(text.clone()).map(|document| document.faults).unwrap_or_default();
            if text == found.document.text || self.commit(target, found, &text, || Ok(()))? {
                return self.effective(&faults);
            }
            std::thread::sleep(PAUSE);
        }
        Err(self.unreachable("others keep writing it; the off-marker is made"))
    }

    /// Takes a ticket and reads. The inner error says why nothing can be read from the file.
    pub(super) fn find(&self, target: &Target) -> Result<Result<Found, String>, BackendError> {
        let ticket = target.ticket().map_err(|error| self.disk(error))?;
        self.at("ticket");
        let document = self.latest.own(|| target.read().map_err(|error| self.disk(error)))?;
        Ok(document.and_then(|document| match document {
            Some(document) => Ok(Found { ticket, document, exists: true }),
            None => {
                let document = Arc::new(Document::parse(EMPTY.to_owned())?);
                Ok(Found { ticket, document, exists: false })
            }
        }))
    }

    /// Replaces the file by the text. `false` if somebody wrote it since it was read: nothing was written.
    pub(super) fn commit(
        &self,
        target: &Target,
        found: Found,
        text: &str,
        look: impl FnOnce() -> Result<(), BackendError>,
    ) -> Result<bool, BackendError> {
        let Found { mut ticket, document, exists } = found;
        target.fill(&mut ticket, text).map_err(|error| self.disk(error))?;
        self.at("filled");
        // those who do not know of tickets: editors, deployments
        let now = target.read().map_err(|error| self.disk(error))?;
        if now.as_deref() != exists.then_some(document.text.as_str()) {
            return Ok(false);
        }
        look()?;
        self.at("looked");
        if !target.replace(ticket).map_err(|error| self.disk(error))? {
            return Ok(false);
        }
        self.at("renamed");
        target.sync_folder().map_err(|error| self.disk(error))?;
        Ok(true)
    }

    fn effective(&self, faults: &[String]) -> Result<(), BackendError> {
        match faults.first() {
            None => Ok(()),
            Some(fault) => Err(BackendError::NotEffective {
                place: self.place(),
                detail: format!("{fault}; evaluators refuse the whole file and serve the old one until that is mended"),
            }),
        }
    }

    pub(super) fn conflict(&self, detail: &str) -> BackendError {
        BackendError::Conflict { place: self.place(), detail: detail.to_owned() }
    }

    fn switched_off(&self) -> BackendError {
        let detail = "there is an off-marker beside it; only start and resume remove one, and only the one they saw";
        BackendError::SwitchedOff { place: self.place(), detail: detail.to_owned() }
    }
}

fn ours(request: &Expose) -> Ours {
    Ours { exposure: request.exposure.clone(), stickiness: request.stickiness.clone(), stamp: request.stamp.clone() }
}

fn mark(token: &str) -> String {
    crate::canonical::sha256_hex(token.as_bytes())
}
