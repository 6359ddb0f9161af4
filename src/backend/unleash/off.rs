//! Switching off.

use std::collections::BTreeMap;

use serde_json::json;

use super::Unleash;
use super::api::{Call, Fault};
use super::mark::Part;
use super::strategies::{Found, is_key};
use crate::backend::BackendError;

/// How often ours are looked for again, where others share the flag: a growth that is under way may enable a few more.
const ROUNDS: usize = 20;

impl Unleash {
    /// Off for everybody: one call, which needs to know nothing. A flag that is not there is off; whether it was looked
    /// for in the right place is for the read-back to say.
    pub(super) async fn off(&self, flag: &str) -> Result<(), BackendError> {
        if !is_key(flag) {
            return Ok(());
        }
        if self.own_only {
            return self.ours_off(flag).await;
        }
        let call = Call::off(&self.environment_path(flag));
        match self.api.call(&call).await {
            Ok(_) | Err(Fault::Missing(_) | Fault::Archived) => Ok(()),
            Err(Fault::Other(error)) => Err(error),
        }
    }

    /// Takes away ours and leaves what others put there; the switch, where there is nothing else. The share goes first:
    /// without it nothing of ours is enabled again by a growth that is under way.
    async fn ours_off(&self, flag: &str) -> Result<(), BackendError> {
        for _ in 0..ROUNDS {
            let seen = self.look(flag, &BTreeMap::new()).await?;
            let enabled = || seen.strategies.iter().filter(|strategy| !strategy.disabled);
            let mut ours: Vec<&Found> = enabled().filter(|strategy| strategy.mark.is_some()).collect();
            if ours.is_empty() {
                return Ok(());
            }
            if enabled().count() == ours.len() && seen.enabled {
                let call = Call::off(&self.environment_path(flag));
                self.api.call(&call).await.map_err(|fault| fault.unexpected(&self.api.place))?;
            }
            ours.sort_by_key(|strategy| strategy.mark.as_ref().is_none_or(|mark| mark.part != Part::Percentage));
            for strategy in ours {
                self.disable(flag, strategy).await?;
            }
        }
        Err(BackendError::NotEffective {
            place: self.api.place.clone(),
            detail: "somebody keeps enabling its strategies again".to_owned(),
        })
    }

    pub(super) async fn disable(&self, flag: &str, strategy: &Found) -> Result<(), BackendError> {
        let path = format!("{}/strategies/{}", self.environment_path(flag), crate::http::segment(&strategy.id));
        let patch = json!([{ "op": "replace", "path": "/disabled", "value": true }]);
        match self.api.call(&Call::patch(path, patch)).await {
            Ok(_) | Err(Fault::Missing(_) | Fault::Archived) => Ok(()),
            Err(Fault::Other(error)) => Err(error),
        }
    }
}
