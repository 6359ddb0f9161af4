//! Verifying the chain: any changed, removed, inserted or reordered record is found and named.

use super::chain::{chain_hash, genesis_hash};
use super::{Head, Record, Sequence};

/// The first thing that is wrong with a chain. What follows it cannot be trusted, so there is no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A record's content is not what its hash was made of, or the record before it was another one.
    #[error("record {} ({kind} of {stream}) was changed, inserted or moved", sequence.0)]
    Changed {
        /// Its position.
        sequence: Sequence,
        /// Its stream.
        stream: String,
        /// Its kind.
        kind: String,
    },
    /// Positions are missing.
    #[error("records {} to {} were removed", from.0, to.0)]
    Removed {
        /// The first missing one.
        from: Sequence,
        /// The last missing one.
        to: Sequence,
    },
    /// The chain ends elsewhere than the head that was written down before.
    #[error("the journal ends at {}, but it once ended at {} with hash {expected}", found.0, at.0)]
    Cut {
        /// Where it ends now.
        found: Sequence,
        /// Where it ended.
        at: Sequence,
        /// The hash there.
        expected: String,
    },
}

/// Where a chain begins.
pub fn beginning(journal_id: &str) -> Head {
    Head { sequence: Sequence(0), hash: genesis_hash(journal_id) }
}

/// The head after one more record.
///
/// # Errors
/// A record that does not follow.
pub fn follow(head: &Head, record: &Record) -> Result<Head, Damage> {
    let expected = Sequence(head.sequence.0 + 1);
    if record.sequence > expected {
        return Err(Damage::Removed { from: expected, to: Sequence(record.sequence.0 - 1) });
    }
    if record.sequence != expected || chain_hash(&head.hash, record.sequence, &record.new) != record.hash {
        return Err(Damage::Changed {
            sequence: record.sequence,
            stream: record.new.stream.clone(),
            kind: record.new.kind.clone(),
        });
    }
    Ok(Head { sequence: record.sequence, hash: record.hash.clone() })
}

/// Verifies records in the order of their positions. `anchor` is a head that was written down before: without one, a tail
/// that was cut off at a record's end cannot be seen, since a shorter chain is a valid chain.
///
/// # Errors
/// The first damage.
pub fn verify(journal_id: &str, records: &[Record], anchor: Option<&Head>) -> Result<Head, Damage> {
    let mut head = beginning(journal_id);
    let mut anchored = anchor.is_none_or(|anchor| *anchor == head);
    for record in records {
        head = follow(&head, record)?;
        anchored |= anchor.is_some_and(|anchor| *anchor == head);
    }
    match anchor.filter(|_| !anchored) {
        Some(anchor) => Err(Damage::Cut { found: head.sequence, at: anchor.sequence, expected: anchor.hash.clone() }),
        None => Ok(head),
    }
}
