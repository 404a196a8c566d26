//! When something comes again: the grammar, days that are few, and clocks that are set.

use crate::Cron;
use model::Instant;
use proptest::prelude::*;

/// `2026-03-29T01:59:30Z`.
fn at(text: &str) -> Instant {
    let stamp: jiff::Timestamp = text.parse().unwrap();
    Instant::from_unix_nanos(u64::try_from(stamp.as_nanosecond()).unwrap())
}

fn shown(at: Instant) -> String {
    jiff::Timestamp::from_second(i64::try_from(at.unix_secs()).unwrap()).unwrap().to_string()
}

/// The next few times after a moment.
fn times(cron: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
    let cron = Cron::parse(cron).unwrap();
    let next = |at: &Instant| cron.next(zone, *at);
    std::iter::successors(cron.next(zone, at(after)), next).take(n).map(shown).collect()
}

#[test]
fn the_fields_of_a_crontab_are_read() {
    for (cron, after, next) in [
        ("* * * * *", "2026-11-23T06:00:00Z", "2026-11-23T06:01:00Z"),
        ("*/15 * * * *", "2026-11-23T06:44:59Z", "2026-11-23T06:45:00Z"),
        ("5-59/20 * * * *", "2026-11-23T06:26:00Z", "2026-11-23T06:45:00Z"),
        ("50/5 * * * *", "2026-11-23T06:51:00Z", "2026-11-23T06:55:00Z"),
        ("0 4,22 * * *", "2026-11-23T06:00:00Z", "2026-11-23T22:00:00Z"),
        ("30 2 1 jan *", "2026-11-23T06:00:00Z", "2027-01-01T02:30:00Z"),
        // A Monday; Sunday is 0 and 7, and a week may end with it.
        ("0 6 * * Mon", "2026-11-23T06:00:00Z", "2026-11-30T06:00:00Z"),
        ("0 0 * * 7", "2026-11-23T06:00:00Z", "2026-11-29T00:00:00Z"),
        ("0 0 * * 0", "2026-11-23T06:00:00Z", "2026-11-29T00:00:00Z"),
        ("0 0 * * sat-sun", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
        // Either kind of day is enough where both are named, and both are needed where one is not.
        ("0 0 25 * fri", "2026-11-23T06:00:00Z", "2026-11-25T00:00:00Z"),
        ("0 0 25 * fri", "2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z"),
        ("0 0 */2 * fri", "2026-11-23T06:00:00Z", "2026-11-27T00:00:00Z"),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
    ] {
        assert_eq!(times(cron, "UTC", after, 1), [next], "{cron}");
    }
    assert!(times("0 0 30 2 *", "UTC", "2026-11-23T06:00:00Z", 1).is_empty(), "there is no such day");
    assert!(times("0 0 * * *", "Mars/Olympus", "2026-11-23T06:00:00Z", 1).is_empty(), "nor such a zone");
}

#[test]
fn what_is_no_schedule_is_refused_in_words() {
    for (cron, why) in [
        ("", "expected five fields (minute hour day month weekday), and there are 0"),
        ("0 0 * * * *", "expected five fields (minute hour day month weekday), and there are 6"),
        ("60 * * * *", "the minute 60 is not within 0 to 59"),
        ("* * 0 * *", "the day 0 is not within 1 to 31"),
        ("* * * 13 *", "the month 13 is not within 1 to 12"),
        ("* * * * 8", "the weekday 8 is not within 0 to 7"),
        ("* * * * monday", "the weekday monday is no number"),
        ("-1 * * * *", "the minute  is no number"),
        ("1, * * * *", "the minute  is no number"),
        ("+5 * * * *", "the minute +5 is no number"),
        ("*/0 * * * *", "the minute */0 has no step of 1 to 60"),
        ("* 5-3 * * *", "the hour 5-3 goes backwards"),
        ("99999999999999999999 * * * *", "the minute 99999999999999999999 is no number"),
        ("@daily", "expected five fields (minute hour day month weekday), and there are 1"),
    ] {
        assert_eq!(Cron::parse(cron).unwrap_err(), why, "{cron}");
    }
    assert!(Cron::parse(&"*,".repeat(200)).is_err());
}

#[test]
fn it_is_read_on_the_wall_of_the_zone() {
    let nine = times("0 9 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3);
    assert_eq!(nine, ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]);
    let nine = times("0 9 * * *", "America/New_York", "2026-03-07T00:00:00Z", 3);
    assert_eq!(nine, ["2026-03-07T14:00:00Z", "2026-03-08T13:00:00Z", "2026-03-09T13:00:00Z"]);
}

#[test]
fn what_falls_where_the_clock_jumps_happens_once_at_the_end_of_the_jump() {
    // Berlin, 29 March 2026: 02:00 is 03:00, at 01:00 UTC.
    let after = "2026-03-28T12:00:00Z";
    assert_eq!(times("30 2 * * *", "Europe/Berlin", after, 2), ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    assert_eq!(
        times("*/20 2,3 29 3 *", "Europe/Berlin", after, 4),
        ["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z", "2027-03-29T00:00:00Z"],
        "three turns that are not there and the one that is at their end are one"
    );
    assert_eq!(
        times("15 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 3),
        ["2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z", "2026-03-29T02:15:00Z"],
        "what comes every hour has no turn in an hour that is not there"
    );
    // A jump of half an hour, and one of a whole day: Samoa had no 30 December 2011.
    assert_eq!(times("15 2 4 10 *", "Australia/Lord_Howe", "2026-10-01T00:00:00Z", 1), ["2026-10-03T15:30:00Z"]);
    assert_eq!(
        times("0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2),
        ["2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"]
    );
}

#[test]
fn what_falls_in_an_hour_that_comes_twice_happens_the_first_time() {
    // Berlin, 25 October 2026: 03:00 is 02:00 again, at 01:00 UTC.
    let after = "2026-10-24T12:00:00Z";
    assert_eq!(times("30 2 * * *", "Europe/Berlin", after, 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    assert_eq!(
        times("30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 3),
        ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"],
        "what comes every hour comes in both"
    );
    assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:00:00Z", 1), ["2026-10-26T01:30:00Z"]);
}

proptest! {
    #[test]
    fn no_text_is_worse_than_refused(text in "[0-9*/,a-z -]{0,40}", at in 0_u64..4_000_000_000) {
        if let Ok(cron) = Cron::parse(&text) {
            let _ = cron.next("Europe/Berlin", Instant::from_unix_nanos(at * 1_000_000_000));
        }
    }

    /// Time goes on, nothing between is left out, and the wall shows what was asked for.
    #[test]
    fn the_next_time_is_the_first_that_fits(minute in 0_u32..60, hour in 0_u32..24, at in 1_700_000_000_u64..1_900_000_000) {
        let cron = Cron::parse(&format!("{minute} {hour} * * *")).unwrap();
        let from = Instant::from_unix_nanos(at * 1_000_000_000);
        let next = cron.next("Europe/Berlin", from).unwrap();
        prop_assert!(next > from && next.since(from) <= core::time::Duration::from_secs(25 * 3_600));
        let wall = crate::local(Some("Europe/Berlin"), next).time.to_string();
        let jumped = hour == 2 && wall == "03:00";
        prop_assert!(jumped || wall == format!("{hour:02}:{minute:02}"), "{}", shown(next));
    }
}
