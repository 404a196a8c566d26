//! Opus on one side, another format on the other; what is lost is made up for; a room of both.

use super::kit::{Desk, Party, addr, remote};
use crate::MediaTransmit;
use opus::WithOpus;
use rtp::codec::{Codecs, Encoder, Format};
use std::sync::Arc;

fn desk() -> Desk {
    Desk::with(Arc::new(WithOpus::new(5)))
}

fn opus() -> Format {
    Format::new("opus", 48_000, 2).with_parameters("useinbandfec=1")
}

/// A tone that climbs from 400 to 2,400 Hz in two seconds.
fn climb(rate: u32, n: u64) -> Vec<i16> {
    let len = u64::from(rate) / 50;
    let at = |i: u64| {
        let t = i as f64 / f64::from(rate);
        ((core::f64::consts::TAU * (400.0 * t + 500.0 * t * t)).sin() * 8_000.0) as i16
    };
    (n * len..(n + 1) * len).map(at).collect()
}

fn heard(sent: &[MediaTransmit], to: &Party, format: &Format) -> Vec<i16> {
    let mut decoder = WithOpus::new(5).decoder(format).unwrap();
    let mut out = Vec::new();
    for transmit in sent.iter().filter(|t| t.to == to.rtp) {
        let header = rtp::parse(&transmit.bytes).unwrap();
        decoder.decode(&transmit.bytes[header.payload], &mut out);
    }
    out
}

fn say(encoder: &mut dyn Encoder, n: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    encoder.encode(&climb(encoder.rate(), n), &mut payload);
    payload
}

/// How like each other two sounds of one rate are, at the best delay up to 80 ms.
fn correlation(heard: &[i16], rate: u32) -> f64 {
    let sound: Vec<i16> = (0..100).flat_map(|n| climb(rate, n)).collect();
    let range = rate as usize / 2..rate as usize * 3 / 2;
    let said = &sound[range.clone()];
    let at = |delay: usize| {
        let piece = heard.get(range.start + delay..range.end + delay).unwrap_or_default();
        let sum =
            |f: fn(f64, f64) -> f64| piece.iter().zip(said).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum::<f64>();
        sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt().max(1.0)
    };
    (0..rate as usize / 12).map(at).fold(0.0, f64::max)
}

/// One party speaks for two seconds; the packets for which `lost` is true never come.
fn speak(desk: &mut Desk, party: &mut Party, format: &Format, lost: fn(u64) -> bool) -> Vec<MediaTransmit> {
    let mut encoder = WithOpus::new(5).encoder(format).unwrap();
    let (pt, step) =
        if format.clock == 48_000 { (111, 960) } else { (if format.encoding == "G722" { 9 } else { 8 }, 160) };
    let mut sent = Vec::new();
    for n in 0..100 {
        let payload = say(encoder.as_mut(), n);
        if lost(n) {
            party.sequence = party.sequence.wrapping_add(1);
        } else {
            assert_eq!(desk.send(party, pt, &payload), None, "it is not passed on as it is");
        }
        party.timestamp = party.timestamp.wrapping_add(step - 160);
        if lost(n) {
            party.timestamp = party.timestamp.wrapping_add(160);
        }
        sent.extend(desk.pass(20));
    }
    sent
}

#[test]
fn opus_and_every_other_format_hear_each_other() {
    for (pt, format) in [("8", Format::new("PCMA", 8_000, 1)), ("9", Format::new("G722", 8_000, 1))] {
        let mut desk = desk();
        let mut browser = desk.party("10.0.0.1:4000", "111 101");
        let mut phone = desk.party("10.0.0.2:5000", pt);
        desk.engine.connect(browser.id, phone.id);
        let sent = speak(&mut desk, &mut browser, &opus(), |_| false);
        assert!((97..=103).contains(&sent.len()), "{}", sent.len());
        let sound = heard(&sent, &phone, &format);
        let rate = if pt == "9" { 16_000 } else { 8_000 };
        assert!(correlation(&sound, rate) > 0.9, "opus to {pt}: {}", correlation(&sound, rate));
        let sent = speak(&mut desk, &mut phone, &format, |_| false);
        let sound = heard(&sent, &browser, &opus());
        assert!(correlation(&sound, 16_000) > 0.9, "{pt} to opus: {}", correlation(&sound, 16_000));
        let of = |t: &&MediaTransmit| t.to == browser.rtp;
        let headers: Vec<_> = sent.iter().filter(of).map(|t| rtp::parse(&t.bytes).unwrap()).collect();
        assert!(headers.windows(2).all(|w| w[1].timestamp == w[0].timestamp.wrapping_add(960)), "a clock of 48 kHz");
        assert!(headers.iter().all(|h| h.payload_type == 111));
    }
}

#[test]
fn what_the_network_loses_is_made_up_from_what_follows() {
    let run = |lost| {
        let mut desk = desk();
        let mut browser = desk.party("10.0.0.1:4000", "111");
        let phone = desk.party("10.0.0.2:5000", "8");
        desk.engine.connect(browser.id, phone.id);
        let sent = speak(&mut desk, &mut browser, &opus(), lost);
        heard(&sent, &phone, &Format::new("PCMA", 8_000, 1))
    };
    let (whole, torn) = (run(|_| false), run(|n| n % 10 == 9));
    assert!(torn.len() * 100 > whole.len() * 95, "{} of {}", torn.len(), whole.len());
    let power = |frame: &[i16]| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 160.0;
    let quiet = torn[4_000..].chunks_exact(160).filter(|frame| power(frame) < 3e6).count();
    assert_eq!(quiet, 0, "no hole");
}

#[test]
fn who_has_a_common_format_is_not_transcoded() {
    let mut desk = desk();
    let mut one = desk.party("10.0.0.1:4000", "111 8");
    let mut two = desk.party("10.0.0.2:5000", "8 111");
    desk.engine.connect(one.id, two.id);
    for pt in [111, 8] {
        assert!(desk.send(&mut one, pt, &[1; 60]).is_some(), "{pt}");
        assert!(desk.send(&mut two, pt, &[1; 60]).is_some(), "{pt}");
    }
    assert!(desk.pass(100).is_empty());
}

#[test]
fn a_room_of_both_and_a_prompt() {
    let mut desk = desk();
    let mut browser = desk.party("10.0.0.1:4000", "111");
    let phone = desk.party("10.0.0.2:5000", "8");
    let room = desk.engine.open_conference();
    for id in [browser.id, phone.id] {
        desk.engine.join(room, id).unwrap();
    }
    let sent = speak(&mut desk, &mut browser, &opus(), |_| false);
    let sound = heard(&sent, &phone, &Format::new("PCMA", 8_000, 1));
    assert!(correlation(&sound, 8_000) > 0.9, "{}", correlation(&sound, 8_000));
    desk.engine.set_remote(browser.id, remote(addr("10.0.0.1:4000"), "111", "sendrecv"), desk.now);
    desk.engine.leave(browser.id);
    desk.engine.play(browser.id, &[model::Prompt::File("hello".into())], false, desk.now).unwrap();
    let heard = heard(&desk.pass(200), &browser, &opus());
    assert_eq!(heard.len(), 640, "two frames of a prompt");
}
