//! Schedules, calendars and filters; zones and their summers.

use super::*;
use crate::{Filtered, Why, filter, holiday, is_open, is_zone, local as there};
use model::{
    Calendar, CallFilter, Holiday, Hours, Instant, MatchList, Period, RuleBody, Schedule, Span, Way, Weekdays,
};

fn hours(days: Weekdays, from: &str, to: &str) -> Schedule {
    Schedule { hours: vec![Hours { days, from: time(from), to: time(to) }] }
}

fn at(unix_s: u64) -> Instant {
    Instant::from_unix_nanos(unix_s * 1_000_000_000)
}

fn list(numbers: &[&str]) -> RuleBody {
    let numbers = numbers.iter().map(|n| (*n).to_owned()).collect();
    RuleBody::MatchList(MatchList::new(numbers, vec![], vec![]).unwrap())
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|n| (*n).to_owned()).collect()
}

fn app(name: &str) -> Option<Way> {
    Some(Way::App(name.to_owned()))
}

#[test]
fn a_zone_has_its_own_day_and_its_own_summer() {
    // 2026-03-29 00:59:59 UTC is 01:59 in Madrid, a second later it is 03:00; 2026-10-25 01:00 UTC is 02:00 again.
    for (unix_s, zone, day, weekday, clock) in [
        (1_774_745_999, "Europe/Madrid", "2026-03-29", 6, "01:59"),
        (1_774_746_000, "Europe/Madrid", "2026-03-29", 6, "03:00"),
        (1_792_889_999, "Europe/Madrid", "2026-10-25", 6, "02:59"),
        (1_792_890_000, "Europe/Madrid", "2026-10-25", 6, "02:00"),
        (1_774_746_000, "America/New_York", "2026-03-28", 5, "21:00"),
        (1_774_746_000, "Asia/Kathmandu", "2026-03-29", 6, "06:45"),
        (1_774_746_000, "Nowhere/At_All", "2026-03-29", 6, "01:00"),
    ] {
        assert_eq!(there(Some(zone), at(unix_s)), local(day, weekday, clock), "{unix_s} in {zone}");
    }
    assert_eq!(there(None, at(0)), local("1970-01-01", 3, "00:00"));
    assert!(is_zone("Europe/Madrid") && !is_zone("Nowhere/At_All") && !is_zone(""));
}

#[test]
fn a_shop_keeps_its_hours_over_the_change_to_summer() {
    let shop = hours(Weekdays::ALL, "09:00", "17:00");
    // 08:30 UTC is 09:30 in a Madrid winter; 07:30 UTC is 09:30 in its summer and 08:30 in winter.
    let open = |unix_s| is_open(&shop, &there(Some("Europe/Madrid"), at(unix_s)));
    assert!(open(1_774_686_600) && !open(1_774_683_000), "Saturday, winter: open at 08:30 UTC, not at 07:30");
    assert!(open(1_774_769_400) && !open(1_774_765_800), "Sunday, summer: open at 07:30 UTC, not at 06:30");
}

#[test]
fn hours_begin_with_their_first_minute_and_end_before_their_last() {
    let office = hours(Weekdays::range(0, 4), "09:00", "17:00");
    for (weekday, clock, open) in
        [(0, "08:59", false), (0, "09:00", true), (0, "16:59", true), (0, "17:00", false), (5, "12:00", false)]
    {
        assert_eq!(is_open(&office, &local("2026-11-23", weekday, clock)), open, "{weekday} {clock}");
    }
    let night = Schedule {
        hours: vec![
            Hours { days: Weekdays::range(4, 4), from: time("22:00"), to: time("24:00") },
            Hours { days: Weekdays::range(5, 5), from: time("00:00"), to: time("06:00") },
        ],
    };
    assert!(is_open(&night, &local("2026-11-27", 4, "23:59")) && is_open(&night, &local("2026-11-28", 5, "00:00")));
    assert!(!is_open(&night, &local("2026-11-28", 5, "06:00")) && !is_open(&night, &local("2026-11-28", 5, "23:00")));
}

