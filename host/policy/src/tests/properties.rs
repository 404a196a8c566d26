//! What holds whatever the numbers are.

use super::*;
use crate::{is_open, local as there, order};
use model::{Hours, HuntGroup, HuntMember, HuntParty, HuntStrategy, IdSource, Instant, Schedule, Weekdays};
use proptest::prelude::*;

fn day_time() -> impl Strategy<Value = DayTime> {
    (0_u8..24, 0_u8..60).prop_map(|(hour, minute)| DayTime::new(hour, minute).unwrap())
}

proptest! {
    /// A day cut in two at any minute is open in exactly one of the halves.
    #[test]
    fn neighbouring_hours_neither_overlap_nor_leave_a_gap(cut in day_time(), now in day_time(), weekday in 0_u8..7) {
        let half = |from, to| Schedule { hours: vec![Hours { days: Weekdays::ALL, from, to }] };
        let (first, second) = (half(time("00:00"), cut), half(cut, DayTime::END));
        let now = Local { date: date("2026-11-23"), weekday, time: now };
        prop_assert_ne!(is_open(&first, &now), is_open(&second, &now));
    }

    /// Minutes go by one at a time, and dates never go back, but for the hour that comes twice.
    #[test]
    fn the_day_of_a_zone_never_goes_back(unix_s in 0_u64..4_000_000_000, zone in prop::sample::select(vec![
        "Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC",
    ])) {
        let at = |s: u64| there(Some(zone), Instant::from_unix_nanos(s * 1_000_000_000));
        let (now, later) = (at(unix_s), at(unix_s + 7_200));
        prop_assert!((now.date, now.time) < (later.date, later.time));
        let days = u8::from(now.date != later.date);
        prop_assert_eq!((now.weekday + days) % 7, later.weekday);
    }

    /// Every member rings, as often as any other, whatever the order.
    #[test]
    fn no_order_forgets_a_member(
        priorities in prop::collection::vec(0_u16..4, 1..8),
        turn: u64,
        seed: [u8; 32],
        rounds in 1_u8..4,
        strategy in prop::sample::select(vec![
            HuntStrategy::RingAll, HuntStrategy::Linear, HuntStrategy::RoundRobin, HuntStrategy::Random,
        ]),
    ) {
        let members = priorities.iter().enumerate().map(|(n, priority)| HuntMember {
            to: HuntParty::Account(n.to_string()), priority: *priority, ring_s: 5,
        });
        let members = members.collect();
        let group =
            HuntGroup { strategy, members, ring_s: 5, rounds, no_answer: None, prevent_missed_calls: false };
        let mut rung: Vec<HuntParty> = order(&group, turn, &mut IdSource::new(seed))
            .iter().flat_map(|ring| ring.members.iter().map(|m| (*m).clone())).collect();
        rung.sort();
        let times = if strategy == HuntStrategy::RoundRobin { usize::from(rounds) } else { 1 };
        let party = |n: usize| HuntParty::Account(n.to_string());
        let mut all: Vec<HuntParty> = (0..priorities.len()).flat_map(|n| vec![party(n); times]).collect();
        all.sort();
        prop_assert_eq!(rung, all);
    }
}
