//! Relaying: transparent, translated, transcoded, rewritten.

use super::kit::{Desk, addr, packet, remote};
use crate::{Forward, PacketKind};

#[test]
fn a_bridge_of_equals_is_transparent_both_ways() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8 0 101");
    let mut b = desk.party("10.0.0.2:5000", "8 0 101");
    assert_eq!(desk.send(&mut a, 8, &[1; 160]), None, "nobody to pass it to");
    desk.engine.connect(a.id, b.id);
    for _ in 0..3 {
        let (forward, bytes) = desk.send(&mut a, 8, &[1; 160]).unwrap();
        assert_eq!(forward, Forward { port: b.port.id, kind: PacketKind::Rtp, to: b.rtp, len: 172 });
        assert_eq!(bytes, packet(&a, 8, &[1; 160]));
        let (forward, bytes) = desk.send(&mut b, 111, &[2; 40]).unwrap();
        assert_eq!((forward.port, forward.to), (a.port.id, a.rtp));
        assert_eq!(bytes, packet(&b, 111, &[2; 40]), "formats that the switch does not know pass");
    }
    let stats = desk.engine.close(a.id, desk.now);
    assert_eq!((stats.packets_in, stats.packets_out, stats.bytes_in, stats.lost_in), (4, 3, 4 * 172, 0));
    assert_eq!(stats.remote, Some(a.rtp));
    assert_eq!(desk.send(&mut b, 8, &[1; 160]), None, "the bridge ended with the stream");
    assert!(desk.drain().is_empty() && desk.events().is_empty());
}

#[test]
fn rtcp_passes_where_the_party_hears_the_others_own_source() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8 101");
    let b = desk.party("10.0.0.2:5000", "8 101");
    desk.engine.connect(a.id, b.id);
    let forward = desk.rtcp(&a, "10.0.0.1:4001").unwrap();
    assert_eq!(forward, Forward { port: b.port.id, kind: PacketKind::Rtcp, to: addr("10.0.0.2:5001"), len: 8 });
    assert_eq!(desk.rtcp(&a, "10.0.0.9:4001"), None);
    desk.engine.play(b.id, &[model::Prompt::SilenceMs(20)], false, desk.now).unwrap();
    desk.pass(100);
    assert_eq!(desk.rtcp(&a, "10.0.0.1:4001"), None, "its numbers would be wrong for b");
    assert!(desk.rtcp(&b, "10.0.0.2:5001").is_some(), "a still hears b's own source");
    assert!(desk.send(&mut a, 8, &[0; 160]).is_some());
}

#[test]
fn laws_are_transcoded_and_numbers_translated() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 101");
    let mut b = desk.party("10.0.0.2:5000", "8 96");
    desk.engine.connect(a.id, b.id);
    let ulaw: Vec<u8> = (0..160).map(|n| rtp::g711::ulaw_encode(n * 100 - 8_000)).collect();
    let mut alaw = ulaw.clone();
    rtp::g711::ulaw_to_alaw(&mut alaw);
    let (_, bytes) = desk.send(&mut a, 0, &ulaw).unwrap();
    assert_eq!(bytes, packet(&a, 8, &alaw), "numbers and source stay");
    let (_, bytes) = desk.send(&mut b, 8, &alaw).unwrap();
    let mut back = alaw.clone();
    rtp::g711::alaw_to_ulaw(&mut back);
    assert_eq!(bytes, packet(&b, 0, &back));
    let (_, bytes) = desk.send(&mut b, 96, &[5, 10, 0, 160]).unwrap();
    assert_eq!(bytes, packet(&b, 101, &[5, 10, 0, 160]));
    // A re-offer of a to A-law makes the bridge transparent again.
    desk.engine.set_remote(a.id, remote(a.rtp, "8 96", "sendrecv"), desk.now);
    let (_, bytes) = desk.send(&mut b, 96, &[5, 10, 0, 160]).unwrap();
    assert_eq!(bytes, packet(&b, 96, &[5, 10, 0, 160]));
}

#[test]
fn nothing_reaches_a_party_that_holds_and_all_of_it_after() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let mut b = desk.party("10.0.0.2:5000", "0");
    desk.engine.connect(a.id, b.id);
    for (direction, hears, heard) in
        [("sendonly", false, true), ("inactive", false, true), ("recvonly", true, true), ("sendrecv", true, true)]
    {
        desk.engine.set_remote(a.id, remote(a.rtp, "0", direction), desk.now);
        assert_eq!(desk.send(&mut b, 0, &[0; 160]).is_some(), hears, "{direction}");
        assert_eq!(desk.send(&mut a, 0, &[0; 160]).is_some(), heard, "{direction}: music on hold passes");
    }
}

