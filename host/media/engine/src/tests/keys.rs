//! Keys, in a bridge and without one.

use super::kit::{Desk, Party, packet};
use crate::Event;
use core::time::Duration;

/// One key press of three packets and three ends, all under the timestamp of its beginning.
fn press(desk: &mut Desk, party: &mut Party, pt: u8, code: u8) -> usize {
    party.timestamp = party.timestamp.wrapping_add(1_600);
    (1..=6)
        .filter(|n: &u8| {
            party.sequence = party.sequence.wrapping_add(1);
            let duration = (u16::from(*n) * 160).to_be_bytes();
            let mut bytes = packet(party, pt, &[code, if *n > 3 { 0x8a } else { 10 }, duration[0], duration[1]]);
            desk.rtp(party, party.rtp, &mut bytes).is_some()
        })
        .count()
}

fn digits(desk: &mut Desk) -> String {
    let digit = |e| match e {
        Event::Digit { digit, .. } => Some(digit),
        Event::PlayEnded { .. }
        | Event::Silent { .. }
        | Event::Unsecured { .. }
        | Event::HandshakeLost { .. }
        | Event::RecordEnded { .. }
        | Event::Beep { .. }
        | Event::Quiet { .. }
        | Event::KeysSent { .. }
        | Event::ForkOver { .. }
        | Event::Speaker { .. } => None,
    };
    desk.events().into_iter().filter_map(digit).collect()
}

#[test]
fn each_press_is_told_once_and_still_passes_the_bridge() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 96");
    let b = desk.party("10.0.0.2:5000", "0 101");
    desk.engine.detect_digits(a.id, true);
    assert_eq!(press(&mut desk, &mut a, 96, 1), 0);
    assert_eq!(desk.events(), [Event::Digit { stream: a.id, digit: '1', duration: Duration::from_millis(20) }]);
    desk.engine.connect(a.id, b.id);
    assert_eq!(press(&mut desk, &mut a, 96, 1), 6);
    assert_eq!(press(&mut desk, &mut a, 96, 11), 6);
    assert_eq!(press(&mut desk, &mut a, 101, 2), 6, "by the number that our offer gave");
    assert_eq!(digits(&mut desk), "1#2");
    let _ = desk.send(&mut a, 0, &[5, 10, 0, 160]).unwrap();
    assert_eq!(digits(&mut desk), "", "sound is no key");
}

#[test]
fn a_key_that_is_down_already_is_not_told_to_who_listens_later() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 101");
    press(&mut desk, &mut a, 101, 7);
    desk.engine.detect_digits(a.id, true);
    let mut again = packet(&a, 101, &[7, 0x8a, 3, 192]);
    desk.rtp(&a, a.rtp, &mut again);
    assert_eq!(digits(&mut desk), "");
    press(&mut desk, &mut a, 101, 7);
    assert_eq!(digits(&mut desk), "7");
    desk.engine.detect_digits(a.id, false);
    press(&mut desk, &mut a, 101, 8);
    assert_eq!(digits(&mut desk), "");
}

#[test]
fn keys_at_another_clock_are_heard_and_pressed_anew() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 110");
    let mut b = desk.party("10.0.0.2:5000", "0 101");
    desk.engine.detect_digits(a.id, true);
    desk.engine.connect(a.id, b.id);
    let events = |sent: &[crate::MediaTransmit], pt: u8| -> Vec<(u8, u16)> {
        let of = sent.iter().map(|t| &t.bytes[..]).filter(|b| b[1] & 0x7f == pt && b.len() == 16);
        of.map(|b| (b[12], u16::from_be_bytes([b[14], b[15]]))).collect()
    };
    assert_eq!(press(&mut desk, &mut a, 110, 5), 0, "not as they are");
    let sent = events(&desk.pass(300), 101);
    assert_eq!(sent, [(5, 160), (5, 320), (5, 480), (5, 640), (5, 800), (5, 800), (5, 800), (5, 800)]);
    assert_eq!(digits(&mut desk), "5");
    assert_eq!(press(&mut desk, &mut b, 101, 7), 0);
    let sent = events(&desk.pass(300), 110);
    assert_eq!(sent, [(7, 960), (7, 1920), (7, 2880), (7, 3840), (7, 4800), (7, 4800), (7, 4800), (7, 4800)]);
}
