//! A flag before any rollout: made, serving off to everybody, and ours by its metadata. Nothing here changes whom a flag
//! reaches.

use serde_json::{Map, Value, json};

use super::Flagd;
use super::body::{self, Meaning};
use crate::backend::{BackendError, Card, Prepare, Standing};

/// How often a write that was overtaken begins anew.
const TRIES: usize = 20;

impl Flagd {
    /// How a flag stands.
    pub(super) fn stands(&self, flag: &str) -> Result<Standing, BackendError> {
        let target = self.target()?;
        let read = || target.read().map_err(|error| self.disk(error));
        let document = self.latest.shared(read)?.map_err(|detail| self.unparsable(&detail))?;
        Ok(document.and_then(|document| document.flag(flag).map(standing)).unwrap_or(Standing::Missing))
    }

    /// Makes it where it is missing, marks it, and writes what the card states.
    pub(super) fn make(&self, request: &Prepare) -> Result<(), BackendError> {
        let flag = request.flag.as_str();
        let target = self.target()?;
        target.check_writable().map_err(|error| self.disk(error))?;
        let lock = target.lock(self.patience).map_err(|error| self.disk(error))?;
        let Some(_lock) = lock else {
            return Err(self.unreachable("another process keeps its lock; nothing was written"));
        };
        for _ in 0..TRIES {
            let found = self.find(&target)?.map_err(|detail| self.unparsable(&detail))?;
            if let Some(fault) = found.document.faults.first() {
                return Err(self.refused(format!("{fault}; evaluators refuse the whole file until that is mended")));
            }
            let body = found.document.flag(flag);
            if !request.adopt && body.is_some_and(|body| matches!(standing(body), Standing::Theirs { .. })) {
                return Err(self.conflict("it is not ours"));
            }
            if body.is_some_and(|body| !body::has_our_variants(body)) {
                return Err(self.refused(
                    "its variants are others than those that are written here; give the flag exactly the variants \
                     `\"on\": true, \"off\": false`, or a key of its own",
                ));
            }
            let metadata = ("metadata", Some(Value::Object(metadata(&request.card))));
            let text = match body {
                // whatever it serves it goes on to serve
                Some(_) => found.document.with_flag(flag, &[metadata]),
                None => {
                    let mut members = body::off(None).map_err(|detail| self.refused(detail))?;
                    members.push(metadata);
                    found.document.with_flag(flag, &members)
                }
            };
            if text == found.document.text || self.commit(&target, found, &text, || Ok(()))? {
                return Ok(());
            }
        }
        Err(self.unreachable("others keep writing it"))
    }
}

/// What is said of a flag in its metadata: evaluators hand it on with each answer.
fn metadata(card: &Card) -> Map<String, Value> {
    let mut metadata = Map::from_iter([("managedBy".to_owned(), json!("flagstaff"))]);
    for (name, text) in [("type", &card.kind), ("description", &card.description), ("owner", &card.owner)] {
        metadata.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    metadata
}

/// What a flag serves to somebody, if it may.
fn reaches(body: &Value) -> Option<String> {
    match body::meaning(body, &std::collections::BTreeMap::new()) {
        Meaning::Foreign { why, .. } => Some(why),
        Meaning::Ours(ours) => (!ours.exposure.is_nobody()).then(|| ours.exposure.to_string()),
        Meaning::Nobody(_) => None,
    }
}

fn standing(body: &Value) -> Standing {
    let text = |name: &str| body.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).map(str::to_owned);
    if text("managedBy").as_deref() == Some("flagstaff") {
        let card = Card { kind: text("type"), description: text("description"), owner: text("owner") };
        // the definitions of audiences are not at hand: what it says of itself tells whom it is for
        let (claimed, stamp) = (body::claimed(body), body::stamp(body));
        let reaches =
            reaches(body).map(|why| claimed.filter(|claimed| !claimed.is_nobody()).map_or(why, |on| on.to_string()));
        return Standing::Ours { prepared: true, card, reaches, stamp };
    }
    let reaches = reaches(body);
    Standing::Theirs { reaches }
}
