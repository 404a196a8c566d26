//! Lines to another end that is no phone, over the public face and in virtual time.

use super::kit::{Desk, Party};
use crate::{AHEAD_MAX, Channels, Event, PlayError};
use core::time::Duration;
use model::{ForkId, ForkIn, ForkOut, ForkSpec, Prompt};

const LINE: ForkId = ForkId(7);

fn of(channels: Channels, rate: u32) -> ForkSpec {
    ForkSpec { fork: LINE, channels, rate, fax: false }
}

/// What the other end was told so far: its sound in one, and the rest.
fn told(desk: &mut Desk) -> (Vec<i16>, Vec<ForkOut>) {
    let (mut sound, mut rest) = (Vec::new(), Vec::new());
    while let Some((fork, told)) = desk.engine.poll_forked() {
        assert_eq!(fork, LINE);
        if let ForkOut::Sound(frame) = told {
            sound.extend(frame);
        } else {
            rest.push(told);
        }
    }
    (sound, rest)
}

fn says(desk: &mut Desk, said: ForkIn) {
    desk.engine.handle_fork(LINE, said, desk.now);
}

fn talk(desk: &mut Desk, parties: &mut [(&mut Party, i16)], packets: usize) {
    for _ in 0..packets {
        for (party, level) in parties.iter_mut() {
            let _ = desk.send(party, 8, &[rtp::g711::alaw_encode(*level); 160]);
        }
        desk.pass(20);
    }
}

fn share(samples: &[i16], level: i16) -> f64 {
    samples.iter().filter(|s| s.abs_diff(level) < 120).count() as f64 / samples.len().max(1) as f64
}

/// The level of each packet that the party was sent.
fn levels(sent: &[crate::MediaTransmit]) -> Vec<i16> {
    let level = |t: &crate::MediaTransmit| rtp::g711::alaw_decode(t.bytes[12 + 80]);
    sent.iter().filter(|t| t.bytes.len() == 172).map(level).collect()
}

#[test]
fn the_other_end_hears_every_tick_and_silence_too() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8 101");
    desk.engine.fork(a.id, of(Channels::Party, 16_000), desk.now).unwrap();
    assert_eq!(desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now), Err(PlayError::Forked));
    talk(&mut desk, &mut [(&mut a, 3_000)], 50);
    desk.pass(1_000);
    let (sound, rest) = told(&mut desk);
    assert!((98 * 320..=102 * 320).contains(&sound.len()), "2 s at 16 kHz, no gap: {}", sound.len());
    assert!(share(&sound[..16_000], 3_000) > 0.9 && share(&sound[20_000..], 0) > 0.95 && rest.is_empty());
    let end = desk.engine.stop_fork(a.id).unwrap();
    assert_eq!((end.ended_by.as_str(), end.sent.as_millis() as usize * 16), ("stopped", sound.len()));
    assert_eq!(told(&mut desk), (Vec::new(), vec![ForkOut::Over]));
    desk.pass(500);
    assert_eq!((told(&mut desk), desk.engine.forks()), ((Vec::new(), Vec::new()), 0));
    let deaf = desk.party("10.0.0.3:4000", "18");
    assert_eq!(desk.engine.fork(deaf.id, of(Channels::Party, 8_000), desk.now), Err(PlayError::NoCodec));
}

#[test]
fn both_sides_of_a_call_go_on_a_channel_each() {
    let mut desk = Desk::new();
    let (mut a, mut b) = (desk.party("10.0.0.1:4000", "8"), desk.party("10.0.0.2:4000", "8"));
    desk.engine.connect(a.id, b.id);
    desk.engine.fork(a.id, of(Channels::Stereo, 8_000), desk.now).unwrap();
    talk(&mut desk, &mut [(&mut a, 1_000), (&mut b, 3_000)], 100);
    let (sound, _) = told(&mut desk);
    let side = |n: usize| sound.iter().skip(n).step_by(2).copied().collect::<Vec<_>>();
    assert!(share(&side(0), 1_000) > 0.9 && share(&side(1), 3_000) > 0.9);
    // What the other end says is heard in place of the bridge, and stands on the right.
    says(&mut desk, ForkIn::Sound(vec![6_000; 8_000]));
    for _ in 0..50 {
        assert!(desk.send(&mut a, 8, &[0xd5; 160]).is_some(), "the peer hears the party all the time");
        desk.pass(20);
    }
    let (sound, _) = told(&mut desk);
    let right: Vec<i16> = sound.iter().skip(1).step_by(2).copied().collect();
    assert!(share(&right, 6_000) > 0.85, "{}", share(&right, 6_000));
    desk.engine.close(a.id, desk.now);
    assert!(told(&mut desk).1.contains(&ForkOut::Over), "the leg ends, and so does the line");
}

