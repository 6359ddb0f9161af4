//! What an assistant asked, for the audit trail.
//!
//! It decides nothing, and the fold does not see it. Each record costs every driver a conflict, so that many calls go into
//! one; and it stands behind all else: where a stop waits beside the journal, or the journal is busy, it waits too.

use std::path::Path;

use super::error::ControlError;
use super::record::{ASKED, ASSISTANTS, AskedBody, record};
use super::stop::RECORDING;
use crate::engine::Timestamp;
use crate::journal::spool::Spool;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::{Journal as _, JournalError};

/// How often it is tried again because others appended meanwhile.
const CONFLICTS: usize = 5;

/// Records what was asked, in the journal that is there. Tells whether it was: one that is not there is not made.
///
/// # Errors
/// The journal's.
pub fn keep(journal: &Path, at: Timestamp, asked: &AskedBody) -> Result<bool, ControlError> {
    let Some(mut found) = SqliteJournal::look(journal, RECORDING)? else { return Ok(false) };
    // nobody appends before what waits was taken in
    if Spool::beside(journal).waiting() > 0 {
        return Ok(false);
    }
    let new = [record(at, ASSISTANTS, ASKED, asked)];
    for _ in 0..CONFLICTS {
        let head = found.head()?;
        match found.append(head.sequence, &new) {
            Err(JournalError::Conflict { .. }) => {}
            done => return Ok(done.map(|_| true)?),
        }
    }
    Ok(false)
}
