use proptest::prelude::*;

use super::*;
use crate::engine::Span;

fn at(text: &str) -> Timestamp {
    zone::timestamp(text.parse::<jiff::Timestamp>().unwrap())
}

fn window(text: &str) -> Window {
    parse(text).unwrap()
}

/// Every moment within a stretch of time at which the window opens or closes, found by asking every minute.
fn changes(text: &str, from: &str, to: &str) -> Vec<String> {
    let window = [window(text)];
    let open = |at: Timestamp| opening(&window, at) == Opening::Open;
    let (mut now, to) = (at(from), at(to));
    let mut before = open(now);
    let mut found = Vec::new();
    while now < to {
        now = now.plus(Span::minutes(1));
        let is = open(now);
        if is != before {
            let word = if is { "opens" } else { "closes" };
            found.push(format!("{word} {}", &now.to_string()[..16]));
        }
        before = is;
    }
    found
}

#[test]
fn what_is_written_is_what_is_meant() {
    for (text, days, from, to) in [
        ("Mon-Fri 09:00-16:00 Europe/Madrid", "Mon Tue Wed Thu Fri", 540, 960),
        ("Mon,Wed 09:30-24:00 UTC", "Mon Wed", 570, 1440),
        ("daily 22:00-02:00 America/New_York", "Mon Tue Wed Thu Fri Sat Sun", 1320, 120),
        ("Fri-Mon,Wed 00:00-00:01 Asia/Kolkata", "Mon Wed Fri Sat Sun", 0, 1),
        ("  Sun   22:00-00:00\tUTC ", "Sun", 1320, 0),
    ] {
        let read = window(text);
        let words: Vec<&str> = read.days.iter().map(|day| day.word()).collect();
        assert_eq!((words.join(" ").as_str(), read.from, read.to), (days, from, to), "{text}");
        assert_eq!(read.text, text);
    }
}

#[test]
fn what_is_wrong_is_marked() {
    for (text, marked, says) in [
        ("Mon-Fri 09:00-16:00", "Mon-Fri 09:00-16:00", "days, hours and a zone"),
        ("", "", "days, hours and a zone"),
        ("Mon - Fri 09:00-16:00 UTC", "Mon - Fri 09:00-16:00 UTC", "more than"),
        ("Monday-Fri 09:00-16:00 UTC", "Monday", "no day"),
        ("Mon-fri 09:00-16:00 UTC", "fri", "write `Fri`"),
        ("Mon,, 09:00-16:00 UTC", "", "no day"),
        ("Mon-Mon 09:00-16:00 UTC", "Mon-Mon", "same day"),
        ("Mon-Wed-Fri 09:00-16:00 UTC", "Mon-Wed-Fri", "no days"),
        ("Daily 09:00-16:00 UTC", "Daily", "daily"),
        ("daily 9:00-16:00 UTC", "9:00", "write `09:00`"),
        ("daily 09:00-16:60 UTC", "16:60", "no time of day"),
        ("daily 09:00-24:01 UTC", "24:01", "no time of day"),
        ("daily 24:00-06:00 UTC", "24:00", "write `00:00`"),
        ("daily 09:00-09:00 UTC", "09:00-09:00", "00:00-24:00"),
        ("daily 09:00 UTC", "09:00", "no hours"),
        ("daily ０９:00-16:00 UTC", "０９:00", "no time of day"),
        ("daily 09:00-16:00 Europe/Madird", "Europe/Madird", "no time zone"),
        ("daily 09:00-16:00 EST", "EST", "abbreviations"),
        ("dаily 09:00-16:00 UTC", "dаily", "no day"),
    ] {
        let fault = parse(text).expect_err(text);
        assert_eq!(&text[fault.start..fault.end], marked, "{text}");
        let told = format!("{} {}", fault.message, fault.help);
        assert!(told.contains(says), "{text}: {told}");
    }
}

