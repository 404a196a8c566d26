//! Sound of our own: prompts, tones, echo, and what is heard after it.

use super::kit::{Desk, Party, SECOND, remote};
use crate::{Event, MediaTransmit, PacketKind, PlayError};
use core::time::Duration;
use model::Prompt;
use rtp::Header;

fn file(name: &str) -> Prompt {
    Prompt::File(name.to_owned())
}

fn tone(name: &str) -> Prompt {
    Prompt::Tone(name.to_owned())
}

/// The RTP among what was sent, all of it for this party.
fn headers(sent: &[MediaTransmit], party: &Party) -> Vec<Header> {
    let of = |t: &&MediaTransmit| t.kind == PacketKind::Rtp && t.port == party.port.id && t.to == party.rtp;
    sent.iter().filter(of).map(|t| rtp::parse(&t.bytes).unwrap()).collect()
}

#[test]
fn a_prompt_is_sent_in_frames_and_its_end_is_told() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8 0");
    let job = desk.engine.play(a.id, &[file("hello"), file("hello")], false, desk.now).unwrap();
    let sent = desk.pass(200);
    let headers = headers(&sent, &a);
    assert_eq!(headers.len(), 4);
    assert!(headers[0].marker && headers[1..].iter().all(|h| !h.marker));
    for pair in headers.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(160));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
    for packet in &sent {
        assert_eq!(packet.bytes.len(), 172);
        assert!(packet.bytes[12..].iter().all(|b| *b == rtp::g711::alaw_encode(1_000)), "the first codec it named");
    }
    assert_eq!(desk.events(), [Event::PlayEnded { stream: a.id, job }]);
    let next = desk.engine.poll_timeout().unwrap();
    assert!(next > desk.now + Duration::from_secs(10), "no tick while nothing plays");
}

#[test]
fn repeating_stops_when_told_and_replacing_tells_nothing() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let first = desk.engine.play(a.id, &[tone("ring")], true, desk.now).unwrap();
    assert_eq!(headers(&desk.pass(9_999), &a).len(), 500);
    let second = desk.engine.play(a.id, &[tone("busy")], true, desk.now).unwrap();
    desk.engine.stop(first);
    assert_eq!(headers(&desk.pass(1_000), &a).len(), 50, "stopping the old one does not stop the new");
    desk.engine.stop(second);
    assert!(headers(&desk.pass(1_000), &a).is_empty());
    desk.engine.stop(second);
    assert!(desk.events().is_empty());
    let third = desk.engine.play(a.id, &[], true, desk.now).unwrap();
    assert!(desk.pass(20).is_empty());
    assert_eq!(desk.events(), [Event::PlayEnded { stream: a.id, job: third }]);
}

#[test]
fn what_cannot_be_played_says_why_and_what_plays_goes_on() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let b = desk.party("10.0.0.2:5000", "18");
    desk.engine.play(a.id, &[tone("ring")], true, desk.now).unwrap();
    for (id, prompt, error) in [
        (a.id, file("nobody"), PlayError::UnknownPrompt("nobody".to_owned())),
        (a.id, tone("x/y"), PlayError::UnknownPrompt("x/y".to_owned())),
        (b.id, tone("ring"), PlayError::NoCodec),
    ] {
        assert_eq!(desk.engine.play(id, &[prompt], false, desk.now), Err(error));
    }
    assert_eq!(headers(&desk.pass(99), &a).len(), 5);
    desk.engine.close(a.id, desk.now);
    assert_eq!(desk.engine.play(a.id, &[tone("ring")], false, desk.now), Err(PlayError::NoStream));
    assert!(desk.pass(100).is_empty());
    desk.engine.add_prompt("nobody", vec![0; 160].into());
    let c = desk.party("10.0.0.3:6000", "0");
    assert!(desk.engine.play(c.id, &[file("nobody")], false, desk.now).is_ok());
}

#[test]
fn all_that_plays_shares_one_tick() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let b = desk.party("10.0.0.2:5000", "8");
    desk.engine.play(a.id, &[tone("ring")], true, desk.now).unwrap();
    desk.pass(7);
    desk.engine.play(b.id, &[tone("ring")], true, desk.now).unwrap();
    let mut wakes = 0;
    let end = desk.now + Duration::from_secs(1);
    while let Some(at) = desk.engine.poll_timeout().filter(|at| *at <= end) {
        desk.engine.handle_timeout(at);
        wakes += 1;
    }
    assert_eq!(wakes, 50);
    let sent = desk.drain();
    assert_eq!((headers(&sent, &a).len(), headers(&sent, &b).len()), (50, 50));
}

