//! Music that many hear, and plays that are halted and sought.

use super::kit::{Desk, Party};
use crate::{Event, MediaTransmit, PlayError};
use core::time::Duration;
use model::Prompt;

fn tone(name: &str) -> Vec<Prompt> {
    vec![Prompt::Tone(name.to_owned())]
}

fn of<'s>(sent: &'s [MediaTransmit], party: &Party) -> Vec<&'s [u8]> {
    sent.iter().filter(|t| t.to == party.rtp).map(|t| &t.bytes[12..]).collect()
}

#[test]
fn all_who_ask_for_the_same_music_hear_the_same_moment() {
    let mut desk = Desk::new();
    let (a, b) = (desk.party("10.0.0.1:4000", "8"), desk.party("10.0.0.2:4000", "8"));
    let (c, wide) = (desk.party("10.0.0.3:4000", "0"), desk.party("10.0.0.4:4000", "9"));
    desk.engine.start_music(a.id, &tone("440+554/400/4600"), desk.now).unwrap();
    desk.pass(111);
    for party in [&b, &c, &wide] {
        desk.engine.start_music(party.id, &tone("440+554/400/4600"), desk.now).unwrap();
    }
    let sent = desk.pass(99);
    let heard = of(&sent, &a);
    assert_eq!((heard.len(), of(&sent, &wide).len()), (5, 5));
    assert_eq!(heard, of(&sent, &b), "the same moment");
    let decoded = |payload: &[u8], decode: fn(u8) -> i16| payload.iter().map(|b| decode(*b)).collect::<Vec<_>>();
    let (alaw, ulaw) = (decoded(heard[0], rtp::g711::alaw_decode), decoded(of(&sent, &c)[0], rtp::g711::ulaw_decode));
    assert!(alaw.iter().zip(&ulaw).all(|(x, y)| x.abs_diff(*y) < 600) && alaw.iter().any(|s| *s > 3_000));
    for party in [&a, &b, &c, &wide] {
        desk.engine.stop_music(party.id);
    }
    assert!(desk.pass(100).is_empty());
    assert!(desk.engine.poll_timeout().unwrap().since(desk.now) > Duration::from_secs(10), "nothing ticks");
}

#[test]
fn music_covers_the_bridge_and_a_prompt_covers_the_music() {
    let mut desk = Desk::new();
    let (a, mut b) = (desk.party("10.0.0.1:4000", "0"), desk.party("10.0.0.2:4000", "0"));
    desk.engine.connect(a.id, b.id);
    desk.engine.start_music(a.id, &tone("ring"), desk.now).unwrap();
    assert!(desk.engine.has_music(a.id));
    assert_eq!(desk.send(&mut b, 0, &[1; 160]), None);
    desk.engine.play(a.id, &[Prompt::File("hello".to_owned())], false, desk.now).unwrap();
    let sent = desk.pass(79);
    let level = |payload: &[u8]| rtp::g711::ulaw_decode(payload[80]);
    let heard: Vec<bool> = of(&sent, &a).iter().map(|p| level(p).abs_diff(1_000) < 40).collect();
    assert_eq!(heard, [true, true, false, false], "one packet a tick: the prompt, then the music");
    desk.engine.stop_music(a.id);
    assert!(desk.send(&mut b, 0, &[1; 160]).is_some(), "the bridge again");
    for bad in [vec![], vec![Prompt::SilenceMs(0)]] {
        assert_eq!(desk.engine.start_music(a.id, &bad, desk.now), Err(PlayError::Empty));
    }
    desk.engine.start_music(a.id, &tone("ring"), desk.now).unwrap();
    desk.engine.start_music(a.id, &tone("busy"), desk.now).unwrap();
    assert_eq!(of(&desk.pass(19), &a).len(), 1, "another list takes the place of the first");
    desk.engine.close(a.id, desk.now);
    assert!(desk.pass(100).is_empty());
    assert!(desk.engine.playout.sources.is_empty());
}

#[test]
fn a_play_is_halted_and_sought() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "0");
    let list = [Prompt::SilenceMs(1_000), Prompt::File("hello".to_owned())];
    let job = desk.engine.play(a.id, &list, false, desk.now).unwrap();
    assert_eq!(desk.pass(99).len(), 5);
    assert_eq!(desk.engine.position(job), Some(Duration::from_millis(100)));
    desk.engine.pause(job, true, desk.now);
    assert!(desk.pass(1_000).is_empty());
    assert!(
        desk.engine.poll_timeout().unwrap().since(desk.now) > Duration::from_secs(10),
        "a halted play costs nothing"
    );
    desk.engine.seek(job, Duration::from_millis(1_020));
    desk.engine.pause(job, false, desk.now);
    let sent = desk.pass(100);
    assert_eq!(sent.len(), 1, "the last frame");
    assert_eq!(desk.events(), [Event::PlayEnded { stream: a.id, job }]);
    assert_eq!(desk.engine.position(job), None);
    desk.engine.seek(job, Duration::ZERO);
    desk.engine.pause(job, false, desk.now);
    assert!(desk.pass(100).is_empty());
}

#[test]
fn numbers_are_said_from_a_pack() {
    let mut desk = Desk::new();
    let a = desk.party("10.0.0.1:4000", "8");
    for (name, level) in [("en/20", 2_000), ("en/1", 1_000), ("en/hundred", 4_000)] {
        desk.engine.add_prompt(name, vec![level; 160].into());
    }
    let number = |value| [Prompt::Number { pack: "en".to_owned(), value }];
    desk.engine.play(a.id, &number(121), false, desk.now).unwrap();
    let sent = desk.pass(200);
    let levels: Vec<i16> = of(&sent, &a).iter().map(|p| rtp::g711::alaw_decode(p[80]) / 900).collect();
    assert_eq!(levels, [1, 4, 2, 1]);
    let missing = desk.engine.play(a.id, &number(122), false, desk.now);
    assert_eq!(missing, Err(PlayError::UnknownPrompt("en/2".to_owned())));
    let digits = Prompt::Digits { pack: "en".to_owned(), text: "11".to_owned() };
    desk.engine.play(a.id, &[digits], false, desk.now).unwrap();
    assert_eq!(desk.pass(100).len(), 2);
}

#[test]
fn silent_parties_wake_the_shard_once_a_minute() {
    let mut desk = Desk::new();
    for n in 1..=6 {
        let party = desk.party(&format!("10.0.0.{n}:4000"), "8 101");
        desk.engine.hold(party.id, true, desk.now);
        desk.engine.detect_digits(party.id, true);
    }
    let (mut wakes, end) = (0, desk.now + Duration::from_secs(600));
    while let Some(at) = desk.engine.poll_timeout().filter(|at| *at <= end) {
        desk.engine.handle_timeout(at);
        wakes += 1;
    }
    assert_eq!(wakes, 10, "one look a minute for all of them");
}
