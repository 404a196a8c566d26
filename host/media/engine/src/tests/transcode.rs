//! Two parties with no format in common hear each other all the same; keys change their form on the way.

use super::kit::{Desk, Party, packet};
use crate::{Event, MediaTransmit, PacketKind};
use rtp::codec::{Codecs, Format, Own};
use rtp::event::TelephoneEvent;

fn tone(rate: u32, n: u64) -> Vec<i16> {
    let len = u64::from(rate) / 50;
    let turn = core::f64::consts::TAU * 1_000.0 / f64::from(rate);
    (n * len..(n + 1) * len).map(|t| ((t as f64 * turn).sin() * 8_000.0) as i16).collect()
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

/// What a party hears of packets sent to it.
fn heard(sent: &[MediaTransmit], to: &Party, format: &Format) -> Vec<i16> {
    let mut decoder = Own.decoder(format).unwrap();
    let mut out = Vec::new();
    for transmit in sent.iter().filter(|t| t.to == to.rtp) {
        let header = rtp::parse(&transmit.bytes).unwrap();
        decoder.decode(&transmit.bytes[header.payload], &mut out);
    }
    out
}

/// The party speaks for so many packets of 20 ms; gives what the switch sent meanwhile.
fn speak(desk: &mut Desk, party: &mut Party, pt: u8, format: &Format, packets: u64) -> Vec<MediaTransmit> {
    let mut encoder = Own.encoder(format).unwrap();
    let mut sent = Vec::new();
    for n in 0..packets {
        let mut payload = Vec::new();
        encoder.encode(&tone(encoder.rate(), n), &mut payload);
        assert_eq!(desk.send(party, pt, &payload), None, "it is not passed on as it is");
        sent.extend(desk.pass(20));
    }
    sent
}

#[test]
fn g722_and_g711_hear_each_other() {
    let mut desk = Desk::new();
    let mut wide = desk.party("10.0.0.1:4000", "9");
    let mut narrow = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(wide.id, narrow.id);
    let (g722, pcma) = (Format::new("G722", 8_000, 1), Format::new("PCMA", 8_000, 1));
    let sent = speak(&mut desk, &mut wide, 9, &g722, 50);
    assert!((48..=52).contains(&sent.len()), "{}", sent.len());
    let sound = heard(&sent, &narrow, &pcma);
    assert!((power(&sound[1_600..]) / 3.2e7 - 1.0).abs() < 0.1, "{}", power(&sound[1_600..]));
    let sent = speak(&mut desk, &mut narrow, 8, &pcma, 50);
    let sound = heard(&sent, &wide, &g722);
    assert!((power(&sound[3_200..]) / 3.2e7 - 1.0).abs() < 0.1, "{}", power(&sound[3_200..]));
    let headers: Vec<_> = sent.iter().filter(|t| t.to == wide.rtp).map(|t| rtp::parse(&t.bytes).unwrap()).collect();
    assert!(headers.windows(2).all(|w| w[1].sequence == w[0].sequence + 1 && w[1].ssrc == w[0].ssrc));
    assert!(headers.windows(2).all(|w| w[1].timestamp == w[0].timestamp.wrapping_add(160)), "G.722 ticks at 8 kHz");
}

#[test]
fn silence_stops_the_tick_and_speech_starts_it_again() {
    let mut desk = Desk::new();
    let mut wide = desk.party("10.0.0.1:4000", "9");
    let narrow = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(wide.id, narrow.id);
    let g722 = Format::new("G722", 8_000, 1);
    assert!(speak(&mut desk, &mut wide, 9, &g722, 10).len() >= 9);
    let after = desk.pass(2_000);
    assert!(after.len() < 20, "{} frames of silence were sent", after.len());
    let next = desk.engine.poll_timeout().unwrap();
    assert!(next.since(desk.now).as_millis() > 900, "only the media timeout is left");
    assert!(speak(&mut desk, &mut wide, 9, &g722, 10).len() >= 9);
}

#[test]
fn a_lost_packet_is_concealed() {
    let mut desk = Desk::new();
    let mut wide = desk.party("10.0.0.1:4000", "9");
    let narrow = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(wide.id, narrow.id);
    let (g722, pcma) = (Format::new("G722", 8_000, 1), Format::new("PCMA", 8_000, 1));
    let mut sent = speak(&mut desk, &mut wide, 9, &g722, 20);
    wide.sequence += 1;
    wide.timestamp += 160;
    sent.extend(desk.pass(20));
    sent.extend(speak(&mut desk, &mut wide, 9, &g722, 20));
    let sound = heard(&sent, &narrow, &pcma);
    let quiet = sound[1_600..].chunks(160).filter(|frame| power(frame) < 1e6).count();
    assert_eq!(quiet, 0, "no hole");
}

#[test]
fn events_become_tones_for_a_party_without_them_and_tones_become_events() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8 101");
    let mut b = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(a.id, b.id);
    let mut keys = rtp::tones::KeyDetector::default();
    let mut told = String::new();
    for key in [5_u8, 11] {
        for (end, duration) in [(false, 160), (false, 320), (true, 480), (true, 480)] {
            let event = TelephoneEvent { code: key, end, volume: 10, duration };
            a.timestamp = 1_000_000 + u32::from(key) * 10_000 - 160;
            assert_eq!(desk.send(&mut a, 101, &event.to_bytes()), None);
        }
        let sound = heard(&desk.pass(300), &b, &Format::new("PCMA", 8_000, 1));
        assert_eq!(sound.len(), 800, "100 ms of tones");
        told.extend(sound.chunks(160).chain([&[0; 160][..]; 3]).filter_map(|frame| keys.take(frame)));
    }
    assert_eq!(told, "5#");
    assert!(desk.send(&mut a, 8, &[1; 160]).is_some(), "sound passes as it is");
    // The other way: b presses in its sound.
    desk.engine.detect_digits(b.id, true);
    let mut sent = Vec::new();
    for n in 0..10 {
        let mut samples = [0; 160];
        if n < 5 {
            rtp::tones::key_sound('7', 8_000, n * 160, &mut samples);
        }
        let forward = desk.send(&mut b, 8, &samples.map(rtp::g711::alaw_encode));
        assert!(forward.is_some() || n >= 1, "sound passes until the event speaks");
        sent.extend(desk.pass(20));
    }
    sent.extend(desk.pass(300));
    assert!(matches!(desk.events()[..], [Event::Digit { digit: '7', .. }]));
    let events: Vec<_> = sent
        .iter()
        .filter_map(|t| {
            rtp::parse(&t.bytes).ok().map(|h| (h.clone(), TelephoneEvent::parse(&t.bytes[h.payload]).unwrap()))
        })
        .collect();
    assert_eq!(events.len(), 8, "five packets and three ends");
    assert!(
        events
            .iter()
            .all(|(h, e)| h.payload_type == 101 && e.digit() == Some('7') && h.timestamp == events[0].0.timestamp)
    );
    assert_eq!(events.iter().map(|(_, e)| e.duration).collect::<Vec<_>>(), [160, 320, 480, 640, 800, 800, 800, 800]);
    assert_eq!(events.iter().filter(|(_, e)| e.end).count(), 3);
    assert!(events[0].0.marker && !events[1].0.marker);
}

