//! Reading the whole meaning of a flag.

use std::collections::BTreeMap;

use super::Flagd;
use super::body::{self, Meaning};
use super::document::Document;
use super::marker::Marker;
use crate::backend::BackendError;
use crate::canonical::sha256_hex;
use crate::engine::Exposure;
use crate::engine::input::Observed;
use crate::engine::plan::Audience;

impl Flagd {
    pub(super) fn observe(&self, flag: &str, audiences: &BTreeMap<String, Audience>) -> Result<Observed, BackendError> {
        let target = self.target()?;
        let marker = Marker::of(&target, flag).token();
        let read = || target.read().map_err(|error| self.disk(error));
        let document = self.latest.shared(read)?.map_err(|detail| self.unparsable(&detail))?;
        let mut seen = Observed {
            on: marker.is_none(),
            exposure: Exposure::nobody(),
            foreign: None,
            stamp: None,
            other_hand: None,
            revision: revision(document.as_deref(), flag, marker.as_deref()),
        };
        let Some(body) = document.as_ref().and_then(|document| document.flag(flag)) else {
            seen.on = false;
            return Ok(seen);
        };
        match body::meaning(body, audiences) {
            Meaning::Ours(ours) => {
                // no evaluator knows of the marker: what the file serves is what counts
                seen.on |= !ours.exposure.is_nobody();
                seen.exposure = ours.exposure;
                seen.stamp = Some(ours.stamp);
            }
            Meaning::Nobody(stamp) => seen.stamp = stamp,
            Meaning::Foreign { why, stamp } => {
                seen.on = true;
                seen.foreign = Some(why);
                seen.stamp = stamp;
            }
        }
        Ok(seen)
    }
}

/// What a write is conditional on: the flag as it is written, and the marker. `missing` where there is no such flag.
pub(super) fn revision(document: Option<&Document>, flag: &str, marker: Option<&str>) -> String {
    let text = document.and_then(|document| document.flag_text(flag));
    match (text, marker) {
        (None, None) => "missing".to_owned(),
        (None, Some(token)) => format!("missing, marked {}", sha256_hex(token.as_bytes())),
        (Some(text), None) => sha256_hex(text.as_bytes()),
        (Some(text), Some(token)) => {
            format!("{}, marked {}", sha256_hex(text.as_bytes()), sha256_hex(token.as_bytes()))
        }
    }
}