#[test]
fn holidays_may_last_days_or_a_part_of_each() {
    let day = |name: &str, first: &str, last: Option<&str>, span: Option<(&str, &str)>| Holiday {
        name: name.to_owned(),
        date: date(first),
        until: last.map(date),
        hours: span.map(|(from, to)| Span { from: time(from), to: time(to) }),
        way: None,
        prompt: None,
    };
    let calendar = Calendar {
        holidays: vec![
            day("eve", "2026-12-24", None, Some(("12:00", "24:00"))),
            day("feast", "2026-12-25", Some("2026-12-27"), None),
        ],
        periods: vec![],
    };
    for (on, clock, found) in [
        ("2026-12-24", "11:59", None),
        ("2026-12-24", "12:00", Some("eve")),
        ("2026-12-25", "00:00", Some("feast")),
        ("2026-12-27", "23:59", Some("feast")),
        ("2026-12-28", "00:00", None),
    ] {
        assert_eq!(holiday(&calendar, &local(on, 0, clock)).map(|h| h.name.as_str()), found, "{on} {clock}");
    }
}

fn goes<'d>(directory: &'d Directory, rules: &'d CallFilter, caller: &str, now: &Local) -> Filtered<'d> {
    filter(directory, COMPANY, rules, caller, now).goes
}

/// Scenario 3 of ivozprovider.md section 16, and the same without any holiday: periods count by themselves.
#[test]
fn a_holiday_goes_before_a_period_and_a_period_before_the_usual_hours() {
    let period = Period {
        name: "stocktaking".to_owned(),
        from: date("2026-11-23"),
        until: date("2026-11-23"),
        schedules: names(&["afternoon"]),
        way: None,
        prompt: None,
    };
    let morning = Holiday {
        name: "morning off".to_owned(),
        date: date("2026-11-23"),
        until: None,
        hours: Some(Span { from: time("08:00"), to: time("15:00") }),
        way: None,
        prompt: None,
    };
    for (holidays, at_ten) in [
        (vec![morning], Filtered::Away(Why::Holiday("morning off"), Way::App("holiday".to_owned()))),
        (vec![], Filtered::Away(Why::Period("stocktaking"), Way::App("closed".to_owned()))),
    ] {
        let calendar = Calendar { holidays: holidays.clone(), periods: vec![period.clone()] };
        let directory = directory(vec![
            ("afternoon", RuleBody::Schedule(hours(Weekdays::ALL, "13:00", "17:00"))),
            ("usual", RuleBody::Schedule(hours(Weekdays::ALL, "00:00", "24:00"))),
            ("year", RuleBody::Calendar(calendar)),
        ]);
        let rules = CallFilter {
            calendars: names(&["year"]),
            schedules: names(&["usual"]),
            holiday: app("holiday"),
            closed: app("closed"),
            ..CallFilter::default()
        };
        let asked = |clock: &str| goes(&directory, &rules, "+34600", &local("2026-11-23", 0, clock));
        let out = Filtered::Away(Why::Period("stocktaking"), Way::App("closed".to_owned()));
        assert_eq!(asked("07:00"), out);
        assert_eq!(asked("09:00"), at_ten);
        assert_eq!(asked("16:00"), Filtered::Through(Why::Period("stocktaking")));
        assert_eq!(asked("18:00"), out);
        if !holidays.is_empty() {
            assert_eq!(asked("14:00"), at_ten, "the holiday goes before the period's hours");
        }
        let other = goes(&directory, &rules, "+34600", &local("2026-11-24", 1, "07:00"));
        assert_eq!(other, Filtered::Through(Why::Open), "the usual hours on any other day");
    }
}

/// Scenario 4: a white list skips every check of time. A black list goes before it.
#[test]
fn lists_go_before_time_and_black_before_white() {
    let off =
        Holiday { name: "off".to_owned(), date: date("2026-11-23"), until: None, hours: None, way: None, prompt: None };
    let directory = directory(vec![
        ("bad", list(&["+34666", "+34999"])),
        ("good", list(&["+34777", "+34999"])),
        ("year", RuleBody::Calendar(Calendar { holidays: vec![off], periods: vec![] })),
    ]);
    let rules = CallFilter {
        black_lists: names(&["bad"]),
        white_lists: names(&["good"]),
        calendars: names(&["year"]),
        ..CallFilter::default()
    };
    let asked = |caller: &str| goes(&directory, &rules, caller, &local("2026-11-23", 0, "10:00"));
    assert_eq!(asked("+34777"), Filtered::Through(Why::WhiteList));
    assert_eq!(asked("+34666"), Filtered::Away(Why::BlackList, Way::Refuse));
    assert_eq!(asked("+34999"), Filtered::Away(Why::BlackList, Way::Refuse));
    assert_eq!(asked("+34600"), Filtered::Away(Why::Holiday("off"), Way::Refuse));
    assert_eq!(asked("anonymous"), Filtered::Away(Why::Holiday("off"), Way::Refuse));
}

