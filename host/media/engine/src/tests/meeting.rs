//! A party that is found by ICE and keyed by DTLS: who is answered, who is heard, and what never passes.

use super::kit::{Desk, Party, addr, packet};
use crate::{Event, Forward, FromDtls, Keys, PacketKind, ToDtls};
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
        desk.engine.set_dtls(browser.id, false, &[certificate(1)], desk.now);
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
        m.desk.engine.handle_dtls(m.browser.id, FromDtls::Keys(Box::new(ends.keys)), m.desk.now);
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
    let open = ToDtls::Open { stream: m.browser.id, active: false, fingerprints: vec![certificate(1)] };
    assert_eq!(m.asked(), [open]);
    assert!(m.from("192.0.2.66:50000", &record).is_none() && m.asked().is_empty(), "a record from elsewhere");
    assert!(m.from(BROWSER, &record).is_none());
    assert_eq!(m.asked(), [ToDtls::Record { stream: m.browser.id, bytes: record.into() }]);
    m.desk.engine.handle_dtls(m.browser.id, FromDtls::Record(vec![22; 900]), m.desk.now);
    let sent = m.desk.drain();
    assert_eq!((sent[0].to, sent[0].bytes.len()), (addr(BROWSER), 900));
    let stats = m.desk.engine.stats(m.browser.id).unwrap();
    assert_eq!((stats.strangers, stats.packets_in), (2, 0));
    // The end of the stream is the end of the handshake; what comes of it later is nothing.
    let _ = m.desk.engine.close(m.browser.id, m.desk.now);
    assert_eq!(m.asked(), [ToDtls::Close { stream: m.browser.id }]);
    m.desk.engine.handle_dtls(m.browser.id, FromDtls::Record(vec![22; 9]), m.desk.now);
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
    m.desk.engine.handle_dtls(m.browser.id, FromDtls::Keys(Box::new(ends.keys)), m.desk.now);
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
    m.desk.engine.set_dtls(m.browser.id, false, &[certificate(1)], m.desk.now);
    assert!(m.asked().is_empty(), "the same certificate goes on");
    assert_eq!(m.check(BROWSER, &ours().pwd, &[]).unwrap().0, 0x0111);
    assert_eq!(m.check(BROWSER, &fresh.pwd, &[]).unwrap().0, 0x0101);
    let hidden = m.hidden(&mut ends);
    assert!(m.from(BROWSER, &hidden).is_some(), "the keys stand");
    m.desk.engine.set_dtls(m.browser.id, false, &[certificate(2)], m.desk.now);
    let open = ToDtls::Open { stream: m.browser.id, active: false, fingerprints: vec![certificate(2)] };
    assert_eq!(m.asked(), [ToDtls::Close { stream: m.browser.id }, open]);
    m.desk.engine.handle_dtls(m.browser.id, FromDtls::Failed, m.desk.now);
    assert_eq!(m.desk.events(), [Event::Unsecured { stream: m.browser.id }]);
}

#[test]
fn what_is_played_waits_until_it_can_be_heard() {
    let mut m = Meeting::new();
    let hello = [model::Prompt::File("hello".to_owned())];
    let _job = m.desk.engine.play(m.browser.id, &hello, false, m.desk.now).unwrap();
    assert!(m.desk.pass(400).is_empty() && m.desk.events().is_empty());
    let _ = m.check(BROWSER, &ours().pwd, &[NOMINATES]);
    let ends = ends(9);
    m.desk.engine.handle_dtls(m.browser.id, FromDtls::Keys(Box::new(ends.keys)), m.desk.now);
    let sent = m.desk.pass(100);
    assert!(sent.len() >= 2 && sent.iter().all(|t| t.to == addr(BROWSER)), "{sent:?}");
    assert!(m.desk.events().iter().any(|e| matches!(e, Event::PlayEnded { .. })));
}