#[test]
fn what_it_says_waits_for_sixty_milliseconds_and_is_heard_whole() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8");
    desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now).unwrap();
    desk.pass(40);
    // In pieces that are no frames, with jitter.
    for piece in [100_usize, 60, 161, 159, 320, 800] {
        says(&mut desk, ForkIn::Sound(vec![4_000; piece]));
    }
    let sent = desk.pass(500);
    assert_eq!(levels(&sent).len(), 10, "1,600 samples");
    assert!(levels(&sent).iter().all(|l| l.abs_diff(4_000) < 130));
    // Less than the lead waits for three ticks, not for ever.
    says(&mut desk, ForkIn::Sound(vec![4_000; 100]));
    assert_eq!(levels(&desk.pass(60)).len(), 0);
    assert_eq!(levels(&desk.pass(60)).len(), 1);
    let end = desk.engine.stop_fork(a.id).unwrap();
    assert_eq!(end.heard, Duration::from_millis(220));
}

#[test]
fn marks_come_back_when_they_are_heard_and_clear_forgets() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8");
    desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now).unwrap();
    says(&mut desk, ForkIn::Mark("at once".to_owned()));
    assert_eq!(told(&mut desk).1, [ForkOut::Mark("at once".to_owned())]);
    says(&mut desk, ForkIn::Sound(vec![4_000; 8_000]));
    says(&mut desk, ForkIn::Mark("one".to_owned()));
    says(&mut desk, ForkIn::Sound(vec![4_000; 80_000]));
    says(&mut desk, ForkIn::Mark("two".to_owned()));
    desk.pass(900);
    assert_eq!(told(&mut desk).1, []);
    desk.pass(200);
    assert_eq!(told(&mut desk).1, [ForkOut::Mark("one".to_owned())]);
    says(&mut desk, ForkIn::Clear);
    assert_eq!(told(&mut desk).1, [ForkOut::Mark("two".to_owned())]);
    assert_eq!(levels(&desk.pass(200)).len(), 0, "nothing more is heard");
}

#[test]
fn a_flood_is_bounded_and_an_end_waits_until_all_is_heard() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8");
    desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now).unwrap();
    for _ in 0..100 {
        says(&mut desk, ForkIn::Sound(vec![4_000; 8_000]));
    }
    let lost: Duration =
        told(&mut desk).1.iter().map(|t| if let ForkOut::Overflow(lost) = t { *lost } else { Duration::ZERO }).sum();
    assert_eq!(lost, Duration::from_secs(100) - AHEAD_MAX);
    says(&mut desk, ForkIn::Over("end", "thanks".to_owned()));
    desk.pass(59_000);
    assert!(desk.events().is_empty() && desk.engine.has_fork(a.id) == Some(true));
    desk.pass(1_500);
    assert!(desk.events().contains(&Event::ForkOver { stream: a.id }));
    assert_eq!(told(&mut desk).1, [ForkOut::Over]);
    let end = desk.engine.stop_fork(a.id).unwrap();
    assert_eq!((end.ended_by.as_str(), end.note.as_str(), end.dropped), ("end", "thanks", lost));
    assert_eq!(end.heard, AHEAD_MAX);
    // One that fails ends at once, whatever was left to say.
    desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now).unwrap();
    says(&mut desk, ForkIn::Sound(vec![4_000; 8_000]));
    says(&mut desk, ForkIn::Over("failed", "broken off".to_owned()));
    assert!(desk.events().contains(&Event::ForkOver { stream: a.id }));
    assert_eq!(desk.engine.stop_fork(a.id).unwrap().ended_by, "failed");
}

#[test]
fn a_play_has_the_floor_and_secrets_stay_here() {
    let mut desk = Desk::new();
    let mut a = desk.party("10.0.0.1:4000", "8 101");
    desk.engine.fork(a.id, of(Channels::Party, 8_000), desk.now).unwrap();
    says(&mut desk, ForkIn::Sound(vec![4_000; 8_000]));
    desk.pass(200);
    desk.engine.play(a.id, &[Prompt::File("hello".to_owned())], false, desk.now).unwrap();
    let heard = levels(&desk.pass(60));
    assert!(heard.iter().any(|l| l.abs_diff(1_000) < 80), "the prompt: {heard:?}");
    let after = levels(&desk.pass(900));
    assert!(after.iter().filter(|l| l.abs_diff(4_000) < 130).count() > 35, "then the rest of it: {after:?}");
    told(&mut desk);
    desk.engine.halt_fork(a.id, true);
    desk.engine.fork_digit(a.id, '4');
    talk(&mut desk, &mut [(&mut a, 5_000)], 50);
    let (sound, rest) = told(&mut desk);
    assert!(sound.iter().all(|s| *s == 0) && sound.len() > 7_000 && rest.is_empty());
    desk.engine.halt_fork(a.id, false);
    desk.engine.fork_digit(a.id, '5');
    talk(&mut desk, &mut [(&mut a, 5_000)], 50);
    let (sound, rest) = told(&mut desk);
    assert!(share(&sound, 5_000) > 0.8 && rest == [ForkOut::Digit('5')]);
}
