//! Time zones by their names.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::engine::Timestamp;

/// A zone by its exact IANA name, or `UTC`. Abbreviations like `EST` mean different things to different people, and are
/// none.
pub(super) fn find(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    let is_exact = zone.iana_name() == Some(name) && !zone.is_unknown();
    (is_exact && is_written(name)).then_some(zone)
}

/// Whether there is such a zone.
pub fn is_zone(name: &str) -> bool {
    find(name).is_some()
}

fn is_written(name: &str) -> bool {
    name == "UTC" || name.contains('/')
}

/// All names that may be written.
pub fn names() -> impl Iterator<Item = String> {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    names.into_iter().filter(|name| is_written(name))
}

/// None beyond the calendar's ends, thousands of years away.
pub(super) fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.0).ok()
}

/// The instant in whole milliseconds.
pub(super) fn timestamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_their_exact_names() {
        for name in ["UTC", "Europe/Madrid", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe"] {
            assert!(is_zone(name), "{name}");
        }
        for name in ["", "EST", "CET", "Europe/Madird", "europe/madrid", "Etc/Unknown", "utc", "+01:00", "Local", "/"] {
            assert!(!is_zone(name), "{name}");
        }
        assert!(names().any(|name| name == "Europe/Madrid") && !names().any(|name| name == "EST"));
    }
}
