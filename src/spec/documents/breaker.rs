//! The blast-radius breaker.

use crate::engine::Percentage;
use crate::spec::finding::Finding;
use crate::spec::reader::Reader;

/// Fewer rollouts than this never trip it, unless the project says otherwise.
const LEAST: u32 = 5;

/// When rules pause instead of shutting down, since one query or source would shut down too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerDoc {
    /// It trips above this share of the rollouts in progress.
    pub share: Percentage,
    /// It never trips below so many rollouts that would be shut down, two at least.
    pub least: u32,
}

/// The breaker of the project. One that cannot be read is none: then rules shut down.
pub(super) fn breaker(reader: &mut Reader<'_, '_>) -> Option<BreakerDoc> {
    let node = reader.get("breaker")?;
    let before = reader.findings().len();
    let mut inner = Reader::new(node, "`breaker`", reader.findings());
    inner.need("share");
    let share = inner.percentage("share");
    let least = inner.number("least");
    inner.finish();
    if let Some((share, at)) = share.as_ref().filter(|(share, _)| matches!(*share, Percentage::ZERO | Percentage::FULL))
    {
        let (why, help) = match *share {
            Percentage::ZERO => ("would hold back every shutdown of several rollouts", "write a share above 0%"),
            _ => ("is never exceeded, so it never trips", "write a share below 100%, or leave the breaker out"),
        };
        reader.findings().push(Finding::error("breaker", at, format!("a share of {share} {why}")).help(help));
    }
    if let Some((least, at)) = least.as_ref().filter(|(least, _)| *least < 2) {
        let message =
            format!("`least: {least}` would hold back the shutdown of one rollout alone, which shares nothing");
        reader.findings().push(Finding::error("breaker", at, message).help("write 2 or more"));
    }
    let is_sound = reader.findings().len() == before;
    let least = least.map_or(LEAST, |(least, _)| u32::try_from(least).unwrap_or(u32::MAX));
    share.filter(|_| is_sound).map(|(share, _)| BreakerDoc { share, least })
}
