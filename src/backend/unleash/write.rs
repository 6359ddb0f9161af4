//! Setting an exposure. Every call leaves the flag between what it was and what it is to be.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Unleash;
use super::api::{Call, Fault};
use super::look::{Presence, Seen};
use super::mark::{Mark, Part};
use super::strategies::{Found, Meaning, Ours, inexpressible, meaning, wanted};
use crate::backend::{Backend as _, BackendError, Card, Expose, Switch};
use crate::engine::input::Stamp;
use crate::engine::{Exposure, Percentage};
use crate::http::segment;

impl Unleash {
    /// Sets an exposure.
    pub(super) async fn set(&self, request: &Expose) -> Result<(), BackendError> {
        let ours = ours(request);
        let mut seen = self.look(&request.flag, &request.audiences).await?;
        if let Some(detail) = inexpressible(&request.flag, &ours, &request.audiences, &seen.segments) {
            return Err(self.refused(detail));
        }
        if !self.check(request, &seen)? {
            return Ok(());
        }
        if seen.presence == Presence::Missing {
            self.create(&request.flag, &Card::default()).await?;
            seen = self.look(&request.flag, &request.audiences).await?;
            self.check_owner(request, &seen)?;
        }
        let meaning = seen.meaning(&request.audiences);
        let shrinks = request.switch == Switch::Keep && request.exposure.within(&shown(&seen, &meaning));
        let written = self.write(request, &ours, &seen, shrinks && meaning.changed.is_some()).await;
        // what another hand changed between our look and our write is seen by its events
        let after = self.look(&request.flag, &request.audiences).await;
        if let Ok(after) = &after {
            self.give_back(request, &seen, after, shrinks).await?;
        }
        written?;
        let after = after?;
        self.stays_off(request, &after).await?;
        if request.switch == Switch::TurnOn && !request.exposure.is_nobody() && !after.enabled {
            self.turn_on(request, &after).await?;
        }
        Ok(())
    }

    /// Whether what is asked may be written over what is there; `false` where there is nothing to do.
    fn check(&self, request: &Expose, seen: &Seen) -> Result<bool, BackendError> {
        let exposes = !request.exposure.is_nobody();
        let meaning = seen.meaning(&request.audiences);
        let keeps = request.switch == Switch::Keep;
        if seen.presence == Presence::Archived {
            return Err(self.refused("the flag is archived; revive it in Unleash, or use another"));
        }
        if keeps && exposes && !self.may_stay_on(seen, &meaning) {
            return Err(self.switched_off());
        }
        if seen.revision() != request.revision {
            return Err(self.conflict("the flag is not as it was when it was read"));
        }
        if seen.presence == Presence::Missing {
            return Ok(!keeps || exposes);
        }
        self.check_owner(request, seen)?;
        Ok(true)
    }

    /// The switch; where others share the flag, our share is ours: without it nothing of ours is enabled again.
    fn may_stay_on(&self, seen: &Seen, meaning: &Meaning) -> bool {
        let share = |strategy: &Found| {
            !strategy.disabled && strategy.mark.as_ref().is_some_and(|mark| mark.part == Part::Percentage)
        };
        seen.on(meaning) && (!self.own_only || seen.strategies.iter().any(share))
    }

    /// Whether the flag is ours to write.
    fn check_owner(&self, request: &Expose, seen: &Seen) -> Result<(), BackendError> {
        let meaning = seen.meaning(&request.audiences);
        let shown = shown(seen, &meaning);
        let turns_on = request.switch == Switch::TurnOn;
        if seen.planned {
            let detail = "a release plan of Unleash's own drives this flag; remove that first";
            return Err(self.refused(detail));
        }
        // what gets smaller is written whatever else is there
        let grows = turns_on || !request.exposure.within(&shown);
        if let Some(foreign) = meaning.foreign.as_ref().filter(|_| grows) {
            return Err(
                self.refused(format!("{foreign}; disable it, or say `shutdown: own` where others share the flag"))
            );
        }
        let others = || seen.strategies.iter().any(|strategy| !strategy.disabled && strategy.mark.is_none());
        if self.own_only && turns_on && !seen.enabled && others() {
            let detail = "it is off, and strategies that are not ours would be on with it; switch it on in Unleash, \
                          or disable them";
            return Err(self.refused(detail));
        }
        // a person who has seen it may set it right, and anybody may make it smaller
        if let Some(changed) = meaning.changed.as_ref().filter(|_| seen.on(&meaning) && grows && !turns_on) {
            return Err(self.refused(format!("{changed}; `flagstaff abort {}` switches it off", request.flag)));
        }
        let other = meaning.stamp.filter(|stamp| *stamp != request.stamp && !request.take_over);
        match other.filter(|stamp| !shown.is_nobody() || stamp.journal != request.stamp.journal) {
            Some(Stamp { journal, rollout }) => {
                let detail = format!("rollout {rollout} of journal {journal}");
                Err(BackendError::ForeignStamp { place: self.place(), detail })
            }
            None => Ok(()),
        }
    }

