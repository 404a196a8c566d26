//! Pairs of layers in every weather: what must hold for each seed, and what must happen in good weather.

use super::pair::{Pair, Script, Seen, Weather};
use crate::Failure;
use model::Transport;

const SEEDS: core::ops::Range<u8> = 0..120;
const STORM: Weather = Weather { loss: 30, doubled: 20, delay_ms: 900 };

const CALL: Script = Script { invite: true, status: 200, answer_ms: 3_000, cancel_ms: None };
const BUSY: Script = Script { status: 486, ..CALL };
const OPTIONS: Script = Script { invite: false, status: 200, answer_ms: 50, cancel_ms: None };
const GIVEN_UP: Script = Script { cancel_ms: Some(1_500), answer_ms: 60_000, ..CALL };
const RACE: Script = Script { cancel_ms: Some(2_900), ..CALL };

/// One end for each side, whatever the network does.
fn safe(seen: &Seen, script: Script) {
    assert!(seen.requests <= 1, "a request climbs once: {seen:?}");
    let refused = seen.finals.iter().filter(|status| **status >= 300).count();
    let accepted = seen.finals.len() - refused;
    assert!(refused <= 1, "a failure climbs once: {seen:?}");
    assert!(refused == 0 || accepted == 0, "one kind of end: {seen:?}");
    assert!(script.invite || accepted <= 1, "outside INVITE a 2xx climbs once: {seen:?}");
    let ends = u32::from(!seen.finals.is_empty()) + u32::from(seen.failed.is_some());
    assert_eq!(ends, 1, "the client's user hears of one end: {seen:?}");
    assert!(seen.cancelled <= 1, "{seen:?}");
}

#[test]
fn in_a_storm_every_run_ends_well_defined_and_leaves_nothing() {
    for script in [CALL, BUSY, OPTIONS, GIVEN_UP, RACE] {
        let mut completed = 0;
        for seed in SEEDS {
            let seen = Pair::new(seed, Transport::Udp, STORM, script).run();
            safe(&seen, script);
            completed += u32::from(!seen.finals.is_empty());
        }
        assert!(completed > 100, "retransmission beats 30 % loss: {completed} of 120 for {script:?}");
    }
}

#[test]
fn reordering_and_copies_alone_harm_nothing() {
    let weather = Weather { loss: 0, doubled: 50, delay_ms: 400 };
    for seed in SEEDS {
        for (script, status) in [(CALL, 200), (BUSY, 486), (OPTIONS, 200), (GIVEN_UP, 487)] {
            let seen = Pair::new(seed, Transport::Udp, weather, script).run();
            safe(&seen, script);
            assert_eq!((seen.finals[0], seen.requests), (status, 1), "{seen:?}");
            assert_eq!((seen.failed, seen.server_failed), (None, None), "{seen:?}");
            assert_eq!(seen.acked, script.invite && status == 200);
        }
    }
}

#[test]
fn streams_need_no_repetition() {
    for (script, status) in [(CALL, 200), (BUSY, 486), (OPTIONS, 200), (GIVEN_UP, 487)] {
        let seen = Pair::new(1, Transport::Tcp, STORM, script).run();
        safe(&seen, script);
        assert_eq!(seen.finals, [status], "{seen:?}");
    }
}

#[test]
fn a_dead_network_times_out() {
    let weather = Weather { loss: 100, doubled: 0, delay_ms: 0 };
    for script in [CALL, OPTIONS] {
        let seen = Pair::new(1, Transport::Udp, weather, script).run();
        assert_eq!((seen.failed, seen.requests), (Some(Failure::Timeout), 0));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..10 {
        let run = || format!("{:?}", Pair::new(seed, Transport::Udp, STORM, CALL).run());
        assert_eq!(run(), run());
    }
}
