//! A party that is found by ICE and keyed by DTLS: who is answered, who is heard, and what never passes.

use super::kit::{Desk, Party, addr, packet};
use crate::{DtlsPeer, Event, Forward, FromDtls, Handshake, Keys, PacketKind, ToDtls};
use core::net::SocketAddr;
use rtp::srtp::{GROWTH_MAX, MasterKey, Receiver, Sender, Suite};
use rtp::stun;

const NOMINATES: (u16, &[u8]) = (0x0025, &[]);
const BROWSER: &str = "192.0.2.7:50000";

fn ours() -> sdp::Ice {
    sdp::Ice { ufrag: "oursoursours".to_owned(), pwd: "a password of twenty-two".to_owned() }
}

fn certificate(fill: u8) -> sdp::Fingerprint {
    sdp::Fingerprint { hash: "sha-256".to_owned(), digest: vec![fill; 32] }
}

/// A party that begins, and whose certificate is this one.
fn peer(fill: u8) -> DtlsPeer {
    DtlsPeer { active: false, fingerprints: vec![certificate(fill)], tls_id: None }
}

/// The browser's ends of the keys.
struct Ends {
    keys: Keys,
    sender: Sender,
    receiver: Receiver,
}

fn ends(fill: u8) -> Ends {
    let key = |n: u8| MasterKey::new(Suite::AeadAes128Gcm, &[fill ^ n; 28]).unwrap();
    let keys = Keys { ours: key(0x40), theirs: key(0x80) };
    Ends { keys, sender: Sender::new(&keys.theirs), receiver: Receiver::new(&keys.ours) }
}

struct Meeting {
    desk: Desk,
    browser: Party,
    phone: Party,
}

impl Meeting {
    /// A browser and a plain phone, joined; nothing has come yet.
    fn new() -> Meeting {
        let mut desk = Desk::new();
        let (browser, phone) = (desk.party(BROWSER, "0"), desk.party("10.0.0.2:5000", "0"));
        desk.engine.set_ice(browser.id, Some(&ours()));
        desk.engine.set_dtls(browser.id, &peer(1), desk.now);
        desk.engine.connect(browser.id, phone.id);
        Meeting { desk, browser, phone }
    }

    fn from(&mut self, from: &str, bytes: &[u8]) -> Option<(Forward, Vec<u8>)> {
        let mut buffer = [bytes, &[0; GROWTH_MAX]].concat();
        let (port, now) = (self.browser.port.id, self.desk.now);
        let forward =
            self.desk.engine.handle_packet(port, PacketKind::Rtp, addr(from), &mut buffer, bytes.len(), now)?;
        buffer.truncate(forward.len);
        Some((forward, buffer))
    }

    /// A check; gives the kind of answer and to whom.
    fn check(&mut self, from: &str, password: &str, attributes: &[(u16, &[u8])]) -> Option<(u16, SocketAddr)> {
        let asked = stun::write_request("oursoursours:theirs", password, &[7; 12], attributes);
        assert!(self.from(from, &asked).is_none());
        let answers = self.desk.drain();
        assert!(answers.len() <= 1, "{answers:?}");
        answers.first().map(|a| (u16::from_be_bytes([a.bytes[0], a.bytes[1]]), a.to))
    }

    /// The handshake of this number.
    fn handshake(&self, number: u64) -> Handshake {
        Handshake { stream: self.browser.id, number }
    }

    /// What comes of the handshake of this number.
    fn done(&mut self, number: u64, done: FromDtls) {
        let handshake = self.handshake(number);
        self.desk.engine.handle_dtls(handshake, done, self.desk.now);
    }

    fn keys(&mut self, number: u64, ends: &Ends) {
        self.done(number, FromDtls::Keys(Box::new(ends.keys)));
    }

    fn asked(&mut self) -> Vec<ToDtls> {
        core::iter::from_fn(|| self.desk.engine.poll_dtls()).collect()
    }

    fn clear(&mut self) -> Vec<u8> {
        self.browser.sequence += 1;
        packet(&self.browser, 0, &[7; 160])
    }

    /// The browser's next packet, hidden.
    fn hidden(&mut self, ends: &mut Ends) -> Vec<u8> {
        let clear = self.clear();
        let mut buffer = [&clear[..], &[0; GROWTH_MAX]].concat();
        let len = ends.sender.protect(&mut buffer, clear.len()).unwrap();
        buffer.truncate(len);
        buffer
    }

