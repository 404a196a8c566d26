//! SRTP on one leg or both: bridged, played, keyed anew, and never in clear.

use super::kit::{Desk, Party, addr, packet};
use crate::{Forward, Keys, PacketKind};
use rtp::srtp::{GROWTH_MAX, MasterKey, Receiver, Sender, Suite};

/// The keys of a leg, and the party's ends of them.
struct Ends {
    keys: Keys,
    sender: Sender,
    receiver: Receiver,
}

fn ends(suite: Suite, seed: u8) -> Ends {
    let key = |n: u8| MasterKey::new(suite, &vec![seed ^ n; suite.master_len()]).unwrap();
    let keys = Keys { ours: key(0x40), theirs: key(0x80) };
    Ends { keys, sender: Sender::new(&keys.theirs), receiver: Receiver::new(&keys.ours) }
}

/// A buffer as the socket has it: the packet and room behind it.
fn handle(desk: &mut Desk, party: &Party, bytes: &[u8], kind: PacketKind) -> Option<(Forward, Vec<u8>)> {
    let mut buffer = [bytes, &[0; GROWTH_MAX]].concat();
    let from = if kind == PacketKind::Rtp { party.rtp } else { addr("10.0.0.1:4001") };
    let forward = desk.engine.handle_packet(party.port.id, kind, from, &mut buffer, bytes.len(), desk.now)?;
    buffer.truncate(forward.len);
    Some((forward, buffer))
}