#[test]
fn in_spring_an_hour_that_is_left_out_is_no_part_of_it() {
    let (from, to) = ("2026-03-28T00:00Z", "2026-03-30T00:00Z");
    // Madrid goes from 02:00 to 03:00 at 01:00Z on the 29th
    assert_eq!(
        changes("daily 01:00-03:00 Europe/Madrid", from, to),
        ["closes 2026-03-28T02:00", "opens 2026-03-29T00:00", "closes 2026-03-29T01:00", "opens 2026-03-29T23:00"]
    );
    // it begins in the hour that is left out: it opens when that is over
    assert_eq!(
        changes("daily 02:30-04:00 Europe/Madrid", from, to),
        ["opens 2026-03-28T01:30", "closes 2026-03-28T03:00", "opens 2026-03-29T01:00", "closes 2026-03-29T02:00"]
    );
    // all of it is left out
    assert_eq!(
        changes("daily 02:00-03:00 Europe/Madrid", from, "2026-03-29T23:00Z"),
        ["opens 2026-03-28T01:00", "closes 2026-03-28T02:00"]
    );
    assert_eq!(
        opening(&[window("Sun 02:00-03:00 Europe/Madrid")], at("2026-03-29T00:00Z")),
        Opening::At(at("2026-04-05T00:00Z")),
        "a week later"
    );
}

#[test]
fn in_autumn_an_hour_that_comes_twice_counts_both_times() {
    let (from, to) = ("2026-10-24T12:00Z", "2026-10-25T12:00Z");
    // Madrid goes from 03:00 back to 02:00 at 01:00Z on the 25th
    assert_eq!(
        changes("Sun 02:00-03:00 Europe/Madrid", from, to),
        ["opens 2026-10-25T00:00", "closes 2026-10-25T02:00"]
    );
    // half of the hour, twice
    assert_eq!(
        changes("Sun 02:30-03:00 Europe/Madrid", from, to),
        ["opens 2026-10-25T00:30", "closes 2026-10-25T01:00", "opens 2026-10-25T01:30", "closes 2026-10-25T02:00"]
    );
    // the clock jumps back into it
    assert_eq!(
        changes("Sun 01:30-02:30 Europe/Madrid", from, to),
        ["opens 2026-10-24T23:30", "closes 2026-10-25T00:30", "opens 2026-10-25T01:00", "closes 2026-10-25T01:30"]
    );
}

#[test]
fn other_zones() {
    let weekdays = "Mon-Fri 09:00-16:00 America/New_York";
    // Friday at -5, clocks go on on Sunday, Monday at -4
    assert_eq!(
        changes(weekdays, "2026-03-06T12:00Z", "2026-03-10T00:00Z"),
        ["opens 2026-03-06T14:00", "closes 2026-03-06T21:00", "opens 2026-03-09T13:00", "closes 2026-03-09T20:00"]
    );
    // half an hour off, always
    assert_eq!(
        changes("daily 09:00-10:00 Asia/Kolkata", "2026-07-01T00:00Z", "2026-07-02T00:00Z"),
        ["opens 2026-07-01T03:30", "closes 2026-07-01T04:30"]
    );
    // half an hour off, and an hour of daylight saving
    assert_eq!(
        changes("daily 09:00-10:00 America/St_Johns", "2026-07-01T00:00Z", "2026-07-02T00:00Z"),
        ["opens 2026-07-01T11:30", "closes 2026-07-01T12:30"]
    );
    // daylight saving of half an hour: back from 02:00 to 01:30 at 15:00Z on 4 April
    assert_eq!(
        changes("Sun 01:30-01:45 Australia/Lord_Howe", "2026-04-04T00:00Z", "2026-04-05T00:00Z"),
        ["opens 2026-04-04T14:30", "closes 2026-04-04T14:45", "opens 2026-04-04T15:00", "closes 2026-04-04T15:15"]
    );
    // over midnight, and the end of the day
    assert_eq!(
        changes("Fri 22:00-02:00 Europe/Madrid", "2026-07-03T00:00Z", "2026-07-05T00:00Z"),
        ["opens 2026-07-03T20:00", "closes 2026-07-04T00:00"]
    );
    assert_eq!(
        changes("Fri 22:00-24:00 Europe/Madrid", "2026-07-03T00:00Z", "2026-07-05T00:00Z"),
        ["opens 2026-07-03T20:00", "closes 2026-07-03T22:00"]
    );
}