    /// Checked, shaken hands, keyed.
    fn keyed(fill: u8) -> (Meeting, Ends) {
        let mut m = Meeting::new();
        assert_eq!(m.check(BROWSER, &ours().pwd, &[NOMINATES]), Some((0x0101, addr(BROWSER))));
        let ends = ends(fill);
        m.keys(1, &ends);
        let _ = m.asked();
        (m, ends)
    }
}

#[test]
fn a_party_is_found_by_a_check_and_only_then_is_there_a_handshake() {
    let mut m = Meeting::new();
    let record = [22, 254, 253, 0, 0];
    assert!(m.from(BROWSER, &record).is_none());
    assert_eq!(
        (m.check(BROWSER, "a wrong password, as long", &[]), m.asked()),
        (Some((0x0111, addr(BROWSER))), vec![])
    );
    assert_eq!(m.check(BROWSER, &ours().pwd, &[]), Some((0x0101, addr(BROWSER))));
    let handshake = m.handshake(1);
    let open = ToDtls::Open { handshake, active: false, fingerprints: vec![certificate(1)] };
    assert_eq!(m.asked(), [open]);
    assert!(m.from("192.0.2.66:50000", &record).is_none() && m.asked().is_empty(), "a record from elsewhere");
    assert!(m.from(BROWSER, &record).is_none());
    assert_eq!(m.asked(), [ToDtls::Record { handshake, bytes: record.into() }]);
    m.done(1, FromDtls::Record(vec![22; 90]));
    let sent = m.desk.drain();
    assert_eq!((sent[0].to, sent[0].bytes.len()), (addr(BROWSER), 90));
    let stats = m.desk.engine.stats(m.browser.id).unwrap();
    assert_eq!((stats.strangers, stats.packets_in), (2, 0));
    // The end of the stream is the end of the handshake; what comes of it later is nothing.
    let _ = m.desk.engine.close(m.browser.id, m.desk.now);
    assert_eq!(m.asked(), [ToDtls::Close { handshake }]);
    m.done(1, FromDtls::Record(vec![22; 9]));
    assert!(m.desk.drain().is_empty());
}

#[test]
fn without_keys_nothing_passes_and_with_them_nothing_in_clear() {
    let mut m = Meeting::new();
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    let clear = m.clear();
    assert!(m.from(BROWSER, &clear).is_none(), "clear RTP before the keys");
    let mut phone = m.phone;
    assert!(m.desk.send(&mut phone, 0, &[5; 160]).is_none(), "and none is sent");
    m.phone = phone;
    let mut ends = ends(9);
    m.keys(1, &ends);
    let hidden = m.hidden(&mut ends);
    let (forward, bytes) = m.from(BROWSER, &hidden).unwrap();
    assert_eq!((forward.to, &bytes[12..]), (addr("10.0.0.2:5000"), &[7; 160][..]));
    let clear = m.clear();
    assert!(m.from(BROWSER, &clear).is_none(), "clear RTP after the keys");
    let mut stranger = self::ends(10);
    let other = m.hidden(&mut stranger);
    assert!(m.from(BROWSER, &other).is_none(), "under other keys");
    let elsewhere = m.hidden(&mut ends);
    assert!(m.from("192.0.2.7:50001", &elsewhere).is_none(), "from where no check came from");
    // The other way it is hidden, and goes where the party is.
    let clear = packet(&m.phone, 0, &[3; 160]);
    let mut buffer = [&clear[..], &[0; GROWTH_MAX]].concat();
    let (phone, now) = (&m.phone, m.desk.now);
    let engine = &mut m.desk.engine;
    let forward =
        engine.handle_packet(phone.port.id, PacketKind::Rtp, phone.rtp, &mut buffer, clear.len(), now).unwrap();
    assert_eq!((forward.to, forward.len), (addr(BROWSER), clear.len() + 16));
    buffer.truncate(forward.len);
    let len = ends.receiver.unprotect(&mut buffer).unwrap();
    assert_eq!(&buffer[12..len], &[3; 160]);
}

