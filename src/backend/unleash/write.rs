//! Setting an exposure. Every call leaves the flag between what it was and what it is to be.

use serde_json::Value;

use super::Unleash;
use super::api::{Call, Fault};
use super::look::{Presence, Seen};
use super::mark::{Mark, Part};
use super::strategies::{Found, Meaning, Ours, STRATEGIES_AT_MOST, inexpressible, meaning, wanted};
use crate::backend::{Backend as _, BackendError, Card, Expose, Switch};
use crate::engine::input::Stamp;
use crate::engine::{Exposure, Percentage};
use crate::http::segment;

impl Unleash {
    /// Whether an exposure could be set over what is there.
    pub(super) async fn would_set(&self, request: &Expose) -> Result<(), BackendError> {
        let seen = self.look(&request.flag, &request.audiences).await?;
        if let Some(detail) = inexpressible(&request.flag, &ours(request), &request.audiences, &seen.segments) {
            return Err(self.refused(detail));
        }
        self.check(request, &seen).map(|_| ())
    }

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
        // a part of an audience is what a write of ours leaves that ended midway, unless another hand was there
        let by_hand = meaning.changed.is_some() || (meaning.in_part.is_some() && seen.other_hand().is_some());
        let written = self.write(request, &ours, &seen, shrinks && by_hand).await;
        // what another hand changed between our look and our write is seen by its events
        let after = self.look(&request.flag, &request.audiences).await;
        let given = match &after {
            Ok(after) => self.give_back(request, &seen, after).await,
            Err(_) => Ok(()),
        };
        // a stop that came in between stands, whatever became of the write
        let off = match &after {
            Ok(after) => self.stays_off(request, after).await,
            Err(_) => Ok(()),
        };
        // whether a write may still land counts for more than who else was there
        written?;
        given?;
        off?;
        let after = after?;
        if request.switch == Switch::TurnOn && !request.exposure.is_nobody() {
            self.turn_on(request, &seen, &after).await?;
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
        // what gets smaller is written whatever else is there
        let grows = turns_on || !request.exposure.within(&shown);
        if seen.planned && grows {
            let detail = "a release plan of Unleash's own drives this flag; remove that first";
            return Err(self.refused(detail));
        }
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
        if let Some(changed) = meaning.fault().filter(|_| seen.on(&meaning) && grows && !turns_on) {
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

    /// What is missing is added first, disabled; then it is enabled, the share last; then what is to go is disabled:
    /// whoever is in the old and in the new exposure is in all along, and nobody else ever is. `careful`: ours were changed
    /// by another hand, and only what makes them smaller is done.
    async fn write(&self, request: &Expose, ours: &Ours, seen: &Seen, careful: bool) -> Result<(), BackendError> {
        let flag = &request.flag;
        let mut spare: Vec<&Found> = seen.strategies.iter().filter(|strategy| strategy.mark.is_some()).collect();
        let changed = |strategy: &Found| {
            let alone = meaning(flag, std::slice::from_ref(strategy), &request.audiences, &seen.segments);
            alone.changed.is_some()
        };
        let mut steps: Vec<(Option<&Found>, String, Value)> = Vec::new();
        let mut ended: Vec<&Found> = Vec::new();
        for (part, body) in wanted(flag, ours, &request.audiences, &seen.segments) {
            let title = Mark { stamp: ours.stamp.clone(), stickiness: ours.stickiness.clone(), part }.title();
            match take(&mut spare, &title, ours) {
                Some(known) if careful && known.disabled => {}
                // nobody can tell whether it is smaller than what is asked for; disabled, it is
                Some(known) if careful && changed(known) => ended.push(known),
                None if careful => {}
                known => steps.push((known, title, body)),
            }
        }
        let many = seen.strategies.len() + steps.iter().filter(|(known, ..)| known.is_none()).count();
        if many > STRATEGIES_AT_MOST {
            let detail =
                format!("with those of others it takes {many} strategies, and {STRATEGIES_AT_MOST} are allowed");
            return Err(self.refused(detail));
        }
        let mut there = Vec::new();
        for (known, title, body) in steps {
            let known = match known {
                Some(known) => known.clone(),
                None => self.add(flag, &title, &body).await?,
            };
            there.push((known, title, body));
        }
        let mut enabled: Vec<&Found> = Vec::new();
        for (known, title, body) in &there {
            if let Err(error) = self.enable(flag, known, title, body).await {
                // a part of an audience is nobody's decision; where a write may still land, reading settles it
                if !matches!(error, BackendError::Unreachable { .. }) {
                    for known in enabled {
                        self.disable(flag, known).await?;
                    }
                }
                return Err(error);
            }
            if known.disabled {
                enabled.push(known);
            }
        }
        for strategy in ended {
            self.disable(flag, strategy).await?;
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

    /// Disabled, to be enabled by its whole body: an addition that is sent twice, or lands late, adds nobody.
    async fn add(&self, flag: &str, title: &str, body: &Value) -> Result<Found, BackendError> {
        let path = format!("{}/strategies", self.environment_path(flag));
        let added = self.api.call(&Call::add(path, whole(title, body, Some(true)))).await;
        let added = added.map_err(|fault| fault.unexpected(&self.api.place))?;
        let Some(mut added) = Found::read(&added) else {
            return Err(self.api.unreachable("it does not show what it added".to_owned()).unexpected(&self.api.place));
        };
        added.disabled = true;
        Ok(added)
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

    /// Last, once what stands below the switch has been read back; and read back again. Whoever switches meanwhile has
    /// decided: `before` is how it was when the request was checked.
    async fn turn_on(&self, request: &Expose, before: &Seen, below: &Seen) -> Result<(), BackendError> {
        let as_written = |seen: &Seen| {
            let meaning = seen.meaning(&request.audiences);
            let others = seen.strategies.iter().any(|strategy| !strategy.disabled && strategy.mark.is_none());
            meaning.reaches
                && meaning.exposure == request.exposure
                && meaning.stamp.as_ref() == Some(&request.stamp)
                && meaning.fault().is_none()
                && (self.own_only || !others)
        };
        match (before.enabled, below.enabled) {
            (true, true) => return Ok(()),
            (true, false) => return Err(self.conflict("it was switched off meanwhile, and stays off")),
            (false, true) if as_written(below) => return Ok(()),
            (false, true) => {
                // what was written below the switch came on with somebody else's
                let stamped = |mark: &Mark| mark.stamp == request.stamp;
                let ours = below.strategies.iter().filter(|strategy| strategy.mark.as_ref().is_some_and(stamped));
                for strategy in ours.filter(|strategy| !strategy.disabled) {
                    self.disable(&request.flag, strategy).await?;
                }
                return Err(self.conflict("somebody else switched it on meanwhile; ours is disabled again"));
            }
            (false, false) => {}
        }
        let others = below.strategies.iter().any(|strategy| !strategy.disabled && strategy.mark.is_none());
        if !as_written(below) || others {
            return Err(self.conflict("what was written is not what stands there; it is still off"));
        }
        if below.was_switched_off_since(before) {
            return Err(self.conflict("it was switched off meanwhile, and stays off"));
        }
        let call = Call::on(&self.environment_path(&request.flag));
        self.api.call(&call).await.map_err(|fault| fault.unexpected(&self.api.place))?;
        let after = self.look(&request.flag, &request.audiences).await?;
        // without an enabled strategy the server makes one for everybody
        if !as_written(&after) || after.meaning(&request.audiences).foreign.is_some() {
            self.off(&request.flag).await?;
            return Err(self.conflict("it was changed while it was switched on; it is off again"));
        }
        if after.was_switched_off_since(below) {
            self.off(&request.flag).await?;
            return Err(self.conflict("somebody switched it off at the same time, and it stays off"));
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