#[test]
fn any_of_several_windows_will_do() {
    let windows = [window("Mon 09:00-10:00 UTC"), window("Mon 12:00-13:00 Europe/Madrid")];
    let next = |text: &str| opening(&windows, at(text));
    // 2026-07-06 is a Monday
    assert_eq!(next("2026-07-06T08:59:59.999Z"), Opening::At(at("2026-07-06T09:00Z")));
    assert_eq!(next("2026-07-06T09:59:59.999Z"), Opening::Open);
    // the other one is at 12:00+02:00
    assert_eq!(next("2026-07-06T10:00Z"), Opening::Open);
    assert_eq!(next("2026-07-06T11:00Z"), Opening::At(at("2026-07-13T09:00Z")));
    assert_eq!(opening(&[], Timestamp(0)), Opening::Open);
}

#[test]
fn what_nobody_can_say_is_not_open() {
    let gone = [Window { zone: "Europe/Atlantis".to_owned(), ..window("daily 00:00-24:00 UTC") }];
    assert!(matches!(opening(&gone, Timestamp(0)), Opening::Unknown(why) if why.contains("Europe/Atlantis")));
    for beyond in [i64::MAX, i64::MIN] {
        assert!(matches!(opening(&[window("daily 00:00-24:00 UTC")], Timestamp(beyond)), Opening::Unknown(_)));
    }
    let either = [gone[0].clone(), window("daily 00:00-24:00 UTC")];
    assert_eq!(opening(&either, Timestamp(0)), Opening::Open);
}

fn windows() -> impl Strategy<Value = Window> {
    let zones = [
        "UTC",
        "Europe/Madrid",
        "America/New_York",
        "America/St_Johns",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Pacific/Apia",
    ];
    let days = proptest::sample::subsequence(Weekday::ALL.to_vec(), 1..=7);
    (days, 0..1440u16, 0..=1440u16, proptest::sample::select(zones.to_vec()))
        .prop_filter("it would be over when it begins", |(_, from, to, _)| from != to)
        .prop_map(|(days, from, to, zone)| {
            let days: Vec<&str> = days.into_iter().map(Weekday::word).collect();
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            window(&format!("{} {}-{} {zone}", days.join(","), clock(from), clock(to)))
        })
}

/// Around changes of clocks as often as elsewhere.
fn instants() -> impl Strategy<Value = Timestamp> {
    let of_change = proptest::sample::select(
        ["2026-03-29T01:00Z", "2026-10-25T01:00Z", "2026-03-08T07:00Z", "2026-11-01T06:00Z", "2026-04-04T15:00Z"]
            .map(at)
            .to_vec(),
    );
    let near = (of_change, -200_000_000..200_000_000i64).prop_map(|(at, off)| Timestamp(at.0 + off));
    // from 2000 to 2040
    prop_oneof![near, (946_684_800_000..2_208_988_800_000i64).prop_map(Timestamp)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_open_from_the_instant_that_was_told_and_not_before(
        windows in proptest::collection::vec(windows(), 1..3),
        from in instants(),
    ) {
        match opening(&windows, from) {
            Opening::Open => {}
            Opening::At(opens) => {
                prop_assert!(opens > from);
                prop_assert_eq!(opening(&windows, opens), Opening::Open);
                prop_assert_eq!(opening(&windows, Timestamp(opens.0 - 1)), Opening::At(opens));
                let mut between = from;
                while between < opens {
                    prop_assert_ne!(opening(&windows, between), Opening::Open, "at {}", between);
                    between = between.plus(Span::minutes(23));
                }
            }
            Opening::Unknown(why) => prop_assert!(false, "{}", why),
        }
    }
    #[test]
    fn any_text_is_read_or_refused_at_its_own_bytes(
        text in "\\PC{0,40}|(daily|Mon|Fri-|,|-| |[0-9:]{1,6}|UTC|é|/){0,8}",
    ) {
        match parse(&text) {
            Ok(window) => prop_assert_eq!(&window.text, &text),
            Err(fault) => prop_assert!(text.get(fault.start..fault.end).is_some(), "{:?}", fault),
        }
        for end in [crate::calendar::End::From, crate::calendar::End::To] {
            if let Err(fault) = crate::calendar::moment(&text, "Europe/Madrid", end) {
                prop_assert!(text.get(fault.start..fault.end).is_some(), "{:?}", fault);
            }
        }
    }
}
