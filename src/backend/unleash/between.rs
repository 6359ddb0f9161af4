//! What another hand changed between our look and our write: of the two, what is smaller stands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Unleash;
use super::api::Call;
use super::hands::Event;
use super::look::Seen;
use super::mark::{Mark, Part};
use super::strategies::{percent, plain, share};
use crate::backend::{BackendError, Expose};
use crate::engine::Percentage;
use crate::http::segment;

/// How often it is looked at again: what we put back may lie over one more change.
const ROUNDS: usize = 3;

impl Unleash {
    /// Puts back what another hand made smaller under our write. What they made larger is none of a rule's to write: ours
    /// stays, and who they were is told.
    pub(super) async fn give_back(&self, request: &Expose, before: &Seen, after: &Seen) -> Result<(), BackendError> {
        let (mut newest, mut events) = (before.newest(), after.events.clone());
        let mut hand = None;
        for _ in 0..ROUNDS {
            let overwritten = overwritten(&events, newest);
            let Some(by) = overwritten.values().next().map(|event| event.by.clone()) else { break };
            hand = Some(by);
            newest = events.first().map_or(0, |event| event.id);
            let mut wrote = false;
            for (id, event) in overwritten {
                let Some(body) = event.strategy.as_ref().and_then(|(_, left)| smaller(left, request)) else { continue };
                let path = format!("{}/strategies/{}", self.environment_path(&request.flag), segment(&id));
                let put = self.api.call(&Call::put(path, body)).await;
                put.map_err(|fault| fault.unexpected(&self.api.place))?;
                wrote = true;
            }
            if !wrote {
                break;
            }
            events = self.look(&request.flag, &request.audiences).await?.events;
        }
        match hand {
            Some(by) => Err(self.conflict(format!("{by} changed a strategy at the same time; what is smaller stands"))),
            None => Ok(()),
        }
    }
}

/// The newest change of each strategy by another hand that a write of ours lies over, by the strategy's id.
fn overwritten(events: &[Event], since: u64) -> BTreeMap<String, &Event> {
    let mut found = BTreeMap::new();
    let since = || events.iter().filter(|event| event.id > since);
    for theirs in since().filter(|event| !event.ours) {
        let Some((id, _)) = &theirs.strategy else { continue };
        let over = |event: &&Event| event.strategy.as_ref().is_some_and(|(known, _)| known == id);
        if since().filter(over).any(|event| event.ours && event.id > theirs.id) {
            found.entry(id.clone()).or_insert(theirs);
        }
    }
    found
}

/// What is to stand there of a strategy as another hand left it; none where what we wrote is no larger.
fn smaller(left: &Value, request: &Expose) -> Option<Value> {
    let mut body = left.clone();
    body.as_object_mut()?.remove("id");
    if left.get("disabled").and_then(Value::as_bool).unwrap_or(false) {
        return Some(body);
    }
    let mark = left.get("title").and_then(Value::as_str).and_then(Mark::read);
    let known = mark.filter(|mark| mark.part == Part::Percentage).zip(percent(left));
    match known {
        Some((mark, at)) if share(&request.flag, Percentage::whole(at), &mark.stickiness) == plain(left) => {
            (Percentage::whole(at) < request.exposure.percentage).then_some(body)
        }
        // nobody can tell whether it is smaller; disabled, it is, and theirs
        _ => {
            body["disabled"] = true.into();
            Some(body)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::backend::Switch;
    use crate::engine::Exposure;
    use crate::engine::input::Stamp;

    fn request() -> Expose {
        Expose {
            flag: "f".to_owned(),
            exposure: Exposure { audiences: std::collections::BTreeSet::new(), percentage: Percentage::whole(25) },
            audiences: BTreeMap::new(),
            stickiness: "userId".to_owned(),
            stamp: Stamp { journal: "j".to_owned(), rollout: "r".to_owned() },
            switch: Switch::Keep,
            take_over: false,
            revision: "1".to_owned(),
        }
    }

    fn left(rollout: u32) -> Value {
        let mut body = share("f", Percentage::whole(rollout), "userId");
        let mark = Mark { stamp: request().stamp, stickiness: "userId".to_owned(), part: Part::Percentage };
        body["title"] = mark.title().into();
        body["id"] = "1".into();
        body
    }

    #[test]
    fn of_two_shares_the_smaller_stands() {
        assert_eq!(smaller(&left(80), &request()), None);
        assert_eq!(smaller(&left(25), &request()), None);
        let body = smaller(&left(3), &request()).unwrap();
        assert_eq!((&body["parameters"]["rollout"], body.get("id")), (&json!("3"), None));
    }

    #[test]
    fn what_cannot_be_compared_is_disabled_and_what_was_disabled_stays_so() {
        let mut narrowed = left(80);
        narrowed["constraints"] = json!([{ "contextName": "email", "operator": "IN", "values": ["a"] }]);
        assert_eq!(smaller(&narrowed, &request()).unwrap()["disabled"], true);
        let mut disabled = left(80);
        disabled["disabled"] = true.into();
        assert_eq!(smaller(&disabled, &request()).unwrap()["disabled"], true);
        let mut odd = left(80);
        odd["parameters"]["rollout"] = "12.5".into();
        assert_eq!(smaller(&odd, &request()).unwrap()["disabled"], true);
    }

    #[test]
    fn only_what_lies_under_a_write_of_ours_was_overwritten() {
        let event = |id: u64, ours: bool, strategy: &str| Event {
            id,
            kind: "feature-strategy-update".to_owned(),
            by: "bo".to_owned(),
            ours,
            strategy: Some((strategy.to_owned(), left(3))),
        };
        let events = [event(9, false, "b"), event(8, true, "a"), event(7, false, "a"), event(6, false, "a")];
        let found: Vec<(String, u64)> = overwritten(&events, 5).into_iter().map(|(id, event)| (id, event.id)).collect();
        assert_eq!(found, [("a".to_owned(), 7)]);
        assert!(overwritten(&events, 7).is_empty());
    }
}
