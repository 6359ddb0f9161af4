//! Windows: `Mon-Fri 09:00-16:00 Europe/Madrid`.
//!
//! A window is defined by asking an instant for its local time: it is open while `from ≤ t < to` on one of its days. Every
//! instant has one local time, whatever clocks do, so there is nothing to choose: an hour that is left out in spring is no
//! part of any window, one that comes twice in autumn counts both times.

use std::collections::BTreeSet;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::words::{Fault, Part};
use super::zone;
use crate::engine::Timestamp;
use crate::engine::calendar::{Weekday, Window};

/// As people write it.
pub const EXAMPLE: &str = "write `Mon-Fri 09:00-16:00 Europe/Madrid`: days (or `daily`), hours, and a zone";
/// Within so many days every window opens, also one whose only hour a week is left out when clocks change.
const DAYS_AHEAD: i64 = 22;

/// When windows are open next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// One of them is open, or there is none.
    Open,
    /// All are closed; the first instant at which one is open.
    At(Timestamp),
    /// Nobody can say: why.
    Unknown(String),
}

/// Reads a window.
///
/// # Errors
/// The first thing that is wrong, with its bytes.
pub fn parse(text: &str) -> Result<Window, Fault> {
    let whole = Part::whole(text);
    let words = whole.words();
    let [days, hours, zone] = words.as_slice() else {
        let message = match words.len() {
            0..3 => "a window has days, hours and a zone",
            _ => "there is more than days, hours and a zone",
        };
        return Err(whole.fault(message, EXAMPLE));
    };
    let days = self::days(*days)?;
    let (from, to) = self::hours(*hours)?;
    if !zone::is_zone(zone.text) {
        let fault = zone.fault(
            format!("there is no time zone `{}`", zone.text),
            "write `UTC`, or an IANA name like `Europe/Madrid`; abbreviations like `EST` mean several zones",
        );
        return Err(Fault { is_zone: true, ..fault });
    }
    let zone = zone.text.to_owned();
    Ok(Window { text: text.to_owned(), days, from, to, zone })
}

fn days(part: Part<'_>) -> Result<BTreeSet<Weekday>, Fault> {
    if part.text == "daily" {
        return Ok(Weekday::ALL.into());
    }
    let mut days = BTreeSet::new();
    for item in part.split(',') {
        match item.split('-').as_slice() {
            [day] => _ = days.insert(self::day(*day)?),
            [first, last] => {
                let (first, last) = (self::day(*first)?, self::day(*last)?);
                if first == last {
                    let help = format!("write `{}` for the one day, or `daily`", first.word());
                    return Err(item.fault("begins and ends with the same day", help));
                }
                // over the weekend too: `Fri-Mon` is four days
                let from = Weekday::ALL.into_iter().cycle().skip_while(|day| *day != first);
                for day in from {
                    days.insert(day);
                    if day == last {
                        break;
                    }
                }
            }
            _ => return Err(item.fault("these are no days", DAYS)),
        }
    }
    Ok(days)
}

const DAYS: &str = "write `Mon-Fri`, `Mon,Wed` or `daily`";

fn day(part: Part<'_>) -> Result<Weekday, Fault> {
    let known = Weekday::ALL.into_iter().find(|day| day.word() == part.text);
    known.ok_or_else(|| {
        let begins = |day: &Weekday| part.text.to_ascii_lowercase().starts_with(&day.word().to_ascii_lowercase());
        let help = match Weekday::ALL.iter().find(|day| begins(day)) {
            Some(day) => format!("write `{}`", day.word()),
            None => format!("days are Mon, Tue, Wed, Thu, Fri, Sat and Sun; {DAYS}"),
        };
        part.fault(format!("`{}` is no day", part.text), help)
    })
}

fn hours(part: Part<'_>) -> Result<(u16, u16), Fault> {
    let parts = part.split('-');
    let [from, to] = parts.as_slice() else {
        return Err(part.fault("these are no hours", "write `09:00-16:00`"));
    };
    let (begin, end) = (minute(*from)?, minute(*to)?);
    if begin == 1440 {
        return Err(from.fault("no day has this hour to begin with", "write `00:00`"));
    }
    if begin == end {
        return Err(part.fault("it would be over when it begins", "the whole day is `00:00-24:00`"));
    }
    Ok((begin, end))
}

/// `09:00`, up to `24:00`.
fn minute(part: Part<'_>) -> Result<u16, Fault> {
    let number = |text: &str| match text.as_bytes() {
        [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => text.parse::<u16>().ok(),
        _ => None,
    };
    let minute = part.text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
        Some(hour * 60 + minute).filter(|minute| *minute <= 1440)
    });
    minute.ok_or_else(|| {
        part.fault(format!("`{}` is no time of day", part.text), "write `09:00`, from `00:00` to `24:00`")
    })
}

/// Whether a window is open at an instant.
fn is_open(window: &Window, zone: &TimeZone, at: jiff::Timestamp) -> bool {
    let local = zone.to_datetime(at);
    let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
    let day = Weekday::ALL[local.weekday().to_monday_zero_offset().unsigned_abs() as usize % 7];
    window.covers(day, minute.unsigned_abs())
}

/// When windows are open next, from an instant on: while any of them is, they are.
pub fn opening(windows: &[Window], from: Timestamp) -> Opening {
    if windows.is_empty() {
        return Opening::Open;
    }
    let Some(instant) = zone::instant(from) else {
        return Opening::Unknown(format!("{from} lies beyond the calendar"));
    };
    let mut first: Option<jiff::Timestamp> = None;
    let mut unknown = None;
    for window in windows {
        let Some(zone) = zone::find(&window.zone) else {
            unknown = Some(format!("this version knows no time zone `{}`", window.zone));
            continue;
        };
        if is_open(window, &zone, instant) {
            return Opening::Open;
        }
        let next = next(window, &zone, instant);
        first = [first, next].into_iter().flatten().min();
    }
    match first {
        Some(first) => Opening::At(zone::timestamp(first)),
        None => Opening::Unknown(unknown.unwrap_or_else(|| "no window opens any more".to_owned())),
    }
}

/// The first instant after one at which a window is open. It opens where the local time comes to its beginning, or jumps
/// into it: nowhere else.
fn next(window: &Window, zone: &TimeZone, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
    let begins = Time::new((window.from / 60).try_into().ok()?, (window.from % 60).try_into().ok()?, 0, 0).ok()?;
    let yesterday = zone.to_datetime(after).date().yesterday().ok()?;
    let dates = yesterday.series(jiff::Span::new().days(1)).take(usize::try_from(DAYS_AHEAD).ok()?);
    let mut by_clock = dates.flat_map(|date| {
        let moment = zone.to_ambiguous_timestamp(date.to_datetime(begins));
        // an hour that comes twice begins twice
        [moment.earlier().ok(), moment.later().ok()].into_iter().flatten()
    });
    let is_open = |at: &jiff::Timestamp| *at > after && is_open(window, zone, *at);
    // ascending: a day is longer than what clocks jump
    let by_clock = by_clock.find(is_open);
    let limit = by_clock.or(after.checked_add(jiff::SignedDuration::from_hours(24 * DAYS_AHEAD)).ok());
    let jumps = zone.following(after).map(|jump| jump.timestamp());
    let by_jump = jumps.take_while(|at| limit.is_some_and(|limit| *at < limit)).find(is_open);
    by_jump.or(by_clock)
}

#[cfg(test)]
mod tests;