    /// What is to be enabled comes first, then the share, then what is to be disabled: whoever is in the old and in the
    /// new exposure is in all along, and nobody else ever is. `careful`: ours were changed by another hand, and only
    /// what makes them smaller is done.
    async fn write(&self, request: &Expose, ours: &Ours, seen: &Seen, careful: bool) -> Result<(), BackendError> {
        let flag = &request.flag;
        let mut spare: Vec<&Found> = seen.strategies.iter().filter(|strategy| strategy.mark.is_some()).collect();
        let changed = |strategy: &Found| {
            let alone = meaning(flag, std::slice::from_ref(strategy), &request.audiences, &seen.segments);
            alone.changed.is_some_and(|why| !why.contains("in part"))
        };
        for (part, body) in wanted(flag, ours, &request.audiences, &seen.segments) {
            let title = Mark { stamp: ours.stamp.clone(), stickiness: ours.stickiness.clone(), part }.title();
            let known = take(&mut spare, &title, ours);
            match known {
                Some(known) if careful && changed(known) => {}
                Some(known) => self.enable(flag, known, &title, &body).await?,
                None if careful => {}
                None => self.add(flag, &title, &body).await?,
            }
        }
        for strategy in spare {
            if request.switch == Switch::TurnOn && !seen.enabled {
                self.delete(flag, strategy).await?;
            } else if !strategy.disabled {
                self.disable(flag, strategy).await?;
            }
        }
        Ok(())
    }

    /// Disabled first, and enabled by its whole body then: an addition that is sent twice, or lands late, adds nobody.
    async fn add(&self, flag: &str, title: &str, body: &Value) -> Result<(), BackendError> {
        let path = format!("{}/strategies", self.environment_path(flag));
        let added = self.api.call(&Call::add(path, whole(title, body, Some(true)))).await;
        let added = added.map_err(|fault| fault.unexpected(&self.api.place))?;
        let Some(mut added) = Found::read(&added) else {
            return Err(self.api.unreachable("it does not show what it added".to_owned()).unexpected(&self.api.place));
        };
        added.disabled = true;
        self.enable(flag, &added, title, body).await
    }

    async fn enable(&self, flag: &str, known: &Found, title: &str, body: &Value) -> Result<(), BackendError> {
        if !known.disabled && known.name == title && known.body == *body {
            return Ok(());
        }
        // whoever disables it meanwhile is not undone by a body that leaves it as it is
        let disabled = known.disabled.then_some(false);
        let path = format!("{}/strategies/{}", self.environment_path(flag), segment(&known.id));
        match self.api.call(&Call::put(path, whole(title, body, disabled))).await {
            Ok(_) => Ok(()),
            Err(Fault::Missing(_)) => Err(self.conflict("a strategy of ours was deleted meanwhile")),
            Err(fault) => Err(fault.unexpected(&self.api.place)),
        }
    }

    async fn delete(&self, flag: &str, strategy: &Found) -> Result<(), BackendError> {
        let path = format!("{}/strategies/{}", self.environment_path(flag), segment(&strategy.id));
        match self.api.call(&Call::delete(path)).await {
            Ok(_) | Err(Fault::Missing(_)) => Ok(()),
            Err(fault) => Err(fault.unexpected(&self.api.place)),
        }
    }

    /// A strategy that another hand changed between our look and our write is put back as that hand left it. What we
    /// made smaller stays smaller, unless they had made it smaller still.
    async fn give_back(
        &self,
        request: &Expose,
        before: &Seen,
        after: &Seen,
        shrinks: bool,
    ) -> Result<(), BackendError> {
        let since = || after.events.iter().filter(|event| event.id > before.newest());
        let mut given = BTreeMap::new();
        for theirs in since().filter(|event| !event.ours) {
            let Some((id, left)) = &theirs.strategy else { continue };
            if shrinks && !is_smaller(left, request.exposure.percentage) {
                continue;
            }
            let over = |event: &&super::hands::Event| event.strategy.as_ref().is_some_and(|(known, _)| known == id);
            if since().filter(over).any(|event| event.ours && event.id > theirs.id) && !given.contains_key(id) {
                given.insert(id.clone(), (left.clone(), theirs.by.clone()));
            }
        }
        let Some((_, by)) = given.values().next().cloned() else { return Ok(()) };
        for (id, (left, _)) in given {
            let path = format!("{}/strategies/{}", self.environment_path(&request.flag), segment(&id));
            let mut body = left;
            if let Some(body) = body.as_object_mut() {
                body.remove("id");
            }
            let put = self.api.call(&Call::put(path, body)).await;
            put.map_err(|fault| fault.unexpected(&self.api.place))?;
        }
        Err(self.conflict(format!("{by} changed a strategy at the same time, which is as they left it")))
    }

