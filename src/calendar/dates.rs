//! Dates as a freeze names them: `2026-12-20`, `2026-12-20T18:00`, in a zone.

use jiff::civil::{Date, DateTime};

use super::words::{Fault, Part};
use super::zone;
use crate::engine::Timestamp;

/// Which end of a stretch of time a moment is. Where clocks change, and a time is left out or comes twice, the stretch is the
/// longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its beginning: the date's first instant.
    From,
    /// Its end: a date is in it up to its last instant.
    To,
}

/// The instant that a date, or a date with a time, means in a zone.
///
/// # Errors
/// What is wrong; no zone of that name among them, which marks nothing of the text.
pub fn moment(text: &str, zone: &str, end: End) -> Result<Timestamp, Fault> {
    let part = Part::whole(text);
    let beyond = || part.fault("lies beyond the calendar", HELP);
    let Some(zone) = zone::find(zone) else { return Err(part.fault(format!("there is no time zone `{zone}`"), HELP)) };
    let at = match read(text) {
        Some(Written::Day(date)) => {
            let day = match end {
                End::From => date,
                End::To => date.tomorrow().map_err(|_| beyond())?,
            };
            // the day's first instant, also where clocks change at midnight
            zone.to_ambiguous_timestamp(day.to_datetime(jiff::civil::Time::midnight())).compatible()
        }
        Some(Written::Time(time)) => {
            let moment = zone.to_ambiguous_timestamp(time);
            if end == End::From { moment.earlier() } else { moment.later() }
        }
        None => return Err(part.fault(format!("`{text}` is no date"), HELP)),
    };
    at.map(zone::timestamp).map_err(|_| beyond())
}

const HELP: &str = "write `2026-12-20`, or `2026-12-20T18:00`, in quotes";

enum Written {
    Day(Date),
    Time(DateTime),
}

/// These two spellings and no other: a date of another order, or with an offset of its own, would say something else.
fn read(text: &str) -> Option<Written> {
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let sign = |at: usize, sign: u8| text.as_bytes().get(at) == Some(&sign);
    let small = |from: usize, to: usize| number(from, to).and_then(|number| i8::try_from(number).ok());
    if !(sign(4, b'-') && sign(7, b'-')) {
        return None;
    }
    let date = Date::new(number(0, 4)?, small(5, 7)?, small(8, 10)?).ok()?;
    match text.len() {
        10 => Some(Written::Day(date)),
        16 if sign(10, b'T') && sign(13, b':') => {
            let time = jiff::civil::Time::new(small(11, 13)?, small(14, 16)?, 0, 0).ok()?;
            Some(Written::Time(date.to_datetime(time)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str, end: End) -> String {
        moment(text, zone, end).map_or_else(|fault| fault.message, |at| at.to_string())
    }

    #[test]
    fn a_date_is_the_whole_day_in_its_zone() {
        for (text, zone, from, to) in [
            ("2026-12-20", "UTC", "2026-12-20T00:00:00.000Z", "2026-12-21T00:00:00.000Z"),
            ("2026-12-20", "Europe/Madrid", "2026-12-19T23:00:00.000Z", "2026-12-20T23:00:00.000Z"),
            // 23 and 25 hours
            ("2026-03-29", "Europe/Madrid", "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),
            ("2026-10-25", "Europe/Madrid", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"),
            // no midnight: the day begins at 01:00
            ("2024-04-26", "Africa/Cairo", "2024-04-25T22:00:00.000Z", "2024-04-26T21:00:00.000Z"),
            ("2026-12-31", "Asia/Kolkata", "2026-12-30T18:30:00.000Z", "2026-12-31T18:30:00.000Z"),
        ] {
            assert_eq!((at(text, zone, End::From).as_str(), at(text, zone, End::To).as_str()), (from, to), "{text}");
        }
    }

    #[test]
    fn a_time_that_is_left_out_or_comes_twice_makes_the_freeze_longer() {
        let madrid = |text: &str, end| at(text, "Europe/Madrid", end);
        assert_eq!(madrid("2026-12-20T18:00", End::From), "2026-12-20T17:00:00.000Z");
        assert_eq!(madrid("2026-12-20T18:00", End::To), "2026-12-20T17:00:00.000Z");
        // left out: 02:00 to 03:00
        assert_eq!(madrid("2026-03-29T02:30", End::From), "2026-03-29T00:30:00.000Z");
        assert_eq!(madrid("2026-03-29T02:30", End::To), "2026-03-29T01:30:00.000Z");
        // twice
        assert_eq!(madrid("2026-10-25T02:30", End::From), "2026-10-25T00:30:00.000Z");
        assert_eq!(madrid("2026-10-25T02:30", End::To), "2026-10-25T01:30:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026-13-01",
            "2026-02-29",
            "20-12-2026",
            "2026/12/20",
            "2026-12-20 18:00",
            "2026-12-20T18:00Z",
            "2026-12-20T18:00:00",
            "2026-12-20T24:00",
            "2026-12-20T18h00",
            "+026-12-20",
            "２026-12-20",
            "2026-12-2０",
        ] {
            assert!(moment(text, "UTC", End::From).is_err(), "{text}");
        }
        assert!(at("9999-12-31", "UTC", End::To).contains("beyond"));
        assert!(at("2026-12-20", "Europe/Madird", End::To).contains("no time zone"));
    }
}
