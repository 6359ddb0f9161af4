//! The hash chain. A record's hash is SHA-256 over the text
//! `PREVIOUS\nSEQUENCE\nAT\nLENGTH STREAM\nLENGTH KIND\nBODY`, where PREVIOUS is the hash before it in hexadecimal, AT
//! milliseconds since the Unix epoch, and LENGTH the bytes of the text that follows it. Anybody can compute it again with
//! `printf … | sha256sum`.

use super::{NewRecord, Sequence};
use crate::canonical::sha256_hex;

/// What the first record's PREVIOUS is: the hash of `flagstaff journal ID`.
pub fn genesis_hash(journal_id: &str) -> String {
    sha256_hex(format!("flagstaff journal {journal_id}").as_bytes())
}

/// The hash of a record at its place in the chain.
pub fn chain_hash(previous: &str, sequence: Sequence, record: &NewRecord) -> String {
    let NewRecord { at, stream, kind, body } = record;
    let text =
        format!("{previous}\n{}\n{}\n{} {stream}\n{} {kind}\n{body}", sequence.0, at.0, stream.len(), kind.len());
    sha256_hex(text.as_bytes())
}
