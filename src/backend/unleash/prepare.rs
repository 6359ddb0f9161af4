//! A flag before any rollout: made, off, with a strategy of ours that is disabled. Nothing here changes whom a flag
//! reaches.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Unleash;
use super::api::{Call, Fault};
use super::look::{Presence, is_nowhere};
use super::mark::{Mark, Part};
use super::strategies::{is_key, prepared};
use crate::backend::{BackendError, Card, Prepare, Standing};
use crate::engine::input::Stamp;

/// What is said of a flag that documents say nothing of.
const DESCRIPTION: &str = "released by flagstaff";

impl Unleash {
    /// How a flag stands.
    pub(super) async fn stands(&self, flag: &str) -> Result<Standing, BackendError> {
        if !is_key(flag) {
            return Ok(Standing::Unusable("keys have letters, digits and `-._~`, at most 100".to_owned()));
        }
        // one call tells most often; whatever else it says, there is more to be seen
        match self.api.call(&Call::get(self.environment_path(flag))).await {
            Err(Fault::Missing(detail)) if is_nowhere(&detail) => {
                return match self.place_is_there().await {
                    Ok(()) => Ok(Standing::Missing),
                    Err(BackendError::Refused { detail, .. }) => Ok(Standing::Unusable(detail)),
                    Err(error) => Err(error),
                };
            }
            Ok(_) | Err(Fault::Missing(_) | Fault::Archived) => {}
            Err(Fault::Other(error)) => return Err(error),
        }
        let (seen, body) = match self.see(flag).await {
            Ok((seen, body)) => (seen, body),
            // it is in another project of the server, or the environment is none
            Err(BackendError::Refused { detail, .. }) => return Ok(Standing::Unusable(detail)),
            Err(error) => return Err(error),
        };
        match seen.presence {
            Presence::Missing => return Ok(Standing::Missing),
            Presence::Archived => {
                return Ok(Standing::Unusable("it is archived; revive it in Unleash, or take another key".to_owned()));
            }
            Presence::There => {}
        }
        let prepared = seen.strategies.iter().any(|strategy| strategy.mark.is_some());
        // between making a flag and preparing it a run may die; and it is prepared for one environment at a time
        if prepared || (seen.strategies.is_empty() && !seen.enabled && self.made_by_us(flag, &body).await?) {
            let meaning = seen.meaning(&BTreeMap::new());
            let shown = (!meaning.exposure.is_nobody()).then(|| meaning.exposure.to_string());
            let reaches = meaning.foreign.or(shown).filter(|_| seen.enabled);
            return Ok(Standing::Ours { prepared, card: card(&body), reaches, stamp: meaning.stamp });
        }
        let by = seen.meaning(&BTreeMap::new()).foreign;
        let by = by.or_else(|| self.own_only.then(|| "its strategies".to_owned()));
        Ok(Standing::Theirs { reaches: by.filter(|_| seen.enabled) })
    }

    /// Makes it where it is missing, marks it, and writes what the card states.
    pub(super) async fn make(&self, request: &Prepare) -> Result<(), BackendError> {
        let Prepare { flag, card, stickiness, missing, adopt } = request;
        // a server that has it by now says so, and it is looked at like any other
        if *missing && self.create(flag, card).await.is_ok() {
            return self.mark(flag, stickiness).await;
        }
        let marked = match self.stands(flag).await? {
            Standing::Unusable(detail) => return Err(self.refused(detail)),
            Standing::Missing => {
                self.create(flag, card).await?;
                false
            }
            Standing::Ours { prepared, card: known, .. } => {
                self.correct(flag, card, &known).await?;
                prepared
            }
            Standing::Theirs { .. } if !adopt => return Err(self.conflict("it is not ours")),
            Standing::Theirs { .. } => {
                self.correct(flag, card, &Card::default()).await?;
                false
            }
        };
        if marked { Ok(()) } else { self.mark(flag, stickiness).await }
    }

    /// Adds the strategy by which a flag is known as ours: disabled, for nobody.
    async fn mark(&self, flag: &str, stickiness: &str) -> Result<(), BackendError> {
        let mark = Mark { stamp: Stamp::default(), stickiness: stickiness.to_owned(), part: Part::Percentage };
        let mut body = prepared(flag, stickiness);
        body["title"] = mark.title().into();
        body["disabled"] = true.into();
        let path = format!("{}/strategies", self.environment_path(flag));
        let added = self.api.call(&Call::add(path, body)).await;
        added.map(|_| ()).map_err(|fault| fault.unexpected(&self.api.place))
    }