#[test]
fn keys_are_pressed_one_after_the_other_and_told_at_the_end() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8 101");
    desk.engine.send_keys(a.id, "12", desk.now).unwrap();
    desk.engine.send_keys(a.id, "d", desk.now).unwrap();
    for bad in ["x", "1 2", &"1".repeat(70)] {
        assert!(desk.engine.send_keys(a.id, bad, desk.now).is_err(), "{bad}");
    }
    let sent = desk.pass(1_000);
    let pressed: Vec<char> = sent
        .iter()
        .filter(|t| t.kind == PacketKind::Rtp && t.bytes[1] & 0x80 != 0)
        .filter_map(|t| TelephoneEvent::parse(&t.bytes[12..])?.digit())
        .collect();
    assert_eq!((pressed, sent.len()), (vec!['1', '2', 'D'], 24));
    assert_eq!(desk.events(), [Event::KeysSent { stream: a.id }]);
    assert!(desk.engine.poll_timeout().unwrap().since(desk.now).as_secs() > 50, "nothing ticks any more");
    let mut b = desk.party("10.0.0.2:5000", "8 101");
    assert_eq!(packet(&b, 8, &[]).len(), 12);
    assert_eq!(desk.send(&mut b, 8, &[0; 160]), None);
}

#[test]
fn what_passes_as_it_is_is_not_spoken_once_more() {
    let mut desk = Desk::new();
    // It could send G.722 as well, which the other does not take.
    let mut wide = desk.party("10.0.0.1:4000", "9 8");
    let narrow = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(wide.id, narrow.id);
    let (g722, pcma) = (Format::new("G722", 8_000, 1), Format::new("PCMA", 8_000, 1));
    let mut encoder = Own.encoder(&pcma).unwrap();
    for n in 0..50 {
        let mut payload = Vec::new();
        encoder.encode(&tone(8_000, n), &mut payload);
        assert!(desk.send(&mut wide, 8, &payload).is_some(), "it passes");
        let sent = desk.pass(20);
        assert!(sent.iter().all(|t| t.to != narrow.rtp), "and is not said twice");
    }
    // Where it changes its mind, it is heard all the same.
    let sent = speak(&mut desk, &mut wide, 9, &g722, 20);
    assert!(sent.iter().filter(|t| t.to == narrow.rtp).count() >= 18);
}