#[test]
fn the_party_moves_by_naming_another_pair_and_is_lost_without_checks() {
    let (mut m, mut ends) = Meeting::keyed(3);
    let other = "198.51.100.9:40000";
    let to = |m: &mut Meeting| {
        m.phone.sequence += 1;
        let clear = packet(&m.phone, 0, &[3; 160]);
        let mut buffer = [&clear[..], &[0; GROWTH_MAX]].concat();
        let (phone, now) = (&m.phone, m.desk.now);
        let engine = &mut m.desk.engine;
        engine.handle_packet(phone.port.id, PacketKind::Rtp, phone.rtp, &mut buffer, clear.len(), now).map(|f| f.to)
    };
    assert_eq!(to(&mut m), Some(addr(BROWSER)));
    let _ = m.check(other, &ours().pwd, &[]);
    assert_eq!(to(&mut m), Some(addr(BROWSER)), "a path that was tried is not the one to use");
    let _ = m.check(other, &ours().pwd, &[NOMINATES]);
    assert_eq!(to(&mut m), Some(addr(other)));
    let hidden = m.hidden(&mut ends);
    assert!(m.from(BROWSER, &hidden).is_some(), "what is on its way from the former address is heard");
    assert_eq!(m.check(other, &ours().pwd, &[(0x8029, &[1; 8])]), Some((0x0111, addr(other))), "a role conflict");
    let _ = m.desk.pass(31_000);
    assert_eq!(to(&mut m), None, "RFC 7675");
    let hidden = m.hidden(&mut ends);
    assert!(m.from(other, &hidden).is_none());
    let _ = m.desk.pass(60_000);
    let silent = Event::Silent { stream: m.browser.id };
    assert!(m.desk.events().contains(&silent));
}

#[test]
fn new_credentials_end_the_old_checks_and_another_certificate_is_another_handshake() {
    let (mut m, mut ends) = Meeting::keyed(4);
    let fresh = sdp::Ice { ufrag: "oursoursours".to_owned(), pwd: "another password, as long".to_owned() };
    m.desk.engine.set_ice(m.browser.id, Some(&fresh));
    m.desk.engine.set_dtls(m.browser.id, &peer(1), m.desk.now);
    assert!(m.asked().is_empty(), "the same certificate goes on");
    assert_eq!(m.check(BROWSER, &ours().pwd, &[]).unwrap().0, 0x0111);
    assert_eq!(m.check(BROWSER, &fresh.pwd, &[]).unwrap().0, 0x0101);
    let hidden = m.hidden(&mut ends);
    assert!(m.from(BROWSER, &hidden).is_some(), "the keys stand");
    m.desk.engine.set_dtls(m.browser.id, &peer(2), m.desk.now);
    let open = ToDtls::Open { handshake: m.handshake(2), active: false, fingerprints: vec![certificate(2)] };
    assert_eq!(m.asked(), [ToDtls::Close { handshake: m.handshake(1) }, open]);
    let hidden = m.hidden(&mut ends);
    assert!(m.from(BROWSER, &hidden).is_some(), "the former keys stand until there are others");
    m.done(2, FromDtls::Failed);
    assert_eq!(m.desk.events(), [Event::Unsecured { stream: m.browser.id }]);
    m.done(2, FromDtls::Lost);
    assert_eq!(m.desk.events(), [Event::HandshakeLost { stream: m.browser.id }]);
}

#[test]
fn roles_certificates_and_names_say_whether_an_association_goes_on() {
    let named = |name: &str| DtlsPeer { tls_id: Some(name.repeat(20)), ..peer(1) };
    let active = DtlsPeer { active: true, ..peer(1) };
    for (then, now, goes_on) in [
        (peer(1), peer(1), true),
        (peer(1), peer(2), false),
        (peer(1), active, false),
        (named("a"), named("a"), true),
        (named("a"), named("b"), false),
        (named("a"), peer(1), true),
        (peer(1), named("a"), true),
    ] {
        assert_eq!(now.goes_on(&then), goes_on, "{then:?} {now:?}");
        let mut m = Meeting::new();
        let (id, at) = (m.browser.id, m.desk.now);
        m.desk.engine.set_dtls(id, &then, at);
        let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
        let begun = m.asked().len();
        m.desk.engine.set_dtls(id, &now, at);
        assert_eq!((begun, m.asked().len()), (1, if goes_on { 0 } else { 2 }), "{then:?} {now:?}");
    }
    // A description that leaves the name out does not take it away.
    let mut m = Meeting::new();
    let (id, at) = (m.browser.id, m.desk.now);
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    for (now, asks) in [(named("a"), 1), (peer(1), 0), (named("a"), 0), (named("b"), 2)] {
        m.desk.engine.set_dtls(id, &now, at);
        assert_eq!(m.asked().len(), asks, "{now:?}");
    }
}