    /// Makes it, off in every environment.
    pub(super) async fn create(&self, flag: &str, card: &Card) -> Result<(), BackendError> {
        let kind = card.kind.as_deref().unwrap_or("release");
        let description = description(card).unwrap_or_else(|| DESCRIPTION.to_owned());
        let body = json!({ "name": flag, "type": kind, "description": description });
        let done = self.api.call(&Call::add(self.project_path(), body)).await;
        done.map(|_| ()).map_err(|fault| fault.unexpected(&self.api.place))
    }

    /// Writes what the card states and the flag does not say.
    async fn correct(&self, flag: &str, card: &Card, known: &Card) -> Result<(), BackendError> {
        let mut patch = Vec::new();
        if let Some(kind) = card.kind.as_ref().filter(|kind| known.kind.as_ref() != Some(kind)) {
            patch.push(json!({ "op": "replace", "path": "/type", "value": kind }));
        }
        let wanted = card.description.as_ref().or(card.owner.as_ref()).and_then(|_| description(&stated(card, known)));
        if let Some(wanted) = wanted.filter(|wanted| description(known).as_ref() != Some(wanted)) {
            patch.push(json!({ "op": "replace", "path": "/description", "value": wanted }));
        }
        if patch.is_empty() {
            return Ok(());
        }
        let call = Call::patch(self.flag_path(flag), Value::Array(patch));
        self.api.call(&call).await.map(|_| ()).map_err(|fault| fault.unexpected(&self.api.place))
    }

    /// Whether a flag that nothing of ours stands in here was made by us all the same: it is prepared for another
    /// environment, says so itself, or our token made it. Whose user made it is not enough: a person and their
    /// personal token are one, and so are all admin tokens.
    async fn made_by_us(&self, flag: &str, body: &Value) -> Result<bool, BackendError> {
        let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let elsewhere = list(body, "environments").iter().flat_map(|one| list(one, "strategies")).collect::<Vec<_>>();
        let marked = |strategy: &Value| strategy.get("title").and_then(Value::as_str).and_then(Mark::read).is_some();
        let text = body.get("description").and_then(Value::as_str).unwrap_or_default();
        let says_so =
            text.strip_prefix(DESCRIPTION).is_some_and(|rest| rest.is_empty() || rest.starts_with(" (owner: "));
        if elsewhere.iter().any(marked) || says_so {
            return Ok(true);
        }
        let by = body.pointer("/createdBy/id").and_then(Value::as_i64);
        let us = self.identity().await.map_err(|fault| fault.unexpected(&self.api.place))?;
        if by != Some(us.id) {
            return Ok(false);
        }
        self.created_with(flag, &us).await.map_err(|fault| fault.unexpected(&self.api.place))
    }
}

/// What is stated, and for the rest what is known.
fn stated(card: &Card, known: &Card) -> Card {
    Card {
        kind: card.kind.clone().or_else(|| known.kind.clone()),
        description: card.description.clone().or_else(|| known.description.clone()),
        owner: card.owner.clone().or_else(|| known.owner.clone()),
    }
}

/// An open-source server knows no owner of a flag: the last words of the description say who it is.
fn description(card: &Card) -> Option<String> {
    match (&card.description, &card.owner) {
        (None, None) => None,
        (Some(text), None) => Some(text.clone()),
        (None, Some(owner)) => Some(format!("{DESCRIPTION} (owner: {owner})")),
        (Some(text), Some(owner)) => Some(format!("{text} (owner: {owner})")),
    }
}

fn card(body: &Value) -> Card {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let whole = text("description");
    let parts = whole.as_deref().and_then(|whole| whole.strip_suffix(')')?.rsplit_once(" (owner: "));
    let (description, owner) = match parts {
        Some((description, owner)) => (Some(description.to_owned()), Some(owner.to_owned())),
        None => (whole, None),
    };
    Card { kind: text("type"), description: description.filter(|text| text != DESCRIPTION), owner }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_as_it_was_written() {
        let text = |text: &str| Some(text.to_owned());
        for (written, owner) in [(text("new checkout (beta)"), text("payments")), (text("a"), None), (None, text("b"))]
        {
            let card_of = Card { kind: text("experiment"), description: written, owner };
            let body = json!({ "type": "experiment", "description": description(&card_of) });
            assert_eq!(card(&body), card_of);
        }
        assert_eq!(card(&json!({ "type": "release", "description": DESCRIPTION })).description, None);
    }
}