#[test]
fn a_new_bridge_ends_the_old_ones() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let mut b = desk.party("10.0.0.2:5000", "0");
    let c = desk.party("10.0.0.3:6000", "0");
    desk.engine.connect(a.id, b.id);
    desk.engine.connect(c.id, a.id);
    assert_eq!(desk.send(&mut b, 0, &[0; 160]), None);
    assert_eq!(desk.send(&mut a, 0, &[0; 160]).unwrap().0.to, c.rtp);
    assert_eq!((desk.engine.connected(a.id), desk.engine.connected(b.id)), (Some(c.id), None));
    desk.engine.connect(a.id, a.id);
    assert_eq!(desk.engine.connected(a.id), Some(c.id), "not with itself");
    desk.engine.disconnect(c.id);
    assert_eq!(desk.engine.connected(a.id), None);
}

#[test]
fn strangers_and_noise_are_dropped_and_counted() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let b = desk.party("10.0.0.2:5000", "0");
    desk.engine.connect(a.id, b.id);
    let _ = desk.send(&mut a, 0, &[0; 160]).unwrap();
    let mut attack = packet(&a, 0, &[9; 160]);
    for from in ["10.0.0.1:4002", "6.6.6.6:4000"] {
        assert_eq!(desk.rtp(&a, addr(from), &mut attack), None);
    }
    for noise in
        [&mut [][..], &mut [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], &mut [0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0]]
    {
        assert_eq!(desk.rtp(&a, a.rtp, noise), None);
    }
    let stats = desk.engine.stats(a.id).unwrap();
    assert_eq!((stats.strangers, stats.malformed, stats.packets_in), (2, 3, 1));
}

#[test]
fn a_party_behind_nat_is_answered_where_it_speaks_from() {
    let mut desk = Desk::new();
    let mut a = desk.party("192.168.1.5:4000", "0");
    let mut b = desk.party("10.0.0.2:5000", "0");
    desk.engine.connect(a.id, b.id);
    assert_eq!(desk.send(&mut b, 0, &[0; 160]).unwrap().0.to, a.rtp);
    let nat = addr("198.51.100.7:61000");
    a.rtp = nat;
    let _ = desk.send(&mut a, 0, &[0; 160]).unwrap();
    assert_eq!(desk.send(&mut b, 0, &[0; 160]).unwrap().0.to, nat);
    desk.pass(4_000);
    let mut attack = packet(&a, 0, &[9; 160]);
    assert_eq!(desk.rtp(&a, addr("192.168.1.5:4000"), &mut attack), None, "locked, whoever comes");
    assert_eq!(desk.send(&mut b, 0, &[0; 160]).unwrap().0.to, nat);
}

#[test]
fn srtp_passes_untouched_and_unread() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 101");
    let b = desk.party("10.0.0.2:5000", "8 96");
    for (party, formats) in [(&a, "0 101"), (&b, "8 96")] {
        let secure = sdp::RemoteMedia { secure: true, ..remote(party.rtp, formats, "sendrecv") };
        desk.engine.set_remote(party.id, secure, desk.now);
    }
    desk.engine.connect(a.id, b.id);
    desk.engine.detect_digits(a.id, true);
    let (_, bytes) = desk.send(&mut a, 101, &[5, 10, 0, 160]).unwrap();
    assert_eq!(bytes, packet(&a, 101, &[5, 10, 0, 160]));
    assert!(desk.events().is_empty());
    let refused = desk.engine.play(a.id, &[model::Prompt::SilenceMs(20)], false, desk.now);
    assert_eq!(refused, Err(crate::PlayError::NoCodec));
}

proptest::proptest! {
    #[test]
    fn no_datagram_panics(
        kinds in proptest::collection::vec((proptest::bool::ANY, 0_u64..10, proptest::collection::vec(proptest::num::u8::ANY, 0..40)), 1..60),
    ) {
        let mut desk = Desk::new();
        let a = desk.party("10.0.0.1:4000", "0 101");
        let b = desk.party("10.0.0.2:5000", "8 96");
        desk.engine.connect(a.id, b.id);
        desk.engine.play(b.id, &[model::Prompt::SilenceMs(20)], false, desk.now).unwrap();
        for (rtcp, port, mut bytes) in kinds {
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3f);
            }
            let kind = if rtcp { PacketKind::Rtcp } else { PacketKind::Rtp };
            let from = if port == 0 { a.rtp } else { b.rtp };
            let len = bytes.len();
            let _ = desk.engine.handle_packet(model::MediaPortId(port), kind, from, &mut bytes, len, desk.now);
            desk.pass(7);
        }
    }
}
