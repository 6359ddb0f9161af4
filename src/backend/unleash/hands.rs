//! Who did what to a flag: the server keeps its events, with who caused each.

use serde_json::Value;

use super::Unleash;
use super::api::{Call, Fault};
use crate::http::{bounded, segment};

const CREATED: &str = "feature-created";
/// How many of the newest events of a flag are read.
const EVENTS: usize = 100;

/// Who we are at the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: i64,
    /// All admin tokens have one id: their names tell them apart.
    token: Option<String>,
}

/// One event of a flag that means something to the environment, newest first in lists.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) kind: String,
    pub(super) by: String,
    pub(super) ours: bool,
    /// The strategy that was changed, and what it is since.
    pub(super) strategy: Option<(String, Value)>,
}

impl Unleash {
    /// The newest events of a flag that change whom it reaches in the environment.
    pub(super) async fn events(&self, flag: &str) -> Result<Vec<Event>, Fault> {
        let identity = self.identity().await?;
        let path = format!("/api/admin/search/events?feature=IS:{}&limit={EVENTS}", segment(flag));
        let body = self.api.call(&Call::get(path)).await?;
        let Some(events) = body.get("events").and_then(Value::as_array) else {
            return Err(self.api.unreachable("its events are not as an Unleash lists them".to_owned()));
        };
        Ok(events.iter().filter(|event| self.matters(event)).filter_map(|event| read(event, &identity)).collect())
    }

    /// Whether a flag was created with our token, where a token can be told from its user.
    pub(super) async fn created_with(&self, flag: &str, identity: &Identity) -> Result<bool, Fault> {
        if identity.token.is_none() {
            return Ok(false);
        }
        let path = format!("/api/admin/search/events?feature=IS:{}&type=IS:feature-created&limit=1", segment(flag));
        let body = self.api.call(&Call::get(path)).await?;
        let events = body.get("events").and_then(Value::as_array);
        let created = events.and_then(|events| events.iter().find(|event| event.get("type") == Some(&CREATED.into())));
        Ok(created.and_then(|event| read(event, identity)).is_some_and(|event| event.ours))
    }

    pub(super) async fn identity(&self) -> Result<Identity, Fault> {
        if let Some(identity) = &*self.api.identity.lock().await {
            return Ok(identity.clone());
        }
        // the answer holds an admin token's secret: nothing of it but these two goes anywhere
        let body = self.api.call(&Call::get("/api/admin/user".to_owned())).await?;
        let user = body.get("user").unwrap_or(&Value::Null);
        let token = user.get("internalAdminTokenUserId").and_then(Value::as_i64);
        let name = user.get("username").and_then(Value::as_str).unwrap_or_default().to_owned();
        let identity = match (token, user.get("id").and_then(Value::as_i64)) {
            (Some(id), _) => Identity { id, token: Some(name) },
            (None, Some(id)) => Identity { id, token: None },
            (None, None) => return Err(self.api.unreachable("it does not say who we are".to_owned())),
        };
        Ok(self.api.identity.lock().await.insert(identity).clone())
    }

    fn matters(&self, event: &Value) -> bool {
        let elsewhere = event.get("environment").and_then(Value::as_str).is_some_and(|name| name != self.environment);
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        // what is said about a flag does not change whom it reaches
        let idle = ["tag", "stale", "metadata", "completed", "favorite", "link", "order", "created", "lifecycle"];
        !elsewhere && !idle.iter().any(|word| kind.contains(word))
    }
}

fn read(event: &Value, identity: &Identity) -> Option<Event> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let by = text("createdBy");
    let same_user = event.get("createdByUserId").and_then(Value::as_i64) == Some(identity.id);
    let data = event.get("data").filter(|data| data.get("id").is_some());
    Some(Event {
        id: event.get("id").and_then(Value::as_u64)?,
        kind: text("type").to_owned(),
        by: bounded(by),
        ours: same_user && identity.token.as_ref().is_none_or(|name| name == by),
        strategy: data.and_then(|data| Some((data.get("id")?.as_str()?.to_owned(), data.clone()))),
    })
}

/// Another hand since our last write. Where nothing of ours is among the events, it was all others.
pub(super) fn other_hand(events: &[Event], has_ours: bool) -> Option<String> {
    let newest = events.first().filter(|event| !event.ours)?;
    let since_ours = events.iter().any(|event| event.ours);
    (since_ours || has_ours).then(|| format!("{} ({})", newest.by, newest.kind))
}