    /// Where others share the flag there is no switch below which a growth lands: it takes itself back.
    async fn stays_off(&self, request: &Expose, after: &Seen) -> Result<(), BackendError> {
        let meaning = after.meaning(&request.audiences);
        let exposes = !request.exposure.is_nobody();
        if self.own_only && request.switch == Switch::Keep && exposes && !self.may_stay_on(after, &meaning) {
            self.off(&request.flag).await?;
            return Err(self.switched_off());
        }
        Ok(())
    }

    /// Last, once what stands below the switch has been read back; and read back again.
    async fn turn_on(&self, request: &Expose, below: &Seen) -> Result<(), BackendError> {
        let as_written = |seen: &Seen| {
            let meaning = seen.meaning(&request.audiences);
            meaning.reaches
                && meaning.exposure == request.exposure
                && meaning.stamp.as_ref() == Some(&request.stamp)
                && meaning.changed.is_none()
        };
        let others = below.strategies.iter().any(|strategy| !strategy.disabled && strategy.mark.is_none());
        if !as_written(below) || others {
            return Err(self.conflict("what was written is not what stands there; it is still off"));
        }
        let call = Call::switch(format!("{}/on", self.environment_path(&request.flag)));
        self.api.call(&call).await.map_err(|fault| fault.unexpected(&self.api.place))?;
        let after = self.look(&request.flag, &request.audiences).await?;
        if !as_written(&after) || after.meaning(&request.audiences).foreign.is_some() {
            // without an enabled strategy the server makes one for everybody
            self.off(&request.flag).await?;
            return Err(self.conflict("it was changed while it was switched on; it is off again"));
        }
        Ok(())
    }

    fn switched_off(&self) -> BackendError {
        let detail = match self.own_only {
            true => "our strategies are disabled; only start and resume enable them",
            false => "the environment's switch is off; only start and resume turn it on",
        };
        BackendError::SwitchedOff { place: self.place(), detail: detail.to_owned() }
    }
}

fn ours(request: &Expose) -> Ours {
    let mut exposure = request.exposure.clone();
    if exposure.percentage == Percentage::FULL {
        exposure.audiences.clear();
    }
    Ours { exposure, stickiness: request.stickiness.clone(), stamp: request.stamp.clone() }
}

fn shown(seen: &Seen, meaning: &Meaning) -> Exposure {
    if seen.on(meaning) { meaning.exposure.clone() } else { Exposure::nobody() }
}

/// Whether a strategy as somebody left it is a share below another one.
fn is_smaller(left: &Value, than: Percentage) -> bool {
    let rollout = left.pointer("/parameters/rollout").and_then(Value::as_str);
    let is_share = left.get("title").and_then(Value::as_str).and_then(Mark::read);
    let is_share = is_share.is_some_and(|mark| mark.part == Part::Percentage);
    is_share && rollout.and_then(|text| text.parse::<u32>().ok()).is_some_and(|left| left < than.thousandths() / 1000)
}

/// Takes the strategy that is to carry a title: the one that does, else one of the same part under another stamp.
fn take<'s>(spare: &mut Vec<&'s Found>, title: &str, ours: &Ours) -> Option<&'s Found> {
    let part = Mark::read(title)?.part;
    let of_part = |strategy: &&Found| strategy.mark.as_ref().is_some_and(|mark| mark.part == part);
    let stamped = |strategy: &&Found| strategy.mark.as_ref().is_some_and(|mark| mark.stamp == ours.stamp);
    let enabled = spare.iter().position(|strategy| of_part(strategy) && stamped(strategy) && !strategy.disabled);
    let place = enabled.or_else(|| spare.iter().position(of_part))?;
    Some(spare.remove(place))
}

/// A strategy's whole body. The server takes what is left out for nothing: without constraints it is for everybody.
fn whole(title: &str, body: &Value, disabled: Option<bool>) -> Value {
    let mut whole = body.clone();
    whole["title"] = title.into();
    if let Some(disabled) = disabled {
        whole["disabled"] = disabled.into();
    }
    whole
}
