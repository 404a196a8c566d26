//! What a relay owes its parties beside passing packets: both address families, a move in mid-call, and nobody else's sound.

use super::kit::{Desk, packet, remote};
use crate::{PacketKind, StreamId};

fn strangers(desk: &Desk, id: StreamId) -> u64 {
    desk.engine.stats(id).unwrap().strangers
}

#[test]
fn parties_of_both_address_families_hear_each_other() {
    let mut desk = Desk::new();
    let (mut old, mut new) = (desk.party("10.0.0.1:4000", "0"), desk.party("[2001:db8::9]:4000", "0"));
    assert!(old.port.rtp.is_ipv4() && new.port.rtp.is_ipv6(), "each is met at an address of its own family");
    desk.engine.connect(old.id, new.id);
    let (forward, _) = desk.send(&mut old, 0, &[1; 160]).unwrap();
    assert_eq!((forward.port, forward.kind, forward.to), (new.port.id, PacketKind::Rtp, new.rtp));
    let (forward, _) = desk.send(&mut new, 0, &[1; 160]).unwrap();
    assert_eq!((forward.port, forward.to), (old.port.id, old.rtp));
    let forward = desk.rtcp(&new, "[2001:db8::9]:4001").unwrap();
    assert_eq!((forward.port, forward.kind), (old.port.id, PacketKind::Rtcp));
}

#[test]
fn a_party_that_moves_in_mid_call_is_heard_and_sent_to_where_it_went() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:4000", "0"));
    desk.engine.connect(a.id, b.id);
    assert!(desk.send(&mut a, 0, &[1; 160]).is_some() && desk.send(&mut b, 0, &[1; 160]).is_some());
    desk.pass(10_000);
    // A re-INVITE names another address: another host, another port.
    let moved = "10.0.0.77:6000".parse().unwrap();
    desk.engine.set_remote(a.id, remote(moved, "0", "sendrecv"), desk.now);
    assert_eq!(desk.send(&mut b, 0, &[1; 160]).unwrap().0.to, moved);
    let before = a.rtp;
    a.rtp = moved;
    a.ssrc = 99;
    assert_eq!(desk.send(&mut a, 0, &[1; 160]).unwrap().0.to, b.rtp);
    let late = strangers(&desk, a.id);
    a.rtp = before;
    assert_eq!(desk.send(&mut a, 0, &[1; 160]), None, "the place it left");
    assert_eq!(strangers(&desk, a.id), late + 1);
}

#[test]
fn a_locked_address_has_one_source_at_a_time() {
    let mut desk = Desk::new();
    let (mut a, b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:4000", "0"));
    desk.engine.connect(a.id, b.id);
    for n in 0..50 {
        assert!(desk.send(&mut a, 0, &[1; 160]).is_some());
        // Who writes the party's address on its packets, and guesses everything but the source.
        let mut forged = packet(&a, 0, &[2; 160]);
        forged[8..12].copy_from_slice(&[9; 4]);
        assert_eq!(desk.rtp(&a, a.rtp, &mut forged), None, "{n}");
        desk.pass(20);
    }
    assert_eq!(strangers(&desk, a.id), 50);
    // The party itself may begin anew, once it has fallen silent.
    desk.pass(200);
    a.ssrc = 7;
    assert!(desk.send(&mut a, 0, &[1; 160]).is_some());
}
