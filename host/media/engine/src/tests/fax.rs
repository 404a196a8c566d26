//! T.38: datagrams of UDPTL between the same ports that carried sound before.

use super::kit::{Desk, Party, addr, remote};
use crate::{Forward, PacketKind};
use core::net::SocketAddr;
use sdp::{Description, RemoteMedia, remote_media};

/// A fax line at this address.
fn fax(at: SocketAddr) -> RemoteMedia {
    let (ip, port) = (at.ip(), at.port());
    let text = format!("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 {ip}\nt=0 0\nm=image {port} udptl t38\n");
    remote_media(&Description::parse(text.as_bytes()).unwrap()).unwrap()
}

fn send(desk: &mut Desk, party: &Party, from: SocketAddr, bytes: &[u8]) -> Option<(Forward, Vec<u8>)> {
    let mut datagram = bytes.to_vec();
    let forward = desk.rtp(party, from, &mut datagram)?;
    Some((forward, datagram))
}

fn talking() -> (Desk, Party, Party) {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0");
    let mut b = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(a.id, b.id);
    assert!(desk.send(&mut a, 0, &[1; 160]).is_some() && desk.send(&mut b, 8, &[1; 160]).is_some());
    (desk, a, b)
}

fn go_over(desk: &mut Desk, a: &Party, b: &Party) {
    desk.engine.set_remote(a.id, fax(a.rtp), desk.now);
    desk.engine.set_remote(b.id, fax(b.rtp), desk.now);
}

#[test]
fn any_datagram_passes_as_it_is_both_ways_and_sound_of_before_does_not() {
    let (mut desk, mut a, mut b) = talking();
    go_over(&mut desk, &a, &b);
    // What looks like RTP of another source, like RTCP, or like nothing at all.
    let known = [0x80, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 7, 7];
    for bytes in [&[0, 1, 1, 6, 0][..], &known, &[0x81, 201, 0, 1, 0, 0, 0, 1], &[9]] {
        let (forward, passed) = send(&mut desk, &a, a.rtp, bytes).unwrap();
        assert_eq!(forward, Forward { port: b.port.id, kind: PacketKind::Rtp, to: b.rtp, len: bytes.len() });
        assert_eq!(passed, bytes);
        assert_eq!(send(&mut desk, &b, b.rtp, bytes).unwrap().0.to, a.rtp);
    }
    assert_eq!(desk.send(&mut a, 0, &[1; 160]), None, "the sound that was on its way");
    assert_eq!(send(&mut desk, &a, a.rtp, &[]), None);
    assert_eq!(desk.rtcp(&a, "10.0.0.1:4001"), None);
    let stats = desk.engine.stats(a.id).unwrap();
    assert_eq!((stats.packets_in, stats.packets_out, stats.malformed), (5, 5, 1));
    desk.engine.set_remote(a.id, remote(a.rtp, "0", "sendrecv"), desk.now);
    desk.engine.set_remote(b.id, remote(b.rtp, "8", "sendrecv"), desk.now);
    assert_eq!(send(&mut desk, &a, a.rtp, &[0, 1, 1, 6, 0]), None, "the fax that was on its way");
    (a.ssrc, b.ssrc) = (77, 78);
    assert!(desk.send(&mut a, 0, &[1; 160]).is_some(), "sound again, of a new source");
    assert!(desk.send(&mut b, 8, &[1; 160]).is_some());
}

#[test]
fn a_third_address_is_neither_heard_nor_sent_to() {
    let (mut desk, a, b) = talking();
    go_over(&mut desk, &a, &b);
    assert_eq!(send(&mut desk, &a, addr("10.0.0.9:4000"), &[0, 1, 1, 6, 0]), None);
    assert_eq!(desk.engine.stats(a.id).unwrap().strangers, 1);
    // A fax at a port of its own is learnt as sound is: the described address locks.
    desk.engine.set_remote(a.id, fax(addr("10.0.0.1:4002")), desk.now);
    assert!(send(&mut desk, &a, addr("10.0.0.1:4002"), &[0, 2, 1, 6, 0]).is_some());
    assert_eq!(send(&mut desk, &a, a.rtp, &[0, 3, 1, 6, 0]), None);
    assert_eq!(send(&mut desk, &b, b.rtp, &[0, 1, 1, 6, 0]).unwrap().0.to, addr("10.0.0.1:4002"));
}

#[test]
fn one_side_may_listen_as_long_as_a_page_lasts_and_both_may_not() {
    let (mut desk, a, b) = talking();
    go_over(&mut desk, &a, &b);
    for _ in 0..6 {
        desk.pass(50_000);
        assert!(send(&mut desk, &a, a.rtp, &[0, 1, 1, 6, 0]).is_some());
    }
    assert!(desk.events().is_empty(), "b has said nothing for five minutes");
    desk.pass(61_000);
    let silent = |id| crate::Event::Silent { stream: id };
    let told = desk.events();
    assert!(told.contains(&silent(a.id)) && told.contains(&silent(b.id)), "{told:?}");
}

#[test]
fn until_both_have_gone_over_nothing_passes_and_a_tape_stays_silent() {
    let (mut desk, mut a, b) = talking();
    desk.engine.set_remote(b.id, fax(b.rtp), desk.now);
    assert_eq!(desk.send(&mut a, 0, &[1; 160]), None, "sound is no fax");
    assert_eq!(send(&mut desk, &b, b.rtp, &[0, 1, 1, 6, 0]), None, "a fax is no sound");
    assert!(desk.engine.play(b.id, &[model::Prompt::SilenceMs(20)], false, desk.now).is_err());
    desk.engine.send_keys(b.id, "1", desk.now).ok();
    assert!(desk.pass(500).iter().all(|sent| sent.to != b.rtp), "nothing of our own goes to a fax");
}