fn hidden(sender: &mut Sender, clear: &[u8]) -> Vec<u8> {
    let mut buffer = [clear, &[0; GROWTH_MAX]].concat();
    let len = sender.protect(&mut buffer, clear.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn shown(receiver: &mut Receiver, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = bytes.to_vec();
    let len = receiver.unprotect(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn next(party: &mut Party, payload: &[u8]) -> Vec<u8> {
    party.sequence = party.sequence.wrapping_add(1);
    party.timestamp = party.timestamp.wrapping_add(160);
    packet(party, 0, payload)
}

#[test]
fn each_suite_is_bridged_to_clear_and_to_each_other() {
    for (n, suite) in Suite::ALL.iter().enumerate() {
        let other = Suite::ALL[(n + 1) % Suite::ALL.len()];
        for second in [None, Some(other)] {
            let mut desk = Desk::new();
            let (mut a, mut b) = (desk.party("10.0.0.1:4000", "0 101"), desk.party("10.0.0.2:5000", "0 101"));
            let mut of_a = ends(*suite, 1);
            let mut of_b = second.map(|s| ends(s, 2));
            desk.engine.secure(a.id, Some(&of_a.keys), desk.now);
            desk.engine.secure(b.id, of_b.as_ref().map(|e| &e.keys), desk.now);
            desk.engine.connect(a.id, b.id);
            for round in 0..5_u8 {
                let clear = next(&mut a, &[round; 160]);
                let (_, bytes) = handle(&mut desk, &a, &hidden(&mut of_a.sender, &clear), PacketKind::Rtp).unwrap();
                let got = of_b.as_mut().map_or(bytes.clone(), |e| shown(&mut e.receiver, &bytes));
                assert_eq!(got, clear, "{suite:?} to {second:?}");
                let clear = next(&mut b, &[round | 0x80; 160]);
                let sent = of_b.as_mut().map_or(clear.clone(), |e| hidden(&mut e.sender, &clear));
                let (_, bytes) = handle(&mut desk, &b, &sent, PacketKind::Rtp).unwrap();
                assert_eq!(shown(&mut of_a.receiver, &bytes), clear);
            }
        }
    }
}

#[test]
fn clear_forged_and_repeated_packets_are_dropped_and_the_first_true_one_locks() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:5000", "0"));
    let mut of_a = ends(Suite::AesCm128Sha1_80, 1);
    desk.engine.secure(a.id, Some(&of_a.keys), desk.now);
    desk.engine.connect(a.id, b.id);
    let clear = next(&mut a, &[1; 160]);
    assert_eq!(handle(&mut desk, &a, &clear, PacketKind::Rtp), None, "clear");
    let forged = hidden(&mut ends(Suite::AesCm128Sha1_80, 9).sender, &clear);
    assert_eq!(handle(&mut desk, &a, &forged, PacketKind::Rtp), None, "another key");
    assert_eq!(desk.engine.stats(a.id).unwrap().remote, None, "neither moved the party");
    let true_one = hidden(&mut of_a.sender, &clear);
    a.rtp = addr("198.51.100.7:7777");
    assert!(handle(&mut desk, &a, &true_one, PacketKind::Rtp).is_some(), "from wherever it comes");
    assert_eq!(handle(&mut desk, &a, &true_one, PacketKind::Rtp), None, "replayed");
    a.rtp = addr("10.0.0.1:4000");
    let clear = next(&mut a, &[1; 160]);
    let hidden = hidden(&mut of_a.sender, &clear);
    assert_eq!(handle(&mut desk, &a, &hidden, PacketKind::Rtp), None, "locked elsewhere");
    let stats = desk.engine.stats(a.id).unwrap();
    assert_eq!((stats.unauthentic, stats.strangers, stats.packets_in), (3, 1, 1));
    assert_eq!(stats.remote, Some(addr("198.51.100.7:7777")));
    let mut buffer = clear.clone();
    let full = buffer.len();
    desk.engine.secure(b.id, Some(&ends(Suite::AeadAes256Gcm, 3).keys), desk.now);
    assert_eq!(desk.engine.handle_packet(a.port.id, PacketKind::Rtp, a.rtp, &mut buffer, full, desk.now), None);
}

#[test]
fn what_we_play_is_hidden_and_keys_are_heard() {
    for suite in Suite::ALL {
        let mut desk = Desk::new();
        let mut a = desk.party("10.0.0.1:4000", "0 101");
        let mut of_a = ends(*suite, 1);
        desk.engine.secure(a.id, Some(&of_a.keys), desk.now);
        desk.engine.detect_digits(a.id, true);
        desk.engine.play(a.id, &[model::Prompt::Tone("1000/6000".to_owned())], false, desk.now).unwrap();
        let sent = desk.pass(5_500);
        let of = |kind| sent.iter().filter(move |t| t.kind == kind).collect::<Vec<_>>();
        let (sound, reports) = (of(PacketKind::Rtp), of(PacketKind::Rtcp));
        assert_eq!((sound.len(), reports.len()), (276, 1));
        for transmit in sound {
            assert_eq!(shown(&mut of_a.receiver, &transmit.bytes).len(), 172, "{suite:?}");
        }
        assert!(of_a.receiver.unprotect_rtcp(&mut reports[0].bytes.to_vec()).is_ok());
        let mut key = next(&mut a, &[5, 10, 0, 160]);
        key[1] = 101;
        assert_eq!(handle(&mut desk, &a, &hidden(&mut of_a.sender, &key), PacketKind::Rtp), None);
        assert_eq!(desk.events().len(), 1);
    }
}

#[test]
fn new_keys_take_over_and_the_former_ones_linger_for_what_is_on_its_way() {
    for suite in Suite::ALL {
        let mut desk = Desk::new();
        let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:5000", "0"));
        let mut first = ends(*suite, 1);
        desk.engine.secure(a.id, Some(&first.keys), desk.now);
        desk.engine.connect(a.id, b.id);
        let one = next(&mut a, &[1; 160]);
        let one = hidden(&mut first.sender, &one);
        assert!(handle(&mut desk, &a, &one, PacketKind::Rtp).is_some());
        desk.engine.secure(a.id, Some(&first.keys), desk.now);
        assert_eq!(handle(&mut desk, &a, &one, PacketKind::Rtp), None, "the same keys go on counting");
        let mut second = ends(*suite, 2);
        desk.engine.secure(a.id, Some(&second.keys), desk.now);
        let late = next(&mut a, &[2; 160]);
        let (_, bytes) = handle(&mut desk, &a, &hidden(&mut first.sender, &late), PacketKind::Rtp).unwrap();
        assert_eq!(bytes, late, "{suite:?}");
        let new = next(&mut a, &[3; 160]);
        let (_, bytes) = handle(&mut desk, &a, &hidden(&mut second.sender, &new), PacketKind::Rtp).unwrap();
        assert_eq!(bytes, new);
        let old = next(&mut a, &[4; 160]);
        assert_eq!(handle(&mut desk, &a, &hidden(&mut first.sender, &old), PacketKind::Rtp), None, "over");
        desk.engine.secure(a.id, None, desk.now);
        let clear = next(&mut a, &[5; 160]);
        assert!(handle(&mut desk, &a, &clear, PacketKind::Rtp).is_some(), "agreed in clear again");
    }
}

#[test]
fn reports_are_shown_and_hidden_on_the_way() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:5000", "0"));
    let (mut of_a, mut of_b) = (ends(Suite::AesCm128Sha1_80, 1), ends(Suite::AeadAes128Gcm, 2));
    desk.engine.secure(a.id, Some(&of_a.keys), desk.now);
    desk.engine.secure(b.id, Some(&of_b.keys), desk.now);
    desk.engine.connect(a.id, b.id);
    let clear = next(&mut a, &[1; 160]);
    assert!(handle(&mut desk, &a, &hidden(&mut of_a.sender, &clear), PacketKind::Rtp).is_some());
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    assert_eq!(handle(&mut desk, &a, &report, PacketKind::Rtcp), None, "in clear");
    let mut buffer = [&report[..], &[0; GROWTH_MAX]].concat();
    let len = of_a.sender.protect_rtcp(&mut buffer, 8).unwrap();
    let (_, mut bytes) = handle(&mut desk, &a, &buffer[..len], PacketKind::Rtcp).unwrap();
    assert_eq!(of_b.receiver.unprotect_rtcp(&mut bytes), Ok(8));
    assert_eq!(bytes[..8], report);
}

#[test]
fn a_party_cannot_use_up_the_other_ones_sources() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:5000", "0"));
    let mut of_b = ends(Suite::AesCm128Sha1_80, 2);
    desk.engine.secure(b.id, Some(&of_b.keys), desk.now);
    desk.engine.connect(a.id, b.id);
    let clear = next(&mut a, &[1; 160]);
    assert!(handle(&mut desk, &a, &clear, PacketKind::Rtp).is_some());
    let through = (2..200_u8).filter(|ssrc| {
        let report = [0x80, 201, 0, 1, 0, 0, 9, *ssrc];
        handle(&mut desk, &a, &report, PacketKind::Rtcp).is_some()
    });
    assert_eq!(through.count(), 15, "half of the places");
    // Nor by as many sources of sound, each after a pause.
    for ssrc in 0..100 {
        desk.now = desk.now + core::time::Duration::from_secs(1);
        a.ssrc = 0x5000 + ssrc;
        for n in 0..2 {
            let clear = next(&mut a, &[n; 160]);
            let (_, bytes) = handle(&mut desk, &a, &clear, PacketKind::Rtp).expect("heard");
            assert_eq!(shown(&mut of_b.receiver, &bytes)[12..], [n; 160]);
        }
    }
    desk.engine.play(b.id, &[model::Prompt::Tone("ring".to_owned())], false, desk.now).expect("a prompt");
}

#[test]
fn a_source_that_begins_anew_is_heard_under_keys() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:5000", "0"));
    let mut of_b = ends(Suite::AeadAes128Gcm, 2);
    desk.engine.secure(b.id, Some(&of_b.keys), desk.now);
    desk.engine.connect(a.id, b.id);
    a.sequence = 20_000;
    for n in 0..3 {
        let clear = next(&mut a, &[n; 160]);
        let (_, bytes) = handle(&mut desk, &a, &clear, PacketKind::Rtp).expect("heard");
        assert_eq!(shown(&mut of_b.receiver, &bytes)[12..], [n; 160]);
    }
    // Its gateway begins anew under the same source: thousands behind.
    a.sequence = 5_000;
    for n in 0..3 {
        let clear = next(&mut a, &[n; 160]);
        let (_, bytes) = handle(&mut desk, &a, &clear, PacketKind::Rtp).expect("heard");
        assert_eq!(shown(&mut of_b.receiver, &bytes)[12..], [n; 160]);
    }
}