#[test]
fn what_came_of_a_former_handshake_is_nothing_to_the_next() {
    let mut m = Meeting::new();
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    m.desk.engine.set_dtls(m.browser.id, &peer(2), m.desk.now);
    let (mut former, mut present) = (ends(5), ends(6));
    m.keys(1, &former);
    m.done(1, FromDtls::Record(vec![22; 9]));
    m.done(1, FromDtls::Failed);
    m.done(1, FromDtls::Lost);
    m.done(3, FromDtls::Failed);
    assert!(m.desk.drain().is_empty() && m.desk.events().is_empty());
    let hidden = m.hidden(&mut former);
    assert!(m.from(BROWSER, &hidden).is_none(), "under keys of a certificate that is no longer the party's");
    m.keys(2, &present);
    let hidden = m.hidden(&mut present);
    assert!(m.from(BROWSER, &hidden).is_some());
    // The same where the stream stopped being a browser's meanwhile, and is one again.
    m.desk.engine.set_ice(m.browser.id, None);
    m.desk.engine.set_ice(m.browser.id, Some(&ours()));
    m.desk.engine.set_dtls(m.browser.id, &peer(2), m.desk.now);
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    let (one, other) = (m.handshake(2), m.handshake(3));
    assert!(matches!(&m.asked()[..], [.., ToDtls::Close { handshake }, ToDtls::Open { handshake: next, .. }]
        if *handshake == one && *next == other));
    m.keys(2, &present);
    let hidden = m.hidden(&mut present);
    assert!(m.from(BROWSER, &hidden).is_none());
}

#[test]
fn records_go_back_where_they_came_from_and_never_many_for_few() {
    let (victim, other) = ("203.0.113.66:9", "198.51.100.9:40000");
    let mut m = Meeting::new();
    let check = |password: &str| stun::write_request("oursoursours:theirs", password, &[7; 12], &[NOMINATES]);
    let heard = check(&ours().pwd).len();
    // Somebody who knows the password writes another's address on a check: that is all we ever send there.
    let _ = m.check(victim, &ours().pwd, &[NOMINATES]);
    let mut told = 0;
    for _ in 0..100 {
        m.done(1, FromDtls::Record(vec![22; 60]));
        let sent = m.desk.drain();
        assert!(sent.iter().all(|t| t.to == addr(victim)));
        told += sent.iter().map(|t| t.bytes.len()).sum::<usize>();
    }
    assert!(told > 0 && told <= 3 * heard, "{told} bytes for {heard}");
    // Records are answered where they come from, whatever pair is named meanwhile.
    let _ = m.check(other, &ours().pwd, &[]);
    let _ = m.from(other, &[&[22, 254, 253][..], &[0; 200]].concat());
    m.done(1, FromDtls::Record(vec![22; 600]));
    let sent = m.desk.drain();
    assert_eq!(sent.iter().map(|t| (t.to, t.bytes.len())).collect::<Vec<_>>(), [(addr(other), 600)]);
    m.done(1, FromDtls::Record(vec![22; 600]));
    assert!(m.desk.drain().is_empty(), "more than came thrice over");
    let _ = m.from(other, &[&[22, 254, 253][..], &[0; 200]].concat());
    m.done(1, FromDtls::Record(vec![22; 600]));
    assert_eq!(m.desk.drain().len(), 1, "a repetition makes room");
}

#[test]
fn what_is_played_waits_until_it_can_be_heard() {
    let mut m = Meeting::new();
    let hello = [model::Prompt::File("hello".to_owned())];
    let _job = m.desk.engine.play(m.browser.id, &hello, false, m.desk.now).unwrap();
    assert!(m.desk.pass(400).is_empty() && m.desk.events().is_empty());
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    let ends = ends(9);
    m.keys(1, &ends);
    let sent = m.desk.pass(100);
    assert!(sent.len() >= 2 && sent.iter().all(|t| t.to == addr(BROWSER)), "{sent:?}");
    assert!(m.desk.events().iter().any(|e| matches!(e, Event::PlayEnded { .. })));
}
