//! Reading the whole meaning of a flag.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Unleash;
use super::api::{Call, Fault};
use super::hands::{Event, other_hand};
use super::strategies::{Found, Meaning, Segments, is_key, meaning, need_segments, segment};
use crate::backend::BackendError;
use crate::canonical::sha256_hex;
use crate::engine::Exposure;
use crate::engine::input::{MISSING, Observed};
use crate::engine::plan::Audience;
use crate::http;

/// What the server shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Presence {
    /// There is no such flag.
    Missing,
    /// It is archived: no client is served it, whatever stands in it.
    Archived,
    /// It is there.
    There,
}

/// A flag in the environment as it was at one time.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) flag: String,
    pub(super) presence: Presence,
    pub(super) enabled: bool,
    pub(super) strategies: Vec<Found>,
    /// A release plan of the server's own is at work.
    pub(super) planned: bool,
    pub(super) events: Vec<Event>,
    /// The server's segments, where anything hangs on them.
    pub(super) segments: Segments,
    own_only: bool,
    /// What else its meaning hangs on: flags that it depends on.
    besides: Value,
}

impl Unleash {
    /// Looks at a flag. Its events are read after its body: a hand between the two is one too many, never one too few.
    pub(super) async fn look(&self, flag: &str, audiences: &BTreeMap<String, Audience>) -> Result<Seen, BackendError> {
        let segments = if is_key(flag) && need_segments(audiences) { self.segments().await? } else { Segments::new() };
        let (seen, _) = self.see(flag).await?;
        let mut seen = Seen { segments, ..seen };
        if seen.presence != Presence::Missing {
            seen.events = self.events(flag).await.map_err(|fault| fault.unexpected(&self.api.place))?;
        }
        Ok(seen)
    }

    /// Looks at a flag, and neither at its events nor at segments: it takes a call. Its whole body comes with it.
    pub(super) async fn see(&self, flag: &str) -> Result<(Seen, Value), BackendError> {
        let mut seen = Seen {
            flag: flag.to_owned(),
            presence: Presence::Missing,
            enabled: false,
            strategies: Vec::new(),
            planned: false,
            events: Vec::new(),
            segments: Segments::new(),
            own_only: self.own_only,
            besides: Value::Null,
        };
        if !is_key(flag) {
            return Ok((seen, Value::Null));
        }
        match self.api.call(&Call::get(self.flag_path(flag))).await {
            Ok(body) => {
                self.take_in(&body, &mut seen)?;
                Ok((seen, body))
            }
            Err(Fault::Missing(detail)) if detail.contains("but there's a feature with that name") => {
                Err(self.refused(detail))
            }
            // archived flags are not found, but their environments are
            Err(Fault::Missing(_)) => match self.api.call(&Call::get(self.environment_path(flag))).await {
                Ok(_) => {
                    seen.presence = Presence::Archived;
                    Ok((seen, Value::Null))
                }
                Err(Fault::Missing(detail)) if is_nowhere(&detail) => {
                    self.place_is_there().await?;
                    Ok((seen, Value::Null))
                }
                // a stop rests on this: whatever else it may mean, it does not mean that the flag is gone
                Err(Fault::Missing(detail)) => Err(self.refused(detail)),
                Err(fault) => Err(fault.unexpected(&self.api.place)),
            },
            Err(fault) => Err(fault.unexpected(&self.api.place)),
        }
    }

    pub(super) async fn segments(&self) -> Result<Segments, BackendError> {
        let body = self.api.call(&Call::get("/api/admin/segments".to_owned())).await;
        let body = body.map_err(|fault| fault.unexpected(&self.api.place))?;
        let list = body.get("segments").and_then(Value::as_array);
        Ok(list.map(|list| list.iter().filter_map(segment).collect()).unwrap_or_default())
    }