#[test]
fn without_schedules_a_filter_is_open_unless_it_says_where_calls_go() {
    let directory = directory(vec![("office", RuleBody::Schedule(hours(Weekdays::range(0, 4), "09:00", "17:00")))]);
    let night = local("2026-11-23", 0, "03:00");
    assert_eq!(goes(&directory, &CallFilter::default(), "+34600", &night), Filtered::Through(Why::Open));
    let away = CallFilter { closed: Some(Way::Number("+34911".to_owned())), ..CallFilter::default() };
    assert_eq!(
        goes(&directory, &away, "+34600", &night),
        Filtered::Away(Why::Closed, Way::Number("+34911".to_owned()))
    );
    let office = CallFilter { schedules: names(&["office"]), ..CallFilter::default() };
    assert_eq!(goes(&directory, &office, "+34600", &night), Filtered::Away(Why::Closed, Way::Refuse));
}

#[test]
fn an_event_that_says_where_calls_go_is_heard_before_the_filter() {
    let off =
        |way| Holiday { name: "off".to_owned(), date: date("2026-11-23"), until: None, hours: None, way, prompt: None };
    for (own, general, went) in [
        (app("own"), app("general"), Way::App("own".to_owned())),
        (None, app("general"), Way::App("general".to_owned())),
        (None, None, Way::Refuse),
    ] {
        let calendar = Calendar { holidays: vec![off(own)], periods: vec![] };
        let directory = directory(vec![("year", RuleBody::Calendar(calendar))]);
        let rules = CallFilter { calendars: names(&["year"]), holiday: general, ..CallFilter::default() };
        let asked = goes(&directory, &rules, "+34600", &local("2026-11-23", 0, "10:00"));
        assert_eq!(asked, Filtered::Away(Why::Holiday("off"), went));
    }
}

/// Scenario 4: who gets through hears the welcome, also past a holiday; whoever does not hears why, and a black list says
/// nothing.
#[test]
fn what_is_heard_goes_with_where_a_call_goes() {
    let off = |name: &str, day: &str, prompt: Option<&str>| Holiday {
        name: name.to_owned(),
        date: date(day),
        until: None,
        hours: None,
        way: None,
        prompt: prompt.map(str::to_owned),
    };
    let holidays = vec![off("off", "2026-11-23", None), off("feast", "2026-11-24", Some("bells"))];
    let directory = directory(vec![
        ("bad", list(&["+34666"])),
        ("good", list(&["+34777"])),
        ("office", RuleBody::Schedule(hours(Weekdays::ALL, "09:00", "17:00"))),
        ("year", RuleBody::Calendar(Calendar { holidays, periods: vec![] })),
    ]);
    let prompt = |name: &str| Some(name.to_owned());
    let rules = CallFilter {
        black_lists: names(&["bad"]),
        white_lists: names(&["good"]),
        calendars: names(&["year"]),
        schedules: names(&["office"]),
        welcome_prompt: prompt("welcome"),
        holiday_prompt: prompt("away"),
        closed_prompt: prompt("closed"),
        ..CallFilter::default()
    };
    for (caller, day, clock, heard) in [
        ("+34666", "2026-11-25", "10:00", None),
        ("+34777", "2026-11-23", "03:00", Some("welcome")),
        ("+34600", "2026-11-23", "10:00", Some("away")),
        ("+34600", "2026-11-24", "10:00", Some("bells")),
        ("+34600", "2026-11-25", "10:00", Some("welcome")),
        ("+34600", "2026-11-25", "18:00", Some("closed")),
    ] {
        let asked = filter(&directory, COMPANY, &rules, caller, &local(day, 2, clock));
        assert_eq!(asked.prompt, heard, "{caller} on {day} at {clock}");
    }
}
