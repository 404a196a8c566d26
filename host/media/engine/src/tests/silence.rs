//! The media timeout.

use super::kit::{Desk, Party, SECOND, remote};
use crate::Event;

#[test]
fn silence_is_told_and_told_again() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let silent = [Event::Silent { stream: a.id }];
    desk.pass(59 * SECOND);
    assert!(desk.events().is_empty());
    desk.pass(2 * SECOND);
    assert_eq!(desk.events(), silent);
    desk.pass(61 * SECOND);
    assert_eq!(desk.events(), silent);
    for _ in 0..90 {
        desk.send(&mut a, 0, &[0; 160]);
        desk.pass(SECOND);
    }
    assert!(desk.events().is_empty(), "RTP is a sign of life");
    for _ in 0..90 {
        desk.rtcp(&a, "10.0.0.1:4001");
        desk.pass(SECOND);
    }
    assert!(desk.events().is_empty(), "and so is RTCP");
    desk.pass(62 * SECOND);
    assert_eq!(desk.events(), silent);
    desk.engine.close(a.id, desk.now);
    assert_eq!(desk.engine.poll_timeout(), None);
}

#[test]
fn strangers_are_no_sign_of_life() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    desk.send(&mut a, 0, &[0; 160]);
    for _ in 0..62 {
        let mut attack = super::kit::packet(&a, 0, &[0; 160]);
        desk.rtp(&a, super::kit::addr("6.6.6.6:6"), &mut attack);
        desk.pass(SECOND);
    }
    assert_eq!(desk.events(), [Event::Silent { stream: a.id }]);
}

#[test]
fn who_may_be_silent_is_and_gets_a_whole_timeout_after() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let silent = [Event::Silent { stream: a.id }];
    desk.engine.hold(a.id, true, desk.now);
    desk.pass(330 * SECOND);
    assert!(desk.events().is_empty());
    desk.engine.hold(a.id, false, desk.now);
    desk.pass(59 * SECOND);
    assert!(desk.events().is_empty());
    desk.pass(2 * SECOND);
    assert_eq!(desk.events(), silent);
    for direction in ["sendonly", "recvonly", "inactive"] {
        desk.engine.set_remote(a.id, remote(a.rtp, "0", direction), desk.now);
        desk.pass(200 * SECOND);
        assert!(desk.events().is_empty(), "{direction}");
    }
    desk.engine.set_remote(a.id, remote(a.rtp, "0", "sendrecv"), desk.now);
    desk.pass(59 * SECOND);
    assert!(desk.events().is_empty());
    desk.pass(2 * SECOND);
    assert_eq!(desk.events(), silent);
}

#[test]
fn a_parked_stream_costs_one_look_a_minute() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let mut wakes = 0;
    for _ in 0..600 {
        desk.send(&mut a, 0, &[0; 160]);
        desk.now = desk.now + core::time::Duration::from_secs(1);
        while desk.engine.poll_timeout().is_some_and(|at| at <= desk.now) {
            desk.engine.handle_timeout(desk.now);
            wakes += 1;
        }
    }
    assert!(wakes <= 12, "{wakes} in ten minutes");
    assert!(desk.events().is_empty());
}

#[test]
fn an_undescribed_stream_is_not_watched() {
    let mut desk = Desk::new();
    desk.engine.open("1.2.3.4".parse().unwrap(), desk.now).unwrap();
    assert_eq!(desk.engine.poll_timeout(), None);
}

#[test]
fn a_parked_silent_leg_never_ticks() {
    let mut desk = Desk::new();
    let legs: Vec<Party> = (1..=6).map(|n| desk.party(&format!("10.0.0.{n}:4000"), "8 9 101")).collect();
    for leg in &legs {
        desk.engine.detect_digits(leg.id, true);
        desk.engine.play(leg.id, &[model::Prompt::SilenceMs(100)], false, desk.now).unwrap();
        desk.engine.hold(leg.id, true, desk.now);
    }
    assert_eq!(desk.pass(1_000).len(), 6 * 5);
    let end = desk.now + core::time::Duration::from_secs(600);
    let mut wakes = 0;
    while let Some(at) = desk.engine.poll_timeout().filter(|at| *at <= end) {
        desk.engine.handle_timeout(at);
        assert!(desk.engine.poll_transmit().is_none());
        wakes += 1;
    }
    assert!(wakes <= 10, "{wakes} wakes in ten minutes for all of them together");
}