#[test]
fn a_late_wake_up_is_caught_up_with_in_measure() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    desk.engine.play(a.id, &[tone("ring")], true, desk.now).unwrap();
    desk.pass(10);
    desk.now = desk.now + Duration::from_millis(55);
    desk.engine.handle_timeout(desk.now);
    assert_eq!(headers(&desk.drain(), &a).len(), 3);
    desk.now = desk.now + Duration::from_secs(3);
    desk.engine.handle_timeout(desk.now);
    assert_eq!(headers(&desk.drain(), &a).len(), 5);
    assert_eq!(desk.engine.poll_timeout(), Some(desk.now + Duration::from_millis(20)));
}

#[test]
fn after_a_prompt_the_bridge_is_heard_in_the_same_source() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "0 101");
    let mut b = desk.party("10.0.0.2:5000", "0 101");
    desk.engine.connect(a.id, b.id);
    desk.engine.play(a.id, &[file("hello")], false, desk.now).unwrap();
    assert_eq!(desk.send(&mut b, 0, &[7; 160]), None, "the prompt has the floor");
    let last = headers(&desk.pass(40), &a).pop().unwrap();
    let (forward, bytes) = desk.send(&mut b, 0, &[7; 160]).unwrap();
    let first = rtp::parse(&bytes).unwrap();
    assert_eq!(forward.to, a.rtp);
    assert_eq!((first.ssrc, first.sequence, first.marker), (last.ssrc, last.sequence.wrapping_add(1), true));
    assert_eq!(first.timestamp, last.timestamp.wrapping_add(160));
    assert_eq!(&bytes[12..], [7; 160]);
    let (_, bytes) = desk.send(&mut b, 0, &[7; 160]).unwrap();
    assert_eq!(rtp::parse(&bytes).unwrap().timestamp, first.timestamp.wrapping_add(160));
    let (_, bytes) = desk.send(&mut a, 0, &[7; 160]).unwrap();
    assert_eq!(rtp::parse(&bytes).unwrap().ssrc, a.ssrc, "b was never played to");
}

#[test]
fn a_party_hears_itself_under_another_source() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8");
    let b = desk.party("10.0.0.2:5000", "8");
    desk.engine.connect(a.id, b.id);
    desk.engine.echo(a.id, true);
    let (forward, bytes) = desk.send(&mut a, 8, &[3; 160]).unwrap();
    assert_eq!((forward.port, forward.to), (a.port.id, a.rtp));
    assert_ne!(rtp::parse(&bytes).unwrap().ssrc, a.ssrc);
    assert_eq!(&bytes[12..], [3; 160]);
    desk.engine.echo(a.id, false);
    assert_eq!(desk.send(&mut a, 8, &[3; 160]).unwrap().0.to, b.rtp);
}

#[test]
fn a_party_that_holds_is_played_to_in_silence() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    desk.engine.set_remote(a.id, remote(a.rtp, "0", "inactive"), desk.now);
    let job = desk.engine.play(a.id, &[file("hello")], false, desk.now).unwrap();
    assert!(desk.pass(100).is_empty());
    assert_eq!(desk.events(), [Event::PlayEnded { stream: a.id, job }]);
}

#[test]
fn reports_go_out_every_five_seconds_of_sound_and_of_rewritten_bridges() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let mut b = desk.party("10.0.0.2:5000", "0");
    let job = desk.engine.play(a.id, &[tone("ring")], true, desk.now).unwrap();
    let reports =
        |sent: Vec<MediaTransmit>| sent.into_iter().filter(|t| t.kind == PacketKind::Rtcp).collect::<Vec<_>>();
    let sent = reports(desk.pass(12 * SECOND));
    assert_eq!(sent.len(), 2);
    assert_eq!((sent[0].to.port(), sent[0].port), (4_001, a.port.id));
    assert!(rtp::rtcp::is_valid(&sent[0].bytes));
    desk.engine.stop(job);
    desk.engine.connect(a.id, b.id);
    let mut count = 0;
    for _ in 0..500 {
        let _ = desk.send(&mut b, 0, &[0; 160]).unwrap();
        count += reports(desk.pass(20)).len();
    }
    assert_eq!(count, 2);
}