    fn take_in(&self, body: &Value, seen: &mut Seen) -> Result<(), BackendError> {
        let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned();
        let Some(environments) = list(body, "environments") else {
            return Err(self
                .api
                .unreachable("a flag is not as an Unleash shows it".to_owned())
                .unexpected(&self.api.place));
        };
        let named = |environment: &Value| environment.get("name").and_then(Value::as_str) == Some(&self.environment);
        let Some(environment) = environments.iter().find(|environment| named(environment)) else {
            let known: Vec<&str> = environments.iter().filter_map(|known| known.get("name")?.as_str()).collect();
            let known = known.join(", ");
            return Err(self.refused(format!("it has no environment `{}`, only {known}", self.environment)));
        };
        let (Some(enabled), Some(strategies)) = (
            environment.get("enabled").and_then(Value::as_bool),
            // one that cannot be read may be for everybody
            list(environment, "strategies").and_then(|all| all.iter().map(Found::read).collect::<Option<Vec<_>>>()),
        ) else {
            return Err(self
                .api
                .unreachable("a flag is not as an Unleash shows it".to_owned())
                .unexpected(&self.api.place));
        };
        seen.presence = Presence::There;
        seen.enabled = enabled;
        seen.strategies = strategies;
        let plans = list(environment, "releasePlans").is_some_and(|plans| !plans.is_empty());
        seen.planned = plans || seen.strategies.iter().any(|strategy| strategy.planned);
        seen.besides = body.get("dependencies").cloned().unwrap_or_default();
        Ok(())
    }

    pub(super) fn project_path(&self) -> String {
        format!("/api/admin/projects/{}/features", http::segment(&self.project))
    }

    pub(super) fn flag_path(&self, flag: &str) -> String {
        format!("{}/{}", self.project_path(), http::segment(flag))
    }

    pub(super) fn environment_path(&self, flag: &str) -> String {
        format!("{}/environments/{}", self.flag_path(flag), http::segment(&self.environment))
    }
}

impl Seen {
    /// What its strategies mean. What others put there is none of ours where the documents say so.
    pub(super) fn meaning(&self, audiences: &BTreeMap<String, Audience>) -> Meaning {
        let mut meaning = meaning(&self.flag, &self.strategies, audiences, &self.segments);
        if self.own_only {
            meaning.foreign = None;
        } else if self.enabled && self.strategies.iter().all(|strategy| strategy.disabled) {
            meaning.foreign = Some("it is on without an enabled strategy, which means everybody".to_owned());
        }
        if self.planned && !self.own_only {
            meaning.foreign = Some("a release plan of Unleash's own drives it".to_owned());
        }
        meaning
    }

    /// Whether it serves anybody anything: the switch, and where others share the flag, whether anything of ours is
    /// enabled.
    pub(super) fn on(&self, meaning: &Meaning) -> bool {
        self.presence == Presence::There
            && self.enabled
            && (!self.own_only || meaning.reaches || meaning.foreign.is_some())
    }

    pub(super) fn observed(&self, audiences: &BTreeMap<String, Audience>) -> Observed {
        let meaning = self.meaning(audiences);
        let on = self.on(&meaning);
        Observed {
            on,
            foreign: meaning.foreign.or(meaning.changed).or(meaning.in_part).filter(|_| on),
            exposure: if self.presence == Presence::There { meaning.exposure } else { Exposure::nobody() },
            stamp: meaning.stamp,
            other_hand: self.other_hand(),
            revision: self.revision(),
            unserved: None,
        }
    }

    /// The newest event that matters, and everything that does: a change that is undone again is one too.
    pub(super) fn revision(&self) -> String {
        match self.presence {
            Presence::Missing => MISSING.to_owned(),
            Presence::Archived => "archived".to_owned(),
            Presence::There => {
                let strategies: Vec<Value> = self.strategies.iter().map(told).collect();
                let all = json!([self.enabled, strategies, self.besides]);
                format!("{}-{}", self.newest(), &sha256_hex(all.to_string().as_bytes())[..16])
            }
        }
    }

    /// Another hand since our last write.
    pub(super) fn other_hand(&self) -> Option<String> {
        other_hand(&self.events, self.strategies.iter().any(|strategy| strategy.mark.is_some()))
    }

    /// Whether anybody, by whatever token, switched it off after another look.
    pub(super) fn was_switched_off_since(&self, before: &Seen) -> bool {
        self.events.iter().any(|event| event.id > before.newest() && event.kind == "feature-environment-disabled")
    }

    /// The newest event that matters.
    pub(super) fn newest(&self) -> u64 {
        self.events.first().map_or(0, |event| event.id)
    }
}

/// Whether a server's words mean that it has no flag of this name anywhere. An archived one is found otherwise.
pub(super) fn is_nowhere(detail: &str) -> bool {
    detail.starts_with("There's no feature named") && !detail.contains("but there's")
}

fn told(strategy: &Found) -> Value {
    json!([strategy.id, strategy.name, strategy.disabled, strategy.body])
}
