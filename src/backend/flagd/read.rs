//! Reading the whole meaning of a flag.

use std::collections::BTreeMap;

use super::Flagd;
use super::body::{self, Meaning};
use super::document::Document;
use super::marker::Marker;
use crate::backend::BackendError;
use crate::canonical::sha256_hex;
use crate::engine::Exposure;
use crate::engine::input::{MISSING, NO_PLACE, Observed};
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
            unserved: self.unserved(document.as_deref()),
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

    /// Why evaluators may serve something else than the file says.
    fn unserved(&self, document: Option<&Document>) -> Option<String> {
        let why = match document {
            // a file that was removed is no news to whoever serves it
            None => "it is not there, and evaluators keep serving what they read before: put the file back".to_owned(),
            Some(document) => {
                let fault = document.faults.first()?;
                format!("{fault}; evaluators refuse the whole file and serve the old one until that is mended")
            }
        };
        Some(format!("{}: {why}", self.shown))
    }
}

/// What a write is conditional on: the flag as it is written, and the marker. It says where there is no such flag, and
/// where there is no file: what was decided on a file must not make one.
pub(super) fn revision(document: Option<&Document>, flag: &str, marker: Option<&str>) -> String {
    let text = document.and_then(|document| document.flag_text(flag)).map(|text| sha256_hex(text.as_bytes()));
    let body = text.unwrap_or_else(|| if document.is_some() { MISSING } else { NO_PLACE }.to_owned());
    match marker {
        None => body,
        Some(token) => format!("{body}, marked {}", sha256_hex(token.as_bytes())),
    }
}
